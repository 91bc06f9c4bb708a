"""What waits, where it is too much for a screen: a page, by cause and Pull, with counts and the first names of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from pullcore.causes import CAUSES
from pullcore.diagnosis import BLOCKED, PULLABLE, UNKNOWN, Diagnosis, Report
from pullcore.errors import visible
from pullcore.explanation import MAX_TEXT, hanging
from pullcore.pull import Pull
from pullcore.terminal import Style, clean
from pullcore.workload import waits_for_image

LINES = 60  # of a page
NAME = 60  # characters of a name
INDENT = " " * 7  # below "Cause: "


class Detail(NamedTuple):
    """How much is told of each cause: so many of its Pulls, what mends so many of them, and what to do in general."""

    pulls: int
    mended: int
    remedy: bool


# The first that fits is taken.
DETAILS = (Detail(5, 3, True), Detail(3, 1, True), Detail(3, 1, False), Detail(2, 1, False), Detail(1, 1, False))
COMMANDS = 4  # of one Pull; more of them do the same on further nodes
SAID = {BLOCKED: "cannot be pulled", UNKNOWN: "could not be judged", PULLABLE: "can be pulled by now"}


def page(report: Report, style: Style, again: Sequence[str]) -> str:
    """At most LINES lines, the cause that most pods wait for first. again: the words of the command line that scan the same
    once more, for the command that shows everything."""
    groups = by_cause(report.pulls)
    head, foot = [_headline(report)], _foot(groups[0][0].pull, report, again)
    room = LINES - len(head) - len(foot)
    shown: list[list[str]] = []
    for detail in DETAILS:
        shown = [_group(group, style, detail) for group in groups]
        if sum(map(len, shown)) <= room:
            return "\n".join([*head, *chain(*shown), *foot]) + "\n"
    kept, lines = 0, 2  # for the line that tells of the others
    while lines + len(shown[kept]) <= room:
        lines += len(shown[kept])
        kept += 1
    left = groups[kept:]
    more = f"and {_count(len(left), 'more cause')}, of {_images(list(chain(*left)))}"
    return "\n".join([*head, *chain(*shown[:kept]), "", more, *foot]) + "\n"


def by_cause(pulls: Sequence[Diagnosis]) -> list[list[Diagnosis]]:
    """Those with findings, by cause and its words; what only one Pull's words say goes with the others of its cause. What
    most pods wait for comes first."""
    explained = [one for one in pulls if one.findings]
    alike = Counter((one.findings[0].cause, one.findings[0].summary) for one in explained)
    groups: dict[tuple[str, str], list[Diagnosis]] = {}
    for one in explained:
        words = one.findings[0].cause, one.findings[0].summary
        groups.setdefault(words if alike[words] > 1 else (words[0], ""), []).append(one)
    ordered = [sorted(group, key=lambda one: -_pods(one.pull)) for group in groups.values()]
    return sorted(ordered, key=lambda group: -sum(_pods(one.pull) for one in group))


def _headline(report: Report) -> str:
    by_verdict = {verdict: [one for one in report.pulls if one.verdict == verdict] for verdict in SAID}
    told = [f"{_images(some)} {SAID[verdict]}" for verdict, some in by_verdict.items() if some]
    return f"{', '.join(told)}, in {_count(len({one.pull.namespace for one in report.pulls}), 'namespace')}"


def _group(group: Sequence[Diagnosis], style: Style, detail: Detail) -> list[str]:
    finding = group[0].findings[0]
    alike = len({one.findings[0].summary for one in group}) == 1
    said = finding.summary if alike else CAUSES[finding.cause].title
    text = f"{_images(group)}: {clean(said, MAX_TEXT)} ({finding.cause})"
    lines = ["", *hanging(style.paint("Cause: ", "bold"), len(INDENT), text, style)]
    if detail.remedy:
        lines += hanging(INDENT, len(INDENT), CAUSES[finding.cause].remedy, style)
    lines += _rows([one.pull for one in group[: detail.pulls]])
    if len(group) > detail.pulls:
        lines[-1] += f"   and {_images(group[detail.pulls :])} more"
    fixes = [one.findings[0].fix[:COMMANDS] for one in group if one.findings[0].fix]
    commands = dict.fromkeys(command for fix in fixes[: detail.mended] for command in fix)
    for number, command in enumerate(commands):
        lines.append((INDENT if number else style.paint("Fix:   ", "bold")) + visible(command))
    return lines


def _rows(pulls: Sequence[Pull]) -> list[str]:
    cells = [
        (_count(_pods(pull), "pod"), clean(pull.namespace, NAME), clean(pull.asker.ref, NAME), clean(pull.image, 2 * NAME))
        for pull in pulls
    ]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return [INDENT + "   ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


def _foot(first: Pull, report: Report, again: Sequence[str]) -> list[str]:
    one = ["kubectl pullcheck", clean(first.asker.ref), "-n", clean(first.namespace), *report.context]
    every = ["kubectl pullcheck", *again, "-o"]
    return [
        "",
        f"Each step of one: {visible(' '.join(one))}",
        f"Every image:      {visible(' '.join([*every, 'wide']))}",
        f"Every command:    {visible(' '.join([*every, 'json']))}",
    ]


def _images(some: Sequence[Diagnosis]) -> str:
    """How many they are, and how many pods wait for them; a Domain's image may be waited for by none."""
    pods = len({use.pod_uid for one in some for use in one.pull.containers if waits_for_image(use)})
    return f"{_count(len(some), 'image')} ({_count(pods, 'pod')})"


def _pods(pull: Pull) -> int:
    return len({use.pod_uid for use in pull.containers if waits_for_image(use)})


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
