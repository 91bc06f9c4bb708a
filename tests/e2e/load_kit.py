"""What the tests of `kubectl repull --load` share: archives, an sshd of our own, and what is left behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .cluster import images
from .cluster import node as nodes
from .cluster.images import Image, digest
from .cluster.machine import Ports
from .cluster.model import Cluster, Node
from .conftest import Kubectl, wait_for
from .repull_kit import workload

Object = dict[str, Any]
MINE = "app.kubernetes.io/managed-by=kubectl-pullkit"
SOMEWHERE = "nowhere.pullkit.test/team"  # no registry is there: what runs under this name was loaded


def sockets(cluster: Cluster) -> str:
    """Where the containerds of the harness listen, as --containerd-socket takes it."""
    return cluster.nodes[0].containerd_socket.replace(cluster.nodes[0].name, "{node}")


def everywhere(name: str, image: str, policy: str = "Never") -> Object:
    """A DaemonSet: a pod on each node."""
    return workload("DaemonSet", name, {"image": image, "imagePullPolicy": policy})


def oci_archive(path: Path, parts: list[Image], there: list[Image], name: str) -> str:
    """An OCI layout as a tar, with an index of all `parts` of which only some are `there`; the digest of the index."""
    index = images.index(parts)
    entry = {"mediaType": json.loads(index)["mediaType"], "digest": digest(index), "size": len(index)}
    named = {**entry, "annotations": {"io.containerd.image.name": name}}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [named]}).encode(),
        _place(index): index,
    }
    for one in there:
        files.update({_place(content): content for content in (one.manifest, one.config, one.compressed)})
    _write(path, files)
    return digest(index)


def docker_archive_of(path: Path, *images_and_names: tuple[Image, str]) -> None:
    """Several images in one archive, as `docker save ONE OTHER` writes it."""
    listed, files = [], {}
    for number, (image, name) in enumerate(images_and_names):
        listed.append({"Config": f"{number}.json", "RepoTags": [name], "Layers": [f"{number}.tar"]})
        files.update({f"{number}.json": image.config, f"{number}.tar": image.layer})
    _write(path, {"manifest.json": json.dumps(listed).encode(), **files})


def _write(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _place(content: bytes) -> str:
    return "blobs/" + digest(content).replace(":", "/")


def large_archive(path: Path, program: bytes, size: int, name: str) -> None:
    """A docker archive of about so many bytes that no compression makes less."""
    layer = images.layer_of({"app": program, "ballast": os.urandom(size)})
    config = images.config_of(layer, name)
    path.write_bytes(images.docker_archive(Image("amd64", layer, b"", config, b""), name))


def left(kubectl: Kubectl) -> list[str]:
    """The pods that repull made for itself and that are there still."""
    return [pod["metadata"]["name"] for pod in kubectl.list("pod", "-l", MINE)]


def nothing_left(kubectl: Kubectl) -> None:
    wait_for(lambda: not left(kubectl), "repull's own pods to go", timeout=30)


def has(node: Node, image: str) -> bool:
    """Whether the node's runtime has an image under just this name."""
    return image in nodes.ctr(node, "images", "ls", "-q", f"name=={image}").split()


@contextlib.contextmanager
def sshd(folder: Path, cluster: Cluster) -> Iterator[dict[str, str]]:
    """A real sshd on loopback that lets only us in, as root; the environment in which `ssh NODE` leads to it, by an ssh
    configuration that is not the user's."""
    ports = Ports()
    port = ports.take()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PidFile none\nPermitRootLogin yes\nPasswordAuthentication no\nStrictModes no\nUsePAM no\n"
    )
    names = " ".join(node.name for node in cluster.nodes)
    (folder / "ssh_config").write_text(
        f"Host {names}\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder}/user\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n"
    )
    commands = folder / "bin"
    commands.mkdir()
    (commands / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    (commands / "ssh").chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself up before a login
    ports.close()
    with (folder / "sshd.log").open("wb") as log:
        argv = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while b"listening" not in (folder / "sshd.log").read_bytes() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield {"PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    finally:
        process.kill()
        process.wait()
