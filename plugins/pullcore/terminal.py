"""What reaches a terminal: escaping, colour, marks, tables. The only module under pullcore that writes for people.

Text from clusters, files and registries is untrusted; everything shown goes through `clean`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, TextIO

from pullcore.errors import one_line

WIDTH = 110  # of running text; tables are as wide as their cells
CELL = 60
COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
UNICODE_MARKS = {"ok": "✓", "bad": "✗", "none": "-", "warn": "!"}
ASCII_MARKS = {"ok": "+", "bad": "x", "none": "-", "warn": "!"}
MARK_COLOURS = {"ok": "green", "bad": "red", "warn": "yellow", "none": "dim"}


def clean(text: object, limit: int = 400) -> str:
    """Untrusted text as one line: control characters visible, runs of blanks one blank, cut at `limit`."""
    return one_line(text, limit)


@dataclass(frozen=True)
class Style:
    """How to write for one stream: with colour or without, with ✓ or with plain ASCII."""

    colour: bool = False
    marks: Mapping[str, str] = field(default_factory=lambda: UNICODE_MARKS)

    def paint(self, text: str, colour: str) -> str:
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self.colour and text else text

    def mark(self, name: str) -> str:
        """A mark: its sign tells as much as its colour."""
        return self.paint(self.marks[name], MARK_COLOURS[name])


def style_for(stream: TextIO, environ: Mapping[str, str], when: str = "auto") -> Style:
    """The style of a stream: colour only on a terminal that is not dumb and without NO_COLOR, unless `when` is always;
    ASCII marks where the stream's encoding lacks the others."""
    automatic = stream.isatty() and environ.get("TERM") != "dumb" and "NO_COLOR" not in environ
    colour = when == "always" or (when == "auto" and automatic)
    try:
        "".join(UNICODE_MARKS.values()).encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return Style(colour, ASCII_MARKS)
    return Style(colour, UNICODE_MARKS)


def wrapped(text: str, indent: int) -> list[str]:
    """Running text in lines of at most WIDTH, long words kept whole."""
    lines = textwrap.wrap(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, show_headers: bool = True, width: Optional[int] = CELL
) -> str:
    """A table as kubectl prints it: upper-case headers, three blanks between columns, no borders; cells cut at `width`."""
    from tabulate import tabulate

    # tabulate's plain format has two blanks between columns; a third is put at the end of each cell.
    padded = [[clean(cell, width or 4000) or "<none>" for cell in row] for row in rows]
    lines = [*([list(headers)] if show_headers else []), *padded]
    spaced = [[f"{cell} " for cell in line[:-1]] + [line[-1]] for line in lines]
    text = tabulate(spaced, tablefmt="plain", disable_numparse=True, preserve_whitespace=True)
    return "\n".join(line.rstrip() for line in text.splitlines())
