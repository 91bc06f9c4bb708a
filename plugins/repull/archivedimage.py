"""The images of an archive as plain values: blobs, a manifest for each platform, and an index over several.

An image never names what the archive does not hold: `reduced` makes the image of fewer platforms, which has an index (or the
one manifest) and a digest of its own.

Sources: the OCI image-spec (image-index.md, manifest.md, descriptor.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from pullcore.answers import INDEXES
from pullcore.errors import one_line

from repull.archivefiles import Piece, Reader

CONFIGS = ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json")
DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
Object = dict[str, Any]


@dataclass(frozen=True)
class Blob:
    """A config or a layer that an archive holds. size: bytes."""

    digest: str
    size: int
    media_type: str
    _piece: Piece = field(repr=False)
    _shown: str = field(repr=False)

    def open(self, start: int = 0) -> Reader:
        """Its bytes, read where they are, and checked against the digest if they are read from the first on. Reading raises
        CommandError."""
        return Reader(self._piece, self._shown, "" if start else self.digest, start)


@dataclass(frozen=True)
class Manifest:
    """The image of one platform: `linux/amd64`, its variant (`v7`, or nothing) apart; its config is the first of its blobs.
    `descriptor` is how its index names it."""

    media_type: str
    content: bytes = field(repr=False)
    digest: str
    platform: str
    variant: str
    blobs: tuple[Blob, ...]
    descriptor: Object = field(repr=False)


@dataclass(frozen=True)
class ArchivedImage:
    """An image as far as the archive holds it: one manifest, or an index of several platforms' manifests.

    names: full references as written, without those that are only a tag; media_type, content, digest: of what the names
    stand for; reduced: it is less than what was archived, so that the digest is its own.
    """

    names: tuple[str, ...]
    media_type: str
    content: bytes = field(repr=False)
    digest: str
    manifests: tuple[Manifest, ...]
    reduced: bool = False

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    @property
    def shown(self) -> str:
        return one_line(self.names[0], 200) if self.names else self.digest[:19]

    @property
    def platforms(self) -> tuple[str, ...]:
        """`linux/amd64` and so on, without variants, as nodes tell theirs."""
        return tuple(dict.fromkeys(one.platform for one in self.manifests))

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All configs and layers, each once, in the order of the manifests."""
        return tuple({blob.digest: blob for one in self.manifests for blob in one.blobs}.values())

    def also_named(self, names: Iterable[str]) -> ArchivedImage:
        return replace(self, names=tuple(dict.fromkeys((*self.names, *names))))

    def only(self, platforms: Collection[str]) -> ArchivedImage:
        """The image for these platforms alone (as `platforms` has them); itself where it is for no other. With no manifest
        in it where it is for none of them."""
        chosen = tuple(one for one in self.manifests if one.platform in platforms)
        if len(chosen) == len(self.manifests):
            return self
        return reduced(self, chosen) if chosen else replace(self, manifests=(), reduced=True)


def reduced(image: ArchivedImage, manifests: tuple[Manifest, ...]) -> ArchivedImage:
    """An image of fewer platforms; that of one alone needs no index."""
    if len(manifests) == 1:
        (one,) = manifests
        return ArchivedImage(image.names, one.media_type, one.content, one.digest, manifests, reduced=True)
    index = {
        "schemaVersion": 2,
        "mediaType": image.media_type,
        "manifests": [one.descriptor for one in manifests],
    }
    text = written(index)
    return replace(image, content=text, digest=digest_of(text), manifests=manifests, reduced=True)


def written(value: Any) -> bytes:
    """JSON, always the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest_of(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(DIGEST.fullmatch(value))


def platform_in(value: Any) -> Optional[tuple[str, str]]:
    """`linux/arm`, `v7`: what a config or the platform of a descriptor tells; None where it tells nothing."""
    if not isinstance(value, dict):
        return None
    system, machine, variant = value.get("os"), value.get("architecture"), value.get("variant")
    if not isinstance(system, str) or not isinstance(machine, str):
        return None
    if not re.fullmatch(r"[\w.]{1,40}/[\w.]{1,40}", f"{system}/{machine}"):
        return None
    return f"{system}/{machine}", variant if isinstance(variant, str) and re.fullmatch(r"[\w.]{1,20}", variant) else ""


def described(platform: tuple[str, str]) -> Object:
    """The same as a descriptor has it."""
    system, _, machine = platform[0].partition("/")
    return {"os": system, "architecture": machine, **({"variant": platform[1]} if platform[1] else {})}
