"""What the registry says of one Pull, as this machine sees it: the answers that belong to it, in the kubelet's order."""

from __future__ import annotations

from typing import NamedTuple, Optional

from pullcore.answers import ABSENT, DENIED, PRESENT, UNKNOWN, Answer, Answers, Content, Reach, Tags
from pullcore.keyring import Attempt, LookUp
from pullcore.pull_errors import furthest
from pullcore.reference import Reference


class View(NamedTuple):
    """One Pull at its registry. attempts: with None for asking as nobody; manifest: `present`, `absent`, `denied` or
    `unknown`; given: the answer that gives it; cause: what speaks against it, empty where nothing does."""

    reach: Reach
    attempts: tuple[tuple[Optional[Attempt], Answer], ...]
    manifest: str
    cause: str = ""
    given: Optional[Answer] = None
    by: Optional[Attempt] = None  # whose credential got it
    tags: Optional[Tags] = None
    content: Optional[Content] = None
    answer: Optional[Answer] = None  # the one that decides: that gives the manifest, or that the cause comes from

    @property
    def detail(self) -> str:
        """Why it is not given, in one line."""
        return self.reach.detail if not self.reach.answers else self.answer.detail if self.answer else ""

    @property
    def with_secret(self) -> str:
        """The secret whose credential got it; empty where anybody gets it."""
        return self.by.secret if self.by and self.given and self.given.proven else ""

    @property
    def proven(self) -> bool:
        """Whether the registry knows a credential that is offered: then nobody has to replace it."""
        return any(answer.proven for _, answer in self.attempts)

    @property
    def asker(self) -> Optional[Attempt]:
        """Whose credential the deciding answer is for; None for nobody's."""
        return next((attempt for attempt, answer in self.attempts if answer is self.answer), None)


def view(
    reference: Reference, lookup: LookUp, policy: str, registries: Optional[Answers], *, unsure: bool
) -> Optional[View]:
    """The answers for a Pull; None where its registry was not asked. unsure: its list of secrets is not known for certain,
    so that other credentials than these may be offered."""
    reach = registries.by_registry.get(reference.registry) if registries else None
    if registries is None or reach is None or policy == "Never" or lookup.blocked:
        return None
    if not reach.answers:
        return View(reach, (), UNKNOWN, reach.cause)
    attempts: list[tuple[Optional[Attempt], Answer]] = []
    image = str(reference)
    for attempt in lookup.attempts or (None,):
        answer = registries.by_attempt.get((image, attempt.credential if attempt else None))
        if answer is None:
            return View(reach, tuple(attempts), UNKNOWN)  # there was no time, or what is asked now is another question
        attempts.append((attempt, answer))
        if answer.state == PRESENT:
            content = registries.by_image.get(image)
            return View(reach, tuple(attempts), PRESENT, "", answer, attempt, content=content, answer=answer)
    states = {answer.state for _, answer in attempts}
    cause = furthest(answer.cause for _, answer in attempts)
    decisive = next((answer for _, answer in attempts if answer.cause == cause), None)
    manifest = next((state for state in (UNKNOWN, ABSENT, DENIED) if state in states), UNKNOWN)
    if (unsure or lookup.unread) and not (manifest == ABSENT and reach.signs_in == "none"):
        manifest = UNKNOWN
    tags = registries.by_name.get((reference.name, reference.tag))
    if manifest == ABSENT and tags and tags.exists is False:
        cause = "repository-not-found"
    return View(reach, tuple(attempts), manifest, cause, tags=tags, answer=decisive)
