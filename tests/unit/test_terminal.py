"""What reaches a terminal."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Optional

import pytest
from pullcore.terminal import ASCII_MARKS, UNICODE_MARKS, Style, clean, style_for, table, wrapped


class Stream(io.StringIO):
    def __init__(self, *, tty: bool = False, encoding: Optional[str] = "utf-8") -> None:
        super().__init__()
        self.tty, self.named = tty, encoding

    def isatty(self) -> bool:
        return self.tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.named or ""


@pytest.mark.parametrize(
    ("tty", "environ", "when", "colour"),
    [
        (True, {}, "auto", True), (False, {}, "auto", False), (True, {"NO_COLOR": ""}, "auto", False),
        (True, {"NO_COLOR": "1"}, "auto", False), (True, {"TERM": "dumb"}, "auto", False), (True, {}, "never", False),
        (False, {}, "always", True), (False, {"NO_COLOR": "1", "TERM": "dumb"}, "always", True),
    ],
)  # fmt: skip
def test_colour(tty: bool, environ: Mapping[str, str], when: str, colour: bool) -> None:
    assert style_for(Stream(tty=tty), environ, when).colour == colour


@pytest.mark.parametrize(
    ("encoding", "environ", "ascii_only"),
    [
        ("utf-8", {}, False), ("ascii", {}, True), ("latin-1", {}, True), ("nonsense", {}, True), (None, {}, True),
        ("utf-8", {"LANG": "en_US.UTF-8"}, False), ("utf-8", {"LANG": "C.UTF-8"}, False), ("utf-8", {"LC_ALL": "C"}, True),
        ("utf-8", {"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, True), ("utf-8", {"LANG": "C"}, True),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # as Python changes LANG=C itself
        ("utf-8", {"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, False), ("utf-8", {"LC_CTYPE": "C.UTF-8"}, False),
        ("utf-8", {"LC_ALL": "de_DE.UTF-8", "LANG": "C"}, False),
        ("utf-8", {"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, False),
    ],
)  # fmt: skip
def test_marks(encoding: Optional[str], environ: Mapping[str, str], ascii_only: bool) -> None:
    assert style_for(Stream(encoding=encoding), environ).marks == (ASCII_MARKS if ascii_only else UNICODE_MARKS)


def test_marks_differ_without_colour() -> None:
    assert len(set(UNICODE_MARKS.values())) == len(set(ASCII_MARKS.values())) == len(UNICODE_MARKS) == len(ASCII_MARKS)
    assert all(mark.isascii() for mark in ASCII_MARKS.values())
    assert Style().mark("bad") == "✗"
    assert Style(colour=True).mark("bad") == "\033[31m✗\033[0m"
    assert Style(colour=True).paint("", "red") == ""


def test_table_is_kubectls() -> None:
    rows = [["a", "blocked", "1e5"], ["longer", "", "007"]]
    assert table(["NAME", "VERDICT", "AGE"], rows) == (
        "NAME     VERDICT   AGE\n"
        "a        blocked   1e5\n"
        "longer   <none>    007"
    )  # fmt: skip
    assert table(["NAME", "VERDICT", "AGE"], rows, show_headers=False).splitlines()[0] == "a        blocked   1e5"


def test_cells_are_cut_and_cleaned() -> None:
    (line,) = table(["A", "B"], [["x" * 100, "a\n\x1b[31mb\u202e"]], show_headers=False).splitlines()
    assert line == "x" * 57 + "...   a ^[[31mb\\u202e"
    (line,) = table(["A"], [["x" * 100]], show_headers=False, width=None).splitlines()
    assert line == "x" * 100


@pytest.mark.parametrize("text", ["", "a " * 200, "x" * 500, "a\n\nb"])
def test_wrapped(text: str) -> None:
    lines = wrapped(text, 7)
    assert lines
    assert all(len(line) <= 103 or " " not in line for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(text.split())


WORDS = "some words and a-very-long-one-that-is-no-command, then `kubectl repull domain1 -n ns` which is one"


@pytest.mark.parametrize("width", [20, 39, 80, 110])
def test_narrow_lines_keep_words_and_commands_whole(width: int) -> None:
    lines = wrapped(WORDS, 4, width, 8)
    assert " ".join(lines) == WORDS
    assert any("`kubectl repull domain1 -n ns`" in line for line in lines)
    for number, line in enumerate(lines):
        alone = len(line.split()) == 1 or (line.startswith("`kubectl") and line.endswith("ns`"))
        assert len(line) + (4 if number else 8) <= width or alone


@pytest.mark.parametrize(
    ("columns", "environ", "width"),
    [
        (39, {}, 39), (200, {}, 110), (1, {}, 110), (0, {}, 110), (None, {}, 110), (200, {"COLUMNS": "39"}, 39),
        (39, {"COLUMNS": "0"}, 39), (39, {"COLUMNS": "-3"}, 39), (39, {"COLUMNS": "x"}, 39), (39, {"COLUMNS": "1"}, 110),
        (39, {"COLUMNS": "9" * 5000}, 110),
    ],
)  # fmt: skip
def test_width(columns: Optional[int], environ: Mapping[str, str], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def size(descriptor: int) -> os.terminal_size:
        if columns is None:
            raise OSError
        return os.terminal_size((columns, 24))

    monkeypatch.setattr(os, "get_terminal_size", size)
    monkeypatch.setattr(Stream, "fileno", lambda self: 1)
    assert style_for(Stream(tty=True), environ).width == width
    assert style_for(Stream(), {"COLUMNS": "39"}).width == 110, "what goes to a file is as it always is"


def test_clean() -> None:
    assert clean("a\tb\r\n c\x00") == "a b c^@"
    assert len(clean("x" * 10_000)) == 400
