"""What every end-to-end test may use: a cluster, a namespace, kubectl and the plugins through it.

    PULLKIT_CLUSTER_FOLDER=DIR   use the cluster that runs there and leave it
    CLUSTER=current              use the user's own cluster ($KUBECONFIG): no nodes, no registries of ours
    PULLKIT_PLUGINS=DIR          run the plugins that are there

Without either a cluster is brought up for the session and taken down after it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

import pytest

from .cluster import model
from .cluster.model import Cluster, Node, Registry

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = Path(os.environ.get("PULLKIT_PLUGINS") or Path(sys.executable).parent)  # where `pip install -e .` puts them
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
Object = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(kubeconfig: str, kubectl: str) -> dict[str, str]:
    """For kubectl and the plugins: ours come first on PATH, and nothing goes through a proxy."""
    env = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
    folders = [str(PLUGINS), *([str(Path(kubectl).parent)] if kubectl else []), env.get("PATH", os.defpath)]
    env["PATH"] = os.pathsep.join(folders)
    if kubeconfig:
        env["KUBECONFIG"] = kubeconfig
    return env


def wait_for(predicate: Callable[[], T], what: str, timeout: float = 180, every: float = 0.3) -> T:
    """The first true value of the predicate; the test fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:.0f} s for {what}; last seen: {value!r}")
        time.sleep(every)


class Kubectl:
    """kubectl, and with it the plugins, for one cluster and one namespace ("" stands for the kubeconfig's own)."""

    def __init__(self, env: dict[str, str], namespace: str = "") -> None:
        self.env = env
        self.namespace = namespace

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        timeout: float = 120,
        env: Optional[dict[str, str]] = None,
        cwd: Optional[Path] = None,
    ) -> Result:
        """Runs `kubectl ARGUMENTS` as they are, whatever comes of it; -n only if given."""
        run = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self.env, **(env or {})},
            cwd=cwd,
        )
        return Result(run.returncode, run.stdout, run.stderr)

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl in the namespace and gives what it printed; an error ends the test."""
        where = ["-n", self.namespace] if self.namespace else []
        result = self.run(*where, *arguments, stdin=stdin)
        assert result.code == 0, f"kubectl {' '.join(arguments)}: {result.err}"
        return result.out

    def plugin(self, name: str, *arguments: str, **how: Any) -> Result:
        """Runs `kubectl NAME ARGUMENTS -n NAMESPACE`, NAME being pullcheck, pullsecret or repull."""
        where = ["-n", self.namespace] if self.namespace else []
        return self.run(name, *arguments, *where, **how)

    def apply(self, *objects: Object) -> None:
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self("apply", "-f", "-", stdin=items)

    def get(self, kind: str, name: str) -> Optional[Object]:
        """The object, or None."""
        text = self("get", kind, name, "-o", "json", "--ignore-not-found")
        found: Optional[Object] = json.loads(text) if text else None
        return found

    def list(self, kind: str, *arguments: str) -> list[Object]:
        found: list[Object] = json.loads(self("get", kind, "-o", "json", *arguments))["items"]
        return found

    def waiting(self, pod: str) -> tuple[str, str]:
        """Reason and message of the pod's first waiting container, init containers first; ("", "") if there is none."""
        status = (self.get("pod", pod) or {}).get("status", {})
        for each in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            state = each["state"].get("waiting")
            if state and state.get("reason") != "PodInitializing":
                return state.get("reason", ""), state.get("message", "")
        return "", ""

    def phase(self, pod: str) -> str:
        return str((self.get("pod", pod) or {}).get("status", {}).get("phase", ""))


def make_pod(name: str, image: str, *secret_names: str, node: str = "", **container: Any) -> Object:
    """A pod of one container; `container` holds further fields of it."""
    spec: Object = {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": image, **container}],
        "imagePullSecrets": [{"name": secret} for secret in secret_names],
    }
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def make_secret(name: str, registry: Registry, user: str = "", password: str = "", server: str = "") -> Object:
    """A pull secret for the registry's main user unless another is named."""
    who = user or registry.user
    auth = {"username": who, "password": password or registry.users.get(who, "")}
    content = json.dumps({"auths": {server or registry.address: auth}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": content},
    }


def _current() -> bool:
    return os.environ.get("CLUSTER", "") == "current"


def _command(command: str, folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.e2e.cluster", command, "--folder", str(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if run.returncode:
        pytest.fail(f"the cluster's `{command}` failed:\n{run.stderr}", pytrace=False)


@pytest.fixture(scope="session")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Optional[Cluster]]:
    """Our own cluster; None if the user's is used."""
    given = os.environ.get("PULLKIT_CLUSTER_FOLDER", "")
    if _current():
        yield None
    elif given:
        yield model.load(Path(given).resolve())
    else:
        folder = tmp_path_factory.mktemp("cluster")
        _command("up", folder)
        try:
            yield model.load(folder)
        finally:
            _command("down", folder)


@pytest.fixture(scope="session")
def cluster(own_cluster: Optional[Cluster]) -> Cluster:
    """Everything about our own cluster; most tests need less: kubectl, namespace, registries, node_access."""
    if own_cluster is None:
        pytest.skip("needs the harness's own cluster (CLUSTER=current is set)")
    return own_cluster


@pytest.fixture(scope="session")
def registries(own_cluster: Optional[Cluster]) -> dict[str, Registry]:
    """htpasswd, tls, token, open."""
    if own_cluster is None:
        pytest.skip("needs the harness's own registries (CLUSTER=current is set)")
    return own_cluster.registries


@pytest.fixture(scope="session")
def node_access(own_cluster: Optional[Cluster]) -> list[Node]:
    """The nodes with their files and sockets."""
    if own_cluster is None:
        pytest.skip("needs access to the nodes (CLUSTER=current is set)")
    return own_cluster.nodes


@pytest.fixture(scope="session")
def admin(own_cluster: Optional[Cluster]) -> Kubectl:
    """kubectl outside of any namespace of ours."""
    if own_cluster is None:
        return Kubectl(environment("", ""))
    return Kubectl(environment(own_cluster.kubeconfig, own_cluster.kubectl))


@pytest.fixture
def namespace(admin: Kubectl) -> Iterator[str]:
    """A new namespace with its default service account; its deletion is not waited for."""
    name = f"pullkit-e2e-{secrets.token_hex(4)}"
    admin("create", "namespace", name)
    try:
        wait_for(
            lambda: Kubectl(admin.env, name).get("serviceaccount", "default"),
            f"the default service account of {name}",
        )
        yield name
    finally:
        admin("delete", "namespace", name, "--wait=false")


@pytest.fixture
def kubectl(admin: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the test's own namespace."""
    return Kubectl(admin.env, namespace)
