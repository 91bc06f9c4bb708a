"""Copies of a pull secret in other namespaces: how they are marked, found and compared."""

from __future__ import annotations

from collections.abc import Iterator

from pullcore.cluster import resource_path
from pullcore.kinds import KINDS
from pullcore.pull import Object

from pullsecret.session import Session

SECRET = KINDS["Secret"]
LABEL = "kubectl-pullsecret/copy"  # by which copies are found
ANNOTATION = "kubectl-pullsecret/copy-of"  # NAMESPACE/NAME of the source


def copy_of(source: Object, namespace: str) -> Object:
    """The source as it would stand in another namespace: its content, and a mark."""
    metadata = source["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": metadata["name"],
            "namespace": namespace,
            "labels": {LABEL: "true"},
            "annotations": {ANNOTATION: f"{metadata['namespace']}/{metadata['name']}"},
        },
        "type": source.get("type"),
        "data": source.get("data") or {},
    }


def is_copy(value: Object, source: Object) -> bool:
    """Whether a secret is marked as a copy of the source."""
    mark = (value["metadata"].get("annotations") or {}).get(ANNOTATION)
    return bool(mark == f"{source['metadata']['namespace']}/{source['metadata']['name']}")


def is_marked(value: Object) -> bool:
    return ANNOTATION in (value["metadata"].get("annotations") or {})


def is_same(value: Object, source: Object) -> bool:
    """Whether a copy holds what its source holds."""
    return bool((value.get("data") or {}) == (source.get("data") or {}) and value.get("type") == source.get("type"))


def copies(source: Object, session: Session) -> Iterator[Object]:
    """The copies of a secret in all namespaces that may be read. Raises ApiError."""
    path = resource_path("v1", SECRET.plural)
    for value in session.cluster.items(path, labelSelector=f"{LABEL}=true"):
        if is_copy(value, source):
            yield {"apiVersion": "v1", "kind": "Secret", **value}
