"""How a plugin finds a Python and answers --help."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
EXECUTABLES = [path for path in sorted(PLUGINS.glob("kubectl-*")) if path.is_file()]

Demo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A source clone with a plugin of two files."""
    plugins = tmp_path / "clone" / "plugins"
    for directory in ("demo", "pullcore"):
        (plugins / directory).mkdir(parents=True)
        (plugins / directory / "__init__.py").touch()
    (plugins / "pullcore" / "launch.py").write_text((PLUGINS / "pullcore" / "launch.py").read_text())
    (plugins / "demo" / "usage.py").write_text('HELP = "Usage: kubectl demo\\n"\nVERBS = {"add": "kubectl demo add\\n"}\n')
    (plugins / "demo" / "main.py").write_text(
        "import os\n"
        "def main(argv):\n"
        "    if 'stop' in argv:\n        raise KeyboardInterrupt\n"
        "    print(argv, os.environ.get('PULLKIT_HANDED_OVER'))\n"
        "    return 5\n"
    )
    script = plugins / "kubectl-demo"
    script.write_text((PLUGINS / "kubectl-pullcheck").read_text().replace('launch("pullcheck")', 'launch("demo")'))
    return tmp_path / "clone"


@pytest.fixture
def demo(clone: Path, tmp_path: Path) -> Demo:
    """Starts the plugin as kubectl does; `before` is run by the interpreter first."""

    def start(*arguments: str, before: str = "", link: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "sitecustomize.py").write_text(before)
        script = clone / "plugins" / "kubectl-demo"
        if link:
            (tmp_path / link).symlink_to(script)
            script = tmp_path / link
        return subprocess.run(
            [sys.executable, str(script), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path), **env},
        )

    return start


def stand_in(python: Path, *, works: bool = True) -> None:
    """An executable that says what it was called with, in place of a Python."""
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exit {0 if works else 127}\n'
        f'echo "{python.name}, $PULLKIT_HANDED_OVER: ${{1##*/}} $2"\n'
    )
    python.chmod(0o755)


NO_KUBERNETES = (
    "import importlib.util as u; real = u.find_spec; "
    "u.find_spec = lambda name, *more: None if name == 'kubernetes' else real(name, *more)"
)
OLD = "import sys; sys.version_info = (3, 6, 8, 'final', 0)"


def test_starts_main_with_the_arguments(demo: Demo) -> None:
    done = demo("a", "-x", "--", "--help")
    assert (done.returncode, done.stdout, done.stderr) == (5, "['a', '-x', '--', '--help'] None\n", "")


@pytest.mark.parametrize("asked", [["--help"], ["-h"], ["-A", "--help", "x"]])
def test_help(demo: Demo, asked: list[str]) -> None:
    done = demo(*asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Usage: kubectl demo\n", "")


def test_help_of_a_verb_under_the_name_of_the_file(demo: Demo) -> None:
    done = demo("add", "-h", link="mine")
    assert (done.returncode, done.stdout, done.stderr) == (0, "mine add\n", "")


def test_help_through_the_link_that_krew_makes(demo: Demo) -> None:
    assert demo("--help", link="kubectl-demo").stdout == "Usage: kubectl demo\n"


def test_help_needs_neither_a_new_python_nor_packages(demo: Demo) -> None:
    assert demo("--help", before=OLD).returncode == 0
    assert demo("--help", before=NO_KUBERNETES).returncode == 0


def test_help_imports_nothing_that_takes_time(demo: Demo) -> None:
    said = "import atexit, sys; bare = set(sys.modules); atexit.register(lambda: print(*set(sys.modules) - bare))"
    loaded = set(demo("--help", before=said).stdout.splitlines()[-1].split())
    assert "demo.usage" in loaded
    assert not loaded & {"re", "enum", "inspect", "typing", "dataclasses", "pathlib", "docopt", "kubernetes", "urllib3"}


def test_an_old_python_hands_over_to_the_newest_on_the_path(demo: Demo, tmp_path: Path) -> None:
    for version in ("3.8", "3.9", "3.11"):
        stand_in(tmp_path / "bin" / f"python{version}")
    (tmp_path / "bin" / "python3.12").mkdir()
    stand_in(tmp_path / "bin" / "python3.13", works=False)  # a shim of pyenv
    done = demo("x", before=OLD, PATH=str(tmp_path / "bin"))
    assert done.stdout == "python3.11, 1: kubectl-demo x\n"


def test_an_old_python_without_a_better_one_says_so(demo: Demo) -> None:
    done = demo(before=OLD, PATH="/nonexistent")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: kubectl demo needs Python 3.9 or newer, and ")
    assert done.stderr.count("\n") == 1


def test_a_clone_hands_over_to_its_own_python_and_only_once(demo: Demo, clone: Path) -> None:
    stand_in(clone / ".venv" / "bin" / "python")
    assert demo("x", before=NO_KUBERNETES).stdout == "python, 1: kubectl-demo x\n"
    again = demo("x", before=NO_KUBERNETES, PULLKIT_HANDED_OVER="1")
    assert again.returncode == 1
    assert "error: kubectl demo needs the Python package kubernetes" in again.stderr


def test_an_interrupt_while_starting_is_quiet(demo: Demo) -> None:
    done = demo("stop")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_what_an_old_python_must_read_parses_there() -> None:
    for path in (PLUGINS / "pullcore" / "launch.py", PLUGINS / "pullcore" / "usage.py", *EXECUTABLES):
        ast.parse(path.read_text(), feature_version=(3, 6))
        assert "from __future__ import annotations" not in path.read_text()
