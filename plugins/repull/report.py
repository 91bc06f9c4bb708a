"""What a run tells: what is still blocked, the plan, and how it ended; for people, and as one document for machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Optional

from pullcore.diagnosis import Diagnosis
from pullcore.errors import one_line
from pullcore.evidence import Evidence
from pullcore.explanation import cause_lines
from pullcore.kinds import KINDS
from pullcore.printed import printed
from pullcore.pull import Object, Target
from pullcore.terminal import clean

from repull.goal import Goal, Outcome
from repull.session import Session
from repull.stage import WELL
from repull.steps import Step, acting

if TYPE_CHECKING:
    from repull.load import Loaded
    from repull.push import Pushed

API_VERSION = "repull/v1"


@dataclass
class Run:
    """One run, as far as it has come."""

    evidence: Evidence
    steps: list[Step]
    blocked: dict[Target, list[Diagnosis]]
    dry_run: bool = False
    pushed: Optional[Pushed] = None
    loaded: Optional[Loaded] = None
    done: list[Step] = field(default_factory=list)  # steps that were carried out
    failed: list[Step] = field(default_factory=list)  # steps that were tried in vain, as they turned out
    put_off: list[Step] = field(default_factory=list)  # steps whose time did not come, for nobody waited
    goals: list[Goal] = field(default_factory=list)
    outcomes: dict[Target, Outcome] = field(default_factory=dict)
    causes: dict[Target, list[Diagnosis]] = field(default_factory=dict)  # why pulls failed again

    def turned_out(self, steps: Sequence[Step], carry_out: Callable[[Sequence[Step]], list[Step]]) -> list[Step]:
        """Some of its steps as they turned out, which then stand for them."""
        found = carry_out(steps)
        by_id = {id(old): new for old, new in zip(steps, found)}
        self.steps = [by_id.get(id(step), step) for step in self.steps]
        return found

    @property
    def stuck(self) -> list[Step]:
        return [step for step in self.steps if step.stuck]

    @property
    def well(self) -> bool:
        """Everything is back, or nothing was to do."""
        return not self.blocked and not self.stuck and all(one.done for one in self.outcomes.values())


def say_blocked(run: Run, session: Session) -> None:
    """Why a new try would fail, in pullcheck's words."""
    for target, some in run.blocked.items():
        session.say(
            f"{target.ref} in {target.namespace} is still blocked, so nothing was done for it (--force does it anyway):"
        )
        for one in some:
            session.say(f"{session.style.mark('bad')} {clean(one.pull.image, 200)}")
            _say_lines(cause_lines([one], session.style), session)
        known = target.ref if target.kind in KINDS else f"pod/{some[0].pull.containers[0].pod}"
        session.say(f"Each step: {session.commands_in(target.namespace).kubectl('pullcheck', clean(known))}")


def say_plan(run: Run, session: Session) -> None:
    """The plan, one line a step, by the object that is brought back."""
    for asker in dict.fromkeys(step.asker for step in run.steps):
        session.say(f"Plan for {asker.ref} in {asker.namespace}:")
        for step in run.steps:
            if step.asker == asker:
                session.say(f"  {clean(step.line, 600)}")
    for note in run.evidence.notes:
        session.say(f"Note: {clean(note)}")
    unread = [one for one in run.evidence.not_checked if not one.excused]
    if unread:
        session.say(f"Not checked: {', '.join(clean(one.what, 100) for one in unread)}")


def conclude(run: Run, session: Session) -> None:
    """How it ended, and the document of -o json and yaml."""
    for step in run.put_off:
        session.say(f"Not done, for nobody waits (--no-wait): {clean(step.line, 600)}")
    for target, outcome in run.outcomes.items():
        _conclude_one(target, outcome, run, session)
    for step in run.stuck:
        if run.dry_run or step in run.failed:  # the plan says it, and nothing happened since; or it is said at the end
            continue
        session.say(f"{step.target.ref} is not back: {clean(step.reason, 600)}")
    if not run.steps and not run.blocked and not run.outcomes:
        session.say(f"Nothing to do: {_where(run.evidence)}.")
    if session.options.output in ("json", "yaml"):
        session.stdout.write(printed(document(run), session.options.output))


def _where(evidence: Evidence) -> str:
    named = ", ".join(target.ref for target in evidence.targets[:3])
    return f"no pod of {named} waits for an image" if named else f"no pod waits for an image in {clean(evidence.place, 100)}"


