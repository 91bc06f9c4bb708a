"""Completion through kubectl's own `__complete`, on a real cluster."""

from __future__ import annotations

from typing import Any

from .cluster.model import Cluster
from .conftest import Kubectl, make_pod
from .test_pullsecret import domain

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "kubernetes.io/dockerconfigjson",
    "metadata": {"name": "secret1"},
    "stringData": {".dockerconfigjson": '{"auths": {}}'},
}
OPAQUE = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "certificate"}}


def completed(kubectl: Kubectl, *words: str) -> tuple[set[str], str]:
    """The candidates that kubectl gives the shell, and its `:NUMBER`."""
    done = kubectl.run("__complete", *words)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    *candidates, directive = done.out.splitlines()
    return {line.partition("\t")[0] for line in candidates}, directive


def deployment(name: str) -> dict[str, Any]:
    """Without pods."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "app:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_objects_namespaces_and_secrets(kubectl: Kubectl) -> None:
    pod = make_pod("web-1", "app:1")
    pod["spec"]["schedulerName"] = "nobody"
    kubectl.apply(deployment("web"), deployment("api"), pod, SECRET, OPAQUE)
    here = ("-n", kubectl.namespace)

    assert completed(kubectl, "pullcheck", *here, "deployment/") == ({"deployment/web", "deployment/api"}, ":4")
    assert completed(kubectl, "repull", *here, "deploy/w") == ({"deploy/web"}, ":4")
    assert completed(kubectl, "pullcheck", *here, "w") == ({"web", "web-1"}, ":4")
    found, directive = completed(kubectl, "repull", *here, "")
    assert {"domain/", "deployment/", "web", "api", "web-1"} <= found
    assert directive == ":6"
    assert completed(kubectl, "pullcheck", "-n", kubectl.namespace[:-1]) == ({kubectl.namespace}, ":4")
    assert completed(kubectl, "pullsecret", "verify", *here, "") == ({"secret1"}, ":4")
    assert completed(kubectl, "pullcheck", *here, "--image=app:1", "--secret=") == ({"secret1"}, ":4")
    assert completed(kubectl, "pullsecret", "attach", *here, "secret1", "--for=sa/") == ({"sa/default"}, ":4")
    nobody = ("--as=nobody", *here)
    assert completed(kubectl, "pullcheck", *nobody, "deployment/") == (set(), ":4"), "the connection was not handed on"


def test_domains(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.apply(domain("domain1", "app:1"))
    here = ("-n", kubectl.namespace)
    assert completed(kubectl, "pullcheck", *here, "dom") == ({"domain/", "domain1"}, ":6")
    assert completed(kubectl, "repull", *here, "domain/") == ({"domain/domain1"}, ":4")
    assert completed(kubectl, "repull", *here, "--recreate-domain=") == ({"domain1"}, ":4")


def test_contexts_need_no_cluster(kubectl: Kubectl) -> None:
    current = kubectl("config", "current-context").strip()
    assert current in completed(kubectl, "pullsecret", "list", "--context=")[0]


def test_kubectl_knows_the_plugins_and_finds_nothing_amiss(kubectl: Kubectl) -> None:
    assert {"pullcheck", "pullsecret"} <= completed(kubectl, "pull")[0]
    done = kubectl.run("plugin", "list")
    assert "complete" not in done.out
    assert "pullcheck is overshadowed" not in done.err
