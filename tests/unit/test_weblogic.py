"""Every place in WebLogic resources that names an image (CRDs of the operator 3.x and 4.x)."""

from __future__ import annotations

import re
from typing import Any, Optional

import pytest
from pullcore.weblogic import (
    DEFAULT_IMAGE,
    EXPORTER_IMAGE,
    FLUENT_IMAGE,
    domain_asks,
    domain_uid,
    is_stopped,
    next_version,
    operator_policy,
    pod_selector,
)

from .builders import cluster, domain

Object = dict[str, Any]
IMAGE = "somewhere.example.com/owner/it:1"
SERVER_PODS = ("spec.serverPod", "spec.adminServer.serverPod", "spec.managedServers[1].serverPod")
IN_A_POD = ("initContainers[0].image", "containers[1].image", "volumes[2].image.reference")
COMMON = ("spec.image", "spec.monitoringExporter.image", "spec.fluentdSpecification.image")
V9 = (
    *COMMON,
    "spec.fluentbitSpecification.image",
    "spec.configuration.model.auxiliaryImages[1].image",
    "spec.configuration.initializeDomainOnPV.domain.domainCreationImages[0].image",
    *(f"{place}.{inside}" for place in SERVER_PODS for inside in IN_A_POD),
)
V8 = (
    *COMMON,
    *(
        f"{place}.{inside}"
        for place in (*SERVER_PODS, "spec.clusters[0].serverPod")
        for inside in (*IN_A_POD[:2], "auxiliaryImages[0].image")
    ),
)


def with_path(path: str, value: str, policy: Optional[str] = None) -> Object:
    """An object that has `value` at `path`; lists are filled up with empty entries before it."""
    root: Object = {}
    here = root
    *steps, last = path.split(".")
    for step in steps:
        found = re.fullmatch(r"(\w+)\[(\d+)\]", step)
        if found:
            items: list[Object] = here.setdefault(found[1], [{} for _ in range(int(found[2]) + 1)])
            here = items[int(found[2])]
        else:
            here = here.setdefault(step, {})
    here[last] = value
    if policy:
        here["pullPolicy" if last == "reference" else "imagePullPolicy"] = policy
    spec: Object = root["spec"]
    return spec


@pytest.mark.parametrize(("version", "path"), [*(("v9", path) for path in V9), *(("v8", path) for path in V8)])
def test_image_paths_of_a_domain(version: str, path: str) -> None:
    spec = with_path(path, IMAGE, "Never")
    value = domain("domain1", spec.pop("image", None), version=version, secrets=["secret1"], **spec)
    found = [one for one in domain_asks(value) if one.image == IMAGE]
    assert [(one.path, one.target.ref, one.policy) for one in found] == [(path, "domain/domain1", "Never")]
    assert found[0].secrets == ("secret1",)


@pytest.mark.parametrize("inside", IN_A_POD)
def test_image_paths_of_a_cluster(inside: str) -> None:
    path = f"spec.serverPod.{inside}"
    mine = domain("domain1", "x:1", clusters=[{"name": "one"}], secrets=["secret1"])
    clusters = [cluster("one", with_path(path, IMAGE)["serverPod"]), cluster("two", with_path(path, "y:1")["serverPod"])]
    found = [one for one in domain_asks(mine, clusters) if one.path != "spec.image"]
    assert [(one.path, one.image, one.target.ref, one.secrets) for one in found] == [
        (path, IMAGE, "cluster/one", ("secret1",))
    ]


def test_what_looks_like_an_image_and_is_none() -> None:
    volume = {"name": "ceph", "rbd": {"image": "not-an-image"}}
    value = domain(
        "d", "x:1", serverPod={"volumes": [volume]}, domainHomeInImage=True, auxiliaryImageVolumes=[{"name": "v"}]
    )
    assert [one.image for one in domain_asks(value)] == ["x:1"]


def test_defaults_of_the_operator() -> None:
    value = domain(
        "d", None, monitoringExporter={"port": 8080}, fluentdSpecification={"x": 1}, fluentbitSpecification={"x": 1}
    )
    empty = {"kind": "Domain", "metadata": {"name": "d"}, "spec": {"monitoringExporter": {}, "fluentdSpecification": {}}}
    assert [(one.path, one.image) for one in domain_asks(empty)] == [
        ("spec.image", DEFAULT_IMAGE),
        ("spec.monitoringExporter.image", EXPORTER_IMAGE),
        ("spec.fluentdSpecification.image", FLUENT_IMAGE),
    ]
    assert domain_asks(value)[0].image == DEFAULT_IMAGE


def test_default_image_of_a_sidecar_survives_pruning() -> None:
    value = domain("d", "x:1", monitoringExporter={"configuration": {"queries": []}})
    assert EXPORTER_IMAGE in [one.image for one in domain_asks(value)]


@pytest.mark.parametrize(
    ("image", "policy"),
    [("x:latest", "Always"), ("x", "IfNotPresent"), ("x:1", "IfNotPresent"), ("x:latest@sha256:0", "IfNotPresent")],
)
def test_operators_policy(image: str, policy: str) -> None:
    """An untagged image gets IfNotPresent from the operator, where Kubernetes would say Always."""
    assert operator_policy(image) == policy
    assert domain_asks(domain("d", image))[0].policy == policy


def test_users_containers_get_the_policy_of_kubernetes() -> None:
    value = domain("d", "x", serverPod={"containers": [{"name": "c", "image": "y"}]})
    assert [(one.image, one.policy) for one in domain_asks(value)] == [("x", "IfNotPresent"), ("y", "Always")]


def test_service_accounts() -> None:
    own = {"serviceAccountName": "special", "containers": [{"name": "c", "image": "y:1"}]}
    value = domain("d", "x:1", serverPod={"serviceAccountName": "base"}, adminServer={"serverPod": own})
    assert {one.image: one.service_account for one in domain_asks(value)} == {"x:1": "base", "y:1": "special"}


def test_uid_and_selector() -> None:
    assert pod_selector(domain("d")) == "weblogic.domainUID=d,weblogic.createdByOperator=true"
    assert domain_uid(domain("d", domainUID="other")) == "other"
    assert pod_selector(domain("d", domainUID="other")).startswith("weblogic.domainUID=other,")


@pytest.mark.parametrize(
    ("policy", "stopped"), [("Never", True), ("NEVER", True), ("IfNeeded", False), ("AdminOnly", False)]
)
def test_stopped(policy: str, stopped: bool) -> None:
    assert is_stopped(domain("d", serverStartPolicy=policy)) == stopped
    assert not is_stopped(domain("d"))


@pytest.mark.parametrize(("now", "then"), [(None, "1"), ("", "1"), ("7", "8"), ("v2", "1"), ("²", "1"), (7, "1")])
def test_next_version(now: object, then: str) -> None:
    assert next_version(now) == then
