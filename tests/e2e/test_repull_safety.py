"""What kubectl repull must not do, and how it ends where not all goes well: stopped half way, two at once, without rights,
without an end."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from .cluster import node as nodes
from .cluster.model import Cluster, Node, Registry
from .conftest import Kubectl, wait_for
from .pullsecret_kit import allow
from .repull_kit import (
    Repull,
    Through,
    bare,
    causes,
    is_running,
    line_with,
    pods_of,
    saved_in,
    silent_registry,
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


def all_uids(kubectl: Kubectl) -> dict[str, str]:
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in kubectl.list("pod")}


# Nothing is changed without a word


def test_dry_run_and_selector(repull: Repull, kubectl: Kubectl, admin: Kubectl) -> None:
    """What is only to be shown changes nothing, nor does what nobody has agreed to; a selector chooses."""
    apps = [workload("Deployment", name, {"image": repull.image}) for name in ("web", "other")]
    kubectl.apply(*apps, bare("alone", {"image": repull.image}, labels={"app": "alone"}))
    for name in ("web", "other", "alone"):
        wait_refused(kubectl, name)
    before = all_uids(kubectl)
    repull.mend_secret()
    repull.give_account("pull")
    web = next(name for name in before if name.startswith("web-"))
    for how, word in (("--dry-run", "dry run"), ("--dry-run=server", "server dry run")):
        result = repull("deployment/web", "pod/alone", "--recreate-pods", how)
        assert f'pod "{web}" deleted ({word})\n' in result.out
        assert line_with(result.out, 'pod "alone" deleted', f"({word})")
        assert f"  delete pod/{web}: it lists no pull secret, one made today pull" in result.err
        assert "is back" not in result.out
        assert saved_in(repull.folder) == []
    result = repull("deployment/web", "--dry-run=server", "-o", "name")
    assert result.out == f"pod/{web}\n"
    planned = repull("deployment/web", "--dry-run", "-o", "json").json
    assert (planned["kind"], planned["result"]) == ("RepullReport", "planned")
    assert [(one["do"], one["object"], one["done"]) for one in planned["steps"]] == [("delete", f"pod/{web}", False)]
    for scan in ([], ["-l", "app in (web, other)"], ["-A", "-l", "app in (web, other)"]):
        result = repull.kubectl.run("repull", *scan, *repull.words, *([] if "-A" in scan else ["-n", kubectl.namespace]))
        refused = repull.judged(result, 1)
        assert "steps of this plan change the cluster: give -y to go on without being asked" in refused.err
        assert f"delete pod/{web}" in refused.err
    assert all_uids(kubectl) == before

    result = repull("-l", "app=web", "-y")
    assert "deployment/web in " in result.out and " is back: 1 pod started" in result.out
    assert "other" not in result.out
    after = all_uids(kubectl)
    assert web not in after and after.keys() - before.keys()
    assert {name: after.get(name) for name in before if name != web} == {n: u for n, u in before.items() if n != web}
    # Everywhere: what is left waits still, for it can't be made again without an option.
    result = admin.run("repull", "-A", "-l", "app in (web, other, alone)", "-y", *repull.words, timeout=300)
    repull.judged(result, 1)
    assert f"deployment/other in {kubectl.namespace} is back: 1 pod started" in result.out
    assert line_with(result.err, "pod/alone is not back: nobody would make it again", "--recreate-pods")
    assert uid(kubectl, "pod", "alone") == before["alone"]


def test_documents_and_no_wait(repull: Repull, kubectl: Kubectl) -> None:
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",)))
    (first,) = wait_refused(kubectl, "web")
    repull.mend_secret()
    report = repull("deployment/web", "-o", "json").json
    assert (report["result"], [one["do"] for one in report["steps"]]) == ("done", ["delete"])
    assert report["steps"][0]["done"] is True
    (target,) = report["targets"]
    assert (target["kind"], target["name"], target["result"], target["causes"]) == ("Deployment", "web", "back", [])
    (pod,) = target["pods"]
    assert pod["stage"] == "running"
    assert {pod["uid"]} == uids(kubectl, "web") != {first}

    repull.break_secret("slow")
    kubectl.apply(workload("Deployment", "late", {"image": repull.image}, names=("slow",)))
    wait_refused(kubectl, "late")
    old = pods_of(kubectl, "late")[0]["metadata"]["name"]
    repull.mend_secret("slow")
    result = repull("deployment/late", "--no-wait", "-o", "name")
    assert result.out == f"pod/{old}\n"
    assert "is back" not in result.err
    # Another run takes over what is on its way, and deletes nothing more.
    kept = wait_for(lambda: uids(kubectl, "late"), "the new pod")
    result = repull("deployment/late")
    assert "delete pod/" not in result.err
    assert "deployment/late in " in result.out or "Nothing to do" in result.err
    assert uids(kubectl, "late") == kept
    assert is_running(pods_of(kubectl, "late")[0])


def test_some_are_blocked(repull: Repull, kubectl: Kubectl) -> None:
    """The others are brought back all the same."""
    repull.mend_secret("good")
    repull.break_secret("bad")
    kubectl.apply(workload("Deployment", "good", {"image": repull.image}))
    kubectl.apply(workload("Deployment", "bad", {"image": repull.image}, names=("bad",)))
    before = {name: wait_refused(kubectl, name) for name in ("good", "bad")}
    repull.give_account("good")  # of which the pod that waits gets nothing, however often the kubelet tries
    result = repull("-y", code=1)
    assert f"deployment/good in {kubectl.namespace} is back: 1 pod started" in result.out
    assert "deployment/bad in " in result.err and "is still blocked" in result.err
    assert causes(result.err) == ["bad-credentials"]
    assert uids(kubectl, "bad") == before["bad"]
    assert not uids(kubectl, "good") & before["good"]


# Two at once


def test_two_at_once(repull: Repull, kubectl: Kubectl) -> None:
    """Each pod is made again once, and both stay until all are back."""
    repull.break_secret()
    kubectl.apply(
        workload("Deployment", "web", {"image": repull.image}, names=("pull",), replicas=3),
        workload("Job", "work", {"image": repull.image, "args": ["exit"]}, backoffLimit=0),
        bare("alone", {"image": repull.image}),
    )
    wait_refused(kubectl, "web", 3)
    wait_refused(kubectl, "work")
    job = uid(kubectl, "job", "work")
    alone = wait_pod_refused(kubectl, "alone")
    repull.mend_secret()
    repull.give_account("pull")
    running = [repull.started("deployment/web", "pod/alone", "job/work", "--recreate-pods") for _ in range(2)]
    for process in running:
        result = repull.ended(process)
        assert "error" not in result.err
        for target in ("deployment/web", "pod/alone", "job/work"):  # but what was back before this one began
            assert line_with(result.out, f"{target} in ", " is back") or target not in result.err
    assert len(wait_running(kubectl, "web", 3)) == 3
    made = kubectl.get("pod", "alone")
    assert made and is_running(made) and made["metadata"]["uid"] != alone
    assert uid(kubectl, "job", "work") not in (job, "")
    wait_for(lambda: (kubectl.get("job", "work") or {}).get("status", {}).get("succeeded") == 1, "the new Job to complete")
    created = [one for one in kubectl.list("event") if one["reason"] == "SuccessfulCreate"]
    assert sum(one.get("count") or 1 for one in created) == 2 * 3 + 2
    assert saved_in(repull.folder) == []


# Stopped half way


def test_interrupted_while_it_asks_and_while_it_waits(repull: Repull, kubectl: Kubectl) -> None:
    kubectl.apply(*(workload("Deployment", name, {"image": repull.image}) for name in ("web", "own")))
    before = {name: wait_refused(kubectl, name) for name in ("web", "own")}
    repull.mend_secret()
    repull.give_account("pull")
    told = repull.interrupted(signal.SIGINT, "Go on? (y/N)", "-l", "app=web")
    assert "1 step of this plan changes the cluster" in told
    assert uids(kubectl, "web") == before["web"]
    for number, app in ((signal.SIGINT, "web"), (signal.SIGKILL, "own")):
        name = pods_of(kubectl, app)[0]["metadata"]["name"]
        told = repull.interrupted(number, f'pod "{name}" deleted', f"deployment/{app}")
        assert "is back" not in told
        made = new_pods(kubectl, app, before[app])
        result = repull(f"deployment/{app}")
        assert "delete pod/" not in result.err
        assert line_with(result.out, f"deployment/{app} in ", " is back") or "Nothing to do" in result.err
        assert uids(kubectl, app) == made
        assert is_running(pods_of(kubectl, app)[0])


def new_pods(kubectl: Kubectl, app: str, before: set[str]) -> set[str]:
    return wait_for(lambda: uids(kubectl, app) - before, f"the new pod of {app}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_before_a_pod_is_made_again(repull: Repull, kubectl: Kubectl, number: int) -> None:
    """A finalizer holds the deleted pod, so that the moment lasts. Its manifest is in a file of the user's own, and the next
    run makes it again, and only then removes the file."""
    one = {"image": repull.image, "env": [{"name": "GREETING", "value": "hello"}]}
    pod = bare("alone", one, labels={"app": "alone"}, finalizers=["example.com/held"])
    kubectl.apply(pod)
    first = wait_pod_refused(kubectl, "alone")
    repull.mend_secret()
    repull.give_account("pull")
    told = repull.interrupted(number, 'pod "alone" deleted', "pod/alone", "--recreate-pods", delay=1)
    (file,) = saved_in(repull.folder)
    assert file.stat().st_mode & 0o777 == 0o600
    assert repull.folder.stat().st_mode & 0o777 == 0o700
    assert "deletionTimestamp" in (kubectl.get("pod", "alone") or {})["metadata"]
    if number == signal.SIGINT:
        by_hand = f"Run this again, or once it is gone: kubectl create -f {file}"
        assert f"pod/alone was deleted and is not back yet. {by_hand}" in told
    saved = yaml.safe_load(file.read_text())
    assert saved["metadata"]["labels"] == {"app": "alone"}
    assert saved["spec"]["containers"][0]["env"] == one["env"]
    assert not {"uid", "resourceVersion", "deletionTimestamp"} & saved["metadata"].keys()
    assert "nodeName" not in saved["spec"] and "imagePullSecrets" not in saved["spec"]

    shown = repull("pod/alone", "--recreate-pods", "--dry-run")
    assert "pod/alone was deleted by an earlier run and is not back: it is made again from " in shown.err
    assert saved_in(repull.folder) == [file]
    again = repull.started("pod/alone", "--recreate-pods")
    time.sleep(2)
    assert again.poll() is None  # the old one is there still
    kubectl("patch", "pod", "alone", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    result = repull.ended(again)
    assert "pod/alone was deleted by an earlier run and is not back" in result.err
    made = kubectl.get("pod", "alone")
    assert made and is_running(made) and made["metadata"]["uid"] != first
    assert made["spec"]["containers"][0]["env"] == one["env"]
    assert saved_in(repull.folder) == []
    kubectl("patch", "pod", "alone", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')


def test_what_cannot_be_made_again(repull: Repull, kubectl: Kubectl) -> None:
    """Nothing is deleted that can't be saved first; what may not be created any more stays in its file until it may."""
    kubectl.apply(bare("alone", {"image": repull.image}))
    before = wait_pod_refused(kubectl, "alone")
    repull.mend_secret()
    repull.give_account("pull")
    nowhere = replace(repull, folder=Path("/proc/nowhere"))
    result = nowhere("pod/alone", "--recreate-pods", code=1)
    assert "/proc/nowhere can't be written: " in result.err and "nothing was deleted" in result.err
    assert uid(kubectl, "pod", "alone") == before

    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    kubectl.apply(quota)
    wait_for(lambda: (kubectl.get("resourcequota", "none") or {}).get("status", {}).get("hard"), "the quota")
    result = repull("pod/alone", "--recreate-pods", code=1)
    (file,) = saved_in(repull.folder)
    assert "exceeded quota" in result.err
    assert "pod/alone was deleted and is not back yet. Run this again, or once it is gone: " in result.err
    assert f"kubectl create -f {file}" in result.err
    assert "exceeded quota" in repull("pod/alone", code=1).err
    assert saved_in(repull.folder) == [file]
    kubectl("delete", "resourcequota", "none")
    told = repull().err  # somebody may have brought it back by hand, and deleted it on purpose since
    assert f"Note: pod/alone was deleted by an earlier run and is not back: kubectl create -f {file}" in told
    assert saved_in(repull.folder) == [file]
    result = repull("pod/alone")
    assert "pod/alone was deleted by an earlier run and is not back: it is made again from " in result.err
    assert f"pod/alone in {kubectl.namespace} is back: 1 pod started" in result.out
    assert saved_in(repull.folder) == []


