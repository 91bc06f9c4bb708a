"""Cuts Kubernetes objects down to the fields that a diagnosis reads.

Thousands of pods fit in memory this way, and what `--save` writes holds no environment variable, command or volume of
anybody's: a field that is not named here does not leave this module.
"""

from __future__ import annotations

from typing import Any, Union

from pullcore.pull import Object

# A type: the field, which must be of that type; a dict: these fields of it; a list of one shape: of each.
# The field "*" stands for all that are not named.
Shape = Union[type, dict[str, "Shape"], list["Shape"]]
WORDS = {str: "text", int: "a number", bool: "true or false", dict: "an object", list: "a list", float: "a number"}

TEXTS: Shape = {"*": str}
OWNERS: Shape = [{"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool}]
METADATA: dict[str, Shape] = {
    "name": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "ownerReferences": OWNERS,
    "labels": TEXTS,
}
NAMES: Shape = [{"name": str}]
CONTAINERS: Shape = [{"name": str, "image": str, "imagePullPolicy": str, "restartPolicy": str}]
IMAGE_VOLUMES: Shape = [{"name": str, "image": {"reference": str, "pullPolicy": str}}]
REQUIREMENTS: Shape = [{"key": str, "operator": str, "values": [str]}]
TERMS: Shape = [{"matchExpressions": REQUIREMENTS, "matchFields": REQUIREMENTS}]
PLACEMENT: dict[str, Shape] = {
    "nodeSelector": TEXTS,
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": TERMS}}},
    "tolerations": [{"key": str, "operator": str, "value": str, "effect": str}],
}
POD_SPEC: Shape = {
    **PLACEMENT,
    "nodeName": str,
    "serviceAccountName": str,
    "serviceAccount": str,
    "imagePullSecrets": NAMES,
    "initContainers": CONTAINERS,
    "containers": CONTAINERS,
    "ephemeralContainers": CONTAINERS,
    "volumes": IMAGE_VOLUMES,
}
STATE: Shape = {
    "waiting": {"reason": str, "message": str},
    "running": {"startedAt": str},
    "terminated": {"reason": str, "exitCode": int, "finishedAt": str},
}
STATUS: Shape = {
    "name": str,
    "image": str,
    "imageID": str,
    "ready": bool,
    "restartCount": int,
    "state": STATE,
    "lastState": {"terminated": {"startedAt": str}},
}
STATUSES: Shape = [STATUS]
POD: Shape = {
    "apiVersion": str,
    "kind": str,
    "metadata": METADATA,
    "spec": POD_SPEC,
    "status": {
        "phase": str,
        "reason": str,
        "message": str,
        "startTime": str,
        "conditions": [{"type": str, "status": str, "reason": str, "message": str, "lastTransitionTime": str}],
        "initContainerStatuses": STATUSES,
        "containerStatuses": STATUSES,
        "ephemeralContainerStatuses": STATUSES,
    },
}

TEMPLATE: Shape = {"spec": POD_SPEC}
SELECTOR: Shape = {
    "matchLabels": TEXTS,
    "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
    "*": str,  # a ReplicationController's is the labels themselves
}
WORKLOAD: dict[str, Shape] = {
    "apiVersion": str,
    "kind": str,
    "metadata": METADATA,
    "spec": {
        "replicas": int,
        "suspend": bool,
        "paused": bool,
        "selector": SELECTOR,
        "template": TEMPLATE,
        "jobTemplate": {"spec": {"template": TEMPLATE}},
    },
}
JOB: Shape = {
    **WORKLOAD,
    "status": {"conditions": [{"type": str, "status": str, "reason": str, "message": str}], "succeeded": int},
}

IMAGE: Shape = {"image": str, "imagePullPolicy": str}
SIDECARS = ("monitoringExporter", "fluentdSpecification", "fluentbitSpecification")
SERVER_POD: Shape = {
    **PLACEMENT,
    "initContainers": CONTAINERS,
    "containers": CONTAINERS,
    "serviceAccountName": str,
    "volumes": IMAGE_VOLUMES,
    "auxiliaryImages": [IMAGE],
}
DOMAIN: Shape = {
    "apiVersion": str,
    "kind": str,
    "metadata": METADATA,
    "spec": {
        "domainUID": str,
        "image": str,
        "imagePullPolicy": str,
        "imagePullSecrets": NAMES,
        "introspectVersion": str,
        "restartVersion": str,
        "serverStartPolicy": str,
        "configuration": {
            "model": {"auxiliaryImages": [IMAGE]},
            "initializeDomainOnPV": {"domain": {"domainCreationImages": [IMAGE]}},
        },
        **dict.fromkeys(SIDECARS, IMAGE),
        "serverPod": SERVER_POD,
        "adminServer": {"restartVersion": str, "serverPod": SERVER_POD},
        "managedServers": [{"serverName": str, "restartVersion": str, "serverPod": SERVER_POD}],
        "clusters": [{"name": str, "clusterName": str, "restartVersion": str, "serverPod": SERVER_POD}],
    },
    "status": {
        "conditions": [
            {"type": str, "status": str, "reason": str, "message": str, "severity": str, "lastTransitionTime": str}
        ],
        "message": str,
        "reason": str,
        "initialFailureTime": str,
        "lastFailureTime": str,
        "introspectJobFailureCount": int,
        "observedGeneration": int,
        "servers": [{"serverName": str, "clusterName": str, "state": str, "stateGoal": str, "desiredState": str}],
    },
}
CLUSTER: Shape = {
    "apiVersion": str,
    "kind": str,
    "metadata": METADATA,
    "spec": {"clusterName": str, "restartVersion": str, "serverPod": SERVER_POD},
}
NODE: Shape = {
    "metadata": {"name": str, "labels": TEXTS},
    "spec": {"taints": [{"key": str, "value": str, "effect": str}]},
    "status": {
        "nodeInfo": {
            "architecture": str,
            "operatingSystem": str,
            "kubeletVersion": str,
            "containerRuntimeVersion": str,
        },
        "images": [{"names": [str], "sizeBytes": int}],
    },
}
EVENT: Shape = {
    "metadata": {"name": str, "namespace": str, "creationTimestamp": str, "labels": TEXTS},
    "involvedObject": {"kind": str, "name": str, "uid": str, "fieldPath": str},
    "reason": str,
    "message": str,
    "type": str,
    "count": int,
    "firstTimestamp": str,
    "lastTimestamp": str,
    "eventTime": str,
    "series": {"count": int, "lastObservedTime": str},
}
SERVICE_ACCOUNT: Shape = {
    "metadata": {"name": str, "namespace": str},
    "imagePullSecrets": NAMES,
}

OTHER: Shape = {"metadata": METADATA}
SHAPES: dict[str, Shape] = {
    "Pod": POD,
    "Image": {"apiVersion": str, "kind": str, "metadata": METADATA, "spec": POD_SPEC},  # what somebody only asks about
    "Domain": DOMAIN,
    "Cluster": CLUSTER,
    "ServiceAccount": SERVICE_ACCOUNT,
    "Node": NODE,
    "Event": EVENT,
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "CronJob"), WORKLOAD),
    "Job": JOB,
}


