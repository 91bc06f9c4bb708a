"""When a WebLogic Domain is brought back: it was introspected, and the servers that its operator wants have started. Pure.

Sources: the operator's status (servers with stateGoal, before 4.0 desiredState; observedGeneration; conditions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pullcore.errors import one_line
from pullcore.kubelet import without_retry
from pullcore.pull import Object
from pullcore.weblogic import SERVER_LABEL, failures, holding, is_failed, is_stopped

from repull.goal import Goal, World
from repull.stage import ENDED, RUNNING, WELL, Stage


@dataclass
class Seen:
    """What was seen of a Domain since the start: introspector pods are gone soon after they ended."""

    introspectors: dict[str, str] = field(default_factory=dict)  # UID -> its last stage


@dataclass(frozen=True)
class Waits:
    """For what a Domain waits, in words; or that its operator reports a failure that was not there before."""

    text: str = ""
    failed: str = ""


def domain_waits(goal: Goal, world: World, live: Mapping[str, Object], stages: Mapping[str, Stage], seen: Seen) -> Waits:
    """What is still to come; nothing where all is there but for what the stages of its pods tell."""
    domain = world.domains.get(goal.target)
    if domain is None:
        return Waits(failed=f"{goal.target.ref} is not there any more")
    for uid, one in stages.items():
        if not _is_server(live[uid]):
            seen.introspectors[uid] = one.name
    if failure := _new_failure(goal.value or {}, domain):
        return Waits(failed=f"its operator reports {failure}")
    introspectors = [uid for uid, pod in live.items() if not _is_server(pod)]
    busy = {stages[uid].name for uid in introspectors if uid in stages} - {ENDED}
    if busy:
        return Waits("its introspector runs" if busy == {RUNNING} else "")  # else its stage says it
    new_servers = any(_is_server(pod) and uid not in goal.known for uid, pod in live.items())
    if goal.introspect and not seen.introspectors and not new_servers:
        return Waits("the operator has not introspected it yet")
    if is_failed(domain):
        return Waits("its operator still reports the failure")
    if is_stopped(domain):
        return Waits()
    metadata, status = domain["metadata"], domain.get("status", {})
    if status.get("observedGeneration", metadata.get("generation")) != metadata.get("generation"):
        return Waits("its operator has not looked at it yet")
    started = {
        pod["metadata"]["labels"][SERVER_LABEL]
        for uid, pod in live.items()
        if _is_server(pod) and (uid not in stages or stages[uid].name in WELL)
    }
    wanted = {
        str(one.get("serverName"))
        for one in status.get("servers", [])
        if "RUNNING" in (one.get("stateGoal"), one.get("desiredState"))
    }
    if missing := sorted(wanted - started):
        return Waits(f"server {', '.join(missing[:3])} has not started")
    complete = any(one.get("type") in ("Completed", "Available") for one in holding(domain))
    return Waits() if wanted or complete else Waits("its operator has started no server yet")


def _is_server(pod: Object) -> bool:
    return SERVER_LABEL in pod["metadata"].get("labels", {})


def _new_failure(before: Object, now: Object) -> str:
    """A failure that is not of a pod: pods tell theirs themselves, and better."""
    old = set(map(_told, failures(before)))
    for one in failures(now):
        if one.get("reason") not in ("ServerPod", "Aborted") and _told(one) not in old:
            return one_line(f"{one.get('reason') or 'Failed'}: {one.get('message') or 'no message'}", 400)
    return ""


def _told(condition: Object) -> tuple[object, str]:
    """Reason and message, without the time of the next try, which is another each time."""
    return condition.get("reason"), without_retry(condition.get("message") or "")
