"""Stays until everything is back, or one knows that it will not be: takes in what happens, and tells it line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from pullcore.errors import CommandError
from pullcore.kinds import KINDS
from pullcore.pull import Object, Target
from pullcore.terminal import clean

from repull.domain_goal import Seen
from repull.failures import Failures
from repull.feeds import Feeds
from repull.goal import Goal, Outcome
from repull.goals import REPLICATED, judge
from repull.session import Session
from repull.stage import ON_ITS_WAY, PULLING, STARTING, WELL, pulled
from repull.steps import Step

TICK = 1.0  # seconds between two looks where nothing happens
LOOK_AGAIN = 10.0  # seconds between two looks at an object that lacks pods
SETTLED = 2.0  # seconds that an object has to be well
REPEAT = 30.0  # after so many seconds a plain line is told again


@dataclass
class Told:
    """What was told last of a pod, and when."""

    stage: tuple[str, str] = ("", "")
    at: Optional[float] = None
    pulls: set[str] = field(default_factory=set)


class Wait:
    """One wait. `act` does a step whose time has come, and gives it as it turned out."""

    def __init__(
        self, session: Session, feeds: Feeds, failures: Failures, act: Callable[[Step], Step], delayed: Sequence[Step]
    ) -> None:
        self.session, self.feeds, self.failures, self.act = session, feeds, failures, act
        self.delayed = list(delayed)
        self.done: list[Step] = []  # of these
        self.done_since: dict[Target, float] = {}
        self.looked_at: dict[Target, float] = {}
        self.seen: dict[Target, Seen] = {}
        self.told: dict[str, Told] = {}
        self.owners: dict[str, Optional[Target]] = {}  # by the UIDs of pods: an owner does not change
        self.progress = session.stderr.isatty() and not session.options.output
        self.drawn = ""

    def until(self, goals: Sequence[Goal], timeout: float) -> dict[Target, Outcome]:
        """How each object ended: done, failed, or neither where time was up. Raises what `act` raises."""
        began = time.monotonic()
        due = {step: began + step.after for step in self.delayed}
        open_goals = {goal.target: goal for goal in goals}
        ended: dict[Target, Outcome] = {}
        while True:
            for step in [one for one in due if time.monotonic() >= due[one]]:
                del due[step]
                self._do_late(step, open_goals)
            members = self._members(open_goals)
            for pods in members.values():
                for pod in pods.values():
                    self.failures.note(pod)
            outcomes = {target: self._judged(goal, members.get(target, {})) for target, goal in open_goals.items()}
            self._look_again(open_goals, outcomes)
            for target, outcome in outcomes.items():
                self._tell(outcome)
                if outcome.failed or self._is_settled(target, outcome):
                    ended[target] = outcome
                    del open_goals[target]
            left = began + timeout - time.monotonic()
            if self.feeds.lost:
                outcomes = {target: replace(one, failed=self.feeds.lost) for target, one in outcomes.items()}
                left = 0
            if not open_goals or left <= 0:
                self._clear()
                return {**ended, **{target: outcomes[target] for target in open_goals}}
            self._draw(outcomes, len(goals) - len(open_goals), len(goals), time.monotonic() - began)
            self.feeds.take(min(TICK, left))

    def _is_settled(self, target: Target, outcome: Outcome) -> bool:
        """Whether it is done, and has been for a moment: what crashes at once was running in between."""
        if not outcome.done:
            self.done_since.pop(target, None)
            return False
        now = time.monotonic()
        return now - self.done_since.setdefault(target, now) >= SETTLED

    def _members(self, goals: Mapping[Target, Goal]) -> dict[Target, dict[str, Object]]:
        """The pods of each object."""
        found: dict[Target, dict[str, Object]] = {}
        by_namespace: dict[str, list[Goal]] = {}
        for goal in goals.values():
            by_namespace.setdefault(goal.target.namespace, []).append(goal)
        for uid, pod in self.feeds.world.pods.items():
            if uid not in self.owners:
                near = by_namespace.get(pod["metadata"].get("namespace", ""), ())
                self.owners[uid] = next((goal.target for goal in near if goal.owns(pod)), None)
            owner = self.owners[uid]
            if owner is not None:
                found.setdefault(owner, {})[uid] = pod
        return found

    def _look_again(self, goals: dict[Target, Goal], outcomes: dict[Target, Outcome]) -> None:
        """Where pods are missing: the object may have been scaled down, or deleted, meanwhile."""
        now = time.monotonic()
        for target, outcome in list(outcomes.items()):
            if not outcome.short or now - self.looked_at.setdefault(target, now) < LOOK_AGAIN:
                continue
            self.looked_at[target] = now
            try:
                value = self.session.whole(target) if target.kind in KINDS else goals[target].value
            except CommandError:  # it may not be read, or not now
                continue
            if value is None:
                outcomes[target] = replace(outcome, failed=f"{target.ref} is not there any more")
            elif target.kind in REPLICATED:
                wanted = value["spec"].get("replicas")
                goals[target] = replace(goals[target], count=min(goals[target].count, 1 if wanted is None else wanted))

    def _judged(self, goal: Goal, own: Mapping[str, Object]) -> Outcome:
        seen = self.seen.setdefault(goal.target, Seen())
        return judge(goal, own, self.feeds.world, self.failures, seen, self.session.now())

    def _do_late(self, step: Step, goals: dict[Target, Goal]) -> None:
        """Does a step that was put off, if a pod that it is about waits still."""
        goal = goals.get(step.asker)
        pods = self.feeds.world.pods
        there = [uid for uid in step.pods if uid in pods and "deletionTimestamp" not in pods[uid]["metadata"]]
        if goal is None or (step.pods and not there):
            return
        self._clear()
        outcome = self.act(replace(step, after=0.0, pods=tuple(there)))
        if outcome.do != "leave":
            self.done.append(step)
        else:
            outdated = goal.outdated.difference(there)
            goals[step.asker] = replace(goal, outdated=outdated, kept=goal.kept.union(there))

    # Telling

    def _tell(self, outcome: Outcome) -> None:
        now, world = time.monotonic(), self.feeds.world
        for uid, stage in outcome.stages.items():
            pod = world.pods[uid]
            told = self.told.setdefault(uid, Told())
            name = f"pod/{stage.pod}"
            for one in pulled(pod, world.events.get(uid, ())):
                if one.image not in told.pulls:
                    told.pulls.add(one.image)
                    self._line(f"{name}: {one.text}")
            key_of_stage = (stage.name, stage.container + stage.reason)
            first = told.at is None
            again = not first and stage.name in ON_ITS_WAY and now - (told.at or 0.0) > REPEAT and not self.progress
            if key_of_stage != told.stage or again:
                quiet = stage.name == STARTING and not first and not again  # between a pull and the start
                told.stage, told.at = key_of_stage, now
                if not quiet:
                    self._line(f"{name}: {clean(stage.text, 500)}")

    def _line(self, line: str) -> None:
        self._clear()
        self.session.tell(line)

    def _draw(self, outcomes: dict[Target, Outcome], done: int, total: int, seconds: float) -> None:
        """The line at the bottom of a terminal, written over again and again."""
        if not self.progress:
            return
        text = f"{done} of {total} back, {seconds:.0f}s: {self._present([one for one in outcomes.values() if one.is_open])}"
        text = clean(text, self.width - 1)
        if text != self.drawn:
            self.session.stderr.write(f"\r\x1b[K{text}")
            self.session.stderr.flush()
            self.drawn = text

    def _present(self, outcomes: Sequence[Outcome]) -> str:
        """What there is to tell of all that is under way: a pull before anything else."""
        stages = [one for outcome in outcomes for one in outcome.stages.values() if one.name not in WELL]
        stages.sort(key=lambda one: one.name != PULLING)
        if stages:
            return f"{stages[0].pod} {stages[0].text}"
        return next((one.waits for one in outcomes if one.waits), "waiting")

    @property
    def width(self) -> int:
        import shutil

        return max(shutil.get_terminal_size().columns, 20)

    def _clear(self) -> None:
        if self.drawn:
            self.session.stderr.write("\r\x1b[K")
            self.session.stderr.flush()
            self.drawn = ""
