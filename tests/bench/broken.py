"""Pods that a real kubelet refuses their image, each with another thing wrong.

Most are those of the end-to-end tests (`scenarios`); the others need more than a pod and a secret. What each needs to be
told is in `scoring`. Pods and secrets have numbers for names, so that no output names a cause by quoting one.

The registries have second names below .localhost here: go-containerregistry, of which crane and preflight are made, speaks
plain HTTP with those by itself, as our nodes do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tests.e2e.cluster import images, machine
from tests.e2e.cluster import node as nodes
from tests.e2e.cluster.model import Cluster, Registry
from tests.e2e.conftest import Kubectl, make_pod, make_secret
from tests.e2e.scenarios import SCENARIOS, Scenario

from .measure import BenchError
from .scoring import RIGHT

Object = dict[str, Any]
GOOD, OTHER, WEAK = "team-a", "team-b", "team-c"  # secrets with credentials that a registry knows
LISTS, CHANGED = "builder", "runner"  # service accounts: that lists one, that will list one
STARTING = ("", "ContainerCreating", "PodInitializing")  # what a container waits for before the kubelet has spoken


@dataclass(frozen=True)
class Scene:
    """kubectl in the namespace of the broken pods; the name of each pod by what is wrong; its image and first secret."""

    kubectl: Kubectl
    pods: Mapping[str, str]
    images: Mapping[str, str]
    secrets: Mapping[str, str]


@contextmanager
def standing(admin: Kubectl, given: Cluster) -> Iterator[Scene]:
    """The pods of scoring.RIGHT, all of them refused by the kubelet. Raises BenchError."""
    cluster = _renamed(given)
    kubectl = Kubectl(admin.env, f"bench-{secrets.token_hex(3)}")
    copy = images.build(secrets.token_bytes(1_500_000), kubectl.namespace)  # large: a node tells of its 50 largest images
    admin("create", "namespace", kubectl.namespace)
    try:
        pods = _stand(kubectl, cluster, copy)
        yield Scene(
            kubectl,
            {what: pod["metadata"]["name"] for what, pod in pods.items()},
            {what: pod["spec"]["containers"][0]["image"] for what, pod in pods.items()},
            {what: names[0]["name"] for what, pod in pods.items() if (names := pod["spec"].get("imagePullSecrets"))},
        )
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")
        _remove(cluster, copy, kubectl.namespace)


def _renamed(cluster: Cluster) -> Cluster:
    """Registries without TLS under names that end in .localhost, which this machine and the nodes know from now on."""
    found = {name: registry if registry.ca_file else _localhost(registry) for name, registry in cluster.registries.items()}
    known = machine.HOSTS.read_text().split()
    machine.add_hosts(cluster.id, [registry.host for registry in found.values() if registry.host not in known])
    for node in cluster.nodes:
        for registry in found.values():
            if not registry.ca_file:
                nodes.show_host(node, registry.host)
                nodes.trust_plain(node, registry.address)
    return replace(cluster, registries=found)


def _localhost(registry: Registry) -> Registry:
    return replace(registry, host=f"{registry.host.rpartition('.')[0]}.localhost")


def _stand(kubectl: Kubectl, cluster: Cluster, copy: images.Image) -> dict[str, Object]:
    """The pods by what is wrong with them."""
    htpasswd, token = cluster.registries["htpasswd"], cluster.registries["token"]
    images.Pusher(htpasswd).image(f"{kubectl.namespace}:1.0", copy)
    images.Pusher(cluster.registries["open"]).image(f"{kubectl.namespace}:1.0", copy)
    copied, absent = (cluster.registries[name].image(f"{kubectl.namespace}:1.0") for name in ("htpasswd", "open"))
    made = [make_secret(GOOD, htpasswd), make_secret(OTHER, token), make_secret(WEAK, token, "teamonly")]
    pods: dict[str, Object] = {}
    scenarios = {scenario.name: scenario for scenario in SCENARIOS}
    for number, what in enumerate(RIGHT, 1):
        name = f"app-{number:02}"
        if what == "never":  # of an image that is there, unlike the scenario's: those who ask the registry are to see it
            pods[what] = make_pod(name, absent, imagePullPolicy="Never")
        elif what in scenarios:
            listed, own = _of_scenario(scenarios[what], f"pull-{number:02}", cluster)
            made += own
            pods[what] = make_pod(name, scenarios[what].image(cluster), *listed)
        elif what == "no-rights":
            pods[what] = make_pod(name, token.image("owner/domain1:1.0"), WEAK)
        elif what == "other-port":
            made.append(make_secret(f"pull-{number:02}", htpasswd, server=f"{htpasswd.host}:{htpasswd.port + 1}"))
            pods[what] = make_pod(name, htpasswd.image("team/app:1.0"), f"pull-{number:02}")
        elif what == "account-ignored":
            pods[what] = _of(LISTS, make_pod(name, htpasswd.image("team/app:1.0"), OTHER))
        elif what == "older-than-account":
            pods[what] = _of(CHANGED, make_pod(name, htpasswd.image("team/app:1.0")))
        elif what == "copy-of-others":
            pods[what] = make_pod(name, copied, node=cluster.nodes[0].name, imagePullPolicy="Never")
        else:
            raise BenchError(f"nobody makes the pod {what}")
    _wait("the default service account", lambda: kubectl.get("serviceaccount", "default"))
    kubectl.apply(*made, _account(LISTS, GOOD), _account(CHANGED))
    readers = _acquaint(kubectl, cluster, [secret["metadata"]["name"] for secret in made])
    _pull(kubectl, cluster, copied)
    kubectl.apply(*pods.values())
    names = {pod["metadata"]["name"] for pod in pods.values()}
    _wait("the kubelet's word on all pods", lambda: not names - _refused(kubectl))
    kubectl.apply(_account(CHANGED, GOOD))
    kubectl("delete", "pods", "--now", *readers)
    _wait("the copy in the node's status", lambda: copied in _listed(kubectl, cluster))
    return pods


def _of_scenario(scenario: Scenario, name: str, cluster: Cluster) -> tuple[Sequence[str], list[Object]]:
    """The names that the pod lists, and the secrets that are there; none has more than one."""
    own = [{**secret, "metadata": {"name": name}} for secret in scenario.secrets(cluster)]
    return [name] * len(scenario.names), own


def _account(name: str, *names: str) -> Object:
    listed = [{"name": secret} for secret in names]
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": listed}


def _of(account: str, pod: Object) -> Object:
    spec = {**pod["spec"], "serviceAccountName": account}
    if not spec["imagePullSecrets"]:
        del spec["imagePullSecrets"]  # else the API server gives it the account's
    return {**pod, "spec": spec}


def _acquaint(kubectl: Kubectl, cluster: Cluster, names: list[str]) -> list[str]:
    """Has the kubelets read all secrets: one that does not know a secret yet asks without it at its first try.
    Gives the names of the pods by which it does."""
    readers = [
        make_pod(f"reader-{number}", cluster.pause_image, *names, node=node.name, imagePullPolicy="Never")
        for number, node in enumerate(cluster.nodes)
    ]
    kubectl.apply(*readers)
    for reader in readers:
        name = reader["metadata"]["name"]
        _wait(f"pod {name}", partial(_runs, kubectl, name))
    return [reader["metadata"]["name"] for reader in readers]


def _pull(kubectl: Kubectl, cluster: Cluster, image: str) -> None:
    """Onto the first node, for a pod with the right secret, which is gone afterwards: the copy is for such pods only."""
    pod = make_pod("copy", image, GOOD, node=cluster.nodes[0].name)
    pod["spec"]["restartPolicy"] = "Never"
    kubectl.apply(pod)
    told = ("--field-selector", "involvedObject.name=copy,reason=Pulled")
    _wait("the copy to be pulled", lambda: kubectl.list("events", *told))
    kubectl("delete", "pod", "copy", "--now")


def _runs(kubectl: Kubectl, pod: str) -> bool:
    return kubectl.phase(pod) == "Running"


def _refused(kubectl: Kubectl) -> set[str]:
    return {pod["metadata"]["name"] for pod in kubectl.list("pods") if _waiting(pod) not in STARTING}


def _waiting(pod: Object) -> str:
    (status,) = pod.get("status", {}).get("containerStatuses") or [{}]
    return str(status.get("state", {}).get("waiting", {}).get("reason", ""))


def _listed(kubectl: Kubectl, cluster: Cluster) -> set[str]:
    status = (kubectl.get("node", cluster.nodes[0].name) or {})["status"]
    return {name for image in status["images"] for name in image["names"]}


def _remove(cluster: Cluster, copy: images.Image, name: str) -> None:
    node = cluster.nodes[0]
    there = nodes.ctr(node, "images", "ls", "-q").split()
    ours = [one for one in there if name in one or one == images.digest(copy.config)]
    if ours:
        nodes.ctr(node, "images", "rm", *ours)


def _wait(what: str, done: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.5)
