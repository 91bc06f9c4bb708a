"""A failing Domain: `kubectl pullcheck domain1` against the steps by which one looks at it without a plugin.

The steps are those of the WebLogic Kubernetes Operator's FAQ on pull secrets, as a shell script that knows beforehand
which objects to look at.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster.model import Cluster
from tests.e2e.conftest import Kubectl, make_secret

from .measure import BenchError, Command, Comparison, in_turn

DOMAIN, SECRET = "domain1", "domain1-pull"
STEPS = """\
set -e
kubectl get pods -n {namespace}
kubectl describe pod {pod} -n {namespace}
kubectl get events -n {namespace}
kubectl get serviceaccount default -n {namespace} -o yaml
kubectl get secret {secret} -n {namespace} -o yaml
kubectl get nodes
"""


# What no plugin in Python can do without: kubectl's own start, Python's, and that of HTTPS, YAML and docopt.
BARE = "import docopt, ssl, urllib3, yaml"


def measure(admin: Kubectl, cluster: Cluster, folder: Path, runs: int) -> tuple[Comparison, Comparison]:
    """Ours against the steps; and what of ours is spent before its first line, against the steps. Raises BenchError."""
    with failing_domain(admin, cluster) as (kubectl, pod):
        script = folder / "steps.sh"
        inspect = _inspect(cluster, admin.env)
        script.write_text(STEPS.format(namespace=kubectl.namespace, pod=pod, secret=SECRET) + inspect)
        ours = Command(
            f"kubectl pullcheck {DOMAIN}",
            ["kubectl", "pullcheck", DOMAIN, "-n", kubectl.namespace],
            code=1,
            says=("key-mismatch", SECRET, "kubectl pullsecret add"),
        )
        name = f"the FAQ's steps, {'with' if inspect else 'without'} skopeo inspect"
        theirs = Command(name, ["sh", str(script)], says=("ImagePullBackOff", ".dockerconfigjson:", "team/app"))
        start = Command("kubectl and the libraries", [*_as_plugin(folder, BARE), "domain1"])
        env = {**admin.env, "PATH": f"{folder}:{admin.env['PATH']}"}
        our_runs, their_runs, starts = in_turn((ours, theirs, start), env, folder, runs)
        return Comparison(ours, theirs, our_runs, their_runs), Comparison(start, theirs, starts, their_runs)


def _as_plugin(folder: Path, code: str) -> list[str]:
    """How a plugin of this code is called, once `folder` is on the PATH."""
    plugin = folder / "kubectl-bare"
    plugin.write_text(f"#!{sys.executable}\n{code}\n")
    plugin.chmod(0o755)
    return ["kubectl", "bare"]


@contextmanager
def failing_domain(admin: Kubectl, cluster: Cluster) -> Iterator[tuple[Kubectl, str]]:
    """A namespace with a Domain whose secret's server has a path that the kubelet never asks for, and the failing pod."""
    kubectl = Kubectl(admin.env, f"pullkit-bench-{secrets.token_hex(4)}")
    admin("create", "namespace", kubectl.namespace)
    try:
        _wait(lambda: bool(kubectl.get("serviceaccount", "default")), "the default service account")
        registry = cluster.registries["htpasswd"]
        spec = {
            "domainUID": DOMAIN,
            "image": registry.image("team/app:1.0"),
            "imagePullSecrets": [{"name": SECRET}],
            "replicas": 1,
            "failureRetryIntervalSeconds": 3600,  # the same pod in every run
        }
        domain = {"apiVersion": "weblogic.oracle/v9", "kind": "Domain", "metadata": {"name": DOMAIN}, "spec": spec}
        kubectl.apply(make_secret(SECRET, registry, server=f"https://{registry.address}/v2"), domain)
        _wait(lambda: bool(_refused(kubectl)), "the pod of the introspector to back off", 90)
        yield kubectl, _refused(kubectl)
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")


def _refused(kubectl: Kubectl) -> str:
    names = [str(pod["metadata"]["name"]) for pod in kubectl.list("pods")]
    return next((name for name in names if kubectl.waiting(name)[0] == "ImagePullBackOff"), "")


def _inspect(cluster: Cluster, env: dict[str, str]) -> str:
    """The last step, if skopeo is there and can reach the registry."""
    registry = cluster.registries["htpasswd"]
    words = ["skopeo", "inspect", "--tls-verify=false", "--creds", f"{registry.user}:{registry.password}"]
    words.append(f"docker://{registry.image('team/app:1.0')}")
    if not shutil.which("skopeo") or subprocess.run(words, env=env, capture_output=True).returncode:
        return ""
    return " ".join(words) + "\n"


def _wait(ready: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.3)
