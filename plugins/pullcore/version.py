"""The version of the suite, and the commit it is."""

from __future__ import annotations

import os

# ruff: noqa: PTH100, PTH110, PTH118, PTH119, PTH120
VERSION = "0.1.0"


def described() -> str:
    """What --version tells: `0.1.0 (commit abc1234)`, without the commit where nobody knows it."""
    known = commit()
    return f"{VERSION} (commit {known})" if known else VERSION


def commit() -> str:
    """The commit, with `-dirty` if more was changed: as `make dist` wrote it into what it built, else asked of git in a
    clone (8 ms)."""
    try:
        from pullcore._build import COMMIT  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return _asked()
    return str(COMMIT)


def _asked() -> str:
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    root = os.path.dirname(folder)
    if os.path.basename(folder) != "plugins" or not os.path.exists(os.path.join(root, ".git")):
        return ""  # installed, perhaps somewhere within a repository of somebody else's
    import subprocess

    command = ["git", "--no-optional-locks", "-C", root, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=7"]
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.decode("ascii", "replace").strip() if run.returncode == 0 else ""
