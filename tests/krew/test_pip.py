"""pip installs the wheel and the source archive into clean environments of the Pythons at hand; `make pip-test`.

What is allowed at the lowest and at the highest is read from setup.cfg. The lowest versions run on the oldest Python only:
some of them are older than the newer Pythons.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from krew.build import PLUGINS, ROOT, stage

from . import tools

FITTING = {f"{major}.{minor}": path for (major, minor), path in tools.pythons().items() if (major, minor) >= (3, 9)}
OLDEST = next(iter(FITTING))
EVIDENCE = str(ROOT / "examples" / "domain1-evidence.json")


def requirements() -> list[str]:
    reader = configparser.ConfigParser(interpolation=None)
    reader.read(ROOT / "setup.cfg")
    return reader["options"]["install_requires"].split()


def lowest() -> list[str]:
    """Where a floor names a minor version its first release: pip fills `2.*` with the newest."""
    return [
        re.sub(r">=([\d.]+).*", lambda floor: f"=={floor[1]}{'.0' if floor[1].count('.') else '.*'}", one)
        for one in requirements()
    ]


def run(*command: str | Path, **env: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env={**environment, **env}, cwd="/")
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the source archive, made as `make dist` makes them, by what requirements/dev.txt pins."""
    folder = tmp_path_factory.mktemp("distributions")
    version = stage(folder / "source")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "source")
    (wheel,) = (folder / "dist").glob(f"kubectl_pullkit-{version}-py3-none-any.whl")
    (source,) = (folder / "dist").glob(f"kubectl_pullkit-{version}.tar.gz")
    return {"wheel": wheel, "source": source}


def installed(folder: Path, python: Path, what: Path, *more: str) -> Path:
    """The folder of the commands in a clean environment with the distribution."""
    run(python, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", str(what), *more)
    run(folder / "bin" / "python", "-m", "pip", "check")
    return folder / "bin"


def try_out(commands: Path) -> None:
    from pullcore.version import VERSION

    for name in PLUGINS:
        command = commands / f"kubectl-{name}"
        assert run(command, "--version").startswith(f"kubectl {name} {VERSION}" + (" (commit " if cloned() else ""))
        assert f"kubectl {name}" in run(command, "--help")
        assert run(commands / f"kubectl_complete-{name}", "--vers").startswith("--version")
    told = subprocess.run([str(commands / "kubectl-pullcheck"), "-f", EVIDENCE, "--offline"], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (1, "")
    assert "(key-mismatch)" in told.stdout
    python = commands / "python"
    code = (
        "from kubernetes.client.rest import RESTClientObject as R; from kubernetes.client import Configuration as C; R(C())"
    )
    run(python, "-c", code)
    server = subprocess.run(
        [str(commands / "kubectl-repull"), "web", "--server", "http://127.0.0.1:9", "-n", "x"],
        capture_output=True,
        text=True,
    )
    assert server.returncode == 1
    assert "Traceback" not in server.stderr
    assert "127.0.0.1:9" in server.stderr


def cloned() -> bool:
    return (ROOT / ".git").exists()


@pytest.mark.parametrize("version", FITTING)
def test_wheel_with_the_highest(version: str, distributions: dict[str, Path], tmp_path: Path) -> None:
    try_out(installed(tmp_path / "env", FITTING[version], distributions["wheel"], "--upgrade"))


@pytest.mark.parametrize("what", ["wheel", "source"])
def test_with_the_lowest(what: str, distributions: dict[str, Path], tmp_path: Path) -> None:
    assert lowest()[:2] == ["kubernetes==35.*", "docopt-ng==0.9.*"]
    try_out(installed(tmp_path / "env", FITTING[OLDEST], distributions[what], *lowest()))


def test_source_archive_on_the_newest(distributions: dict[str, Path], tmp_path: Path) -> None:
    try_out(installed(tmp_path / "env", list(FITTING.values())[-1], distributions["source"]))
