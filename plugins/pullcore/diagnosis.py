"""Evidence to Findings and verdicts. Pure: the same evidence gives the same diagnosis, here or anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Optional

from pullcore import canary, kubelet
from pullcore.answers import PRESENT
from pullcore.attachment import LIST_PATHS
from pullcore.canary import Outcome
from pullcore.case import Case, Finding, Nodes, NodeView, Said, node_sources
from pullcore.causes import CAUSES
from pullcore.evidence import Evidence, NotChecked
from pullcore.findings import OBJECT_RULES, SIDE_RULES
from pullcore.fixes import Commands
from pullcore.keyring import LookUp, look_up
from pullcore.kubelet import KubeletWord, was_pulled
from pullcore.platforms import may_be_tried_on
from pullcore.pull import ContainerUse, Object, Pull, Target
from pullcore.reference import InvalidReference, Reference, parse
from pullcore.refusals import refusals, settle
from pullcore.registry_findings import merged
from pullcore.registry_view import View, view
from pullcore.remedies import and_repull, or_supply, recreate, rolls_servers, set_image
from pullcore.weblogic import own_image
from pullcore.workload import Index, is_stopped_workload, pulls, target_of

PULLABLE, BLOCKED, UNKNOWN = "pullable", "blocked", "unknown"
NO_REFERENCE = Reference("", "", None, None)  # of an image whose name is none
SECRET_FAULTS = frozenset(("secret-missing", "secret-ignored", "key-mismatch"))


class Diagnosis(NamedTuple):
    """One Pull, explained. `findings[0]` is the primary cause; `reference`, `lookup` are None for an invalid name."""

    pull: Pull
    verdict: str
    findings: tuple[Finding, ...]
    reference: Optional[Reference] = None
    lookup: Optional[LookUp] = None
    said: tuple[Said, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    node_sources: str = "unlikely"
    list_is_unknown: bool = False  # the pod does not exist yet, and its service account could not be read
    view: Optional[View] = None  # what the registry says, where it was asked
    probes: tuple[Outcome, ...] = ()  # what came of canaries


@dataclass(frozen=True)
class Report:
    """The diagnosis of everything that was asked for; `verdict` is the worst of its Pulls."""

    verdict: str
    targets: tuple[Target, ...]
    pulls: tuple[Diagnosis, ...]
    notes: tuple[str, ...]
    not_checked: tuple[NotChecked, ...]
    evidence: Evidence
    context: tuple[str, ...] = ()  # words that reach the same cluster


def diagnose(evidence: Evidence, context: Sequence[str] = ()) -> Report:
    """Explains every Pull of the evidence. `context`: words that reach the same cluster, for the commands that mend."""
    index = Index(evidence)
    nodes = Nodes(evidence.nodes or ())
    explained = [_explain(pull, index, nodes, evidence, tuple(context)) for pull in pulls(evidence)]
    if evidence.waiting_only:
        explained = [one for one in explained if one.said or one.probes or (one.verdict == BLOCKED and one.pull.live)]
    explained.sort(key=lambda one: (BLOCKED, UNKNOWN, PULLABLE).index(one.verdict))
    notes = (*evidence.notes, *_notes(evidence, explained, tuple(context)))
    return Report(
        worst(explained), evidence.targets, tuple(explained), notes, evidence.not_checked, evidence, tuple(context)
    )


def worst(explained: Sequence[Diagnosis]) -> str:
    """The verdict of several Pulls: that of the worst."""
    verdicts = {one.verdict for one in explained}
    return BLOCKED if BLOCKED in verdicts else UNKNOWN if UNKNOWN in verdicts else PULLABLE


def _explain(pull: Pull, index: Index, of_cluster: Nodes, evidence: Evidence, context: tuple[str, ...]) -> Diagnosis:
    probes = canary.of_pull(pull, evidence.canaries, evidence.observed_at)
    words = _words(pull, index, evidence, probes)
    commands = Commands(pull.namespace, context)
    try:
        reference = parse(pull.image)
    except InvalidReference as error:
        said = tuple(Said(use, word, word.cause) for use, word in words)
        case = Case(pull, NO_REFERENCE, said, LookUp(), (), evidence, index, commands)
        return Diagnosis(pull, BLOCKED, (_invalid_name(error, case),), said=said)
    lookup = look_up(reference, pull.secrets, index.secrets.get(pull.namespace, {}))
    nodes = of_cluster.views(pull.image, words)
    words += _refused_probes(pull, probes, nodes)
    sources = node_sources(reference.registry, evidence)
    case = Case(pull, reference, (), lookup, nodes, evidence, index, commands, probes=probes)
    seen = view(reference, lookup, pull.policy, evidence.registries, unsure=case.list_is_unknown)
    proven = seen is not None and seen.proven
    said = tuple(settle(use, word, reference, lookup, nodes, sources, proven=proven) for use, word in words)
    settled = {one.use: one.cause for one in said if one.use}
    probes = tuple(one._replace(cause=settled.get(one.use, one.cause)) if one.use else one for one in probes)
    case = replace(case, said=said, view=seen, probes=probes)
    findings = _findings(case)
    return Diagnosis(
        pull, _verdict(case, findings), findings, reference, lookup, said, nodes, sources, case.list_is_unknown, seen, probes
    )


def _words(
    pull: Pull, index: Index, evidence: Evidence, probes: Sequence[Outcome]
) -> list[tuple[Optional[ContainerUse], KubeletWord]]:
    """What the kubelet says about this Pull: by its containers, or by the Domain where the pod is gone between two tries.
    What it said before a canary got the same on its node does not count any more."""
    mended = {one.node for one in probes if one.proves(pull)}
    said: list[tuple[Optional[ContainerUse], KubeletWord]] = []
    for use in pull.containers:
        pod = index.pods.get(use.pod_uid)
        events = index.events.get(use.pod_uid, [])
        if use.node not in mended and pod and (word := kubelet.word(use, pod, pull.image, events, evidence.observed_at)):
            said.append((use, word))
    if said or (mended and mended.issuperset(_names(may_be_tried_on(pull, evidence, index)))):
        return said
    for target in dict.fromkeys(source.target for source in pull.sources if source.target.kind == "Domain"):
        domain = index.by_target.get(target)
        spoken = kubelet.domain_word(domain, list(evidence.events), evidence.observed_at) if domain else None
        # v8 says it of the introspector's container without naming an image: that one runs the Domain's own.
        if domain and spoken and (spoken.image or own_image(domain)) == pull.image:
            return [(None, spoken.word)]
    return said


def _refused_probes(
    pull: Pull, probes: Sequence[Outcome], nodes: Sequence[NodeView]
) -> list[tuple[Optional[ContainerUse], KubeletWord]]:
    """What kubelets said to canaries that asked for just this. With another policy than the Pull's own they tell of it only
    where they went to the registry, as its pods would, for no copy is there."""
    there = {node.name for node in nodes if node.present} | {use.node for use in pull.containers if was_pulled(use)}

    def tells(one: Outcome) -> bool:
        goes_too = one.policy == "Always" and pull.policy == "IfNotPresent" and one.node not in there
        return one.as_asked and (one.policy == pull.policy or goes_too)

    return [(one.use, one.word) for one in probes if one.word and tells(one)]


def _names(nodes: Sequence[Object]) -> set[str]:
    return {node["metadata"]["name"] for node in nodes}


def _invalid_name(error: InvalidReference, case: Case) -> Finding:
    fix = set_image(case, error.suggestion or "REGISTRY/REPOSITORY:TAG")
    return Finding(
        "invalid-name",
        "error",
        f"{CAUSES['invalid-name'].title}: {error}",
        evidence=tuple(dict.fromkeys(one.word.message for one in case.said if one.word.message)),
        fix=fix,
        containers=tuple(use.ref for use in case.pull.containers),
        notes=(f"did you mean {error.suggestion}?",) if error.suggestion and not fix else (),
    )


def _findings(case: Case) -> tuple[Finding, ...]:
    """All findings, the primary cause first: an error that the objects prove, then the kubelet's own class, the rest."""
    objects = [finding for rule in OBJECT_RULES if (finding := rule(case))]
    proven = [finding for finding in objects if finding.severity == "error"]
    named = {finding.cause for finding in proven}
    heard = [finding for finding in merged(refusals(case), case) if finding.cause not in named]
    said = [finding for finding in heard if finding.severity == "error"]
    if any(finding.fix for finding in proven):  # one remedy is enough: that of the proven cause
        said = [finding._replace(fix=()) for finding in said]
    if waits := _next_try(case):
        heard.append(waits)
    rest = [finding for finding in (*objects, *heard) if finding.severity != "error"]
    sides = [finding for rule in SIDE_RULES if (finding := rule(case))]
    containers = tuple(dict.fromkeys(one.use.ref for one in case.said if one.use))
    by_cause: dict[str, Finding] = {}
    for finding in (*proven, *said, *rest, *sides):
        by_cause.setdefault(finding.cause, finding)  # what is told already is not told again
    return tuple(_completed(finding, containers, case) for finding in by_cause.values())


