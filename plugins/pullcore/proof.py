"""Proves a credential before it is written: it signs in at its registry, and tries the images that need it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from pullcore.answers import ABSENT, DENIED, PRESENT, Answer
from pullcore.dockerconfig import Credentials
from pullcore.reference import Reference
from pullcore.registry import Registry, host_of
from pullcore.signin import Refused, SignIn
from pullcore.wire import Wire, WireError

MOST = 5  # images that are tried


@dataclass(frozen=True)
class Proof:
    """What came of trying a credential. good: True, False, or None where it could not be found out; said: one line. notes:
    what else was learnt. expires: when a password that is a token ends."""

    good: Optional[bool]
    said: str
    notes: tuple[str, ...] = ()


class Prover:
    """Tries credentials in one run, each once for each registry; safe to use from several threads."""

    def __init__(self, wire: Wire, vault: Credentials) -> None:
        self.wire = wire
        self.signs = SignIn(wire, vault)

    def prove(self, registry: str, credential: str, images: Iterable[Reference] = ()) -> Proof:
        """registry: as images name it; credential: its label in the vault; images: those of it that need the credential."""
        if "*" in registry or "?" in registry:
            return Proof(None, f"{registry} stands for several registries, none of which was asked")
        place = Registry(registry, self.wire, self.signs)
        reach = place.reach()
        if not reach.answers:
            return Proof(None, f"{registry} could not be asked from this machine: {reach.detail}")
        try:
            proven = place.sign_in(credential)
        except Refused as error:
            return Proof(False if error.final else None, f"{registry} refuses it: {_own(registry, str(error))}")
        except WireError as error:
            return Proof(None, f"{registry} could not be asked from this machine: {self.signs.vault.without(str(error))}")
        answers = self._tried(place, credential, list(images)[:MOST])
        return _judged(registry, answers, proven=proven)

    @staticmethod
    def _tried(place: Registry, credential: str, images: list[Reference]) -> list[Answer]:
        found = []
        for reference in images:
            known: dict[Optional[str], Answer] = {}
            place.ask(reference, [credential], known)
            found.append(known[credential])
        return found


def _own(registry: str, detail: str) -> str:
    """The detail without the registry's name, where that stands before it anyway."""
    return detail.removeprefix(f"{host_of(registry)}: ")


def _judged(registry: str, answers: list[Answer], *, proven: bool) -> Proof:
    given = [answer for answer in answers if answer.state == PRESENT]
    denied = [answer for answer in answers if answer.state == DENIED]
    notes = [f"{answer.image}: {answer.detail}" for answer in answers if answer.state != PRESENT]
    notes += [f"{answer.image} is given to it" for answer in given]
    if denied and not given:
        said = f"{registry} does not give {denied[0].image} to it: {_own(registry, denied[0].detail)}"
        return Proof(False, said, tuple(notes[1:]))
    if proven:
        absent = [answer for answer in answers if answer.state == ABSENT]
        return Proof(True, f"{registry} accepts it", tuple(notes) if given or absent or denied else ())
    if given:
        return Proof(True, f"{registry} gives {given[0].image}", tuple(notes))
    return Proof(None, f"{registry} asks for no credentials, so that it can't be tried")
