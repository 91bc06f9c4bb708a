"""Objects that are deleted to be made again: what a manifest of them holds, and the file that keeps it meanwhile.

A file that is there names an object that was deleted and is not back yet; it goes when the object is back.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullcore import yamltext
from pullcore.errors import CommandError, one_line
from pullcore.kinds import KINDS
from pullcore.podspec import secret_names
from pullcore.pull import Object, Target
from pullcore.workload import target_of

# What the API server writes itself (apimachinery, ObjectMeta: "Populated by the system. Read-only.").
SERVER_SET = (
    "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip
# What the Job controller writes into a Job's template, by the UID that the Job had (pkg/registry/batch/job/strategy.go).
JOB_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")


def manifest_of(value: Object, account_secrets: Sequence[str] = ()) -> Object:
    """The object as somebody would have written it: what servers and controllers added to it is left out.

    account_secrets: what the service account of a pod lists, for where the object does not tell who wrote its list."""
    metadata = {key: part for key, part in value["metadata"].items() if key not in SERVER_SET}
    made = {**{key: part for key, part in value.items() if key not in ("metadata", "status")}, "metadata": metadata}
    if value["kind"] == "Pod":
        made["spec"] = _pod_spec(value, account_secrets)
    if value["kind"] == "Job":
        made["spec"] = _job_spec(value["spec"])
        if metadata.get("labels"):
            metadata["labels"] = _without(metadata["labels"], JOB_LABELS)
    return {"apiVersion": made.pop("apiVersion"), "kind": made.pop("kind"), "metadata": made.pop("metadata"), **made}


def _pod_spec(pod: Object, account_secrets: Sequence[str]) -> Object:
    """Without what was added after it was written: the node that the scheduler chose, the list of its service account."""
    spec = _without(pod["spec"], ("ephemeralContainers",))
    written = [one.get("fieldsV1", {}).get("f:spec", {}) for one in pod["metadata"].get("managedFields", [])]
    # Field owners are noted before admission adds anything (apiserver, endpoints/handlers/create.go).
    known = any(written)
    if not any("f:nodeName" in fields for fields in written):
        spec.pop("nodeName", None)
    own = any("f:imagePullSecrets" in fields for fields in written)
    if not (own if known else secret_names(spec) != tuple(account_secrets)):
        spec.pop("imagePullSecrets", None)
    return spec


def _job_spec(spec: Object) -> Object:
    if spec.get("manualSelector"):
        return spec
    template = spec.get("template", {})
    metadata = template.get("metadata", {})
    labels = _without(metadata.get("labels", {}), JOB_LABELS)
    made = {**spec, "template": {**template, "metadata": {**metadata, "labels": labels}}}
    return _without(made, ("selector",))


def _without(part: Object, names: Sequence[str]) -> Object:
    return {key: value for key, value in part.items() if key not in names}


@dataclass(frozen=True)
class Saved:
    """A file with the manifests of an object, and of what belongs to it, as they were before it was deleted."""

    path: Path
    server: str
    uid: str
    documents: tuple[Object, ...]

    @property
    def target(self) -> Target:
        return target_of(self.documents[0])

    @property
    def restore(self) -> str:
        """What brings it back, for pasting."""
        import shlex

        return f"kubectl create -f {shlex.quote(str(self.path))}"

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()


def save(folder: Path, server: str, uid: str, documents: Sequence[Object]) -> Saved:
    """Writes the manifests, whole or not at all, readable by their owner only. Raises CommandError."""
    import yaml

    target = target_of(documents[0])
    words = (target.namespace, target.kind.lower(), target.name[:100], uid)  # file systems allow 255 bytes
    path = folder / f"{'_'.join(_plain(word) for word in words)}.yaml"
    head = f"# Saved by kubectl repull before it was deleted. Server: {one_line(server, 300)} UID: {_plain(uid)}\n"
    text = head + yaml.dump_all(documents, Dumper=_dumper(), sort_keys=False, default_flow_style=False, explicit_start=True)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        reason = f"{one_line(str(folder), 200)} can't be written: {error.strerror} (--save-dir); nothing was deleted"
        raise CommandError(reason) from error
    return Saved(path, server, uid, tuple(documents))


# Texts that kubectl would read as numbers or truth values (yaml.v2, resolve.go), and Python's YAML does not.
_OTHERWISE = re.compile(r"[-+]?\.?[0-9]\S*|[yYnN]|[-+]?\.(?:inf|nan)|<<|=", re.I)


def _dumper() -> type[Any]:
    """Writes such texts in quotes."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, '"' if _OTHERWISE.fullmatch(value) else None)

    Dumper.add_representer(str, text)
    return Dumper


def _plain(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", word)


def left_over(folder: Path, server: str) -> list[Saved]:
    """What earlier runs deleted on this server and did not make again. A file that is none of ours is passed over."""
    found = []
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        saved = _read(path)
        if saved and saved.server == one_line(server, 300):
            found.append(saved)
    return found


_HEAD = re.compile(r"# Saved by kubectl repull before it was deleted\. Server: (\S+) UID: (\S+)\n")


def _read(path: Path) -> Saved | None:
    try:
        text = path.read_text(encoding="utf-8")
        head = _HEAD.match(text)
        documents: list[Any] = list(yamltext.documents(text)) if head else []
    except (OSError, ValueError):
        return None
    whole = bool(documents) and all(map(_is_object, documents))
    return Saved(path, head[1], head[2], tuple(documents)) if head and whole else None


def _is_object(value: Any) -> bool:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    kind, name = (value.get("kind"), metadata.get("name")) if isinstance(metadata, dict) else (None, None)
    return isinstance(kind, str) and kind in KINDS and isinstance(name, str) and bool(name)
