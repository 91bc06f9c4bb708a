"""The OCI image layout (oci-layout, index.json, blobs/): its images, as far as they are there.

An archive often names more than it holds: an image pulled for one platform is saved with the index of all, and with
attestations of which nothing was pulled. What is absent is left out of the image, and told in the notes.

Sources: the OCI image-spec (image-layout.md, image-index.md, manifest.md, annotations.md); containerd's
core/images/archive/importer.go; docker's docs on attestation storage ("vnd.docker.reference.type").
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Optional

from pullcore.answers import INDEXES, MANIFESTS
from pullcore.errors import one_line

from repull.archivedimage import CONFIGS, ArchivedImage, Blob, Manifest, Object, described, is_digest, platform_in, reduced
from repull.archivedocuments import IMAGES, LAYERS, Documents

NAME, TAG = "io.containerd.image.name", "org.opencontainers.image.ref.name"
ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")


def images_of(index: bytes, documents: Documents) -> tuple[tuple[ArchivedImage, ...], list[str]]:
    """The images that index.json names, and notes, one line each, of what was left out. Raises CommandError where the
    archive is damaged."""
    reading = _Reading(documents)
    return reading.images(index), reading.notes


class _Absent(Exception):
    """Something that an archive names is not in it; str(): what."""


class _Reading:
    """What is found out while a layout is read."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.notes: list[str] = []
        self._known: dict[str, bytes] = {}  # by their digests: many indexes may name the same ones

    def images(self, index: bytes) -> tuple[ArchivedImage, ...]:
        found: dict[str, ArchivedImage] = {}
        for entry in self.documents.listed(self.documents.parsed(index, "index.json"), "manifests", "index.json"):
            if _is_attestation(entry):
                continue
            digest, _ = self._addressed(entry)
            names = _names_of(entry)
            if digest in found:
                found[digest] = found[digest].also_named(names)
                continue
            try:
                image = self._image(entry, names)
            except _Absent as error:
                self.notes.append(f"{one_line((*names, digest[:19])[0], 200)} is left out: {error}")
                continue
            if image:
                found[digest] = image
            if len(found) > IMAGES:
                raise self.documents.damaged(f"more than {IMAGES} images")
        return tuple(found.values())

    def _image(self, entry: Object, names: tuple[str, ...]) -> Optional[ArchivedImage]:
        """What an entry of index.json stands for; None where that is no image. Raises _Absent."""
        digest, text = self._addressed(entry)[0], self._own(entry)
        document = self.documents.parsed(text, digest[:19])
        media_type = self._type(entry, document)
        if media_type in MANIFESTS:
            made = self._manifest(entry, text, document, media_type)
            return ArchivedImage(names, media_type, text, digest, (made,)) if made else None
        if media_type not in INDEXES:
            self.notes.append(f"{digest[:19]} is left out: no image, but {one_line(media_type, 80) or 'of no known type'}")
            return None
        whole = ArchivedImage(names, media_type, text, digest, ())
        manifests, left_out = [], 0
        seen: set[str] = set()
        for one in self.documents.listed(document, "manifests", digest[:19]):
            own = self._addressed(one)[0]
            if own in seen:
                continue  # the content stays as it is, with the repetition
            seen.add(own)
            made = self._of_index(one, whole.shown)
            left_out += made is None
            manifests += [made] if made else []
        if not manifests:
            raise _Absent("no platform of it is whole in the archive")
        return reduced(whole, tuple(manifests)) if left_out else replace(whole, manifests=tuple(manifests))

    def _of_index(self, entry: Object, shown: str) -> Optional[Manifest]:
        """The image of one platform; None, with a note, for what is absent or no image."""
        if _is_attestation(entry):
            self.notes.append(f"{shown}: attestations are left out")
            return None
        digest = self._addressed(entry)[0]
        named = platform_in(entry.get("platform"))
        try:
            text = self._own(entry)
            document = self.documents.parsed(text, digest[:19])
            media_type = self._type(entry, document)
            if media_type not in MANIFESTS:
                self.notes.append(f"{shown}: {digest[:19]} is left out: {one_line(media_type, 80) or 'of no known type'}")
                return None
            return self._manifest(entry, text, document, media_type)
        except _Absent as error:
            what = named[0] if named else digest[:19]
            self.notes.append(f"{shown}: {what} is left out: {error}")
            return None

    def _manifest(self, entry: Object, text: bytes, document: Object, media_type: str) -> Optional[Manifest]:
        """Raises _Absent where its config or a layer is. None for what is no image (a chart, a signature)."""
        digest = self._addressed(entry)[0]
        first = document.get("config")
        if not isinstance(first, dict) or first.get("mediaType") not in CONFIGS:
            self.notes.append(f"{digest[:19]} is left out: it is no container image")
            return None
        config = self.documents.parsed(self._own(first), "config of " + digest[:19])
        platform = platform_in(entry.get("platform")) or platform_in(config)
        if platform is None:
            raise self.documents.damaged(f"{digest[:19]} does not tell its platform")
        blobs = tuple(self._blob(one) for one in (first, *self.documents.listed(document, "layers", digest[:19], LAYERS)))
        descriptor = {**entry, "platform": entry.get("platform") or described(platform)}
        return Manifest(media_type, text, digest, *platform, blobs, descriptor)

    def _own(self, descriptor: Object) -> bytes:
        """A document that the archive holds, checked. Raises _Absent."""
        digest, size = self._addressed(descriptor)
        known = self._known.get(digest)
        text = self.documents.read(place_of(digest)) if known is None else known
        if text is None:
            raise _Absent(f"{digest[:19]} is not in the archive")
        algorithm, _, expected = digest.partition(":")
        if len(text) != size or (known is None and hashlib.new(algorithm, text).hexdigest() != expected):
            what = f"{digest[:19]} does not have the content that its digest stands for"
            raise self.documents.damaged(f"{what}: the archive is damaged")
        if known is None:
            self.documents.hold(text)
            self._known[digest] = text
        return text

    def _blob(self, descriptor: Object) -> Blob:
        digest, size = self._addressed(descriptor)
        piece = self.documents.files.find(place_of(digest))
        if piece is None:
            raise _Absent(f"{digest[:19]} is not in the archive")
        if piece.size != size:
            raise self.documents.damaged(f"{digest[:19]} has {piece.size} bytes instead of {size}: the archive is damaged")
        media_type = descriptor.get("mediaType")
        return Blob(digest, size, media_type if isinstance(media_type, str) else "", piece, self.documents.files.shown)

    def _addressed(self, descriptor: Object) -> tuple[str, int]:
        """The digest and size that a descriptor names."""
        digest, size = descriptor.get("digest"), descriptor.get("size")
        if not isinstance(digest, str) or not is_digest(digest):
            raise self.documents.damaged(f"{one_line(digest, 80)!r} is no digest")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self.documents.damaged(f"{digest[:19]} has no size")
        return digest, size

    def _type(self, entry: Object, document: Object) -> str:
        """The descriptor's word, and that of the document where there is none."""
        found = entry.get("mediaType") or document.get("mediaType")
        return found if isinstance(found, str) else ""


def place_of(digest: str) -> str:
    """Where the OCI layout keeps what has this digest."""
    return f"blobs/{digest.replace(':', '/')}"


def _names_of(entry: Object) -> tuple[str, ...]:
    """The full name of an entry of index.json; what is only a tag (skopeo, buildx) names nothing by itself."""
    annotations = entry.get("annotations")
    if not isinstance(annotations, dict):
        return ()
    name = annotations.get(NAME) or annotations.get(TAG)
    return (name,) if isinstance(name, str) and re.search("[/:]", name) else ()


def _is_attestation(entry: Object) -> bool:
    annotations = entry.get("annotations")
    if isinstance(annotations, dict) and annotations.get(ATTESTATION[0]) == ATTESTATION[1]:
        return True
    platform = entry.get("platform")
    return isinstance(platform, dict) and "unknown" in (platform.get("os"), platform.get("architecture"))
