"""The files that keep what is deleted to be made again.

A file that is there names an object that was deleted and is not back yet; it goes when the object is back.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullcore import yamltext
from pullcore.errors import CommandError, one_line
from pullcore.kinds import KINDS
from pullcore.pull import Object, Target
from pullcore.wholefile import write_whole
from pullcore.workload import target_of


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

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()


def save(folder: Path, server: str, uid: str, documents: Sequence[Object]) -> Saved:
    """Writes the manifests, whole or not at all, readable by their owner only. Raises CommandError."""
    target = target_of(documents[0])
    words = (target.namespace, target.kind.lower(), target.name[:100], uid)  # file systems allow 255 bytes
    path = folder / f"{'_'.join(_plain(word) for word in words)}.yaml"
    head = f"# Saved by kubectl repull before it was deleted. Server: {one_line(server, 300)} UID: {_plain(uid)}\n"
    text = head + yamltext.written(*documents, start=True)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        reason = f"{one_line(str(folder), 200)} can't be written: {error.strerror} (--save-dir); nothing was deleted"
        raise CommandError(reason) from error
    return Saved(path, server, uid, tuple(documents))


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
