"""Image references, as the kubelet and the container runtimes read them.

The grammar and the rules for familiar names ("nginx" is docker.io/library/nginx:latest) are those of
github.com/distribution/reference v0.6.0 (regexp.go, normalize.go), which the kubelet calls by
pkg/util/parsers.ParseImageName and containerd by ParseDockerRef. What differs: a registry whose name is longer than DNS
allows is refused here, where the runtime would only fail to find it; and when a tag and a digest are both there both
are kept, though containerd pulls by the digest alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

DOCKER_HUB = "docker.io"

_LONGEST_REPOSITORY = 255  # reference.go: RepositoryNameTotalLengthMax
_LONGEST_HOST = 253  # RFC 1035, 2.3.4
_LONGEST = 1024  # more than the longest of each part together

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}  # go-digest: algorithm.go

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PLACEHOLDER = re.compile(r"\{\{.*|\$[({].*|<[^>]*>|%[({].*|@@.*")
_NOT_ASCII_GRAPH = re.compile(r"[^\x21-\x7e]")
_SHOWN = 60  # characters of a value that a message repeats


class Reference(NamedTuple):
    """An image reference, fully qualified. The tag is "latest" if neither tag nor digest was written."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str:
        """`docker.io/library/nginx`: what the kubelet looks up credentials for."""
        return f"{self.registry}/{self.repository}"

    @property
    def host(self) -> str:
        """The registry without its port; an IPv6 address keeps its brackets."""
        return self._host_and_port[0]

    @property
    def port(self) -> str | None:
        """The registry's port as written."""
        return self._host_and_port[1]

    @property
    def _host_and_port(self) -> tuple[str, str | None]:
        host, colon, port = self.registry.rpartition(":")
        return (host, port) if colon and port.isdigit() else (self.registry, None)

    def __str__(self) -> str:
        """`docker.io/library/nginx:1.27@sha256:...`: names the same image wherever it is pulled."""
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"


class InvalidReference(ValueError):
    """Text that is no image reference. Its str is one line: which part is wrong, and why.

    part: "registry", "repository", "tag", "digest" or "whole"; suggestion: a reference that can be parsed and was
    obviously meant, or None.
    """

    def __init__(self, reason: str, part: str, suggestion: str | None = None) -> None:
        super().__init__(reason)
        self.part = part
        self.suggestion = suggestion


def parse(image: str) -> Reference:
    """Reads an image as a container names it; InvalidReference where the kubelet would say InvalidImageName."""
    try:
        return _parse(image)
    except InvalidReference as error:
        error.suggestion = _suggestion(image)
        raise


def valid(images: Iterable[str]) -> list[Reference]:
    """The references of those images whose names are valid."""
    found = []
    for image in images:
        try:
            found.append(parse(image))
        except InvalidReference:
            continue
    return found


def quoted(text: str, limit: int = _SHOWN) -> str:
    """Text in double quotes for a message: cut when long, what cannot be seen written as escapes."""
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text) + '"'


def code_point(char: str) -> str:
    """`U+200B (zero width space)`"""
    import unicodedata

    names = {"\n": "newline", "\r": "carriage return", "\t": "tab", " ": "space"}
    name = names.get(char) or unicodedata.name(char, "").lower()
    return f"U+{ord(char):04X}" + (f" ({name})" if name else "")


def _parse(image: str) -> Reference:
    _check_whole(image)
    registry, remote = _split_registry(image)
    named, _, digest = remote.partition("@")
    repository, colon, tag = named.partition(":")
    _check_registry(registry)
    _check_repository(image, registry, repository)
    if colon:
        _check_tag(tag)
    if "@" in remote:
        _check_digest(digest)
    else:
        tag = tag or "latest"
    return Reference(registry, repository, tag or None, digest or None)


def _split_registry(image: str) -> tuple[str, str]:
    """normalize.go: splitDockerDomain."""
    first, slash, rest = image.partition("/")
    if not slash:
        return DOCKER_HUB, "library/" + image
    if first == "index.docker.io":
        first = DOCKER_HUB
    elif first != "localhost" and not ("." in first or ":" in first or first.lower() != first):
        return DOCKER_HUB, image
    if first == DOCKER_HUB and "/" not in rest:
        rest = "library/" + rest
    return first, rest


