"""The steps of a plan as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pullcore.pull import Target

TRIES = 8  # to change an object that others write to, too
GRACE = 30.0  # seconds that a controller gets to replace a pod by itself


@dataclass(frozen=True)
class Step:
    """One line of the plan. `do` is a word of `WORDS`; `target` is what is acted on, `asker` what is to be brought back.

    A "superseded" pod is left, too, for its owner replaces it. pods: the UIDs of the waiting pods that it is about. after:
    seconds that they get to go by themselves before. server: of a Domain. stuck: for "leave", that nothing brings the pods
    back without what `reason` says."""

    do: str
    target: Target
    reason: str
    asker: Target
    pods: tuple[str, ...] = ()
    after: float = 0.0
    server: str = ""
    stuck: bool = False

    @property
    def line(self) -> str:
        what = WORDS[self.do].format(ref=self.target.ref, server=self.server)
        return f"{f'after {self.after:.0f}s, ' if self.after else ''}{what}: {self.reason}"


WORDS = {
    "leave": "leave {ref}",
    "superseded": "leave {ref}",
    "delete": "delete {ref}",
    "evict": "evict {ref}",
    "evict-running": "evict {ref}",
    "introspect": "change introspectVersion of {ref}",
    "delete-job": "delete {ref}",
    "restart-server": "change restartVersion of server {server} of {ref}",
    "roll": "roll {ref}",
    "recreate": "save, delete and make again {ref}",
    "recreate-domain": "save, delete and make again {ref}",
}


def merged(steps: Sequence[Step]) -> list[Step]:
    """Steps that change the same object in the same way are one, for all their pods; the first reason counts."""
    found: dict[tuple[str, Target, str], Step] = {}
    for step in steps:
        key = (step.do, step.target, step.server)
        same = found.get(key)
        found[key] = replace(same, pods=(*same.pods, *step.pods)) if same else step
    return list(found.values())


def acting(steps: Sequence[Step]) -> list[Step]:
    """The steps that change something."""
    return [step for step in steps if step.do not in ("leave", "superseded")]
