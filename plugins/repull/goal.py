"""What is to be brought back, what is there, and how it fares: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from pullcore.pull import Object, Target
from pullcore.selector import matches
from pullcore.weblogic import pod_selector
from pullcore.workload import controller_of, target_of

from repull.stage import Stage

HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True)
class Goal:
    """An object that is to be brought back.

    known: the UIDs of its pods at the start; kept: those of them that are in question; outdated: those that have to go.
    count: how many pods there have to be. makers: what stands between it and its pods, such as the Jobs of a CronJob. value:
    the object as it was. introspect: that a Domain has to be introspected anew."""

    target: Target
    known: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    count: int = 1
    makers: frozenset[Target] = frozenset()
    value: Optional[Object] = None
    introspect: bool = False

    def owns(self, pod: Object) -> bool:
        """Whether a pod is one of this object's, also one that is made later."""
        own, target = target_of(pod), self.target
        if own.namespace != target.namespace:
            return False
        if target.kind == "Pod":
            return own.name == target.name
        if target.kind == "Domain" and self.value:
            return matches(pod["metadata"].get("labels", {}), pod_selector(self.value))
        controller = controller_of(pod)
        if controller is None:
            return False
        makers = {target, *self.makers}
        return controller in makers or any(_is_of_new_replica_set(pod, controller, one) for one in makers)

    def asks_about(self, pod: Object) -> bool:
        uid = pod["metadata"].get("uid", "")
        return uid in self.kept or uid not in self.known


def _is_of_new_replica_set(pod: Object, controller: Target, maker: Target) -> bool:
    """Whether a pod is of a ReplicaSet that a Deployment made since: it is called after it and after its pods' hash
    (pkg/controller/deployment/sync.go), while a ReplicaSet of somebody else's may only be called alike."""
    given = pod["metadata"].get("labels", {}).get(HASH_LABEL)
    return maker.kind == "Deployment" and controller.kind == "ReplicaSet" and controller.name == f"{maker.name}-{given}"


@dataclass
class World:
    """What is there now: pods by UID, events by the UID of their pod, Domains."""

    pods: dict[str, Object] = field(default_factory=dict)
    events: dict[str, list[Object]] = field(default_factory=dict)
    domains: dict[Target, Object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How an object fares: done, or failed with a reason, or neither yet. stages: of its pods in question, by UID."""

    done: bool
    failed: str = ""
    failed_pod: str = ""  # its UID
    stages: Mapping[str, Stage] = field(default_factory=dict)
    waits: str = ""  # for what, where it is no pod
    short: bool = False  # there are fewer pods than there have to be

    @property
    def is_open(self) -> bool:
        return not self.done and not self.failed
