"""kubectl repull on a real cluster, for workloads and pods: what waits is brought back by real kubelets with the least that
works, and what runs is left alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Optional

import pytest

from .cluster import node as nodes
from .cluster.model import Node, Registry
from .conftest import Kubectl, Result, wait_for
from .repull_kit import (
    Repull,
    bare,
    causes,
    is_running,
    line_with,
    pods_of,
    saved_in,
    uid,
    uids,
    wait_pod_refused,
    wait_refused,
    wait_running,
    workload,
)

Object = dict[str, Any]


@pytest.fixture
def repull(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> Repull:
    return Repull(kubectl, registries["htpasswd"], tmp_path / "saved")


@pytest.fixture
def healthy(kubectl: Kubectl, registries: dict[str, Registry]) -> set[str]:
    """The UIDs of another app's pods, which run."""
    fine = {"image": registries["open"].image("team/app:1.0")}
    kubectl.apply(workload("Deployment", "fine", fine, replicas=2))
    return wait_running(kubectl, "fine", 2)


# Workloads


def test_deployment_whose_password_is_mended(repull: Repull, kubectl: Kubectl, healthy: set[str]) -> None:
    """Its waiting pods are made again at once; a second run has nothing to do."""
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",), replicas=2))
    before = wait_refused(kubectl, "web", 2)
    repull.mend_secret()
    result = repull("deployment/web")
    assert "Plan for deployment/web in " in result.err
    assert result.err.count("  delete pod/web-") == 2
    assert result.err.count(": only to skip its back-off") == 2
    assert result.out.count(f": pulled {repull.image} in ") == 2
    assert result.out.count(": started") == 2
    assert f"deployment/web in {kubectl.namespace} is back: 2 pods started" in result.out
    after = uids(kubectl, "web")
    assert len(after) == 2 and not after & before
    assert all(map(is_running, pods_of(kubectl, "web")))
    again = repull("deployment/web")
    assert (again.out, again.err) == ("", "Nothing to do: no pod of deployment/web waits for an image.\n")
    assert "Nothing to do: no pod waits for an image in " in repull().err
    assert (uids(kubectl, "web"), uids(kubectl, "fine")) == (after, healthy)


def test_waiting_pods_are_kept(repull: Repull, kubectl: Kubectl) -> None:
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",)))
    before = wait_refused(kubectl, "web")
    repull.mend_secret()
    result = repull("web", "--keep-waiting-pods")
    assert line_with(result.err, "  leave pod/web-", "the kubelet tries again by itself")
    assert "is back: 1 pod started" in result.out
    assert uids(kubectl, "web") == before


def test_service_account_got_its_secret_afterwards(repull: Repull, kubectl: Kubectl, healthy: set[str]) -> None:
    """Only a new pod gets the list: --keep-waiting-pods does not keep it."""
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}))
    before = wait_refused(kubectl, "web")
    repull.mend_secret()
    repull.give_account("pull")
    result = repull("deployment/web", "--keep-waiting-pods")
    assert line_with(result.err, "  delete pod/web-", "it lists no pull secret, one made today pull")
    assert "deployment/web in " in result.out and " is back: 1 pod started" in result.out
    assert not uids(kubectl, "web") & before
    assert uids(kubectl, "fine") == healthy


def test_still_blocked(repull: Repull, kubectl: Kubectl) -> None:
    """The registry is asked: nothing is touched while it refuses the password, unless it is forced."""
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",)))
    before = wait_refused(kubectl, "web")
    result = repull("deployment/web", code=1)
    assert "deployment/web in " in result.err and "is still blocked, so nothing was done for it (--force" in result.err
    assert causes(result.err) == ["bad-credentials"]
    assert line_with(result.err, "Fix: ", "kubectl pullsecret")
    assert "Plan for" not in result.err
    assert result.out == ""
    assert uids(kubectl, "web") == before
    began = time.monotonic()
    again = repull("deployment/web", "--force", "--timeout=5m", code=1)
    assert time.monotonic() - began < 90
    assert "  delete pod/web-" in again.err
    assert "deployment/web in " in again.out and " is not back: " in again.out
    assert causes(again.err) == ["bad-credentials"]
    assert not uids(kubectl, "web") & before


