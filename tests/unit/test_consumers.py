"""Who uses which pull secret."""

from __future__ import annotations

from typing import Any

import pytest
from pullcore.consumers import consumers, own_list

from .builders import Object, account, cluster, domain, pod, workload


def users(*values: Object, name: str = "regcred", namespace: str = "default") -> list[str]:
    return [target.ref for target in consumers(values).get((namespace, name), [])]


def owned_by(owner: Object, value: Object) -> Object:
    metadata = value["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return {**value, "metadata": {**metadata, "ownerReferences": [{**reference, "controller": True}]}}


@pytest.mark.parametrize(
    "value",
    [
        account("builder", ["other", "regcred"]),
        domain("domain1", secrets=["regcred"]),
        pod("web-1", secrets=["regcred"]),
        *(workload(kind, "web", secrets=["regcred"]) for kind in (
            "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")),
    ],
    ids=lambda value: value["kind"],
)  # fmt: skip
def test_every_kind_that_lists_it_uses_it(value: Object) -> None:
    name = value["metadata"]["name"]
    assert users(value) == [f"{value['kind'].lower()}/{name}"]
    assert "regcred" in own_list(value)
    assert users(value, name="another") == []
    assert users(value, namespace="other") == []


def test_nobody() -> None:
    assert consumers([]) == {}
    assert users(account(), domain(), pod(), workload(), cluster("c1", {}), {"kind": "Event", "metadata": {}}) == []


def test_namespaces_are_told_apart() -> None:
    found = consumers([account("a", ["regcred"], "one"), account("b", ["regcred"], "two")])
    assert {key: [target.ref for target in some] for key, some in found.items()} == {
        ("one", "regcred"): ["serviceaccount/a"],
        ("two", "regcred"): ["serviceaccount/b"],
    }


def test_what_something_makes_from_its_own_list_is_not_named_besides_it() -> None:
    deployment = workload(secrets=["regcred"])
    replicas = owned_by(deployment, workload("ReplicaSet", "web-5d", secrets=["regcred"]))
    of_it = pod("web-5d-1", secrets=["regcred"], owner=replicas)
    assert users(deployment, replicas, of_it) == ["deployment/web"]
    server = domain(secrets=["regcred"])
    job = owned_by(server, workload("Job", "domain1-introspector", secrets=["regcred"]))
    assert users(server, job, pod("domain1-introspector-x", secrets=["regcred"], owner=job)) == ["domain/domain1"]


def test_a_pod_that_has_it_from_its_service_account_is_named() -> None:
    """Its owner does not list it, and another account's list would not reach it."""
    deployment = workload()
    replicas = owned_by(deployment, workload("ReplicaSet", "web-5d"))
    of_it = pod("web-5d-1", secrets=["regcred"], owner=replicas)
    assert users(account(secrets=["regcred"]), deployment, replicas, of_it) == ["serviceaccount/default", "pod/web-5d-1"]


def test_a_pod_without_a_known_owner_is_named() -> None:
    gone: dict[str, Any] = workload("ReplicaSet", "web-5d")
    assert users(pod("web-5d-1", secrets=["regcred"], owner=gone)) == ["pod/web-5d-1"]


def test_what_a_deployment_keeps_for_going_back_uses_nothing() -> None:
    """Old ReplicaSets without pods keep every list that there ever was: a secret could never be removed."""
    deployment = workload(secrets=["new"])
    old = owned_by(deployment, workload("ReplicaSet", "web-4c", secrets=["regcred"], replicas=0))
    new = owned_by(deployment, workload("ReplicaSet", "web-5d", secrets=["new"], replicas=1))
    assert users(deployment, old, new) == []
    rolling = owned_by(deployment, workload("ReplicaSet", "web-4c", secrets=["regcred"], replicas=1))
    assert users(deployment, rolling, new) == ["replicaset/web-4c"]
