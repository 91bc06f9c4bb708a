"""Where objects come from: a cluster, files, or files with a cluster behind them. All give pruned objects.

A store answers two questions, `get` and `select`; secrets leave it as facts only, their credentials go to the vault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Optional, Protocol

from pullcore.apierrors import NotFound
from pullcore.cluster import Cluster
from pullcore.evidence import Evidence
from pullcore.keyring import Credentials, SecretFacts, read_secret
from pullcore.kinds import KINDS, Kind
from pullcore.prune import SHAPES, prune, prune_object
from pullcore.pull import Object
from pullcore.selector import matches

Wanted = Callable[[Object], bool]
# Names and labels only: what may be asked about secrets of other namespaces without reading any.
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


class Store(Protocol):
    """What gathering asks of wherever the objects are."""

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        """One object, or None if there is none of that name."""
        ...

    def select(
        self,
        kind: Kind,
        namespace: Optional[str],
        *,
        labels: str = "",
        fields: str = "",
        wanted: Optional[Wanted] = None,
    ) -> Iterator[Object]:
        """The objects of a kind in a namespace (None: in all) that the selectors and `wanted` let through; `wanted` sees
        an object before it is pruned."""
        ...

    def secret(self, namespace: str, name: str) -> Optional[SecretFacts]: ...

    def pull_secrets(self, namespace: str) -> list[SecretFacts]:
        """Every secret of the namespace that is of a type for pulls."""
        ...

    def namespaces_with_secret(self, name: str) -> list[str]: ...


PULL_SECRET_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


class ClusterStore:
    """A cluster's API. Raises what `Cluster` raises; a kind that the cluster does not serve has no objects."""

    def __init__(self, cluster: Cluster, vault: Credentials) -> None:
        self.cluster = cluster
        self.vault = vault
        self.served: dict[str, str] = {}  # kind -> version, once one has answered

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        for version in self._versions(kind):
            try:
                value = self.cluster.get(f"{kind.url(namespace, version)}/{name}")
            except NotFound as error:
                if error.names_object:
                    self.served[kind.name] = version
                    return None
                continue
            self.served[kind.name] = version
            return prune_object(value)
        return None

    def select(
        self,
        kind: Kind,
        namespace: Optional[str],
        *,
        labels: str = "",
        fields: str = "",
        wanted: Optional[Wanted] = None,
    ) -> Iterator[Object]:
        shape = SHAPES[kind.name]
        for version in self._versions(kind):
            query = {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
            api_version = f"{kind.group}/{version}" if kind.group else version
            try:
                for value in self.cluster.items(kind.url(namespace, version), **query):
                    if wanted is None or wanted(value):
                        # The API server leaves the type of a list's items out.
                        yield {"apiVersion": api_version, "kind": kind.name, **prune(value, shape)}
            except NotFound:
                continue
            return

    def _versions(self, kind: Kind) -> Iterable[str]:
        return (self.served[kind.name],) if kind.name in self.served else kind.versions

    def secret(self, namespace: str, name: str) -> Optional[SecretFacts]:
        try:
            return read_secret(self.cluster.get(f"{KINDS['Secret'].url(namespace)}/{name}"), self.vault)
        except NotFound:
            return None

    def pull_secrets(self, namespace: str) -> list[SecretFacts]:
        url = KINDS["Secret"].url(namespace)
        return [
            read_secret(secret, self.vault)
            for one in PULL_SECRET_TYPES
            for secret in self.cluster.items(url, fieldSelector=f"type={one}")
        ]

    def namespaces_with_secret(self, name: str) -> list[str]:
        found = self.cluster.get(KINDS["Secret"].url(None), accept=METADATA_ONLY, fieldSelector=f"metadata.name={name}")
        return [str(secret["metadata"]["namespace"]) for secret in found.get("items") or []]


class FileStore:
    """Objects from files and from saved evidence. Raises WrongType (a ValueError) for an object that is none."""

    def __init__(self, objects: Iterable[Object], namespace: str, vault: Credentials) -> None:
        self.objects: dict[str, list[Object]] = {}
        self.secrets: dict[tuple[str, str], SecretFacts] = {}
        for value in objects:
            self._add(value, namespace, vault)

    def _add(self, value: Object, namespace: str, vault: Credentials) -> None:
        kind = KINDS.get(value["kind"])
        if kind is None or not self._is_ours(kind, value):
            return
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        if kind.namespaced and not metadata.get("namespace"):
            value = {**value, "metadata": {**metadata, "namespace": namespace}}
        if kind.name == "Secret":
            facts = read_secret(value, vault)
            self.secrets[facts.namespace, facts.name] = facts
            return
        try:
            pruned = prune_object(value)
        except ValueError as error:
            raise ValueError(f"{kind.name.lower()}/{metadata.get('name', '?')}: {error}") from error
        pruned.setdefault("metadata", {}).setdefault(
            "name", metadata.get("generateName") or f"unnamed-{kind.name.lower()}"
        )
        self.objects.setdefault(kind.name, []).append(pruned)

    @staticmethod
    def _is_ours(kind: Kind, value: Object) -> bool:
        """Whether the group is the one we mean: other projects have kinds called Cluster, Domain or Job too."""
        group, slash, _ = str(value.get("apiVersion", "")).partition("/")
        return (group if slash else "") == kind.group

    def add_evidence(self, evidence: Evidence) -> None:
        """Lets saved evidence stand for the objects that it was made from."""
        accounts = [{"kind": "ServiceAccount", **one} for one in evidence.service_accounts.values() if one]
        nodes = [{"kind": "Node", **one} for one in evidence.nodes or ()]
        events = [{"kind": "Event", **one} for one in evidence.events]
        for value in (*evidence.objects, *evidence.pods, *accounts, *nodes, *events):
            self.objects.setdefault(value["kind"], []).append(value)
        self.secrets.update({name: facts for name, facts in evidence.secrets.items() if facts})

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        return next(self.select(kind, namespace, fields=f"metadata.name={name}"), None)

    def select(
        self,
        kind: Kind,
        namespace: Optional[str],
        *,
        labels: str = "",
        fields: str = "",
        wanted: Optional[Wanted] = None,
    ) -> Iterator[Object]:
        for value in self.objects.get(kind.name, []):
            metadata = value["metadata"]
            if namespace is not None and kind.namespaced and metadata.get("namespace") != namespace:
                continue
            if labels and not matches(metadata.get("labels", {}), labels):
                continue
            if fields and not _fields_match(value, fields):
                continue
            if wanted is None or wanted(value):
                yield value

    def secret(self, namespace: str, name: str) -> Optional[SecretFacts]:
        return self.secrets.get((namespace, name))

    def pull_secrets(self, namespace: str) -> list[SecretFacts]:
        return [one for one in self.secrets.values() if one.namespace == namespace and one.type in PULL_SECRET_TYPES]

    def namespaces_with_secret(self, name: str) -> list[str]:
        return [namespace for namespace, one in self.secrets if one == name]


def _fields_match(value: Object, fields: str) -> bool:
    for term in fields.split(","):
        path, _, wanted = term.partition("=")
        found: object = value
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found != wanted:
            return False
    return True
