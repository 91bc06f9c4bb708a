"""The table: at which calls each cell is tried, what came of it, and the page that tells it."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from multiprocessing import get_context

from ..standin import Name, Object
from .kinds import ALWAYS, FAULTS, ONCE, Fault
from .runs import Result, Run, hurry
from .scenes import SCENES, Scene
from .server import Call, is_of_crd
from .verdict import WORDS, NotMet, check_left, judge

OFTEN = 3  # how many of the same requests of a run are told apart
AT_ONCE = 8  # runs in one process
ALL, MOST, FEW = "all", "most", "few"
THIRD = 3
NONE = "–"
HEADING = re.compile(r"(.*) \((\d+) calls\)")
Cell = tuple[str, str]  # names of a scene and of a fault
Attempt = tuple[str, bool, str]  # a word of `verdict`, whether it was run once more, and what is wrong


@dataclass(frozen=True)
class Case:
    """A command with a fault at one call of it."""

    scene: Scene
    fault: Fault
    call: Call

    def __str__(self) -> str:
        return f"{self.scene.name}, {self.fault.row}, at {self.call.what} ({self.call.number})"


@dataclass(frozen=True)
class Tried:
    """What came of a cell. words: of `verdict`; faults: what is wrong, in words; again: how many of its cases were run once
    more; calls: that the command makes."""

    cell: Cell
    words: frozenset[str]
    faults: tuple[str, ...]
    cases: int
    again: int
    calls: int


# Which cases there are


@cache
def clean(scene: Scene) -> Result:
    """The run of a command without a fault, after which another one changes nothing more."""
    with Run(scene) as run:
        found = run.once()
        again = run.once()
    check_left(found, again)
    return found


def calls(scene: Scene) -> list[Call]:
    """The requests of a run, in order; of those that only wait for something the first."""
    found = []
    for call in clean(scene).calls:
        polls = call.watches or (call.method == "GET" and "pull-canary" in call.what)
        if call.number <= (1 if polls else OFTEN):
            found.append(call)
    return found


def cases(scene: Scene, fault: Fault) -> list[Case]:
    """Every call at which a command can meet a fault."""
    if fault.anywhere:
        return [Case(scene, fault, Call("any"))] if any(map(is_of_crd, clean(scene).calls)) else []
    if fault.tls and fault.lasts == ONCE:
        return [Case(scene, fault, Call("handshake", number)) for number in range(1, len(calls(scene)) + 1)]
    some = [call for call in calls(scene) if fault.at(call)]
    if fault.lasts == ALWAYS:
        some = [call for call in some if call.number == 1]
    return [Case(scene, fault, call) for call in some]


def sample(found: Sequence[Case], which: str) -> list[Case]:
    """A cell's cases, the same each time. which: ALL of them, MOST (every write and watch, every third of the others), or
    FEW (one of these); all are taken where a single call is forbidden."""
    if which == ALL or not found or found[0].fault.lasts == ALWAYS:
        return list(found)
    number = zlib.crc32(f"{found[0].scene.name} {found[0].fault.row}".encode())
    first = [case for case in found if case.call.writes or case.call.watches]
    others = [case for case in found if case not in first]
    others = others[number % min(THIRD, len(others) or 1) :: THIRD]
    if which == MOST:
        return first + others
    few = [some[number % len(some)] for some in (first, others) if some]
    return [few[number // THIRD % len(few)]]


# Trying them


def tried(case: Case) -> tuple[str, bool]:
    """What came of it, in a word of `verdict`, and whether it was run once more. Raises AssertionError."""
    expected = clean(case.scene)
    try:
        with Run(case.scene, case.fault, case.call) as run:
            found = again = run.once(options=case.fault.options)
            unfinished = is_unfinished(found, expected, run.before)
            if unfinished:
                run.server.heal()
                again = run.once(*advised(found))
                if then := advised(again):
                    again = run.once(*then)
            return judge(case.scene, expected, run.before, found, again if unfinished else None), unfinished
    except AssertionError as error:
        raise type(error)(f"{case}: {error}\n{found.code}\n{found.both}") from None


def is_unfinished(found: Result, expected: Result, before: dict[Name, Object]) -> bool:
    """Whether a run left what neither a whole run leaves nor it found itself: what the next run makes of these is known."""
    return bool(found.saved) or found.state not in (expected.state, before)


def advised(found: Result) -> list[str]:
    """The command that it says is to be run; nothing where it is the same again."""
    advice = re.search(r"kubectl pullsecret (copy good --to-namespace )(\w+)", found.err)
    return (advice[1] + advice[2].replace("NAMESPACE", "ns2")).split() if advice else []


def try_cells(cells: Sequence[Cell], which: str) -> list[Tried]:
    """Tries cells, many cases at a time: most of them wait most of the time. which: see `sample`."""
    hurry()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [(cell, [pool.submit(attempt, case) for case in sample(cases_of(cell), which)]) for cell in cells]
        return [summed(cell, [job.result() for job in some]) for cell, some in jobs]


def cases_of(cell: Cell) -> list[Case]:
    scene = next(one for one in SCENES if one.name == cell[0])
    return cases(scene, next(one for one in FAULTS if one.row == cell[1]))


def attempt(case: Case, tries: int = 3) -> Attempt:
    try:
        return (*tried(case), "")
    except NotMet as error:  # on a busy machine another call may take longer than --request-timeout before this one
        return attempt(case, tries - 1) if tries > 1 else ("", False, str(error))
    except AssertionError as error:
        return "", False, str(error)


def summed(cell: Cell, attempts: Sequence[Attempt]) -> Tried:
    scene = next(one for one in SCENES if one.name == cell[0])
    words = frozenset(word for word, _, fault in attempts if not fault)
    faults = tuple(fault for _, _, fault in attempts if fault)
    return Tried(cell, words, faults, len(attempts), sum(again for _, again, _ in attempts), len(calls(scene)))


def try_all(cells: Sequence[Cell], which: str) -> list[Tried]:
    """Tries cells in a process for each processor."""
    count = os.cpu_count() or 1
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(try_cells, (cells[number::count] for number in range(count)), [which] * count))
    by_cell = {one.cell: one for part in parts for one in part}
    return [by_cell[cell] for cell in cells]


def every_cell() -> list[Cell]:
    return [(scene.name, fault.row) for fault in FAULTS for scene in SCENES]


# The page

HEAD = """\
# Faults of the Kubernetes API

