"""kubectl repull from its arguments to its exit status: look, check, plan, act, wait."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Optional, TextIO

from pullcore import command
from pullcore.census import waits
from pullcore.diagnosis import Diagnosis, Report, diagnose
from pullcore.evidence import Evidence
from pullcore.kinds import KINDS
from pullcore.permissions import Action
from pullcore.pull import Object, Target
from pullcore.reference import parse
from pullcore.workload import Index

from repull import check, lastresort, options, plan, report
from repull.act import Actions
from repull.afresh import askers_of, still_blocked
from repull.failures import Failures
from repull.feeds import Feeds, as_target
from repull.goal import Goal, Outcome
from repull.goals import goals
from repull.intended import key_of
from repull.pod_plan import Planner
from repull.remake import finish_earlier
from repull.report import Run
from repull.session import Session
from repull.steps import Step, acting
from repull.wait import Wait

if TYPE_CHECKING:  # a network library, which is imported where it is needed
    from repull.load import Loaded
    from repull.push import Pushed

LISTED_WITHIN = 10.0  # seconds; then it goes on with what is known


def main(argv: Sequence[str]) -> int:
    """Runs the plugin; the exit status is 0 (all is back, or nothing was to do) or 1."""
    return command.run(lambda: run(argv, sys.stdin, sys.stdout, sys.stderr), "repull", sys.stdout, sys.stderr)


def run(argv: Sequence[str], stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Does what `argv` asks for. Raises CommandError."""
    wanted = options.parse(argv)
    if wanted.version:
        from pullcore.version import described

        stdout.write(f"kubectl repull {described()}\n")
        return 0
    session = Session(wanted, stdin, stdout, stderr)
    again = finish_earlier(session)
    if again and wanted.dry_run:
        return 0  # what is not there can't be looked at
    evidence = check.observe(session)
    pushed = _pushed(session, evidence)
    if pushed and pushed.result == "pushed":
        evidence = check.observe(session)  # it may have taken long
    loaded = _loaded(session, evidence)
    if loaded:
        evidence = check.observe(session)
    index = Index(evidence)
    steps = [] if wanted.recreate_domain and again else _steps(session, evidence, index)
    steps += [Step("superseded", one, "it was just made again", one) for one in again if one not in {s.asker for s in steps}]
    supplied = loaded.images if loaded else frozenset()
    after = _without(check.next_tries(session, evidence, steps), supplied)
    blocked = {} if wanted.force else _blocked(evidence, _as_planned(after, pushed), steps)
    ours = [step for step in steps if step.asker not in blocked]
    run = Run(evidence, ours, blocked, dry_run=wanted.dry_run, pushed=pushed, loaded=loaded)
    report.say_blocked(run, session)
    report.say_plan(run, session)
    if acting(ours):
        _confirm(session, ours, index)
    actions = Actions(session, index)
    _carry_out(run, session, actions, check.believed(after) | supplied)
    run.failed = [turned_out for _, turned_out in actions.failed]
    report.conclude(run, session)
    actions.conclude()
    return 0 if run.well else 1


def _pushed(session: Session, evidence: Evidence) -> Optional[Pushed]:
    options = session.options.push
    if options is None:
        return None
    from repull.push import push

    return push(session, evidence, options)


def _loaded(session: Session, evidence: Evidence) -> Optional[Loaded]:
    options = session.options.load
    if options is None:
        return None
    from repull.load import load

    return load(session, evidence, options)


def _without(after: Report, supplied: Collection[str]) -> Report:
    """What nodes were given no registry is asked for, so that what these say counts for nothing."""
    return replace(after, pulls=tuple(one for one in after.pulls if one.pull.image not in supplied))


def _as_planned(after: Report, pushed: Optional[Pushed]) -> Report:
    """In a dry run nothing was pushed, so that what asks for it is not judged."""
    if pushed is None or pushed.result != "planned":
        return after
    planned = key_of(parse(pushed.image))
    return replace(after, pulls=tuple(one for one in after.pulls if not one.reference or key_of(one.reference) != planned))


