"""Carries out a plan: each step against the very object that was seen; where it is another by now, it is looked at again.

Nothing is deleted that started in the meantime, and what somebody else has done already is done.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Optional

from pullcore.apierrors import ApiError, Conflict, NotFound, Unauthorized, Unreachable
from pullcore.errors import CommandError, few, one_line
from pullcore.kinds import KINDS
from pullcore.ownership import keeper_of
from pullcore.prune import prune_object
from pullcore.pull import Object, Target
from pullcore.workload import Index, runs, target_of

from repull import patches
from repull.lastresort import recreate_domain
from repull.remake import recreate
from repull.session import Session
from repull.steps import TRIES, Step

SHOWN = 10  # of what was done and what was not
INVALID = 422  # what the API answers to a patch whose test fails


class Actions:
    """Does the steps. Each method gives the step as it turned out: a pod that was better left is a "leave" with a reason."""

    def __init__(self, session: Session, index: Index) -> None:
        self.session = session
        self.index = index
        self.failed: list[tuple[Step, Step]] = []  # as planned, and as it turned out
        self.locked_out = False  # the credentials are refused, so that nothing can be waited for either

    def carry_out(self, steps: Sequence[Step]) -> list[Step]:
        """Does the steps one after the other; what is refused stops only its own object. Once nobody answers, or the
        credentials are refused, the rest is not tried."""
        turned_out, over = [], ""
        for step in steps:
            try:
                turned_out.append(self._failed(step, over) if over else self.do(step))
            except CommandError as error:
                turned_out.append(self._failed(step, str(error)))
                if isinstance(error, (Unauthorized, Unreachable)):
                    over, self.locked_out = str(error), isinstance(error, Unauthorized)
        return turned_out

    def _failed(self, step: Step, why: str) -> Step:
        """A step that failed: a "leave" that says why, and is kept in `failed`."""
        left = replace(step, do="leave", reason=why.removeprefix("error: "), after=0.0, stuck=True)
        self.failed.append((step, left))
        return left

    def conclude(self) -> None:
        """Raises CommandError that says what was done and what was not, where a step failed."""
        if not self.failed:
            return
        by_reason: dict[str, list[str]] = {}
        for step, turned_out in self.failed:
            by_reason.setdefault(turned_out.reason, []).append(f"{step.do} {step.target.ref}")
        left = "; ".join(f"{reason}; not done: {few(steps, SHOWN)}" for reason, steps in list(by_reason.items())[:SHOWN])
        done = self.session.changes.done
        raise CommandError(
            f"{left}{'; ...' if len(by_reason) > SHOWN else ''}{f'; done: {few(done, SHOWN)}' if done else ''}"
        )

    def do(self, step: Step) -> Step:
        does: dict[str, Callable[[Step], Step]] = {
            "delete": self.remove_pod,
            "evict": self.remove_pod,
            "evict-running": self.remove_pod,
            "delete-job": self.delete_job,
            "introspect": self.introspect,
            "restart-server": self.restart_server,
            "roll": self.roll,
            "recreate-domain": lambda one: recreate_domain(one, self.session),
            "recreate": lambda one: recreate(one, self.session, self.index),
        }
        return does[step.do](step) if step.do in does else step

    # Pods that are made again by others

    def remove_pod(self, step: Step) -> Step:
        value: Optional[Object] = self.index.pods.get(step.pods[0])
        for _ in range(TRIES):
            if value is None or value["metadata"].get("uid") not in step.pods:
                self.session.say(f"{step.target.ref} is gone already")
                return step
            if "deletionTimestamp" in value["metadata"]:
                self.session.say(f"{step.target.ref} is being deleted already")
                return step
            if runs(value) and step.do != "evict-running":
                return self.left(step, "a container of it runs by now")
            try:
                # A pod that ran before is evicted, whatever it looked like when the plan was made.
                if step.do != "delete" or value.get("status", {}).get("phase") == "Running":
                    self.session.changes.evict(value)
                else:
                    self.session.changes.delete(KINDS["Pod"], value)
                return step
            except NotFound as error:
                if not error.names_object:
                    raise
                value = None
            except Conflict:
                value = self.again(step.target)
            except ApiError as error:
                if not error.is_budget:
                    raise
                return self.left(step, f"a disruption budget forbids to evict it now: {_told(error)}")
        raise CommandError(f"{step.target.ref} changes faster than it can be deleted: run this again")

    def left(self, step: Step, reason: str) -> Step:
        self.session.say(f"left {step.target.ref}: {reason}")
        return replace(step, do="leave", reason=reason, after=0.0)

    def again(self, target: Target) -> Optional[Object]:
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 - two who collide must not do so again
        value = self.session.whole(target)
        return value and prune_object(value)

    def delete_job(self, step: Step) -> Step:
        seen = self.index.by_target.get(step.target, {}).get("metadata", {}).get("uid")
        for _ in range(TRIES):
            job = self.session.whole(step.target)
            if job is None or job["metadata"]["uid"] != seen:
                self.session.say(f"{step.target.ref} was made anew already")
                return step
            if self.runs_by_now(step):
                return self.left(step, "its introspector runs by now")
            try:
                # Without a word on its pods, the API would leave them behind (batch/v1, DefaultGarbageCollectionPolicy).
                self.session.changes.delete(KINDS["Job"], job, propagation="Background")
                return step
            except (Conflict, NotFound):
                continue
        raise CommandError(f"{step.target.ref} changes faster than it can be deleted: run this again")

    def runs_by_now(self, step: Step) -> bool:
        """Whether a pod that a step is about has got its image meanwhile."""
        known = (self.index.pods[uid] for uid in step.pods if uid in self.index.pods)
        now = [self.session.whole(target_of(pod)) for pod in known]
        return any(pod and pod["metadata"]["uid"] in step.pods and runs(pod) for pod in now)

    # What a controller does on a word

    def introspect(self, step: Step) -> Step:
        return self.patched(step, patches.introspect, "spec.introspectVersion", _in_spec("introspectVersion"))

    def restart_server(self, step: Step) -> Step:
        name = self.index.pods[step.pods[0]]["metadata"]["name"]
        pod = self.session.whole(Target("Pod", step.target.namespace, name))
        if pod is None or pod["metadata"]["uid"] not in step.pods:
            self.session.say(f"pod/{name} is gone already")
            return step
        if runs(pod):
            return self.left(step, f"a container of pod/{name} runs by now")
        admin = patches.is_admin(pod, step.server)
        patch, version = patches.restart_server(step.server, admin=admin), _of_server(step.server, admin=admin)
        return self.patched(step, patch, f"restartVersion of {step.server}", version)

    def roll(self, step: Step) -> Step:
        if step.target.kind in ("Domain", "Cluster"):
            return self.patched(step, patches.restart, "spec.restartVersion", _in_spec("restartVersion"))
        restart = patches.rollout_restart(self.session.now())
        return self.patched(step, restart, "spec.template", _in_spec("template"))

    def patched(self, step: Step, patch: patches.Patch, what: str, look: Callable[[Object], object]) -> Step:
        """Patches an object that others write to at the same time. look: at what must not have been changed since the plan
        was made, named `what`."""
        kind, first = KINDS[step.target.kind], None
        planned = self.index.by_target.get(step.target)
        for _ in range(TRIES):
            value = self.session.whole(step.target)
            if value is None:
                raise CommandError(f"{step.target.ref} is not there any more")
            if first is None and (planned is None or look(prune_object(value)) == look(planned)):
                first = value
                if keeper := keeper_of(value):
                    self.session.say(f"Warning: {keeper} keeps {step.target.ref}, and may undo this: change it there, too")
            elif first is None or look(value) != look(first):
                self.session.say(f"somebody changed {what} of {step.target.ref} just now: that does it")
                return step
            operations = patch(value)
            try:
                self.session.changes.patch(kind, value, operations, value)
                return step
            except ApiError as error:
                if error.status not in (409, INVALID):
                    raise
                fresh = self.session.whole(step.target)
                same = fresh and fresh["metadata"]["resourceVersion"] == value["metadata"]["resourceVersion"]
                if error.status == INVALID and same:
                    raise  # nobody else wrote to it: the server does not take the change itself
            time.sleep(random.uniform(0, 0.1))  # noqa: S311
        raise CommandError(f"{step.target.ref} changes faster than it can be patched: run this again")


def _in_spec(field: str) -> Callable[[Object], object]:
    return lambda value: value.get("spec", {}).get(field)


def _of_server(server: str, *, admin: bool) -> Callable[[Object], object]:
    """The restartVersion of one server of a Domain."""

    def look(value: Object) -> object:
        spec = value.get("spec", {})
        servers = spec.get("managedServers") or ()
        own = [spec.get("adminServer") or {}] if admin else [one for one in servers if one.get("serverName") == server]
        return [one.get("restartVersion") for one in own]

    return look


def _told(error: ApiError) -> str:
    """What the API server tells of a budget: which, and how many pods it wants."""
    causes = [one.get("message") for one in error.details.get("causes") or () if isinstance(one, dict)]
    return one_line("; ".join(filter(None, causes)) or error.message, 300)
