"""kubectl pullcheck on a real kubelet: every fault, in a pod, a Deployment and a Domain, gets its right primary cause."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from .cluster.model import Cluster
from .conftest import Kubectl, make_pod, make_secret, wait_for
from .scenarios import SCENARIOS, Scenario

Object = dict[str, Any]
SERVER_POD_FAULTS = ("wrong-tag", "key-mismatch")  # faults of a sidecar: the introspector passes, the servers do not
AUXILIARY_FAULTS = ("wrong-tag", "key-mismatch", "upper-case")


def deployment(scenario: Scenario, image: str) -> Object:
    pod = make_pod("unused", image, *scenario.names, **_policy(scenario))
    labels = {"app": scenario.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-{scenario.name}"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
        },
    }


def domain(name: str, names: tuple[str, ...], spec: Object) -> Object:
    listed = [{"name": one} for one in names]
    return {
        "apiVersion": "weblogic.oracle/v9",
        "kind": "Domain",
        "metadata": {"name": name},
        "spec": {"domainUID": f"{name}-uid", "imagePullSecrets": listed, "replicas": 1, **spec},
    }


def _policy(scenario: Scenario) -> dict[str, str]:
    return {"imagePullPolicy": scenario.policy} if scenario.policy else {}


@pytest.fixture(scope="module")
def faults(admin: Kubectl, cluster: Cluster) -> Iterator[Kubectl]:
    """A namespace in which every fault stands in a pod, a Deployment and a Domain."""
    name = f"pullkit-e2e-{secrets.token_hex(4)}"
    admin("create", "namespace", name)
    kubectl = Kubectl(admin.env, name)
    try:
        wait_for(lambda: kubectl.get("serviceaccount", "default"), "the default service account")
        kubectl.apply(*(value for scenario in SCENARIOS for value in scenario.secrets(cluster)))
        good = cluster.registries["open"].image("owner/domain1:1.0")
        for scenario in SCENARIOS:
            image, policy = scenario.image(cluster), _policy(scenario)
            objects = [make_pod(f"pod-{scenario.name}", image, *scenario.names, **policy), deployment(scenario, image)]
            objects.append(domain(f"dom-{scenario.name}", scenario.names, {"image": image, **policy}))
            if scenario.name in AUXILIARY_FAULTS:
                auxiliary = {"configuration": {"model": {"auxiliaryImages": [{"image": image}]}}}
                objects.append(domain(f"aux-{scenario.name}", scenario.names, {"image": good, **auxiliary}))
            if scenario.name in SERVER_POD_FAULTS:
                sidecar = {"serverPod": {"containers": [{"name": "sidecar", "image": image}]}}
                objects.append(domain(f"srv-{scenario.name}", scenario.names, {"image": good, **sidecar}))
            kubectl.apply(*objects)
        yield kubectl
    finally:
        admin("delete", "namespace", name, "--wait=false")


def targets() -> list[tuple[Scenario, str]]:
    found = [(one, f"{kind}-{one.name}") for one in SCENARIOS for kind in ("pod", "web", "dom")]
    found += [(one, f"aux-{one.name}") for one in SCENARIOS if one.name in AUXILIARY_FAULTS]
    return found + [(one, f"srv-{one.name}") for one in SCENARIOS if one.name in SERVER_POD_FAULTS]


@pytest.mark.parametrize(("scenario", "target"), targets(), ids=[name for _, name in targets()])
def test_primary_cause(faults: Kubectl, cluster: Cluster, scenario: Scenario, target: str) -> None:
    """The kubelet has spoken, and pullcheck names the right cause first, and the object where the image stands."""
    image = scenario.image(cluster)

    def blocked() -> Object:
        result = faults.plugin("pullcheck", target, "-o", "json")
        assert result.code in (0, 1), result.err
        pulls = [pull for pull in result.json["pulls"] if pull["image"] == image and _spoken(pull)]
        return pulls[0] if pulls else {}

    pull = wait_for(blocked, f"the kubelet's word on {target}", timeout=90, every=1)
    assert pull["verdict"] == "blocked"
    first = pull["findings"][0]
    assert first["cause"] == scenario.cause, pull["findings"]
    assert first["severity"] == "error"
    assert scenario.summary in first["summary"]
    assert set(scenario.later) <= {one["cause"] for one in pull["findings"][1:]}
    assert pull["sources"]
    kind = {"pod": "pod", "web": "deployment"}.get(target.split("-")[0], "domain")
    assert pull["sources"][0]["object"] == f"{kind}/{target}"
    secrets_of_cluster = [value for registry in cluster.registries.values() for value in registry.users.values()]
    assert not any(password in str(pull) for password in secrets_of_cluster)


def _spoken(pull: Object) -> bool:
    """Whether the kubelet has refused this pull, so that the finding does not come from objects alone."""
    reasons = [one["reason"] or "" for one in pull["containers"] if one["state"] == "waiting"]
    return any("Image" in reason or " " in reason for reason in reasons)


def test_steps_and_exit_status(faults: Kubectl) -> None:
    result = faults.plugin("pullcheck", "pod-key-mismatch")
    assert result.code == 1
    assert "✗ credentials" in result.out
    assert "(key-mismatch)" in result.out
    assert "path /v2" in result.out
    assert "Fix:   kubectl create secret docker-registry v2-key" in result.out


def test_scan_groups_what_waits(faults: Kubectl) -> None:
    result = faults.plugin("pullcheck")
    assert result.code == 1
    assert result.out.startswith("IMAGE ")
    assert "VERDICT" in result.out.splitlines()[0]
    for scenario in SCENARIOS:
        assert scenario.cause in result.out
    wide = faults.plugin("pullcheck", "-o", "wide", "--no-headers")
    assert "VERDICT" not in wide.out


def test_pullable(kubectl: Kubectl, cluster: Cluster) -> None:
    registry = cluster.registries["htpasswd"]
    kubectl.apply(make_secret("good", registry), make_pod("fine", registry.image("team/app:1.0"), "good"))
    wait_for(lambda: kubectl.phase("fine") == "Running", "the pod to run")

    def listed() -> Object:
        """The report, once the node's status, which comes every few seconds, lists the image."""
        result = kubectl.plugin("pullcheck", "fine", "-o", "json")
        assert result.code == 0, result.out
        return result.json if any(node["present"] for node in result.json["pulls"][0]["nodes"]) else {}

    report = wait_for(listed, "the image in the node's status", every=1)
    assert report["verdict"] == "pullable"
    assert [one["secret"] for one in report["pulls"][0]["credentials"]["attempts"]] == ["good"]
    scan = kubectl.plugin("pullcheck")
    assert (scan.code, scan.out) == (0, "")
    assert "No pod waits for an image" in scan.err