def _steps(session: Session, evidence: Evidence, index: Index) -> list[Step]:
    wanted = session.options
    if wanted.recreate_domain:
        return lastresort.steps(Target("Domain", session.namespace, wanted.recreate_domain), index)
    seen = diagnose(evidence, session.context)
    namespaces = sorted({pod["metadata"].get("namespace", "") for pod in evidence.pods if waits(pod)})
    if len(namespaces) > 1:  # the planner would ask one after the other
        session.permissions.ask(Action("delete", KINDS["Pod"], namespace) for namespace in namespaces)
    return plan.steps(Planner(seen, index, wanted, session.permissions.may, evidence.observed_at))


def _blocked(evidence: Evidence, after: Report, steps: Sequence[Step]) -> dict[Target, list[Diagnosis]]:
    """What is in question and would be refused again, by the object that asks for it."""
    in_question = {*evidence.targets, *(step.asker for step in steps)}
    return {asker: some for asker, some in askers_of(still_blocked(evidence, after)).items() if asker in in_question}


def _confirm(session: Session, steps: Sequence[Step], index: Index) -> None:
    """Has the user agree to what is more than restarting a named object's own waiting pods. Raises CommandError."""
    if session.options.recreate_domain:
        lastresort.confirm(steps[0].target, index, session)
        return
    agreed = session.options.yes or session.options.dry_run
    rolled = [step.target.ref for step in steps if step.do in ("roll", "evict-running")]
    if rolled:
        session.confirm(f"running pods of {', '.join(rolled)} are replaced", yes=agreed)
    elif session.options.scan:
        count = len(acting(steps))
        what = f"{count} step{'' if count == 1 else 's'} of this plan change{'s' if count == 1 else ''} the cluster"
        session.confirm(what, yes=agreed)


def _carry_out(run: Run, session: Session, actions: Actions, believed: Collection[str]) -> None:
    """Does the steps and waits; what came of it is in `run` afterwards. believed: images that a new try should get."""
    wanted, index = session.options, actions.index
    now = [step for step in acting(run.steps) if not step.after]
    later = [step for step in acting(run.steps) if step.after]
    watched = _watched(run, session)
    if wanted.dry_run or not wanted.wait or not watched:
        turned_out = run.turned_out([*now, *later] if wanted.dry_run else now, actions.carry_out)
        run.done = [] if wanted.dry_run else acting(turned_out)
        run.put_off = [] if wanted.dry_run else later
        return
    objects = [as_target(one, index.by_target.get(one)) for one in watched]
    feeds = Feeds(session.cluster, session.store, objects, session.say)
    failures = Failures(believed)
    for pod in run.evidence.pods:
        failures.begin(pod)
    feeds.start(LISTED_WITHIN)
    before = list(feeds.world.pods.values())
    try:
        turned_out = run.turned_out(now, actions.carry_out)
        run.goals = _goals(run, session, before)
        wait = Wait(session, feeds, failures, lambda step: actions.carry_out([step])[0], later)
        run.outcomes = {} if actions.locked_out else wait.until(run.goals, wanted.timeout)
        run.done = [*acting(turned_out), *wait.done]
    finally:
        feeds.stop()
    _explain(run, session)


def _watched(run: Run, session: Session) -> list[Target]:
    return list(dict.fromkeys(goal.target for goal in _goals(run, session)))


def _goals(run: Run, session: Session, there: Iterable[Object] = ()) -> list[Goal]:
    """What is stuck is not waited for. there: the pods that were there before anything was done."""
    moving = [step for step in run.steps if not step.stuck]
    only_stuck = {step.asker for step in run.steps} - {step.asker for step in moving}
    found = goals(run.evidence, moving, session.now(), there)
    return [goal for goal in found if goal.target not in run.blocked and goal.target not in only_stuck]


def _explain(run: Run, session: Session) -> None:
    """Finds out why pulls failed again, in pullcheck's words."""
    for target, outcome in run.outcomes.items():
        if _was_refused(outcome):
            run.causes[target] = check.explained_again(session, target)


def _was_refused(outcome: Outcome) -> bool:
    stage = outcome.stages.get(outcome.failed_pod)
    return bool(stage and stage.cause)
