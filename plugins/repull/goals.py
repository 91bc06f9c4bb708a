"""When an object is brought back: which pods are in question, and what has to be true of them. Pure.

A pod that was fine before is not in question: what becomes of it meanwhile is nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Optional

from pullcore.evidence import Evidence
from pullcore.pull import Object, Target
from pullcore.selector import matches
from pullcore.weblogic import CLUSTER_LABEL, SERVER_LABEL, pod_selector
from pullcore.workload import Index, controller_of, is_stopped_workload, target_of

from repull.domain_goal import Seen, domain_waits, is_failed
from repull.refusals import Refusals
from repull.stage import CRASHED, ON_ITS_WAY, REFUSED, WELL, Stage, stage
from repull.steps import Step

REPLICATED = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


@dataclass(frozen=True)
class Goal:
    """An object that is to be brought back.

    known: the UIDs of its pods at the start; kept: those of them that are in question; outdated: those that have to go.
    count: how many pods there have to be. makers: what stands between it and its pods, such as the Jobs of a CronJob. value:
    the object as it was. introspect: that a Domain has to be introspected anew."""

    target: Target
    known: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    count: int = 1
    makers: frozenset[Target] = frozenset()
    value: Optional[Object] = None
    introspect: bool = False

    def owns(self, pod: Object) -> bool:
        """Whether a pod is one of this object's, also one that is made later."""
        own, target = target_of(pod), self.target
        if own.namespace != target.namespace:
            return False
        if target.kind == "Pod":
            return own.name == target.name
        if target.kind == "Domain" and self.value:
            return matches(pod["metadata"].get("labels", {}), pod_selector(self.value))
        controller = controller_of(pod)
        return controller is not None and any(_is_of(controller, one) for one in (target, *self.makers))

    def asks_about(self, pod: Object) -> bool:
        uid = pod["metadata"].get("uid", "")
        return uid in self.kept or uid not in self.known


def _is_of(controller: Target, maker: Target) -> bool:
    if maker.kind == "Deployment":  # the name of a ReplicaSet is its Deployment's with a hash behind it
        return controller.kind == "ReplicaSet" and controller.name.rpartition("-")[0] == maker.name
    return controller == maker


