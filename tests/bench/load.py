"""An image onto two nodes at once: `kubectl repull --load` against `kubectl exec -i` of the same bytes into `cat >/dev/null`
which neither checks, stores nor unpacks anything; and what it takes of memory for a small archive and for a large one."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.cluster import binaries
from tests.e2e.cluster import node as nodes
from tests.e2e.cluster.model import Cluster
from tests.e2e.conftest import Kubectl
from tests.e2e.load_kit import SOMEWHERE, everywhere, large_archive, sockets

from .measure import CHILD, BenchError, Ratio

SIZE, SMALL = 500_000_000, 20_000_000
FOLDERS = ("usr", "bin", "lib", "lib64")


def measure(
    admin: Kubectl, cluster: Cluster, folder: Path, say: Callable[[str], None], runs: int, target: float, memory: float
) -> list[Ratio]:
    """Time of the stream and of the whole, ours divided by theirs, and peak memory. Raises BenchError."""
    kubectl = Kubectl(admin.env, f"pullkit-bench-{secrets.token_hex(4)}")
    program = binaries.app().read_bytes()
    archives = {size: folder / f"{size}.tar" for size in (SMALL, SIZE)}
    for size, path in archives.items():
        large_archive(path, program, size, "bench:1")
    admin("create", "namespace", kubectl.namespace)
    try:
        _wait(lambda: bool(kubectl.get("serviceaccount", "default")), "the default service account", 60)
        kubectl.apply(*(_sink(node.name) for node in cluster.nodes))
        _wait(lambda: all(kubectl.phase(node.name) == "Running" for node in cluster.nodes), "the sinks", 60)
        ours, streams, theirs, peaks = [], [], [], []
        _load(kubectl, cluster, archives[SMALL], folder)
        for number in range(runs):
            say(f"load, run {number + 1} of {runs}")
            whole, stream, kib = _load(kubectl, cluster, archives[SIZE], folder)
            ours.append(whole)
            streams.append(stream)
            peaks.append(kib / 1024)
            theirs.append(_exec(kubectl, cluster, archives[SIZE]))
        _, _, small = _load(kubectl, cluster, archives[SMALL], folder)
        name, against = "kubectl repull --load", "kubectl exec -i"
        return [
            Ratio("time to stream", "s", name, against, streams, theirs, target),
            Ratio("time in all", "s", name, against, ours, theirs),
            Ratio("peak memory", "MiB", name, f"the same, {SMALL // 10**6} MB", peaks, [small / 1024] * runs, memory),
        ]
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")
        for node in cluster.nodes:
            for listed in nodes.ctr(node, "images", "ls", "-q").split():
                if listed.startswith(f"{SOMEWHERE}/bench-"):
                    nodes.ctr(node, "images", "rm", listed)


def _sink(node: str) -> dict[str, Any]:
    """A pod with the node's own `cat` in it."""
    mounts = [{"name": name, "mountPath": f"/{name}", "readOnly": True} for name in FOLDERS]
    volumes = [{"name": name, "hostPath": {"path": f"/{name}"}} for name in FOLDERS]
    container = {"name": "sink", "image": "localhost/pullkit-pause:1", "imagePullPolicy": "Never", "volumeMounts": mounts}
    spec = {"nodeName": node, "containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": node}, "spec": spec}


def _load(kubectl: Kubectl, cluster: Cluster, archive: Path, folder: Path) -> tuple[float, float, int]:
    """Seconds of the whole, seconds until the slower node had all bytes, KiB at the most."""
    image, name = f"{SOMEWHERE}/bench-{secrets.token_hex(3)}:1", f"web-{secrets.token_hex(3)}"
    kubectl.apply(everywhere(name, image))
    words = ["kubectl", "repull", f"daemonset/{name}", "--load", str(archive), "-y", "--no-registry", "--no-wait", "-n"]
    words += [kubectl.namespace, "--containerd-socket", sockets(cluster)]
    output = folder / "output"
    argv = [sys.executable, "-I", "-S", str(CHILD), str(output), *words]
    done = subprocess.run(argv, env=kubectl.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=600)
    found, text = json.loads(done.stdout), output.read_text()
    taken = [float(seconds) for seconds in re.findall(r": loaded, .* streamed in ([\d.]+)s", text)]
    if found["code"] or len(taken) != len(cluster.nodes):
        raise BenchError(f"kubectl repull --load ended with {found['code']}:\n{text[-1000:]}")
    kubectl("delete", "daemonset", name, "--wait=false")
    for node in cluster.nodes:
        for listed in (image, *nodes.ctr(node, "images", "ls", "-q", f"name~={image.rpartition(':')[0]}").split()):
            nodes.ctr(node, "images", "rm", "--sync", listed)
    return found["seconds"], max(taken), found["kib"]


def _exec(kubectl: Kubectl, cluster: Cluster, archive: Path) -> float:
    began = time.monotonic()
    running = []
    for node in cluster.nodes:
        words = ["kubectl", "exec", "-i", node.name, "-n", kubectl.namespace, "--", "sh", "-c", "cat >/dev/null"]
        with archive.open("rb") as content:
            running.append(subprocess.Popen(words, env=kubectl.env, stdin=content, stdout=subprocess.DEVNULL))
    codes = [one.wait(600) for one in running]
    if any(codes):
        raise BenchError("kubectl exec failed")
    return time.monotonic() - began


def _wait(ready: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.3)
