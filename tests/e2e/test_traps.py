"""The FAQ's own traps, and what only the objects of a real cluster can show: lists, service accounts, webhooks, kinds."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from .cluster.model import Cluster
from .conftest import Kubectl, make_pod, make_secret, wait_for

Object = dict[str, Any]


@pytest.fixture
def private(cluster: Cluster) -> str:
    """An image that needs credentials."""
    return cluster.registries["htpasswd"].image("team/app:1.0")


def check(kubectl: Kubectl, *arguments: str) -> Object:
    result = kubectl.plugin("pullcheck", *arguments, "-o", "json")
    assert result.out, result.err
    report: Object = result.json
    return report


def refused(kubectl: Kubectl, target: str) -> list[Object]:
    """The findings of a target's only Pull, once the kubelet has refused it."""

    def spoken() -> list[Object]:
        (pull,) = check(kubectl, target)["pulls"]
        found: list[Object] = pull["findings"]
        return found if any("Image" in (one["reason"] or "") for one in pull["containers"]) else []

    return wait_for(spoken, f"the kubelet's word on {target}", every=1)


def deployment(name: str, image: str, *secrets: str) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": make_pod(name, image, *secrets)["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def patch_account(kubectl: Kubectl, *secrets: str) -> None:
    """What the FAQ says to do; it replaces the whole list."""
    names = [{"name": name} for name in secrets]
    kubectl("patch", "serviceaccount", "default", "-p", json.dumps({"imagePullSecrets": names}))


def test_pod_older_than_its_account_s_list(kubectl: Kubectl, cluster: Cluster, private: str) -> None:
    kubectl.apply(deployment("web", private), make_secret("good", cluster.registries["htpasswd"]))
    assert refused(kubectl, "web")[0]["cause"] == "no-credentials"
    patch_account(kubectl, "good")
    first = check(kubectl, "web")["pulls"][0]["findings"][0]
    assert first["cause"] == "stale-pod"
    assert "good" in first["summary"]
    assert first["fix"] == [f"kubectl repull deployment/web -n {kubectl.namespace}"]
    assert kubectl.plugin("repull", "deployment/web").code == 0
    assert check(kubectl, "web")["verdict"] == "pullable"


def test_bare_pod_older_than_its_account_s_list(kubectl: Kubectl, cluster: Cluster, private: str) -> None:
    kubectl.apply(make_pod("bare", private), make_secret("good", cluster.registries["htpasswd"]))
    assert refused(kubectl, "bare")[0]["cause"] == "no-credentials"
    patch_account(kubectl, "good")
    first = check(kubectl, "bare")["pulls"][0]["findings"][0]
    assert first["cause"] == "stale-pod"
    shell(kubectl.env | {"COMMAND": "\n".join(first["fix"])})
    wait_for(lambda: check(kubectl, "bare")["verdict"] == "pullable", "the new pod to pull", every=1)


def test_account_s_list_replaced_by_a_patch(kubectl: Kubectl, cluster: Cluster, private: str) -> None:
    registry = cluster.registries["htpasswd"]
    kubectl.apply(make_secret("first", registry), make_secret("second", cluster.registries["token"]))
    patch_account(kubectl, "first")
    kubectl.apply(make_pod("early", registry.image("team/app:1.0.1")))
    wait_for(lambda: kubectl.phase("early") == "Running", "the early pod to run")
    patch_account(kubectl, "second")
    kubectl.apply(deployment("web", registry.image("team/multi:1.0")))
    first = refused(kubectl, "web")[0]
    assert first["cause"] == "no-credentials"
    assert "list first: its list may have been replaced" in first["summary"]
    assert "kubectl pullsecret attach first --for=serviceaccount/" in first["fix"][0]


def test_own_list_switches_the_account_s_off(kubectl: Kubectl, cluster: Cluster, private: str) -> None:
    kubectl.apply(make_secret("good", cluster.registries["htpasswd"]), make_secret("other", cluster.registries["token"]))
    patch_account(kubectl, "good")
    kubectl.apply(deployment("web", private, "other"))
    findings = refused(kubectl, "web")
    assert [one["cause"] for one in findings[:2]] == ["service-account-shadowed", "no-credentials"]
    assert "good" in findings[0]["summary"]