@dataclass
class World:
    """What is there now: pods by UID, events by the UID of their pod, Domains."""

    pods: dict[str, Object] = field(default_factory=dict)
    events: dict[str, list[Object]] = field(default_factory=dict)
    domains: dict[Target, Object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How an object fares: done, or failed with a reason, or neither yet. stages: of its pods in question, by UID."""

    done: bool
    failed: str = ""
    failed_pod: str = ""  # its UID
    stages: Mapping[str, Stage] = field(default_factory=dict)
    waits: str = ""  # for what, where it is no pod

    @property
    def is_open(self) -> bool:
        return not self.done and not self.failed


def goals(evidence: Evidence, steps: Sequence[Step], now: datetime, there: Iterable[Object] = ()) -> list[Goal]:
    """What has to be brought back: the askers of the steps, and what is named and still on its way. there: further pods, for
    the evidence of a scan, or of a pod, holds no others; those of them that are not on their way are not in question."""
    index = Index(evidence)
    askers = dict.fromkeys(step.asker for step in steps)
    named = [] if evidence.waiting_only else [one for one in evidence.targets if one not in askers]
    found = [_goal(asker, evidence, index, [step for step in steps if step.asker == asker], now) for asker in askers]
    others = [_goal(one, evidence, index, (), now) for one in named]
    wanted = found + [goal for goal in others if _is_on_its_way(goal, evidence)]
    stages = {pod["metadata"].get("uid", ""): stage(pod, (), now).name for pod in there}

    def settled(target: Target) -> frozenset[str]:
        # Of what was looked at as a whole, a pod that waits and is not in the evidence was made since.
        whole = evidence.waiting_only or target in evidence.targets
        names = (*WELL, CRASHED) if whole else (*WELL, CRASHED, REFUSED)
        return frozenset(uid for uid, name in stages.items() if name in names)

    return [replace(goal, known=goal.known | settled(goal.target)) for goal in wanted]


def _goal(target: Target, evidence: Evidence, index: Index, steps: Sequence[Step], now: datetime) -> Goal:
    value = index.by_target.get(target)
    makers = frozenset(_between(target, evidence, index))
    bare = Goal(target, makers=makers, value=value)
    own = {pod["metadata"].get("uid", ""): pod for pod in evidence.pods if bare.owns(pod)}
    replaced = {uid for step in steps if step.do != "leave" for uid in step.pods}
    replaced |= {uid for uid, pod in own.items() if _is_going(pod) or any(_is_rolled(pod, step, index) for step in steps)}
    left = {uid for step in steps if step.do == "leave" for uid in step.pods}
    starting = {uid for uid, pod in own.items() if stage(pod, (), now).name in ON_ITS_WAY}
    return Goal(
        target,
        known=frozenset(own),
        kept=frozenset((left | starting) - replaced),
        outdated=frozenset(replaced),
        count=_count(target, value, [pod for pod in own.values() if not _is_going(pod)]),
        makers=makers,
        value=value,
        introspect=any(step.do in ("introspect", "delete-job", "recreate-domain") for step in steps),
    )


def _between(target: Target, evidence: Evidence, index: Index) -> Iterator[Target]:
    """What stands between an object and its pods: an operator's object has a StatefulSet, say."""
    for value in (*evidence.objects, *evidence.pods):
        chain = index.owners(value)
        if target in chain:
            yield from (target_of(value), *chain[: chain.index(target)])


def _count(target: Target, value: Optional[Object], pods: Sequence[Object]) -> int:
    """How many pods there have to be in the end: as many as there were, or as are wanted if that is fewer."""
    if target.kind in REPLICATED:
        wanted: int = (value or {}).get("spec", {}).get("replicas", 1)
        return min(wanted, max(len(pods), 1))
    return 0 if target.kind == "Domain" else len(pods)  # its operator tells which servers there have to be


def _is_going(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _is_rolled(pod: Object, step: Step, index: Index) -> bool:
    """Whether a step rolls this pod, too: all pods of a workload, the servers of a Domain or of one Cluster."""
    if step.do != "roll":
        return False
    labels = pod["metadata"].get("labels", {})
    if step.target.kind == "Cluster":
        spec = index.by_target[step.target].get("spec", {})
        return bool(labels.get(CLUSTER_LABEL) == (spec.get("clusterName") or step.target.name))
    return step.target.kind != "Domain" or SERVER_LABEL in labels


def _is_on_its_way(goal: Goal, evidence: Evidence) -> bool:
    """Whether something of an object that nothing has to be done for is still to come."""
    value = goal.value or {}
    if is_stopped_workload(value):
        return False
    if goal.target.kind == "Domain":
        kept = [pod for pod in evidence.pods if pod["metadata"].get("uid") in goal.kept]
        introspected = any(SERVER_LABEL not in pod["metadata"].get("labels", {}) for pod in kept)
        return introspected or (bool(kept) and not is_failed(value))
    going = any(goal.owns(pod) and _is_going(pod) for pod in evidence.pods)
    return bool(goal.kept) or going or len(goal.known) < goal.count


def judge(goal: Goal, own: Mapping[str, Object], world: World, refusals: Refusals, seen: Seen, now: datetime) -> Outcome:
    """How an object fares just now; own: its pods by UID."""
    live = {uid: pod for uid, pod in own.items() if not _is_going(pod) and uid not in goal.outdated}
    asked = {uid: pod for uid, pod in live.items() if goal.asks_about(pod)}
    stages = {uid: refusals.settled(pod, stage(pod, world.events.get(uid, ()), now)) for uid, pod in asked.items()}
    for uid, one in stages.items():
        if one.name == CRASHED or (one.name == REFUSED and refusals.are_too_many(uid, one)):
            return Outcome(False, one.text, uid, stages)
    if goal.target.kind == "Domain":
        waits = domain_waits(goal, world, live, stages, seen)
        if waits.failed:
            return Outcome(False, waits.failed, "", stages)
        if waits.text:
            return Outcome(False, stages=stages, waits=waits.text)
    behind = [uid for uid, one in stages.items() if one.name not in WELL]
    old = [pod for uid, pod in own.items() if uid in goal.outdated]
    if old:
        names = ", ".join(sorted(pod["metadata"]["name"] for pod in old)[:3])
        return Outcome(False, stages=stages, waits=f"{names} is still there")
    if behind:
        return Outcome(False, stages=stages)
    if len(live) < goal.count:
        return Outcome(False, stages=stages, waits=f"{len(live)} of {goal.count} pods are there")
    return Outcome(True, stages=stages)
