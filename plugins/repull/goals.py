"""When an object is brought back: which pods are in question, and what has to be true of them. Pure.

A pod that was fine before is not in question: what becomes of it meanwhile is nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Optional

from pullcore.evidence import Evidence
from pullcore.pull import Object, Target
from pullcore.weblogic import CLUSTER_LABEL, SERVER_LABEL, is_failed
from pullcore.workload import Index, is_stopped_workload, target_of

from repull.domain_goal import Seen, domain_waits
from repull.failures import Failures
from repull.goal import Goal, Outcome, World
from repull.stage import CRASHED, ON_ITS_WAY, REFUSED, WELL, stage
from repull.steps import Step

REPLICATED = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


def goals(evidence: Evidence, steps: Sequence[Step], now: datetime, there: Iterable[Object] = ()) -> list[Goal]:
    """What has to be brought back: the askers of the steps, and what is named and still on its way. there: further pods, for
    the evidence of a scan, or of a pod, holds no others; those of them that are not on their way are not in question."""
    index = Index(evidence)
    askers = dict.fromkeys(step.asker for step in steps)
    named = [] if evidence.waiting_only else [one for one in evidence.targets if one not in askers]
    beside: dict[str, list[Object]] = {}
    for pod in there:
        beside.setdefault(pod["metadata"].get("namespace", ""), []).append(pod)
    by_asker: dict[Target, list[Step]] = {}
    for step in steps:
        by_asker.setdefault(step.asker, []).append(step)
    found = [_goal(one, evidence, index, by_asker[one], now, beside.get(one.namespace, ())) for one in askers]
    others = [_goal(one, evidence, index, (), now, beside.get(one.namespace, ())) for one in named]
    wanted = found + [goal for goal in others if _is_on_its_way(goal, evidence)]
    stages = {pod["metadata"].get("uid", ""): stage(pod, (), now).name for pod in there}

    def settled(target: Target) -> frozenset[str]:
        # Of what was looked at as a whole, a pod that waits and is not in the evidence was made since.
        whole = evidence.waiting_only or target in evidence.targets
        names = (*WELL, CRASHED) if whole else (*WELL, CRASHED, REFUSED)
        return frozenset(uid for uid, name in stages.items() if name in names)

    return [replace(goal, known=goal.known | settled(goal.target)) for goal in wanted]


def _goal(
    target: Target, evidence: Evidence, index: Index, steps: Sequence[Step], now: datetime, beside: Sequence[Object] = ()
) -> Goal:
    value = index.by_target.get(target)
    makers = frozenset(_between(target, evidence, index))
    bare = Goal(target, makers=makers, value=value)
    own = {pod["metadata"].get("uid", ""): pod for pod in evidence.pods if bare.owns(pod)}
    all_own = {pod["metadata"].get("uid", ""): pod for pod in beside if bare.owns(pod)} | own
    replaced = {uid for step in steps if step.do != "leave" for uid in step.pods}
    replaced |= {uid for uid, pod in own.items() if _is_going(pod) or any(_is_rolled(pod, step, index) for step in steps)}
    left = {uid for step in steps if step.do == "leave" for uid in step.pods}
    starting = {uid for uid, pod in own.items() if stage(pod, (), now).name in ON_ITS_WAY}
    return Goal(
        target,
        known=frozenset(own),
        kept=frozenset((left | starting) - replaced),
        outdated=frozenset(replaced),
        count=_count(target, value, [pod for pod in all_own.values() if _counts(pod)]),
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
        wanted: Optional[int] = (value or {}).get("spec", {}).get("replicas")
        return min(1 if wanted is None else wanted, max(len(pods), 1))
    return 0 if target.kind == "Domain" else len(pods)  # its operator tells which servers there have to be


def _counts(pod: Object) -> bool:
    """A pod that failed, evicted say, is nobody's replica any more."""
    return not _is_going(pod) and pod.get("status", {}).get("phase") != "Failed"


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
    going = [pod for pod in evidence.pods if goal.owns(pod) and _is_going(pod)]
    if goal.target.kind == "Domain":
        kept = [pod for pod in evidence.pods if pod["metadata"].get("uid") in goal.kept]
        # An introspector that is going makes room for another.
        introspected = any(SERVER_LABEL not in pod["metadata"].get("labels", {}) for pod in (*kept, *going))
        return introspected or (bool(kept) and not is_failed(value))
    return bool(goal.kept) or bool(going) or len(goal.known) < goal.count


def judge(goal: Goal, own: Mapping[str, Object], world: World, failures: Failures, seen: Seen, now: datetime) -> Outcome:
    """How an object fares just now; own: its pods by UID."""
    live = {uid: pod for uid, pod in own.items() if not _is_going(pod) and uid not in goal.outdated}
    asked = {uid: pod for uid, pod in live.items() if goal.asks_about(pod)}
    stages = {uid: failures.settled(pod, stage(pod, world.events.get(uid, ()), now)) for uid, pod in asked.items()}
    for uid, one in stages.items():
        if one.name == CRASHED or (one.name == REFUSED and failures.are_too_many(uid, one)):
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
    count = sum(map(_counts, live.values()))
    if count < goal.count:
        return Outcome(False, stages=stages, waits=f"{count} of {goal.count} pods are there", short=True)
    return Outcome(True, stages=stages)
