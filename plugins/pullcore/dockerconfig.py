"""What the kubelet reads from a pull secret: its entries, or why it ignores the secret, or why it stumbles over it.

Rules: Kubernetes pkg/credentialprovider/secrets/secrets.go (which secrets count) and config.go (how entries are
decoded), 1.20 to 1.37. What leaves this module about a secret is SecretFacts, which hold no credential; the
credentials themselves stay in a Credentials.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from urllib.parse import quote

from pullcore.authkey import masked, normalise
from pullcore.expiry import expires_at
from pullcore.golang import SPACE, GoError, Json, coerced, decode_base64, parse_json, same_name, text_of
from pullcore.reference import quoted

DOCKERCONFIGJSON = "kubernetes.io/dockerconfigjson"
DOCKERCFG = "kubernetes.io/dockercfg"
_DATA_KEYS = {DOCKERCONFIGJSON: ".dockerconfigjson", DOCKERCFG: ".dockercfg"}

_SHORTEST_HIDDEN = 3  # characters: to cut out shorter passwords would leave no text
_NOT_READ_IN_ENTRY = ("identitytoken", "registrytoken")
_NOT_READ_AT_TOP = ("credsstore", "credhelpers")
_SPELLING = {"credsstore": "credsStore", "credhelpers": "credHelpers"}

# Go's names of the types, for the errors that it words with them.
_CONFIG_JSON = "DockerConfigJSON"
_CONFIG = "credentialprovider.DockerConfig"
_ENTRY = "credentialprovider.dockerConfigEntryWithAuth"


@dataclass(frozen=True)
class Entry:
    """One entry of a pull secret, without its credential.

    key: as written, but user information masked. normalised: as the kubelet compares it, or None if
    it skips the entry; then skipped is what the node's log says. label: "credential 1", the same for the same user and
    password; None if the entry has neither, which the runtimes take for anonymous. empty: there is no password.
    ignored_fields: what is there and looks like a credential, but is never read. expires: when a password that is a token
    ends (RFC 3339).
    """

    key: str
    normalised: str | None
    skipped: str | None
    username: str | None
    label: str | None
    empty: bool
    ignored_fields: tuple[str, ...] = ()
    expires: str | None = None


@dataclass(frozen=True)
class SecretFacts:
    """What there is to know about a pull secret, without any credential or anything computed from one.

    ignored: one line, why the kubelet passes over the secret silently, and ignored_kind: `type`, `data-key`, `empty`
    or `no-entries`. malformed: the kubelet's error, in its words; it stops every pull of the pods that name the secret.
    problem: the same for people, with the entry that has the fault. ignored_fields: as in Entry, of the whole file.
    changed_at: when it was last written, as far as the API server tells (RFC 3339).
    """

    namespace: str
    name: str
    type: str
    entries: tuple[Entry, ...] = ()
    ignored: str | None = None
    ignored_kind: str | None = None
    malformed: str | None = None
    problem: str | None = None
    ignored_fields: tuple[str, ...] = ()
    changed_at: str | None = None


class Credentials:
    """Keeps user names and passwords, and gives out labels that say no more than which ones are equal."""

    def __init__(self) -> None:
        self._labels: dict[tuple[str, str], str] = {}
        self._pairs: dict[str, tuple[str, str]] = {}
        self._hidden: set[str] = set()

    def label(self, username: str, password: str) -> str:
        """The label of a pair: "credential 1" for the first, and again for each that equals it."""
        pair = (username, password)
        label = self._labels.get(pair)
        if label is None:
            label = self._labels[pair] = f"credential {len(self._labels) + 1}"
            self._pairs[label] = pair
        return label

    def holds(self, label: str) -> bool:
        return label in self._pairs

    def pair(self, label: str) -> tuple[str, str]:
        """User name and password of a label; KeyError if it was not given out here.

        Bytes that are not UTF-8 are lone surrogates: encode with `surrogateescape`.
        """
        return self._pairs[label]

    def basic(self, label: str) -> str:
        """What goes behind `Authorization: Basic` (RFC 7617) for a label; KeyError as `pair`."""
        user, password = self.pair(label)
        return base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()

    def hide(self, token: str) -> None:
        """Has `without` cut out a token, too, that a registry gave for one of the credentials."""
        self._hidden.add(token)

    def without(self, text: str) -> str:
        """Somebody else's text with every credential in it, as it is or as it is sent, replaced by ***."""
        known = set(self._hidden)
        for label, (_, password) in list(self._pairs.items()):
            basic = self.basic(label)
            known |= {password, password.strip(), " ".join(password.split()), basic, basic.rstrip("=")}
            known.add(quote(password, safe="", errors="surrogateescape"))
        for secret in sorted(known, key=len, reverse=True):
            if len(secret) >= _SHORTEST_HIDDEN:
                text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        return f"<Credentials: {len(self._pairs)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not saved")


