"""What will be done, one step a line, each with its reason: the least that brings each object back. Pure.

A step deletes nothing in which a regular container runs, and nothing that nobody would make again: that takes an option.
"""

from __future__ import annotations

from pullcore.diagnosis import Report
from pullcore.kubelet import is_aborted
from pullcore.pull import Object, Target
from pullcore.weblogic import SERVER_LABEL
from pullcore.workload import Index

from repull.domain_plan import of_domain
from repull.pod_plan import Planner
from repull.steps import Step, merged
from repull.waiting import Waiting, waiting_pods


def steps(planner: Planner) -> list[Step]:
    """The steps for all that waits in a report, and for Domains whose introspector does not come up."""
    by_asker: dict[Target, list[Waiting]] = {}
    for one in waiting_pods(planner.report, planner.index):
        if not one.going:
            by_asker.setdefault(one.asker, []).append(one)
    for domain in _failed_domains(planner.report, planner.index):
        by_asker.setdefault(domain, [])
    found: list[Step] = []
    for asker, pods in by_asker.items():
        if asker.kind == "Domain" and asker in planner.index.by_target:
            found += of_domain(planner, asker, pods)
        else:
            found += [step for one in pods for step in planner.of_pod(one)]
    return merged(found)


def _failed_domains(report: Report, index: Index) -> list[Target]:
    """Domains whose introspector could not get an image, or that were given up, also where no pod waits just now."""
    said = {
        source.target
        for one in report.pulls
        if any(said.use is None for said in one.said)
        for source in one.pull.sources
        if source.target.kind == "Domain"
    }
    said -= {index.owners(pod)[-1] for pod in index.pods.values() if _introspects(pod, index)}
    aborted = {target for target, value in index.by_target.items() if target.kind == "Domain" and is_aborted(value)}
    # Given up for other reasons than images, it is nothing of ours, unless it was named.
    return sorted(said | {one for one in aborted if one in report.targets})


def _introspects(pod: Object, index: Index) -> bool:
    """Whether it is an introspector on its way: what the Domain reports is of the one before."""
    owners = index.owners(pod)
    metadata = pod["metadata"]
    another = "deletionTimestamp" in metadata or SERVER_LABEL in metadata.get("labels", {})
    under_way = pod.get("status", {}).get("phase") in ("Pending", "Running")
    return bool(under_way and not another and owners and owners[-1].kind == "Domain")
