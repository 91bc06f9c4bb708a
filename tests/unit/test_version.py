"""Which commit --version names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pullcore.version import VERSION

SOURCE = Path(__file__).parents[2] / "plugins" / "pullcore" / "version.py"


def told(folder: Path, *, built: str = "", repository: Path) -> str:
    """What a copy of the suite in the folder tells, which is within a git repository."""
    core = folder / "pullcore"
    core.mkdir(parents=True)
    (core / "__init__.py").touch()
    (core / "version.py").write_text(SOURCE.read_text())
    if built:
        (core / "_build.py").write_text(f'COMMIT = "{built}"\n')
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "x"], check=True)
    code = "from pullcore.version import described; print(described())"
    run = subprocess.run([sys.executable, "-S", "-B", "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return run.stdout.strip()


def test_commit_of_a_build(tmp_path: Path) -> None:
    assert told(tmp_path / "plugins", built="abc1234", repository=tmp_path) == f"{VERSION} (commit abc1234)"


def test_commit_of_a_clone(tmp_path: Path) -> None:
    text = told(tmp_path / "plugins", repository=tmp_path)
    commit = ["git", "-C", str(tmp_path), "rev-parse", "--short=7", "HEAD"]
    head = subprocess.run(commit, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    assert text == f"{VERSION} (commit {head})"


def test_a_repository_of_somebody_else_is_not_asked(tmp_path: Path) -> None:
    assert told(tmp_path / ".venv" / "site-packages", repository=tmp_path) == VERSION
    assert told(tmp_path / "vendor" / "plugins", repository=tmp_path) == VERSION
