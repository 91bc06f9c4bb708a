"""Completion through kubectl's own `__complete`, on a real cluster."""

from __future__ import annotations

from typing import Any

from .cluster.model import Cluster
from .conftest import Kubectl, make_pod, wait_for
from .pullsecret_kit import domain

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


def gives(kubectl: Kubectl, expected: tuple[set[str], str], *words: str) -> None:
    """Asked again where the cluster was too slow: then what is there in time is given."""
    wait_for(lambda: completed(kubectl, *words) == expected, f"{expected} for {words}", timeout=60)


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

    gives(kubectl, ({"deployment/web", "deployment/api"}, ":4"), "pullcheck", *here, "deployment/")
    gives(kubectl, ({"deploy/web"}, ":4"), "repull", *here, "deploy/w")
    gives(kubectl, ({"web", "web-1"}, ":4"), "pullcheck", *here, "w")
    wait_for(
        lambda: {"domain/", "deployment/", "web", "api", "web-1"} <= completed(kubectl, "repull", *here, "")[0],
        "types and names",
    )
    assert completed(kubectl, "repull", *here, "")[1] == ":6"
    gives(kubectl, ({kubectl.namespace}, ":4"), "pullcheck", "-n", kubectl.namespace[:-1])
    gives(kubectl, ({"secret1"}, ":4"), "pullsecret", "verify", *here, "")
    gives(kubectl, ({"secret1"}, ":4"), "pullcheck", *here, "--image=app:1", "--secret=")
    gives(kubectl, ({"sa/default"}, ":4"), "pullsecret", "attach", *here, "secret1", "--for=sa/")
    nobody = ("--as=nobody", *here)
    assert completed(kubectl, "pullcheck", *nobody, "deployment/") == (set(), ":4"), "the connection was not handed on"


def test_domains(cluster: Cluster, kubectl: Kubectl) -> None:
    kubectl.apply(domain("domain1", "app:1"))
    here = ("-n", kubectl.namespace)
    # The operator may have made an introspector by now, whose name begins with it, too.
    wait_for(lambda: {"domain/", "domain1"} <= completed(kubectl, "pullcheck", *here, "dom")[0], "type and name")
    gives(kubectl, ({"domain/domain1"}, ":4"), "repull", *here, "domain/")
    gives(kubectl, ({"domain1"}, ":4"), "repull", *here, "--recreate-domain=")


def test_contexts_need_no_cluster(kubectl: Kubectl) -> None:
    current = kubectl("config", "current-context").strip()
    assert current in completed(kubectl, "pullsecret", "list", "--context=")[0]


def test_kubectl_knows_the_plugins_and_finds_nothing_amiss(kubectl: Kubectl) -> None:
    assert {"pullcheck", "pullsecret"} <= completed(kubectl, "pull")[0]
    done = kubectl.run("plugin", "list")
    assert "complete" not in done.out
    assert "pullcheck is overshadowed" not in done.err
