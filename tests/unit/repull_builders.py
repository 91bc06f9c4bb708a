"""Pods, their owners and plans for the tests of kubectl repull, on top of `builders`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from pullcore.diagnosis import diagnose
from pullcore.evidence import Evidence
from pullcore.permissions import Action
from pullcore.pull import Target
from pullcore.workload import Index, target_of
from repull.plan import steps
from repull.pod_plan import Planner
from repull.steps import Step

from .builders import (
    IMAGE,
    NOW,
    REFUSED,
    Object,
    container,
    domain,
    event,
    evidence,
    introspector_labels,
    kept,
    pod,
    server_labels,
    waiting,
    workload,
)

NEW_IMAGE = IMAGE.replace(":1.0", ":2.0")
BACK_OFF = waiting(f'Back-off pulling image "{IMAGE}"', "ImagePullBackOff")
NEVER = waiting(f'Container image "{IMAGE}" is not present with pull policy of Never', "ErrImageNeverPull")
INVALID = waiting(f'Failed to apply default image tag "{IMAGE}"', "InvalidImageName")
RUNS: Object = {"running": {"startedAt": "2026-03-01T11:50:00Z"}}
ENDED_WELL: Object = {"terminated": {"exitCode": 0, "reason": "Completed"}}
PULL_FAILED = f'Failed to pull image "{IMAGE}": {REFUSED}'


def changed(value: Object, **places: Any) -> Object:
    """A copy with other fields, their path with "__" between its steps: `metadata__uid="x"`; None takes a field out."""
    made = copy.deepcopy(value)
    for place, part in places.items():
        *way, last = place.split("__")
        at = made
        for step in way:
            at = at.setdefault(step, {})
        if part is None:
            at.pop(last, None)
        else:
            at[last] = part
    return made


def going(value: Object) -> Object:
    """The same, while it is being deleted."""
    return changed(value, metadata__deletionTimestamp="2026-03-01T11:59:50Z")


def owned_by(value: Object, owner: Object) -> Object:
    metadata = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "controller": True}
    return kept(changed(value, metadata__ownerReferences=[reference]))


def custom(kind: str = "Keycloak", name: str = "sso") -> Object:
    """An object of a kind that nobody here knows."""
    return {"apiVersion": "k8s.keycloak.org/v2", "kind": kind, "metadata": {"name": name, "namespace": "default"}}


def replica_set(deployment: Object, suffix: str = "5d9", *containers: Object, **details: Any) -> Object:
    return owned_by(workload("ReplicaSet", f"{deployment['metadata']['name']}-{suffix}", *containers, **details), deployment)


def deployed(
    *states: Object, secrets: Sequence[str] = (), listed: Sequence[str] = (), **spec: Any
) -> tuple[Object, Object, list[Object]]:
    """A Deployment `web`, its ReplicaSet, and a pod for each state. secrets: of the templates; listed: of the pods."""
    deployment = workload(secrets=secrets, **spec)
    small = replica_set(deployment, secrets=secrets)
    pods = [
        pod(f"web-5d9-{number}", state=state, secrets=listed or secrets, owner=small) for number, state in enumerate(states)
    ]
    return deployment, small, pods


def introspected(
    state: Optional[Object] = BACK_OFF, image: str = IMAGE, *, secrets: Sequence[str] = (), **details: Any
) -> tuple[Object, Object, Object]:
    """A Domain with the Job of its introspector, and that one's pod. details: of the Domain."""
    value = domain(secrets=secrets, **details)
    name = f"{value['metadata']['name']}-introspector"
    job = owned_by(workload("Job", name, container(name, image), secrets=secrets), value)
    labels = introspector_labels("domain1")
    one = pod(f"{name}-x1", container(name, image), state=state, secrets=secrets, labels=labels, owner=job)
    return value, job, one


def server(
    name: str = "managed-1",
    state: Optional[Object] = BACK_OFF,
    image: str = IMAGE,
    *,
    domain: Object,
    cluster: str = "",
    **details: Any,
) -> Object:
    """The pod of a WebLogic server."""
    labels = {**server_labels("domain1", name), **({"weblogic.clusterName": cluster} if cluster else {})}
    main = container("weblogic-server", image)
    return pod(f"domain1-{name}", main, state=state, labels=labels, owner=domain, **details)


def failures(value: Object, count: int = 1, seconds_ago: float = 4) -> Object:
    """The event of pulls that failed."""
    return {**event(value, PULL_FAILED, seconds_ago=seconds_ago), "count": count}


@dataclass(frozen=True)
class Wishes:
    """What a user asks for, as a plan sees it."""

    keep_waiting_pods: bool = False
    recreate_pods: bool = False
    roll_running: bool = False


def allowed(denied: Collection[str]) -> Callable[[Action], bool]:
    """Everything but for some, such as "delete pods" or "create pods/eviction"."""

    def may(action: Action) -> bool:
        sub = f"/{action.sub}" if action.sub else ""
        return f"{action.verb} {action.kind.plural}{sub}" not in denied

    return may


def planned(seen: Evidence, wishes: Wishes = Wishes(), denied: Collection[str] = ()) -> list[Step]:
    return steps(Planner(diagnose(seen), Index(seen), wishes, allowed(denied), NOW))


def plan(*values: Object, wishes: Wishes = Wishes(), denied: Collection[str] = (), **details: Any) -> list[Step]:
    """The steps for what was seen."""
    return planned(evidence(*values, **details), wishes, denied)


def step(do: str, value: Object, *pods: Object, asker: Optional[Object] = None, **more: Any) -> Step:
    """A step as a plan has it."""
    uids = tuple(one["metadata"]["uid"] for one in pods)
    target: Target = target_of(value)
    return Step(do, target, more.pop("reason", "because"), target_of(asker) if asker else target, uids, **more)


# A JSON patch (RFC 6902), as an API server applies it


class Untrue(Exception):
    """A test of a patch fails."""


def applied(value: Object, operations: Iterable[Object]) -> Object:
    """A copy of the object with a patch of `test` and `add` applied. KeyError or IndexError where a path leads nowhere."""
    made = copy.deepcopy(value)
    for one in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        at: Any = made
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if one["op"] == "test":
            if at[last] != one["value"]:
                raise Untrue(one["path"])
        elif one["op"] == "add" and isinstance(at, list):
            at.insert(len(at) if last == "-" else int(last), one["value"])
        elif one["op"] == "add":
            at[last] = one["value"]
        else:
            raise ValueError(one["op"])
    return made
