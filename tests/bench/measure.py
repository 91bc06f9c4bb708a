"""Two commands in turn, and what of the one is how much of the other."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 180


class BenchError(Exception):
    """Said to the user as it is."""


@dataclass(frozen=True)
class Run:
    """What one run of a command took; `kib` is the peak of its largest process."""

    seconds: float
    cpu: float
    kib: int


@dataclass(frozen=True)
class Command:
    """A command, the exit status it has to have, and words that its output has to hold."""

    name: str
    argv: Sequence[str]
    code: int = 0
    says: Sequence[str] = ()


@dataclass(frozen=True)
class Ratio:
    """One figure of ours against the same of theirs, pair by pair."""

    what: str
    unit: str
    ours: str
    theirs: str
    our_values: Sequence[float]
    their_values: Sequence[float]
    target: Optional[float] = None
    """None for a figure that only helps to understand the others."""

    @property
    def each(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.our_values, self.their_values)]

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    @property
    def passed(self) -> bool:
        return self.target is None or self.median <= self.target


@dataclass(frozen=True)
class Comparison:
    ours: Command
    theirs: Command
    our_runs: Sequence[Run]
    their_runs: Sequence[Run]

    def ratio(self, what: str, unit: str, figure: Callable[[Run], float], target: Optional[float] = None) -> Ratio:
        ours, theirs = [figure(run) for run in self.our_runs], [figure(run) for run in self.their_runs]
        return Ratio(what, unit, self.ours.name, self.theirs.name, ours, theirs, target)

    def time(self, target: Optional[float] = None) -> Ratio:
        return self.ratio("time", "s", lambda run: run.seconds, target)

    def memory(self, target: Optional[float] = None) -> Ratio:
        return self.ratio("peak memory", "MiB", lambda run: run.kib / 1024, target)

    def cpu(self) -> Ratio:
        """Steadier than the time on a machine that has other work, but without what servers do."""
        return self.ratio("processor time", "s", lambda run: run.cpu)


def compare(ours: Command, theirs: Command, env: Mapping[str, str], folder: Path, runs: int) -> Comparison:
    """Runs A B A B ... after a warm-up of each. Raises BenchError."""
    return Comparison(ours, theirs, *in_turn((ours, theirs), env, folder, runs))


def in_turn(commands: Sequence[Command], env: Mapping[str, str], folder: Path, runs: int) -> list[list[Run]]:
    """The runs of each command: A B C A B C ... after a warm-up of each, when its output is looked at. Raises BenchError."""
    for command in commands:
        _run(command, env, folder / "output", check=True)
    rounds = [[_run(command, env, folder / "output") for command in commands] for _ in range(runs)]
    return [list(of_one) for of_one in zip(*rounds)]


def _run(command: Command, env: Mapping[str, str], output: Path, check: bool = False) -> Run:
    argv = [sys.executable, "-I", "-S", str(CHILD), str(output), *command.argv]
    try:
        done = subprocess.run(argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command.name} took longer than {TIMEOUT} s") from None
    if done.returncode:
        raise BenchError(f"{command.name} could not be started: {command.argv[0]}")
    found = json.loads(done.stdout)
    text = output.read_text(errors="replace") if check or found["code"] != command.code else ""
    if found["code"] != command.code:
        raise BenchError(f"{command.name} ended with {found['code']}, not {command.code}:\n{text[-1000:]}")
    missing = [words for words in command.says if check and words not in text]
    if missing:
        raise BenchError(f"{command.name} does not say {missing[0]!r}:\n{text[:1000]}")
    return Run(found["seconds"], found["cpu"], found["kib"])
