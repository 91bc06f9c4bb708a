"""The value everything turns on: a Pull is what the kubelet is asked to do.

Plain, immutable values and nothing else; `workload` makes them from Kubernetes objects, `diagnosis` explains them.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

Object = dict[str, Any]  # a Kubernetes object (or a part of one) as its JSON


class Target(NamedTuple):
    """An object that somebody named: its kind (`Domain`), namespace and name."""

    kind: str
    namespace: str
    name: str

    @property
    def ref(self) -> str:
        """`domain/domain1`, as kubectl takes it on its command line."""
        return f"{self.kind.lower()}/{self.name}"


class Source(NamedTuple):
    """A place that names an image, so the place to edit: the object, the path to the field, and the field's image."""

    target: Target
    path: str  # "spec.configuration.model.auxiliaryImages[0].image"
    image: str


class ContainerUse(NamedTuple):
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


class Pull(NamedTuple):
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
