"""Real registries for tests without a cluster: those of the end-to-end harness, on ports of 127.0.0.1, with a few images.

Their names (`htpasswd-ID.test`) lead to 127.0.0.1 in this process alone; what other processes are to reach is asked for at
127.0.0.1. Missing packages are installed where apt and root are there; else the tests are skipped with the reason.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.e2e.cluster import machine, registries
from tests.e2e.cluster.images import Pusher, build
from tests.e2e.cluster.model import Registry
from tests.e2e.cluster.processes import HarnessError, Processes

PACKAGES = {"docker-registry": "docker-registry", "htpasswd": "apache2-utils", "skopeo": "skopeo"}
LOCK = Path("/var/lock/kubectl-pullkit.lock")  # the harness's own: one at a time installs
# What each of them holds; the one with tokens also has public/app:1.0, which anybody may pull.
IMAGES = ("team/app:1.0.1", "team/app:2.0", "team/web:1.0")


def needs(*commands: str) -> None:
    """Installs what is missing, or skips the test with the reason."""
    wanted = sorted({PACKAGES[one] for one in commands if not shutil.which(one)})
    if not wanted:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip(f"not installed, and needs apt and root to be: {' '.join(wanted)}")
    try:
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            machine._apt_get("update")
            machine._apt_get("install", "-y", "--no-install-recommends", *wanted)
    except (OSError, HarnessError) as error:
        pytest.skip(f"could not be installed: {' '.join(wanted)}: {str(error)[-300:]}")
    if missing := [one for one in commands if not shutil.which(one)]:
        pytest.skip(f"still missing after the installation: {' '.join(missing)}")


@dataclass(frozen=True)
class Real:
    """The running registries by name, the digests of what they hold, and their processes."""

    registries: dict[str, Registry]
    digests: dict[str, str]  # REPOSITORY:TAG
    processes: Processes

    def __getitem__(self, name: str) -> Registry:
        return self.registries[name]

    def log(self, name: str) -> str:
        return self.processes.log(f"registry-{name}").read_text(errors="replace")


@contextmanager
def running(folder: Path) -> Iterator[Real]:
    needs("docker-registry", "htpasswd")
    processes = Processes.create(folder, secrets.token_hex(3), [])
    ports = machine.Ports()
    try:
        with names_lead_here(processes.id):
            found = registries.start(processes, ports)
            for port in registries.ports(found):
                processes.wait(f"the registry at port {port}", lambda at=port: registries.listens(at))  # type: ignore[misc]
            digests = {}
            for registry in found.values():
                digests = push(registry)
            Pusher(found["token"]).image("public/app:1.0", build(b"public\n", "public/app:1.0"))
            yield Real(found, digests, processes)
    finally:
        for name in list(processes.running):
            processes.stop(name)
        ports.close()


def push(registry: Registry) -> dict[str, str]:
    """Small images, and team/multi:1.0 for two platforms; gives their digests."""
    pusher = Pusher(registry)
    digests = {name: pusher.image(name, build(b"not run\n", name)) for name in IMAGES}
    multi = [build(b"not run\n", "multi", architecture) for architecture in ("arm64", "s390x")]
    digests["team/multi:1.0"] = pusher.index("team/multi:1.0", multi)
    digests["team/arm:1.0"] = pusher.image("team/arm:1.0", build(b"not run\n", "arm", "arm64"))
    return digests


@contextmanager
def names_lead_here(mark: str) -> Iterator[None]:
    """Names that end so lead to 127.0.0.1 in this process; /etc/hosts stays as it is."""
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **more: Any) -> Any:
        ours = isinstance(host, str) and host.endswith(f"-{mark}.test")
        return real("127.0.0.1" if ours else host, *arguments, **more)

    with mock.patch.object(socket, "getaddrinfo", look_up):
        yield


def lines_with(text: str, words: Sequence[str]) -> list[str]:
    return [line for line in text.splitlines() if all(word in line for word in words)]
