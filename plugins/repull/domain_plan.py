"""The steps for a WebLogic Domain. What the operator does by itself, and when, decides: pure.

Sources: the operator's JobHelper.isOutdated (a stuck introspector is replaced early only where an image or introspectVersion
changed), its documentation "Restarting" and "Retry", and the fields that roll servers (pod recipe).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pullcore.kinds import KINDS
from pullcore.kubelet import is_aborted
from pullcore.permissions import Action
from pullcore.pull import Object, Target
from pullcore.weblogic import CLUSTER_LABEL, INTROSPECT_LABEL, clusters_named
from pullcore.workload import target_of

from repull.pod_plan import Planner
from repull.steps import GRACE, Step
from repull.waiting import Waiting

BY_ITSELF = "the operator introspects again by itself, every 2 minutes by default"


def of_domain(planner: Planner, domain: Target, pods: Sequence[Waiting]) -> list[Step]:
    """The steps for a Domain and those of its pods that wait."""
    introspectors = [one for one in pods if not one.server]
    servers = [one for one in pods if one.server]
    value = planner.index.by_target[domain]
    steps: list[Step] = []
    if introspectors or not servers or is_aborted(value):
        steps.append(_introspection(planner, domain, value, introspectors))
    return [*steps, *(_of_server(planner, domain, one) for one in servers)]


def _introspection(planner: Planner, domain: Target, value: Object, pods: Sequence[Waiting]) -> Step:
    uids = tuple(one.uid for one in pods)
    aborted = is_aborted(value)
    changed = next((one.outdated for one in pods if one.outdated), "")
    keep = planner.wishes.keep_waiting_pods and not changed
    if pods and all(one.tried_at_each_sync for one in pods) and not changed and not aborted:
        return planner.leave(pods[0], planner.retry(pods[0]))
    if _is_asked_for(planner, value, pods):
        return Step("superseded", domain, "its operator was told already to introspect it anew", domain, uids)
    after = 0.0
    if aborted:
        reason = "the operator has given up, and tries again only then"
    elif keep:
        return Step("leave", domain, BY_ITSELF, domain, uids)
    elif pods and all(one.other_image for one in pods):
        after, reason = GRACE, f"{changed}, and the operator has not made it anew"
    elif changed:
        reason = f"{changed}, and the operator does not make a stuck introspector anew for that"
    else:
        reason = "only to skip the wait for the next introspection"
    if planner.may(Action("patch", KINDS["Domain"], domain.namespace, domain.name)):
        return Step("introspect", domain, reason, domain, uids, after)
    job = _job_of(pods)
    if job and not aborted and planner.may(Action("delete", KINDS["Job"], domain.namespace)):
        return Step("delete-job", job, f"{reason}; the operator makes it again", domain, uids, after)
    refused = f"you are not allowed to patch {domain.ref}"
    refused += f", or to delete jobs in {domain.namespace}" if job and not aborted else ""
    waits = "" if aborted else f"; {BY_ITSELF}"
    do = "superseded" if changed and not aborted else "leave"  # a pod that the operator makes anew asks for something else
    return Step(do, domain, refused + waits, domain, uids, stuck=aborted)


def _is_asked_for(planner: Planner, value: Object, pods: Sequence[Waiting]) -> bool:
    """Whether the operator has yet to see a new introspectVersion: it writes the one that it works for on the Job."""
    job = planner.index.by_target.get(_job_of(pods) or target_of(value), {})
    made_for = job.get("metadata", {}).get("labels", {}).get(INTROSPECT_LABEL)
    return made_for is not None and made_for != value.get("spec", {}).get("introspectVersion")


def _job_of(pods: Sequence[Waiting]) -> Optional[Target]:
    owners = [one.owners[0] for one in pods if one.owners and one.owners[0].kind == "Job"]
    return owners[0] if owners else None


def _of_server(planner: Planner, domain: Target, one: Waiting) -> Step:
    if one.runs:
        return _of_running_server(planner, domain, one)
    after, reason = 0.0, one.outdated or f"only to skip its back-off{planner.due(one)}"
    if one.outdated and one.by_spec:
        after, reason = GRACE, f"{one.outdated}, and the operator has not rolled it"
    elif not one.outdated and (planner.wishes.keep_waiting_pods or one.tried_at_each_sync):
        return planner.leave(one, planner.retry(one))
    step = planner.replaced(one, reason, after=after)
    if step.do != "leave" or not one.outdated:
        return step
    if planner.may(Action("patch", KINDS["Domain"], domain.namespace, domain.name)):
        reason = f"{reason}; you may not delete the pod, the operator may"
        return Step("restart-server", domain, reason, domain, (one.uid,), after, server=one.server)
    return _rolled_by_itself(domain, one) if one.by_spec else step


def _rolled_by_itself(domain: Target, one: Waiting) -> Step:
    return Step("superseded", one.target, f"{one.outdated}, and the operator rolls it by itself", domain, (one.uid,))


def _of_running_server(planner: Planner, domain: Target, one: Waiting) -> Step:
    if one.outdated and one.by_spec:
        return _rolled_by_itself(domain, one)
    if not planner.wishes.roll_running:
        return planner.of_running(one)
    name = one.pod["metadata"].get("labels", {}).get(CLUSTER_LABEL, "")
    cluster = _cluster(planner, domain, name)
    target = target_of(cluster) if cluster else domain
    if not planner.may(Action("patch", KINDS[target.kind], target.namespace, target.name)):
        return planner.leave(one, f"you may not patch {target.ref}", stuck=bool(one.outdated))
    reason = f"a container of {one.target.name} runs, and --roll-running was given: its servers restart one by one"
    return Step("roll", target, reason, domain, (one.uid,))


def _cluster(planner: Planner, domain: Target, name: str) -> Optional[Object]:
    """The Cluster resource (v9) of a server's WebLogic cluster, so that only its servers are rolled."""
    referred = clusters_named(planner.index.by_target[domain])
    for value in planner.index.clusters:
        own = value["metadata"]["name"]
        if own in referred and name and name == (value.get("spec", {}).get("clusterName") or own):
            return value
    return None