# Who may do only part of it

READ = (
    ("", "pods secrets serviceaccounts events", "get list"),
    ("apps", "deployments replicasets", "get list"),
    ("weblogic.oracle", "domains clusters", "get list"),
)


def test_who_may_not_delete_pods(repull: Repull, kubectl: Kubectl) -> None:
    """Nor watch any: the kubelet brings back what it can, and the wait for that ends well; the rest is said to be stuck."""
    allow(kubectl, "reader", *READ)
    repull.break_secret()
    own = workload("Deployment", "own", {"image": repull.image}, names=("pull",))
    kubectl.apply(workload("Deployment", "given", {"image": repull.image}))
    given = wait_refused(kubectl, "given")
    kubectl.apply(own)
    before = wait_refused(kubectl, "own")
    repull.mend_secret()
    result = repull("deployment/own", "--as", "reader")
    where = f"in namespace {kubectl.namespace}"
    assert line_with(result.err, "  leave pod/own-", f"you are not allowed to delete pods {where}; the kubelet tries again")
    assert "deployment/own in " in result.out and " is back: 1 pod started" in result.out
    assert uids(kubectl, "own") == before
    repull.give_account("pull")
    result = repull("deployment/given", "--as", "reader", code=1)
    assert line_with(result.err, "pod/given-", " is not back: you are not allowed to delete pods")
    assert uids(kubectl, "given") == given