def _conclude_one(target: Target, outcome: Outcome, run: Run, session: Session) -> None:
    where = f"{target.ref} in {target.namespace}"
    if outcome.done:
        session.tell(f"{where} is back: {_counted(outcome)}")
        return
    if outcome.failed:
        stage = outcome.stages.get(outcome.failed_pod)
        of_pod = f"pod/{stage.pod}: " if stage else ""
        session.tell(f"{where} is not back: {of_pod}{clean(outcome.failed, 500)}")
        for one in run.causes.get(target, ()):
            _say_lines(cause_lines([one], session.style), session)
        if stage and not run.causes.get(target):
            commands = session.commands_in(target.namespace)
            container = ["-c", stage.container] if stage.container else []
            session.say(f"See: {commands.kubectl('logs', stage.pod, *container)}")
            session.say(f"     {commands.kubectl('describe', 'pod', stage.pod)}")
        return
    behind = [f"pod/{stage.pod} {stage.text}" for stage in outcome.stages.values() if stage.name not in WELL]
    waits = [*([outcome.waits] if outcome.waits else []), *behind] or ["nothing was seen of it"]
    session.tell(f"{where} is not back within {session.options.timeout:g}s: {clean('; '.join(waits[:3]), 500)}")


def _counted(outcome: Outcome) -> str:
    count = len(outcome.stages)
    if not count:
        return "all its pods run"
    ended = sum(one.name == "ended" for one in outcome.stages.values())
    parts = [f"{count - ended} pod{'' if count - ended == 1 else 's'} started"] if count - ended else []
    return ", ".join(parts + ([f"{ended} ended well"] if ended else []))


def _say_lines(lines: Sequence[str], session: Session) -> None:
    """Lines that were made for a terminal, colours and all: `say` would escape these."""
    for line in lines:
        session.stderr.write(f"{line}\n")


def document(run: Run) -> Object:
    """The run as one document (docs/repull.schema.json)."""
    targets = dict.fromkeys([*run.blocked, *(step.asker for step in run.steps), *run.outcomes, *run.evidence.targets])
    return {
        "apiVersion": API_VERSION,
        "kind": "RepullReport",
        "result": _result(run),
        "targets": [_target(target, run) for target in targets],
        "steps": [_step(step, run) for step in run.steps],
        "push": asdict(run.pushed) if run.pushed else None,
        "load": run.loaded and {"archive": run.loaded.archive, "nodes": [asdict(one) for one in run.loaded.nodes]},
    }


def _result(run: Run) -> str:
    if not run.well:
        return "failed"
    if run.dry_run:
        return "planned"
    return "changed" if (run.done or run.put_off) and not run.outcomes else "done"  # nobody waited


def _target(target: Target, run: Run) -> Object:
    outcome = run.outcomes.get(target)
    stuck = [step for step in run.stuck if step.asker == target]
    result, reason = "unchanged", None
    if target in run.blocked:
        result, reason = "blocked", "; ".join(one.findings[0].summary for one in run.blocked[target] if one.findings)
    elif outcome:
        result = "back" if outcome.done else "failed" if outcome.failed else "late"
        reason = outcome.failed or outcome.waits or None
    elif any(step.asker == target for step in run.done):
        result = "changed"
    elif run.dry_run and any(step.asker == target for step in acting(run.steps)):
        result = "planned"
    if stuck:
        result, reason = "stuck", stuck[0].reason
    causes = [one.findings[0].cause for one in (*run.blocked.get(target, ()), *run.causes.get(target, ())) if one.findings]
    stages = outcome.stages.items() if outcome else ()
    pods = [{"uid": uid, "name": one.pod, "stage": one.name, "text": one_line(one.text, 600)} for uid, one in stages]
    return {
        "kind": target.kind,
        "namespace": target.namespace,
        "name": target.name,
        "result": result,
        "reason": one_line(reason, 600) if reason else None,
        "causes": list(dict.fromkeys(causes)),
        "pods": pods,
    }


def _step(step: Step, run: Run) -> Object:
    return {
        "do": step.do,
        "object": step.target.ref,
        "namespace": step.target.namespace,
        "for": step.asker.ref,
        "reason": step.reason,
        "afterSeconds": step.after,
        "done": step in run.done,
    }
