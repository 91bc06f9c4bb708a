"""The table: which calls each cell is tried at, what came of it, and the page that tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .kinds import ALWAYS, FAULTS, Fault
from .runs import Result, Run
from .scenes import SCENES, Scene
from .server import Call, is_of_crd
from .verdict import judge

OFTEN = 3  # how many of the same requests of a run are told apart


@dataclass(frozen=True)
class Case:
    """A command with a fault at one call of it."""

    scene: Scene
    fault: Fault
    call: Call

    def __str__(self) -> str:
        return f"{self.scene.name}, {self.fault.row}, at {self.call.what} ({self.call.number})"


@lru_cache(maxsize=None)
def clean(name: str) -> Result:
    """The run of a command without a fault."""
    scene = next(one for one in SCENES if one.name == name)
    with Run(scene) as run:
        return run.once()


def calls(scene: Scene) -> list[Call]:
    """The requests of a run, in order; of those that only wait for something the first."""
    found = []
    for call in clean(scene.name).calls:
        polls = call.watches or "pull-canary" in call.what
        if call.number <= (1 if polls else OFTEN):
            found.append(call)
    return found


def cases(scene: Scene, fault: Fault) -> list[Case]:
    """Every call at which a command can meet a fault."""
    if fault.anywhere:
        return [Case(scene, fault, Call("any"))] if any(map(is_of_crd, clean(scene.name).calls)) else []
    if fault.tls and not fault.lasts.startswith("from"):
        return [Case(scene, fault, Call("TLS", number)) for number in range(1, len(clean(scene.name).calls) + 1)]
    some = [call for call in calls(scene) if fault.at(call)]
    if fault.lasts == ALWAYS:
        some = [call for call in some if call.number == 1]
    return [Case(scene, fault, call) for call in some]


def advised(found: Result) -> list[str]:
    """The command that it says is to be run; nothing where it is the same again."""
    advice = re.search(r"kubectl pullsecret (copy good --to-namespace \w+)", found.err)
    return advice[1].split() if advice else []


def tried(case: Case) -> str:
    """What came of it, in a word of `verdict`. Raises AssertionError."""
    expected = clean(case.scene.name)
    try:
        with Run(case.scene, case.fault, case.call) as run:
            found = run.once()
            run.server.heal()
            return judge(case.scene, expected, run.before, found, run.once(*advised(found)))
    except AssertionError as error:
        raise AssertionError(f"{case}: {error}\n{found.code}\n{found.both}") from None
