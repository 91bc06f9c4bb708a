"""kubectl repull for a WebLogic Domain: two at once, interrupted, blocked, and deleting and making again the whole of it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .cluster.model import Cluster, Registry
from .conftest import Kubectl, wait_for
from .domain_kit import (
    IMAGE,
    DomainRepull,
    introspect_version,
    introspector,
    paused_operator,
    pulls_always,
    runs,
    slow_domain,
    started,
    stuck_on_list,
    uids,
)

Object = dict[str, Any]


@pytest.fixture
def repull(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> DomainRepull:
    return DomainRepull(kubectl, registries["htpasswd"], tmp_path / "saved")


def test_two_at_once(kubectl: Kubectl, repull: DomainRepull) -> None:
    stuck_on_list(kubectl, repull.registry)
    both = [repull.started("domain1") for _ in range(2)]
    for process in both:
        result = repull.ended(process)
        assert result.out.endswith(" is back: 2 pods started\n"), result
    assert introspect_version(kubectl) == "1"
    assert runs(kubectl)


def test_interrupted(kubectl: Kubectl, repull: DomainRepull) -> None:
    """What was begun goes on, and a second run only waits for it."""
    stuck_on_list(kubectl, repull.registry)
    stuck = introspector(kubectl)
    repull.interrupted(signal.SIGINT, "domain1 patched", "domain1")
    wait_for(lambda: not kubectl.get("pod", stuck), "the operator to see it")
    repull()
    assert introspect_version(kubectl) == "1"
    wait_for(lambda: runs(kubectl), "the servers")


def test_still_blocked(kubectl: Kubectl, repull: DomainRepull) -> None:
    """By an image that no pod asks for yet."""
    sidecar = {**pulls_always("logs", repull.registry), "image": repull.registry.image("owner/aux:9.9")}
    stuck_on_list(kubectl, repull.registry, serverPod={"containers": [sidecar]})
    result = repull(code=1)
    assert result.out == ""
    assert "domain/domain1 in " in result.err
    assert f"✗ {sidecar['image']}" in result.err
    assert "(image-not-found)" in result.err
    assert f"✗ {repull.registry.image(IMAGE)}" not in result.err
    assert introspect_version(kubectl) is None


def test_another_failure(kubectl: Kubectl, repull: DomainRepull, cluster: Cluster, tmp_path: Path) -> None:
    stuck_on_list(kubectl, repull.registry)
    with paused_operator(cluster), started(repull, tmp_path / "told", "domain1") as run:
        run.tells("domain1 patched")
        report(kubectl, "DomainInvalid", "there is no secret weblogic-credentials")
        run.ends(1)
        assert "is not back: its operator reports DomainInvalid: there is no secret weblogic-credentials" in run.told


def report(kubectl: Kubectl, reason: str, message: str) -> None:
    condition = {"type": "Failed", "status": "True", "severity": "Fatal", "reason": reason, "message": message}
    status = json.dumps({"status": {"conditions": [condition]}})
    kubectl("patch", "domain", "domain1", "--subresource=status", "--type=merge", "-p", status)


# The last resort


def running_domain(kubectl: Kubectl, registry: Registry, **metadata: Any) -> Object:
    """Makes a Domain with a Cluster, and waits until it runs."""
    version = {"apiVersion": "weblogic.oracle/v1", "kind": "Cluster"}
    cluster = {**version, "metadata": {"name": "domain1-web"}, "spec": {"clusterName": "web", "replicas": 1}}
    value = slow_domain(image=registry.image(IMAGE), clusters=[{"name": "domain1-web"}])
    value["metadata"] |= {"labels": {"team": "blue"}, "annotations": {"example.com/note": "kept"}, **metadata}
    kubectl.apply(cluster, value)
    wait_for(lambda: runs(kubectl), "the servers")
    return the_domain(kubectl)


def the_domain(kubectl: Kubectl) -> Object:
    found = kubectl.get("domain", "domain1")
    assert found
    return found


def test_recreate_domain(kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry]) -> None:
    before, running = running_domain(kubectl, registries["open"]), uids(kubectl)

    def is_untouched() -> bool:
        return the_domain(kubectl)["metadata"]["uid"] == before["metadata"]["uid"] and uids(kubectl) == running

    for how in ("--dry-run", "--dry-run=server"):
        result = repull("--recreate-domain=domain1", how)
        assert "save, delete and make again domain/domain1: --recreate-domain was given; stops admin-server, " in result.err
        assert "dry run)" in result.out
    assert "that is not domain1: nothing was changed" in repull("--recreate-domain=domain1", stdin="domain\n", code=1).err
    repull("--recreate-domain=domain1", "-y", code=1)
    assert is_untouched()
    assert not list(repull.folder.glob("*"))

    result = repull("--recreate-domain=domain1", stdin="domain1\n")
    assert "All its servers stop now, and what they hold in memory is lost: admin-server, managed-server1." in result.err
    assert f"domain/domain1 is saved in {repull.folder}/" in result.err
    assert result.out.endswith(" is back: 2 pods started\n")
    after = the_domain(kubectl)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert all(after["metadata"][key] == before["metadata"][key] for key in ("labels", "annotations"))
    assert runs(kubectl)
    assert not set(uids(kubectl).values()) & set(running.values())
    assert not list(repull.folder.glob("*"))


def test_killed_between_deletion_and_creation(
    kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry], tmp_path: Path
) -> None:
    before = running_domain(kubectl, registries["open"], finalizers=["example.com/hold"])
    words = ["kubectl", "repull", "--recreate-domain=domain1", *repull.words, "-n", kubectl.namespace]
    process = subprocess.Popen(words, env=kubectl.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdin
        process.stdin.write(b"domain1\n")
        process.stdin.flush()
        wait_for(lambda: "deletionTimestamp" in the_domain(kubectl)["metadata"], "the deletion")
    finally:
        process.kill()
        process.communicate()
    (file,) = repull.folder.glob("*")
    domain, cluster = yaml.safe_load_all(file.read_text())
    assert (domain["kind"], cluster["kind"]) == ("Domain", "Cluster")
    assert domain["spec"] == before["spec"]
    for one in (domain, cluster):
        assert "status" not in one
        assert not {"uid", "resourceVersion"} & set(one["metadata"])

    with started(repull, tmp_path / "told", "domain/domain1") as run:
        run.tells("domain/domain1 was deleted by an earlier run and is not back: it is made again from ")
        release(kubectl)
        run.ends(0)
    after = the_domain(kubectl)
    release(kubectl)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert not list(repull.folder.glob("*"))
    assert runs(kubectl)


def release(kubectl: Kubectl) -> None:
    kubectl("patch", "domain", "domain1", "--type=merge", "-p", json.dumps({"metadata": {"finalizers": None}}))
