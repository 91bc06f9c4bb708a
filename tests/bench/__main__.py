"""python -m tests.bench [--only help|domain|registry|repull|push|load|peers|scan] [--runs N]"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from tests.e2e.cluster import model
from tests.e2e.cluster.model import Cluster
from tests.e2e.cluster.processes import HarnessError
from tests.e2e.conftest import PLUGINS, ROOT, Kubectl, environment

from . import domain, load, peers, peers_page, pods, push, registry, repull, scan
from .measure import BenchError, Command, Ratio, compare

PARTS = ("help", "domain", "registry", "repull", "push", "load", "peers", "scan")
HELP_TIME, DOMAIN_TIME, SCAN_TIME, SCAN_MEMORY = 4, 0.8, 1.0, 0.5  # the targets
SKOPEO_TIME, CRANE_TIME = 0.15, 1.5
REPULL_TIME = 0.2  # of the 80 s that a kubelet waits after its fourth try
PUSH_TIME = 1.3
LOAD_TIME = 1 / 0.6  # of kubectl exec's; its throughput the other way round
LOAD_MEMORY = 1.15  # of what a small archive takes
LOAD_RUNS = 3  # of half a minute
PEERS_PAGE = ROOT / "docs" / "peers.md"
SKOPEO_RUNS = 5  # a minute together


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Speed and memory, as ratios.")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part to run (default: all)")
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="counted runs (default: by part; 5 at least)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    parts = arguments.only or list(PARTS)
    runs = max(arguments.runs, 5) if arguments.runs else 0
    ratios: list[Ratio] = []
    notes: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="pullkit-bench-") as folder:
            ratios, notes = _measure(parts, Path(folder), runs)
    except (BenchError, HarnessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stderr.flush()
    print("\n".join([table(ratios), *notes]))
    return 0 if all(ratio.passed for ratio in ratios) else 1


def _measure(parts: list[str], folder: Path, runs: int) -> tuple[list[Ratio], list[str]]:
    """The figures, and what there is to say besides."""
    ratios: list[Ratio] = []
    notes: list[str] = []
    if "help" in parts:
        ours = Command("kubectl-pullcheck --help", [str(PLUGINS / "kubectl-pullcheck"), "--help"], says=("Usage:",))
        theirs = Command("python -c pass", [sys.executable, "-c", "pass"])
        _say("help")
        found = compare(ours, theirs, usual(os.environ), folder, runs or 15)
        ratios += [found.time(HELP_TIME), found.cpu()]
    given = os.environ.get("PULLKIT_CLUSTER_FOLDER", "")
    with contextlib.ExitStack() as stack:
        own = None
        if "scan" in parts or (not given and set(parts) - {"help", "scan"}):
            own = stack.enter_context(_own_cluster(folder / "cluster"))
        cluster = model.load(Path(given).resolve()) if given else own
        if "domain" in parts:
            assert cluster
            _say("domain")
            found = domain.measure(_admin(cluster), cluster, folder, runs or 9)
            ratios += [found.time(DOMAIN_TIME), found.cpu()]
        if "registry" in parts:
            assert cluster
            _say(f"registry, with {registry.IMAGES} images to push first")
            measured = registry.measure(_admin(cluster), cluster, folder, _say, runs or SKOPEO_RUNS, runs or 9)
            ratios += [measured.skopeo.time(SKOPEO_TIME), measured.skopeo.cpu()]
            ratios += [measured.crane.time(CRANE_TIME), measured.crane.cpu()]
            notes.append(f"{measured.skopeo.ours.name}: {measured.requests:.2f} requests to the registry for each image")
        if "repull" in parts:
            assert cluster
            ratios.append(repull.measure(_admin(cluster), cluster, _say, REPULL_TIME))
        if "push" in parts:
            assert cluster
            _say("push, of 500 MB")
            found, memory = push.measure(_admin(cluster), cluster, folder, _say, runs or 5)
            ratios += [found.time(PUSH_TIME), found.cpu(), memory]
        if "load" in parts:
            assert cluster
            ratios += load.measure(_admin(cluster), cluster, folder, _say, LOAD_RUNS, LOAD_TIME, LOAD_MEMORY)
        if "peers" in parts:
            assert cluster
            _say("peers")
            compared = peers.measure(_admin(cluster), cluster, folder, _say, runs or 5)
            PEERS_PAGE.write_text(f"{peers_page.section(compared, peers_page.today(), peers_page.here())}\n")
            ratios += [figure for one in compared.comparisons for figure in (one.time(), one.memory())]
            notes.append(f"peers: what they find is in {PEERS_PAGE.relative_to(ROOT)}")
        if "scan" in parts:  # last: no controller runs afterwards
            assert own
            _say(f"scan, with {pods.PODS} pods to make first")
            found = scan.measure(_admin(own), own, folder, runs or 7)
            ratios += [found.time(SCAN_TIME), found.cpu(), found.memory(SCAN_MEMORY)]
    return ratios, notes


@contextlib.contextmanager
def _own_cluster(folder: Path) -> Iterator[Cluster]:
    _say("bringing up a cluster")
    try:
        error = _harness("up", folder)
        if error:
            raise BenchError(f"no cluster:\n{error}")
        yield model.load(folder)
    finally:
        if folder.exists() and (error := _harness("down", folder)):
            print(f"bench: the cluster in {folder} is not down:\n{error}", file=sys.stderr)


def _harness(command: str, folder: Path) -> str:
    """What went wrong."""
    argv = [sys.executable, "-m", "tests.e2e.cluster", command, "--folder", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def _admin(cluster: Cluster) -> Kubectl:
    return Kubectl(usual(environment(cluster.kubeconfig, cluster.kubectl)))


def usual(env: Mapping[str, str]) -> dict[str, str]:
    """Without what changes Python: under PYTHONDONTWRITEBYTECODE, say, every run would compile its modules again."""
    return {name: value for name, value in env.items() if not name.startswith("PYTHON")}


def _say(text: str) -> None:
    print(f"bench: [{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def table(ratios: list[Ratio]) -> str:
    """The medians: of the ratios pair by pair, and of both commands."""
    lines = [["COMMAND", "AGAINST", "FIGURE", "OURS", "THEIRS", "RATIO", "MIN-MAX", "TARGET", "RESULT"]]
    for one in ratios:
        ours, theirs = statistics.median(one.our_values), statistics.median(one.their_values)
        digits = 3 if one.unit == "s" else 0
        lines.append(
            [
                one.ours,
                one.theirs,
                one.what,
                f"{ours:.{digits}f} {one.unit}",
                f"{theirs:.{digits}f} {one.unit}",
                f"{one.median:.2f}",
                f"{min(one.each):.2f}-{max(one.each):.2f}",
                "" if one.target is None else f"<= {one.target:g}",
                "" if one.target is None else "PASS" if one.passed else "over",
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