def _check_whole(image: str) -> None:
    if not image:
        raise InvalidReference("the image name is empty", "whole")
    if len(image) > _LONGEST:
        raise InvalidReference(
            f"{quoted(image, 40)} has {len(image)} characters, more than any image name can have", "whole"
        )
    placeholder = _PLACEHOLDER.search(image)
    if placeholder:
        raise InvalidReference(f"the placeholder {quoted(placeholder[0])} was not filled in", "whole")
    odd = _NOT_ASCII_GRAPH.search(image)
    if odd:
        raise InvalidReference(f"image {quoted(image)} {_odd_character(image)}", "whole")
    if image[0] in "\"'" or image[-1] in "\"'":
        raise InvalidReference(f"the quotes in {image[:_SHOWN]} are part of the image name: leave them out", "whole")
    scheme = _SCHEME.match(image)
    if scheme:
        raise InvalidReference(f"{quoted(scheme[0])} is no part of an image name: write registry/owner/name:tag", "whole")
    if _IDENTIFIER.fullmatch(image):
        raise InvalidReference("64 hexadecimal digits are an image's ID, not a name: write name@sha256:...", "whole")


def _odd_character(image: str) -> str:
    if image.isspace():
        return "is blank"
    for place, char in (("begins", image[0]), ("ends", image[-1])):
        if char.isspace():
            return f"{place} with a blank, {code_point(char)}"
    char = next(char for char in image if not "\x21" <= char <= "\x7e")
    if char.isspace():
        return f"has a blank in it, {code_point(char)}"
    if not char.isprintable():
        return f"has an invisible character in it, {code_point(char)}"
    return f"has a character that is not ASCII in it, {code_point(char)}"


def _check_registry(registry: str) -> None:
    if len(registry) > _LONGEST_HOST + len(":65535"):
        raise InvalidReference(
            f"registry {quoted(registry)} has {len(registry)} characters, a host name has at most {_LONGEST_HOST}",
            "registry",
        )
    # The grammar lets a registry with an underscore pass: it reads it as the first part of a path.
    if _DOMAIN.fullmatch(registry) or _COMPONENT.fullmatch(registry):
        return
    raise InvalidReference(f"registry {quoted(registry)} {_registry_fault(registry)}", "registry")


def _registry_fault(registry: str) -> str:
    if "@" in registry:
        return "has a user name or digest in it, it must be a host name and perhaps a port"
    host, colon, port = registry.rpartition(":")
    if registry.startswith("["):
        return "is no IPv6 address in brackets, like [::1]:5000"
    if ":" in host:
        return "has several colons: an IPv6 address must be in brackets, like [::1]:5000"
    if colon and not re.fullmatch("[0-9]+", port):
        return f"has no port number after the colon, but {quoted(port)}" if port else "has no port after the colon"
    if colon and not host:
        return "has no host name before the colon"
    host = host or registry
    wrong = re.search(r"[^A-Za-z0-9.-]", host)
    if wrong:
        return f"has the character {quoted(wrong[0])} in it, host names have letters, digits, - and ."
    if ".." in host or host.startswith(".") or host.endswith("."):
        return "has an empty part between its dots"
    return "has a part that begins or ends with -"


def _check_repository(image: str, registry: str, repository: str) -> None:
    # What was written when no registry was: "library/" is ours, and "Team/App" became a registry "Team".
    written = repository if repository in image else repository[len("library/") :]
    if not written:
        after = f" after {quoted(image)}" if image.endswith("/") else ""
        raise InvalidReference(f"the repository is missing{after}", "repository")
    if repository.lower() != repository:
        if not ("." in registry or ":" in registry or registry == "localhost"):
            written = f"{registry}/{repository}"
        raise InvalidReference(
            f"repository {quoted(written)} has upper-case letters, names must be lower case", "repository"
        )
    # A registry with an underscore counts, being read as a part of the path.
    path = repository if _DOMAIN.fullmatch(registry) else f"{registry}/{repository}"
    if len(path) > _LONGEST_REPOSITORY:
        raise InvalidReference(
            f"repository {quoted(path)} has {len(path)} characters, at most {_LONGEST_REPOSITORY} may be",
            "repository",
        )
    for component in repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            raise InvalidReference(f"repository {quoted(written)} {_component_fault(component)}", "repository")