def test_secret_made_in_another_namespace(kubectl: Kubectl, admin: Kubectl, cluster: Cluster, private: str) -> None:
    other = Kubectl(admin.env, "default")
    name = f"secret-of-{kubectl.namespace}"
    other.apply(make_secret(name, cluster.registries["htpasswd"]))
    try:
        kubectl.apply(deployment("web", private, name))
        first = refused(kubectl, "web")[0]
        assert first["cause"] == "secret-missing"
        assert "namespace default" in " ".join(first["evidence"])
        shell(kubectl.env | {"COMMAND": first["fix"][0]})
        pod = kubectl.list("pod")[0]["metadata"]["name"]
        kubectl("delete", "pod", pod)  # skips the back-off
        wait_for(lambda: check(kubectl, "web")["verdict"] == "pullable", "the copied secret to work", every=1)
    finally:
        other("delete", "secret", name)


def shell(env: dict[str, str]) -> None:
    """Pastes a command, as a user would."""
    run = subprocess.run(["bash", "-euc", 'cd "$(mktemp -d)"; eval "$COMMAND"'], env=env, capture_output=True, text=True)
    assert run.returncode == 0, f"{env['COMMAND']}: {run.stderr}"


def test_secret_that_nobody_lists(kubectl: Kubectl, cluster: Cluster, private: str) -> None:
    """The command of the report attaches it, and the rollout that follows pulls."""
    kubectl.apply(make_secret("lonely", cluster.registries["htpasswd"]), deployment("web", private))
    first = refused(kubectl, "web")[0]
    assert first["cause"] == "no-credentials"
    assert len(first["fix"]) == 2
    assert "lonely" in first["fix"][0]
    assert first["fix"][1] == f"kubectl repull deployment/web -n {kubectl.namespace}"
    shell(kubectl.env | {"COMMAND": "\n".join(first["fix"])})
    wait_for(lambda: check(kubectl, "web")["verdict"] == "pullable", "the rollout", timeout=90, every=1)


def test_image_rewritten_on_the_way(kubectl: Kubectl, cluster: Cluster) -> None:
    registry = cluster.registries["open"]
    kubectl.apply(deployment("web", registry.image("team/app:1.0")))
    pod = wait_for(lambda: kubectl.list("pod"), "the pod")[0]["metadata"]["name"]
    wrong = registry.image("team/app:rewritten")
    kubectl("patch", "pod", pod, "--type=json", "-p", json.dumps([image_patch(wrong)]))

    def told() -> Object:
        pulls = [pull for pull in check(kubectl, f"pod/{pod}")["pulls"] if pull["image"] == wrong]
        return pulls[0] if pulls and pulls[0]["findings"] else {}

    pull = wait_for(told, "the kubelet's word", every=1)
    assert any("not the one of its template" in one["summary"] for one in pull["findings"])


def image_patch(image: str) -> Object:
    return {"op": "replace", "path": "/spec/containers/0/image", "value": image}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet"])
def test_kinds_of_workload(kubectl: Kubectl, cluster: Cluster, kind: str) -> None:
    image = cluster.registries["open"].image("team/app:9.9")
    labels = {"app": "work"}
    template: Object = {"metadata": {"labels": labels}, "spec": make_pod("work", image)["spec"]}
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
        spec: Object = {"template": template}
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": spec}} if kind == "CronJob" else spec
    else:
        spec = {"selector": {"matchLabels": labels}, "template": template}
        spec |= {"serviceName": "work"} if kind == "StatefulSet" else {}
    version = "batch/v1" if "Job" in kind else "apps/v1"
    kubectl.apply({"apiVersion": version, "kind": kind, "metadata": {"name": "work"}, "spec": spec})
    if kind == "CronJob":
        kubectl("create", "job", "--from=cronjob/work", "work-now")
        (pull,) = check(kubectl, "cronjob/work")["pulls"]
        job = [one["metadata"]["name"] for one in kubectl.list("job")]
        assert "work-now" in job
        assert pull["sources"] == [
            {"object": "cronjob/work", "path": "spec.jobTemplate.spec.template.spec.containers[0].image"}
        ]
    findings = refused(kubectl, f"{kind.lower()}/work")
    assert findings[0]["cause"] == "image-not-found"
    if kind != "CronJob":  # its present Job stays as it is
        right = [command.replace(":TAG", ":1.0") for command in findings[0]["fix"]]
        shell(kubectl.env | {"COMMAND": "\n".join(right)})
        done = lambda: [pull for pull in check(kubectl, f"{kind.lower()}/work")["pulls"] if _serves(pull)]  # noqa: E731
        wait_for(done, "the pasted commands to mend it", timeout=90, every=1)


