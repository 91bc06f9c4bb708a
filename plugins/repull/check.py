"""What is looked at before anything is done, and again where a pull fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from pullcore.answers import PRESENT
from pullcore.diagnosis import BLOCKED, PULLABLE, Diagnosis, Report, diagnose
from pullcore.errors import CommandError
from pullcore.evidence import Evidence
from pullcore.gather import Gathering, Request
from pullcore.kinds import KINDS
from pullcore.pull import Target
from pullcore.times import parse_time

from repull.afresh import afresh
from repull.session import USER_AGENT, Session
from repull.steps import Step

JUST_NOW = timedelta(minutes=2)  # clocks differ, and a kubelet's cache of secrets lives for about a minute


def observe(session: Session) -> Evidence:
    """What the cluster tells of what was named, or of all that waits. Raises CommandError."""
    options = session.options
    request = Request(
        session.namespace,
        names=options.names,
        selector=options.selector,
        all_namespaces=options.all_namespaces,
        unambiguous=True,
    )
    return _gathered(session, request)


def _gathered(session: Session, request: Request) -> Evidence:
    return Gathering(request, session.store, (session.store,), complete=True).evidence(session.now())


def next_tries(session: Session, evidence: Evidence, steps: Sequence[Step]) -> Report:
    """What would become of the pulls once the steps are done, registries asked."""
    after = afresh(evidence, steps)
    if session.options.registry:
        from pullcore.inquiry import inquire

        wire = session.options.registries.wire(session.options.connection, USER_AGENT, session.environ, session.say)
        after = inquire(after, session.vault, wire)
    return diagnose(after, session.context)


def believed(report: Report) -> set[str]:
    """The images that a registry gives to the credentials that will be offered, or whose credentials were written just now:
    a kubelet that is refused may not have seen them yet, or have begun its try before."""
    return {one.pull.image for one in report.pulls if _is_proven(one) or _is_new(one, report.evidence)}


def _is_proven(one: Diagnosis) -> bool:
    given = one.view is not None and one.view.manifest == PRESENT
    return one.verdict == PULLABLE and given and bool(one.lookup and one.lookup.attempts)


def _is_new(one: Diagnosis, evidence: Evidence) -> bool:
    names = {attempt.secret for attempt in one.lookup.attempts} if one.lookup else set()
    facts = (evidence.secrets.get((one.pull.namespace, name)) for name in names)
    times = (parse_time(known.changed_at) for known in facts if known)
    return any(time and abs(evidence.observed_at - time) < JUST_NOW for time in times)


def explained_again(session: Session, target: Target) -> list[Diagnosis]:
    """The Pulls of an object that are refused now, for telling why; nothing where that can't be found out."""
    if target.kind not in KINDS:
        return []
    request = Request(target.namespace, names=(f"{target.kind.lower()}/{target.name}",))
    try:
        report = diagnose(replace(_gathered(session, request), notes=()), session.context)
    except CommandError:
        return []
    return [one for one in report.pulls if one.verdict == BLOCKED and one.said]
