"""The canary: a pod that has one node's kubelet pull an image, and starts nothing. Pure; `probe` makes it and takes it away.

It is bound to the node (`spec.nodeName`), asks for the image with the Pull's own service account and pull secrets, and its
command does not exist, so that no code of the image runs. What became of it is in the kubelet's own events and status.
It needs no more than a pod in the namespace: no privilege, no agent, no token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Optional

from pullcore import kubelet
from pullcore.command import parse_duration
from pullcore.image_events import got, read_events
from pullcore.kubelet import KubeletWord, was_pulled
from pullcore.podspec import container_use, pod_asks
from pullcore.pull import ContainerUse, Object, Pull, Target
from pullcore.sizes import in_bytes, quantity

CONTAINER = "canary"
COMMAND = "/kubectl-pullkit/no-such-command"
MANAGED = "app.kubernetes.io/managed-by"
LABELS = {MANAGED: "kubectl-pullkit", "app.kubernetes.io/component": "canary"}
RUN_LABEL = "app.kubernetes.io/instance"  # the run that made it
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
# Sidecars would pull images of their own, and run: Istio, Linkerd, Kuma, Consul.
NO_SIDECARS = {
    "sidecar.istio.io/inject": "false",
    "linkerd.io/inject": "disabled",
    "kuma.io/sidecar-injection": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
}
NOBODY = 65534
SMALL = {"cpu": "10m", "memory": "16Mi"}
EXPIRED = "DeadlineExceeded"  # its active deadline has passed (pkg/kubelet/active_deadline.go)
PULLED, PRESENT, REFUSED, UNKNOWN = "pulled", "present", "refused", "unknown"


@dataclass(frozen=True)
class Canary:
    """One node's try at one Pull, as far as it was seen. asked: the Pull's key; policy: the one that was used; pod: as it
    was last, None where none could be made; why: why there is no answer, "" where there is one."""

    asked: tuple[str, str, str, tuple[str, ...], str]
    node: str
    policy: str
    pod: Optional[Object] = None
    events: tuple[Object, ...] = ()
    why: str = ""


class Outcome(NamedTuple):
    """What came of a canary. policy: the one that it had; result: pulled, present, refused or unknown; text: in words; word:
    the kubelet's, of a refusal, and cause: its class; as_asked: it asked for just what the Pull asks for (image, pull
    secrets, service account), which admission may have changed; took: seconds; size: bytes."""

    node: str
    policy: str
    result: str
    text: str
    word: Optional[KubeletWord] = None
    cause: str = ""
    use: Optional[ContainerUse] = None
    as_asked: bool = True
    digest: str = ""
    took: Optional[float] = None
    size: Optional[int] = None
    taken: bool = True  # False: the kubelet turned the pod itself away, so that nothing more will come

    @property
    def good(self) -> bool:
        return self.result in (PULLED, PRESENT)

    def proves(self, pull: Pull) -> bool:
        """Whether it got just what the Pull's pods would get: a copy that is there is of no use to policy Always."""
        return self.good and self.as_asked and (self.result == PULLED or pull.policy != "Always")


def manifest(pull: Pull, node: Object, policy: str, *, run: str, number: int, seconds: int, small: Object) -> Object:
    """The canary of a Pull on a node. run: a short word for this run; seconds: after which the node ends it by itself;
    small: its requests and limits (see `resources`)."""
    is_windows = node.get("status", {}).get("nodeInfo", {}).get("operatingSystem") == "windows"
    secure = {
        "runAsNonRoot": True,
        "runAsUser": NOBODY,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": CONTAINER,
        "image": pull.image,
        "imagePullPolicy": policy,
        "command": [COMMAND],
        "resources": {"requests": small, "limits": small},
        "securityContext": {} if is_windows else secure,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pull-canary-{run}-{number}",
            "namespace": pull.namespace,
            "labels": {**LABELS, RUN_LABEL: run, **NO_SIDECARS},
            "annotations": {**NO_SIDECARS, "kubectl-pullkit/purpose": "tries an image on a node, runs nothing, and goes"},
        },
        "spec": {
            "nodeName": node["metadata"]["name"],
            "containers": [container],
            "serviceAccountName": pull.service_account,
            "imagePullSecrets": [{"name": name} for name in pull.secrets],
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            # The scheduler is not asked; without this a NoExecute taint would have it evicted.
            "tolerations": [{"operator": "Exists"}],
        },
    }


