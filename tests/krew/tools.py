"""What the tests of the archive run: krew, its validator and kubectl, built as the test cluster does it, and Pythons."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.cluster import binaries
from tests.e2e.cluster.processes import HarnessError

MODULE = Path(__file__).parent / "module"
KREW = "krew"
VALIDATOR = "validate-krew-manifest"
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def kubectl() -> Path:
    return binaries.kubernetes(say) / "kubectl"


def krew() -> Path:
    """The folder with krew and the validator, built once from krew's Go module and kept in the harness's cache."""
    parts = [(MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes(), *(flag.encode() for flag in FLAGS)]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    folder = binaries.cache() / f"krew-{platform.machine()}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in (KREW, VALIDATOR):
            if not binaries.fits(folder / name):
                say(f"building {name} (once)")
                _build(name, folder / f".{name}.new")
                binaries.keep(folder / name, folder / f".{name}.new")
    return folder


def _build(name: str, path: Path) -> None:
    if not shutil.which("go"):
        raise HarnessError(f"go is needed to build {name} (once) and is not on PATH")
    command = ["go", "build", *FLAGS, "-o", str(path), f"sigs.k8s.io/krew/cmd/{name}"]
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}
    run = subprocess.run(command, cwd=MODULE, env=env, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise HarnessError(f"{' '.join(command)} failed:\n{run.stderr[-2000:]}")


def pythons() -> dict[tuple[int, int], Path]:
    """The Pythons of this machine by version, old ones too: those on PATH, pyenv's, and the one that runs this."""
    found = {sys.version_info[:2]: Path(sys.executable).resolve()}
    names = [f"python3.{minor}" for minor in range(6, 21)]
    on_path = [Path(path) for path in map(shutil.which, names) if path]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in [*sorted(root.glob("versions/*/bin/python3")), *on_path]:
        code = "import sys, ssl, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])"
        run = subprocess.run([str(path), "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if run.returncode == 0:  # a shim of pyenv fails for what it does not have
            major, minor = map(int, run.stdout.split())
            found.setdefault((major, minor), path)
    return dict(sorted(found.items()))