def test_who_may_see_only_pods(repull: Repull, kubectl: Kubectl) -> None:
    """Neither events nor secrets nor what made them: still they are deleted and waited for."""
    allow(kubectl, "sweeper", ("", "pods", "get list watch delete"), ("apps", "deployments replicasets", "get list"))
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",)))
    before = wait_refused(kubectl, "web")
    repull.mend_secret()
    result = repull("deployment/web", "--as", "sweeper")
    assert line_with(result.err, "  delete pod/web-")
    assert line_with(result.err, "Not checked: ", "events", "secrets")
    assert "deployment/web in " in result.out and " is back: 1 pod started" in result.out
    assert not uids(kubectl, "web") & before


# What does not end well


def test_time_is_up(repull: Repull, kubectl: Kubectl, node_access: list[Node]) -> None:
    """A registry that never answers, and a pod that no node takes."""
    repull.break_secret()
    lost = workload("Deployment", "lost", {"image": repull.image}, names=("pull",))
    lost["spec"]["template"]["spec"]["nodeSelector"] = {"pullkit.test/node": "nowhere"}
    with silent_registry() as address:
        for node in node_access:
            nodes.trust_plain(node, address)
        try:
            kubectl.apply(lost, workload("Deployment", "slow", {"image": f"{address}/team/app:1.0"}))
            wait_for(lambda: pods_of(kubectl, "lost") and pods_of(kubectl, "slow"), "the pods")
            wait_for(lambda: any(one["reason"] == "Pulling" for one in kubectl.list("event")), "the pull to begin")
            before = uids(kubectl, "slow")
            began = time.monotonic()
            result = repull("deployment/slow", "deployment/lost", "--force", "--no-registry", "--timeout=6s", code=1)
            assert 6 <= time.monotonic() - began < 30
        finally:
            for node in node_access:
                shutil.rmtree(Path(node.certs_folder, address), ignore_errors=True)
    told = line_with(result.out, "deployment/slow in ", " is not back within 6s: ")
    assert told and f"pulling {address}/team/app:1.0, " in told
    told = line_with(result.out, "deployment/lost in ", " is not back within 6s: ")
    assert told and "waits for a node: 0/" in told
    assert uids(kubectl, "slow") == before


