"""What is wrong and what mends it, in the same words in every plugin: `Cause: ...`, `Fix: ...`.

It makes lines and writes none: how text reaches a terminal is for terminal.py to say, and what is not ours goes through its
`clean`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pullcore.causes import CAUSES
from pullcore.diagnosis import BLOCKED, Diagnosis
from pullcore.errors import visible
from pullcore.terminal import Style, clean, wrapped

MAX_TEXT = 500


def cause_lines(group: Sequence[Diagnosis], style: Style) -> list[str]:
    """The primary cause that a group of Pulls has in common, what it means, and the commands that mend it."""
    if not group[0].findings:
        return []
    finding = group[0].findings[0]
    many = f"{len(group)} images: " if len(group) > 1 else ""
    lines = hanging(style.paint("Cause: ", "bold"), 7, f"{many}{clean(finding.summary, MAX_TEXT)} ({finding.cause})", style)
    # The kubelet's own text stands in its step already; where it was not understood, it is shown whole.
    tell = len(group) == 1 and (CAUSES[finding.cause].from_objects or finding.cause in ("invalid-name", "unknown"))
    for text in (*(finding.evidence if tell else ()), *(finding.notes if len(group) == 1 else ())):
        lines += hanging("       ", 7, clean(text, MAX_TEXT), style)
    if not _is_seen_only_here(group[0]):
        lines += hanging("       ", 7, CAUSES[finding.cause].remedy, style)
    commands = list(dict.fromkeys(command for one in group for command in one.findings[0].fix))
    for number, command in enumerate(commands[:8]):
        lines.append((style.paint("Fix:   ", "bold") if not number else "       ") + visible(command))
    if len(commands) > 8:
        lines.append(f"       and {len(commands) - 8} more (-o json shows all)")
    return lines


def _is_seen_only_here(one: Diagnosis) -> bool:
    """Whether the cause is what stands between this machine and the registry: remedies are about the nodes."""
    view = one.view
    return view is not None and not view.reach.answers and one.verdict != BLOCKED and one.findings[0].cause == view.cause


def hanging(first: str, indent: int, text: str, style: Style, lead: Optional[int] = None) -> list[str]:
    """Running text behind `first`, whose further lines are indented. lead: the columns of `first`, if not as many."""
    parts = wrapped(text, indent, style.width, lead)
    return [first + parts[0], *(" " * indent + part for part in parts[1:])]
