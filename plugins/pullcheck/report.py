"""The report for people: steps for what was named, a table and its causes for a scan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from pullcore.diagnosis import BLOCKED, PULLABLE, Diagnosis, Report
from pullcore.errors import few, visible
from pullcore.explanation import MAX_TEXT, cause_lines, hanging
from pullcore.kinds import KINDS
from pullcore.pull import Pull, Target
from pullcore.terminal import Style, clean, table
from pullcore.times import age
from pullcore.workload import waits_for_image

from pullcheck.page import LINES, page
from pullcheck.steps import Step, steps

NAME_WIDTH = 13  # of the column of step names
WIDE = 70  # columns; with fewer, what belongs to a step is indented by IN_NARROW, not below its text
IN_NARROW = 6


def explained(report: Report, style: Style) -> str:
    """Every Pull step by step, the blocked ones first, then each cause with what mends it."""
    lines = _folded("", 2, _headline(report), style)
    for one in report.pulls:
        lines += ["", *_pull(one, report, style)]
    return "\n".join(lines) + "\n"


def summary(report: Report, style: Style, *, namespaces: bool, again: Sequence[str] = ()) -> str:
    """A table of what waits, then its causes, most frequent first, each with what mends it; where that is too much for a
    page, the page that stands for it. again: the words that scan the same once more."""
    lines = [listing(report, wide=False, headers=True, namespaces=namespaces)]
    groups: dict[tuple[str, str], list[Diagnosis]] = {}
    for one in report.pulls:
        if one.findings:
            groups.setdefault((one.findings[0].cause, one.findings[0].summary), []).append(one)
    for (_, _), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines += ["", *cause_lines(group, style)]
    if report.pulls:
        first = report.pulls[0].pull
        words = [
            "Each step of one: kubectl pullcheck",
            clean(first.asker.ref),
            "-n",
            clean(first.namespace),
            *report.context,
        ]
        lines += ["", visible(" ".join(words))]
    text = "\n".join(lines) + "\n"
    return page(report, style, again) if text.count("\n") > LINES else text


def listing(report: Report, *, wide: bool, headers: bool, namespaces: bool) -> str:
    """One line for each Pull, as kubectl lists objects."""
    titles = ["NAMESPACE"] if namespaces else []
    titles += ["IMAGE", "VERDICT", "CAUSE", "WAITING", "AGE", "OBJECT"]
    titles += ["POLICY", "SERVICEACCOUNT", "SECRETS", "NODES", "SUMMARY"] if wide else []
    rows = [_row(one, report, wide=wide, namespaces=namespaces) for one in report.pulls]
    return table(titles, rows, show_headers=headers, width=None if wide else 60)


def _row(one: Diagnosis, report: Report, *, wide: bool, namespaces: bool) -> list[str]:
    pull = one.pull
    waiting = sum(map(waits_for_image, pull.containers))
    since = [said.word.since for said in one.said if said.word.since]
    row = [pull.namespace] if namespaces else []
    row += [
        pull.image,
        one.verdict,
        one.findings[0].cause if one.findings else "",
        f"{waiting}/{len(pull.containers)}",
        age(report.evidence.observed_at - min(since)) if since else "<unknown>",
        ",".join(asker.ref for asker in pull.askers) if wide else _askers(pull),
    ]
    if wide:
        nodes = sorted({use.node for use in pull.containers if use.node})
        summary = one.findings[0].summary if one.findings else ""
        row += [pull.policy, pull.service_account, ",".join(pull.secrets), ",".join(nodes), summary]
    return row


def _askers(pull: Pull) -> str:
    more = len(pull.askers) - 1
    return pull.asker.ref + (f" and {more} more" if more else "")


def names(report: Report) -> str:
    """The objects with an image that is not pullable, as kubectl's `-o name` writes them."""
    found: dict[str, None] = {}
    for one in report.pulls:
        if one.verdict != PULLABLE:
            refused = [said.use.asker for said in one.said if said.use and said.use.asker]
            found.update(dict.fromkeys(map(_full_name, refused or one.pull.askers)))
    return "".join(f"{clean(name)}\n" for name in found)