def read_secret(secret: Mapping[str, Any], vault: Credentials) -> SecretFacts:
    """Reads a v1 Secret, as the API or a manifest has it; `stringData` wins over `data`, as in the API server.

    Never fails: whatever is wrong with the secret is in the facts.
    """
    metadata = secret.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    kind = str(secret.get("type") or "Opaque")
    name, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    facts = SecretFacts(namespace, name, kind, changed_at=_changed_at(metadata))
    data_key = _DATA_KEYS.get(kind)
    if data_key is None:
        reason = f"its type is {quoted(kind)}, the kubelet reads only {DOCKERCONFIGJSON} and {DOCKERCFG}"
        return replace(facts, ignored=reason, ignored_kind="type")
    try:
        raw = _content(secret, data_key)
        if raw is None:
            return replace(facts, ignored=_no_data(secret, data_key), ignored_kind="data-key")
        if not raw:
            return replace(facts, ignored=f"its {data_key} is empty", ignored_kind="empty")
        entries, fields = _decode(raw, data_key, vault)
    except _Malformed as error:
        return replace(facts, malformed=str(error), problem=error.problem)
    facts = replace(facts, entries=entries, ignored_fields=fields)
    useless = _no_entries(raw, data_key, fields) if not entries else _config_in_dockercfg(entries, data_key)
    return replace(facts, ignored=useless, ignored_kind="no-entries") if useless else facts


def _changed_at(metadata: Mapping[str, Any]) -> str | None:
    """The newest time in the managed fields; where they are not kept, when it was made."""
    managed = metadata.get("managedFields")
    times = [one.get("time") for one in managed if isinstance(one, Mapping)] if isinstance(managed, list) else []
    written = [time for time in (*times, metadata.get("creationTimestamp")) if isinstance(time, str)]
    return max(written, default=None)


class _Malformed(Exception):
    """Go's error, and what a person can do with it. Neither repeats a credential."""

    def __init__(self, error: str, problem: str) -> None:
        super().__init__(error)
        self.problem = problem


def _content(secret: Mapping[str, Any], data_key: str) -> bytes | None:
    """The bytes under the data key, None if it is not there."""
    plain = secret.get("stringData")
    if isinstance(plain, Mapping) and isinstance(plain.get(data_key), str):
        return str(plain[data_key]).encode("utf-8", "surrogatepass")
    data = secret.get("data")
    if not isinstance(data, Mapping) or data_key not in data:
        return None
    value = data[data_key]
    if value is None:
        return b""
    if not isinstance(value, str):
        raise _Malformed("json: cannot unmarshal into Go value of type []uint8", f"its {data_key} is no base64 text")
    try:
        return decode_base64(value.encode("utf-8", "surrogatepass"))
    except GoError as error:
        looks_plain = value.lstrip().startswith("{")
        hint = ": it is plain text, which belongs in stringData" if looks_plain else ""
        raise _Malformed(str(error), f"its {data_key} is no base64{hint}") from None


def _no_data(secret: Mapping[str, Any], data_key: str) -> str:
    names: list[str] = []
    for field in ("data", "stringData"):
        values = secret.get(field)
        names += [quoted(str(name)) for name in values] if isinstance(values, Mapping) else []
    there = f"only {', '.join(sorted(names)[:3])}" if names else "no data at all"
    return f"it has no {data_key}, but {there}"


def _no_entries(raw: bytes, data_key: str, fields: tuple[str, ...]) -> str:
    if fields:
        return f"its {data_key} holds no credentials, but {' and '.join(fields)}, which the kubelet does not read"
    config = parse_json(raw)
    if data_key == ".dockercfg" or any(same_name(name, "auths") for name, _ in config.members):
        return f"its {data_key} has no entries"
    stray = next((name for name, value in config.members if _looks_like_entry(value)), None)
    hint = f", and {quoted(masked(stray))} belongs under it" if stray is not None else ""
    return f'its {data_key} has no "auths"{hint}'


def _looks_like_entry(value: Json) -> bool:
    return any(name in ("auth", "username", "password") for name, _ in value.members)


def _config_in_dockercfg(entries: tuple[Entry, ...], data_key: str) -> str | None:
    """For a whole config.json in a .dockercfg, where "auths" is just the name of a registry."""
    if data_key == ".dockercfg" and [entry.key for entry in entries if entry.empty] == ["auths"] and len(entries) == 1:
        return f"its .dockercfg is a config.json, for which the type must be {DOCKERCONFIGJSON}"
    return None


# --- Decoding, in the order in which Go does it --------------------------------------------------------------------


def _decode(raw: bytes, data_key: str, vault: Credentials) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    try:
        config = parse_json(raw)
    except GoError as error:
        raise _Malformed(str(error), f"its {data_key} is no valid JSON: {_json_fault(raw, str(error))}") from None
    if data_key == ".dockercfg":
        return _decode_map(config, vault)
    return _decode_config(config, vault)


def _json_fault(raw: bytes, error: str) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16, not UTF-8"
    try:
        if decode_base64(raw.strip()).lstrip().startswith(b"{"):
            return "it was encoded with base64 twice"
    except GoError:
        pass
    return error


