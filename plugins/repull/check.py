"""What is looked at before anything is done, and again where a pull fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pullcore.answers import PRESENT
from pullcore.diagnosis import BLOCKED, PULLABLE, Diagnosis, Report, diagnose
from pullcore.errors import CommandError
from pullcore.evidence import Evidence
from pullcore.gather import Gathering, Request
from pullcore.kinds import KINDS
from pullcore.pull import Target

from repull.afresh import afresh
from repull.session import USER_AGENT, Session
from repull.steps import Step


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


def proven(report: Report) -> set[str]:
    """The images that a registry gives to the credentials that will be offered."""
    return {
        one.pull.image
        for one in report.pulls
        if one.verdict == PULLABLE and one.view and one.view.manifest == PRESENT and one.lookup and one.lookup.attempts
    }


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
