"""The processes of one cluster: each in a group of its own, recorded in state.json before anything waits for it.

A process is known by its id, its start time and the boot it was started in, so a recycled id is never signalled.
Whatever they start inherits the mark in the environment, by which children are found that have left the group.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Optional

MARK = "PULLKIT_TEST_CLUSTER"
FILE = "state.json"


class HarnessError(Exception):
    """Said to the user as it is."""


@dataclass(frozen=True)
class Process:
    name: str
    pid: int
    start: int
    argv: list[str]
    folder: str
    env: dict[str, str]


def start_time(pid: int) -> Optional[int]:
    """When the process started, in clock ticks since boot; None when it is gone (or only waits to be reaped)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Processes:
    """state.json of one cluster's folder, and what may be done to the processes named there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / FILE
        self.state: dict[str, Any] = {}
        self.running: dict[str, Process] = {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    @classmethod
    def create(cls, folder: Path, cluster_id: str, subnets: list[str]) -> Processes:
        self = cls(folder)
        self.state = {
            "id": cluster_id,
            "boot": boot_id(),
            "up": {"pid": os.getpid(), "start": start_time(os.getpid())},
            "subnets": subnets,
        }
        self._save()
        return self

    @classmethod
    def load(cls, folder: Path) -> Optional[Processes]:
        self = cls(folder)
        try:
            self.state = json.loads(self.file.read_text())
        except FileNotFoundError:
            return None
        if self.state["boot"] == boot_id():
            self.running = {p["name"]: Process(**p) for p in self.state.pop("processes", [])}
        return self

    @property
    def id(self) -> str:
        return str(self.state["id"])

    def maker_is_alive(self) -> bool:
        """Whether the `up` that made this cluster still runs."""
        up = self.state["up"]
        return bool(self.state["boot"] == boot_id() and up["pid"] and start_time(up["pid"]) == up["start"])

    def maker_is_done(self) -> None:
        self.state["up"] = {"pid": 0, "start": 0}
        self._save()

    def _save(self) -> None:
        content = {**self.state, "processes": [asdict(p) for p in self.running.values()]}
        new = self.file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(content, indent=1) + "\n")
        new.replace(self.file)

    def log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def start(self, name: str, argv: list[str], folder: Optional[Path] = None, env: Optional[dict[str, str]] = None) -> int:
        """Starts it with an environment of its own: no proxy and no configuration of the user's comes in."""
        where = str(folder or self.folder)
        full = {"PATH": os.environ.get("PATH", os.defpath), "HOME": where, "LANG": "C.UTF-8", MARK: self.id}
        full.update(env or {})
        self.log(name).parent.mkdir(exist_ok=True)
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                argv, cwd=where, env=full, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.children[name] = child
        self.running[name] = Process(name, child.pid, start_time(child.pid) or 0, argv, where, dict(env or {}))
        self._save()
        return child.pid

    def alive(self, name: str) -> bool:
        process = self.running.get(name)
        return process is not None and start_time(process.pid) == process.start

    def stop(self, name: str) -> None:
        """Ends the process with its whole group and waits until the process is gone."""
        process = self.running[name]
        if self.alive(name):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if name in self.children:
            self.children.pop(name).wait()
        deadline = time.monotonic() + 10
        while start_time(process.pid) == process.start and time.monotonic() < deadline:
            time.sleep(0.02)
        del self.running[name]
        self._save()

    def restart(self, name: str) -> None:
        """Stops it and starts it as it was started first."""
        process = self.running[name]
        self.stop(name)
        self.start(name, process.argv, Path(process.folder), process.env)

    def wait(self, what: str, ready: Callable[[], bool], timeout: float = 60) -> None:
        """Waits until ready() is true; an error of it counts as not yet. Gives up at once when a process has ended."""
        deadline = time.monotonic() + timeout
        error: Optional[Exception] = None
        while True:
            try:
                if ready():
                    return
                error = None
            except (OSError, ValueError, KeyError, HarnessError) as caught:
                error = caught
            dead = [name for name in self.running if not self.alive(name)]
            if dead:
                raise HarnessError(f"{dead[0]} has ended while waiting for {what}:\n{self.tail(dead[0])}")
            if time.monotonic() > deadline:
                cause = f": {error}" if error else ""
                raise HarnessError(f"gave up waiting for {what} after {timeout:.0f} s{cause}")
            time.sleep(0.1)

    def tail(self, name: str, lines: int = 15) -> str:
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def marked(self) -> set[int]:
        """Every live process on the machine that carries this cluster's mark."""
        mark = f"{MARK}={self.id}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes().split(b"\0") and start_time(int(entry.name)):
                        found.add(int(entry.name))
        return found
