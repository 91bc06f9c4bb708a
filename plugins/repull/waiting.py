"""What is known of a pod that waits for an image, before anything is done: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from pullcore.diagnosis import Diagnosis, Report
from pullcore.kubelet import WITHOUT_BACK_OFF
from pullcore.pull import Object, Target
from pullcore.weblogic import SERVER_LABEL
from pullcore.workload import Index, is_static, runs, target_of, waits_for_image

from repull.outdated import Outdated, outdated


@dataclass(frozen=True)
class Waiting:
    """A pod that waits for an image. `owners`: what controls it, nearest first. `outdated`: in words, how it differs from
    what would be made today; empty where it does not. `by_spec`: because what makes it was changed itself, not only the
    service account; `other_image`: in its image."""

    pod: Object
    asker: Target
    owners: tuple[Target, ...]
    reasons: frozenset[str]
    next_try: Optional[datetime]
    outdated: str
    by_spec: bool
    other_image: bool = False

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
        return bool(self.reasons) and self.reasons <= WITHOUT_BACK_OFF

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
    difference = outdated(pod, some[0], report, index) or Outdated("")
    return Waiting(
        pod,
        owners[-1] if owners else target_of(pod),
        owners,
        frozenset(str(use.reason) for use in uses),
        min(tries) if tries else None,
        difference.text,
        difference.by_spec,
        difference.image,
    )
