"""What reaches a terminal: escaping, colour, marks, tables. The only module under pullcore that writes for people.

Text from clusters, files and registries is untrusted; everything shown goes through `clean`.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, TextIO

from pullcore.errors import one_line

WIDTH = 110  # of running text, where the terminal is not narrower; tables are as wide as their cells
NARROWEST = 20  # columns; what says that it has fewer is left to fold lines as it likes
CELL = 60
COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
UNICODE_MARKS = {"ok": "✓", "bad": "✗", "none": "-", "warn": "!"}
ASCII_MARKS = {"ok": "+", "bad": "x", "none": "-", "warn": "!"}
MARK_COLOURS = {"ok": "green", "bad": "red", "warn": "yellow", "none": "dim"}
_QUOTED = re.compile(r"`[^`]*`")
_KEPT = "\0"  # a blank at which no line ends


def clean(text: object, limit: int = 400) -> str:
    """Untrusted text as one line: control characters visible, runs of blanks one blank, cut at `limit`."""
    return one_line(text, limit)


@dataclass(frozen=True)
class Style:
    """How to write for one stream: with colour or without, with ✓ or with plain ASCII, and how wide running text may be."""

    colour: bool = False
    marks: Mapping[str, str] = field(default_factory=lambda: UNICODE_MARKS)
    width: int = WIDTH

    @property
    def narrow(self) -> bool:
        """Whether what else stands in one line is folded between words, too; commands for pasting never are."""
        return self.width < WIDTH

    def paint(self, text: str, colour: str) -> str:
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self.colour and text else text

    def mark(self, name: str) -> str:
        """A mark: its sign tells as much as its colour."""
        return self.paint(self.marks[name], MARK_COLOURS[name])


def style_for(stream: TextIO, environ: Mapping[str, str], when: str = "auto") -> Style:
    """The style of a stream: colour only on a terminal that is not dumb and without NO_COLOR, unless `when` is always;
    ASCII marks where the stream's encoding lacks the others."""
    automatic = stream.isatty() and environ.get("TERM") != "dumb" and "NO_COLOR" not in environ
    colour, width = when == "always" or (when == "auto" and automatic), _width_of(stream, environ)
    if _is_ascii_locale(environ):
        return Style(colour, ASCII_MARKS, width)
    try:
        "".join(UNICODE_MARKS.values()).encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return Style(colour, ASCII_MARKS, width)
    return Style(colour, UNICODE_MARKS, width)


def _width_of(stream: TextIO, environ: Mapping[str, str]) -> int:
    """That of a terminal, or what COLUMNS says of it; what goes elsewhere looks the same from everywhere."""
    if not stream.isatty():
        return WIDTH
    given = environ.get("COLUMNS", "")
    try:
        columns = int(given) if given.isdecimal() and int(given) else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return WIDTH
    return min(columns, WIDTH) if columns >= NARROWEST else WIDTH


def _is_ascii_locale(environ: Mapping[str, str]) -> bool:
    """Whether the locale is C or POSIX by somebody's choice. The stream can't tell: Python then writes UTF-8, and for LANG=C
    alone sets LC_CTYPE to C.UTF-8 itself (PEP 538, PEP 540)."""
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8"):
        return False
    chosen = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG")
    if not environ.get("LC_ALL") and chosen in ("C.UTF-8", "C.utf8", "UTF-8"):
        chosen = environ.get("LANG")
    return chosen in ("C", "POSIX")


def wrapped(text: str, indent: int, width: int = WIDTH, lead: Optional[int] = None) -> list[str]:
    """Running text in lines that are at most so wide with their indent; long words and what stands between backticks, for it
    may be a command, are kept whole. lead: the columns that are taken in front of the first line, if not as many."""
    first = " " * (indent if lead is None else lead)
    whole = _QUOTED.sub(lambda found: found[0].replace(" ", _KEPT), text)
    lines = textwrap.wrap(
        whole, width, initial_indent=first, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.lstrip(" ").replace(_KEPT, " ") for line in lines] or [""]


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, show_headers: bool = True, width: Optional[int] = CELL
) -> str:
    """A table as kubectl prints it: upper-case headers, three blanks between columns, no borders; cells cut at `width`."""
    from tabulate import DataRow, TableFormat, tabulate

    row_format = DataRow("", "   ", "")
    kubectls = TableFormat(None, None, None, None, row_format, row_format, 0, None)
    cells = [[clean(cell, width or 4000) or "<none>" for cell in row] for row in rows]
    lines = [*([list(headers)] if show_headers else []), *cells]
    text = tabulate(lines, tablefmt=kubectls, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines())
