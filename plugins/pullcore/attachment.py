"""Where an object lists pull secrets, and patches that add a name to such a list, or take one out, and lose no other.

These lists are atomic for service accounts and Domains: a merge patch would replace them (core/v1 types.go, listType=atomic;
the operator's CRD). A JSON patch tests that the list is still the one that was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from pullcore.errors import CommandError
from pullcore.pull import Object

LIST_PATHS = {
    "ServiceAccount": ("imagePullSecrets",),
    "Domain": ("spec", "imagePullSecrets"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec", "imagePullSecrets"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"),
        ("spec", "template", "spec", "imagePullSecrets"),
    ),
}
CANNOT = {
    "Pod": "the list of a pod can't be changed: attach it to what makes the pod, or to its service account",
    "Job": "the list of a Job can't be changed: attach it to its service account, and make the Job again",
    "Cluster": "a WebLogic Cluster has no list of pull secrets: attach it to its Domain",
}


def list_path(kind: str) -> str:
    """The JSON pointer of the list in an object of this kind. Raises CommandError for kinds whose list can't be changed."""
    if kind not in LIST_PATHS:
        raise CommandError(CANNOT.get(kind, f"{kind} has no list of pull secrets"))
    return "/" + "/".join(LIST_PATHS[kind])


def listed(value: Object) -> list[Any]:
    """The list as it stands in the object; empty where there is none."""
    found: Any = value
    for step in LIST_PATHS[value["kind"]]:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, list) else []


def names_in(value: Object) -> list[str]:
    return [one["name"] for one in listed(value) if isinstance(one, dict) and one.get("name")]


def added(value: Object, names: Sequence[str]) -> Optional[list[Object]]:
    """The patch that appends what is missing of `names`, in their order; None where nothing is."""
    missing = [{"name": name} for name in names if name not in names_in(value)]
    if not missing:
        return None
    path, there = list_path(value["kind"]), listed(value)
    if there:
        return [_test(path, there), *({"op": "add", "path": f"{path}/-", "value": one} for one in missing)]
    return [_unchanged(value), {"op": "add", "path": path, "value": missing}]


def removed(value: Object, name: str) -> Optional[list[Object]]:
    """The patch that takes a name out of the list, and the list with its last name; None where the name is not in it."""
    path, there = list_path(value["kind"]), listed(value)
    places = [number for number, one in enumerate(there) if isinstance(one, dict) and one.get("name") == name]
    if not places:
        return None
    if len(places) == len(there):
        return [_test(path, there), {"op": "remove", "path": path}]
    return [_test(path, there), *({"op": "remove", "path": f"{path}/{number}"} for number in reversed(places))]


def with_list(value: Object, names: Sequence[str]) -> Object:
    """The object with these names as its list, for showing."""

    def put(part: Any, steps: Sequence[str]) -> Any:
        if len(steps) == 1:
            rest = {key: one for key, one in part.items() if key != steps[0]}
            return {**rest, steps[0]: [{"name": name} for name in names]} if names else rest
        return {**part, steps[0]: put(part.get(steps[0]) or {}, steps[1:])}

    changed: Object = put(value, LIST_PATHS[value["kind"]])
    return changed


def _test(path: str, there: Sequence[Any]) -> Object:
    return {"op": "test", "path": path, "value": list(there)}


def _unchanged(value: Object) -> Object:
    """A list that is not there can't be tested: the whole object has to be the one that was seen."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": value["metadata"]["resourceVersion"]}
