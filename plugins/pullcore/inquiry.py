"""Asks the registries what the evidence leaves open: each distinct reference with each credential that the kubelet would
offer, once, several side by side, within bounds of number and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Optional

from pullcore.answers import ABSENT, PRESENT, Answer, Answers, Content, Reach, Tags
from pullcore.dockerconfig import Credentials
from pullcore.evidence import Evidence, NotChecked
from pullcore.keyring import LookUp, SecretFacts, look_up
from pullcore.overlap import in_lanes
from pullcore.platforms import needs_platforms
from pullcore.pull import Pull
from pullcore.reference import DOCKER_HUB, InvalidReference, Reference, parse
from pullcore.registry import Registry
from pullcore.signin import SignIn
from pullcore.wire import Wire
from pullcore.workload import Index, pulls

AT_ONCE, AT_ONCE_EACH = 16, 8  # requests, in all and to one registry


@dataclass
class _Question:
    """One reference: the credentials that its Pulls offer, in their orders, and whether its platforms matter."""

    reference: Reference
    orders: set[tuple[Optional[str], ...]] = field(default_factory=set)
    pulls: list[Pull] = field(default_factory=list)
    answers: dict[Optional[str], Answer] = field(default_factory=dict)
    tags: Optional[Tags] = None
    content: Optional[Content] = None


def inquire(evidence: Evidence, vault: Credentials, wire: Wire) -> Evidence:
    """The evidence with what the registries answered. What could not be asked in time is noted in `not_checked`."""
    index = Index(evidence)
    questions = _questions(evidence, index, vault)
    signs = SignIn(wire, vault)
    registries = {name: Registry(name, wire, signs) for name in sorted({one.reference.registry for one in questions})}
    access = wire.access

    def of(registry: Registry) -> list[Callable[[], None]]:
        """What to ask a registry, once it is there."""
        if not registry.reach().answers:
            return []
        own = [question for question in questions if question.reference.registry == registry.name]
        return [partial(_ask, question, registry, evidence) for question in own]

    lanes = {name: [partial(of, registry)] for name, registry in registries.items()}
    in_time = in_lanes(lanes, each=AT_ONCE_EACH, total=AT_ONCE, seconds=access.total_timeout) and wire.time_left() > 0
    late = () if in_time else (NotChecked("some registries", f"no whole answer within {access.total_timeout:g}s"),)
    answers = Answers(
        reaches=tuple(_told(one) for one in registries.values()),
        answers=tuple(answer for one in questions for answer in list(one.answers.values())),
        tags=tuple(one.tags for one in questions if one.tags),
        contents=tuple(one.content for one in questions if one.content),
        requests=wire.sent,
    )
    return replace(evidence, registries=answers, not_checked=(*evidence.not_checked, *late))


def _questions(evidence: Evidence, index: Index, vault: Credentials) -> list[_Question]:
    """What the kubelet would ask: nothing where it may not pull, or where a malformed secret stops it before."""
    found: dict[str, _Question] = {}
    for pull in pulls(evidence):
        lookup = asked_with(pull, index.secrets.get(pull.namespace, {}))
        if lookup:
            reference = parse(pull.image)
            question = found.setdefault(str(reference), _Question(reference))
            question.orders.add(tuple(_sendable(lookup, vault)))
            question.pulls.append(pull)
    return list(found.values())


def asked_with(pull: Pull, secrets: Mapping[str, Optional[SecretFacts]]) -> Optional[LookUp]:
    """The credentials with which a registry is asked for a Pull; None where it is not asked."""
    try:
        reference = parse(pull.image)
    except InvalidReference:
        return None
    lookup = look_up(reference, pull.secrets, secrets)
    return None if pull.policy == "Never" or lookup.blocked else lookup


def _sendable(lookup: LookUp, vault: Credentials) -> Iterator[Optional[str]]:
    """The credentials in the kubelet's order, None for asking as nobody, up to the first that is only known by name."""
    for credential in [one.credential for one in lookup.attempts] or [None]:
        if credential is not None and not vault.holds(credential):
            return
        yield credential


def _ask(question: _Question, registry: Registry, evidence: Evidence) -> None:
    reference = question.reference
    for order in sorted(question.orders, key=len):
        registry.ask(reference, order, question.answers)
    given = [answer for answer in question.answers.values() if answer.state == PRESENT]
    missing = [answer for answer in question.answers.values() if answer.state == ABSENT]
    if given:
        first = given[0]
        counts = registry.found.limit is not None or registry.name == DOCKER_HUB
        if needs_platforms(question.pulls, evidence, is_index=first.is_index, counted=counts):
            question.content = registry.content(reference, first.credential)
    elif missing:
        question.tags = registry.tags(reference, missing[-1].credential)


def _told(registry: Registry) -> Reach:
    """What is known of a registry by now; one that has not even answered yet is as good as silent."""
    found = registry.found
    if found.answers and found.milliseconds is None:
        return replace(found, cause="timeout", detail=f"no answer from {registry.name} in the time for all registries")
    return found