def is_ours(pod: Object) -> bool:
    """Whether a pod, whole or pruned, is one that the suite made for a moment: nobody asks about these."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return labels.get(MANAGED) == LABELS[MANAGED]


def without_user(value: Object) -> Object:
    """The same for clusters that give the user themselves (OpenShift's security context constraints)."""
    container = value["spec"]["containers"][0]
    secure = {key: part for key, part in container["securityContext"].items() if key != "runAsUser"}
    return {**value, "spec": {**value["spec"], "containers": [{**container, "securityContext": secure}]}}


def resources(limit_ranges: Iterable[Object]) -> dict[str, str]:
    """Small requests and limits, no smaller than the namespace's LimitRanges let a pod of one container have."""
    found = dict(SMALL)
    for one in limit_ranges:
        for limit in (one.get("spec") or {}).get("limits") or ():
            of_pods = isinstance(limit, Mapping) and limit.get("type") in ("Container", "Pod")
            least = limit.get("min") if of_pods else None
            for name, text in (least if isinstance(least, Mapping) else {}).items():
                try:
                    if name not in found or quantity(str(text)) > quantity(found[name]):
                        found[name] = str(text)
                except ValueError:  # no API server takes such a LimitRange
                    continue
    return found


def outcome(canary: Canary, now: datetime) -> Outcome:
    """What is known of a canary by now; `unknown` also while its pull is under way."""
    pod = canary.pod
    if pod is None:
        return Outcome(canary.node, canary.policy, UNKNOWN, canary.why)
    asks = pod_asks(Target("Pod", canary.asked[2], ""), "spec", pod.get("spec", {}))
    ask = next((one for one in asks if one.container == CONTAINER and one.kind == "container"), None)
    if ask is None:
        return Outcome(canary.node, canary.policy, UNKNOWN, "admission changed its container", as_asked=False, taken=False)
    image, _, _, listed, account = canary.asked
    as_asked = (ask.image, ask.secrets, ask.service_account) == (image, listed, account)
    known = Outcome(canary.node, ask.policy, UNKNOWN, canary.why, as_asked=as_asked)
    use = container_use(pod, ask)._replace(node=canary.node)
    known = known._replace(use=use, digest=_digest(pod))
    for event in reversed(list(read_events(canary.events))):
        if event.reason == "Pulled" and event.place.endswith(f"{{{CONTAINER}}}"):
            return _got(known, event.message)
    if was_pulled(use) and pod.get("status", {}).get("reason") != EXPIRED:
        return known._replace(result=PULLED, text="is there now")
    word = kubelet.word(use, pod, ask.image, canary.events, now)
    if word:
        return known._replace(result=REFUSED, text=word.detail or word.message, word=word, cause=word.cause)
    status = pod.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason") != EXPIRED:
        text = f"the kubelet did not try: {status.get('reason') or 'the pod failed'}{_more(status)}"
        return known._replace(text=text, taken=False)
    return known._replace(text=canary.why or _so_far(canary))


def _got(known: Outcome, message: str) -> Outcome:
    told = got(message)
    if told.present:
        return known._replace(result=PRESENT, text="has it already")
    size = f", {in_bytes(told.size)}" if told.size is not None else ""
    took = f" in {told.took}" if told.took else ""
    return known._replace(result=PULLED, text=f"pulled{took}{size}", took=_seconds(told.took), size=told.size)


def _seconds(duration: str) -> Optional[float]:
    try:
        return parse_duration(duration) if duration else None
    except ValueError:  # no kubelet's word
        return None


def _digest(pod: Object) -> str:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    image = next((one.get("imageID", "") for one in statuses if one.get("name") == CONTAINER), "")
    return str(image.rpartition("@")[2]) if "@" in image else ""


def _more(status: Object) -> str:
    return f" ({status['message']})" if status.get("message") else ""


def _so_far(canary: Canary) -> str:
    """What is known of a canary that has no answer: its newest event."""
    last = None
    for event in read_events(canary.events):
        last = event
    if last is None:
        return "no word of its kubelet"
    return "still pulling" if last.reason == "Pulling" else f"{last.reason}: {last.message}"


def of_pull(pull: Pull, canaries: Sequence[Canary], now: datetime) -> tuple[Outcome, ...]:
    """What came of the canaries of a Pull."""
    return tuple(outcome(one, now) for one in canaries if one.asked == pull.key)
