"""Reads Kubernetes objects from files: YAML or JSON, several documents, Lists.

What is read is untrusted: size, nesting and the expansion of YAML aliases are bounded, and every fault is one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pullcore import yamltext
from pullcore.errors import CommandError, one_line
from pullcore.pull import Object

MAX_BYTES = 256 * 1024 * 1024
BLANKS = re.compile(r"\s*")


def read(name: str, stdin: BinaryIO) -> list[Object]:
    """The objects in a file (`-`: standard input), Lists taken apart.

    Raises CommandError, naming the file, for what can't be read or holds something that is no Kubernetes object.
    """
    shown = "standard input" if name == "-" else one_line(name, 200)
    try:
        if name == "-":
            content = stdin.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{shown} can't be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise CommandError(f"{shown} can't be read: {one_line(error, 200)}") from error
    if len(content) > MAX_BYTES:
        raise CommandError(f"{shown} is larger than {MAX_BYTES // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{shown} is not UTF-8 text (byte {error.start})") from error
    try:
        return [value for document in _documents(text) for value in _objects(document)]
    except yamltext.NotYaml as error:
        raise CommandError(f"{shown} is neither YAML nor JSON: {one_line(error, 300)}") from error
    except RecursionError as error:
        raise CommandError(f"{shown} is nested too deeply") from error
    except ValueError as error:
        raise CommandError(f"{shown}: {one_line(error, 300)}") from error


def _documents(text: str) -> Iterator[Any]:
    if text.lstrip()[:1] == "{":
        try:
            yield from _json_documents(text)
            return
        except json.JSONDecodeError:
            pass  # YAML in flow style, or broken: the YAML reader says where
    yield from yamltext.documents(text)


def _json_documents(text: str) -> list[Any]:
    decoder, found, position = json.JSONDecoder(), [], BLANKS.match(text, 0).end()  # type: ignore[union-attr]
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        position = BLANKS.match(text, position).end()  # type: ignore[union-attr]
        found.append(value)
    return found


def _objects(document: Any) -> Iterator[Object]:
    if document is None:
        return
    if not isinstance(document, dict):
        found = "a list" if isinstance(document, list) else "plain text or a number"
        raise ValueError(f"a document in it is {found}, not a Kubernetes object")
    kind = document.get("kind")
    if not isinstance(kind, str):
        raise ValueError("a document in it has no kind, so it is no Kubernetes object")
    if not isinstance(document.get("apiVersion"), str):
        raise ValueError(f"a {kind} in it has no apiVersion, so it is no Kubernetes object")
    items = document.get("items")
    if not kind.endswith("List") or "items" not in document:
        yield document
        return
    if not isinstance(items, (list, type(None))):
        raise ValueError(f"the items of a {kind} in it are no list")
    for item in items or []:
        # The API server leaves the kind of a typed list's items out.
        if isinstance(item, dict) and "kind" not in item and kind != "List":
            item = {"apiVersion": document.get("apiVersion"), "kind": kind[: -len("List")], **item}
        yield from _objects(item)
