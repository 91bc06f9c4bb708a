"""The steps for pods of workloads, of nobody, and of controllers that are not known; a Domain's share the words. Pure, but
for `may`, which asks what the user is allowed to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pullcore.diagnosis import Report
from pullcore.fixes import Commands
from pullcore.kinds import KINDS
from pullcore.permissions import Action
from pullcore.pull import Object
from pullcore.times import age
from pullcore.workload import Index, runs

from repull.outdated import superseded
from repull.steps import Step
from repull.waiting import Waiting

ROLLED_OUT = ("Deployment", "DaemonSet")

May = Callable[[Action], bool]


class Wishes(Protocol):
    """The options that a plan depends on."""

    @property
    def keep_waiting_pods(self) -> bool: ...
    @property
    def recreate_pods(self) -> bool: ...
    @property
    def roll_running(self) -> bool: ...


@dataclass(frozen=True)
class Planner:
    """Makes the steps for the pods of one report."""

    report: Report
    index: Index
    wishes: Wishes
    may: May
    now: datetime

    def of_pod(self, one: Waiting) -> list[Step]:
        if one.static:
            return [self.leave(one, "its node makes it from a file: nobody can restart it from here")]
        if replacing := superseded(one.owners, self.index):
            return [self.of_superseded(one, replacing)]
        if one.runs:
            return [self.of_running(one)]
        if not any(ref.get("controller") for ref in one.pod["metadata"].get("ownerReferences", [])):
            return [self.of_bare(one)]  # an owner that is no controller makes nothing again
        if one.owners[0].kind == "Job":
            return [self.of_job(one)]
        return [self.of_controlled(one)]

    def of_superseded(self, one: Waiting, deployment: Object) -> Step:
        name = one.asker.ref
        if deployment.get("spec", {}).get("paused"):
            resume = self.commands(one).kubectl("rollout", "resume", name)
            return self.leave(one, f"{name} would replace it, but is paused: {resume}", stuck=True)
        reason = f"{name} was changed, and replaces it by itself"
        return Step("superseded", one.target, reason, one.asker, (one.uid,))

    def of_running(self, one: Waiting) -> Step:
        if self.wishes.roll_running:
            return self.rolled(one)
        if one.outdated:
            reason = f"a container of it runs, and {one.outdated}: --roll-running rolls {one.asker.ref}"
            return self.leave(one, reason, stuck=True)
        return self.leave(one, f"a container of it runs; {self.retry(one)}")

    def rolled(self, one: Waiting) -> Step:
        asker = one.asker
        if asker.kind == "StatefulSet":  # which does not roll past a pod that is not ready
            eviction = Action("create", KINDS["Pod"], asker.namespace, sub="eviction")
            if not self.may(eviction):
                return self.leave(one, f"you are not allowed to {eviction}", stuck=bool(one.outdated))
            reason = "a container of it runs, and --roll-running was given"
            return Step("evict-running", one.target, reason, asker, (one.uid,))
        if self.index.by_target.get(asker, {}).get("spec", {}).get("paused"):
            return self.leave(one, f"a container of it runs, and {asker.ref} is paused", stuck=bool(one.outdated))
        if asker.kind not in ROLLED_OUT:
            return self.leave(one, f"a container of it runs, and nothing rolls {asker.ref}", stuck=bool(one.outdated))
        if not self.may(Action("patch", KINDS[asker.kind], asker.namespace, asker.name)):
            return self.leave(one, f"you may not patch {asker.ref}", stuck=bool(one.outdated))
        reason = f"a container of {one.target.name} runs, and --roll-running was given: all its pods are replaced"
        return Step("roll", asker, reason, asker, (one.uid,))

    def of_bare(self, one: Waiting) -> Step:
        if self.wishes.recreate_pods and (one.outdated or not one.tried_at_each_sync):
            if missing := self.may_not("delete", "create", kind="Pod", namespace=one.target.namespace):
                return self.leave(one, missing, stuck=bool(one.outdated))
            reason = one.outdated or f"only to skip its back-off{self.due(one)}"
            return Step("recreate", one.target, reason, one.asker, (one.uid,))
        if one.outdated:
            reason = f"nobody would make it again, and {one.outdated}: --recreate-pods saves it first"
            return self.leave(one, reason, stuck=True)
        return self.leave(one, f"nobody would make it again; {self.retry(one)}")

    def of_job(self, one: Waiting) -> Step:
        job = one.owners[0]
        if not one.outdated:
            return self.leave(one, f"to {job.ref} a deleted pod counts as a failure; {self.retry(one)}")
        if not self.wishes.recreate_pods:
            return self.leave(one, f"{one.outdated}: --recreate-pods saves {job.ref} and makes it again", stuck=True)
        running = [pod for pod in self.index.pods.values() if job in self.index.owners(pod) and runs(pod)]
        if running:
            names = ", ".join(pod["metadata"]["name"] for pod in running[:3])
            return self.leave(one, f"{one.outdated}, but a container of {job.ref} runs ({names})", stuck=True)
        if missing := self.may_not("delete", "create", kind="Job", namespace=job.namespace):
            return self.leave(one, missing, stuck=True)
        return Step("recreate", job, one.outdated, one.asker, (one.uid,))

    def of_controlled(self, one: Waiting) -> Step:
        controller = one.owners[0]
        if controller.kind not in KINDS:
            delete = self.commands(one).kubectl("delete", "pod", one.target.name)
            reason = f"whether {controller.ref} makes it again is not known here; if it does: {delete}"
            return self.leave(
                one, f"{one.outdated}; {reason}" if one.outdated else self.retry(one), stuck=bool(one.outdated)
            )
        if controller not in self.index.by_target:
            reason = f"{controller.ref}, which made it, was not found or may not be read: nobody may make it again"
            return self.leave(one, reason, stuck=bool(one.outdated))
        if not one.outdated and (self.wishes.keep_waiting_pods or one.tried_at_each_sync):
            return self.leave(one, self.retry(one))
        return self.replaced(one, one.outdated or f"only to skip its back-off{self.due(one)}")

    def replaced(self, one: Waiting, reason: str, *, after: float = 0.0) -> Step:
        """The step that deletes a pod which is made again, with regard to budgets where it ran before."""
        evict = one.ran
        action = Action("create" if evict else "delete", KINDS["Pod"], one.target.namespace, sub="eviction" if evict else "")
        if not self.may(action):
            helps = "" if one.outdated else f"; {self.retry(one)}"
            return self.leave(one, f"you are not allowed to {action}{helps}", stuck=bool(one.outdated))
        return Step("evict" if evict else "delete", one.target, reason, one.asker, (one.uid,), after)

    # Words

    def commands(self, one: Waiting) -> Commands:
        return Commands(one.target.namespace, tuple(self.report.context))

    def leave(self, one: Waiting, reason: str, *, stuck: bool = False) -> Step:
        return Step("leave", one.target, reason, one.asker, (one.uid,), stuck=stuck)

    def retry(self, one: Waiting) -> str:
        if one.tried_at_each_sync:
            return "the kubelet looks at it again every few seconds, without a back-off"
        return f"the kubelet tries again by itself{self.due(one) or ', at most 5 minutes later'}"

    def due(self, one: Waiting) -> str:
        left = one.next_try - self.now if one.next_try else None
        return f" (next try in {age(left)})" if left and left.total_seconds() >= 1 else ""

    def may_not(self, *verbs: str, kind: str, namespace: str) -> str:
        """What the user is not allowed to do, in words; empty where all is."""
        actions = [Action(verb, KINDS[kind], namespace) for verb in verbs]
        missing = [str(action) for action in actions if not self.may(action)]
        return f"you are not allowed to {missing[0]}" if missing else ""
