"""What was measured, as a table for the terminal and as docs/benchmarks.md, where each part keeps its figures and date."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pullcore.version import described

from .measure import Ratio

HEADERS = ("COMMAND", "AGAINST", "FIGURE", "OURS", "THEIRS", "RATIO", "MIN-MAX", "RUNS", "TARGET", "RESULT")
HEAD = """\
# Benchmarks

Written by `make bench`; not to be edited. Every ratio is of two commands that took turns in one run on one machine: the
median of the ratios pair by pair, ours divided by theirs. OURS and THEIRS are medians too, for the order of size. A part
that was not measured again keeps its figures and its date.
"""
SECTION = re.compile(r"^## (\w+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """What one part of the bench found. title: a line on what it measures; notes: paragraphs to stand below the table."""

    title: str
    ratios: Sequence[Ratio]
    notes: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return all(ratio.passed for ratio in self.ratios)


def table(ratios: Iterable[Ratio]) -> str:
    """For the terminal."""
    lines = [HEADERS, *map(_cells, ratios)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADERS))]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def section(part: Part, measured: str) -> str:
    """The part in Markdown, without its heading. measured: when and where."""
    lines = [HEADERS, ("---",) * len(HEADERS), *map(_cells, part.ratios)]
    rows = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    table_of_it = ["\n".join(rows)] if part.ratios else []
    return "\n\n".join([part.title, measured, *table_of_it, *part.notes])


def keep(path: Path, name: str, text: str, order: Sequence[str]) -> None:
    """Puts a part's section into the document; the others stay as they are."""
    known = sections(path.read_text()) if path.exists() else {}
    path.write_text(document({**known, name: text}, order))


def sections(text: str) -> dict[str, str]:
    """The sections of a document by the names of their parts."""
    _, *found = SECTION.split(text)
    return {name: body.strip("\n") for name, body in zip(found[::2], found[1::2])}


def document(found: Mapping[str, str], order: Sequence[str]) -> str:
    """Of parts that are not there any more, nothing stays."""
    return HEAD + "".join(f"\n## {name}\n\n{found[name]}\n" for name in order if name in found)


def circumstances(kubernetes: str) -> str:
    """When and where it is measured, with what. kubernetes: the API server's version, empty where none takes part."""
    versions = [f"kubectl-pullkit {described()}", f"Python {platform.python_version()}"]
    versions += [f"Kubernetes and kubectl {kubernetes}"] if kubernetes else []
    busy = f"load {os.getloadavg()[0]:.1f} at the start"
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    machine = f"{_processor()}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}"
    return f"Measured {when} ({machine}; {busy}; {', '.join(versions)})."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or "unknown processor"


def _cells(one: Ratio) -> tuple[str, ...]:
    digits = 3 if one.unit == "s" else 0
    ours, theirs = (
        f"{statistics.median(some):,.{digits}f} {one.unit}".strip() for some in (one.our_values, one.their_values)
    )
    return (
        one.ours,
        one.theirs,
        one.what,
        ours,
        theirs,
        f"{one.median:.2f}",
        f"{min(one.each):.2f}-{max(one.each):.2f}",
        str(len(one.each)),
        "" if one.target is None else f"<= {one.target:g}",
        "" if one.target is None else "met" if one.passed else "MISSED",
    )
