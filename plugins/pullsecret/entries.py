"""The entries of a namespace's pull secrets, with what needs each and what came of trying it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from pullcore.authfile import registry_of
from pullcore.authkey import why
from pullcore.dockerconfig import Entry, SecretFacts
from pullcore.evidence import Evidence
from pullcore.keyring import look_up
from pullcore.overlap import overlapped
from pullcore.proof import Proof, Prover
from pullcore.pull import Pull
from pullcore.reference import InvalidReference, Reference, parse
from pullcore.times import parse_time
from pullcore.workload import Index, admitted, asks_of, pulls, target_of


@dataclass(frozen=True)
class Checked:
    """One entry of a pull secret, or a secret that has none that counts (entry is None). works: None
    where nobody could be asked; said: one line."""

    secret: SecretFacts
    entry: Optional[Entry]
    users: tuple[Pull, ...] = ()
    works: Optional[bool] = None
    said: str = ""


def checked(secrets: Sequence[SecretFacts], seen: Evidence, prover: Prover, now: datetime) -> list[Checked]:
    """Every entry of these secrets, tried at its registry with the images that it is used for."""
    asked = [(one, _reference(one)) for one in (*pulls(seen), *_of_templates(seen))]
    needed = [(pull, reference) for pull, reference in asked if reference]
    jobs = [(secret, entry) for secret in secrets for entry in secret.entries or (None,)]
    return overlapped(lambda job: _check(job[0], job[1], needed, prover, now), jobs)


def _of_templates(seen: Evidence) -> Iterator[Pull]:
    """What pods that are made today would ask for, whatever those that are there were given."""
    index = Index(seen)
    for value in seen.objects:
        namespace = value["metadata"].get("namespace", "")
        for ask in asks_of(value, index.clusters):
            names = admitted(ask, namespace, seen.service_accounts)
            yield Pull(ask.image, ask.policy, namespace, names, ask.service_account, (target_of(value),))


def _reference(pull: Pull) -> Optional[Reference]:
    try:
        return parse(pull.image)
    except InvalidReference:
        return None


def _check(
    secret: SecretFacts,
    entry: Optional[Entry],
    needed: Iterable[tuple[Pull, Reference]],
    prover: Prover,
    now: datetime,
) -> Checked:
    if secret.malformed:
        return Checked(secret, entry, (), False, f"cannot be read: {secret.problem or secret.malformed}")
    if secret.ignored or entry is None:
        return Checked(secret, entry, (), False, f"of no use to the kubelet: {secret.ignored or 'it has no entries'}")
    users = [(pull, reference) for pull, reference in needed if _serves(secret, entry, pull, reference)]
    pulls_of_it = tuple(pull for pull, _ in users)
    if entry.normalised is None:
        return Checked(secret, entry, (), False, f"the key is skipped: {entry.skipped}")
    if entry.empty or not entry.username or entry.label is None:
        lost = f": it has {', '.join(entry.ignored_fields)}, which kubelets ignore" if entry.ignored_fields else ""
        return Checked(secret, entry, pulls_of_it, False, f"it has no user or no password{lost}")
    dead = _dead(secret, entry, needed)
    if dead and not users:
        return Checked(secret, entry, pulls_of_it, False, dead)
    proof = prover.prove(registry_of(entry.key), entry.label, dict.fromkeys(reference for _, reference in users))
    return Checked(secret, entry, pulls_of_it, *_verdict(entry, proof, now))


def _dead(secret: SecretFacts, entry: Entry, needed: Iterable[tuple[Pull, Reference]]) -> str:
    """Why a key is of no use to those who list the secret, though it is meant for their registry."""
    for pull, reference in needed:
        verdict = why(entry.key, reference)
        if secret.name in pull.secrets and verdict.meant and not verdict.matches:
            better = f"; {verdict.better} would match" if verdict.better else ""
            return f"the key {verdict.reason}{better}"
    return ""


def _verdict(entry: Entry, proof: Proof, now: datetime) -> tuple[Optional[bool], str]:
    end = parse_time(entry.expires)
    if end and end <= now and not proof.good:
        return False, f"the token expired at {entry.expires}; {proof.said}"
    return proof.good, proof.said


def _serves(secret: SecretFacts, entry: Entry, pull: Pull, reference: Reference) -> bool:
    """Whether the kubelet offers this entry for this Pull."""
    if secret.name not in pull.secrets or pull.namespace != secret.namespace:
        return False
    attempts = look_up(reference, (secret.name,), {secret.name: secret}).attempts
    return any(attempt.key == entry.key for attempt in attempts)
