"""--probe: which nodes try which Pull, what that entails, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Optional

from pullcore.answers import PRESENT
from pullcore.canary import REFUSED, Canary, Outcome
from pullcore.case import node_views
from pullcore.cluster import Cluster
from pullcore.conversation import Conversation
from pullcore.diagnosis import Diagnosis, Report
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.platforms import may_be_tried_on
from pullcore.probe import Prober, Try
from pullcore.pull import Object, Pull
from pullcore.sizes import in_bytes
from pullcore.workload import Index

from pullcheck.options import ProbeOptions

MUCH = 10**9  # bytes, on all nodes together: from here on, and where it is not known, it is asked about
ALWAYS = (
    "policy Always has every kubelet ask the registry: where the tag has moved, it moves on the nodes, too; the image takes "
    "their disk; and from Kubernetes 1.35 on, a copy that was loaded there is no longer given to pods without credentials"
)


@dataclass(frozen=True)
class Plan:
    """What would be tried. sizes: by image, how many bytes nodes say that it has; pulls: tries that may have to pull."""

    tries: tuple[Try, ...]
    sizes: dict[str, int]
    pulls: tuple[Try, ...]

    @property
    def bytes(self) -> Optional[int]:
        """What has to be pulled by all nodes together, at most; None where that is not known."""
        sizes = [self.sizes.get(one.pull.image) for one in self.pulls]
        return None if None in sizes else sum(size for size in sizes if size)


def plan(report: Report, options: ProbeOptions) -> Plan:
    """Each Pull with each node that may run it, or that is named; not a name that is none, which needs no trying, nor an
    image volume, which may be no image of a program. Raises CommandError for a node that is not there, and where the nodes
    are not known."""
    evidence, index = report.evidence, Index(report.evidence)
    nodes = _named(evidence, options)
    tries: list[Try] = []
    pulls: list[Try] = []
    for one in report.pulls:
        if one.reference is None or _is_of_volume(one.pull):
            continue
        pull = one.pull
        there = {view.name for view in node_views(pull.image, (), evidence) if view.present}
        policy = options.policy or pull.policy
        doubted = one.view is not None and one.view.manifest == PRESENT
        for node in nodes if options.nodes else may_be_tried_on(pull, evidence, index):
            tries.append(Try(pull, node, policy, doubted))
            if policy == "Always" or (policy == "IfNotPresent" and node["metadata"]["name"] not in there):
                pulls.append(tries[-1])
    return Plan(tuple(tries), _sizes(report.pulls, evidence), tuple(pulls))


def probe(report: Report, options: ProbeOptions, cluster: Cluster, talk: Conversation, *, scan: bool) -> Evidence:
    """The report's evidence with what the nodes made of trying. Raises CommandError where that is not allowed, or not
    wanted."""
    evidence = report.evidence
    wanted = plan(report, options)
    if not wanted.tries:
        talk.say("Nothing to probe: no image of a container is in question, or no node may run it.")
        return evidence
    prober = Prober(cluster, options.parallelism, options.timeout, _teller(talk, len(wanted.tries)))
    namespaces = sorted({one.pull.namespace for one in wanted.tries})
    if options.dry_run != "none":
        _show(prober, wanted, options, talk)
        return evidence
    pod = KINDS["Pod"]
    demand(cluster, [Action(verb, pod, namespace) for namespace in namespaces for verb in ("create", "get", "delete")])
    for line in entails(wanted):
        talk.say(line)
    if reason := _to_ask(wanted, scan=scan):
        talk.confirm(reason, yes=options.yes)
    if left := prober.clear_earlier(namespaces):
        talk.say(f"Removed {left} canar{'y' if left == 1 else 'ies'} that an earlier run left")
    canaries = prober.probe(wanted.tries)
    return replace(evidence, canaries=tuple(canaries), observed_at=datetime.now(timezone.utc))


def entails(wanted: Plan) -> list[str]:
    """What a probe does, in words."""
    nodes = list(dict.fromkeys(one.node["metadata"]["name"] for one in wanted.tries))
    count = len(wanted.tries)
    shown = ", ".join(one_line(name, 80) for name in nodes[:5]) + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")
    some = f"{count} short-lived pod{'' if count == 1 else 's'}"
    lines = [
        f"Probing with {some} that run{'s' if count == 1 else ''} nothing, on node{'' if len(nodes) == 1 else 's'} {shown}"
    ]
    by_image: dict[str, int] = {}
    for one in wanted.pulls:
        by_image[one.pull.image] = by_image.get(one.pull.image, 0) + 1
    for image, times in by_image.items():
        size = f"{in_bytes(wanted.sizes[image])}" if image in wanted.sizes else "of unknown size"
        lines.append(f"  {one_line(image, 200)} ({size}) may be pulled by {times} node{'' if times == 1 else 's'}")
    policies = {one.policy for one in wanted.tries if one.policy != one.pull.policy}
    return [*lines, *([f"  {ALWAYS}"] if "Always" in policies else [])]


def _to_ask(wanted: Plan, *, scan: bool) -> str:
    """What the user has to agree to; empty where it is little, and named."""
    if wanted.pulls and wanted.bytes is None:
        return "the nodes may pull images of unknown size"
    if wanted.bytes and wanted.bytes > MUCH:
        return f"the nodes may pull up to {in_bytes(wanted.bytes)} in all"
    return "all that waits is probed" if scan else ""


def _is_of_volume(pull: Pull) -> bool:
    return all(source.path.endswith(".image.reference") for source in pull.sources)


def _named(evidence: Evidence, options: ProbeOptions) -> list[Object]:
    known = {node["metadata"]["name"]: node for node in evidence.nodes or ()}
    missing = [name for name in options.nodes if name not in known]
    if evidence.nodes is not None and missing:
        raise CommandError(f'nodes "{one_line(missing[0], 100)}" not found: nothing was probed')
    if evidence.nodes is None and not options.nodes:
        raise CommandError("the nodes can't be listed, so that they have to be named: --nodes=NAME,NAME")
    return [known.get(name) or {"metadata": {"name": name}} for name in options.nodes]


def _sizes(explained: Sequence[Diagnosis], evidence: Evidence) -> dict[str, int]:
    """The sizes of images as the nodes that have them tell."""
    found: dict[str, int] = {}
    for pull in (one.pull for one in explained):
        for node in evidence.nodes or ():
            for image in node.get("status", {}).get("images", []):
                only = {**node, "status": {**node["status"], "images": [image]}}
                if image.get("sizeBytes") and _lists(pull, only, evidence):
                    found[pull.image] = max(found.get(pull.image, 0), image["sizeBytes"])
    return found


def _lists(pull: Pull, node: Object, evidence: Evidence) -> bool:
    return any(view.present for view in node_views(pull.image, (), replace(evidence, nodes=(node,))))


def _show(prober: Prober, wanted: Plan, options: ProbeOptions, talk: Conversation) -> None:
    for line in entails(wanted):
        talk.say(line)
    if options.dry_run == "server":
        for one, canary in zip(wanted.tries, prober.check(wanted.tries)):
            talk.say(f"  {one_line(one.pull.image, 200)} on {one_line(canary.node, 80)}: {canary.why}")
    talk.say(f"Nothing was probed ({options.dry_run} dry run)")


def _teller(talk: Conversation, total: int) -> Callable[[Canary, Outcome], None]:
    """Says how each node did, as they come."""
    done = 0

    def tell(canary: Canary, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        word = "refused" if outcome.result == REFUSED else ""
        text = f"{word}: {outcome.text}" if word else outcome.text
        talk.say(f"[{done}/{total}] {canary.asked[0]} on {outcome.node}: {one_line(text, 300)}")

    return tell
