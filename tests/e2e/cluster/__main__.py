"""python -m tests.e2e.cluster up|down|status [--folder FOLDER]"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from . import lifecycle
from .model import Cluster
from .processes import FILE, HarnessError, Processes

DEFAULT = Path(__file__).resolve().parents[3] / ".cluster"


def _export(cluster: Cluster) -> None:
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def _up(folder: Path) -> None:
    cluster = lifecycle.running(folder)
    if cluster is None:
        if (folder / FILE).exists():
            print(f"what is left in {folder} goes first", file=sys.stderr)
            lifecycle.down(folder)
        begun = time.monotonic()
        cluster = lifecycle.up(folder, lambda text: print(f"cluster: {text}", file=sys.stderr, flush=True))
        print(f"cluster: ready after {time.monotonic() - begun:.0f} s", file=sys.stderr)
    _export(cluster)


def _status(folder: Path) -> int:
    cluster = lifecycle.running(folder)
    if cluster:
        _export(cluster)
        return 0
    processes = Processes.load(folder)
    if processes is None:
        print(f"no cluster in {folder}")
        return 1
    for name, process in processes.running.items():
        print(f"{name} {process.pid} {'lives' if processes.alive(name) else 'has ended'}")
    print(f"the cluster in {folder} is not complete")
    return 1


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.cluster", description="A throwaway test cluster.")
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where it lives (default: %(default)s)")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    try:
        if arguments.command == "status":
            return _status(folder)
        if arguments.command == "up":
            _up(folder)
        elif (folder / FILE).exists():
            lifecycle.down(folder)
        else:
            print(f"cluster: none in {folder}", file=sys.stderr)
    except (HarnessError, OSError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
