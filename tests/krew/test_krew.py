"""The real krew installs all three plugins from an index, kubectl runs them, and nothing is left when they are removed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pullcore.version import VERSION

from krew.build import PLUGINS

from . import tools
from .conftest import OLD, Machine, Release, machine

ROOT = Path(__file__).resolve().parents[2]


class Index:
    """A git repository as krew reads it; like ours, it has the code beside the manifests."""

    def __init__(self, folder: Path, git: Machine) -> None:
        self.folder, self.git = folder, git
        (folder / "plugins" / "pullcore").mkdir(parents=True)
        (folder / "plugins" / "pullcore" / "__init__.py").touch()
        (folder / "plugins" / "kubectl-pullcheck").touch()
        self._do("init", "--quiet")

    def publish(self, release: Release) -> None:
        for name in PLUGINS:
            shutil.copy(release.manifests / f"{name}.yaml", self.folder / "plugins")
        self._do("add", ".")
        self._do("-c", "user.name=x", "-c", "user.email=x", "commit", "--allow-empty", "--quiet", "--message", "release")

    def _do(self, *arguments: str) -> None:
        done = self.git.run("git", "-C", str(self.folder), *arguments)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, oldest: Path) -> Machine:
    return machine(tmp_path_factory.mktemp("home") / "user", oldest)


@pytest.fixture(scope="module")
def index(fresh: Machine, old_release: Release) -> Index:
    """What the machine's krew takes for its index; in the beginning it has an older version."""
    made = Index(fresh.home / "index", fresh)
    made.publish(old_release)
    fresh.env["KREW_DEFAULT_INDEX_URI"] = f"file://{made.folder}"
    return made


@pytest.fixture(scope="module")
def installed(fresh: Machine, index: Index, release: Release) -> Iterator[Machine]:
    """The machine after the older version was installed and upgraded."""
    fresh.kubectl("krew", "update")
    fresh.kubectl("krew", "install", *PLUGINS)
    for name in PLUGINS:
        assert fresh.kubectl(name, "--version").startswith(f"kubectl {name} {OLD}")
    index.publish(release)
    fresh.kubectl("krew", "update")
    fresh.kubectl("krew", "upgrade")
    yield fresh


@pytest.mark.parametrize("name", PLUGINS)
def test_validator_accepts_the_manifest(name: str, release: Release, fresh: Machine) -> None:
    """It installs it, too: for Linux and macOS alike, as the manifest has one block for both."""
    done = fresh.run(tools.VALIDATOR, "-manifest", str(release.manifests / f"{name}.yaml"))
    assert done.returncode == 0, done.stderr
    assert "all 1 spec.platforms installed fine" in done.stderr


@pytest.mark.parametrize("system", ["linux/arm64", "linux/ppc64le", "darwin/amd64", "darwin/arm64"])
def test_other_systems_get_the_same(system: str, release: Release, fresh: Machine, tmp_path: Path) -> None:
    os_name, _, processor = system.partition("/")
    env = {**fresh.env, "KREW_ROOT": str(tmp_path), "KREW_OS": os_name, "KREW_ARCH": processor}
    there = Machine(fresh.home, env)
    there.kubectl("krew", "install", f"--manifest={release.manifests / 'repull.yaml'}", f"--archive={release.archive}")
    assert (tmp_path / "bin" / "kubectl-repull").exists()


def test_windows_is_not_promised(release: Release, fresh: Machine, tmp_path: Path) -> None:
    there = Machine(fresh.home, {**fresh.env, "KREW_ROOT": str(tmp_path), "KREW_OS": "windows", "KREW_ARCH": "amd64"})
    done = there.run("kubectl", "krew", "install", f"--manifest={release.manifests / 'repull.yaml'}")
    assert done.returncode != 0
    assert "does not offer installation for this platform" in done.stderr


def test_the_older_version_is_gone(installed: Machine) -> None:
    folders = sorted(path.relative_to(installed.root / "store") for path in installed.root.glob("store/*/*"))
    assert [path.parent.name for path in folders] == sorted(PLUGINS)
    assert not any(OLD in path.name for path in folders)


def test_kubectl_lists_them_without_a_warning(installed: Machine) -> None:
    done = installed.run("kubectl", "plugin", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning" not in done.stdout.lower()
    assert {Path(line).name for line in done.stdout.splitlines() if "/kubectl-" in line} >= {f"kubectl-{n}" for n in PLUGINS}


@pytest.mark.parametrize("name", PLUGINS)
def test_version_and_help(name: str, installed: Machine, unpacked: Path) -> None:
    build_file = unpacked / "pullcore" / "_build.py"
    built = re.search('COMMIT = "(.+)"', build_file.read_text()) if build_file.exists() else None
    assert built or not (ROOT / ".git").exists()
    commit = f" (commit {built.group(1)})" if built else ""
    assert installed.kubectl(name, "--version") == f"kubectl {name} {VERSION}{commit}\n"
    told = installed.kubectl(name, "--help")
    assert f"kubectl {name}" in told
    assert f"kubectl-{name} " not in told


def test_caveat_names_python(installed: Machine) -> None:
    for name in PLUGINS:
        assert "Python 3.9 or newer" in installed.kubectl("krew", "info", name)


def test_demo(installed: Machine) -> None:
    done = installed.run(str(ROOT / "examples" / "demo.sh"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "(key-mismatch)" in done.stdout


def test_completion_beside_the_link(installed: Machine) -> None:
    """What `kubectl pullsecret completion` advises, followed by a shell."""
    advised = installed.kubectl("pullsecret", "completion")
    done = installed.run("env", "PATH=" + os.environ["PATH"], "sh", "-e", "-c", advised)
    assert done.returncode == 0, advised + done.stderr
    link = installed.bin / "kubectl_complete-pullsecret"
    try:
        assert "rotate" in installed.kubectl("__complete", "pullsecret", "rot")
    finally:
        link.unlink()


def test_a_scenario_on_a_real_cluster(installed: Machine) -> None:
    """The tour through all three, from a Domain that waits to one that runs."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/e2e/test_story.py"]
    env = {**os.environ, "PULLKIT_PLUGINS": str(installed.bin)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    if "1 passed" not in done.stdout:
        pytest.skip("needs the harness's own cluster (CLUSTER=current is set)")


def test_from_this_repository_as_an_index(release: Release, index: Index, fresh: Machine, tmp_path: Path) -> None:
    there = Machine(fresh.home, {**fresh.env, "KREW_ROOT": str(tmp_path)})
    index.publish(release)
    there.kubectl("krew", "index", "add", "pullkit", f"file://{index.folder}")
    there.kubectl("krew", "install", "pullkit/repull")
    assert there.run(str(tmp_path / "bin" / "kubectl-repull"), "--version").returncode == 0


def test_uninstalled_nothing_is_left(installed: Machine) -> None:
    """Last in this file: the others need the plugins."""
    installed.kubectl("krew", "uninstall", *PLUGINS)
    left = [path for folder in ("bin", "store", "receipts") for path in (installed.root / folder).rglob("*")]
    assert left == []
