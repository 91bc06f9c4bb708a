"""A big cluster: `kubectl pullcheck -A` over 5,000 pods against `kubectl get pods -A`."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.e2e.cluster.model import Cluster
from tests.e2e.cluster.processes import Processes
from tests.e2e.conftest import Kubectl

from . import pods
from .measure import BenchError, Command, Comparison, compare
from .pods import Object, Pod

THREADS = 12
# They would evict pods from nodes that nobody runs, remove pods whose owner is missing, or only take processor time.
STOPPED = ("operator", "kube-scheduler", "kube-controller-manager")
T = TypeVar("T")


def measure(admin: Kubectl, cluster: Cluster, folder: Path, runs: int) -> Comparison:
    """The cluster is of no other use afterwards."""
    processes = Processes.load(Path(cluster.folder))
    for name in STOPPED if processes else ():
        assert processes
        if processes.alive(name):
            processes.stop(name)
    fill(cluster)
    ours = Command(
        f"kubectl pullcheck -A, {pods.PODS} pods",
        ["kubectl", "pullcheck", "-A"],
        code=1,
        says=("VERDICT", pods.Pod(0).image, pods.Pod(pods.WAITING - 1).image),
    )
    last = pods.Pod(pods.PODS - 1)
    theirs = Command("kubectl get pods -A", ["kubectl", "get", "pods", "-A"], says=(pods.Pod(0).name, last.name))
    return compare(ours, theirs, admin.env, folder, runs)


def fill(cluster: Cluster) -> None:
    """Creates what is in `pods`. Raises BenchError."""
    api = Api(cluster)
    made: dict[str, list[tuple[str, Object]]] = {}
    for path, value in pods.surroundings():
        made.setdefault(path.rpartition("/")[2], []).append((path, value))
    for objects in made.values():  # one kind after the other: namespaces and service accounts before what needs them
        _each(lambda one: api.call("POST", *one), objects)
    _each(lambda number: _add_pod(api, Pod(number)), range(pods.PODS))


def _add_pod(api: Api, pod: Pod) -> None:
    base = f"/api/v1/namespaces/{pod.namespace}"
    created = api.call("POST", f"{base}/pods", pods.new_pod(pod))
    api.call("PUT", f"{base}/pods/{pod.name}/status", {**created, "status": pods.status(pod)}, "kubelet")
    for event in pods.events(pod, created["metadata"]["uid"]) if pod.waits else ():
        api.call("POST", f"{base}/events", event, "kubelet")


def _each(function: Callable[[T], object], values: Iterable[T]) -> None:
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(function, values):
            pass


class Api:
    """The API server with one connection for each thread."""

    def __init__(self, cluster: Cluster) -> None:
        self.address = urlsplit(cluster.api_url)
        self.context = ssl.create_default_context(cafile=cluster.ca_file)
        self.headers = {"Authorization": f"Bearer {cluster.admin_token}", "Content-Type": "application/json"}
        self.of_thread = threading.local()

    def call(self, method: str, path: str, body: Object, agent: str = "kube-controller-manager") -> Object:
        """One request; `agent` is who managedFields will say it was."""
        if not hasattr(self.of_thread, "connection"):
            host, port = self.address.hostname or "", self.address.port
            self.of_thread.connection = http.client.HTTPSConnection(host, port, timeout=60, context=self.context)
        connection: http.client.HTTPSConnection = self.of_thread.connection
        connection.request(method, path, json.dumps(body), {**self.headers, "User-Agent": agent})
        response = connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise BenchError(f"{method} {path}: {response.status} {content[:500].decode(errors='replace')}")
        result: dict[str, Any] = json.loads(content)
        return result
