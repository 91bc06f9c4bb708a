"""A big cluster: `kubectl pullcheck -A` over 10,000 pods against `kubectl get pods -A`, against the bytes alone, and against
itself over 1,000."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.model import Cluster
from tests.e2e.cluster.processes import Processes
from tests.e2e.conftest import Kubectl

from . import pods
from .filling import Filling
from .measure import BenchError, Command, Comparison, Ratio, Run, in_turn
from .pods import Pod

# They would evict pods from nodes that nobody runs, remove pods whose owner is missing, or only take processor time.
STOPPED = ("operator", "kube-scheduler", "kube-controller-manager")
OURS = ["kubectl", "pullcheck", "-A"]
FOLLOWING_PAGE = re.compile(r"^GET \S+[?&]continue=", re.MULTILINE)
REQUEST = re.compile(r"^[A-Z]+ https?://\S+ \d+ ", re.MULTILINE)


@dataclass(frozen=True)
class Figures:
    """few, all: our runs over so many pods, and the requests that one takes but for the further pages of a list."""

    few: list[Run]
    few_requests: int
    requests: int
    listed: Comparison
    raw: Comparison

    def growth(self, linear: float) -> list[Ratio]:
        """All pods against few."""
        ours, theirs = self.listed.ours.name, _name(pods.FEW)

        def ratio(what: str, unit: str, figure: Callable[[Run], float]) -> Ratio:
            values, few = [figure(run) for run in self.listed.our_runs], [figure(run) for run in self.few]
            return Ratio(what, unit, ours, theirs, values, few, linear)

        requests = Ratio("requests but for pages", "", ours, theirs, [self.requests], [self.few_requests], 1)
        figures = (
            ratio("time", "s", lambda run: run.seconds),
            ratio("processor time", "s", lambda run: run.cpu),
            ratio("peak memory", "MiB", lambda run: run.kib / 1024),
        )
        return [*figures, requests]


def measure(admin: Kubectl, cluster: Cluster, folder: Path, say: Callable[[str], None], runs: int) -> Figures:
    """The cluster is of no other use afterwards. Raises BenchError."""
    _alone(admin)
    processes = Processes.load(Path(cluster.folder))
    for name in STOPPED if processes else ():
        assert processes
        if processes.alive(name):
            processes.stop(name)
    filling = Filling(cluster)
    filling.surroundings()
    filling.add(range(pods.FEW))
    (few,) = in_turn([_ours(pods.FEW)], admin.env, folder, runs)
    few_requests = _requests(admin.env)
    filling.add(range(pods.FEW, pods.PODS))
    say(f"{pods.PODS:,} pods are there")
    last = Pod(pods.PODS - 1).name
    listed = Command("kubectl get pods -A", ["kubectl", "get", "pods", "-A"], says=(Pod(0).name, last))
    raw = Command("kubectl get --raw /api/v1/pods", ["kubectl", "get", "--raw", "/api/v1/pods"], says=(last,))
    ours = _ours(pods.PODS)
    requests = _requests(admin.env)
    all_of_it, list_runs, raw_runs = in_turn([ours, listed, raw], admin.env, folder, runs)
    against_list, against_raw = (
        Comparison(ours, theirs, all_of_it, their_runs) for theirs, their_runs in ((listed, list_runs), (raw, raw_runs))
    )
    return Figures(few, few_requests, requests, against_list, against_raw)


def _alone(admin: Kubectl) -> None:
    """Waits for the end of the namespaces of other parts: their pods would be found, too."""
    ending = admin("get", "namespaces", "--field-selector=status.phase=Terminating", "-o", "name").split()
    if ending:
        admin("wait", "--for=delete", "--timeout=100s", *ending)


def _name(count: int) -> str:
    return f"kubectl pullcheck -A, {count:,} pods"


def _ours(count: int) -> Command:
    return Command(_name(count), OURS, code=1, says=(f"({count // pods.FAILING:,} pods) cannot be pulled",))


def _requests(env: Mapping[str, str]) -> int:
    """The requests to the API server, but for further pages of lists. Raises BenchError."""
    done = subprocess.run([*OURS, "-v=6"], env=dict(env), capture_output=True, text=True)
    count = len(REQUEST.findall(done.stderr)) - len(FOLLOWING_PAGE.findall(done.stderr))
    if count < 1:
        raise BenchError(f"kubectl pullcheck -A -v=6 told of no request:\n{done.stderr[-1000:]}")
    return count
