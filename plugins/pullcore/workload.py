"""From Kubernetes objects to Pulls: pure functions over pruned objects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from pullcore.evidence import Evidence, Name
from pullcore.keyring import SecretFacts
from pullcore.kinds import KINDS
from pullcore.kubelet import is_pull_reason
from pullcore.podspec import Ask, container_use, pod_asks, secret_names, service_account_of
from pullcore.pull import ContainerUse, Object, Pull, Source, Target
from pullcore.reference import InvalidReference, parse
from pullcore.weblogic import OPERATOR_LABEL, UID_LABEL, domain_asks, domain_uid, is_stopped

TEMPLATE_PATHS = {"CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
TEMPLATED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")


def target_of(value: Object) -> Target:
    """The name of an object: kind, namespace, name."""
    metadata = value.get("metadata", {})
    return Target(str(value.get("kind", "")), metadata.get("namespace", ""), metadata.get("name", ""))


def controller_of(value: Object) -> Optional[Target]:
    """The object that owns this one as its controller (or its only owner, as the operator writes it for Jobs). A node is
    none, though it owns its static pods. A kind of another group than ours is named with its group, as kubectl takes it."""
    owners = value.get("metadata", {}).get("ownerReferences", [])
    owner = next((one for one in owners if one.get("controller")), owners[0] if len(owners) == 1 else None)
    if not owner or not owner.get("name") or owner.get("kind") == "Node":
        return None
    kind, version = owner.get("kind", ""), owner.get("apiVersion", "")
    group = version.rpartition("/")[0]
    if version and kind in KINDS and group != KINDS[kind].group:
        kind = f"{kind}.{group}"
    return Target(kind, value["metadata"].get("namespace", ""), owner["name"])


def template_of(value: Object) -> tuple[str, Object]:
    """The path and the content of a workload's pod spec."""
    path = TEMPLATE_PATHS.get(value["kind"], ("spec", "template", "spec"))
    spec = value
    for step in path:
        spec = spec.get(step, {})
    return ".".join(path), spec


def asks_of(value: Object, clusters: Sequence[Object] = ()) -> list[Ask]:
    """Every place in an object of a known kind that names an image; none for other kinds."""
    kind = value.get("kind")
    if kind == "Domain":
        return domain_asks(value, clusters)
    if kind in ("Pod", "Image"):
        return pod_asks(target_of(value), "spec", value.get("spec", {}))
    if kind in TEMPLATED:
        path, spec = template_of(value)
        return pod_asks(target_of(value), path, spec)
    return []


def is_stopped_workload(value: Object) -> bool:
    """Whether an object is told to run nothing: no pods are to be expected then."""
    spec = value.get("spec", {})
    return is_stopped(value) if value.get("kind") == "Domain" else spec.get("replicas") == 0 or bool(spec.get("suspend"))


def admitted(ask: Ask, namespace: str, accounts: Mapping[Name, Optional[Object]]) -> tuple[str, ...]:
    """The list that a pod made today would have: its own, else its service account's, never both
    (plugin/pkg/admission/serviceaccount/admission.go)."""
    return ask.secrets or secret_names(accounts.get((namespace, ask.service_account)) or {})


class Index:
    """The objects of an evidence by name, and what stands above a pod."""

    def __init__(self, evidence: Evidence) -> None:
        self.by_target = {target_of(value): value for value in (*evidence.objects, *evidence.pods)}
        self.pods = {uid: pod for pod in evidence.pods if (uid := pod["metadata"].get("uid"))}
        self.secrets: dict[str, dict[str, Optional[SecretFacts]]] = {}  # by namespace, then name
        for (namespace, name), facts in evidence.secrets.items():
            self.secrets.setdefault(namespace, {})[name] = facts
        self._asks: dict[Target, list[Ask]] = {}
        self._images: dict[str, set[str]] = {}  # by namespace: the images of all that asks there, in full
        self.chains: dict[Target, list[Target]] = {}
        self.events: dict[str, list[Object]] = {}  # by the uid of what they are about
        for event in evidence.events:
            self.events.setdefault(event.get("involvedObject", {}).get("uid") or "", []).append(event)
        self.clusters = [value for value in evidence.objects if value.get("kind") == "Cluster"]
        self.domains = {
            (domain["metadata"].get("namespace", ""), domain_uid(domain)): domain
            for domain in evidence.objects
            if domain.get("kind") == "Domain"
        }

    def images(self, namespace: str) -> set[str]:
        """The images that anything in a namespace asks for, fully qualified."""
        if not self._images:
            for value in self.by_target.values():
                own = self._images.setdefault(value["metadata"].get("namespace", ""), set())
                for ask in asks_of(value, self.clusters):
                    with contextlib.suppress(InvalidReference):
                        own.add(str(parse(ask.image)))
        return self._images.get(namespace, set())

    def owners(self, pod: Object) -> list[Target]:
        """What controls the pod, nearest first: its ReplicaSet, then its Deployment; its Job, then its Domain."""
        own = target_of(pod)
        if own in self.chains:
            return self.chains[own]
        chain = self.chains[own] = []
        owner = controller_of(pod)
        while owner and owner not in chain and len(chain) < 5:
            chain.append(owner)
            value = self.by_target.get(owner)
            owner = controller_of(value) if value else None
        labels = pod.get("metadata", {}).get("labels", {})
        uid = labels.get(UID_LABEL) if labels.get(OPERATOR_LABEL) == "true" else None
        domain = self.domains.get((pod["metadata"].get("namespace", ""), uid)) if uid else None
        if domain and target_of(domain) not in chain:
            chain.append(target_of(domain))
        return chain

    def restarter(self, pod: Object) -> Target:
        """What to name for having a pod made again: its outermost owner, or itself where that one's kind is not known."""
        owners = self.owners(pod)
        return owners[-1] if owners and owners[-1].kind in KINDS else target_of(pod)

    def is_remade(self, pod: Object) -> bool:
        """Whether something makes a pod again that is deleted: to a Job that counts as a failure, but for a Domain's."""
        owners = self.owners(pod)
        return bool(owners) and (owners[0].kind != "Job" or owners[-1].kind == "Domain")

    def template_asks(self, pod: Object) -> list[Ask]:
        """The places to edit for this pod: those of the outermost owner that is known."""
        for owner in reversed(self.owners(pod)):
            if asks := self.asks(owner):
                return asks
        return []

    def asks(self, target: Target) -> list[Ask]:
        """Every place in an object that names an image; none where it is not known. Its pods, which may be hundreds, ask."""
        if target not in self._asks:
            value = self.by_target.get(target)
            self._asks[target] = asks_of(value, self.clusters) if value else []
        return self._asks[target]

    def nearest_template(self, pod: Object) -> Optional[Object]:
        """The object whose template the pod was made from, if it is known (a pod's ReplicaSet, not its Deployment)."""
        return next((self.by_target[owner] for owner in self.owners(pod) if owner in self.by_target), None)


