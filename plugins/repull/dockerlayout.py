"""docker's own layout (manifest.json, a config and layers for each image), which has no manifests: they are made here.

Of layers only those that are compressed are read, for docker tells the digest of a plain one alone; each is checked against
its digest while it is read later.

Source: moby's image/tarexport.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from pullcore.answers import MANIFESTS
from pullcore.errors import one_line

from repull.archivedimage import (
    CONFIGS,
    ArchivedImage,
    Blob,
    Manifest,
    Object,
    described,
    digest_of,
    is_digest,
    platform_in,
    written,
)
from repull.archivedocuments import IMAGES, LAYERS, Documents
from repull.archivefiles import GZIP, PIECE, Piece, Reader

LAYER = "application/vnd.docker.image.rootfs.diff.tar"  # of docker's schema 2, which old registries know, too


def images_of(text: bytes, documents: Documents) -> tuple[ArchivedImage, ...]:
    """The images that manifest.json names. Raises CommandError where the archive is damaged."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed) or len(listed) > IMAGES:
        raise documents.damaged("manifest.json is not what docker save writes")
    found: dict[str, ArchivedImage] = {}
    for entry in listed:
        image = _image(entry, documents)
        known = found.get(image.digest)
        found[image.digest] = known.also_named(image.names) if known else image
    return tuple(found.values())


def _image(entry: Object, documents: Documents) -> ArchivedImage:
    named, layers = entry.get("Config"), entry.get("Layers") or []
    names = entry.get("RepoTags") or []
    if not isinstance(named, str) or not _are_texts(layers) or not _are_texts(names) or len(layers) > LAYERS:
        raise documents.damaged("manifest.json is not what docker save writes")
    text = documents.read(named)
    documents.hold(text or b"")
    piece = documents.files.find(named)
    if text is None or piece is None:
        raise documents.damaged(f"{one_line(named, 80)} is missing: the archive is damaged")
    stem = PurePath(named).stem  # its name is its digest, unless somebody else than docker wrote it
    digest = hashlib.sha256(text).hexdigest()
    if re.fullmatch("[a-f0-9]{64}", stem) and stem != digest:
        raise documents.damaged(f"{one_line(named, 80)} does not have the content that its name stands for")
    config = documents.parsed(text, "config " + one_line(named, 80))
    platform = platform_in(config)
    if platform is None:
        raise documents.damaged(f"{one_line(named, 80)} does not tell its platform")
    blobs = (
        Blob(f"sha256:{digest}", len(text), CONFIGS[0], piece, documents.files.shown),
        *_layers(layers, config, one_line(named, 80), documents),
    )
    return _made_for(names, platform, blobs)


def _layers(names: list[str], config: Object, shown: str, documents: Documents) -> Iterable[Blob]:
    rootfs = config.get("rootfs")
    ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(ids, list) or len(ids) != len(names) or not all(is_digest(one) for one in ids):
        raise documents.damaged(f"{shown} does not name the layers that manifest.json does")
    for name, plain in zip(names, ids):
        piece = documents.files.find(name)
        if piece is None:
            raise documents.damaged(f"layer {one_line(name, 100)} is missing: the archive is damaged")
        with Reader(piece, documents.files.shown) as reader:
            packed = (reader.read(2) or b"") == GZIP
        # The digest of a plain layer is in the config; as any digest it is checked when the layer is read.
        digest = _computed(piece, documents.files.shown) if packed else plain
        yield Blob(digest, piece.size, LAYER + (".gzip" if packed else ""), piece, documents.files.shown)


def _computed(piece: Piece, shown: str) -> str:
    computed = hashlib.sha256()
    with Reader(piece, shown) as reader:
        while part := reader.read(PIECE):
            computed.update(part)
    return f"sha256:{computed.hexdigest()}"


def _made_for(names: Iterable[str], platform: tuple[str, str], blobs: tuple[Blob, ...]) -> ArchivedImage:
    """docker's schema 2 manifest of a config and its layers."""
    media_type = MANIFESTS[0]
    contents = [{"mediaType": blob.media_type, "size": blob.size, "digest": blob.digest} for blob in blobs]
    text = written({"schemaVersion": 2, "mediaType": media_type, "config": contents[0], "layers": contents[1:]})
    digest = digest_of(text)
    descriptor = {"mediaType": media_type, "digest": digest, "size": len(text), "platform": described(platform)}
    manifest = Manifest(media_type, text, digest, *platform, blobs, descriptor)
    return ArchivedImage(tuple(dict.fromkeys(names)), media_type, text, digest, (manifest,))


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)
