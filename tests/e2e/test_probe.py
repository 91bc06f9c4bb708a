"""pullcheck --probe on the real cluster: each node's own kubelet tries, and one of two is broken."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pullcore.probe import SPARE

from .cluster import images
from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .conftest import Kubectl, Result, make_pod, make_secret, wait_for
from .repull_kit import workload

Object = dict[str, Any]


def new_image(registry: Registry, size: int = 200_000) -> str:
    """An image that no node has."""
    name = f"team/probe:{os.urandom(4).hex()}"
    images.Pusher(registry).image(name, images.build(os.urandom(size), name))
    return registry.image(name)


def probe(kubectl: Kubectl, *arguments: str, code: int) -> Object:
    result = probed(kubectl, *arguments, "-y", "-o", "json", code=code)
    (pull,) = result.json["pulls"]
    found: Object = pull
    assert not kubectl.list("pods", "-l", "app.kubernetes.io/component=canary")
    return found


def probed(kubectl: Kubectl, *arguments: str, code: int) -> Result:
    result = kubectl.plugin("pullcheck", *arguments, "--probe")
    assert result.code == code, f"{result.out}\n{result.err}"
    return result


def outcomes(pull: Object) -> dict[str, tuple[str, Any]]:
    return {one["node"]: (one["result"], one["cause"]) for one in pull["probes"]}


@contextmanager
def no_authority(cluster: Cluster) -> Iterator[None]:
    first, tls = cluster.nodes[0], cluster.registries["tls"]
    nodes.trust_ca(first, tls.address, tls.ca_file)
    try:
        yield
    finally:
        nodes.forget(first, tls.address)


@contextmanager
def no_name(cluster: Cluster) -> Iterator[None]:
    second, host = cluster.nodes[1], cluster.registries["open"].host
    nodes.hide_host(second, host)
    time.sleep(5)  # containerd's resolver looks at the file again only then
    try:
        yield
    finally:
        nodes.show_host(second, host)
        time.sleep(5)


@contextmanager
def no_room(cluster: Cluster) -> Iterator[None]:
    second = cluster.nodes[1]
    nodes.fill_disk(second, cluster.processes[second.holder])
    try:
        yield
    finally:
        nodes.free_disk(second, cluster.processes[second.holder])


@pytest.mark.parametrize(
    ("breaks", "registry", "cause"),
    [(no_authority, "tls", "tls-untrusted"), (no_name, "open", "dns"), (no_room, "open", "disk-full")],
)
def test_one_of_two_nodes_is_broken(kubectl: Kubectl, cluster: Cluster, breaks: Any, registry: str, cause: str) -> None:
    image = new_image(cluster.registries[registry])
    first, second = (node.name for node in cluster.nodes)
    with breaks(cluster):
        pull = probe(kubectl, "--image", image, code=1)
        assert outcomes(pull) == {first: ("pulled", None), second: ("refused", cause)}
        assert pull["verdict"] == "blocked"
        assert pull["findings"][0]["cause"] == cause
        assert second in pull["findings"][0]["summary"] and first not in pull["findings"][0]["summary"]
        (good,) = [one for one in pull["probes"] if one["node"] == first]
        assert good["digest"].startswith("sha256:") and good["bytes"] > 100_000 and good["seconds"] > 0
        text = probed(kubectl, "--image", image, "-y", code=1).out
    assert "✗ probe        1 of 2 nodes got it, asked with policy IfNotPresent" in text
    assert "has it already" in text and f"{cause}: " in text
    mended = probe(kubectl, "--image", image, "--nodes", second, code=0 if breaks is not no_authority else 1)
    assert outcomes(mended)[second][0] == ("pulled" if breaks is not no_authority else "refused")


def test_a_waiting_workload_is_tried_with_its_own_secrets(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    registry = registries["htpasswd"]
    image = new_image(registry)
    container = {"name": "main", "image": image}
    kubectl.apply(make_secret("pull", registry, password="wrong"), workload("Deployment", "web", container, names=("pull",)))
    wait_for(lambda: "ImagePull" in str(kubectl.list("pods")[0].get("status")) if kubectl.list("pods") else "", "a refusal")
    pull = probe(kubectl, "web", code=1)
    assert set(outcomes(pull).values()) == {("refused", "bad-credentials")} and len(pull["probes"]) == 2
    kubectl.apply(make_secret("pull", registry))
    pull = wait_for(lambda: _pullable(kubectl, "web"), "the secret to be known to the kubelets", every=1)
    # The pod itself may still wait for its next try: what its kubelet said before does not count any more.
    assert {one["result"] for one in pull["probes"]} <= {"pulled", "present"}


def _pullable(kubectl: Kubectl, name: str) -> Any:
    result = kubectl.plugin("pullcheck", name, "--probe", "-y", "-o", "json")
    (pull,) = result.json["pulls"]
    return pull if pull["verdict"] == "pullable" else None


def test_policies(kubectl: Kubectl, registries: dict[str, Registry], cluster: Cluster) -> None:
    image, first = new_image(registries["open"]), cluster.nodes[0].name
    never = probe(kubectl, "--image", image, "--nodes", first, "--probe-policy=Never", code=2)
    assert outcomes(never) == {first: ("refused", "never-pull")}
    assert never["verdict"] == "unknown"  # the Pull's own policy would have it pulled
    assert outcomes(probe(kubectl, "--image", image, "--nodes", first, code=0)) == {first: ("pulled", None)}
    assert outcomes(probe(kubectl, "--image", image, "--nodes", first, "--probe-policy=Never", code=0)) == {
        first: ("present", None)
    }
    result = probed(kubectl, "--image", image, "--nodes", first, "--probe-policy=Always", "-y", code=0)
    assert "moves on the nodes, too" in result.err


def test_what_the_cluster_refuses_is_said(kubectl: Kubectl, registries: dict[str, Registry], cluster: Cluster) -> None:
    image = new_image(registries["open"])
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
    limits = {"type": "Container", "min": {"memory": "64Mi", "cpu": "50m"}}
    ranges = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "least"}, "spec": {"limits": [limits]}}
    kubectl.apply(quota, ranges)
    wait_for(lambda: (kubectl.get("resourcequota", "one") or {}).get("status", {}).get("used"), "the quota to be counted")
    kubectl.apply(make_pod("other", registries["open"].image("team/app:1.0"), resources={"requests": limits["min"]}))
    pull = probe(kubectl, "--image", image, code=2)
    assert pull["verdict"] == "unknown"
    assert all("exceeded quota" in one["message"] and one["result"] == "unknown" for one in pull["probes"])
    dry = probed(kubectl, "--image", image, "--dry-run=server", code=2)
    assert dry.err.count("exceeded quota") == 2 and "Nothing was probed" in dry.err
    kubectl("delete", "resourcequota", "one")
    assert probe(kubectl, "--image", image, code=0)["verdict"] == "pullable"


def test_it_asks_and_a_client_dry_run_only_tells(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    image = new_image(registries["open"])
    refused = probed(kubectl, "--image", image, code=2)
    assert "images of unknown size: give -y" in refused.err and not refused.out
    dry = probed(kubectl, "--image", image, "--dry-run", code=2)
    assert "may be pulled by 2 nodes" in dry.err and "✓ probe" not in dry.out
    assert not kubectl.list("pods")


def test_restricted_pods_are_enough(admin: Kubectl, kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """Pod security `restricted`, which takes no privilege of any kind."""
    admin("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
    assert probe(kubectl, "--image", new_image(registries["open"]), code=0)["verdict"] == "pullable"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted(kubectl: Kubectl, number: int) -> None:
    """A registry that does not answer keeps the canaries; an interrupt takes them away."""
    image = "192.0.2.77:5000/silent/app:1.0"  # TEST-NET-1 (RFC 5737): nobody answers
    command = ["kubectl", "pullcheck", "--image", image, "-n", kubectl.namespace, "--no-registry"]
    run = subprocess.Popen(
        [*command, "--probe", "--probe-timeout=5s" if number == signal.SIGKILL else "--probe-timeout=5m", "-y"],
        env=kubectl.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where the tests run in the background
        start_new_session=True,
    )
    wait_for(lambda: len(kubectl.list("pods")) == 2, "two canaries")
    os.killpg(run.pid, number)
    output, _ = run.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert run.returncode == 128 + number, output.decode()
        assert not kubectl.list("pods"), output.decode()
        return
    assert len(kubectl.list("pods")) == 2
    assert "No pod waits" in kubectl.plugin("pullcheck", "--no-registry").err  # canaries are nobody's pods
    again = ["--image", image, "--no-registry", "--probe-timeout=1s", "-y"]
    assert "an earlier run left" not in probed(kubectl, *again, code=2).err  # they might be at work
    assert len(kubectl.list("pods")) == 2
    time.sleep(5 + SPARE)
    assert "Removed 2 canaries that an earlier run left" in probed(kubectl, *again, code=2).err
    assert not kubectl.list("pods")
