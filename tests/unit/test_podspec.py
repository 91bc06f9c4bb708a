"""Places in a pod that name an image."""

from __future__ import annotations

import pytest
from pullcore.podspec import container_use, default_policy, pod_asks, secret_names, service_account_of
from pullcore.pull import Target

from .builders import RUNNING, container, pod, waiting

POD = Target("Pod", "default", "p")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1", "IfNotPresent"), ("r:5000/nginx", "Always"),
        ("r:5000/nginx:1", "IfNotPresent"), ("nginx@sha256:0", "IfNotPresent"), ("nginx:latest@sha256:0", "Always"),
        ("nginx:1@sha256:0", "IfNotPresent"), ("latest", "Always"), ("nginx:xlatest", "IfNotPresent"),
    ],
)  # fmt: skip
def test_default_policy(image: str, policy: str) -> None:
    assert default_policy(image) == policy


def test_every_place() -> None:
    spec = {
        "initContainers": [container("i", "init:1")],
        "containers": [container("a", "a:1"), container("b", "b:1", "Never"), {"name": "no-image"}],
        "ephemeralContainers": [container("e", "e:1")],
        "volumes": [{"name": "plain"}, {"name": "v", "image": {"reference": "v:1", "pullPolicy": "Always"}}],
        "imagePullSecrets": [{"name": "one"}, {"name": ""}, {}, {"name": "two"}],
        "serviceAccountName": "robot",
    }
    asks = pod_asks(POD, "spec", spec)
    assert [(one.path, one.image, one.policy, one.kind) for one in asks] == [
        ("spec.initContainers[0].image", "init:1", "IfNotPresent", "init"),
        ("spec.containers[0].image", "a:1", "IfNotPresent", "container"),
        ("spec.containers[1].image", "b:1", "Never", "container"),
        ("spec.ephemeralContainers[0].image", "e:1", "IfNotPresent", "ephemeral"),
        ("spec.volumes[1].image.reference", "v:1", "Always", "volume"),
    ]
    assert {one.secrets for one in asks} == {("one", "two")}
    assert {one.service_account for one in asks} == {"robot"}


def test_secrets_and_accounts() -> None:
    assert secret_names({}) == ()
    assert service_account_of({}) == "default"
    assert service_account_of({"serviceAccount": "old"}) == "old"
    assert service_account_of({"serviceAccountName": "new", "serviceAccount": "old"}) == "new"


def test_container_use() -> None:
    value = pod("p", container("a"), container("b"), container("c"), states={"a": RUNNING, "b": waiting("why")})
    found = [container_use(value, ask) for ask in pod_asks(POD, "spec", value["spec"])]
    assert [(one.ref, one.state, one.reason, one.message) for one in found] == [
        ("p/a", "running", None, None),
        ("p/b", "waiting", "ErrImagePull", "why"),
        ("p/c", "unknown", None, None),
    ]
    assert {one.node for one in found} == {"n1"}
