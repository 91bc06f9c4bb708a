"""How far a pod is on its way from made to running, as its status and its events tell: pure.

Sources: pkg/kubelet/kuberuntime (an image is pulled before a container is made), pkg/kubelet/images (image_manager.go, the
texts of the events).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Optional

from pullcore import kubelet
from pullcore.image_events import Event, got, read_events
from pullcore.podspec import Ask, container_use, pod_asks
from pullcore.pull import ContainerUse, Object
from pullcore.sizes import in_bytes
from pullcore.times import age
from pullcore.workload import target_of

# The names of stages.
UNSCHEDULED, STARTING, PULLING, REFUSED, CRASHED, RUNNING, ENDED = (
    "unscheduled", "starting", "pulling", "refused", "crashed", "running", "ended",
)  # fmt: skip
WELL = (RUNNING, ENDED)
ON_ITS_WAY = (UNSCHEDULED, STARTING, PULLING)


@dataclass(frozen=True)
class Stage:
    """Where a pod is. `text`: in words, without the pod's name, which is `pod`. `container`, `cause`, `image`: of a refusal
    or a crash."""

    name: str
    text: str
    container: str = ""
    reason: str = ""
    cause: str = ""
    image: str = ""
    pod: str = ""


@dataclass(frozen=True)
class Pulled:
    """An image that a pod got."""

    container: str
    image: str
    text: str


def stage(pod: Object, events: Sequence[Object], now: datetime) -> Stage:
    """The stage of the container that is furthest behind; a refused pull and a crash of an init container come first."""
    return replace(_stage(pod, events, now), pod=pod["metadata"]["name"])


def _stage(pod: Object, events: Sequence[Object], now: datetime) -> Stage:
    asks = pod_asks(target_of(pod), "spec", pod.get("spec", {}))
    uses = [(ask, container_use(pod, ask)) for ask in asks if ask.kind in ("init", "container")]
    found = [(_of_container(ask, use, pod, events, now), use.kind) for ask, use in uses]
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":  # also where a sidecar that was stopped tells another exit code
        return Stage(ENDED, "ended well")
    if status.get("phase") == "Failed":  # also where it was evicted, and has no containers any more
        crashes = [one for one, _ in found if one.name == CRASHED]
        return crashes[0] if crashes else Stage(CRASHED, f"failed: {status.get('reason') or 'no reason is given'}")
    for one, kind in found:
        if one.name == REFUSED or (one.name == CRASHED and kind == "init"):
            return one
    if unscheduled := _unscheduled(pod):
        return unscheduled
    for wanted in (PULLING, STARTING, CRASHED):
        for one, _ in found:
            if one.name == wanted:
                return one
    ended = all(one.name == ENDED for one, kind in found if kind == "container")
    return Stage(ENDED, "ended well") if ended else Stage(RUNNING, "started")


def _of_container(ask: Ask, use: ContainerUse, pod: Object, events: Sequence[Object], now: datetime) -> Stage:
    status = _status(pod, use)
    state = status.get("state", {})
    if use.state == "running":
        if use.kind == "init" and not _is_sidecar(pod, use):
            return Stage(STARTING, f"init container {use.container} runs", use.container)
        return Stage(RUNNING, "started", use.container)
    if use.state == "terminated":
        code = state["terminated"].get("exitCode")
        if code == 0:
            return Stage(ENDED, "ended well", use.container)
        return _crash(use, f"ended with exit code {code}")
    if use.state == "waiting" and use.reason in kubelet.AFTER_THE_PULL:
        return _crash(use, f"{use.reason}{f': {use.message}' if use.message else ''}")
    pulling = _pulling(use, events)
    said = kubelet.word(use, pod, ask.image, events, now)
    if said and not (pulling and said.last and pulling.last > said.last):
        tries = said.next_try - now if said.next_try else None
        due = f", next try in {age(tries)}" if tries and tries.total_seconds() >= 1 else ""
        text = f"{said.reason}{due}: {said.detail or said.message}"
        return Stage(REFUSED, text, use.container, said.reason, said.cause, ask.image)
    if not said and kubelet.is_pull_reason(use.reason):  # of an image volume: 1.35 tells it at each container
        found = kubelet.classify(use.message or "", use.reason)
        image = kubelet.quoted_image(use.message or "")
        return Stage(REFUSED, f"{use.reason}: {found.detail}", use.container, str(use.reason), found.cause, image)
    if pulling:
        so_far = now - pulling.last
        taking = f", {age(so_far)} so far" if so_far.total_seconds() >= 1 else ""
        return Stage(PULLING, f"pulling {ask.image}{taking}", use.container, image=ask.image)
    return Stage(STARTING, "starting", use.container)


def _crash(use: ContainerUse, what: str) -> Stage:
    return Stage(CRASHED, f"its image is there, but container {use.container} {what}", use.container, str(use.reason or ""))


def _is_sidecar(pod: Object, use: ContainerUse) -> bool:
    """An init container that runs beside the others (KEP-753)."""
    containers = pod.get("spec", {}).get("initContainers", [])
    return any(one.get("name") == use.container and one.get("restartPolicy") == "Always" for one in containers)


def _unscheduled(pod: Object) -> Optional[Stage]:
    for one in pod.get("status", {}).get("conditions", []):
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            return Stage(UNSCHEDULED, f"waits for a node: {one.get('message') or one.get('reason') or 'no reason is given'}")
    return None


def _status(pod: Object, use: ContainerUse) -> Object:
    field = "initContainerStatuses" if use.kind == "init" else "containerStatuses"
    statuses = pod.get("status", {}).get(field, [])
    found: Object = next((one for one in statuses if one.get("name") == use.container), {})
    return found


def _own(events: Sequence[Object], container: str) -> Iterator[Event]:
    for event in read_events(events):
        if event.place.rstrip("}").partition("{")[2] == container:
            yield event


def _pulling(use: ContainerUse, events: Sequence[Object]) -> Optional[Event]:
    """The pull that is under way."""
    last: Optional[Event] = None
    for event in _own(events, use.container):
        if event.reason == "Pulling":
            last = event
        elif event.reason in ("Pulled", "Created", "Started"):
            last = None
    return last


def pulled(pod: Object, events: Sequence[Object]) -> list[Pulled]:
    """The images that a pod's containers got, with how long that took and how large they are."""
    found: dict[tuple[str, str], Pulled] = {}
    for ask in pod_asks(target_of(pod), "spec", pod.get("spec", {})):
        for event in _own(events, ask.container):
            if event.reason == "Pulled":
                found[ask.container, ask.image] = Pulled(ask.container, ask.image, _told(ask.image, event.message))
    return list(found.values())


def _told(image: str, message: str) -> str:
    found = got(message)
    if found.took:
        return f"pulled {image} in {found.took}{f', {in_bytes(found.size)}' if found.size is not None else ''}"
    return f"{image} is on its node already" if found.present else f"got {image}"