def test_template_that_is_mended_by_itself(repull: Repull, kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """What a Deployment replaces without help is not deleted, only waited for; paused it would wait for ever."""
    good, wrong = (registries["open"].image(f"team/app:{tag}") for tag in ("1.0", "9.9"))
    begun: Object = {"name": "begin", "image": wrong}
    for name in ("web", "idle"):
        value = workload("Deployment", name, {"image": good})
        value["spec"]["template"]["spec"]["initContainers"] = [begun]
        kubectl.apply(value)
    before = {name: wait_refused(kubectl, name) for name in ("web", "idle")}
    kubectl("rollout", "pause", "deployment/idle")
    mend = {"spec": {"template": {"spec": {"initContainers": [{**begun, "image": good, "args": ["exit"]}]}}}}
    for name in before:
        kubectl("patch", "deployment", name, "-p", json.dumps(mend))
    wait_for(lambda: observed(kubectl, "idle"), "the controller to see the change")
    result = repull("deployment/web", "--no-registry")
    assert "delete pod/" not in result.err
    assert "Nothing to do" in result.err or line_with(result.out, "deployment/web in ", " is back: 1 pod started")
    assert wait_running(kubectl, "web").isdisjoint(before["web"])
    result = repull("deployment/idle", "--no-registry", code=1)
    paused = f"would replace it, but is paused: kubectl rollout resume deployment/idle -n {kubectl.namespace}"
    assert line_with(result.err, "pod/idle-", " is not back: ", paused)
    assert uids(kubectl, "idle") == before["idle"]


def observed(kubectl: Kubectl, name: str) -> bool:
    value = kubectl.get("deployment", name) or {}
    return bool(value["status"].get("observedGeneration") == value["metadata"]["generation"])


def test_one_pod_of_several(repull: Repull, kubectl: Kubectl) -> None:
    """Only the pod that is named is made again, and it is not waited for the other."""
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, replicas=2))
    before = wait_refused(kubectl, "web", 2)
    repull.mend_secret()
    repull.give_account("pull")
    one, other = pods_of(kubectl, "web")
    result = repull(f"pod/{one['metadata']['name']}", "--timeout=2m")
    assert f"deployment/web in {kubectl.namespace} is back: 1 pod started" in result.out
    after = uids(kubectl, "web")
    assert after & before == {other["metadata"]["uid"]}
    assert len(after) == 2
    assert sum(map(is_running, pods_of(kubectl, "web"))) == 1


def test_cron_job(repull: Repull, kubectl: Kubectl) -> None:
    """Its Jobs are left alone as others are; the one that is made next is nobody's affair."""
    job = workload("Job", "unused", {"image": repull.image, "args": ["exit"]}, names=("pull",))["spec"]
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}
    kubectl.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": spec})
    repull.break_secret()
    kubectl("create", "job", "--from=cronjob/nightly", "nightly-now")
    before = wait_refused(kubectl, "unused")
    repull.mend_secret()
    result = repull("cronjob/nightly")
    assert line_with(result.err, "  leave pod/nightly-now-", "the kubelet tries again by itself")
    assert f"cronjob/nightly in {kubectl.namespace} is back: " in result.out
    assert uids(kubectl, "unused") == before
    wait_for(lambda: succeeded(kubectl, "nightly-now"), "the Job to complete")


def test_statefulset(repull: Repull, kubectl: Kubectl) -> None:
    """A mended secret; then a mended template, which the StatefulSet does not give to the pod that waits by itself."""
    repull.break_secret()
    kubectl.apply(workload("StatefulSet", "db", {"image": repull.image}, names=("pull",), replicas=1))
    before = wait_refused(kubectl, "db")
    repull.mend_secret()
    result = repull("sts/db")
    assert "  delete pod/db-0: only to skip its back-off" in result.err
    assert "statefulset/db in " in result.out and " is back: 1 pod started" in result.out
    second = uids(kubectl, "db")
    assert not second & before

    kubectl("set", "image", "statefulset/db", f"c0={repull.registry.image('team/app:9.9')}")
    wait_for(lambda: uids(kubectl, "db") - second, "the rollout of the wrong image")
    stuck = wait_refused(kubectl, "db")
    kubectl("set", "image", "statefulset/db", f"c0={repull.image}")
    time.sleep(3)
    assert uids(kubectl, "db") == stuck  # kubernetes/kubernetes#67250
    result = repull("statefulset/db")
    assert line_with(result.err, "  delete pod/db-0: it asks for", "team/app:9.9, one made today for", repull.image)
    assert " is back: 1 pod started" in result.out
    assert not uids(kubectl, "db") & stuck


def test_daemonset(repull: Repull, kubectl: Kubectl, node_access: list[Node]) -> None:
    count = len(node_access)
    repull.break_secret()
    kubectl.apply(workload("DaemonSet", "agent", {"image": repull.image}, names=("pull",)))
    before = wait_refused(kubectl, "agent", count)
    repull.mend_secret()
    result = repull("ds/agent")
    assert f"daemonset/agent in {kubectl.namespace} is back: {count} pods started" in result.out
    after = uids(kubectl, "agent")
    assert len(after) == count and not after & before


