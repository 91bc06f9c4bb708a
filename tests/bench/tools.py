"""The commands that others have for what we do, installed or built as the test cluster does it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster import binaries, machine

from .measure import BenchError

CRANE = "github.com/google/go-containerregistry/cmd/crane@v0.20.8"
PATIENCE = 1500  # seconds for one build
FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")


@dataclass(frozen=True)
class Module:
    """A Go module with a go.mod that `go install` refuses: one that replaces others. go: the least version of Go."""

    path: str
    version: str
    go: str
    replaced: Sequence[str] = ()
    tags: Sequence[str] = ()

    @property
    def go_mod(self) -> str:
        """That of a module which needs it, and replaces the same."""
        lines = ["module bench", f"go {self.go}", f"require {self.path} {self.version}"]
        return "\n".join([*lines, *(f"replace {one}" for one in self.replaced), ""])


PREFLIGHT = Module(
    "github.com/replicatedhq/troubleshoot",
    "v0.133.0",
    "1.26.5",
    (
        "github.com/StackExchange/wmi => github.com/yusufpapurcu/wmi v1.2.2",
        "github.com/go-ole/go-ole => github.com/go-ole/go-ole v1.2.6",
    ),
    (
        "netgo",
        "containers_image_ostree_stub",
        "exclude_graphdriver_devicemapper",
        "exclude_graphdriver_btrfs",
        "containers_image_openpgp",
    ),
)


def skopeo(say: Callable[[str], None]) -> str:
    """Debian's, installed now if need be. Raises HarnessError."""
    machine.COMMANDS.setdefault("skopeo", "skopeo")
    machine.prepare(say)
    return "skopeo"


def crane(say: Callable[[str], None]) -> Path:
    """Built once from its Go module, and kept in the harness's cache. Raises BenchError."""

    def build(folder: Path) -> None:
        _go("crane", ["install", *FLAGS, CRANE], folder, GOBIN=str(folder))

    return _kept("crane", CRANE.rpartition("@")[2], (CRANE, *FLAGS), build, say)


def preflight(say: Callable[[str], None]) -> Path:
    """troubleshoot's, built and kept like crane; a quarter of an hour on two processors. Raises BenchError."""
    flags = (*FLAGS, "-mod=mod", f"-tags={' '.join(PREFLIGHT.tags)}")

    def build(folder: Path) -> None:
        (folder / "go.mod").write_text(PREFLIGHT.go_mod)
        _go("preflight", ["build", *flags, "-o", str(folder), f"{PREFLIGHT.path}/cmd/preflight"], folder)

    return _kept("preflight", PREFLIGHT.version, (PREFLIGHT.go_mod, *flags), build, say)


def _kept(
    name: str, version: str, decides: Sequence[str], build: Callable[[Path], None], say: Callable[[str], None]
) -> Path:
    """The command in the cache; `build` makes it in a folder if there is none of what `decides` what comes out."""
    key = hashlib.sha256("\0".join(decides).encode()).hexdigest()[:12]
    folder = binaries.cache() / f"{name}-{version}-{platform.machine()}-{key}"
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binaries.fits(path):
            say(f"building {name} (once)")
            new = folder / ".new"
            new.mkdir(exist_ok=True)
            build(new)
            binaries.keep(path, new / name)
    return path


def _go(name: str, arguments: Sequence[str], folder: Path, **env: str) -> None:
    if not shutil.which("go"):
        raise BenchError(f"go is needed to build {name} (once) and is not on PATH")
    settings = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", **env}
    argv = ["go", *arguments]
    try:
        run = subprocess.run(argv, cwd=folder, env=settings, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{name} was not built within {PATIENCE // 60} minutes; the next try goes on from there") from None
    if run.returncode:
        raise BenchError(f"go {arguments[0]} of {name} failed:\n{run.stderr[-2000:]}")