def _serves(pull: Object) -> bool:
    """Whether the right image runs (or has run)."""
    used = any(one["state"] in ("running", "terminated") for one in pull["containers"])
    return used and pull["verdict"] == "pullable" and pull["reference"]["tag"] == "1.0"


def test_init_sidecar_and_ephemeral_containers(kubectl: Kubectl, cluster: Cluster) -> None:
    registry = cluster.registries["open"]
    pod = make_pod("many", registry.image("team/app:1.0"))
    pod["spec"]["initContainers"] = [
        {"name": "sidecar", "image": registry.image("team/app:1.0"), "restartPolicy": "Always"},
    ]
    kubectl.apply(pod)
    wait_for(lambda: kubectl.phase("many") == "Running", "the pod to run")
    debug = registry.image("team/debug:1.0")
    kubectl("debug", "many", f"--image={debug}", "--container=debugger")

    def found() -> Object:
        pulls = {pull["image"]: pull for pull in check(kubectl, "many")["pulls"]}
        return pulls if debug in pulls and pulls[debug]["verdict"] == "blocked" else {}

    pulls = wait_for(found, "the ephemeral container's refusal", every=1)
    assert [(one["container"], one["kind"]) for one in pulls[debug]["containers"]] == [("debugger", "ephemeral")]
    kinds = {one["container"]: one["kind"] for one in pulls[registry.image("team/app:1.0")]["containers"]}
    assert kinds == {"sidecar": "init", "main": "container"}
    assert pulls[registry.image("team/app:1.0")]["verdict"] == "pullable"
    assert check(kubectl)["pulls"][0]["image"] == debug  # a scan sees it too


def test_domain_wins_a_name_that_fits_several(kubectl: Kubectl, cluster: Cluster) -> None:
    image = cluster.registries["open"].image("team/app:9.9")
    domain = {
        "apiVersion": "weblogic.oracle/v9",
        "kind": "Domain",
        "metadata": {"name": "same"},
        "spec": {"image": image, "serverStartPolicy": "Never"},
    }
    kubectl.apply(domain, make_pod("same", image))
    report = check(kubectl, "same")
    assert report["targets"] == [{"kind": "Domain", "namespace": kubectl.namespace, "name": "same"}]
    assert any("pod/same" in note for note in report["notes"])
    assert check(kubectl, "pod", "same")["targets"][0]["kind"] == "Pod"


def test_domain_between_two_tries(kubectl: Kubectl, cluster: Cluster) -> None:
    """Without an introspector pod the Domain's condition is the kubelet's word."""
    image = cluster.registries["open"].image("team/app:9.9")
    domain = {
        "apiVersion": "weblogic.oracle/v9",
        "kind": "Domain",
        "metadata": {"name": "domain1"},
        "spec": {"image": image, "failureRetryIntervalSeconds": 3600, "replicas": 0},
    }
    kubectl.apply(domain)

    def failed() -> bool:
        conditions = ((kubectl.get("domain", "domain1") or {}).get("status") or {}).get("conditions", [])
        return any(one["type"] == "Failed" and one["status"] == "True" for one in conditions)

    wait_for(failed, "the Domain's Failed condition")
    kubectl("delete", "job", "domain1-introspector")  # as the operator does when the Job's deadline has passed
    wait_for(lambda: not kubectl.list("pod"), "the introspector pod to be gone")
    report = check(kubectl, "domain1")
    (pull,) = report["pulls"]
    assert pull["verdict"] == "blocked"
    assert pull["containers"] == []
    assert pull["findings"][0]["cause"] == "image-not-found", pull["findings"]
    assert check(kubectl)["pulls"][0]["image"] == image  # a scan sees it too


def test_selector_and_all_namespaces(kubectl: Kubectl, cluster: Cluster) -> None:
    image = cluster.registries["open"].image("team/app:9.9")
    kubectl.apply(deployment("one", image), deployment("two", image))
    refused(kubectl, "one")
    refused(kubectl, "two")
    (pull,) = check(kubectl, "-l", "app=two")["pulls"]
    assert {one["pod"].split("-")[0] for one in pull["containers"]} == {"two"}
    everywhere = kubectl.run("pullcheck", "-A")
    assert everywhere.code == 1
    assert everywhere.out.startswith("NAMESPACE")
    assert kubectl.namespace in everywhere.out