def _next_try(case: Case) -> Optional[Finding]:
    """A word for pods that still wait although their nodes can get the image by now."""
    if case.failing or not case.proven_by_nodes or not case.waiting_pods:
        return None
    commands = ", ".join(recreate(case))
    at_once = f"; at once: {commands}" if commands else ""
    return Finding("backoff-only", "info", f"what waits was refused before, and gets it at its next try{at_once}")


def _completed(finding: Finding, containers: tuple[str, ...], case: Case) -> Finding:
    """A finding with what is the same for all: the containers of an error, and a word on what its commands entail."""
    if finding.severity == "error":
        finding = finding._replace(fix=or_supply(finding.cause, and_repull(finding.fix, case), case))
    if rolled := rolls_servers(finding.fix, case):
        finding = finding._replace(summary=f"{finding.summary} (mending it rolls the running servers of {rolled})")
    if finding.severity == "error" and not finding.containers:
        finding = finding._replace(containers=containers)
    return finding


def _verdict(case: Case, findings: Sequence[Finding]) -> str:
    """The kubelet's refusal blocks; so does what the objects prove against a pull that nobody has tried. A pull that was not
    tried can't be judged where its secrets could not be read, or where they are at fault and nodes may have their own."""
    if case.failing or any(finding.severity == "error" for finding in findings):
        return BLOCKED
    if any(not one.good for one in case.probes):  # all nodes that were asked have to get it
        return UNKNOWN
    if not case.untried:
        return PULLABLE
    namespace = case.pull.namespace
    unread = {f"secrets in {namespace}"} if case.lookup.unread else set()
    unread |= {f"service accounts in {namespace}"} if case.list_is_unknown else set()
    refused = any(not one.excused and one.what in unread for one in case.evidence.not_checked)
    doubtful = case.node_sources == "possible" and any(finding.cause in SECRET_FAULTS for finding in findings)
    given = case.view is not None and case.view.manifest == PRESENT
    if not case.lookup.attempts and not given and (refused or doubtful):
        return UNKNOWN
    at_hand = case.at_hand and not case.copies_are_checked
    if (case.pull.policy == "Never" and case.evidence.nodes) or case.lookup.blocked:
        return PULLABLE if at_hand else UNKNOWN
    if case.view is None or (given and case.view.reach.vouched):
        return PULLABLE
    return PULLABLE if at_hand else UNKNOWN


def _notes(evidence: Evidence, explained: Sequence[Diagnosis], context: tuple[str, ...]) -> list[str]:
    """An info line for each target without pods: what is said of it comes from its spec."""
    assumed = ", ".join(evidence.what_if)
    notes = [f"this is what would be if secret {assumed} were used, too; what kubelets say of today's pods is left out"]
    notes = notes if assumed else []
    for target in evidence.targets if assumed and worst(explained) == PULLABLE else ():
        if target.kind in LIST_PATHS:
            commands = Commands(target.namespace, context)
            notes += [f"to have it used: {commands.attach_secret(target, name)}" for name in evidence.what_if]
    with_pods = {use.asker for one in explained for use in one.pull.containers}
    for value in evidence.objects:
        target = target_of(value)
        if target not in evidence.targets or target in with_pods or evidence.what_if or target.kind == "Image":
            continue
        if is_stopped_workload(value):
            notes.append(f"{target.ref} is stopped: its images are judged by its spec")
        else:
            notes.append(f"{target.ref} has no pods: its images are judged by its spec")
    return notes
