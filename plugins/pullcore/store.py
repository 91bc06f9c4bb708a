"""Where objects come from: a cluster, files, or files with a cluster behind them. All give pruned objects.

A store answers two questions, `get` and `select`; secrets leave it as facts only, their credentials go to the vault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Optional, Protocol

from pullcore.apierrors import NotFound
from pullcore.cluster import Cluster, TextWanted, resource_path
from pullcore.errors import one_line
from pullcore.evidence import Evidence
from pullcore.keyring import Credentials, SecretFacts, read_secret
from pullcore.kinds import KINDS, Kind
from pullcore.prune import SHAPES, prune, prune_object, wrong_type
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
        text_wanted: Optional[TextWanted] = None,
    ) -> Iterator[Object]:
        """The objects of a kind in a namespace (None: in all) that the selectors and `wanted` let through; `wanted` sees
        an object before it is pruned. Where objects come as text, those of which `text_wanted` is false are not even
        parsed: elsewhere they come all the same."""
        ...

    def secret(self, namespace: str, name: str) -> Optional[SecretFacts]: ...

    def pull_secrets(self, namespace: str) -> list[SecretFacts]:
        """Every secret of the namespace that is of a type for pulls."""
        ...

    def namespaces_with_secret(self, name: str) -> list[str]: ...


PULL_SECRET_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")


class ClusterStore:
    """A cluster's API. Raises what `Cluster` raises, also NotFound where something else than an API server answers; a kind
    of an operator that the cluster does not serve has no objects."""

    def __init__(self, cluster: Cluster, vault: Credentials) -> None:
        self.cluster = cluster
        self.vault = vault
        self.served: dict[str, str] = {}  # kind -> version, once one has answered

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        value = self.whole(kind, namespace, name)
        return None if value is None else prune_object(value)

    def whole(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        """The object with all its fields, for what changes or keeps it; no evidence is made of these."""
        for version in self._versions(kind):
            try:
                value = self.cluster.get(_path(kind, namespace, name, version))
            except NotFound as error:
                if error.names_object:
                    self.served[kind.name] = version
                    return None
                if not kind.may_be_unserved:
                    raise
                continue
            self.served[kind.name] = version
            return value
        return None

    def select(
        self,
        kind: Kind,
        namespace: Optional[str],
        *,
        labels: str = "",
        fields: str = "",
        wanted: Optional[Wanted] = None,
        text_wanted: Optional[TextWanted] = None,
    ) -> Iterator[Object]:
        shape = SHAPES[kind.name]
        for version in self._versions(kind):
            query = {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
            try:
                path = _path(kind, namespace, version=version)
                for value in self.cluster.items(path, text_wanted=text_wanted, **query):
                    if wanted is None or wanted(value):
                        # The API server leaves the type of a list's items out.
                        yield {"apiVersion": kind.group_version(version), "kind": kind.name, **prune(value, shape)}
            except NotFound:
                if not kind.may_be_unserved:
                    raise
                continue
            return

    def _versions(self, kind: Kind) -> Iterable[str]:
        return (self.served[kind.name],) if kind.name in self.served else kind.versions

    def secret(self, namespace: str, name: str) -> Optional[SecretFacts]:
        try:
            return read_secret(self.cluster.get(_path(KINDS["Secret"], namespace, name)), self.vault)
        except NotFound as error:
            if not error.names_object:
                raise
            return None

    def pull_secrets(self, namespace: str) -> list[SecretFacts]:
        path = _path(KINDS["Secret"], namespace)
        return [
            read_secret(secret, self.vault)
            for one in PULL_SECRET_TYPES
            for secret in self.cluster.items(path, fieldSelector=f"type={one}")
        ]

    def namespaces_with_secret(self, name: str) -> list[str]:
        found = self.cluster.get(_path(KINDS["Secret"], None), accept=METADATA_ONLY, fieldSelector=f"metadata.name={name}")
        return [str(secret["metadata"]["namespace"]) for secret in found.get("items") or []]


def _path(kind: Kind, namespace: Optional[str], name: Optional[str] = None, version: Optional[str] = None) -> str:
    return resource_path(
        kind.group_version(version), kind.plural, namespace=namespace if kind.namespaced else None, name=name
    )


class FileStore:
    """Objects from files and from saved evidence. Raises ValueError for an object that is none.

    Of two objects of the same name the later one counts, as with `kubectl apply`.
    """

    def __init__(self, objects: Iterable[Object], namespace: str, vault: Credentials) -> None:
        self.by_name: dict[str, dict[tuple[str, str], Object]] = {}
        self.secrets: dict[tuple[str, str], SecretFacts] = {}
        for value in objects:
            self._add(value, namespace, vault)

    def _add(self, value: Object, namespace: str, vault: Credentials) -> None:
        kind = KINDS.get(value["kind"])
        if kind is None or not self._is_ours(kind, value):
            return
        metadata = value.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise ValueError(f"{kind.name.lower()}: {wrong_type(metadata, dict, 'metadata')}")
        if kind.namespaced and not metadata.get("namespace"):
            value = {**value, "metadata": {**metadata, "namespace": namespace}}
        if kind.name == "Secret":
            facts = read_secret(value, vault)
            self.secrets[facts.namespace, facts.name] = facts
            return
        try:
            pruned = prune_object(value)
        except ValueError as error:
            name = one_line(metadata.get("name", "?"), 100)
            raise ValueError(f"{kind.name.lower()}/{name}: {one_line(error, 300)}") from error
        self._keep(pruned, str(metadata.get("generateName") or f"unnamed-{kind.name.lower()}"))

    def _keep(self, value: Object, generate_name: str = "") -> None:
        known = self.by_name.setdefault(value["kind"], {})
        metadata = value.setdefault("metadata", {})
        namespace, name = metadata.get("namespace", ""), metadata.get("name")
        if not name:  # each one is another object
            name, number = generate_name, 1
            while (namespace, name) in known:
                number += 1
                name = f"{generate_name.rstrip('-')}-{number}"
            metadata["name"] = name
        known[namespace, name] = value

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
            self._keep(value, value["kind"].lower())
        self.secrets.update({name: _of_file(facts) for name, facts in evidence.secrets.items() if facts})

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
        text_wanted: Optional[TextWanted] = None,  # noqa: ARG002 - they are parsed already
    ) -> Iterator[Object]:
        for value in self.by_name.get(kind.name, {}).values():
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


def _of_file(facts: SecretFacts) -> SecretFacts:
    """Facts whose labels can't be mistaken for those of credentials that are at hand: what a file calls "credential 1" is
    not what we call so, and is nothing that could be sent."""
    entries = tuple(replace(one, label=one.label and f"saved {one.label}") for one in facts.entries)
    return replace(facts, entries=entries)


def _fields_match(value: Object, fields: str) -> bool:
    for term in fields.split(","):
        path, _, wanted = term.partition("=")
        found: object = value
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if found != wanted:
            return False
    return True
