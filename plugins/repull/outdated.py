"""How a pod differs from what would be made in its place today: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from pullcore.case import Case
from pullcore.diagnosis import NO_REFERENCE, Diagnosis, Report
from pullcore.fixes import Commands
from pullcore.keyring import LookUp
from pullcore.podspec import Ask, pod_asks
from pullcore.pull import Object, Target
from pullcore.weblogic import SERVER_LABEL, domain_asks, own_image
from pullcore.workload import TEMPLATED, Index, asks_of, target_of


@dataclass(frozen=True)
class Outdated:
    """The difference in words. by_spec: because what makes the pod was changed itself, not only its service account; image:
    it is the image, or its policy."""

    text: str
    by_spec: bool = False
    image: bool = False


def outdated(pod: Object, one: Diagnosis, report: Report, index: Index) -> Optional[Outdated]:
    """How a pod, for which a Pull waits, differs from what would be made in its place now; None where it does not, or where
    that can't be known."""
    evidence = report.evidence
    commands = Commands(one.pull.namespace, report.context)
    lookup = one.lookup or LookUp()
    case = Case(one.pull, one.reference or NO_REFERENCE, one.said, lookup, one.nodes, evidence, index, commands)
    own = pod_asks(target_of(pod), "spec", pod.get("spec", {}))
    today = _asks_of_today(pod, index)
    kinds = [owner.kind for owner in index.owners(pod)]
    of_job = kinds[:1] == ["Job"] and "Domain" not in kinds  # its template can't change
    changed = [
        ask for ask in own if not of_job and (wanted := _of_container(ask, today)) and (ask.image, ask.policy) not in wanted
    ]
    if changed:
        images = {image for ask in changed for image, _ in _of_container(ask, today)}
        now = ", ".join(sorted(images)) if changed[0].image not in images else "another pull policy"
        return Outdated(f"it asks for {changed[0].image}, one made today for {now}", by_spec=True, image=True)
    wanted_list = case.list_of_today(pod)
    if wanted_list is None or wanted_list == one.pull.secrets:
        return None
    lists = f"it lists {_names(one.pull.secrets)}, one made today {_names(wanted_list)}"
    return Outdated(lists, by_spec=any(ask.secrets for ask in today))


def _asks_of_today(pod: Object, index: Index) -> list[Ask]:
    """What the pod would ask for if what made it, made it now: its ReplicaSet, say, not the Deployment above."""
    template = index.nearest_template(pod)
    owner = next((one for one in index.owners(pod) if one.kind == "Domain"), None)
    domain = index.by_target.get(owner) if owner else None
    if domain:
        return [*domain_asks(domain, index.clusters), *_introspector_asks(pod, domain)]
    return asks_of(template) if template and template["kind"] in TEMPLATED else []


def _introspector_asks(pod: Object, domain: Object) -> list[Ask]:
    """The introspector's container is named like its Job, and runs the Domain's own image."""
    if pod["metadata"].get("labels", {}).get(SERVER_LABEL):
        return []
    own = [ask for ask in domain_asks(domain) if ask.path == "spec.image" and ask.image == own_image(domain)]
    names = [one.get("name", "") for one in pod.get("spec", {}).get("containers", [])]
    return [Ask(one.target, one.path, one.image, one.policy, name, one.kind, (), "") for one in own for name in names]


def _of_container(ask: Ask, today: Iterable[Ask]) -> set[tuple[str, str]]:
    return {(one.image, one.policy) for one in today if one.container == ask.container and one.kind == ask.kind}


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no pull secret"


def superseded(owners: Sequence[Target], index: Index) -> Optional[Object]:
    """The Deployment that replaces this pod's ReplicaSet by itself, for its template asks for something else by now."""
    if [owner.kind for owner in owners[:2]] != ["ReplicaSet", "Deployment"]:
        return None
    small, large = (index.by_target.get(owner) for owner in owners[:2])
    return large if small and large and _content(small) != _content(large) else None


def _content(value: Object) -> set[tuple[object, ...]]:
    return {(ask.container, ask.image, ask.policy, ask.secrets, ask.service_account) for ask in asks_of(value)}
