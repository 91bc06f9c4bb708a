"""Which refusals of a kubelet are new, and when they are enough to give up: pure, with a memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pullcore.kubelet import is_pull_reason
from pullcore.pull import Object
from pullcore.refusals import AUTHENTICATION

from repull.stage import Stage

# The kubelet's own limits and broken off pulls pass by themselves.
PASSING = {"throttled": 5, "canceled": 1}
Container = tuple[str, str]  # UID of the pod, name


class Refusals:
    """Counts failed pulls by their containers. A failure shows as ErrImagePull, then as ImagePullBackOff until the next try
    (pkg/kubelet/images, image_manager.go); so each change to ErrImagePull is a new one."""

    def __init__(self, proven: Collection[str] = ()) -> None:
        """proven: images that a registry has just given to the credentials that will be offered."""
        self.proven = frozenset(proven)
        self._last: dict[Container, str] = {}
        self._count: dict[Container, int] = {}

    def begin(self, pod: Object) -> None:
        """What a pod had been refused before does not count."""
        for name, reason in _refused(pod):
            self._last[pod["metadata"]["uid"], name] = reason

    def note(self, pod: Object) -> None:
        uid = pod["metadata"].get("uid", "")
        for name, reason in _refused(pod):
            before = self._last.get((uid, name))
            if before is None or (reason != before and reason != "ImagePullBackOff"):
                self._count[uid, name] = self._count.get((uid, name), 0) + 1
            self._last[uid, name] = reason

    def are_too_many(self, uid: str, stage: Stage) -> bool:
        """Whether the pull fails again, and not only for a reason that passes. A node may see a changed secret a moment
        later than the registry that it was tried at, so that such a pull gets a second try."""
        allowed = PASSING.get(stage.cause, 0)
        if stage.cause in AUTHENTICATION and stage.image in self.proven:
            allowed = 1
        return self._count.get((uid, stage.container), 0) > allowed


def _refused(pod: Object) -> Iterator[tuple[str, str]]:
    status = pod.get("status", {})
    for one in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        reason = one.get("state", {}).get("waiting", {}).get("reason")
        if is_pull_reason(reason):
            yield one.get("name", ""), reason
