"""Whether the harness itself does what the other tests build on."""

from __future__ import annotations

from typing import Any

import pytest

from .cluster import node as nodes
from .cluster.model import Cluster, Node, Registry
from .conftest import Kubectl, make_pod, make_secret, wait_for

PULL_ERRORS = ("ErrImagePull", "ImagePullBackOff")


def pull_error(kubectl: Kubectl, pod: str) -> str:
    """The message, once the pod waits for its image."""

    def message() -> str:
        reason, text = kubectl.waiting(pod)
        return text if reason in PULL_ERRORS else ""

    return wait_for(message, f"{pod} to fail")


def runs(kubectl: Kubectl, pod: str) -> None:
    wait_for(lambda: kubectl.phase(pod) == "Running", f"{pod} to run")


def test_both_nodes_are_ready(admin: Kubectl, node_access: list[Node]) -> None:
    ready = {
        item["metadata"]["name"]
        for item in admin.list("nodes")
        if any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"]["conditions"])
    }
    assert ready == {node.name for node in node_access}


def test_pods_get_good_and_bad_images(kubectl: Kubectl, cluster: Cluster, registries: dict[str, Registry]) -> None:
    password, token, plain = registries["htpasswd"], registries["token"], registries["open"]
    kubectl.apply(
        make_secret("password", password),
        make_secret("wrong", password, password="no"),
        make_secret("token", token),
        make_secret("team", token, user="teamonly"),
        make_pod("password", password.image("team/app:1.0"), "password"),
        make_pod("wrong-password", password.image("team/app:1.0.1"), "wrong"),
        make_pod("wrong-tag", password.image("team/app:1.1"), "password"),
        make_pod("token", token.image("owner/domain1:1.0"), "token"),
        make_pod("no-right", token.image("owner/aux:1.0"), "team"),
        make_pod("public", token.image("public/app:1.0")),
        make_pod("open", plain.image("team/multi:1.0")),
        make_pod("not-https", f"{cluster.plain_address}/team/app:1.0"),
        make_pod("authority", registries["tls"].image("team/app:1.0"), imagePullPolicy="Always"),
        make_pod("platform", plain.image("team/arm:1.0")),
    )
    for good in ("password", "token", "public", "open"):
        runs(kubectl, good)
    for bad, words in {
        "wrong-password": "401 Unauthorized",
        "wrong-tag": "not found",
        "no-right": "insufficient_scope",
        "not-https": "server gave HTTP response to HTTPS client",
        "authority": "certificate signed by unknown authority",
        "platform": "no match for platform in manifest",
    }.items():
        assert words in pull_error(kubectl, bad)
    assert kubectl.run("logs", "-n", kubectl.namespace, "open").code == 0


def test_a_node_can_be_told_apart(kubectl: Kubectl, registries: dict[str, Registry], node_access: list[Node]) -> None:
    first, second = node_access
    tls = registries["tls"]
    nodes.trust_ca(first, tls.address, tls.ca_file)
    nodes.hide_host(second, tls.host)
    try:
        kubectl.apply(
            make_pod("trusts", tls.image("team/app:1.0"), node=first.name),
            make_pod("cannot-resolve", tls.image("team/app:1.0.1"), node=second.name),
        )
        runs(kubectl, "trusts")
        wait_for(lambda: "no such host" in kubectl.waiting("cannot-resolve")[1], "the name to be unknown")
    finally:
        nodes.forget(first, tls.address)
        nodes.show_host(second, tls.host)


def make_domain(image: str, **spec: Any) -> dict[str, Any]:
    kind = {"apiVersion": "weblogic.oracle/v9", "kind": "Domain"}
    return {**kind, "metadata": {"name": "domain1"}, "spec": {"image": image, **spec}}


def condition(kubectl: Kubectl, kind: str) -> dict[str, Any]:
    status = (kubectl.get("domains.v9.weblogic.oracle", "domain1") or {}).get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


@pytest.mark.parametrize("place", ["image", "aux"])
def test_the_operator_stand_in(kubectl: Kubectl, registries: dict[str, Registry], place: str) -> None:
    registry = registries["htpasswd"]
    good, aux = registry.image("owner/domain1:1.0"), registry.image("owner/aux:1.0")
    secrets = {"imagePullSecrets": [{"name": "regcred"}]}

    def domain(tag: str) -> dict[str, Any]:
        images = [{"image": aux if place == "image" else f"{aux}{tag}"}]
        return make_domain(
            f"{good}{tag}" if place == "image" else good,
            configuration={"model": {"auxiliaryImages": images}},
            **secrets,
        )

    kubectl.apply(make_secret("regcred", registry), domain("-missing"))
    failed = wait_for(lambda: condition(kubectl, "Failed"), "the condition Failed")
    assert (failed["reason"], failed["severity"]) == ("ServerPod", "Severe")
    assert "Failure on pod 'domain1-introspector-" in failed["message"]
    assert "not found" in failed["message"] or "Back-off pulling image" in failed["message"]
    events = kubectl.list("events", "--field-selector=involvedObject.kind=Domain", "-l", "weblogic.domainUID=domain1")
    assert [event["reason"] for event in events] == ["Failed"]
    kubectl.apply(domain(""))
    wait_for(lambda: condition(kubectl, "Available").get("status") == "True", "the domain to be available", 90)
    assert not condition(kubectl, "Failed")
    pods = {pod["metadata"]["name"]: pod for pod in kubectl.list("pods", "-l", "weblogic.serverName")}
    assert set(pods) == {"domain1-admin-server", "domain1-managed-server1"}
    before = {name: pod["metadata"]["uid"] for name, pod in pods.items()}
    patch = '{"spec": {"restartVersion": "1"}}'
    kubectl("patch", "domains.v9.weblogic.oracle", "domain1", "--type=merge", "-p", patch)

    def rolled() -> bool:
        now = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in kubectl.list("pods", "-l", "weblogic.serverName")}
        return now.keys() == before.keys() and all(now[name] != before[name] for name in before)

    wait_for(rolled, "the servers to be rolled", 90)