What each command does when the API server fails, refuses or goes away. `make faults` writes this page from the test cases
(tests/integration/faults): each command is run once for each fault and each call that can meet it, against a stand-in that
keeps objects as an API server does (and, for a Domain, one for its operator; for `--push`, one for a registry). A single
call is forbidden at every one; other faults are tried at every write and watch, and at every third of the other calls (`make
faults CALLS=all`: at all). `make test` tries every cell again, at one call of these, and a single forbidden call at every
one. `make e2e` tries some of them with a real API server; there are those of `repull --load`, too, which needs one.

A cell lists everything that came of it, depending on the call. In all of them: no traceback, no secret, an end (within 90
seconds, however busy the machine is); exit status 2 of pullcheck and 1 of the others where it is not done; every change is
told, and where something was left half done the next run (or the command that is printed) finishes it.

- **right**: the result is that of a run without a fault; the call made no difference.
- **again**: the same; something was asked again.
- **less**: the verdict is right and its explanation shorter: the call was only for that.
- **without**: it goes on without it, and says so; pullcheck's verdict is the same, or unknown (2).
- **line**: one line on standard error, and nothing was changed.
- **line+**: one line on standard error, with what was changed, what was not, and what is not known.
- **{none}**: the command makes no call that could meet it.
"""


def page(found: Sequence[Tried]) -> str:
    """docs/faults.md."""
    by_cell = {one.cell: one for one in found}
    parts = [HEAD.format(none=NONE)]
    for plugin, group in groupby(SCENES, lambda scene: scene.plugin):
        scenes = list(group)
        counts = [by_cell[scene.name, FAULTS[0].row].calls for scene in scenes]
        heads = [f"{scene.name.removeprefix(plugin).strip()} ({count} calls)" for scene, count in zip(scenes, counts)]
        lines = [f"## kubectl {plugin}", "", _row("", heads), _row("---", ["---"] * len(scenes))]
        lines += [_row(fault.row, [written(by_cell[scene.name, fault.row].words) for scene in scenes]) for fault in FAULTS]
        parts.append("\n".join(lines) + "\n")
    count, again = sum(one.cases for one in found), sum(one.again for one in found)
    parts.append(f"{count:,} runs with a fault, and {again:,} after those that left it half done.\n")
    return "\n".join(parts)


def _row(first: str, others: Sequence[str]) -> str:
    return f"| {' | '.join([first, *others])} |"


def written(words: Iterable[str]) -> str:
    return ", ".join(word for word in WORDS if word in words) or NONE


@dataclass(frozen=True)
class Told:
    """What a page says. words: of each cell; calls: how many each command makes, by the scene's name."""

    words: dict[Cell, tuple[str, ...]]
    calls: dict[str, int]


def told(text: str) -> Told:
    found = Told({}, {})
    names: list[str] = []
    plugin = ""
    for line in text.splitlines():
        first, *others = (cell.strip() for cell in line.split("|")[1:-1]) if line.startswith("| ") else ("---",)
        if line.startswith("## kubectl "):
            plugin = line.split()[-1]
        elif not first:
            counted = {f"{plugin} {name}": int(count) for name, count in (HEADING.findall(cell)[0] for cell in others)}
            names = list(counted)
            found.calls.update(counted)
        elif first != "---":
            for name, cell in zip(names, others):
                found.words[name, first] = () if cell == NONE else tuple(cell.split(", "))
    return found
