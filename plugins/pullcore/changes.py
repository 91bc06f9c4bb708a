"""Writes to a cluster: each with what it expects to find, each told in kubectl's words, each able to be only tried.

Nothing is overwritten that was not seen: an update carries the resourceVersion that was read, a patch tests what it changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional, Protocol

from pullcore.apierrors import may_be_done
from pullcore.cluster import Cluster, resource_path
from pullcore.errors import CommandError, visible
from pullcore.kinds import KINDS, Kind
from pullcore.pull import Object
from pullcore.signals import shielded
from pullcore.yamltext import written

JSON_PATCH = "application/json-patch+json"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # kubectl apply keeps the whole object in it
HIDDEN = "<hidden, --show-secrets shows it>"
NOT_TRIED = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


@dataclass(frozen=True)
class Manner:
    """How changes are made and told. dry_run: none, client or server; output: None, name, json or yaml."""

    dry_run: str = "none"
    output: Optional[str] = None
    manager: str = "kubectl-pullsecret"
    show_secrets: bool = False


class Output(Protocol):
    """Where results go."""

    def write(self, text: str, /) -> object: ...


class Changes:
    """Makes changes and prints each result. Raises what `Cluster` raises (Conflict where something else was found).

    An interrupt comes after a change and its line; one that is insisted on tells what is not known then.
    """

    def __init__(self, cluster: Cluster, manner: Manner, stdout: Output) -> None:
        self.cluster = cluster
        self.manner = manner
        self.stdout = stdout
        self.done: list[str] = []  # what was changed for good, for whoever has to say so after a failure

    def create(self, kind: Kind, value: Object, what: str = "created") -> None:
        metadata = value["metadata"]
        version = str(value.get("apiVersion", "")).rpartition("/")[2]
        path = resource_path(kind.group_version(version or None), kind.plural, namespace=metadata["namespace"])
        with self._whole(kind, value, "created"):
            self._tell(kind, self._sent("POST", path, value, value), what)

    def update(self, kind: Kind, value: Object, what: str = "updated") -> None:
        """Puts the whole object in the place of the one with its resourceVersion."""
        with self._whole(kind, value, "updated"):
            self._tell(kind, self._sent("PUT", self._path(kind, value), value, value), what)

    def patch(self, kind: Kind, value: Object, operations: Sequence[Object], result: Object, what: str = "patched") -> None:
        """A JSON patch to `value`; `result` is what becomes of it, as far as one knows without asking."""
        path = self._path(kind, value)
        with self._whole(kind, value, "patched"):
            self._tell(kind, self._sent("PATCH", path, list(operations), result, content_type=JSON_PATCH), what)

    def delete(self, kind: Kind, value: Object, *, propagation: Optional[str] = None) -> None:
        """Deletes the very object that was seen (UID, and resourceVersion where it has one). propagation: Foreground,
        Background or Orphan; None is what the API does by itself."""
        body = self._delete_options(value) | ({"propagationPolicy": propagation} if propagation else {})
        with self._whole(kind, value, "deleted"):
            self._sent("DELETE", self._path(kind, value), body, value)
            self._tell_gone(kind, value, "deleted")

    def evict(self, value: Object) -> None:
        """Has the very pod that was seen deleted, unless a disruption budget forbids it (ApiError 429)."""
        kind, metadata = KINDS["Pod"], value["metadata"]
        named = {"name": metadata["name"], "namespace": metadata["namespace"]}
        body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named}
        body["deleteOptions"] = self._delete_options(value)
        with self._whole(kind, value, "evicted"):
            self._sent("POST", self._path(kind, value, "eviction"), body, value)
            self._tell_gone(kind, value, "evicted")

    def unchanged(self, kind: Kind, value: Object) -> None:
        """Says that there was nothing to do."""
        self._tell(kind, value, "unchanged", changed=False)

    # Sending and saying

    @contextmanager
    def _whole(self, kind: Kind, value: Object, what: str) -> Iterator[None]:
        """For a change and its line. An error, or an interrupt that is insisted on, says so where it leaves open whether the
        change was made."""
        told, real = len(self.done), self.manner.dry_run == "none"
        metadata = value["metadata"]
        unknown = (
            f"whether {kind.name.lower()}/{metadata['name']} in namespace {metadata['namespace']} was {what} is not known"
        )
        with shielded():
            try:
                yield
            except CommandError as error:
                if real and may_be_done(error):
                    error.text += f"; {unknown}"
                raise
            except KeyboardInterrupt:
                if len(self.done) > told or not real:
                    raise
                raise KeyboardInterrupt(f"Interrupted: {visible(unknown)}") from None

    @staticmethod
    def _path(kind: Kind, value: Object, sub: str = "") -> str:
        metadata, version = value["metadata"], str(value.get("apiVersion", "")).rpartition("/")[2]
        group_version = kind.group_version(version or None)
        return resource_path(group_version, kind.plural, namespace=metadata["namespace"], name=metadata["name"], sub=sub)

    def _delete_options(self, value: Object) -> Object:
        metadata = value["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"]} if metadata.get("resourceVersion") else {}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": metadata["uid"], **version}}
        # A server that is given options does not look at the query of a DELETE: without this a dry run would delete.
        return options | ({"dryRun": ["All"]} if self.manner.dry_run == "server" else {})

    def _sent(self, method: str, path: str, body: Any, result: Object, content_type: str = "application/json") -> Object:
        """What the server answers; `result` in a dry run here."""
        if self.manner.dry_run == "client":
            return result
        query: dict[str, Any] = {} if method == "DELETE" else {"fieldManager": self.manner.manager}
        query |= {"dryRun": "All"} if self.manner.dry_run == "server" else {}
        return self.cluster.request(method, path, query, body, content_type)

    def _tell(self, kind: Kind, value: Object, what: str, *, line: str = "", changed: bool = True) -> None:
        name = value["metadata"]["name"]
        output = self.manner.output
        if output in ("json", "yaml"):
            self._write(self._document(kind, value))
        elif output == "name":
            self._write(f"{kind.ref(name)}\n")
        else:
            self._write(f"{visible(line or f'{kind.ref(name)} {what}')}{NOT_TRIED[self.manner.dry_run]}\n")
        if changed and self.manner.dry_run == "none":
            self.done.append(line or f"{kind.ref(name)} {what}")

    def _tell_gone(self, kind: Kind, value: Object, what: str) -> None:
        self._tell(kind, value, what, line=f"{kind.name.lower()} {json.dumps(value['metadata']['name'])} {what}")

    def _document(self, kind: Kind, value: Object) -> str:
        shown = {"apiVersion": kind.group_version(), "kind": kind.name, **value}
        shown["metadata"] = {key: part for key, part in value["metadata"].items() if key != "managedFields"}  # as kubectl
        if kind.name == "Secret" and not self.manner.show_secrets:
            shown["data"] = dict.fromkeys(value.get("data") or {}, HIDDEN)
            annotations = dict(value["metadata"].get("annotations") or {})
            if annotations.pop(LAST_APPLIED, None) is not None:
                shown["metadata"]["annotations"] = annotations
        if self.manner.output == "json":
            return json.dumps(shown, indent=4) + "\n"
        return written(shown, start=True)

    def _write(self, text: str) -> None:
        self.stdout.write(text)
