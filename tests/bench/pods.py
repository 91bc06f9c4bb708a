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

PODS = 10_000
FEW = 1_000  # of them for the first look: how the time grows is a figure too
PODS_PER_NODE = 20
NAMESPACES = 20
FAILING = 10  # one pod in so many waits for its image
FAILING_WORKLOADS, HEALTHY_WORKLOADS = 60, 200
COMMON = 2  # images that the workloads of a namespace have in common
PULLS = FAILING_WORKLOADS + HEALTHY_WORKLOADS + COMMON * NAMESPACES
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
    """One pod to be: `number` decides all that differs. The first thousand are as mixed as all of them.

    The texts in which pods of the same group differ are of the same length: `filling` copies the bytes that etcd has.
    """

    number: int

    @property
    def waits(self) -> bool:
        return self.number % FAILING == 0

    @property
    def group(self) -> int:
        """Which of the workloads it belongs to."""
        if self.waits:
            return self.number // FAILING % FAILING_WORKLOADS
        return FAILING_WORKLOADS + (self.number - self.number // FAILING - 1) % HEALTHY_WORKLOADS

    @property
    def workload(self) -> str:
        return workload(self.group)

    @property
    def namespace(self) -> str:
        return namespace(self.group % NAMESPACES)

    @property
    def replica_set(self) -> str:
        return f"{self.workload}-{_hash(self.workload, 10)}"

    @property
    def name(self) -> str:
        return f"{self.replica_set}-{self.number:05}"

    @property
    def node(self) -> str:
        return node_name(self.number // PODS_PER_NODE)

    @property
    def node_address(self) -> str:
        node = self.number // PODS_PER_NODE
        return f"192.168.{100 + node // 100}.{100 + node % 100}"

    @property
    def address(self) -> str:
        return f"10.{100 + self.number // 10_000}.{100 + self.number // 100 % 100}.{100 + self.number % 100}"

    @property
    def image(self) -> str:
        return f"{REGISTRY}/team/{self.workload}:2.{self.group % 7}.1"


def workload(group: int) -> str:
    return f"billing-{group}" if group < FAILING_WORKLOADS else f"shop-{group - FAILING_WORKLOADS}"


def namespace(number: int) -> str:
    return f"bench-{number}"


def _hash(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def surroundings() -> Iterator[tuple[str, Object]]:
    """What is there before pods and nodes, with the path where it is created: namespaces, accounts, secrets, and the
    workloads that fail; every healthy pod has one that is not there."""
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
    for number in range(FAILING_WORKLOADS):
        pod = Pod(number * FAILING)
        sets = f"/apis/apps/v1/namespaces/{pod.namespace}"
        labels = {"app": pod.workload}
        template = {"metadata": {"labels": labels}, "spec": pod_spec(pod)}
        spec = {"replicas": PODS // FAILING // FAILING_WORKLOADS, "selector": {"matchLabels": labels}, "template": template}
        yield f"{sets}/deployments", {"metadata": {"name": pod.workload, "labels": labels}, "spec": spec}
        owner = _owner("Deployment", pod.workload)
        yield (
            f"{sets}/replicasets",
            {"metadata": {"name": pod.replica_set, "labels": labels, "ownerReferences": [owner]}, "spec": spec},
        )


def events(pod: Pod, uid: str) -> Iterator[Object]:
    """What the kubelet writes about a pod whose image cannot be pulled."""
    refusal = _refusal(pod)
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
            "source": {"component": "kubelet", "host": pod.node},
        }


def nodes(pods: range) -> range:
    """The numbers of the nodes that these pods run on."""
    return range(pods.start // PODS_PER_NODE, -(-pods.stop // PODS_PER_NODE))


def node_name(number: int) -> str:
    return f"bench-node-{number:03}"


def node(number: int) -> Object:
    """A node with the 50 images that a kubelet reports at most."""
    images = [
        {
            "names": [
                f"{REGISTRY}/team/shop-{(number * 50 + one) % HEALTHY_WORKLOADS}@sha256:{_hash(f'image-{one}', 64)}",
                f"{REGISTRY}/team/shop-{(number * 50 + one) % HEALTHY_WORKLOADS}:2.{one % 7}.1",
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
        "spec": {**pod_spec(pod), "nodeName": pod.node},
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
    return {
        "phase": "Pending" if pod.waits else "Running",
        "conditions": conditions,
        "hostIP": pod.node_address,
        "podIP": pod.address,
        "podIPs": [{"ip": pod.address}],
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


def differing(pod: Pod) -> tuple[str, ...]:
    """What tells a pod from others of its group, but for what the API server makes up."""
    return pod.name, pod.node, pod.node_address, pod.address


def _refusal(pod: Pod) -> str:
    return REFUSALS[pod.group // 10 % len(REFUSALS)].format(**_words(pod))


def _waiting(pod: Pod) -> Object:
    refusal = _refusal(pod)
    if pod.number // FAILING // FAILING_WORKLOADS % 2:
        return {"waiting": {"reason": "ErrImagePull", "message": refusal}}
    message = f'Back-off pulling image "{pod.image}": ErrImagePull: {refusal}'
    return {"waiting": {"reason": "ImagePullBackOff", "message": message}}
