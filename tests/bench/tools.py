"""The commands that others have for what we do, installed or built as the test cluster does it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.e2e.cluster import binaries, machine

from .measure import BenchError

CRANE = "github.com/google/go-containerregistry/cmd/crane@v0.20.8"
FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")


def skopeo(say: Callable[[str], None]) -> str:
    """Debian's, installed now if need be. Raises HarnessError."""
    machine.COMMANDS.setdefault("skopeo", "skopeo")
    machine.prepare(say)
    return "skopeo"


def crane(say: Callable[[str], None]) -> Path:
    """Built once from its Go module, and kept in the harness's cache. Raises BenchError."""
    key = hashlib.sha256("\0".join((CRANE, *FLAGS)).encode()).hexdigest()[:12]
    folder = binaries.cache() / f"crane-{CRANE.rpartition('@')[2]}-{platform.machine()}-{key}"
    path = folder / "crane"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binaries.fits(path):
            say("building crane (once)")
            _build(folder / ".new")
            binaries.keep(path, folder / ".new" / "crane")
    return path


def _build(folder: Path) -> None:
    if not shutil.which("go"):
        raise BenchError("go is needed to build crane (once) and is not on PATH")
    env = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": ""}
    run = subprocess.run(["go", "install", *FLAGS, CRANE], env=env, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise BenchError(f"go install {CRANE} failed:\n{run.stderr[-2000:]}")