def _component_fault(component: str) -> str:
    if not component:
        return "has an empty part: a / too many"
    wrong = re.search(r"[^a-z0-9._-]", component)
    if wrong:
        return f"has the character {quoted(wrong[0])} in it, names have lower-case letters, digits, ., _ and -"
    place = "begin" if component[0] in "._-" else "end" if component[-1] in "._-" else ""
    if place:
        return f"has a part that {place}s with {quoted(component[0 if place == 'begin' else -1])}, {quoted(component)}"
    return f"has separators side by side in {quoted(component)}: one ., one or two _, or several - may stand together"


def _check_tag(tag: str) -> None:
    if _TAG.fullmatch(tag):
        return
    if not tag:
        raise InvalidReference("the tag is empty after the colon", "tag")
    if ":" in tag:
        raise InvalidReference(f"there is a second colon in the tag {quoted(tag)}", "tag")
    if "/" in tag:
        raise InvalidReference(f"there is a / behind the tag, in {quoted(tag)}", "tag")
    if tag[0] in ".-":
        raise InvalidReference(f"tag {quoted(tag)} begins with {quoted(tag[0])}", "tag")
    wrong = re.search(r"[^A-Za-z0-9_.-]", tag)
    if wrong:
        raise InvalidReference(
            f"tag {quoted(tag)} has the character {quoted(wrong[0])} in it, tags have letters, digits, ., _ and -",
            "tag",
        )
    raise InvalidReference(f"tag {quoted(tag)} has {len(tag)} characters, at most 128 may be", "tag")


def _check_digest(digest: str) -> None:
    algorithm, colon, digits = digest.partition(":")
    size = _HEX_DIGITS.get(algorithm)
    if not digest:
        raise InvalidReference("the digest is empty after the @", "digest")
    if not colon:
        raise InvalidReference(f"digest {quoted(digest)} has no algorithm: write @sha256:...", "digest")
    if size is None:
        raise InvalidReference(
            f"digest {quoted(digest)} has the unknown algorithm {quoted(algorithm)}: sha256 is usual", "digest"
        )
    if len(digits) != size:
        raise InvalidReference(
            f"digest {quoted(digest)} has {len(digits)} hexadecimal digits, {algorithm} has {size}", "digest"
        )
    if not re.fullmatch("[a-f0-9]*", digits):
        upper = re.fullmatch("[a-fA-F0-9]*", digits)
        fault = "upper-case letters" if upper else "characters that are no hexadecimal digits"
        raise InvalidReference(f"digest {quoted(digest)} has {fault}", "digest")


def _suggestion(image: str) -> str | None:
    """The image with what is obviously wrong put right, if that can be parsed."""
    if len(image) > _LONGEST or _IDENTIFIER.fullmatch(image):
        return None
    text = "".join(char for char in image if char.isprintable() or char.isspace()).strip().strip("\"'").strip()
    while _SCHEME.match(text):
        text = _SCHEME.sub("", text, count=1)
    text = re.sub(r"/{2,}", "/", text.replace("\\", "/")).lstrip("/").rstrip(":@")
    if text.endswith("/") and "/" not in text[:-1]:
        return None  # a registry alone, or an owner
    text = text.rstrip("/")
    named, at, digest = text.partition("@")
    slash = named.rfind("/") + 1
    last, colon, tag = named[slash:].partition(":")
    first, _, rest = (named[:slash] + last).partition("/")
    keeps_case = rest and ("." in first or ":" in first)
    lowered = f"{first}/{rest.lower()}" if keeps_case else (named[:slash] + last).lower()
    for candidate in (text, f"{lowered}{colon}{tag}{at}{digest}", f"{lowered}{colon}{tag}{at}{digest.lower()}"):
        if candidate != image:
            try:
                _parse(candidate)
            except InvalidReference:
                continue
            return candidate
    return None
