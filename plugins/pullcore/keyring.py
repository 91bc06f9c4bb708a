"""Which credentials the kubelet offers for an image, in which order, and which of a pod's pull secrets it ignores.

Rules: Kubernetes pkg/credentialprovider/keyring.go (BasicDockerKeyring.Lookup) and
pkg/kubelet/kubelet_pods.go (getPullSecretsForPod), 1.20 to 1.37. Credentials that nodes have by themselves come after
these and are not seen from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pullcore.authkey import FALLBACK, Why, covers, explain, is_docker_hubs, masked, normalise, why
from pullcore.dockerconfig import DOCKERCFG, DOCKERCONFIGJSON, Credentials, Entry, SecretFacts, read_secret
from pullcore.reference import Reference

__all__ = [
    "DOCKERCFG",
    "DOCKERCONFIGJSON",
    "Attempt",
    "Credentials",
    "Entry",
    "Ignored",
    "LookUp",
    "SecretFacts",
    "Why",
    "look_up",
    "masked",
    "normalise",
    "read_secret",
    "why",
]


class Attempt(NamedTuple):
    """A credential that is offered.

    label is None for an entry without user and password: the runtime asks anonymously. empty: it has no password.
    duplicate: the same credential was offered before, a wrong one counts twice towards an account's lock-out.
    random: another spelling of the same key in the same secret holds another credential, and which of them comes first
    changes from pull to pull. fallback: Docker Hub's entry, offered because no other key matched. expires: when a password
    that is a token ends (RFC 3339).
    """

    secret: str
    key: str
    username: str | None
    label: str | None
    empty: bool = False
    duplicate: bool = False
    random: bool = False
    fallback: bool = False
    expires: str | None = None

    @property
    def anonymous(self) -> bool:
        """Whether the runtimes ask as nobody with it: they need a user name and a password (containerd, ParseAuth)."""
        return self.empty or not self.username

    @property
    def credential(self) -> str | None:
        """The label of what is sent; None where the runtime asks as nobody."""
        return None if self.anonymous else self.label


class Ignored(NamedTuple):
    """A secret (key is None) or an entry that is not used for the image.

    kind: `type`, `data-key`, `empty`, `no-entries` for a whole secret, those of `Why` for an entry, and
    `fallback-hidden` for Docker Hub's entry when another key matched. meant: this image's registry obviously is.
    better: the key that would match.
    """

    secret: str
    key: str | None
    reason: str
    kind: str
    better: str | None = None
    meant: bool = False


class LookUp(NamedTuple):
    """What the kubelet makes of a pod's pull secrets for one image.

    missing: named by the pod, but not there. unread: could not be read from here, so the attempts may be incomplete.
    blocked: one line, the secret that stops every pull; then there are no attempts.
    """

    attempts: tuple[Attempt, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    blocked: str | None = None


def look_up(reference: Reference, names: Sequence[str], secrets: Mapping[str, SecretFacts | None]) -> LookUp:
    """The credentials for an image, given the pod's list of pull secrets.

    secrets: by name, of the pod's namespace; None is a secret that does not exist, a name that is not there is one that
    could not be read.
    """
    names = [name for name in names if name]
    read = [facts for facts in (secrets.get(name) for name in names) if facts is not None]
    missing = tuple(dict.fromkeys(name for name in names if name in secrets and secrets[name] is None))
    unread = tuple(dict.fromkeys(name for name in names if name not in secrets))
    found, fallback = _matches(reference, read)
    ignored = tuple(dict.fromkeys(item for facts in read for item in _ignored(reference, facts, found, fallback)))
    blocked = next((facts for facts in read if facts.malformed is not None), None)
    if blocked is not None:
        reason = f"secret {blocked.name} cannot be read: {blocked.problem or blocked.malformed}"
        return LookUp((), ignored, missing, unread, reason)
    return LookUp(_attempts(found, fallback), ignored, missing, unread)


_Found = list[tuple[SecretFacts, Entry]]


def _matches(reference: Reference, secrets: Sequence[SecretFacts]) -> tuple[_Found, bool]:
    """The entries that are offered, in order, and whether they are Docker Hub's fallback."""
    index: dict[str, _Found] = {}
    for facts in secrets:
        for entry in facts.entries:
            if entry.normalised is not None:
                index.setdefault(entry.normalised, []).append((facts, entry))
    found: _Found = []
    # Go compares strings by their bytes, which is Python's order, by code points.
    for normalised in sorted(index, reverse=True):
        if covers(normalised, reference.name):
            found += index[normalised]
    if found or not is_docker_hubs(reference.name):
        return found, False
    return index.get(FALLBACK, []), True


def _attempts(found: _Found, fallback: bool) -> tuple[Attempt, ...]:
    attempts = []
    tried: set[str] = set()
    for facts, entry in found:
        attempts.append(
            Attempt(
                secret=facts.name,
                key=entry.key,
                username=entry.username,
                label=entry.label,
                empty=entry.empty,
                duplicate=entry.label in tried,
                random=_order_is_random(entry, facts),
                fallback=fallback,
                expires=entry.expires,
            )
        )
        if entry.label is not None:
            tried.add(entry.label)
    return tuple(attempts)


def _order_is_random(entry: Entry, facts: SecretFacts) -> bool:
    # The entries of one secret are a Go map, which has no order.
    return any(other.normalised == entry.normalised and other.label != entry.label for other in facts.entries)


def _ignored(reference: Reference, facts: SecretFacts, found: _Found, fallback: bool) -> list[Ignored]:
    if facts.ignored is not None:
        return [Ignored(facts.name, None, facts.ignored, facts.ignored_kind or "type")]
    ignored = []
    for entry in facts.entries:
        verdict = explain(entry.key, entry.normalised, entry.skipped, reference)
        if not verdict.matches:
            ignored.append(Ignored(facts.name, entry.key, verdict.reason, verdict.kind, verdict.better, verdict.meant))
        elif verdict.kind == "fallback" and found and not fallback:
            first = found[0]
            reason = f"is used for Docker Hub only when no other key matches, and {first[1].key} does"
            ignored.append(Ignored(facts.name, entry.key, reason, "fallback-hidden"))
    return ignored