def _decode_config(config: Json, vault: Credentials) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    if config.kind not in ("object", "null"):
        raise _type_error(config.kind, "", f"credentialprovider.{_CONFIG_JSON}", "its .dockerconfigjson is no object")
    found: dict[str, Entry] = {}
    wrong: _Malformed | None = None  # Go goes on after an error of type, and an entry's error is then the one it tells
    fields: list[str] = []
    for name, value in config.members:
        if same_name(name, "auths"):
            if value.kind == "object":
                for key, entry in value.members:
                    found[key] = _decode_entry(key, entry, vault, f"{_CONFIG_JSON}.auths")
            elif value.kind == "null":
                found.clear()
            else:
                problem = f'its "auths" is no object, but {value.kind}'
                wrong = wrong or _type_error(value.kind, f"{_CONFIG_JSON}.auths", _CONFIG, problem)
        elif same_name(name, "HttpHeaders"):
            wrong = wrong or _check_headers(value)
        elif name.lower() in _NOT_READ_AT_TOP and (value.text or value.members):
            fields.append(_SPELLING[name.lower()])
    if wrong:
        raise wrong
    unread = tuple(dict.fromkeys(fields))
    entries = (
        replace(entry, ignored_fields=entry.ignored_fields + unread) if entry.empty else entry for entry in found.values()
    )
    return tuple(entries), unread


def _check_headers(value: Json) -> _Malformed | None:
    """The kubelet does not use HttpHeaders, but decodes them."""
    field = f"{_CONFIG_JSON}.HttpHeaders"
    if value.kind not in ("object", "null"):
        return _type_error(value.kind, field, "map[string]string", 'its "HttpHeaders" must be an object')
    for _, header in value.members:
        if header.kind not in ("string", "null"):
            return _type_error(header.kind, field, "string", 'a value in its "HttpHeaders" is no string')
    return None


def _decode_map(config: Json, vault: Credentials) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    if config.kind not in ("object", "null"):
        raise _type_error(config.kind, "", _CONFIG, "its .dockercfg is no object")
    found = {key: _decode_entry(key, value, vault, "") for key, value in config.members}
    return tuple(found.values()), ()


def _decode_entry(key: str, value: Json, vault: Credentials, field: str) -> Entry:
    """DockerConfigEntry.UnmarshalJSON."""
    shown = f"entry {quoted(masked(key))}"
    if value.kind not in ("object", "null"):
        raise _type_error(value.kind, field, _ENTRY, f"{shown} is no object")
    texts = {"username": "", "password": "", "email": "", "auth": ""}
    wrong: _Malformed | None = None
    fields = []
    for name, member in value.members:
        known = next((text for text in texts if same_name(name, text)), None)
        if known is None:
            if name.lower() in _NOT_READ_IN_ENTRY and member.text:
                fields.append(name.lower())
        elif member.kind == "string":
            texts[known] = member.text
        elif member.kind != "null":
            path = f"{field}.{known}" if field else f"dockerConfigEntryWithAuth.{known}"
            wrong = wrong or _type_error(member.kind, path, "string", f'{shown}: "{known}" must be a string')
    if wrong:
        raise wrong
    username, password = texts["username"], texts["password"]
    if texts["auth"]:
        username, password = _decode_auth(texts["auth"], shown)
    return _entry(key, username, password, tuple(dict.fromkeys(fields)), vault)


def _entry(key: str, username: str, password: str, fields: tuple[str, ...], vault: Credentials) -> Entry:
    normalised = skipped = None
    try:
        normalised = normalise(key)
    except GoError as error:
        skipped = str(error)
    return Entry(
        key=masked(key),
        normalised=normalised,
        skipped=skipped,
        username=coerced(username) or None,
        label=vault.label(username, password) if username or password else None,
        empty=not password,
        ignored_fields=fields,
        expires=expires_at(password),
    )


def _decode_auth(auth: str, shown: str) -> tuple[str, str]:
    """decodeDockerConfigFieldAuth."""
    raw = auth.encode("utf-8")
    try:
        decoded = decode_base64(raw, padded=auth.rstrip(SPACE).endswith("="))
    except GoError as error:
        raise _Malformed(str(error), f'{shown}: "auth" is no base64: {_auth_fault(auth)}') from None
    username, colon, password = text_of(decoded).partition(":")
    if not colon:
        problem = f'{shown}: "auth" is not user:password in base64, it has no colon'
        raise _Malformed("unable to parse auth field, must be formatted as base64(username:password)", problem)
    return username, password


def _auth_fault(auth: str) -> str:
    if ":" in auth:
        return "it is user:password as plain text"
    if any(char in " \t\v\f\xa0" for char in auth):
        return "there is a blank in it"
    if "-" in auth or "_" in auth:
        return "it has - or _, the alphabet for URLs, which the kubelet does not read"
    if re.fullmatch(r"[A-Za-z0-9+/=\r\n]*", auth):
        return "it is cut off, or has = in the wrong place"
    return "there is a character in it that base64 does not have"


def _type_error(kind: str, field: str, type_name: str, problem: str) -> _Malformed:
    """json.UnmarshalTypeError."""
    target = f"Go struct field {field} of type" if field else "Go value of type"
    return _Malformed(f"json: cannot unmarshal {kind} into {target} {type_name}", problem)