def test_saved_evidence_gives_the_same_diagnosis(faults: Kubectl, tmp_path: Any) -> None:
    path = tmp_path / "evidence.json"
    live = faults.plugin("pullcheck", "dom-key-mismatch", "-o", "json", "--save", str(path))
    again = faults.run("pullcheck", "-f", str(path), "--offline", "-o", "json", env={"KUBECONFIG": "/nonexistent"})
    assert again.code == live.code
    assert again.json == live.json
    assert path.stat().st_mode & 0o777 == 0o600


def test_reader_without_secrets_events_and_nodes(faults: Kubectl, cluster: Cluster) -> None:
    """Who may only read pods and Domains gets the kubelet's word, and is told what was not looked at."""
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["weblogic.oracle"], "resources": ["domains", "clusters"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps", "batch"], "resources": ["*"], "verbs": ["get", "list"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "reader"}}
    subject = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    faults.apply(
        {**role, "kind": "Role", "rules": rules},
        {**role, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference},
    )
    result = faults.plugin("pullcheck", "pod-wrong-tag", "pod-key-mismatch", "--as", "reader", "-o", "json")
    assert result.code == 1, result.err
    report = result.json
    causes = {pull["image"]: pull["findings"][0]["cause"] for pull in report["pulls"]}
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    assert causes[by_name["wrong-tag"].image(cluster)] == "image-not-found"
    assert causes[by_name["key-mismatch"].image(cluster)] == "no-credentials"
    unchecked = {one["what"]: one["why"] for one in report["notChecked"]}
    assert {what.split()[0] for what in unchecked} == {"secrets", "service", "events", "nodes"}
    assert all("reader" in why and "cannot" in why for why in unchecked.values())


def test_nothing_of_that_name(kubectl: Kubectl) -> None:
    result = kubectl.plugin("pullcheck", "nothing")
    assert (result.code, result.out) == (2, "")
    assert 'no object called "nothing"' in result.err
    assert len(result.err.splitlines()) == 1
