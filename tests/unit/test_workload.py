"""Objects to Pulls."""

from __future__ import annotations

from typing import Any

import pytest
from pullcore.pull import Target
from pullcore.workload import controller_of, is_stopped_workload, pulls, waits_for_image

from .builders import (
    IMAGE,
    RUNNING,
    account,
    cluster,
    container,
    domain,
    evidence,
    kept,
    pod,
    server_labels,
    waiting,
    workload,
)

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *((kind, "spec.template.spec") for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")),
        ("ReplicationController", "spec.template.spec"),
        ("CronJob", "spec.jobTemplate.spec.template.spec"),
    ],
)
def test_sources_of_workloads(kind: str, path: str) -> None:
    (found,) = pulls(evidence(workload(kind, "w")))
    assert [(one.target.ref, one.path) for one in found.sources] == [(f"{kind.lower()}/w", f"{path}.containers[0].image")]
    assert not found.live


def test_equal_requests_are_one_pull() -> None:
    web = workload()
    found = pulls(evidence(web, *(pod(f"p{number}", owner=web, state=RUNNING) for number in range(50))))
    assert len(found) == 1
    assert len(found[0].containers) == 50
    assert [one.target.ref for one in found[0].sources] == ["deployment/web"]


@pytest.mark.parametrize(
    "other",
    [
        pod("b", container(image="other:1")),
        pod("b", container(policy="Always")),
        pod("b", namespace="far"),
        pod("b", secrets=["x"]),
        pod("b", secrets=["y", "x"]),
        pod("b", account="robot"),
    ],
)
def test_different_requests_are_different_pulls(other: Object) -> None:
    assert len(pulls(evidence(pod("a"), other))) == 2


def test_order_of_secrets_counts() -> None:
    assert len(pulls(evidence(pod("a", secrets=["x", "y"]), pod("b", secrets=["y", "x"])))) == 2


def test_unborn_pods_get_their_accounts_list_and_live_ones_do_not() -> None:
    mine = account(secrets=["of-account"])
    (unborn,) = pulls(evidence(pod(live=False), mine))
    (live,) = pulls(evidence(pod(), mine))
    (own,) = pulls(evidence(pod(live=False, secrets=["own"]), mine))
    (template,) = pulls(evidence(workload(), mine))
    assert (unborn.secrets, live.secrets, own.secrets, template.secrets) == (("of-account",), (), ("own",), ("of-account",))


def test_sources_of_a_pod_are_those_of_its_outermost_owner() -> None:
    web, replicas = workload(), workload("ReplicaSet", "web-1")
    replicas["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    (found,) = pulls(evidence(web, replicas, pod(owner=replicas), targets=[web]))
    assert [one.target.ref for one in found.sources] == ["deployment/web"]
    assert found.asker == Target("Deployment", "default", "web")


def test_an_unknown_owner_leaves_the_pod_as_the_source() -> None:
    (found,) = pulls(evidence(pod(owner={"kind": "Rollout", "metadata": {"name": "r"}})))
    assert found.asker == Target("Rollout", "default", "r")
    assert [one.target.ref for one in found.sources] == ["pod/web-1"]


def test_a_domain_and_its_servers() -> None:
    side = "side.example.com/x:1"
    mine = domain(domainUID="u", clusters=[{"name": "c"}], secrets=["s"])
    group = cluster("c", {"containers": [{"name": "side", "image": side, "imagePullPolicy": "IfNotPresent"}]})
    server = pod(
        "u-ms1", container("side", side), container("weblogic-server"), secrets=["s"], labels=server_labels("u", "ms1")
    )
    found = {one.image: one for one in pulls(evidence(mine, group, server, targets=[mine]))}
    assert {image: [(one.target.ref, one.path) for one in pull.sources] for image, pull in found.items()} == {
        side: [("cluster/c", "spec.serverPod.containers[0].image")],
        IMAGE: [("domain/domain1", "spec.image")],
    }
    assert {one.asker.ref for one in found.values()} == {"domain/domain1"}
    assert all(one.live for one in found.values())


def test_a_domain_of_another_namespace_owns_nothing_here() -> None:
    (mine, _) = pulls(evidence(pod("u-admin", labels=server_labels("u")), domain(domainUID="u", namespace="far")))
    assert mine.asker.ref == "pod/u-admin"


@pytest.mark.parametrize(
    ("owners", "found"),
    [
        ([], None),
        ([{"kind": "Job", "name": "j"}], "job/j"),
        ([{"kind": "A", "name": "a"}, {"kind": "B", "name": "b"}], None),
        ([{"kind": "A", "name": "a"}, {"kind": "B", "name": "b", "controller": True}], "b/b"),
        ([{"kind": "A"}], None),
    ],
)
def test_controller_of(owners: list[Object], found: object) -> None:
    controller = controller_of(kept({"kind": "Pod", "metadata": {"name": "p", "ownerReferences": owners}}))
    assert (controller and controller.ref) == found


@pytest.mark.parametrize(
    ("value", "stopped"),
    [
        (workload(), False), (workload(replicas=0), True), (workload("CronJob", suspend=True), True),
        (workload("Job", suspend=False), False), (domain(serverStartPolicy="NEVER"), True), (domain(), False),
    ],
)  # fmt: skip
def test_stopped(value: Object, stopped: bool) -> None:
    assert is_stopped_workload(value) == stopped


def test_waits_for_image() -> None:
    states = {"a": waiting("x"), "b": waiting("x", "CrashLoopBackOff"), "c": RUNNING, "d": waiting("x", "bad base64 text")}
    (found,) = pulls(evidence(pod("p", *(container(name) for name in "abcd"), states=states)))
    assert [use.container for use in found.containers if waits_for_image(use)] == ["a", "d"]
