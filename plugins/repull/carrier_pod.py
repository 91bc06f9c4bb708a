"""The short-lived pod that carries an image to a node: its manifest, and which image of the node's own it runs. Pure.

Nothing is pulled for it: it runs the host's own tools, in an image that the node has. It is not privileged where the runtime
does the work behind its socket (containerd, Docker), but whoever may use that socket is root on the node.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pullcore.canary import NO_SIDECARS, RUN_LABEL
from pullcore.pull import Object
from pullcore.times import parse_time

from repull.runtimes import Runtime

CONTAINER = "carrier"
LABELS = {"app.kubernetes.io/managed-by": "kubectl-pullkit", "app.kubernetes.io/component": "image-carrier"}
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
SOCKET = "/kubectl-repull/runtime.sock"
LIBRARIES = {"amd64": ("/lib", "/lib64"), "ppc64le": ("/lib", "/lib64")}  # where the loader is; /lib elsewhere
SLOWEST = 512 * 1024  # bytes a second: a pod that takes longer is given up
START = 600  # seconds for all that is not the stream
FINISHED_FOR = 60.0  # seconds after which a carrier that has ended is nobody's any more
PAUSE = re.compile(r"(^|[-_])pause([-_]|$)")
# Where distributions of Kubernetes have their pause images from; another name may be anybody's.
KNOWN = re.compile(
    r"(registry\.k8s\.io|k8s\.gcr\.io|docker\.io/rancher|mcr\.microsoft\.com/oss|quay\.io/openshift[^/]*|localhost)/"
)


def manifest(
    namespace: str, node: Object, runtime: Runtime, helper: str, arguments: list[str], *, run: str, number: int, seconds: int
) -> Object:
    """The pod for one node. helper: an image that is there; arguments: of the runtime's script for SOCKET; run and number:
    tell it from others; seconds: after which the cluster ends it by itself."""
    folders = ["/usr", "/bin", *LIBRARIES.get(_architecture(node), ("/lib",)), *runtime.folders]
    paths = [(path, path, True, "") for path in folders] + [(path, path, False, "") for path in runtime.writes]
    if not runtime.writes:
        paths.append((runtime.socket, SOCKET, False, "Socket"))
    volumes = [
        {"name": f"host-{number}", "hostPath": {"path": path, **({"type": kind} if kind else {})}}
        for number, (path, _, _, kind) in enumerate(paths)
    ]
    mounts = [
        {"name": f"host-{number}", "mountPath": where, **({"readOnly": True} if read_only else {})}
        for number, (_, where, read_only, _) in enumerate(paths)
    ]
    container = {
        "name": CONTAINER,
        "image": helper,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", runtime.script, "sh", *arguments],
        "env": [
            # What the helper's image sets for its own program must not reach the host's.
            {"name": "PATH", "value": "/usr/sbin:/usr/bin:/sbin:/bin"},
            {"name": "LD_PRELOAD", "value": ""},
            {"name": "LD_LIBRARY_PATH", "value": "" if "/lib64" in folders else "/usr/lib64"},
            {"name": "HOME", "value": "/"},
        ],
        "stdin": True,
        "stdinOnce": True,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": _security(runtime),
        "volumeMounts": mounts,
    }
    # What an image has in /etc may have the host's tools load libraries of its own (ld.so.preload), as root.
    volumes.append({"name": "no-etc", "emptyDir": {}})
    mounts.append({"name": "no-etc", "mountPath": "/etc"})
    labels = {**LABELS, RUN_LABEL: run, **NO_SIDECARS}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"kubectl-repull-load-{run}-{number}",  # known before it is made, so that it can be removed
            "namespace": namespace,
            "labels": labels,
            "annotations": {**NO_SIDECARS, "kubectl-pullkit/purpose": "loads an image into its node's runtime, and goes"},
        },
        "spec": {
            "nodeName": node["metadata"]["name"],
            "tolerations": [{"operator": "Exists"}],
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "hostNetwork": True,  # needs neither an address nor a network plugin that works
            "dnsPolicy": "Default",
            "containers": [container],
            "volumes": volumes,
        },
    }


def in_pod(runtime: Runtime) -> Runtime:
    """The runtime as it is seen in the pod."""
    return runtime if runtime.writes else replace(runtime, socket=SOCKET)


def deadline(size: int, at_once: int = 1) -> int:
    """Seconds after which a carrier is given up: at_once of them may share one way to the cluster."""
    return START + size * at_once // SLOWEST


def _security(runtime: Runtime) -> Object:
    if runtime.writes:
        return {"privileged": True, "runAsUser": 0, "runAsGroup": 0}
    return {
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seLinuxOptions": {"type": "spc_t"},  # without it SELinux keeps a pod from host folders and the socket
    }


def _architecture(node: Object) -> str:
    return str(node.get("status", {}).get("nodeInfo", {}).get("architecture", ""))


# The image it runs


def helpers(node: Object, pods: Iterable[Object]) -> list[str]:
    """The images that a carrier on this node can run, best first, always in the same order: pause images that the node
    lists, which hold nothing that could be in the way, then those of containers that run there without pull secrets, those
    of the cluster's own pods first."""
    some = [name for names in _listed(node) if (name := _by_tag(names)) and _is_pause(name)]
    pauses = sorted(some, key=lambda name: (not KNOWN.match(name), name))
    own: set[str] = set()
    others: set[str] = set()
    for pod in pods:
        spec = pod.get("spec", {})
        if spec.get("nodeName") != node["metadata"]["name"] or spec.get("imagePullSecrets"):
            continue
        images = {one["name"]: one["image"] for one in spec.get("containers") or ()}
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            if (status.get("state") or {}).get("running") is not None and status.get("name") in images:
                (own if pod["metadata"].get("namespace") == "kube-system" else others).add(images[status["name"]])
    return list(dict.fromkeys([*pauses, *sorted(own), *sorted(others)]))


def _listed(node: Object) -> Iterable[list[str]]:
    return (list(one.get("names") or ()) for one in (node.get("status") or {}).get("images") or ())


def _by_tag(names: list[str]) -> str:
    return min((name for name in names if "@" not in name), default="")


def _is_pause(name: str) -> bool:
    last = name.rpartition("/")[2].partition(":")[0]
    return bool(PAUSE.search(last))


# What is left of earlier runs


def is_leftover(pod: Mapping[str, object], now: float) -> bool:
    """Whether a carrier belongs to nobody any more: it ended a while ago, or should have. One that is in use never is: it
    ends as soon as whoever streams into it goes away. now: seconds since 1970."""
    value: Object = dict(pod)
    status, spec = value.get("status") or {}, value.get("spec") or {}
    made = parse_time(value["metadata"].get("creationTimestamp"))
    age = now - made.timestamp() if made else 0.0
    if status.get("phase") not in ("Succeeded", "Failed"):
        return bool(age > spec.get("activeDeadlineSeconds", START) + FINISHED_FOR)
    ends = [
        parse_time(((one.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        for one in status.get("containerStatuses") or ()
    ]
    ended = [one.timestamp() for one in ends if one]
    return now - max(ended) > FINISHED_FOR if ended else age > FINISHED_FOR
