"""What a plugin makes of its streams: narrow and dumb terminals, other encodings, readers that go away, full disks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .certificates import Authority
from .plugin_process import PLUGINS, World, environment

EVIDENCE = Path(__file__).parents[2] / "examples" / "domain1-evidence.json"
COMMANDS = {
    "pullcheck": f"pullcheck -f {EVIDENCE} --offline",
    "json": f"pullcheck -f {EVIDENCE} --offline -o json",
    "scan": "pullcheck --no-registry",
    "pullsecret": "pullsecret list",
    "repull": "repull deployment/web pod/alone --no-registry --dry-run=client --recreate-pods",
    "help": "pullcheck --help",
    "version": "repull --version",
    "completion": "pullsecret completion",
}
WRITERS = ("pullcheck", "pullsecret", "repull", "help", "version")


@dataclass
class Started:
    """A command that a shell starts, so that its streams are redirected as people do it."""

    world: World
    folder: Path
    environ: dict[str, str]

    def shell(self, name: str, redirected: str = "", **environ: str) -> tuple[int, str, str]:
        """Its own exit status, and what came of both streams that are not redirected."""
        words = COMMANDS[name].split()
        command = shlex.join([sys.executable, str(PLUGINS / f"kubectl-{words[0]}"), *words[1:]])
        line = f"{{ {command}; echo $? >status; }} {redirected}"
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, timeout=60, cwd=self.folder, env={**self.environ, **environ}
        )
        return int((self.folder / "status").read_text()), done.stdout.decode(), done.stderr.decode()

    def terminal(self, name: str, columns: int, **environ: str) -> tuple[int, list[str]]:
        """Its exit status, and the lines that it writes to a terminal so wide."""
        words = COMMANDS[name].split()
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, str(PLUGINS / f"kubectl-{words[0]}"), *words[1:]],
            stdin=its, stdout=its, stderr=its, env={**self.environ, "TERM": "xterm", **environ},
        )  # fmt: skip
        os.close(its)
        text = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while part := os.read(ours, 65536):
                text += part
        os.close(ours)
        return process.wait(60), text.decode("latin-1" if "latin-1" in environ.values() else "utf-8").split("\r\n")


@pytest.fixture
def started(tmp_path: Path, authority: Authority) -> Iterator[Started]:
    world = World()
    yield Started(world, tmp_path, environment(world, tmp_path, authority))
    world.close()


def usual(started: Started, name: str) -> tuple[int, str, str]:
    code, out, err = started.shell(name)
    assert out and code in (0, 1), err
    return code, out, err


# Terminals


@pytest.mark.parametrize(
    ("name", "columns"),
    [("pullcheck", 39), ("scan", 39), ("pullsecret", 39), ("repull", 39), ("pullcheck", 1), ("pullcheck", 0)],
)
def test_narrow(started: Started, name: str, columns: int) -> None:
    """Nothing is lost, no command is broken; running text ends where the terminal does, if that can be read at all."""
    code, out, err = usual(started, name)
    narrow, lines = started.terminal(name, columns, NO_COLOR="")
    assert narrow == code
    written = re.findall(r"(?<!`)kubectl (?:patch|repull|pullsecret|pullcheck) .*", f"{out}\n{err}")
    for command in written:
        assert any(line.endswith(command) for line in lines), command
    if name == "pullcheck":
        assert " ".join(out.split()) == " ".join(" ".join(lines).split())
        long = [line for line in lines if len(line) > 39]
        prose = [line for line in long if "kubectl " not in line and len(line.split()) > 1]
        assert (prose == []) == (columns == 39), prose


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C", "LANG": "en_US.UTF-8"},
        {"LANG": "POSIX"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=str,
)
def test_no_utf8(started: Started, environ: dict[str, str]) -> None:
    """Signs that everybody has, and other letters as numbers."""
    name = "pullcheck"
    code, out, err = usual(started, name)
    plain = started.shell(name, **environ)
    assert plain[0] == code
    assert re.findall(r"[^\x20-\x7e\n]", plain[1] + plain[2]) == []
    for mine, its in (("✓", "+"), ("✗", "x"), ("…", "...")):
        out, err = out.replace(mine, its), err.replace(mine, its)
    assert plain[1].split() == out.split() and plain[2].split() == err.split()


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)]
)
def test_colour(started: Started, environ: dict[str, str], coloured: bool) -> None:
    _, lines = started.terminal("pullcheck", 120, **environ)
    assert any("\033" in line for line in lines) == coloured
    assert "\033" not in "".join(started.shell("pullcheck")[1:]), "not into a pipe"


# Streams that are closed, or full


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk(started: Started, name: str) -> None:
    """One line that says so, and not 0; also where that line can't be written."""
    code, _, err = started.shell(name, ">/dev/full")
    failure = 2 if "pullcheck" in COMMANDS[name] else 1
    assert code == failure
    assert err.endswith(f"error: can't write: {os.strerror(errno.ENOSPC).lower()}\n"), err
    assert "Traceback" not in err and "Exception" not in err
    assert started.shell(name, ">/dev/full 2>/dev/full")[0] == failure


@pytest.mark.parametrize("name", WRITERS)
def test_closed_from_the_start(started: Started, name: str) -> None:
    """As if nothing were there: what it does and how it ends is the same."""
    code, _, err = usual(started, name)
    for redirected in (">&-", "<&- >&- 2>&-"):
        closed = started.shell(name, redirected)
        assert closed == (code, "", "" if "2" in redirected else err)


@pytest.mark.parametrize("name", ["pullcheck", "json", "pullsecret", "help"])
def test_a_reader_that_goes_away(started: Started, name: str) -> None:
    """Quiet, whether it notices or not."""
    code, _, err = usual(started, name)
    left, _, said = started.shell(name, "| true")
    assert left in (code, 141) and said in ("", err)
    left, _, said = started.shell(name, "2>&1 | head -1")
    assert left in (code, 141) and said == ""
