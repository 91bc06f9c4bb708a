"""--probe: which nodes try which Pull, what that entails, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Optional

from pullcore.answers import PRESENT
from pullcore.canary import REFUSED, Canary, Outcome
from pullcore.case import listed_as
from pullcore.cluster import Cluster
from pullcore.conversation import Conversation
from pullcore.diagnosis import Diagnosis, Report
from pullcore.errors import CommandError, few, one_line
from pullcore.evidence import Evidence
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.platforms import may_be_tried_on, misfits
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
    """What would be tried. sizes: by image, how many bytes nodes say that it has; pulls: tries that may have to pull; left:
    nodes on which nothing is tried, for no pod in question may run there."""

    tries: tuple[Try, ...]
    sizes: dict[str, int]
    pulls: tuple[Try, ...]
    left: tuple[str, ...] = ()

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
    nodes, held = _named(evidence, options), _held(evidence)
    tries: list[Try] = []
    pulls: list[Try] = []
    sizes: dict[str, int] = {}
    for one in report.pulls:
        if one.reference is None or _is_of_volume(one.pull):
            continue
        pull = one.pull
        there = held.get(listed_as(pull.image) or "", {})
        if size := max(there.values(), default=0):
            sizes[pull.image] = size
        policy = options.policy or pull.policy
        doubted = one.view is not None and one.view.manifest == PRESENT
        for node in nodes if options.nodes else _fitting(one, may_be_tried_on(pull, evidence, index)):
            tries.append(Try(pull, node, policy, doubted))
            if policy == "Always" or (policy == "IfNotPresent" and node["metadata"]["name"] not in there):
                pulls.append(tries[-1])
    tried = {one.node["metadata"]["name"] for one in tries}
    left = [node["metadata"]["name"] for node in evidence.nodes or () if node["metadata"]["name"] not in tried]
    return Plan(tuple(tries), sizes, tuple(pulls), () if options.nodes else tuple(left))


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
    with prober.telling_what_stays(talk.say):
        canaries = prober.probe(wanted.tries)
    return replace(evidence, canaries=tuple(canaries), observed_at=datetime.now(timezone.utc))


def entails(wanted: Plan) -> list[str]:
    """What a probe does, in words."""
    nodes = list(dict.fromkeys(one.node["metadata"]["name"] for one in wanted.tries))
    count = len(wanted.tries)
    some = f"{count} short-lived pod{'' if count == 1 else 's'}"
    lines = [
        f"Probing with {some} that run{'s' if count == 1 else ''} nothing, "
        f"on node{'' if len(nodes) == 1 else 's'} {_some(nodes)}"
    ]
    by_image: dict[str, int] = {}
    for one in wanted.pulls:
        by_image[one.pull.image] = by_image.get(one.pull.image, 0) + 1
    for image, times in by_image.items():
        size = f"{in_bytes(wanted.sizes[image])}" if image in wanted.sizes else "of unknown size"
        lines.append(f"  {one_line(image, 200)} ({size}) may be pulled by {times} node{'' if times == 1 else 's'}")
    policies = {one.policy for one in wanted.tries if one.policy != one.pull.policy}
    if wanted.left:
        lines.append(f"  not tried, for no such pod may run there: {_some(wanted.left)} (--nodes tries it all the same)")
    return [*lines, *([f"  {ALWAYS}"] if "Always" in policies else [])]


def _to_ask(wanted: Plan, *, scan: bool) -> str:
    """What the user has to agree to; empty where it is little, and named."""
    if wanted.pulls and wanted.bytes is None:
        return "the nodes may pull images of unknown size"
    if wanted.bytes and wanted.bytes > MUCH:
        return f"the nodes may pull up to {in_bytes(wanted.bytes)} in all"
    return "all that waits is probed" if scan else ""


def _some(names: Sequence[str]) -> str:
    return few([one_line(name, 80) for name in names], 5)


def _fitting(one: Diagnosis, nodes: list[Object]) -> list[Object]:
    """Those of the nodes that the image is built for, as far as that is known; all where it is built for none."""
    platforms = one.view.content.platforms if one.view and one.view.content else ()
    wrong = misfits(platforms, nodes) if platforms else []
    return [node for node in nodes if node not in wrong] or nodes


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


def _held(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Which nodes list an image, and how many bytes it has there, by the name under which they list it."""
    found: dict[str, dict[str, int]] = {}
    known: dict[str, Optional[str]] = {}
    for node in evidence.nodes or ():
        for image in node.get("status", {}).get("images", []):
            for name in image.get("names", []):
                if name not in known:
                    known[name] = listed_as(name)
                if key := known[name]:
                    found.setdefault(key, {})[node["metadata"]["name"]] = image.get("sizeBytes", 0)
    return found


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
