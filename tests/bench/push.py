"""`kubectl repull --push ARCHIVE` against `skopeo copy` of the same archive into the same registry, 500 MB of layers.

The archive is what `docker save` writes, with plain layers that can't be made smaller; skopeo is told not to pack them
(`--dest-compress=false`). Before each push the storage of the registry is emptied of what the last one left. The pod that is
named waits for an image that never comes, so that no kubelet pulls while it is measured.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.cluster.images import digest
from tests.e2e.cluster.model import Cluster, Registry
from tests.e2e.conftest import PLUGINS, Kubectl, make_pod

from . import tools
from .measure import Command, Comparison, Ratio, compare

LAYERS, SIZE = 5, 100 * 2**20
MEMORY = 80.0  # MiB, whatever the archive's size
NAME = "bench-push"
SCRIPT = """\
set -e
rm -rf {repositories}/bench/push
find {blobs} -name data -size +{mebibytes}M -delete
exec {command}
"""


def measure(
    admin: Kubectl, cluster: Cluster, folder: Path, say: Callable[[str], None], runs: int
) -> tuple[Comparison, Ratio]:
    """The comparison, and our memory against what it may be at most."""
    tools.skopeo(say)
    registry = cluster.registries["open"]
    archive = folder / "push.tar"
    write_archive(archive)
    storage = Path(cluster.folder, "registries", "open", "storage", "docker", "registry", "v2")
    image = registry.image("bench/push:1.0")

    def command(name: str, argv: list[str], *says: str) -> Command:
        script = folder / f"{argv[0].rpartition('/')[2]}.sh"
        half = SIZE // 2**21
        script.write_text(
            SCRIPT.format(
                repositories=storage / "repositories", blobs=storage / "blobs", mebibytes=half, command=shlex.join(argv)
            )
        )
        return Command(name, ["sh", str(script)], says=says)

    with waiting_pod(admin, registry):
        ours = [str(PLUGINS / "kubectl-repull"), "pod/web", "-n", NAME, f"--push={archive}", f"--to={image}"]
        ours += ["--no-wait", "--no-registry", f"--plain-http={registry.address}"]
        theirs = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-compress=false"]
        theirs += [f"docker-archive:{archive}", f"docker://{image}"]
        found = compare(
            command("kubectl repull --push, 500 MB", ours, f"{image} pushed"),
            command("skopeo copy", theirs, "Writing manifest"),
            admin.env,
            folder,
            runs,
        )
    archive.unlink()
    memory = [run.kib / 1024 for run in found.our_runs]
    most = [MEMORY] * len(memory)
    return found, Ratio("peak memory", "MiB", found.ours.name, f"{MEMORY:g} MiB", memory, most, 1.0)


@contextmanager
def waiting_pod(admin: Kubectl, registry: Registry) -> Iterator[None]:
    admin("create", "namespace", NAME)
    try:
        own = Kubectl(admin.env, NAME)
        own.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}})
        pod = make_pod("web", registry.image("bench/never:1.0"))
        pod["spec"]["serviceAccountName"] = "web"  # the default one may come later
        own.apply(pod)
        yield
    finally:
        admin("delete", "namespace", NAME, "--wait=false")


class Random:
    """So many bytes that can't be made smaller."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return os.urandom(size)


def write_archive(place: Path) -> None:
    """As `docker save` writes it."""
    names, ids = [], []
    with tarfile.open(place, "w") as archive:
        for number in range(LAYERS):
            layer = place.with_name("layer.tar")
            with tarfile.open(layer, "w") as made:
                _add(made, f"data{number}", SIZE, Random(SIZE))
            ids.append(digest(layer.read_bytes()))
            names.append(f"{number}/layer.tar")
            archive.add(layer, names[-1])
            layer.unlink()
        rootfs = {"type": "layers", "diff_ids": ids}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        manifest = json.dumps([{"Config": "config.json", "RepoTags": ["bench/push:1.0"], "Layers": names}]).encode()
        for name, content in (("config.json", config), ("manifest.json", manifest)):
            _add(archive, name, len(content), io.BytesIO(content))


def _add(archive: tarfile.TarFile, name: str, size: int, content: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    archive.addfile(info, content)