# Jobs and pods that nobody controls


def test_job(repull: Repull, kubectl: Kubectl) -> None:
    """A deleted pod is a failure to a Job: it is left to the kubelet where that can bring it back, else made again."""
    repull.break_secret()
    work: Object = {"image": repull.image, "args": ["exit"]}
    own, given = (workload("Job", name, work, backoffLimit=0) for name in ("own", "given"))
    own["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "pull"}]
    kubectl.apply(own, given)
    before = wait_refused(kubectl, "own")
    wait_refused(kubectl, "given")
    repull.mend_secret()
    result = repull("job/own", "--recreate-pods")
    assert line_with(result.err, "  leave pod/own-", "to job/own a deleted pod counts as a failure; the kubelet tries again")
    assert f"job/own in {kubectl.namespace} is back: " in result.out
    assert uids(kubectl, "own") == before
    wait_for(lambda: succeeded(kubectl, "own"), "the Job to complete")

    repull.give_account("pull")
    first = uid(kubectl, "job", "given")
    result = repull("job/given", code=1)
    told = line_with(result.err, "  leave pod/given-", "--recreate-pods saves job/given and makes it again")
    assert told and "it lists no pull secret, one made today pull" in told
    assert uid(kubectl, "job", "given") == first
    result = repull("job/given", "--recreate-pods")
    assert "  save, delete and make again job/given: it lists" in result.err
    assert f"job/given is saved in {repull.folder}" in result.err
    assert f"job/given in {kubectl.namespace} is back: " in result.out
    assert uid(kubectl, "job", "given") not in (first, "")
    wait_for(lambda: succeeded(kubectl, "given"), "the new Job to complete")
    assert saved_in(repull.folder) == []


def succeeded(kubectl: Kubectl, name: str) -> bool:
    status = (kubectl.get("job", name) or {}).get("status", {})
    assert not status.get("failed"), status
    return bool(status.get("succeeded") == 1)


def test_bare_pods(repull: Repull, kubectl: Kubectl, node_access: list[Node]) -> None:
    """Nobody makes them again: left to the kubelet where that is enough, else to be made again from a saved manifest."""
    repull.break_secret()
    one = {"image": repull.image, "env": [{"name": "GREETING", "value": "hello"}]}
    pinned = bare("pinned", one, labels={"app": "pinned"}, annotations={"example.com/note": "kept"})
    pinned["spec"]["nodeName"] = node_access[0].name
    kubectl.apply(bare("own", one, names=("pull",)), bare("free", one, labels={"app": "free"}), pinned)
    before = {name: wait_pod_refused(kubectl, name) for name in ("own", "free", "pinned")}
    repull.mend_secret()
    repull.give_account("pull")
    result = repull("pod/own")
    assert "  leave pod/own: nobody would make it again; the kubelet tries again by itself" in result.err
    assert f"pod/own in {kubectl.namespace} is back: 1 pod started" in result.out
    result = repull("pod/free", "pod/pinned", code=1)
    stale = "it lists no pull secret, one made today pull"
    assert f"  leave pod/free: nobody would make it again, and {stale}" in result.err
    assert line_with(result.err, "pod/pinned is not back: ", "--recreate-pods saves it first")
    assert {name: uid(kubectl, "pod", name) for name in before} == before
    result = repull("pod/free", "pod/pinned", "--recreate-pods")
    for name in ("free", "pinned"):
        assert f"pod/{name} is saved in {repull.folder}" in result.err
        assert f"pod/{name} in {kubectl.namespace} is back: 1 pod started" in result.out
        made = kubectl.get("pod", name)
        assert made and made["metadata"]["uid"] != before[name]
        assert made["metadata"]["labels"] == {"app": name}
        assert made["spec"]["containers"][0]["env"] == one["env"]
        assert made["spec"]["imagePullSecrets"] == [{"name": "pull"}]
        about = f"involvedObject.uid={made['metadata']['uid']}"
        told = [event["reason"] for event in kubectl.list("event", f"--field-selector={about}")]
        assert ("Scheduled" in told) == (name == "free")
    assert made  # the pinned one
    assert made["spec"]["nodeName"] == node_access[0].name
    assert made["metadata"]["annotations"]["example.com/note"] == "kept"
    assert uid(kubectl, "pod", "own") == before["own"]
    assert saved_in(repull.folder) == []


# Pods in which a container runs, or ran


def test_pod_in_which_another_container_runs(repull: Repull, kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """It is never deleted; a Deployment is rolled for it only with --roll-running, and after a yes."""
    beside = {"image": registries["open"].image("team/app:1.0")}
    repull.break_secret()
    both = ({"image": repull.image}, beside)
    kubectl.apply(workload("Deployment", "own", *both, names=("pull",)), workload("Deployment", "given", *both))
    before = {name: wait_refused(kubectl, name) for name in ("own", "given")}
    wait_for(lambda: all(map(one_runs, kubectl.list("pod"))), "the other containers to run")
    repull.mend_secret()
    repull.give_account("pull")
    result = repull("deployment/own")
    assert line_with(result.err, "  leave pod/own-", "a container of it runs; the kubelet tries again by itself")
    assert "deployment/own in " in result.out and " is back: 1 pod started" in result.out
    result = repull("deployment/given", code=1)
    told = line_with(result.err, "  leave pod/given-", "--roll-running rolls deployment/given")
    assert told and "it lists no pull secret, one made today pull" in told
    result = repull("deployment/given", "--roll-running", code=1)
    assert "running pods of deployment/given are replaced: give -y" in result.err
    assert {name: uids(kubectl, name) for name in before} == before
    result = repull("deployment/given", "--roll-running", "-y")
    assert line_with(result.err, "  roll deployment/given: a container of given-", "all its pods are replaced")
    assert "deployment/given in " in result.out and " is back: 1 pod started" in result.out
    pods = kubectl.list("pod", "-l", "app=given")  # the old one is gone, not only on its way
    assert len(pods) == 1 and is_running(pods[0]) and pods[0]["metadata"]["uid"] not in before["given"]
    rolled = kubectl.get("deployment", "given")
    assert rolled and "kubectl.kubernetes.io/restartedAt" in rolled["spec"]["template"]["metadata"]["annotations"]
    assert uids(kubectl, "own") == before["own"]


def one_runs(pod: Object) -> bool:
    return any("running" in one["state"] for one in pod.get("status", {}).get("containerStatuses", []))


def test_pod_that_ran_before(repull: Repull, kubectl: Kubectl, node_access: list[Node]) -> None:
    """Its phase is Running: it is evicted, with regard to budgets, and not deleted."""
    repull.mend_secret()
    kubectl.apply(*(workload("Deployment", name, {"image": repull.image}, names=("pull",)) for name in ("kept", "free")))
    before = {name: wait_running(kubectl, name) for name in ("kept", "free")}
    budget = {"selector": {"matchLabels": {"app": "kept"}}, "minAvailable": 1}
    kubectl.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "kept"}, "spec": budget})
    wait_for(lambda: (kubectl.get("pdb", "kept") or {}).get("status", {}).get("observedGeneration"), "the budget")
    repull.break_secret()
    time.sleep(1)  # for the kubelets to see it
    end_containers(kubectl, "kept", node_access)
    left = forced(repull, "deployment/kept", "--timeout=5s")
    assert line_with(left.err, "left pod/kept-", "a disruption budget forbids to evict it now: ")
    assert 'pod "kept-' not in left.out
    assert left.code == 1
    assert line_with(left.out, "deployment/kept in ", " is not back")
    assert "its image is there" not in left.out  # CrashLoopBackOff is of the run before

    end_containers(kubectl, "free", node_access)
    evicted = forced(repull, "deployment/free", "--no-wait")
    assert line_with(evicted.out, 'pod "free-', '" evicted')
    assert not uids(kubectl, "free") & before["free"]
    repull.mend_secret()
    repull("deployment/free")
    wait_running(kubectl, "free")
    assert wait_running(kubectl, "kept") == before["kept"]  # by the kubelet's own next try


def forced(repull: Repull, target: str, *options: str) -> Result:
    """What it says of a pod that ran before, in a moment in which its kubelet tells of the image: most of the time it tells
    of the back-off after the run."""
    app = target.rpartition("/")[2]

    def met() -> Optional[Result]:
        wait_refused(repull.kubectl, app)
        began = time.monotonic()
        result = repull.kubectl.plugin("repull", target, "--force", *options, *repull.words)
        assert time.monotonic() - began < 60
        assert "Nothing to do" in result.err or line_with(result.err, f"  evict pod/{app}-")
        return None if "Nothing to do" in result.err else result

    found = wait_for(met, f"{target} in the right moment")
    assert found
    return found


def end_containers(kubectl: Kubectl, app: str, node_access: list[Node]) -> None:
    """Has the processes of its pods end by themselves, as it looks to the kubelet."""
    by_name = {node.name: node for node in node_access}
    for pod in pods_of(kubectl, app):
        for status in pod["status"]["containerStatuses"]:
            number = status["containerID"].rpartition("/")[2]
            nodes.ctr(by_name[pod["spec"]["nodeName"]], "tasks", "kill", "--signal", "SIGTERM", number)
