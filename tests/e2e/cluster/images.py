"""The test images: one layer with one program, put together here and pushed through the registries' HTTP API."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import ssl
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from .model import Registry
from .processes import HarnessError

TYPE = "application/vnd.docker.distribution.manifest"
OCI = "application/vnd.oci.image"
ACCEPT = f"{TYPE}.v2+json, {TYPE}.list.v2+json, {OCI}.manifest.v1+json, {OCI}.index.v1+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PAUSE = "localhost/pullkit-pause:1"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def layer_of(files: dict[str, bytes]) -> bytes:
    """A layer with these files, not compressed."""
    return _tar(files)


def config_of(layer: bytes, name: str, architecture: str = "amd64") -> bytes:
    """The configuration of an image of one layer; the name goes into its labels."""
    return _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/app"], "Labels": {"name": name}},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        }
    )


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class Image:
    """One platform's image, ready to be pushed or packed."""

    architecture: str
    layer: bytes  # the plain tar
    compressed: bytes
    config: bytes
    manifest: bytes


def build(program: bytes, name: str, architecture: str = "amd64") -> Image:
    """The name goes into the image's labels, so that every image has a digest of its own."""
    layer = _tar({"app": program})
    compressed = gzip.compress(layer, 6, mtime=0)
    config = config_of(layer, name, architecture)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{TYPE}.v2+json",
            "config": {"mediaType": CONFIG_TYPE, "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": LAYER_TYPE, "size": len(compressed), "digest": digest(compressed)}],
        }
    )
    return Image(architecture, layer, compressed, config, manifest)


def index(images: list[Image]) -> bytes:
    entries = [
        {
            "mediaType": f"{TYPE}.v2+json",
            "size": len(image.manifest),
            "digest": digest(image.manifest),
            "platform": {"os": "linux", "architecture": image.architecture},
        }
        for image in images
    ]
    return _json({"schemaVersion": 2, "mediaType": f"{TYPE}.list.v2+json", "manifests": entries})


def docker_archive(image: Image, name: str) -> bytes:
    """As `docker save` writes it."""
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar({"manifest.json": _json(manifest), "config.json": image.config, "layer.tar": image.layer})


class Pusher:
    """Pushes to one registry as its main user."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        context = ssl.create_default_context(cafile=registry.ca_file) if registry.ca_file else None
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if context:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self.opener = urllib.request.build_opener(*handlers)
        self.authorization: dict[str, str] = {}  # by repository

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.registry.user}:{self.registry.password}".encode()).decode()

    def _answer_challenge(self, challenge: str) -> str:
        if challenge.lower().startswith("basic"):
            return self._basic()
        values = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        query = urllib.parse.urlencode({"service": values["service"], "scope": values["scope"]})
        request = urllib.request.Request(f"{values['realm']}?{query}", headers={"Authorization": self._basic()})
        with self.opener.open(request, timeout=10) as answer:
            return "Bearer " + str(json.loads(answer.read())["token"])

    def call(
        self, method: str, repository: str, path: str, data: Optional[bytes] = None, kind: str = ""
    ) -> tuple[int, dict[str, str]]:
        """path: below /v2/REPOSITORY, or a whole address."""
        url = path if "://" in path else f"{self.registry.url}/v2/{repository}{path}"
        for attempt in (1, 2):
            headers = {"Accept": ACCEPT, **({"Content-Type": kind} if kind else {})}
            if repository in self.authorization:
                headers["Authorization"] = self.authorization[repository]
            request = urllib.request.Request(url, data, headers, method=method)
            try:
                with self.opener.open(request, timeout=20) as answer:
                    return answer.status, {name.lower(): value for name, value in answer.headers.items()}
            except urllib.error.HTTPError as error:
                if error.code == 401 and attempt == 1:
                    self.authorization[repository] = self._answer_challenge(error.headers["WWW-Authenticate"])
                    continue
                if error.code == 404 and method == "HEAD":
                    return 404, {}
                raise HarnessError(f"{method} {url}: {error.code} {error.read()[:300]!r}") from error
        raise AssertionError("not reached")

    def blob(self, repository: str, content: bytes) -> None:
        if self.call("HEAD", repository, f"/blobs/{digest(content)}")[0] == 200:
            return
        _, headers = self.call("POST", repository, "/blobs/uploads/", b"")
        place = urllib.parse.urljoin(self.registry.url, headers["location"])
        place += ("&" if "?" in place else "?") + f"digest={digest(content)}"
        self.call("PUT", repository, place, content, "application/octet-stream")

    def manifest(self, repository: str, tag: str, content: bytes) -> str:
        self.call("PUT", repository, f"/manifests/{tag}", content, json.loads(content)["mediaType"])
        return digest(content)

    def image(self, reference: str, image: Image, tag: str = "") -> str:
        """Pushes it as the reference (repository:tag); a tag given besides is used instead (a digest, say)."""
        repository, _, own = reference.rpartition(":")
        self.blob(repository, image.config)
        self.blob(repository, image.compressed)
        return self.manifest(repository, tag or own, image.manifest)

    def index(self, reference: str, images: list[Image]) -> str:
        repository, _, tag = reference.rpartition(":")
        for image in images:
            self.image(reference, image, digest(image.manifest))
        return self.manifest(repository, tag, index(images))


class ImageSet:
    """Everything that the registries hold."""

    def __init__(self, program: Path) -> None:
        content = program.read_bytes()
        other = b"built for a platform that is not there\n"
        app = build(content, "app:1.0")
        domain = build(content, "domain1:1.0")
        self.plain = {
            "team/app:1.0": app,
            "team/app:1.0.1": build(content, "app:1.0.1"),
            "owner/domain1:1.0": domain,
            "owner/domain1:latest": domain,
            "owner/aux:1.0": build(content, "aux:1.0"),
            "team/arm:single": build(other, "arm", "arm64"),
        }
        multi = [build(content, "multi:1.0"), build(other, "multi:1.0", "arm64")]
        self.indexes = {"team/multi:1.0": multi, "team/arm:1.0": [self.plain["team/arm:single"]]}
        self.app = app
        self.public = {"public/app:1.0": app}
        self.pause = build(content, "pause")

    def push(self, registry: Registry) -> dict[str, str]:
        pusher = Pusher(registry)
        digests = {reference: pusher.image(reference, image) for reference, image in self.plain.items()}
        digests.update({reference: pusher.index(reference, images) for reference, images in self.indexes.items()})
        return digests

    def push_public(self, registry: Registry) -> dict[str, str]:
        pusher = Pusher(registry)
        return {reference: pusher.image(reference, image) for reference, image in self.public.items()}
