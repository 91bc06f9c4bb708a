"""What the tests of the archive share: the archive, and a machine that has Python, kubectl, krew and nothing of ours."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from krew import build

from . import tools

OLD = "0.0.9"


@dataclass(frozen=True)
class Release:
    """What `make dist` makes of a version: the archive, and a folder with the manifests."""

    archive: Path
    manifests: Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.download(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in for GitHub's releases, from which krew fetches; `served` is its folder."""
    folder = tmp_path_factory.getbasetemp() / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def released(folder: Path, served: Path, url: str, wheels: Path, version: str = "") -> Release:
    archive = build.build(folder / "dist", folder / "manifests", url, wheels, folder / "work", version)
    tag = archive.name.removesuffix(".tar.gz").rpartition("-")[2]
    (served / tag).mkdir()
    shutil.copy(archive, served / tag)
    return Release(archive, folder / "manifests")


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory, url: str, wheels: Path) -> Release:
    return released(tmp_path_factory.mktemp("release"), tmp_path_factory.getbasetemp() / "served", url, wheels)


@pytest.fixture(scope="session")
def old_release(tmp_path_factory: pytest.TempPathFactory, url: str, wheels: Path) -> Release:
    return released(tmp_path_factory.mktemp("old"), tmp_path_factory.getbasetemp() / "served", url, wheels, OLD)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(release.archive) as archive:
        archive.extractall(folder)
    return folder


@dataclass(frozen=True)
class Machine:
    """A home folder, and a PATH with the commands of the system, kubectl, krew and one Python."""

    home: Path
    env: dict[str, str]

    @property
    def root(self) -> Path:
        return Path(self.env["KREW_ROOT"])

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=self.env, cwd=self.home)

    def kubectl(self, *arguments: str) -> str:
        """Runs kubectl; an error ends the test."""
        done = self.run("kubectl", *arguments)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


def machine(home: Path, python: Path) -> Machine:
    commands = home / "commands"
    commands.mkdir(parents=True)
    for name, path in (
        ("python3", python),
        ("kubectl", tools.kubectl()),
        ("kubectl-krew", tools.krew() / tools.KREW),
        (tools.VALIDATOR, tools.krew() / tools.VALIDATOR),
        *((name, Path(shutil.which(name) or name)) for name in ("sh", "env", "git", "bash", "dirname", "tar")),
    ):
        (commands / name).symlink_to(path)
    root = home / "krew root"  # a blank must do no harm
    env = {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(root / "bin"), str(commands)]),
        "KREW_ROOT": str(root),
        "KREW_NO_UPGRADE_CHECK": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    return Machine(home, env)


@pytest.fixture(scope="session")
def oldest() -> Path:
    """The oldest Python of this machine that will do."""
    return next(path for version, path in tools.pythons().items() if version >= (3, 9))
