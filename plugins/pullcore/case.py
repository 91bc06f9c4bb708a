"""One Pull with everything that bears on it: what the rules in `findings` and `refusals` look at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Optional

from pullcore.canary import Outcome
from pullcore.evidence import Evidence
from pullcore.fixes import Commands
from pullcore.keyring import LookUp, SecretFacts, look_up
from pullcore.kubelet import KubeletWord, was_pulled
from pullcore.platforms import may_run_on, platform_of
from pullcore.podspec import secret_names
from pullcore.pull import ContainerUse, Object, Pull, Target
from pullcore.reference import InvalidReference, Reference, parse
from pullcore.registry_view import View
from pullcore.workload import TEMPLATED, Index, asks_of, waits_for_image

# Registries for which nodes commonly hold credentials of their own (kubelet credential providers of the clouds).
CLOUD_REGISTRY = re.compile(
    r"\d+\.dkr\.ecr(-fips)?\.[^.]+\.(amazonaws\.com(\.cn)?|on\.aws)|([^.]+\.)?gcr\.io|[^.]+\.pkg\.dev"
    r"|[^.]+\.azurecr\.(io|cn|us)|([^.]+\.)?ocir\.io|ocir\.[^.]+\.oci\.oraclecloud\.com"
)
# Registries whose images most often need no credentials.
PUBLIC_REGISTRIES = frozenset(
    "docker.io ghcr.io quay.io registry.k8s.io k8s.gcr.io mcr.microsoft.com public.ecr.aws "
    "container-registry.oracle.com".split()
)
CHECKS_COPIES = (1, 33)  # the first kubelets that may refuse a copy which is there (KEP-2535)


class Finding(NamedTuple):
    """One thing that is wrong, or worth knowing. `severity`: error (blocks the pull), warning, info. `notes` are lines of
    the evidence that people should read, too."""

    cause: str
    severity: str
    summary: str
    evidence: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Said(NamedTuple):
    """What the kubelet says about one container (about none when a Domain's condition carries its words), and the class of
    that error, settled with what else is known."""

    use: Optional[ContainerUse]
    word: KubeletWord
    cause: str

    @property
    def about_sandbox(self) -> bool:
        """It is the image of the pod's sandbox that can't be had, the node's own: nothing of the pod explains it."""
        return self.word.detail.startswith("pod sandbox: ")


class NodeView(NamedTuple):
    """Whether a node is known to have the image. `present` None: not listed, which is not absent, for the list is capped
    (nodeStatusMaxImages, 50 by default)."""

    name: str
    present: Optional[bool]
    platform: Optional[str]
    kubelet: Optional[str] = None  # its version

    @property
    def checks_copies(self) -> bool:
        """Whether its kubelet may refuse a copy that is there to a pod without the credentials that got it."""
        version = re.match(r"v?(\d+)\.(\d+)", self.kubelet or "")
        return not version or (int(version[1]), int(version[2])) >= CHECKS_COPIES


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
    view: Optional[View] = None  # what the registry says, where it was asked
    probes: tuple[Outcome, ...] = ()  # what came of canaries

    @property
    def failing(self) -> bool:
        return bool(self.said)

    @property
    def untried(self) -> bool:
        """Nobody has tried this pull yet, as far as one can see."""
        return not self.failing and not any(map(was_pulled, self.pull.containers)) and not self.proven_by_nodes

    @property
    def proven_by_nodes(self) -> bool:
        """Whether a canary got just this."""
        return any(one.proves(self.pull) for one in self.probes)

    @property
    def may_run(self) -> list[Object]:
        """The nodes on which this Pull may be asked for."""
        return may_run_on(self.pull, self.evidence, self.index)

    @property
    def at_hand(self) -> bool:
        """Whether all those nodes list the image, and may use their copy without asking a registry."""
        names = [node["metadata"]["name"] for node in self.may_run]
        present = {node.name for node in self.nodes if node.present}
        return self.pull.policy != "Always" and bool(names) and present.issuperset(names)

    @property
    def copies_are_checked(self) -> bool:
        """Whether one of those nodes may refuse its copy to this pod."""
        names = {node["metadata"]["name"] for node in self.may_run}
        return any(node.checks_copies for node in self.nodes if node.name in names)

    @property
    def running_digests(self) -> set[str]:
        """The digests of this Pull's image in containers that run, as far as runtimes tell them as the registry would:
        containerd and Docker name what the tag stood for."""
        runtimes = {
            node["metadata"]["name"]: node.get("status", {}).get("nodeInfo", {}).get("containerRuntimeVersion", "")
            for node in self.evidence.nodes or ()
        }
        found = set()
        for use in self.pull.containers:
            pod = self.index.pods.get(use.pod_uid, {})
            for one in pod.get("status", {}).get("containerStatuses", []):
                name, _, digest = one.get("imageID", "").rpartition("@")
                tells = runtimes.get(use.node or "", "").startswith(("containerd:", "docker:"))
                if use.state == "running" and one.get("name") == use.container and name and tells:
                    found.add(digest)
        return found

    @property
    def refused(self) -> set[str]:
        """The classes of error that the kubelet reports for this Pull's own image."""
        return {one.cause for one in self.said if not one.about_sandbox}

    @property
    def offers(self) -> bool:
        """Whether a real credential is offered, or might be: one that could not be read may be the right one."""
        return bool(self.lookup.unread) or any(not one.empty for one in self.lookup.attempts)

    @property
    def known(self) -> dict[str, Optional[SecretFacts]]:
        """The namespace's secrets by name, as far as they were read."""
        return self.index.secrets.get(self.pull.namespace, {})

    @property
    def account(self) -> Target:
        return Target("ServiceAccount", self.pull.namespace, self.pull.service_account)

    def list_of_account(self, name: str) -> Optional[tuple[str, ...]]:
        """What a service account lists; None where it is not known, which is not empty."""
        accounts, key = self.evidence.service_accounts, (self.pull.namespace, name)
        return secret_names(accounts[key] or {}) if key in accounts else None

    @property
    def account_known(self) -> bool:
        return self.list_of_account(self.pull.service_account) is not None

    @property
    def list_is_unknown(self) -> bool:
        """The pod is yet to be made, lists nothing itself, and what its account lists could not be read."""
        born = any(use.pod_uid for use in self.pull.containers)
        return not born and not self.pull.secrets and not self.account_known

    @property
    def account_secrets(self) -> tuple[str, ...]:
        return self.list_of_account(self.pull.service_account) or ()

    @property
    def pods(self) -> list[Object]:
        """The pods of this Pull."""
        uids = dict.fromkeys(use.pod_uid for use in self.pull.containers)
        return [self.index.pods[uid] for uid in uids if uid in self.index.pods]

    @property
    def waiting_pods(self) -> list[Object]:
        uids = {use.pod_uid for use in self.pull.containers if waits_for_image(use)}
        return [pod for pod in self.pods if pod["metadata"].get("uid") in uids]

    @property
    def node_sources(self) -> str:
        """Whether nodes may hold credentials of their own for this registry: "possible" or "unlikely"."""
        return node_sources(self.reference.registry, self.evidence)

    def offered(self, names: Iterable[str]) -> LookUp:
        """What the kubelet would offer for this image to a pod that lists `names`."""
        return look_up(self.reference, tuple(names), self.known)

    def serves(self, name: str) -> bool:
        """Whether a secret has a credential for this image."""
        return any(not one.empty for one in self.offered((name,)).attempts)

    def is_refused(self, name: str) -> bool:
        """Whether the registry has refused what a secret would offer, when it was asked for another Pull."""
        registries = self.evidence.registries
        refused = {
            answer.credential
            for answer in (registries.answers if registries else ())
            if answer.cause in ("bad-credentials", "expired-credentials")
            and answer.image.startswith(f"{self.reference.registry}/")
        }
        offered = [one.credential for one in self.offered((name,)).attempts if one.credential]
        return bool(offered) and refused.issuperset(offered)

    def own_list(self, asker: Target) -> tuple[str, ...]:
        """The list that an asker writes into its pods; empty where they get their service account's."""
        value = self.index.by_target.get(asker)
        if value and (asker.kind in TEMPLATED or asker.kind == "Domain"):
            asks = asks_of(value, self.index.clusters)
            return asks[0].secrets if asks else ()
        # A pod that lists what its account lists was most likely given it.
        return () if self.pull.secrets == self.account_secrets else self.pull.secrets

    def list_of_today(self, pod: Object) -> Optional[tuple[str, ...]]:
        """The list that this pod would be given if it were made now; None where that can't be known."""
        asks = self.index.template_asks(pod)
        own = asks[0].secrets if asks else ()
        # A list that a bare pod has may be its own.
        if own or (self.account_known and (asks or not self.pull.secrets)):
            return own or self.account_secrets
        return None


def node_sources(registry: str, evidence: Evidence) -> str:
    possible = CLOUD_REGISTRY.fullmatch(registry) or registry in evidence.anonymous_registries
    return "possible" if possible else "unlikely"


class Nodes:
    """The nodes of an evidence, and the names under which they list images: looked at once for all Pulls."""

    def __init__(self, nodes: Iterable[Object]) -> None:
        self._views: list[NodeView] = []
        self._listing: dict[str, set[str]] = {}  # the names of the nodes by that of an image
        for node in nodes:
            status = node.get("status", {})
            name = node.get("metadata", {}).get("name", "")
            version = status.get("nodeInfo", {}).get("kubeletVersion")
            self._views.append(NodeView(name, None, platform_of(node) or None, version))
            for one in {str(listed) for image in status.get("images", []) for listed in image.get("names", [])}:
                if image_name := listed_as(one):
                    self._listing.setdefault(image_name, set()).add(name)

    def views(self, image: str, words: Iterable[tuple[Optional[ContainerUse], KubeletWord]]) -> tuple[NodeView, ...]:
        """What the nodes' status, and the kubelet's own word, tell about the image on each node."""
        wanted = listed_as(image)
        if wanted is None:
            return ()
        having = self._listing.get(wanted, set())
        absent = {use.node for use, word in words if use and word.cause == "never-pull"}

        def view(one: NodeView) -> NodeView:
            if one.name in having:
                return one._replace(present=True)
            return one._replace(present=False) if one.name in absent else one

        return tuple(map(view, self._views))


def listed_as(image: str) -> Optional[str]:
    """Under which name a node lists an image: in full, with the digest, or with the tag where there is none, for a runtime
    lists it under each, never under both. None for what is no reference."""
    try:
        reference = parse(image)
    except InvalidReference:
        return None
    return f"{reference.name}@{reference.digest}" if reference.digest else f"{reference.name}:{reference.tag}"
