"""The content of a pull secret, changed: one entry added, replaced or taken out, all others kept as they are. Pure.

The form is that of `kubectl create secret docker-registry` (kubectl pkg/cmd/create/create_secret_docker.go).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from pullcore.authkey import FALLBACK, FALLBACK_KEY, masked, normalise, plainly, why
from pullcore.errors import CommandError, one_line
from pullcore.golang import GoError
from pullcore.reference import DOCKER_HUB, Reference

DATA_KEY = ".dockerconfigjson"
Object = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A `--docker-server` in a form that the kubelet finds; `mended` says what was changed about it, empty if nothing."""

    key: str
    mended: str = ""

    @property
    def registry(self) -> str:
        """The registry as images name it."""
        return registry_of(self.key)


def server_for(written: str, wanted: Iterable[Reference]) -> Server:
    """The server as somebody wrote it, brought into a form that matches the images that need it, or else any image of that
    registry. Raises CommandError for text that can't be made one."""
    references = list(wanted)
    key = written.strip()
    for reference in references:
        verdict = why(key, reference)
        if verdict.matches:
            return _server(written, _simple(key, reference))
    for reference in references:
        verdict = why(written, reference)
        if verdict.better and verdict.meant:
            return Server(verdict.better, f"{_shown(written)} {verdict.reason}; it is stored as {verdict.better}")
    key = plainly(written)
    try:
        normalised = normalise(key)
    except GoError:
        raise CommandError(f"{_shown(written)} is no registry: write its host as images do") from None
    if not normalised.partition("/")[0]:
        raise CommandError("the registry is empty: write its host as images do, such as some.registry.com:5000")
    verdict = why(key, any_image(key))
    if not verdict.matches:
        raise CommandError(f"no key that the kubelet finds can be made of {_shown(written)}: it {verdict.reason}")
    return _server(written, key)


def _server(written: str, key: str) -> Server:
    why_so = "where the kubelet looks for Docker Hub's" if key == FALLBACK_KEY else "as images name that registry"
    return Server(key, "" if key == written else f"{_shown(written)} is stored as {key}, {why_so}")


def _shown(written: str) -> str:
    return f'"{masked(one_line(written, 100))}"'


def _simple(key: str, reference: Reference) -> str:
    """A key that matches, without what is dropped anyway; a pattern and a path are meant."""
    if reference.registry == DOCKER_HUB and normalise(key) in (FALLBACK, DOCKER_HUB):
        return FALLBACK_KEY
    return normalise(key)


def registry_of(key: str) -> str:
    """The registry that a key is for, as images name it; a pattern stays one."""
    host = normalise(key).partition("/")[0]
    return DOCKER_HUB if host in (FALLBACK, DOCKER_HUB) else host


def any_image(key: str) -> Reference:
    """Some image that a key is for: its registry, and its path."""
    path = normalise(key).partition("/")[2]
    return Reference(registry_of(key), f"{path}any" if path.endswith("/") else path or "library/any", "latest", None)


def entry(username: str, password: str, email: str = "") -> Object:
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    found = {"username": username, "password": password, "email": email, "auth": auth}
    return {name: value for name, value in found.items() if value or name != "email"}


def content_of(secret: Mapping[str, Any]) -> Object:
    """The parsed content of a kubernetes.io/dockerconfigjson secret. Raises CommandError for one that can't be kept."""
    name = one_line(secret["metadata"]["name"], 100)
    try:
        document = json.loads(base64.b64decode((secret.get("data") or {})[DATA_KEY], validate=True))
    except (KeyError, ValueError, RecursionError):
        raise CommandError(
            f"the content of secret/{name} can't be read, so its entries can't be kept: use another name, or remove it"
        ) from None
    if not isinstance(document, dict):
        raise CommandError(f"the content of secret/{name} is no Docker config: use another name, or remove it")
    # Go reads the names of fields in any case, and what stands under several of them together.
    several = [value for field, value in document.items() if field.lower() == "auths" and value is not None]
    if not all(isinstance(value, dict) for value in several):
        raise CommandError(f"the content of secret/{name} is no Docker config: use another name, or remove it")
    rest = {field: value for field, value in document.items() if field.lower() != "auths"}
    return {**rest, "auths": {key: auth for value in several for key, auth in value.items()}}


def with_entry(document: Object, key: str, value: Object) -> tuple[Object, list[str]]:
    """The content with the entry under this key, and the keys that went: other spellings of it, and dead ones that were
    meant for the same registry and path."""
    auths = dict(document.get("auths") or {})
    gone = [other for other in auths if other != key and (_same(other, key) or _dead_twin(other, key))]
    kept = {other: auth for other, auth in auths.items() if other not in gone}
    return {**document, "auths": {**kept, key: value}}, gone


def without_entry(document: Object, key: str) -> tuple[Object, list[str]]:
    """The content without what is stored under this key, in any spelling, and the keys that went."""
    auths = dict(document.get("auths") or {})
    gone = [other for other in auths if other == key or _same(other, key) or _dead_twin(other, key)]
    return {**document, "auths": {other: auth for other, auth in auths.items() if other not in gone}}, gone


def _same(one: str, other: str) -> bool:
    try:
        return _indexed(one) == _indexed(other)
    except GoError:
        return False


def _indexed(key: str) -> str:
    normalised = normalise(key)
    return FALLBACK if normalised == DOCKER_HUB else normalised  # both are Docker Hub's, and one hides the other


def _dead_twin(other: str, key: str) -> bool:
    """Whether a key does not match what this one is for, though nothing else can have been meant by it."""
    verdict = why(other, any_image(key))
    return verdict.meant and not verdict.matches and _same(plainly(other), key)


def user_of(entry: Mapping[str, Any]) -> str:
    """The user name of an entry, which may have it in `auth` only."""
    try:
        decoded = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
    except ValueError:
        decoded = ""
    return str(entry.get("username") or "") or decoded.partition(":")[0]


def encoded(document: Object) -> dict[str, str]:
    """The `data` of a secret with this content."""
    return {DATA_KEY: base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()}


def spelling(document: Object, key: str) -> Optional[str]:
    """The key as the content spells it, or None where it has none for that registry and path."""
    auths = document.get("auths") or {}
    return key if key in auths else next((other for other in auths if _same(other, key)), None)


def find(document: Object, key: str) -> Optional[Object]:
    """The entry under a key, in whatever spelling."""
    spelt = spelling(document, key)
    return None if spelt is None else document["auths"][spelt]
