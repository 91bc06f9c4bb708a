"""One key of a pull secret against one image: does the kubelet offer the credential, and if not, why not.

Rules: Kubernetes pkg/credentialprovider/keyring.go (BasicDockerKeyring.Add, URLsMatch, isDefaultRegistryMatch),
unchanged from 1.20 to 1.37. A key is the name of an entry under `auths`, such as `https://index.docker.io/v1/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pullcore.golang import GoError, coerced, match_label, parse_url, quote, split_host_port, text_of
from pullcore.reference import DOCKER_HUB, Reference, code_point, quoted

# Where the kubelet looks when no key matched and the image is Docker Hub's (keyring.go: defaultRegistryHost).
FALLBACK = "index.docker.io"
FALLBACK_KEY = "https://index.docker.io/v1/"

# Names under which people file their Docker Hub account; of these only docker.io and index.docker.io work.
_HUB_HOSTS = frozenset(
    {
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "registry.docker.io",
        "auth.docker.io",
        "www.docker.io",
        "docker.com",
        "hub.docker.com",
        "registry.hub.docker.com",
        "www.docker.com",
        "cloud.docker.com",
        "*.docker.io",
        "*.docker.com",
    }
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://+|(?i:https?):?/+|//+")
_INTERFACE = re.compile(r"/(?:v[0-9]+|api)(?:/|$)|.*/_catalog(?:/|$)")  # paths of a registry's API, not of images
_LONGEST = 1024  # characters of a key that are looked at for its meaning; no image name is longer
_DIGEST = re.compile(r"sha(?:256|384|512):[0-9a-f]*")


class Why(NamedTuple):
    """Whether a key is used for an image, and the reason in one line, made to follow the key: "is for ghcr.io".

    normalised is what the kubelet compares, None if it skips the key. kind says which case it is:
    `match`; `fallback` (Docker Hub's entry, used if no other key matches);
    `unparsable` (the kubelet skips the entry, which only the node's log tells);
    `key-never-matches` (this image's registry is meant, but the spelling keeps the key from being used);
    `key-near` (perhaps meant: a parent domain, another port); `key-other-repository`; `key-other-registry`.
    meant: this image's registry obviously is. better: a key that matches this image, where the entry is, or may be,
    meant for it.
    """

    matches: bool
    normalised: str | None
    reason: str
    kind: str
    better: str | None = None
    meant: bool = False


def why(key: str, reference: Reference) -> Why:
    """Explains a key as it is written in a secret. Never fails."""
    try:
        return explain(key, normalise(key), None, reference)
    except GoError as error:
        return explain(key, None, str(error), reference)


def normalise(key: str) -> str:
    """A key as the kubelet stores it: without scheme, user, query, fragment and the first /v1 or /v2 of `/v1/...`.

    GoError, as the node's log has it, for a key that the kubelet skips. (BasicDockerKeyring.Add)
    """
    value = key if key.startswith(("https://", "http://")) else "https://" + key
    shown = masked(value)
    try:
        url = parse_url(value)
    except GoError as error:
        detail = str(error) if shown == value else "invalid URL"  # Go's detail may repeat a part of the password
        raise GoError(f"parse {quote(shown.partition('#')[0])}: {detail}") from None
    path = url.path[3:] if url.path.startswith((b"/v1/", b"/v2/")) else url.path
    if b"@" in path and "***@" in shown:
        # A password with a slash: Go takes it for a path, which no image has. Not to be kept.
        raise GoError(f"parse {quote(shown)}: invalid user information")
    return coerced(text_of(url.host if path in (b"", b"/") else url.host + path))


def masked(key: str) -> str:
    """A key for the eye: user information, which may be a secret, replaced by ***."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", key)
    start, end = scheme.end() if scheme else 0, key.rfind("@")
    if end >= start and not _DIGEST.fullmatch(key, end + 1):
        key = f"{key[:start]}***{key[end:]}"
    return key


def covers(normalised: str, name: str) -> bool:
    """Whether a normalised key matches an image's name, `docker.io/library/nginx`. (URLsMatchStr)"""
    ours, theirs = _compared(normalised), _compared(name)
    if ours is None or theirs is None:
        return False
    labels, port, path = ours
    image_labels, image_port, image_path = theirs
    return (
        port == image_port
        and len(labels) == len(image_labels)
        and image_path.startswith(path)
        and all(map(match_label, labels, image_labels))
    )


def is_docker_hubs(name: str) -> bool:
    """Whether the kubelet takes a name for one of Docker Hub's, `localhost/app` among them. (isDefaultRegistryMatch)"""
    first, slash, _ = name.partition("/")
    if not first:
        return False
    return not slash or first in (DOCKER_HUB, FALLBACK) or not ("." in first or ":" in first)


@lru_cache(maxsize=4096)
def _compared(address: str) -> tuple[tuple[str, ...], str, bytes] | None:
    """Labels of the host, port, path, as URLsMatch compares them; None if it is no URL any more."""
    try:
        url = parse_url("https://" + address)
    except GoError:
        return None
    host, port = split_host_port(text_of(url.host))
    return tuple(host.split(".")), port, url.path


def explain(key: str, normalised: str | None, error: str | None, reference: Reference) -> Why:
    """`why` for a key whose normalised form, or Go's error, is known already; the key may be masked."""
    if normalised is not None:
        if covers(normalised, reference.name):
            return Why(True, normalised, _why_it_matches(normalised, reference), "match")
        if normalised == FALLBACK and is_docker_hubs(reference.name):
            return Why(True, normalised, "is used for Docker Hub when no other key matches", "fallback")
    reading = _read(key)
    relation = _relation(reading, reference)
    better = _better(reading, reference) if relation != "other" else None
    whole = reading.path in ("", "/")
    meant = relation == "same" and (better is not None or whole)
    if normalised is None:
        kind, reason = "unparsable", _why_unparsable(key, error or "")
    elif meant:
        kind, reason = "key-never-matches", _why_not(key, normalised, reading, reference)
    elif relation == "near" and (better is not None or whole):
        kind, reason = "key-near", _why_not(key, normalised, reading, reference)
    elif relation == "other":
        kind, reason = "key-other-registry", _why_other(key, reading, reference)
    else:
        path = _shown(reading.path.lstrip("/"))
        kind, reason = "key-other-repository", f"is for repositories that begin with {path}"
    return Why(False, normalised, reason, kind, better, meant)


def _why_it_matches(normalised: str, reference: Reference) -> str:
    host, slash, path = normalised.partition("/")
    same = "is for this registry" if host == reference.registry else f"{_shown(host)} covers {reference.registry}"
    return f"{same}, for repositories that begin with {_shown(path)}" if slash else same


def plainly(key: str) -> str:
    """What a key most likely means, for an image that nobody has named: host and port, the path of a repository if there is
    one, no scheme, no path of a registry's API; Docker Hub's own key for any of its names."""
    reading = _read(key)
    path = re.sub(r"^/v[12](?=/|$)", "", re.sub(r"/{2,}", "/", reading.path)).lower()
    path = re.split(r"[*?\[{@]", path, maxsplit=1)[0]  # no pattern, tag or digest ever matches
    path = re.sub(r":[^/]*$", "", path)
    if path == "/" or _INTERFACE.match(path) or reading.host.startswith("hub."):
        path = ""
    if reading.host in _HUB_HOSTS and not path:
        return FALLBACK_KEY
    host = DOCKER_HUB if reading.host in _HUB_HOSTS else reading.host
    return f"{host}{':' + reading.port if reading.port else ''}{path}"


# --- What a person meant by a key ----------------------------------------------------------------------------------


class _Reading(NamedTuple):
    """A key read with goodwill: blanks, quotes, any scheme, user, query and fragment taken off."""

    host: str  # lower case, without a final dot
    port: str
    path: str


def _read(key: str) -> _Reading:
    text = masked(key)[:_LONGEST]
    text = "".join(char for char in text if char.isprintable() or char.isspace()).strip().strip("\"'").strip()
    for _ in range(2):
        text = _SCHEME.sub("", text, count=1) if _SCHEME.match(text) else text
    text = re.split(r"[?#]", text, maxsplit=1)[0].replace("\\", "/")
    authority, slash, path = text.partition("/")
    authority = authority.rpartition("@")[2]
    if authority.startswith("[") and "]" in authority:
        host, _, port = authority.partition("]")
        host, port = host + "]", port.lstrip(":")
    else:
        host, _, port = authority.partition(":")
    return _Reading(host.lower().rstrip("."), port, slash + path)


def _relation(reading: _Reading, reference: Reference) -> str:
    """Whether a key is for the image's registry: `same`, `near` (perhaps) or `other`."""
    host, image_host = reading.host, reference.host.lower()
    if image_host in _HUB_HOSTS and host in _HUB_HOSTS:
        return "same"
    if host == "*":
        return "same"
    if _same_host(host, image_host):
        return _port_relation(reading.port, reference.port or "")
    suffix = re.sub(r"^(?:\*\.)+", "", host)
    if "." in suffix and (image_host == suffix or image_host.endswith("." + suffix)):
        return "near"
    return "near" if host and not host.strip("*.") else "other"


def _same_host(host: str, image_host: str) -> bool:
    labels, image_labels = host.split("."), image_host.split(".")
    if host.startswith("["):
        return host == image_host
    return len(labels) == len(image_labels) and all(map(match_label, labels, image_labels))


def _port_relation(port: str, image_port: str) -> str:
    if port == image_port or (port and not port.isdigit()):
        return "same"
    if {port, image_port} in ({"", "443"}, {"", "80"}):
        return "same"
    return "other" if port and image_port else "near"


def _better(reading: _Reading, reference: Reference) -> str | None:
    """The key that should be there instead, if there is one that matches."""
    hub = reference.registry == DOCKER_HUB and reading.host in _HUB_HOSTS
    for path in _paths(reading, reference):
        key = FALLBACK_KEY if hub and not path else reference.registry + path
        if _is_used(key, reference):
            return key
    return None


def _is_used(key: str, reference: Reference) -> bool:
    try:
        normalised = normalise(key)
    except GoError:
        return False
    return covers(normalised, reference.name) or (normalised == FALLBACK and is_docker_hubs(reference.name))


def _paths(reading: _Reading, reference: Reference) -> Iterator[str]:
    """The paths that may have been meant, the narrowest first; "" is the whole registry."""
    repository = "/" + reference.repository
    path = re.sub(r"/{2,}", "/", reading.path)
    tidy = re.sub(r"^/v[12](?=/|$)", "", path)
    narrowed = re.split(r"[*?\[{]", tidy, maxsplit=1)[0]
    untagged = re.sub(r":[^/]*$", "", tidy.partition("@")[0])
    for variant in (path, tidy, narrowed, untagged):
        for spelling in (variant, variant.lower(), variant.lower().rstrip("/")):
            if spelling.strip("/") and repository.startswith(spelling):
                yield spelling
    if not tidy.strip("/") or not narrowed.strip("/") or _INTERFACE.match(path) or reading.host.startswith("hub."):
        yield ""


# --- Reasons -------------------------------------------------------------------------------------------------------


def _shown(text: str) -> str:
    return quoted(text)[1:-1]


def _why_unparsable(key: str, error: str) -> str:
    return f"never matches: {_url_fault(key, error)}, so the kubelet skips the entry silently"


def _url_fault(key: str, error: str) -> str:
    control = next((char for char in key if char < " " or char == "\x7f"), None)
    for place, char in (("begins", key[:1]), ("ends", key[-1:])):
        if char and (char.isspace() or char == control):
            return f"it {place} with a blank, {code_point(char)}"
    if control:
        return f"it has a control character in it, {code_point(control)}"
    if "invalid port" in error:
        return "there are no wildcards in ports" if re.search(r":[0-9]*\*", key) else "its port is no number"
    if "invalid character" in error:
        return "it has a blank in it" if " " in key else "its host name has a character that no URL has"
    if "invalid URL escape" in error:
        return "it has a % that is no URL escape"
    if "IP-literal" in error or "invalid host" in error or "']'" in error:
        return "only IPv6 addresses may have brackets (kubelets built with older Go take [a-z] as a wildcard)"
    return "it is no URL"


def _why_not(key: str, normalised: str, reading: _Reading, reference: Reference) -> str:
    """For a key that is, or may be, meant for the image's registry; the first thing that stands in the way."""
    scheme = _SCHEME.match(key)
    if scheme and not key.startswith(("http://", "https://")):
        return f"never matches: {_shown(scheme[0])} is not dropped, only http:// and https:// in lower case are"
    if scheme and _SCHEME.match(key, scheme.end()):
        return "never matches: there are two schemes in front, only one is dropped"
    odd = next((char for char in key if char in "\"'" or not (char.isprintable() or char.isspace())), None)
    if odd:
        return f"never matches: the character {code_point(odd)} is part of the key"
    host, slash, path = normalised.partition("/")
    path = slash + path
    if reference.registry == DOCKER_HUB and reading.host in _HUB_HOSTS:
        return _why_not_hub(host, path, reading, reference)
    host, port = split_host_port(host)
    image_port = reference.port or ""
    if port != image_port:
        ours, theirs = port or "none", image_port or "none"
        return f"does not match: ports are compared as text, {ours} in the key, {theirs} in the image"
    if reading.host in _HUB_HOSTS and not _same_host(reading.host, reference.host.lower()):
        return f"does not match: it is another name of Docker Hub, the image has {reference.host}"
    if host.startswith("["):
        return "never matches: an IPv6 address without a port is taken for a wildcard"
    if host.endswith("."):
        return "never matches: its host name ends with a dot"
    image_host = reference.host
    if len(host.split(".")) != len(image_host.split(".")):
        return _why_labels_differ(host, image_host)
    if not all(map(match_label, host.split("."), image_host.split("."))):
        return f"does not match: upper and lower case count, the image has {image_host}"
    return _why_path_differs(path, reference)


def _why_labels_differ(host: str, image_host: str) -> str:
    count, image_count = len(host.split(".")), len(image_host.split("."))
    if "*" in host:
        return (
            "does not match: each * stands for one part of a host name, "
            f"{_shown(host)} has {_parts(count)}, {image_host} has {_parts(image_count)}"
        )
    if image_host.endswith("." + host):
        return f"does not match: {_shown(host)} does not cover the names below it, such as {image_host}"
    return f"does not match: {_shown(host)} has {_parts(count)}, {image_host} has {_parts(image_count)}"


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"


def _why_not_hub(host: str, path: str, reading: _Reading, reference: Reference) -> str:
    if host == FALLBACK:
        if path in ("/v1", "/v2"):
            return f"never matches: path {path} without its final slash"
        return "never matches: index.docker.io is only used without a path, docker.io may have one"
    if reading.host not in (DOCKER_HUB, FALLBACK):
        return "never matches: the kubelet knows Docker Hub only as docker.io and index.docker.io"
    if host != DOCKER_HUB:
        return f"never matches: the kubelet compares with {reading.host}, in lower case and without a port"
    return _why_path_differs(path, reference)


def _why_path_differs(path: str, reference: Reference) -> str:
    shown = _shown(path)
    if path in ("/v1", "/v2"):
        return f"never matches: path {path} without its final slash"
    if "//" in path:
        return "never matches: there is a double slash in its path"
    if re.search(r"[*?\[{]", path):
        return f"never matches: there are no wildcards in paths, {shown} is compared letter by letter"
    if "@" in path or ":" in path:
        return "never matches: a tag or digest in the key, the image is compared without"
    if path == f"/{reference.repository}/":
        return "does not match: the slash after the repository, which the image does not have"
    if _INTERFACE.match(path):
        return f"never matches: path {shown} is taken for the beginning of the repository, only /v1/ and /v2/ are not"
    if path != path.lower():
        return f"never matches: upper-case letters in its path {shown}"
    return f"does not match: path {shown} is not the beginning of /{reference.repository}"


def _why_other(key: str, reading: _Reading, reference: Reference) -> str:
    if not reading.host:
        return "names no registry"
    port = f":{_shown(reading.port)}" if reading.port else ""
    if _same_host(reading.host, reference.host.lower()):
        return f"is for port {_shown(reading.port)} of {_shown(reading.host)}, the image has port {reference.port}"
    cut = next((f", {char} and what follows it are cut off" for char in "?#" if char in key), "")
    return f"is for {_shown(reading.host)}{port}{cut}"
