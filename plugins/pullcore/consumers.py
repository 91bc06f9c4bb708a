"""Who uses which pull secret of a namespace: service accounts, Domains, workloads and pods. Pure functions over objects."""

from __future__ import annotations

from collections.abc import Iterable

from pullcore.podspec import secret_names
from pullcore.pull import Object, Target
from pullcore.workload import TEMPLATED, controller_of, target_of, template_of

KINDS_THAT_LIST = ("ServiceAccount", "Domain", *TEMPLATED, "Pod")


def own_list(value: Object) -> tuple[str, ...]:
    """The names that an object lists itself."""
    kind = value["kind"]
    if kind == "ServiceAccount":
        return secret_names(value)
    if kind in ("Domain", "Pod"):
        return secret_names(value.get("spec", {}))
    return secret_names(template_of(value)[1]) if kind in TEMPLATED else ()


def consumers(values: Iterable[Object]) -> dict[tuple[str, str], list[Target]]:
    """By namespace and name of a secret: the objects that list it, without those that something else in `values` makes from
    its own list."""
    found: dict[tuple[str, str], list[Target]] = {}
    objects = {target_of(value): value for value in values if value["kind"] in KINDS_THAT_LIST}
    lists = {target: own_list(value) for target, value in objects.items()}
    for target, names in lists.items():
        owner = controller_of(objects[target])
        of_owner = lists.get(owner, ()) if owner else ()
        if owner and target.kind == "ReplicaSet" and objects[target].get("spec", {}).get("replicas") == 0:
            continue  # what a Deployment keeps for going back
        for name in names:
            if name not in of_owner:
                found.setdefault((target.namespace, name), []).append(target)
    return found
