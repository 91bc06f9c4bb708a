"""Image archives: what `docker save`, podman, skopeo, buildx and others write, as images, manifests and blobs.

Two layouts, each as a tar, a tar packed by gzip, or a folder: the OCI image layout (oci-layout, index.json, blobs/), and
docker's (manifest.json, a config and layers), for which a manifest is made here. `docker save` since 25 writes both in one;
then the OCI one counts. Of layers nothing is read here but those of docker's layout that are compressed; each is checked
against its digest while it is read later.

An archive often names more than it holds: an image pulled for one platform is saved with the index of all, and with
attestations of which nothing was pulled. What is absent is left out of the image, which then has an index and a digest of
its own, and is told in `notes`.

Sources: the OCI image-spec (image-layout.md, image-index.md, manifest.md, annotations.md); moby's image/tarexport;
containerd's core/images/archive/importer.go; docker's docs on attestation storage ("vnd.docker.reference.type").
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, Optional, Union

from pullcore.answers import INDEXES, MANIFESTS
from pullcore.errors import CommandError, one_line

from repull.archivefiles import GZIP, PIECE, Files, Piece, Reader, content, open_files

DOCUMENT = 4 * 1024 * 1024  # bytes of an index, a manifest or a config: what registries have to take (distribution spec)
DOCUMENTS = 64 * 1024 * 1024  # bytes of all of them together, for they are held in memory
IMAGES = 500  # of one archive
LAYERS = 500  # of one image
DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
NAME, TAG = "io.containerd.image.name", "org.opencontainers.image.ref.name"
ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")
CONFIGS = ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json")
LAYER = "application/vnd.docker.image.rootfs.diff.tar"  # of docker's schema 2, which old registries know, too
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

    def only(self, platforms: Collection[str]) -> ArchivedImage:
        """The image for these platforms alone (as `platforms` has them); itself where it is for no other. With no manifest
        in it where it is for none of them."""
        chosen = tuple(one for one in self.manifests if one.platform in platforms)
        if len(chosen) == len(self.manifests):
            return self
        return _reduced(self, chosen) if chosen else replace(self, manifests=(), reduced=True)


class Archive:
    """An open archive; to be closed, which ends the reading of its blobs. notes: one line each, of what was left out."""

    def __init__(self, files: Files, images: tuple[ArchivedImage, ...], notes: tuple[str, ...]) -> None:
        self.shown = files.shown
        self.images = images
        self.notes = notes
        self._files = files

    def close(self) -> None:
        self._files.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def read(path: Union[str, PurePath]) -> Archive:
    """The images of an archive, which stays open. A tar packed by gzip is unpacked first, into a temporary file in TMPDIR
    or beside it (see archivefiles). Raises CommandError where it is no image archive, is damaged or cut off, or holds no
    image whole."""
    files = open_files(Path(path).expanduser())
    try:
        reading = _Reading(files)
        if (index := content(files, "index.json", DOCUMENT)) is not None:
            images = reading.oci(index)
        elif (listed := content(files, "manifest.json", DOCUMENT)) is not None:
            images = reading.docker(listed)
        else:
            raise CommandError(
                f"{files.shown} is no image archive: it has neither index.json (OCI layout) nor manifest.json (docker save)"
            )
        if not images:
            missing = "; ".join(reading.notes)
            raise CommandError(f"{files.shown} holds no image" + (f": {missing}" if missing else ""))
        return Archive(files, images, tuple(dict.fromkeys(reading.notes)))
    except BaseException:
        files.close()
        raise


class _Absent(Exception):
    """Something that an archive names is not in it; str(): what."""


class _Reading:
    """What is found out while an archive is read."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.notes: list[str] = []
        self._documents: dict[str, bytes] = {}  # by their digests: many indexes may name the same ones
        self._held = 0

    def damaged(self, text: str) -> CommandError:
        return CommandError(f"{self.files.shown}: {text}")

    # The OCI layout

    def oci(self, index: bytes) -> tuple[ArchivedImage, ...]:
        found: dict[str, ArchivedImage] = {}
        for entry in self._listed(self._document(index, "index.json"), "manifests", "index.json"):
            if _is_attestation(entry):
                continue
            digest, _ = self._addressed(entry)
            names = _names_of(entry)
            if digest in found:
                found[digest] = replace(found[digest], names=_together(found[digest].names, names))
                continue
            try:
                image = self._image(entry, names)
            except _Absent as error:
                self.notes.append(f"{one_line((*names, digest[:19])[0], 200)} is left out: {error}")
                continue
            if image:
                found[digest] = image
            if len(found) > IMAGES:
                raise self.damaged(f"more than {IMAGES} images")
        return tuple(found.values())

    def _image(self, entry: Object, names: tuple[str, ...]) -> Optional[ArchivedImage]:
        """What an entry of index.json stands for; None where that is no image. Raises _Absent."""
        digest, text = self._addressed(entry)[0], self._own(entry)
        document = self._document(text, digest[:19])
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
        for one in self._listed(document, "manifests", digest[:19]):
            own = self._addressed(one)[0]
            if own in seen:
                continue  # the content stays as it is, with the repetition
            seen.add(own)
            made = self._of_index(one, whole.shown)
            left_out += made is None
            manifests += [made] if made else []
        if not manifests:
            raise _Absent("no platform of it is whole in the archive")
        return _reduced(whole, tuple(manifests)) if left_out else replace(whole, manifests=tuple(manifests))

    def _of_index(self, entry: Object, shown: str) -> Optional[Manifest]:
        """The image of one platform; None, with a note, for what is absent or no image."""
        if _is_attestation(entry):
            self.notes.append(f"{shown}: attestations are left out")
            return None
        digest = self._addressed(entry)[0]
        named = _platform(entry.get("platform"))
        try:
            text = self._own(entry)
            document = self._document(text, digest[:19])
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
        config = self._document(self._own(first), "config of " + digest[:19])
        platform = _platform(entry.get("platform")) or _platform(config)
        if platform is None:
            raise self.damaged(f"{digest[:19]} does not tell its platform")
        blobs = tuple(self._blob(one) for one in (first, *self._listed(document, "layers", digest[:19], LAYERS)))
        descriptor = {**entry, "platform": entry.get("platform") or _described(platform)}
        return Manifest(media_type, text, digest, *platform, blobs, descriptor)

    def _own(self, descriptor: Object) -> bytes:
        """A document that the archive holds, checked. Raises _Absent."""
        digest, size = self._addressed(descriptor)
        known = self._documents.get(digest)
        text = content(self.files, place_of(digest), DOCUMENT) if known is None else known
        if text is None:
            raise _Absent(f"{digest[:19]} is not in the archive")
        algorithm, _, expected = digest.partition(":")
        if len(text) != size or (known is None and hashlib.new(algorithm, text).hexdigest() != expected):
            raise self.damaged(f"{digest[:19]} does not have the content that its digest stands for: the archive is damaged")
        if known is None:
            self._hold(text)
            self._documents[digest] = text
        return text

    def _hold(self, text: bytes) -> None:
        self._held += len(text)
        if self._held > DOCUMENTS:
            raise self.damaged(f"more than {DOCUMENTS >> 20} MiB of manifests and configs")

    def _blob(self, descriptor: Object) -> Blob:
        digest, size = self._addressed(descriptor)
        piece = self.files.find(place_of(digest))
        if piece is None:
            raise _Absent(f"{digest[:19]} is not in the archive")
        if piece.size != size:
            raise self.damaged(f"{digest[:19]} has {piece.size} bytes instead of {size}: the archive is damaged")
        media_type = descriptor.get("mediaType")
        return Blob(digest, size, media_type if isinstance(media_type, str) else "", piece, self.files.shown)

    def _addressed(self, descriptor: Object) -> tuple[str, int]:
        """The digest and size that a descriptor names."""
        digest, size = descriptor.get("digest"), descriptor.get("size")
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise self.damaged(f"{one_line(digest, 80)!r} is no digest")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self.damaged(f"{digest[:19]} has no size")
        return digest, size

    def _type(self, entry: Object, document: Object) -> str:
        """The descriptor's word, and that of the document where there is none."""
        found = entry.get("mediaType") or document.get("mediaType")
        return found if isinstance(found, str) else ""

    # docker's

    def docker(self, text: bytes) -> tuple[ArchivedImage, ...]:
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            listed = None
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed) or len(listed) > IMAGES:
            raise self.damaged("manifest.json is not what docker save writes")
        found: dict[str, ArchivedImage] = {}
        for entry in listed:
            image = self._saved(entry)
            known = found.get(image.digest)
            found[image.digest] = replace(known, names=_together(known.names, image.names)) if known else image
        return tuple(found.values())

    def _saved(self, entry: Object) -> ArchivedImage:
        named, layers = entry.get("Config"), entry.get("Layers") or []
        names = entry.get("RepoTags") or []
        if not isinstance(named, str) or not _are_texts(layers) or not _are_texts(names) or len(layers) > LAYERS:
            raise self.damaged("manifest.json is not what docker save writes")
        text = content(self.files, named, DOCUMENT)
        self._hold(text or b"")
        piece = self.files.find(named)
        if text is None or piece is None:
            raise self.damaged(f"{one_line(named, 80)} is missing: the archive is damaged")
        stem = PurePath(named).stem  # its name is its digest, unless somebody else than docker wrote it
        digest = hashlib.sha256(text).hexdigest()
        if re.fullmatch("[a-f0-9]{64}", stem) and stem != digest:
            raise self.damaged(f"{one_line(named, 80)} does not have the content that its name stands for")
        config = self._document(text, "config " + one_line(named, 80))
        platform = _platform(config)
        if platform is None:
            raise self.damaged(f"{one_line(named, 80)} does not tell its platform")
        blobs = (
            Blob(f"sha256:{digest}", len(text), CONFIGS[0], piece, self.files.shown),
            *self._layers(layers, config, one_line(named, 80)),
        )
        return _made_for(names, platform, blobs)

    def _layers(self, names: list[str], config: Object, shown: str) -> Iterable[Blob]:
        rootfs = config.get("rootfs")
        ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(ids, list) or len(ids) != len(names) or not all(_is_digest(one) for one in ids):
            raise self.damaged(f"{shown} does not name the layers that manifest.json does")
        for name, plain in zip(names, ids):
            piece = self.files.find(name)
            if piece is None:
                raise self.damaged(f"layer {one_line(name, 100)} is missing: the archive is damaged")
            with Reader(piece, self.files.shown) as reader:
                packed = (reader.read(2) or b"") == GZIP
            # The digest of a plain layer is in the config; as any digest it is checked when the layer is read.
            digest = self._computed(piece) if packed else plain
            yield Blob(digest, piece.size, LAYER + (".gzip" if packed else ""), piece, self.files.shown)

    def _computed(self, piece: Piece) -> str:
        computed = hashlib.sha256()
        with Reader(piece, self.files.shown) as reader:
            while part := reader.read(PIECE):
                computed.update(part)
        return f"sha256:{computed.hexdigest()}"

    # JSON that is not ours

    def _document(self, text: bytes, what: str) -> Object:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self.damaged(f"{what} is not the JSON that it should be")
        return document

    def _listed(self, document: Object, name: str, what: str, most: int = IMAGES) -> list[Object]:
        listed = document.get(name)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed) or len(listed) > most:
            raise self.damaged(f"{what} has no list of {name} that can be read")
        return listed


