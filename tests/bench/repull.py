"""From the mended secret to a running pod: `kubectl repull` against leaving it to the kubelet's own back-off.

Pairs of Deployments fail on one secret at the same time; when their kubelets have just tried in vain once more, it is
mended. One of each pair is repulled, the other is left alone.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.cluster.model import Cluster
from tests.e2e.conftest import Kubectl, make_pod, make_secret

from .measure import BenchError, Ratio

PAIRS = 3
FOUR_FAILURES = 74.0  # seconds: a kubelet tries after 10, 20 and 40 s more, and then waits for 80 s
SECRET = "mended"


def measure(admin: Kubectl, cluster: Cluster, say: Callable[[str], None], target: float) -> Ratio:
    """Raises BenchError."""
    kubectl = Kubectl(admin.env, f"pullkit-bench-{secrets.token_hex(4)}")
    registry = cluster.registries["htpasswd"]
    repulled, left = [f"repulled{number}" for number in range(PAIRS)], [f"left{number}" for number in range(PAIRS)]
    admin("create", "namespace", kubectl.namespace)
    try:
        _wait(lambda: bool(kubectl.get("serviceaccount", "default")), "the default service account", 60)
        image = registry.image("team/app:1.0")
        kubectl.apply(
            make_secret(SECRET, registry, password="wrong"), *(_deployment(name, image) for name in repulled + left)
        )
        _wait(lambda: _all_refused(kubectl), "the first failed pull of each pod", 120)
        say(f"waiting {FOUR_FAILURES:.0f} s, until the kubelets have tried four times")
        time.sleep(FOUR_FAILURES)
        kubectl.apply(make_secret(SECRET, registry))
        began = time.monotonic()
        ours = [_repull(kubectl, name, registry.address) for name in repulled]
        theirs: dict[str, float] = {}

        def all_run() -> bool:
            for name in left:
                if name not in theirs and _runs(kubectl, name):
                    theirs[name] = time.monotonic() - began
            return len(theirs) == len(left)

        _wait(all_run, "the kubelets' own tries", 400)
        their_times = [theirs[name] for name in left]
        return Ratio("time to run", "s", "kubectl repull", "the kubelet's back-off", ours, their_times, target)
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")


def _repull(kubectl: Kubectl, name: str, registry: str) -> float:
    began = time.monotonic()
    words = ["kubectl", "repull", f"deployment/{name}", "-n", kubectl.namespace, "--plain-http", registry]
    done = subprocess.run(words, env=kubectl.env, capture_output=True, text=True, timeout=300)
    if done.returncode or "is back" not in done.stdout or not _runs(kubectl, name):
        raise BenchError(f"kubectl repull {name} did not bring it back:\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


def _deployment(name: str, image: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": make_pod(name, image, SECRET, imagePullPolicy="Always")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _all_refused(kubectl: Kubectl) -> bool:
    names = [str(pod["metadata"]["name"]) for pod in kubectl.list("pods")]
    return len(names) == 2 * PAIRS and all(kubectl.waiting(name)[0] == "ImagePullBackOff" for name in names)


def _runs(kubectl: Kubectl, name: str) -> bool:
    statuses = [
        one for pod in kubectl.list("pods", "-l", f"app={name}") for one in pod["status"].get("containerStatuses", [])
    ]
    return any("running" in one["state"] for one in statuses)


def _wait(ready: Callable[[], bool], what: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.5)