def remarks(report: Report) -> list[str]:
    """What the reader has to know about the report itself: for standard error."""
    lines = [f"Note: {clean(note)}" for note in report.notes]
    return lines + [f"Not checked: {clean(one.what)}: {clean(one.why)}" for one in report.not_checked]


def _full_name(target: Target) -> str:
    kind = KINDS.get(target.kind)
    return kind.ref(target.name) if kind else target.ref


def _headline(report: Report) -> str:
    total, blocked = len(report.pulls), sum(one.verdict == BLOCKED for one in report.pulls)
    pods = {use.pod for one in report.pulls for use in one.pull.containers if waits_for_image(use)}
    where = _where(report.targets)
    unknown = total - blocked - sum(one.verdict == PULLABLE for one in report.pulls)
    parts = [f"{total} image{_s(total)}"]
    parts += [f"{blocked} cannot be pulled"] if blocked else []
    parts += [f"{unknown} could not be judged"] if unknown else []
    text = ", ".join(parts if len(parts) > 1 else [*parts, "nothing speaks against pulling"])
    text += f" ({len(pods)} pod{_s(len(pods))} waiting)" if pods else ""
    return f"{where}: {text}"


def _where(targets: Sequence[Target]) -> str:
    if not targets:
        return "all that waits"
    namespaces = sorted({target.namespace for target in targets})
    shown = few([clean(target.ref, 80) for target in targets], 3)
    return f"{shown} in {clean(', '.join(namespaces), 120)}"


def _pull(one: Diagnosis, report: Report, style: Style) -> list[str]:
    mark = {BLOCKED: "bad", PULLABLE: "ok"}.get(one.verdict, "warn")
    pods = list(dict.fromkeys(use.pod for use in one.pull.containers))
    title = [style.paint(clean(one.pull.image, 200), "bold"), one.pull.policy, clean(few(pods, 3) or "no pod yet", 200)]
    lines = _folded(f"{style.mark(mark)} ", 2, "   ".join(title), style)
    for step in steps(one, report.evidence):
        lines += _step(step, style)
    lines += cause_lines([one], style) if one.verdict != PULLABLE else []
    extra = one.findings[1:] if one.verdict != PULLABLE else one.findings
    for finding in extra:
        # A second cause is most often the first in other words; where several nodes were asked, it is another node's.
        if finding.severity != "error" or one.probes:
            sign = style.mark({"error": "bad", "warning": "warn"}.get(finding.severity, "none"))
            lines += hanging(f"  {sign} ", 4, f"{clean(finding.summary, MAX_TEXT)} ({finding.cause})", style)
    return lines


def _step(step: Step, style: Style) -> list[str]:
    column = 4 + NAME_WIDTH
    first = f"  {style.mark(step.mark)} {step.name:<{NAME_WIDTH}}"
    lines = _folded(first, IN_NARROW if style.width < WIDE else column, clean(step.text, MAX_TEXT), style, column)
    widths = [max(len(clean(column, 80)) for column in columns) for columns in zip(*_even(step.lines))]
    for line in _even(step.lines):
        cells = [clean(cell, 80 if number < len(line) - 1 else MAX_TEXT) for number, cell in enumerate(line)]
        padded = [cell.ljust(min(width, 80)) for cell, width in zip(cells, widths)]
        indent = IN_NARROW if style.width < WIDE else column
        lines += _folded(
            " " * indent, indent + 2, "  ".join(cell for cell, width in zip(padded, widths) if width), style, indent
        )
    return lines


def _folded(first: str, indent: int, text: str, style: Style, lead: Optional[int] = None) -> list[str]:
    """One line, but on a terminal that is too narrow for most."""
    if style.narrow:
        return hanging(first, indent, text, style, lead)
    return [(first + text).rstrip()]


def _even(lines: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    rows = list(lines)
    longest = max((len(row) for row in rows), default=0)
    return [row + ("",) * (longest - len(row)) for row in rows]


def _s(count: int) -> str:
    return "" if count == 1 else "s"
