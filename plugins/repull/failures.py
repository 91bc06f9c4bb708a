"""Which refusals of a kubelet are new, and when they are enough to give up: pure, with a memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from pullcore.kubelet import is_pull_reason
from pullcore.pull import Object
from pullcore.refusals import AUTHENTICATION

from repull.stage import CRASHED, STARTING, Stage

# The kubelet's own limits and broken off pulls pass by themselves.
PASSING = {"throttled": 5, "canceled": 1}
Container = tuple[str, str]  # UID of the pod, name
Run = tuple[int, str]  # how often it was started again, and the ID of its image


class Failures:
    """Counts failed pulls by their containers. A failure shows as ErrImagePull, then as ImagePullBackOff until the next try
    (pkg/kubelet/images, image_manager.go); so each change to ErrImagePull is a new one."""

    def __init__(self, believed: Collection[str] = ()) -> None:
        """believed: images whose credentials are right as far as one knows, or new."""
        self.believed = frozenset(believed)
        self._last: dict[Container, str] = {}
        self._count: dict[Container, int] = {}
        self._runs: dict[Container, Run] = {}

    def begin(self, pod: Object) -> None:
        """What a pod had been refused before does not count."""
        for name, reason, run in _refused(pod):
            self._last[pod["metadata"]["uid"], name] = reason
            self._runs[pod["metadata"]["uid"], name] = run

    def note(self, pod: Object) -> None:
        uid = pod["metadata"].get("uid", "")
        for name, reason, run in _refused(pod):
            before = self._last.get((uid, name))
            if before is None or (reason != before and reason != "ImagePullBackOff"):
                self._count[uid, name] = self._count.get((uid, name), 0) + 1
            self._last[uid, name], self._runs[uid, name] = reason, run

    def settled(self, pod: Object, stage: Stage) -> Stage:
        """A back-off after a crash is of an earlier run where the container has not run since it was refused its image: the
        kubelet then tells now the one and now the other (pkg/kubelet/kuberuntime, doBackOff)."""
        if stage.name == CRASHED and stage.reason == "CrashLoopBackOff":
            runs = {one.get("name", ""): _run(one) for one in _statuses(pod)}
            if self._runs.get((pod["metadata"].get("uid", ""), stage.container)) == runs.get(stage.container):
                text = "waits for the end of its back-off after an earlier run, then for its image"
                return replace(stage, name=STARTING, text=text, reason="")
        return stage

    def are_too_many(self, uid: str, stage: Stage) -> bool:
        """Whether the pull fails again, and not only for a reason that passes. A node may see a changed secret a moment
        later, or have begun its try before, so that such a pull gets a second one."""
        allowed = PASSING.get(stage.cause, 0)
        if stage.cause in AUTHENTICATION and stage.image in self.believed:
            allowed = 1
        return self._count.get((uid, stage.container), 0) > allowed


def _refused(pod: Object) -> Iterator[tuple[str, str, Run]]:
    for one in _statuses(pod):
        reason = one.get("state", {}).get("waiting", {}).get("reason")
        if is_pull_reason(reason):
            yield one.get("name", ""), reason, _run(one)


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _run(status: Object) -> Run:
    """What a container's last run is told by: the first one has the count 0, as none has."""
    return status.get("restartCount") or 0, status.get("imageID") or ""
