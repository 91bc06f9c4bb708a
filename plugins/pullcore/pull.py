"""The value everything turns on: a Pull is what the kubelet is asked to do.

Plain, immutable values and nothing else; `workload` makes them from Kubernetes objects, `diagnosis` explains them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

Object = dict[str, Any]  # a Kubernetes object (or a part of one) as its JSON


@dataclass(frozen=True, order=True)
class Target:
    """An object that somebody named: its kind (`Domain`), namespace and name."""

    kind: str
    namespace: str
    name: str

    @property
    def ref(self) -> str:
        """`domain/domain1`, as kubectl takes it on its command line."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, order=True)
class Source:
    """A place that names an image, so the place to edit: the object, the path to the field, and the field's image."""

    target: Target
    path: str  # "spec.configuration.model.auxiliaryImages[0].image"
    image: str


@dataclass(frozen=True)
class ContainerUse:
    """One container (or image volume) of one pod that asks for a Pull, and what its status says of it."""

    pod: str
    pod_uid: str
    container: str
    kind: str  # "container" | "init" | "ephemeral" | "volume"
    node: Optional[str]
    state: str  # "waiting" | "running" | "terminated" | "unknown"
    reason: Optional[str] = None
    message: Optional[str] = None
    asker: Optional[Target] = None  # the object that the pod belongs to

    @property
    def ref(self) -> str:
        return f"{self.pod}/{self.container}"


@dataclass(frozen=True)
class Pull:
    """What the kubelet is asked to do, by which containers, and which fields of which objects ask for it.

    `secrets` is the pod's own ordered list (a live pod) or the one that admission would give it (a pod not yet made).
    `live` is False when no pod asks for it yet: it comes from a template, a Domain, or a file.
    `askers` are the objects that the containers belong to: Domains, workloads, or pods that nobody controls.
    """

    image: str
    policy: str
    namespace: str
    secrets: tuple[str, ...]
    service_account: str
    askers: tuple[Target, ...]
    sources: tuple[Source, ...] = ()
    containers: tuple[ContainerUse, ...] = ()

    @property
    def asker(self) -> Target:
        """The first of the askers, where one stands for all."""
        return self.askers[0]

    @property
    def live(self) -> bool:
        return bool(self.containers)

    @property
    def key(self) -> tuple[str, str, str, tuple[str, ...], str]:
        """What makes two requests the same Pull."""
        return (self.image, self.policy, self.namespace, self.secrets, self.service_account)
