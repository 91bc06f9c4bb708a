"""What is known of a pod that waits for an image, before anything is done: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from pullcore.case import Case
from pullcore.diagnosis import NO_REFERENCE, Diagnosis, Report
from pullcore.fixes import Commands
from pullcore.keyring import LookUp
from pullcore.podspec import Ask, pod_asks
from pullcore.pull import Object, Target
from pullcore.weblogic import SERVER_LABEL, domain_asks, own_image
from pullcore.workload import TEMPLATED, Index, asks_of, is_static, runs, target_of, waits_for_image

from repull.afresh import SAID_NOW


@dataclass(frozen=True)
class Waiting:
    """A pod that waits for an image. `owners`: what controls it, nearest first. `outdated`: in words, how it differs from
    what would be made today; empty where it does not. `by_spec`: because what makes it was changed itself, not only the
    service account."""

    pod: Object
    asker: Target
    owners: tuple[Target, ...]
    reasons: frozenset[str]
    next_try: Optional[datetime]
    outdated: str
    by_spec: bool

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"].get("uid", ""))

    @property
    def target(self) -> Target:
        return target_of(self.pod)

    @property
    def runs(self) -> bool:
        return runs(self.pod)

    @property
    def static(self) -> bool:
        return is_static(self.pod)

    @property
    def going(self) -> bool:
        """It is being deleted."""
        return "deletionTimestamp" in self.pod["metadata"]

    @property
    def ran(self) -> bool:
        """Its phase is Running: a container ran before, and now its image can't be had again."""
        return bool(self.pod.get("status", {}).get("phase") == "Running")

    @property
    def tried_at_each_sync(self) -> bool:
        """There is no back-off to skip: the kubelet looks at it again every few seconds."""
        return bool(self.reasons) and self.reasons <= SAID_NOW

    @property
    def server(self) -> str:
        """The WebLogic server that it is; empty for an introspector, and for what is no Domain's."""
        return str(self.pod["metadata"].get("labels", {}).get(SERVER_LABEL, ""))


def waiting_pods(report: Report, index: Index) -> list[Waiting]:
    """Every pod of the report in which a container waits for an image."""
    by_uid: dict[str, list[Diagnosis]] = {}
    for one in report.pulls:
        for uid in dict.fromkeys(use.pod_uid for use in one.pull.containers if waits_for_image(use)):
            by_uid.setdefault(uid, []).append(one)
    return [_waiting(index.pods[uid], some, report, index) for uid, some in by_uid.items() if uid in index.pods]


def _waiting(pod: Object, some: Sequence[Diagnosis], report: Report, index: Index) -> Waiting:
    uid, owners = pod["metadata"].get("uid", ""), tuple(index.owners(pod))
    said = [one for each in some for one in each.said if one.use and one.use.pod_uid == uid]
    uses = [use for each in some for use in each.pull.containers if use.pod_uid == uid and waits_for_image(use)]
    tries = [one.word.next_try for one in said if one.word.next_try]
    outdated, by_spec = _outdated(pod, some[0], report, index)
    return Waiting(
        pod,
        owners[-1] if owners else target_of(pod),
        owners,
        frozenset(str(use.reason) for use in uses),
        min(tries) if tries else None,
        outdated,
        by_spec,
    )


def _outdated(pod: Object, one: Diagnosis, report: Report, index: Index) -> tuple[str, bool]:
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
        return f"it asks for {changed[0].image}, one made today for {now}", True
    wanted_list = case.list_of_today(pod)
    if wanted_list is None or wanted_list == one.pull.secrets:
        return "", False
    lists = f"it lists {_names(one.pull.secrets)}, one made today {_names(wanted_list)}"
    return lists, any(ask.secrets for ask in today)


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


def superseded(one: Waiting, index: Index) -> Optional[Object]:
    """The Deployment that replaces this pod's ReplicaSet by itself, for its template asks for something else by now."""
    if [owner.kind for owner in one.owners[:2]] != ["ReplicaSet", "Deployment"]:
        return None
    small, large = (index.by_target.get(owner) for owner in one.owners[:2])
    return large if small and large and _content(small) != _content(large) else None


def _content(value: Object) -> set[tuple[object, ...]]:
    return {(ask.container, ask.image, ask.policy, ask.secrets, ask.service_account) for ask in asks_of(value)}
