"""One Pull with everything that bears on it: what the rules in `findings` look at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from pullcore.evidence import Evidence
from pullcore.fixes import Commands
from pullcore.keyring import LookUp, SecretFacts, look_up
from pullcore.kubelet import KubeletWord
from pullcore.podspec import secret_names
from pullcore.pull import ContainerUse, Object, Pull, Target
from pullcore.reference import InvalidReference, Reference, parse
from pullcore.workload import Index, admitted, waits_for_image

# Registries for which nodes commonly hold credentials of their own (kubelet credential providers of the clouds).
CLOUD_REGISTRY = re.compile(
    r"\d+\.dkr\.ecr(-fips)?\.[^.]+\.(amazonaws\.com(\.cn)?|on\.aws)|([^.]+\.)?gcr\.io|[^.]+\.pkg\.dev"
    r"|[^.]+\.azurecr\.(io|cn|us)|([^.]+\.)?ocir\.io|ocir\.[^.]+\.oci\.oraclecloud\.com"
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing. `severity`: error (blocks the pull), warning, info."""

    cause: str
    severity: str
    summary: str
    evidence: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """What the kubelet says about one container; about none when a Domain's condition carries its words."""

    use: Optional[ContainerUse]
    word: KubeletWord

    @property
    def about_sandbox(self) -> bool:
        """It is the image of the pod's sandbox that can't be had, the node's own: no secret or name of the pod explains it."""
        return self.word.detail.startswith("pod sandbox: ")


@dataclass(frozen=True)
class NodeView:
    """Whether a node is known to have the image. `present` None: not listed, which is not absent, for the list is capped
    (nodeStatusMaxImages, 50 by default)."""

    name: str
    present: Optional[bool]
    platform: Optional[str]


@dataclass(frozen=True)
class Case:
    pull: Pull
    reference: Reference
    said: tuple[Said, ...]
    lookup: LookUp
    nodes: tuple[NodeView, ...]
    evidence: Evidence
    index: Index
    commands: Commands

    @property
    def failing(self) -> bool:
        return bool(self.said)

    @property
    def untried(self) -> bool:
        """Nobody has tried this pull yet, as far as one can see."""
        return not self.failing and not any(was_pulled(use) for use in self.pull.containers)

    @property
    def refused(self) -> set[str]:
        """The kubelet's classes of error for this Pull's own image."""
        return {one.word.cause for one in self.said if not one.about_sandbox}

    @property
    def known(self) -> dict[str, Optional[SecretFacts]]:
        """The namespace's secrets by name, as far as they were read."""
        return secrets_of(self.pull.namespace, self.evidence)

    @property
    def account(self) -> Optional[Object]:
        return self.evidence.service_accounts.get((self.pull.namespace, self.pull.service_account))

    @property
    def account_secrets(self) -> tuple[str, ...]:
        return secret_names(self.account or {})

    @property
    def asker(self) -> Target:
        return self.pull.asker

    def offered(self, names: Iterable[str]) -> LookUp:
        """What the kubelet would offer for this image to a pod that lists `names`."""
        return look_up(self.reference, tuple(names), self.known)

    def lists_of_today(self) -> set[tuple[str, ...]]:
        """The lists that pods of this Pull would be given if they were made now; empty where that can't be known."""
        lists: set[tuple[str, ...]] = set()
        account_known = (self.pull.namespace, self.pull.service_account) in self.evidence.service_accounts
        uids = {use.pod_uid for use in self.pull.containers if use.pod_uid}
        for pod in self.evidence.pods:
            if pod["metadata"].get("uid") not in uids:
                continue
            if asks := self.index.template_asks(pod):
                if asks[0].secrets or account_known:
                    lists.add(admitted(asks[0], self.pull.namespace, self.evidence.service_accounts))
            elif not self.pull.secrets and account_known:  # a list that a bare pod has may be its own
                lists.add(self.account_secrets)
        return lists

    @property
    def node_sources(self) -> str:
        """Whether nodes may hold credentials of their own for this registry: "possible" or "unlikely"."""
        registry = self.reference.registry
        possible = CLOUD_REGISTRY.fullmatch(registry) or registry in self.evidence.anonymous_registries
        return "possible" if possible else "unlikely"

    @property
    def asking_pods(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(use.pod for use in self.pull.containers if waits_for_image(use)))


def was_pulled(use: ContainerUse) -> bool:
    """Whether a container's state shows that its image was there: it ran, or waits for something after the pull."""
    if use.state in ("running", "terminated"):
        return True
    return use.state == "waiting" and use.reason in (
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "PreStartHookError",
        "PostStartHookError",
    )


def secrets_of(namespace: str, evidence: Evidence) -> dict[str, Optional[SecretFacts]]:
    return {name: facts for (place, name), facts in evidence.secrets.items() if place == namespace}


def node_views(image: str, said: Iterable[Said], evidence: Evidence) -> tuple[NodeView, ...]:
    """What the nodes' status, and the kubelet's own word, tell about the image on each node."""
    try:
        wanted = str(parse(image))
    except InvalidReference:
        return ()
    absent = {one.use.node for one in said if one.use and one.word.cause == "never-pull"}
    views = []
    for node in evidence.nodes or ():
        status = node.get("status", {})
        info = status.get("nodeInfo", {})
        listed = any(_same(wanted, str(name)) for one in status.get("images", []) for name in one.get("names", []))
        platform = "/".join(filter(None, (info.get("operatingSystem"), info.get("architecture")))) or None
        name = node.get("metadata", {}).get("name", "")
        views.append(NodeView(name, True if listed else False if name in absent else None, platform))
    return tuple(views)


def _same(wanted: str, listed: str) -> bool:
    try:
        return str(parse(listed)) == wanted
    except InvalidReference:
        return False