def pulls(evidence: Evidence) -> list[Pull]:
    """The Pulls of everything in the evidence: those that pods ask for, then those that only templates ask for.

    In order of appearance; equal requests are one Pull, with all their containers and sources.
    """
    index = Index(evidence)
    found: dict[tuple[object, ...], list[Pull]] = {}

    def add(pull: Pull) -> None:
        if evidence.what_if:  # then what the pods of today were told does not count
            secrets = dict.fromkeys((*pull.secrets, *evidence.what_if))
            pull = pull._replace(secrets=tuple(secrets), containers=())
        found.setdefault(pull.key, []).append(pull)

    for pod in evidence.pods:
        for pull in _pod_pulls(pod, index, evidence):
            add(pull)
    if not evidence.waiting_only:
        targets = set(evidence.targets)
        templates = [value for value in evidence.objects if target_of(value) in targets]
    else:
        templates = [value for value in evidence.objects if value.get("kind") == "Domain"]
    asked = {(pull.namespace, source) for equal in found.values() for pull in equal for source in pull.sources}
    for value in templates:
        namespace = value["metadata"].get("namespace", "")
        for ask in asks_of(value, index.clusters):
            source = Source(ask.target, ask.path, ask.image)
            if (namespace, source) not in asked:
                secrets = admitted(ask, namespace, evidence.service_accounts)
                askers = (target_of(value),)
                add(Pull(ask.image, ask.policy, namespace, secrets, ask.service_account, askers, (source,)))
    return [_merged(equal) for equal in found.values()]


def _merged(equal: Sequence[Pull]) -> Pull:
    askers = dict.fromkeys(asker for pull in equal for asker in pull.askers)
    sources = dict.fromkeys(source for pull in equal for source in pull.sources)
    containers = (use for pull in equal for use in pull.containers)
    return equal[0]._replace(askers=tuple(askers), sources=tuple(sources), containers=tuple(containers))


def _pod_pulls(pod: Object, index: Index, evidence: Evidence) -> Iterable[Pull]:
    own = target_of(pod)
    spec = pod.get("spec", {})
    born = bool(pod["metadata"].get("uid"))
    asks = pod_asks(own, "spec", spec)
    template = index.template_asks(pod)
    owners = index.owners(pod)
    asker = owners[-1] if owners else own
    for ask in asks:
        sources = tuple(Source(one.target, one.path, one.image) for one in template if one.image == ask.image)
        yield Pull(
            image=ask.image,
            policy=ask.policy,
            namespace=own.namespace,
            secrets=ask.secrets if born else admitted(ask, own.namespace, evidence.service_accounts),
            service_account=service_account_of(spec),
            askers=(asker,),
            sources=sources or (Source(own, ask.path, ask.image),),
            containers=(container_use(pod, ask)._replace(asker=asker),),
        )


def runs(pod: Object) -> bool:
    """Whether any regular container runs: such a pod serves somebody, however broken it looks."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any((one.get("state") or {}).get("running") is not None for one in statuses)


def is_static(pod: Object) -> bool:
    """Whether a node made the pod from a file: admission gives it nothing, and nobody can make it again from here."""
    return any(one.get("kind") == "Node" for one in pod["metadata"].get("ownerReferences", []))


def waits_for_image(use: ContainerUse) -> bool:
    """Whether a container waits because its image can't be had."""
    return use.state == "waiting" and is_pull_reason(use.reason)
