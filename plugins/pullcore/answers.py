"""What registries answered to this machine, as plain values: a part of the evidence, saved and loaded with it.

They hold no credential: which one was used is told by its label, which says no more than which ones are equal. Texts of
registries in them are one line, escaped, with every credential that was sent cut out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

# What the registry says of a manifest to one credential, or to nobody.
PRESENT, ABSENT, DENIED, UNKNOWN = "present", "absent", "denied", "unknown"
# What became of an attempt: the credential was good enough, it was refused, or it could not be found out.
ACCEPTED, REFUSED, ERROR = "accepted", "refused", "error"

INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
MANIFESTS = ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json")

T = TypeVar("T")
Object = dict[str, Any]


@dataclass(frozen=True)
class Certificate:
    """The facts of a registry's certificate. Times are RFC 3339 in UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str


@dataclass(frozen=True)
class Limit:
    """How many pulls a registry still allows: to `account`, or (None) to the address that asks."""

    remaining: int
    total: Optional[int] = None
    seconds: Optional[int] = None
    account: Optional[str] = None


@dataclass(frozen=True)
class Reach:
    """One registry as this machine sees it. `cause` and `detail` say why it cannot be asked; empty where it answers.

    registry: as images name it; url: what was asked, such as `https://registry-1.docker.io`. signs_in: `none`, `basic`,
    `bearer`, or the name of a scheme that no runtime speaks. token_service: where it sends for tokens, if that is another
    host. vouched: its identity is certain: by its certificate, or because the user named it as plain or not to be verified;
    a plain registry on this machine's own address may be another one than the nodes reach.
    """

    registry: str
    url: str
    milliseconds: Optional[int] = None
    signs_in: str = "none"
    token_service: Optional[str] = None
    certificate: Optional[Certificate] = None
    vouched: bool = True
    verified: bool = True
    proxy: Optional[str] = None
    cause: str = ""
    detail: str = ""
    limit: Optional[Limit] = None

    @property
    def answers(self) -> bool:
        return not self.cause


@dataclass(frozen=True)
class Answer:
    """What a registry says of one manifest to one credential; `credential` is its label, None for nobody.

    status and code: of HTTP and of the registry's error, where there were any. cause: of the catalogue, empty for a
    manifest that is there. digest and media_type: of the manifest. proven: the registry has accepted the credential.
    """

    image: str
    credential: Optional[str]
    state: str
    result: str
    status: Optional[int] = None
    code: Optional[str] = None
    cause: str = ""
    detail: str = ""
    digest: Optional[str] = None
    media_type: str = ""
    proven: bool = False

    @property
    def is_index(self) -> bool:
        """Whether the manifest is a list of several, one for each platform."""
        return self.media_type in INDEXES


@dataclass(frozen=True)
class Tags:
    """What a repository has besides the tag that it lacks: the nearest ones, and how many there are in all.

    exists: whether the registry knows the repository at all; None where it does not say. complete: all tags were seen.
    """

    name: str
    tag: Optional[str]
    exists: Optional[bool]
    nearest: tuple[str, ...] = ()
    total: int = 0
    complete: bool = True


@dataclass(frozen=True)
class Content:
    """For which platforms an image is built: `linux/amd64`. index: it is a list of several; a single manifest is pulled
    anywhere, and fails at start where it does not fit."""

    image: str
    platforms: tuple[str, ...]
    index: bool


@dataclass(frozen=True)
class Answers:
    """All that was asked of registries in one run."""

    reaches: tuple[Reach, ...] = ()
    answers: tuple[Answer, ...] = ()
    tags: tuple[Tags, ...] = ()
    contents: tuple[Content, ...] = ()
    requests: int = field(default=0, compare=False)

    @cached_property
    def by_registry(self) -> Mapping[str, Reach]:
        return {one.registry: one for one in self.reaches}

    @cached_property
    def by_attempt(self) -> Mapping[tuple[str, Optional[str]], Answer]:
        return {(one.image, one.credential): one for one in self.answers}

    @cached_property
    def by_image(self) -> Mapping[str, Content]:
        return {one.image: one for one in self.contents}

    @cached_property
    def by_name(self) -> Mapping[tuple[str, Optional[str]], Tags]:
        return {(one.name, one.tag): one for one in self.tags}


def to_document(answers: Answers) -> Object:
    return asdict(answers)


def from_document(document: Object) -> Answers:
    """Reads back what `to_document` wrote. Raises ValueError, KeyError or TypeError for a document that is damaged."""
    return _read(Answers, document)


def _read(kind: type[T], document: Any) -> T:
    """A dataclass out of its JSON: every field of its type, so that damaged evidence does not reach the rules."""
    if not isinstance(document, dict):
        raise ValueError(f"a {kind.__name__} is no object")
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _value(hints[name], value, name) for name, value in document.items() if name in known})


def _value(hint: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Union:
        return None if value is None else _value(inner[0], value, name)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{name} is no list")
        return tuple(_value(inner[0], one, name) for one in value)
    if hint in (str, int, bool):
        if type(value) is not hint:
            raise ValueError(f"{name} is no {hint.__name__}")
        return value
    return _read(hint, value)