class WrongType(ValueError):
    """A field holds something of another type than Kubernetes allows there; str() names the field and both types."""


def prune(value: Any, shape: Shape, path: str = "") -> Any:
    """The parts of `value` that `shape` names; null and empty parts are left out, as Kubernetes reads them, but for those of
    a Domain that ask for a sidecar by being there.

    Raises WrongType, with the path of the field, where a value is not of its shape's type.
    """
    if isinstance(shape, type):
        if isinstance(value, shape) and not (shape is int and isinstance(value, bool)):
            return value
        raise wrong_type(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise wrong_type(value, list, path)
        return [prune(item, shape[0], f"{path}[{number}]") for number, item in enumerate(value)]
    if not isinstance(value, dict):
        raise wrong_type(value, dict, path)
    kept: dict[str, Any] = {}
    if "*" in shape:
        shape = {**shape, **{name: shape["*"] for name in value if name not in shape}}
    for name, inner in shape.items():
        found = value.get(name)
        if inner is str and type(found) is str:  # as most fields are
            kept[name] = found
        elif found is not None:
            part = prune(found, inner, f"{path}.{name}" if path else name)
            if part not in ({}, []) or name in SIDECARS:
                kept[name] = part
    return kept


def wrong_type(value: Any, wanted: type, path: str) -> WrongType:
    found = "nothing" if value is None else WORDS.get(type(value), type(value).__name__)
    return WrongType(f"{path or 'the object'} is {found}, where {WORDS.get(wanted, wanted.__name__)} belongs")


def prune_object(value: Object) -> Object:
    """A Kubernetes object of a known kind cut to its shape; of another kind: its type and name only.

    Raises WrongType.
    """
    kind = value.get("kind")
    shape = SHAPES.get(kind, OTHER) if isinstance(kind, str) else OTHER
    kept: Object = prune(value, shape)
    return {**{k: value[k] for k in ("apiVersion", "kind") if isinstance(value.get(k), str)}, **kept}