def _made_for(names: Iterable[str], platform: tuple[str, str], blobs: tuple[Blob, ...]) -> ArchivedImage:
    """docker's schema 2 manifest of a config and its layers."""
    media_type = MANIFESTS[0]
    described = [{"mediaType": blob.media_type, "size": blob.size, "digest": blob.digest} for blob in blobs]
    text = written({"schemaVersion": 2, "mediaType": media_type, "config": described[0], "layers": described[1:]})
    digest = digest_of(text)
    descriptor = {"mediaType": media_type, "digest": digest, "size": len(text), "platform": _described(platform)}
    manifest = Manifest(media_type, text, digest, *platform, blobs, descriptor)
    return ArchivedImage(tuple(dict.fromkeys(names)), media_type, text, digest, (manifest,))


def _reduced(image: ArchivedImage, manifests: tuple[Manifest, ...]) -> ArchivedImage:
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


def place_of(digest: str) -> str:
    """Where the OCI layout keeps what has this digest."""
    return f"blobs/{digest.replace(':', '/')}"


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(DIGEST.fullmatch(value))


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)


def _together(names: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, *more)))


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


def _platform(value: Any) -> Optional[tuple[str, str]]:
    """`linux/arm`, `v7`: what a config or the platform of a descriptor tells; None where it tells nothing."""
    if not isinstance(value, dict):
        return None
    system, machine, variant = value.get("os"), value.get("architecture"), value.get("variant")
    if not isinstance(system, str) or not isinstance(machine, str):
        return None
    if not re.fullmatch(r"[\w.]{1,40}/[\w.]{1,40}", f"{system}/{machine}"):
        return None
    return f"{system}/{machine}", variant if isinstance(variant, str) and re.fullmatch(r"[\w.]{1,20}", variant) else ""


def _described(platform: tuple[str, str]) -> Object:
    system, _, machine = platform[0].partition("/")
    return {"os": system, "architecture": machine, **({"variant": platform[1]} if platform[1] else {})}
