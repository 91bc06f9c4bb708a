"""kubectl pullcheck on a real kubelet: every fault, in a pod, a Deployment and a Domain, gets its right primary cause."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

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
def faults(admin: Kubectl, own_cluster: Optional[Cluster]) -> Iterator[Kubectl]:
    """A namespace in which every fault stands in a pod, a Deployment and a Domain; those that this cluster can show."""
    name = f"pullkit-e2e-{secrets.token_hex(4)}"
    admin("create", "namespace", name)
    kubectl = Kubectl(admin.env, name)
    try:
        wait_for(lambda: kubectl.get("serviceaccount", "default"), "the default service account")
        for scenario in SCENARIOS:
            if own_cluster or scenario.anywhere:
                kubectl.apply(*scenario.secrets(own_cluster), *in_every_form(scenario, own_cluster))
        yield kubectl
    finally:
        admin("delete", "namespace", name, "--wait=false")


def in_every_form(scenario: Scenario, cluster: Optional[Cluster]) -> list[Object]:
    image, policy = scenario.image(cluster), _policy(scenario)
    objects = [make_pod(f"pod-{scenario.name}", image, *scenario.names, **policy), deployment(scenario, image)]
    if not cluster:  # nobody makes pods of a Domain there
        return objects
    good = cluster.registries["open"].image("owner/domain1:1.0")
    objects.append(domain(f"dom-{scenario.name}", scenario.names, {"image": image, **policy}))
    if scenario.name in AUXILIARY_FAULTS:
        auxiliary = {"configuration": {"model": {"auxiliaryImages": [{"image": image}]}}}
        objects.append(domain(f"aux-{scenario.name}", scenario.names, {"image": good, **auxiliary}))
    if scenario.name in SERVER_POD_FAULTS:
        sidecar = {"serverPod": {"containers": [{"name": "sidecar", "image": image}]}}
        objects.append(domain(f"srv-{scenario.name}", scenario.names, {"image": good, **sidecar}))
    return objects


def targets() -> list[tuple[Scenario, str]]:
    found = [(one, f"{kind}-{one.name}") for one in SCENARIOS for kind in ("pod", "web", "dom")]
    found += [(one, f"aux-{one.name}") for one in SCENARIOS if one.name in AUXILIARY_FAULTS]
    return found + [(one, f"srv-{one.name}") for one in SCENARIOS if one.name in SERVER_POD_FAULTS]


@pytest.mark.parametrize(("scenario", "target"), targets(), ids=[name for _, name in targets()])
def test_primary_cause(faults: Kubectl, own_cluster: Optional[Cluster], scenario: Scenario, target: str) -> None:
    """The kubelet has spoken, and pullcheck names the right cause first, and the object where the image stands."""
    if not own_cluster and not (scenario.anywhere and target.startswith(("pod-", "web-"))):
        pytest.skip("needs the harness's own registries or operator (CLUSTER=current is set)")
    image = scenario.image(own_cluster)

    def blocked() -> Object:
        result = faults.plugin("pullcheck", target, "-o", "json")
        assert result.out, result.err
        pulls = [pull for pull in result.json["pulls"] if pull["image"] == image and _spoken(pull)]
        return pulls[0] if pulls else {}

    # A kubelet that has not seen the secret yet asks without it at first: only its second try tells.
    first_try = ("denied-or-missing", "no-credentials") if scenario.names else ()
    pull = wait_for(blocked, f"the kubelet's word on {target}", timeout=90, every=1)
    if pull["findings"][0]["cause"] in first_try:
        pull = wait_for(lambda: settled(blocked(), first_try), f"another try of {target}", timeout=60, every=1)
    assert pull["verdict"] == "blocked"
    first = pull["findings"][0]
    assert first["cause"] == scenario.cause, pull["findings"]
    assert first["severity"] == "error"
    assert scenario.summary in first["summary"]
    assert set(scenario.later) <= {one["cause"] for one in pull["findings"][1:]}
    assert pull["sources"]
    kind = {"pod": "pod", "web": "deployment"}.get(target.split("-")[0], "domain")
    assert pull["sources"][0]["object"] == f"{kind}/{target}"
    for registry in own_cluster.registries.values() if own_cluster else ():
        assert not any(password in str(pull) for password in registry.users.values())


def settled(pull: Object, first_try: tuple[str, ...]) -> Object:
    return pull if pull and pull["findings"][0]["cause"] not in first_try else {}


def _spoken(pull: Object) -> bool:
    """Whether the kubelet has refused this pull, so that the finding does not come from objects alone."""
    reasons = [one["reason"] or "" for one in pull["containers"] if one["state"] == "waiting"]
    return any("Image" in reason or " " in reason for reason in reasons)


def test_steps_and_exit_status(faults: Kubectl, cluster: Cluster) -> None:
    result = faults.plugin("pullcheck", "pod-key-mismatch")
    assert result.code == 1
    assert "✗ credentials" in result.out
    assert "(key-mismatch)" in result.out
    assert "path /v2" in result.out
    assert "Fix:   kubectl pullsecret add v2-key --docker-server=" in result.out


def test_scan_groups_what_waits(faults: Kubectl, own_cluster: Optional[Cluster]) -> None:
    causes = {scenario.cause for scenario in SCENARIOS if own_cluster or scenario.anywhere}

    def missing() -> set[str]:
        report = faults.plugin("pullcheck", "-o", "json").json
        return causes - {pull["findings"][0]["cause"] for pull in report["pulls"]}

    wait_for(lambda: not missing(), "every cause in the scan", timeout=90, every=1)
    result = faults.plugin("pullcheck", "-l", "app=wrong-tag")
    assert result.code == 1
    assert result.out.startswith("IMAGE ")
    assert "VERDICT" in result.out.splitlines()[0]
    assert result.out.count("Cause: ") == 1
    if own_cluster:  # there is more wrong here than a page has lines
        everything = faults.plugin("pullcheck")
        lines = everything.out.splitlines()
        assert everything.code == 1 and len(lines) <= 60
        assert " cannot be pulled" in lines[0] and "Cause: " in everything.out
        assert f"Every image:      kubectl pullcheck -n {faults.namespace} -o wide" in lines
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


def test_saved_evidence_gives_the_same_diagnosis(faults: Kubectl, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    live = faults.plugin("pullcheck", "pod-malformed", "pod-unresolvable", "web-never", "-o", "json", "--save", str(path))
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
    # Whether a credential was sent can't be told without the secrets: a 401 alone leaves it open.
    assert causes[by_name["key-mismatch"].image(cluster)] == "denied-or-missing"
    unchecked = {one["what"]: one["why"] for one in report["notChecked"]}
    assert {what.split()[0] for what in unchecked} == {"secrets", "service", "events", "nodes"}
    assert all("reader" in why and "cannot" in why for why in unchecked.values())


def test_nothing_of_that_name(kubectl: Kubectl) -> None:
    result = kubectl.plugin("pullcheck", "nothing")
    assert (result.code, result.out) == (2, "")
    assert 'no object called "nothing"' in result.err
    assert len(result.err.splitlines()) == 1
