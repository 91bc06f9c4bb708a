"""Image archives for tests: OCI layouts and docker archives of small images, as files in memory, a folder or a tar."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

Files = dict[str, bytes]
OCI = "application/vnd.oci.image"
INDEX, MANIFEST, CONFIG, LAYER = (
    f"{OCI}.index.v1+json",
    f"{OCI}.manifest.v1+json",
    f"{OCI}.config.v1+json",
    f"{OCI}.layer.v1.tar",
)
NAME, TAG = "io.containerd.image.name", "org.opencontainers.image.ref.name"
ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest"}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def tar(files: Mapping[str, Union[bytes, str]], *, links: Optional[Mapping[str, str]] = None) -> bytes:
    """links: symbolic ones, name to target."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            content = content.encode() if isinstance(content, str) else content
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return made.getvalue()


def layer(word: str) -> bytes:
    return tar({"app": word})


def config(layers: Iterable[bytes], platform: str = "linux/amd64") -> bytes:
    system, _, machine = platform.partition("/")
    rootfs = {"type": "layers", "diff_ids": [digest(one) for one in layers]}
    return text({"os": system, "architecture": machine, "rootfs": rootfs, "config": {}})


def kept(files: Files, content: bytes) -> str:
    """Puts a blob into a layout; its digest."""
    files[f"blobs/sha256/{digest(content)[7:]}"] = content
    return digest(content)


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}


def oci_image(files: Files, word: str, platform: str = "linux/amd64") -> dict[str, Any]:
    """Puts one platform's image of two layers into a layout; its descriptor."""
    layers = [layer(word), gzip.compress(layer(f"{word}, packed"), mtime=0)]
    own = config([layers[0], layer(f"{word}, packed")], platform)
    manifest = text(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(own, CONFIG),
            "layers": [described(layers[0], LAYER), described(layers[1], f"{LAYER}+gzip")],
        }
    )
    for content in (*layers, own, manifest):
        kept(files, content)
    system, _, machine = platform.partition("/")
    return described(manifest, MANIFEST, platform={"os": system, "architecture": machine})


def attestation(files: Files, of: Mapping[str, Any], *, there: bool = False) -> dict[str, Any]:
    manifest = text({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": [], "of": of["digest"]})
    if there:
        kept(files, manifest)
    platform = {"os": "unknown", "architecture": "unknown"}
    return described(manifest, MANIFEST, platform=platform, annotations=ATTESTATION)


def oci_index(files: Files, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    content = text({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    kept(files, content)
    return described(content, INDEX)


def layout(files: Files, *entries: Mapping[str, Any]) -> Files:
    """The files with what makes them an OCI layout of these entries."""
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    return {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": text(index), **files}


def named(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**entry, "annotations": {NAME: name, TAG: name.rpartition(":")[2]}}


def docker_files(word: str, *names: str, platform: str = "linux/amd64", packed: bool = False) -> Files:
    """As `docker save` wrote it up to version 24; packed: the second layer is, as bazel and jib write it."""
    layers = [layer(word), layer(f"{word}, more")]
    own = config(layers, platform)
    entry = {"Config": f"{digest(own)[7:]}.json", "RepoTags": list(names), "Layers": ["a/layer.tar", "b/layer.tar"]}
    second = gzip.compress(layers[1], mtime=0) if packed else layers[1]
    return {entry["Config"]: own, "a/layer.tar": layers[0], "b/layer.tar": second, "manifest.json": text([entry])}  # type: ignore[dict-item]


def as_folder(files: Files, root: Path) -> Path:
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return root
