"""An archive that holds one image and nothing else, as a stream: for whoever loads it into a container runtime.

It is what `docker save` writes since 25: an OCI image layout, and for one platform docker's manifest.json besides, so that
`ctr images import -`, `docker load` and `podman load` take it. Every blob that it names is in it, which is where
archives that others write fail ("content digest ... not found").
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional, Union

from pullcore.errors import CommandError, one_line
from pullcore.reference import InvalidReference, Reference, parse

from repull.archive import Archive
from repull.archivedimage import ArchivedImage, Blob, written
from repull.ocilayout import NAME, TAG, place_of

END = bytes(2 * tarfile.BLOCKSIZE)
CHUNK = 1024 * 1024


def write_stream(
    archive: Archive, image: ArchivedImage, names: Sequence[str], platforms: Optional[Collection[str]] = None
) -> tuple[int, Iterator[bytes]]:
    """The size of the stream in bytes, and its pieces, always the same ones. names: full references that the image gets;
    platforms: `linux/amd64` and so on, None for all that are there. Raises CommandError, also while it is read, where the
    image is for none of the platforms or the archive turns out to be damaged."""
    chosen = image if platforms is None else image.only(platforms)
    if not chosen.manifests:
        raise CommandError(f"{archive.shown}: {image.shown} is for {', '.join(image.platforms)} only")
    members = _members(chosen, [_parsed(name) for name in names])
    size = sum(tarfile.BLOCKSIZE + one.size + _padding(one.size) for one in members) + len(END)
    return size, _pieces(members)


@dataclass(frozen=True)
class _Member:
    name: str
    content: Union[bytes, Blob]

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size


def _parsed(name: str) -> Reference:
    try:
        return parse(name)
    except InvalidReference as error:
        raise CommandError(f"{one_line(name, 100)} is no name for an image: {error}") from None


def _members(image: ArchivedImage, names: Sequence[Reference]) -> list[_Member]:
    entries = [
        {
            "mediaType": image.media_type,
            "digest": image.digest,
            "size": len(image.content),
            **({} if image.is_index else {"platform": image.manifests[0].descriptor["platform"]}),
            **({"annotations": _annotations(name)} if name else {}),
        }
        for name in (names or (None,))
    ]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
    documents = {image.digest: image.content, **{one.digest: one.content for one in image.manifests}}
    # First, for it names nothing, and nothing is taken for docker's layout then.
    made = [_Member("oci-layout", written({"imageLayoutVersion": "1.0.0"}))]
    made += [_Member(place_of(digest), text) for digest, text in documents.items()]
    made += [_Member(place_of(blob.digest), blob) for blob in image.blobs if blob.digest not in documents]
    # Last: of a stream that breaks off containerd would make an image that lacks layers, and give it the name.
    if len(image.manifests) == 1:
        made.append(_Member("manifest.json", written([_for_docker(image, names)])))
    return [*made, _Member("index.json", written(index))]


def _annotations(name: Reference) -> dict[str, str]:
    """As runtimes name it: where there is a digest, they leave the tag away (containerd's ParseDockerRef)."""
    return {NAME: f"{name.name}@{name.digest}" if name.digest else str(name), **({TAG: name.tag} if name.tag else {})}


def _for_docker(image: ArchivedImage, names: Sequence[Reference]) -> dict[str, object]:
    config, *layers = (place_of(blob.digest) for blob in image.manifests[0].blobs)
    return {"Config": config, "RepoTags": [f"{one.name}:{one.tag}" for one in names if one.tag], "Layers": layers}


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


def _pieces(members: Sequence[_Member]) -> Iterator[bytes]:
    for one in members:
        header = tarfile.TarInfo(one.name)
        header.size, header.mode = one.size, 0o644
        yield header.tobuf(tarfile.GNU_FORMAT)
        if isinstance(one.content, bytes):
            yield one.content
        else:
            with one.content.open() as reader:
                while piece := reader.read(CHUNK):
                    yield piece
        yield bytes(_padding(one.size))
    yield END
