"""What a scan finds: thousands of pods as they come out of a busy cluster, on nodes that nobody runs.

Every object is made out of its number, so that each run measures the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

PODS = 5000
NODES = 100
NAMESPACES = 20
FAILING_NAMESPACES = 5  # the first ones
WAITING = 150
WORKLOADS = 30  # Deployments behind the waiting pods; every healthy pod has one that is not there
REGISTRY = "registry.example.com"
TIME = "2026-01-05T09:30:00Z"
PULL = 'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
# What the kubelet of 1.35 with containerd says; {path} is the repository, {tag} the tag.
REFUSALS = (
    "rpc error: code = NotFound desc = " + PULL + "{image}: not found",
    "rpc error: code = Unknown desc = " + PULL + "pull access denied, repository does not exist or may require "
    "authorization: authorization failed: no basic auth credentials",
    "rpc error: code = Unknown desc = " + PULL + 'failed to authorize: failed to fetch oauth token: unexpected status from '
    'GET request to https://registry.example.com/token?scope=repository%3A{path}%3Apull: 401 Unauthorized',
    "rpc error: code = Unknown desc = " + PULL + 'failed to do request: Head "https://registry.example.com/v2/{path}/'
    'manifests/{tag}": dial tcp: lookup registry.example.com on 10.96.0.10:53: no such host',
    "rpc error: code = Unknown desc = " + PULL + "unexpected status from HEAD request to https://registry.example.com/v2/"
    "{path}/manifests/{tag}: 403 Forbidden",
    "rpc error: code = Unknown desc = " + PULL + 'failed to do request: Head "https://registry.example.com/v2/{path}/'
    'manifests/{tag}": tls: failed to verify certificate: x509: certificate signed by unknown authority',
)  # fmt: skip


@dataclass(frozen=True)
class Pod:
    """One pod to be: `number` decides all that differs."""

    number: int

    @property
    def waits(self) -> bool:
        return self.number < WAITING

    @property
    def workload(self) -> str:
        return f"billing-{self.number % WORKLOADS}" if self.waits else f"shop-{self.number // 4}"

    @property
    def namespace(self) -> str:
        spread = FAILING_NAMESPACES if self.waits else NAMESPACES
        return namespace(self.number % WORKLOADS % spread if self.waits else self.number // 4 % spread)

    @property
    def replica_set(self) -> str:
        return f"{self.workload}-{_hash(self.workload, 10)}"

    @property
    def name(self) -> str:
        return f"{self.replica_set}-{_hash(str(self.number), 5)}"

    @property
    def image(self) -> str:
        return f"{REGISTRY}/team/{self.workload}:2.{self.number % 7 if not self.waits else 0}.1"


def namespace(number: int) -> str:
    return f"bench-{number}"


def _hash(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def surroundings() -> Iterator[tuple[str, Object]]:
    """Everything but the pods, with the path where it is created: namespaces, accounts, secrets, nodes, workloads."""
    for number in range(NAMESPACES):
        yield "/api/v1/namespaces", {"metadata": {"name": namespace(number)}}
    for number in range(NAMESPACES):
        core = f"/api/v1/namespaces/{namespace(number)}"
        account: Object = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
        if number % 2:
            account["imagePullSecrets"] = [{"name": "registry"}]
            auth = {"username": "team", "password": f"key-{number}"}
            data = base64.b64encode(json.dumps({"auths": {REGISTRY: auth}}).encode()).decode()
            secret = {"metadata": {"name": "registry"}, "data": {".dockerconfigjson": data}}
            yield f"{core}/secrets", {**secret, "type": "kubernetes.io/dockerconfigjson"}
        yield f"{core}/serviceaccounts", account
    for number in range(NODES):
        yield "/api/v1/nodes", node(number)
    for number in range(WORKLOADS):
        pod = Pod(number)
        sets = f"/apis/apps/v1/namespaces/{pod.namespace}"
        labels = {"app": pod.workload}
        template = {"metadata": {"labels": labels}, "spec": pod_spec(pod)}
        spec = {"replicas": WAITING // WORKLOADS, "selector": {"matchLabels": labels}, "template": template}
        yield f"{sets}/deployments", {"metadata": {"name": pod.workload, "labels": labels}, "spec": spec}
        owner = _owner("Deployment", pod.workload)
        yield (
            f"{sets}/replicasets",
            {"metadata": {"name": pod.replica_set, "labels": labels, "ownerReferences": [owner]}, "spec": spec},
        )


def events(pod: Pod, uid: str) -> Iterator[Object]:
    """What the kubelet writes about a pod whose image cannot be pulled."""
    refusal = REFUSALS[pod.number % len(REFUSALS)].format(**_words(pod))
    image = pod.image
    told = (
        ("Normal", "Pulling", f'Pulling image "{image}"', 4),
        ("Warning", "Failed", f'Failed to pull image "{image}": {refusal}', 4),
        ("Warning", "Failed", "Error: ErrImagePull", 4),
        ("Warning", "Failed", "Error: ImagePullBackOff", 20),
        ("Normal", "BackOff", f'Back-off pulling image "{image}"', 20),
    )
    for number, (kind, reason, message, count) in enumerate(told):
        yield {
            "metadata": {"name": f"{pod.name}.{number}", "namespace": pod.namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": pod.name,
                "namespace": pod.namespace,
                "uid": uid,
                "fieldPath": "spec.containers{app}",
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": count,
            "firstTimestamp": TIME,
            "lastTimestamp": TIME,
            "source": {"component": "kubelet", "host": node_name(pod.number)},
        }


def node_name(number: int) -> str:
    return f"bench-node-{number % NODES}"


def node(number: int) -> Object:
    """A node with the 50 images that a kubelet reports at most."""
    images = [
        {
            "names": [
                f"{REGISTRY}/team/shop-{(number * 50 + one) % 1200}@sha256:{_hash(f'image-{one}', 64)}",
                f"{REGISTRY}/team/shop-{(number * 50 + one) % 1200}:2.{one % 7}.1",
            ],
            "sizeBytes": 90_000_000 + one,
        }
        for one in range(50)
    ]
    capacity = {"cpu": "64", "memory": "257800Mi", "pods": "110", "ephemeral-storage": "200Gi"}
    info = {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "osImage": "Debian GNU/Linux 12 (bookworm)",
        "kernelVersion": "6.1.0-32-amd64",
        "kubeletVersion": "v1.35.4",
        "kubeProxyVersion": "",
        "containerRuntimeVersion": "containerd://2.1.4",
        "machineID": _hash(f"machine-{number}", 32),
        "systemUUID": _hash(f"system-{number}", 32),
        "bootID": _hash(f"boot-{number}", 32),
    }
    ready = {"lastHeartbeatTime": TIME, "lastTransitionTime": TIME}
    conditions = [
        {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory", **ready},
        {"type": "DiskPressure", "status": "False", "reason": "KubeletHasNoDiskPressure", **ready},
        {"type": "PIDPressure", "status": "False", "reason": "KubeletHasSufficientPID", **ready},
        {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status", **ready},
    ]
    labels = {"kubernetes.io/hostname": node_name(number), "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "metadata": {"name": node_name(number), "labels": {**labels, "topology.kubernetes.io/zone": f"zone-{number % 3}"}},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": conditions,
            "nodeInfo": info,
            "images": images,
        },
    }


def _owner(kind: str, name: str) -> Object:
    more = {"uid": _hash(f"{kind}/{name}", 32), "controller": True, "blockOwnerDeletion": True}
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, **more}


def pod_spec(pod: Pod) -> Object:
    """Two containers and one that goes before them, with some of what a chart writes."""
    environment: list[Object] = [
        {"name": "DATABASE_URL", "value": "postgres://database.svc:5432/shop"},
        {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}},
    ]
    return {
        "initContainers": [{"name": "migrate", "image": f"{REGISTRY}/platform/migrate:1.4.2", "args": ["up"]}],
        "containers": [
            {
                "name": "app",
                "image": pod.image,
                "ports": [{"name": "http", "containerPort": 8080}],
                "env": environment,
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": True}],
            },
            {"name": "proxy", "image": "docker.io/envoyproxy/envoy:v1.34.1", "args": ["-c", "/etc/envoy/envoy.yaml"]},
        ],
        "volumes": [{"name": "config", "configMap": {"name": f"{pod.workload}-config"}}],
    }


def new_pod(pod: Pod) -> Object:
    labels = {"app": pod.workload, "pod-template-hash": _hash(pod.workload, 10)}
    annotations = {"checksum/config": _hash(pod.workload, 32)}
    owner = _owner("ReplicaSet", pod.replica_set)
    return {
        "metadata": {"name": pod.name, "labels": labels, "annotations": annotations, "ownerReferences": [owner]},
        "spec": {**pod_spec(pod), "nodeName": node_name(pod.number)},
    }


def status(pod: Pod) -> Object:
    """What the kubelet would report: both containers run, or the first one waits for its image."""
    when = {"lastProbeTime": None, "lastTransitionTime": TIME}
    ready = "False" if pod.waits else "True"
    conditions = [
        {"type": "PodReadyToStartContainers", "status": "True", **when},
        {"type": "Initialized", "status": "True", **when},
        {"type": "Ready", "status": ready, **when},
        {"type": "ContainersReady", "status": ready, **when},
        {"type": "PodScheduled", "status": "True", **when},
    ]
    running = {"running": {"startedAt": TIME}}
    completed = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": TIME, "finishedAt": TIME}}
    spec = pod_spec(pod)
    app, proxy = spec["containers"]
    address = f"10.{pod.number // 60000}.{pod.number // 250 % 250}.{pod.number % 250 + 1}"
    return {
        "phase": "Pending" if pod.waits else "Running",
        "conditions": conditions,
        "hostIP": f"192.168.0.{pod.number % NODES}",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": TIME,
        "qosClass": "Burstable",
        "initContainerStatuses": [_container(spec["initContainers"][0], completed)],
        "containerStatuses": [_container(app, _waiting(pod) if pod.waits else running), _container(proxy, running)],
    }


def _container(container: Object, state: Object) -> Object:
    name, _, _ = container["image"].rpartition(":")
    waits = "waiting" in state
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "" if waits else f"{name}@sha256:{_hash(container['image'], 64)}",
        "containerID": "" if waits else f"containerd://{_hash(container['name'], 64)}",
        "ready": not waits,
        "started": not waits,
        "restartCount": 0,
        "lastState": {},
        "state": state,
    }


def _words(pod: Pod) -> dict[str, str]:
    path, _, tag = pod.image.partition("/")[2].rpartition(":")
    return {"image": pod.image, "path": path, "tag": tag}


def _waiting(pod: Pod) -> Object:
    refusal = REFUSALS[pod.number % len(REFUSALS)].format(**_words(pod))
    if pod.number // WORKLOADS % 2:
        return {"waiting": {"reason": "ErrImagePull", "message": refusal}}
    message = f'Back-off pulling image "{pod.image}": ErrImagePull: {refusal}'
    return {"waiting": {"reason": "ImagePullBackOff", "message": message}}
