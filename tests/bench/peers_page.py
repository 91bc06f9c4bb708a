"""What was found and taken by pullcheck and its peers, as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence

from . import tools
from .measure import Run
from .peers import Measured, Tool
from .scoring import LEGEND, NAMED, NOTHING, RIGHT, SYMPTOM, WRONG, Told

RULE = """\
Of pullcheck only the first finding counts; of the others all that they print of the pod, and of preflight what stands
in its bundle, too. Pods and secrets have numbers for names, so nothing is named by being quoted."""
BIAS = """\
The pods are of this project's own tests, and no sample of what happens in the world: pullcheck was made for such faults.
When it was first shown them it named 18; what it says of the 4th and the 20th was made more specific because of that."""
NOT_RUN = """\
k8sgpt is not among them: the Go module proxy by which crane and preflight were built refused its module, and
nothing else was tried. Read in its source, `k8sgpt analyze --filter=Pod` without an AI prints the waiting message of
containers that cannot pull: what it finds is at most the last column."""


def section(measured: Measured, when: str, machine: str) -> str:
    """What was found and taken, as a section of Markdown."""
    titles = [tool.title for tool in measured.tools]
    found = [
        [f"{number}. {right.truth}", *(_cell(measured, tool, what) for tool in measured.tools)]
        for number, (what, right) in enumerate(RIGHT.items(), 1)
    ]
    sums = [["**named**", *(f"**{_count(measured, tool, NAMED)}**" for tool in measured.tools)]]
    sums += [[word, *(str(_count(measured, tool, word)) for tool in measured.tools)] for word in (SYMPTOM, WRONG, NOTHING)]
    words = [[what, f"`{right.words}`".replace("|", "\\|"), "yes" if right.only else ""] for what, right in RIGHT.items()]
    runs = len(measured.comparisons[0].our_runs)
    return "\n".join(
        [
            "# Peers: what each finds for the same broken pods",
            "",
            f"{len(RIGHT)} pods on a real cluster of two nodes, each refused by the kubelet for another reason; preflight",
            f"{tools.PREFLIGHT.version} of troubleshoot, crane {tools.CRANE.rpartition('@')[2]}. {when}, {machine}.",
            "",
            *_table(["what is wrong", *titles], found),
            *_table(["of all", *titles], sums),
            *(f"- **{word}**: {meaning}." for word, meaning in LEGEND),
            "- **\\***: it also finds the image good.",
            "",
            RULE,
            "",
            BIAS,
            "",
            NOT_RUN,
            *measured.without,
            "",
            "## What each takes",
            "",
            f"Medians of {runs} rounds of all in turn. A ratio is pullcheck's figure to theirs: over 1 it takes more.",
            "",
            *_table(["", "time", "ratio", "peak memory", "ratio", "needs"], _costs(measured)),
            "## What counts as naming",
            "",
            "Regular expressions, case ignored. `only`: these words are wrong for any other of the pods.",
            "",
            *_table(["pod", "words", "only"], words),
        ]
    )


def _cell(measured: Measured, tool: Tool, what: str) -> str:
    word = measured.score(tool, what)
    good = measured.told[tool.title].get(measured.pods[what], Told()).good
    return f"{f'**{word}**' if word == NAMED else word}{' *' if good else ''}".replace(" *", " \\*")


def _count(measured: Measured, tool: Tool, word: str) -> int:
    return sum(measured.score(tool, what) == word for what in RIGHT)


def _costs(measured: Measured) -> list[list[str]]:
    rows = [_cost(measured.tools[0], measured.comparisons[0].our_runs, ["", ""])]
    for tool, one in zip(measured.tools[1:], measured.comparisons):
        ratios = [f"{ratio.median:.2f}" for ratio in (one.time(), one.memory())]
        rows.append(_cost(tool, one.their_runs, ratios))
    return rows


def _cost(tool: Tool, runs: Sequence[Run], ratios: Sequence[str]) -> list[str]:
    seconds, mib = (statistics.median(values) for values in zip(*((run.seconds, run.kib / 1024) for run in runs)))
    return [tool.title, f"{seconds:.2f} s", ratios[0], f"{mib:.0f} MiB", ratios[1], tool.needs]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)] + [""]


def here() -> str:
    """The machine, in a few words, and what else it had to do."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processors (load average {os.getloadavg()[1]:.0f}), {gib:.0f} GiB, {system}"


def today() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
