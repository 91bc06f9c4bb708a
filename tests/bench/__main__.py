"""python -m tests.bench [--only PART]... [--runs N] [--to FILE]"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from tests.e2e.cluster import model
from tests.e2e.cluster.model import Cluster
from tests.e2e.cluster.processes import HarnessError
from tests.e2e.conftest import PLUGINS, ROOT, Kubectl, environment

from . import domain, load, peers, peers_page, pods, push, registry, repull, scan
from .measure import BenchError, Command, compare
from .table import Part, circumstances, keep, section, table

DOCUMENT, PEERS_PAGE = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "peers.md"
HELP_TIME, DOMAIN_TIME = 4, 0.6  # the targets
SCAN_TIME, SCAN_MEMORY, SCAN_RAW_TIME = 0.9, 0.4, 2.0
SCAN_GROWTH = pods.PODS / pods.FEW
SKOPEO_TIME, CRANE_TIME = 0.15, 1.5
REPULL_TIME = 0.2  # of the 80 s that a kubelet waits after its fourth try
PUSH_TIME = 1.3
LOAD_TIME = 1 / 0.6  # of kubectl exec's; its throughput the other way round
LOAD_MEMORY = 1.15  # of what a small archive takes
LOAD_RUNS = 3  # of half a minute
SKOPEO_RUNS = 5  # a minute together


@dataclass
class Bench:
    """What the parts share. runs: how many pairs are asked for, 0: as many as the part takes by itself."""

    folder: Path
    runs: int
    stack: contextlib.ExitStack

    @cached_property
    def own(self) -> Cluster:
        """A cluster that nobody else uses."""
        return self.stack.enter_context(_own_cluster(self.folder / "cluster"))

    @cached_property
    def cluster(self) -> Cluster:
        given = os.environ.get("PULLKIT_CLUSTER_FOLDER", "")
        return model.load(Path(given).resolve()) if given else self.own


def _help(bench: Bench) -> Part:
    ours = Command("kubectl-pullcheck --help", [str(PLUGINS / "kubectl-pullcheck"), "--help"], says=("Usage:",))
    theirs = Command("python -c pass", [sys.executable, "-c", "pass"])
    found = compare(ours, theirs, usual(os.environ), bench.folder, bench.runs or 15)
    return Part("How long `--help` takes, in starts of Python.", [found.time(HELP_TIME), found.cpu()])


def _domain(bench: Bench) -> Part:
    found, start = domain.measure(_admin(bench.cluster), bench.cluster, bench.folder, bench.runs or 9)
    title = "A Domain that fails: `kubectl pullcheck domain1` against the looking steps of the operator's FAQ as a script."
    note = "The last two: what a plugin takes before its own first line, for kubectl, Python, HTTPS, YAML and docopt."
    return Part(title, [found.time(DOMAIN_TIME), found.cpu(), start.time(), start.cpu()], [note])


def _registry(bench: Bench) -> Part:
    _say(f"{registry.IMAGES} images to push first")
    runs = bench.runs
    found = registry.measure(_admin(bench.cluster), bench.cluster, bench.folder, _say, runs or SKOPEO_RUNS, runs or 9)
    ratios = [found.skopeo.time(SKOPEO_TIME), found.skopeo.cpu(), found.crane.time(CRANE_TIME), found.crane.cpu()]
    note = f"{found.skopeo.ours.name}: {found.requests:.2f} requests to the registry for each image."
    return Part(f"{registry.IMAGES} images are asked for at their registry.", ratios, [note])


def _repull(bench: Bench) -> Part:
    ratio = repull.measure(_admin(bench.cluster), bench.cluster, _say, REPULL_TIME)
    return Part("From a mended secret to a running pod, against waiting for the kubelet.", [ratio])


def _push(bench: Bench) -> Part:
    _say("an image of 500 MB")
    found, memory = push.measure(_admin(bench.cluster), bench.cluster, bench.folder, _say, bench.runs or 5)
    return Part("`kubectl repull --push` of an image of 500 MB.", [found.time(PUSH_TIME), found.cpu(), memory])


def _load(bench: Bench) -> Part:
    ratios = load.measure(_admin(bench.cluster), bench.cluster, bench.folder, _say, LOAD_RUNS, LOAD_TIME, LOAD_MEMORY)
    return Part("`kubectl repull --load` of an image of 500 MB onto two nodes.", ratios)


def _peers(bench: Bench) -> Part:
    found = peers.measure(_admin(bench.cluster), bench.cluster, bench.folder, _say, bench.runs or 5)
    PEERS_PAGE.write_text(f"{peers_page.section(found, peers_page.today(), peers_page.here())}\n")
    ratios = [figure for one in found.comparisons for figure in (one.time(), one.memory())]
    note = "What each of them finds is in [peers.md](peers.md)."
    return Part(f"{len(found.pods)} broken pods, and what others have for them.", ratios, [note])


def _scan(bench: Bench) -> Part:
    _say(f"{pods.PODS:,} pods to make first")
    found = scan.measure(_admin(bench.own), bench.own, bench.folder, _say, bench.runs or 5)
    listed, raw = found.listed, found.raw
    ratios = [listed.time(SCAN_TIME), listed.cpu(), listed.memory(SCAN_MEMORY), raw.time(SCAN_RAW_TIME), raw.memory()]
    ratios += found.growth(SCAN_GROWTH)
    title = (
        f"{pods.PODS:,} pods on {len(pods.nodes(range(pods.PODS)))} nodes, with {pods.PULLS} different Pulls, of which "
        f"{pods.FAILING_WORKLOADS} fail for {pods.PODS // pods.FAILING:,} pods."
    )
    return Part(title, ratios)


# In this order; the last one leaves no controller running in its cluster.
PARTS: dict[str, Callable[[Bench], Part]] = {
    "help": _help,
    "domain": _domain,
    "registry": _registry,
    "repull": _repull,
    "push": _push,
    "load": _load,
    "peers": _peers,
    "scan": _scan,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Speed and memory, as ratios.")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part to run (default: all)")
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="counted runs (default: by part; 5 at least)")
    parser.add_argument("--to", type=Path, default=DOCUMENT, metavar="FILE", help="where the parts' sections go")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    wanted = [name for name in PARTS if name in (arguments.only or PARTS)]
    runs = max(arguments.runs, 5) if arguments.runs else 0
    found: list[Part] = []
    try:
        with tempfile.TemporaryDirectory(prefix="pullkit-bench-") as folder, contextlib.ExitStack() as stack:
            bench = Bench(Path(folder), runs, stack)
            for name in wanted:
                _say(name)
                measured = circumstances("" if name == "help" else bench.cluster.kubernetes_version)
                found.append(PARTS[name](bench))
                keep(arguments.to, name, section(found[-1], measured), list(PARTS))
    except (BenchError, HarnessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stderr.flush()
    print(table(ratio for part in found for ratio in part.ratios))
    print("".join(f"{note}\n" for part in found for note in part.notes), end="")
    return 0 if all(part.passed for part in found) else 1


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


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
