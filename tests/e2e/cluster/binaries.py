"""The Kubernetes components, built from the Go module proxy once and kept in the user's cache.

The cache folder is named by what decides the outcome (version, modules, flags); a component counts as built when the
checksum written after its build fits.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from .processes import HarnessError

MODULE = Path(__file__).parent / "kubernetes"
COMPONENTS = ("kubectl", "kubelet", "kube-apiserver", "kube-scheduler", "kube-controller-manager")
APP_SOURCE = Path(__file__).parent / "app.c"
APP_FLAGS = ("-static", "-Os", "-s")


def version() -> str:
    match = re.search(r"^require k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise HarnessError(f"{MODULE / 'go.mod'} requires no k8s.io/kubernetes")
    return match.group(1)


def flags() -> list[str]:
    major, minor = version().lstrip("v").split(".")[:2]
    component, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
    values = {
        f"{component}.gitVersion": version(),
        f"{component}.gitMajor": major,
        f"{component}.gitMinor": minor,
        f"{client}.gitVersion": version(),
    }
    defined = " ".join(f"-X {name}={value}" for name, value in values.items())
    return ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {defined}"]


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kubectl-pullkit"


def kubernetes_folder() -> Path:
    parts = [(MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes(), *(flag.encode() for flag in flags())]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    return cache() / f"kubernetes-{version()}-{platform.machine()}-{key}"


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sum_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def fits(path: Path) -> bool:
    try:
        return _sum_file(path).read_text().split()[0] == _sum(path)
    except (FileNotFoundError, IndexError):
        return False


def keep(path: Path, made: Path) -> None:
    """Puts a finished file in its place in the cache: checksum last."""
    made.chmod(0o755)
    digest = _sum(made)
    _sum_file(path).unlink(missing_ok=True)
    made.replace(path)
    new = path.with_name(f"{path.name}.sha256.new")
    new.write_text(f"{digest}  {path.name}\n")
    new.replace(_sum_file(path))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(argv: list[str], folder: Path, env: dict[str, str]) -> None:
    run = subprocess.run(argv, cwd=folder, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise HarnessError(f"{' '.join(argv[:3])} ... failed in {folder}:\n{run.stderr[-2000:]}")


def kubernetes(say: Callable[[str], None]) -> Path:
    """The folder with the components, built now if need be."""
    folder = kubernetes_folder()
    paths = [folder / name for name in COMPONENTS]
    with _locked(folder):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            missing = [path for path, good in zip(paths, pool.map(fits, paths)) if not good]
        if missing and not shutil.which("go"):
            raise HarnessError("go is needed to build the Kubernetes components (once) and is not on PATH")
        for path in missing:
            say(f"building {path.name} {version()} (minutes, once)")
            made = folder / f".{path.name}.new"
            package = f"k8s.io/kubernetes/cmd/{path.name}"
            _run(["go", "build", *flags(), "-o", str(made), package], MODULE, {"CGO_ENABLED": "0", "GOFLAGS": ""})
            keep(path, made)
    return folder


def app() -> Path:
    """The one program that the test images hold."""
    key = hashlib.sha256(APP_SOURCE.read_bytes() + " ".join(APP_FLAGS).encode()).hexdigest()[:12]
    folder = cache() / f"app-{platform.machine()}-{key}"
    path = folder / "app"
    with _locked(folder):
        if not fits(path):
            made = folder / ".app.new"
            _run(["gcc", *APP_FLAGS, "-o", str(made), str(APP_SOURCE)], folder, {})
            keep(path, made)
    return path