def test_crash_after_the_pull(repull: Repull, kubectl: Kubectl) -> None:
    """The image is there: what the container then does is nothing that one would wait for."""
    repull.break_secret()
    apps = {
        "ends": workload("Deployment", "ends", {"image": repull.image, "args": ["exit", "3"]}, names=("pull",)),
        "nothing": workload("Deployment", "nothing", {"image": repull.image, "command": ["/nowhere"]}, names=("pull",)),
    }
    kubectl.apply(*apps.values())
    for name in apps:
        wait_refused(kubectl, name)
    repull.mend_secret()
    began = time.monotonic()
    result = repull("deployment/ends", "deployment/nothing", code=1)
    assert time.monotonic() - began < 60
    told = {name: line_with(result.out, f"deployment/{name} in ", " back: ") or "" for name in apps}
    for name, line in told.items():  # the first runs for a moment
        assert f" is not back: pod/{name}-" in line, line
        assert ": its image is there, but container c0 " in line, line
        assert line_with(result.err, f"See: kubectl logs {name}-", " -c c0 -n ", kubectl.namespace)


def test_copy_on_the_node_that_a_pod_may_not_use(repull: Repull, kubectl: Kubectl, node_access: list[Node]) -> None:
    """KEP-2535: another pod's secret has pulled it there. Policy Never needs that secret, too."""
    image, node = repull.registry.image("team/app:1.0.1"), node_access[0].name
    repull.mend_secret("known")
    first = bare("first", {"image": image}, names=("known",))
    second = bare("second", {"image": image, "imagePullPolicy": "Never"})
    for pod in (first, second):
        pod["spec"]["nodeName"] = node
    kubectl.apply(first)
    wait_for(lambda: kubectl.phase("first") == "Running", "the first pod to run")
    kubectl.apply(second)
    before = wait_pod_refused(kubectl, "second")

    def named() -> bool:
        checked = kubectl.plugin("pullcheck", "pod/second", "--plain-http", repull.registry.address)
        assert checked.code == 1
        return "(present-not-usable)" in checked.out

    wait_for(named, "the image in the node's status, which comes every few seconds", every=1)
    result = repull("pod/second", code=1)
    assert line_with(result.err, "pod/second in ", " is still blocked")
    assert causes(result.err) == ["present-not-usable"]
    repull.give_account("known")
    result = repull("pod/second", code=1)
    stale = "it lists no pull secret, one made today known"
    assert line_with(result.err, "pod/second is not back: ", stale, "--recreate-pods")
    assert uid(kubectl, "pod", "second") == before
    result = repull("pod/second", "--recreate-pods")
    assert f"pod/second in {kubectl.namespace} is back: 1 pod started" in result.out
    assert uid(kubectl, "pod", "second") not in (before, "")


def test_connections_are_cut(repull: Repull, kubectl: Kubectl, cluster: Cluster, tmp_path: Path) -> None:
    """In the middle of the wait the API server can't be reached for a time: it goes on, and ends well."""
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",)))
    before = wait_refused(kubectl, "web")
    repull.mend_secret()
    port = int(cluster.api_url.rpartition(":")[2])
    way = Through(port)
    try:
        config = Path(cluster.kubeconfig).read_text().replace(f"127.0.0.1:{port}", f"127.0.0.1:{way.port}")
        (tmp_path / "kubeconfig").write_text(config)
        through = Kubectl({**kubectl.env, "KUBECONFIG": str(tmp_path / "kubeconfig")}, kubectl.namespace)
        there = Repull(through, repull.registry, repull.folder)
        running = there.started("deployment/web", "--keep-waiting-pods")
        assert running.stderr
        said = ""
        while "leave pod/web-" not in said:
            said += running.stderr.readline()
        time.sleep(1)
        assert way.connections
        way.cut(3)
        result = there.ended(running)
    finally:
        way.close()
    assert "trying again" in result.err
    assert "deployment/web in " in result.out and " is back: 1 pod started" in result.out
    assert uids(kubectl, "web") == before
