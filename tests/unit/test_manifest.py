"""Objects from files, and what is no object."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from pullcore.errors import CommandError
from pullcore.manifest import read

POD = {"apiVersion": "v1", "kind": "Pod"}
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{here}: &{here} [{','.join([f'*{before}'] * 10)}]\n" for before, here in zip("abcdefgh", "bcdefghi")
)


def given(content: str | bytes) -> list[object]:
    raw = content.encode() if isinstance(content, str) else content
    return list(read("-", io.BytesIO(raw)))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", []),
        ("---\n---\n# nothing\n", []),
        ("{apiVersion: v1, kind: Pod}", [POD]),
        ("apiVersion: v1\nkind: Pod\n---\napiVersion: v1\nkind: Pod\n", [POD, POD]),
        (json.dumps(POD), [POD]),
        (json.dumps(POD) + "\n" + json.dumps(POD), [POD, POD]),
        (b"\xef\xbb\xbf" + json.dumps(POD).encode(), [POD]),
        ("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod}]", [POD]),
        ("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod}]}]", [POD]),
        ("apiVersion: v1\nkind: PodList\nitems: [{}]", [POD]),
        ("apiVersion: v1\nkind: PodList\nitems: null", []),
        ("apiVersion: v1\nkind: List\nitems: [null]", []),
        ("apiVersion: v1\nkind: Pod\nat: 2026-01-01T00:00:00Z", [{**POD, "at": "2026-01-01T00:00:00Z"}]),
        ("a: &a {apiVersion: v1}\nkind: Pod\n<<: *a\n", [{**POD, "a": {"apiVersion": "v1"}}]),
    ],
)
def test_objects(content: str | bytes, found: list[object]) -> None:
    assert given(content) == found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[1, 2]", "a document in it is a list, not a Kubernetes object"),
        ("just words", "is plain text or a number"),
        ("7", "is plain text or a number"),
        ("a: 1", "has no kind"),
        ("kind: [Pod]", "has no kind"),
        ("kind: Pod", "a Pod in it has no apiVersion"),
        ("apiVersion: 1\nkind: Pod", "a Pod in it has no apiVersion"),
        ("apiVersion: v1\nkind: List\nitems: {}", "the items of a List in it are no list"),
        ("apiVersion: v1\nkind: List\nitems: [5]", "is plain text or a number"),
        ("apiVersion: v1\nkind: List\nitems: [[]]", "is a list"),
        ('{"kind": "Pod", "apiVersion"', "is neither YAML nor JSON"),
        ("apiVersion: v1\nkind: Pod\n\tx: y", "is neither YAML nor JSON"),
        ("a: [1, 2", "is neither YAML nor JSON"),
        ("%NAME%", "is neither YAML nor JSON"),
        ("a: !!python/object/apply:os.system ['true']", "is neither YAML nor JSON"),
        ("a: !x%1B[31m b", "is neither YAML nor JSON"),
        ("? [a]\n: b", "is neither YAML nor JSON"),
        ("*nowhere", "is neither YAML nor JSON"),
        ("a: &a [*a]", "aliases expand"),
        (ALIASES, "aliases expand"),
        ("[" * 100_000, "nested"),
        ("- " * 100_000, "nested"),
        ('{"a":' * 100_000, "nested"),
        ("{a: " * 5_000, "nested"),
        ("a: " + "9" * 5000 + "\nkind: Pod\napiVersion: v1\nb: [", "is neither YAML nor JSON"),
        (b"\x00\x01\x02\xff", "is not UTF-8 text"),
        ("kind: Pod".encode("utf-16"), "is not UTF-8 text"),
        (b"\x7fELF\x02\x01\x01\x00", "is neither YAML nor JSON"),
        ("kind: \x1b[31mList\x1b[0m", "is neither YAML nor JSON"),
        ('{"apiVersion": "v1", "kind": "\\u001b[31mList", "items": 5}', "^[[31mList"),
    ],
)
def test_what_is_no_object_is_one_harmless_line(content: str | bytes, reason: str) -> None:
    with pytest.raises(CommandError) as failure:
        given(content)
    text = str(failure.value)
    assert text.startswith("error: standard input")
    assert reason in text
    assert text.isprintable()
    assert len(text) < 500


def test_files(tmp_path: Path) -> None:
    for name, reason in ((str(tmp_path), "Is a directory"), (str(tmp_path / "no\x1bne"), "No such file"), ("a\0b", "null")):
        with pytest.raises(CommandError, match=f"can't be read: .*{reason}") as failure:
            read(name, io.BytesIO())
        assert str(failure.value).isprintable()
