"""One Pull as steps in the order of the pull: reference, nodes, credentials, registry, manifest, kubelet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pullcore.answers import PRESENT, UNKNOWN
from pullcore.canary import REFUSED, Outcome
from pullcore.canary import UNKNOWN as UNTRIED
from pullcore.case import Said
from pullcore.causes import CAUSES
from pullcore.diagnosis import BLOCKED, Diagnosis
from pullcore.evidence import Evidence
from pullcore.keyring import LookUp
from pullcore.reference import Reference
from pullcore.registry_findings import left
from pullcore.registry_view import View
from pullcore.times import age
from pullcore.workload import waits_for_image

MAX_LINES = 12  # of detail below one step


class Step(NamedTuple):
    """`mark`: ok, bad, warn, or none for what was not looked at. `lines` are details: columns, or running text."""

    name: str
    mark: str
    text: str
    lines: tuple[tuple[str, ...], ...] = ()


def steps(one: Diagnosis, evidence: Evidence) -> list[Step]:
    """The steps of one Pull. After a name that is no reference nothing further can be looked at."""
    if one.reference is None:
        return [Step("reference", "bad", one.findings[0].summary, _places(one)), *_kubelet(one, evidence)]
    return [
        _reference(one.reference, _places(one)),
        _nodes(one),
        _credentials(one, one.lookup or LookUp()),
        *_registry(one, evidence),
        *_kubelet(one, evidence),
        *_probe(one),
    ]


def _places(one: Diagnosis) -> tuple[tuple[str, ...], ...]:
    """Where an image that can't be pulled is written, for that is what people have to find."""
    if one.verdict != BLOCKED:
        return ()
    return tuple((source.target.ref, source.path) for source in one.pull.sources[:MAX_LINES])


def _reference(reference: Reference, places: tuple[tuple[str, ...], ...]) -> Step:
    parts = [f"registry {reference.registry}", f"repository {reference.repository}"]
    parts += [f"tag {reference.tag}"] if reference.tag else []
    parts += [f"digest {reference.digest}"] if reference.digest else []
    return Step("reference", "ok", ", ".join(parts), places)


def _nodes(one: Diagnosis) -> Step:
    if not one.nodes:
        return Step("nodes", "none", "not looked at")
    listed = [node.name for node in one.nodes if node.present]
    text = f"listed on {len(listed)} of {len(one.nodes)}"
    if len(listed) < len(one.nodes):
        text += " (the list is capped: not listed is not absent)"
    absent = [node.name for node in one.nodes if node.present is False]
    lines = ((f"not on {', '.join(absent)}, says the kubelet",),) if absent else ()
    if one.pull.policy == "Never":
        return Step("nodes", "bad" if absent else "none", f"{text}; policy Never: the node must have it", lines)
    return Step("nodes", "ok" if listed else "none", text, lines)


def _credentials(one: Diagnosis, lookup: LookUp) -> Step:
    count = len(one.pull.secrets)
    total = f"{count} secret{'' if count == 1 else 's'}"
    lines: list[tuple[str, ...]] = []
    for number, attempt in enumerate(lookup.attempts, 1):
        what = (
            "no user and password: asks anonymously" if attempt.empty else f"offered as {attempt.username or 'no user name'}"
        )
        order = f", number {number} in order" if len(lookup.attempts) > 1 else ""
        again = ", the same credential again" if attempt.duplicate else ""
        lines.append((attempt.secret, attempt.key, what + order + again))
    lines += [(item.secret, item.key or "", item.reason) for item in lookup.ignored]
    lines += [(name, "", "does not exist") for name in lookup.missing]
    lines += [(name, "", "could not be read from here") for name in lookup.unread]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [(f"and {len(lines) - MAX_LINES + 1} more (-o json shows all)",)]
    if lookup.blocked:
        return Step("credentials", "bad", lookup.blocked, tuple(lines))
    if lookup.attempts:
        return Step("credentials", "ok", f"{total}, {len(lookup.attempts)} offered", tuple(lines))
    if one.list_is_unknown:
        account = one.pull.service_account
        return Step("credentials", "none", f"not known: service account {account} could not be read, which may list some")
    if not count:
        return Step("credentials", "none", f"no pull secret (service account {one.pull.service_account}): asks anonymously")
    if lookup.unread:
        return Step("credentials", "none", f"{total}, could not all be read", tuple(lines))
    guilty = any(f.severity == "error" and CAUSES[f.cause].from_objects for f in one.findings)
    return Step("credentials", "bad" if guilty else "warn", f"{total}, none is offered", tuple(lines))


def _registry(one: Diagnosis, evidence: Evidence) -> Iterator[Step]:
    """Two steps: whether the registry can be reached from here, and whether it gives the manifest."""
    view = one.view
    if view is None:
        yield Step("registry", "none", _why_not_asked(one, evidence))
        return
    reach = view.reach
    if not reach.answers:
        yield Step("registry", "warn", f"cannot be asked from this machine: {reach.detail}")
        return
    host = reach.url.partition("://")[2]
    parts = [f"{host} answers this machine in {reach.milliseconds} ms{f' by proxy {reach.proxy}' if reach.proxy else ''}"]
    if reach.url.startswith("http:"):
        parts.append("plain HTTP")
    elif not reach.verified:
        parts.append("certificate not verified")
    else:
        parts.append(f"TLS valid until {reach.certificate.not_after[:10]}" if reach.certificate else "TLS valid")
    parts.append("asks for authentication" if reach.signs_in != "none" else "asks for no authentication")
    if reach.token_service:
        parts.append(f"token service {reach.token_service}")
    if reach.limit:
        parts.append(left(reach.limit))
    yield Step("registry", "ok" if reach.vouched else "warn", ", ".join(parts))
    yield _manifest(view)


def _why_not_asked(one: Diagnosis, evidence: Evidence) -> str:
    if one.pull.policy == "Never":
        return "not asked: policy Never forbids to pull"
    if one.lookup and one.lookup.blocked:
        return "not asked: a malformed secret stops the kubelet before"
    return next((note.why for note in evidence.not_checked if note.what == "registries"), "not asked")


def _manifest(view: View) -> Step:
    mark = {PRESENT: "ok", UNKNOWN: "warn"}.get(view.manifest, "bad")
    lines = []
    for attempt, answer in view.attempts:
        who = f"with {attempt.secret}" if attempt and answer.credential else "without credentials"
        own = f"{view.reach.url.partition('://')[2]}: "  # it stands in the step before
        lines.append((who, answer.detail.removeprefix(own) or "accepted"))
    if view.given:
        kind = "list of platforms" if view.given.is_index else "manifest"
        platforms = f" for {', '.join(view.content.platforms)}" if view.content else ""
        who = f"with {view.with_secret}" if view.with_secret else "without credentials"
        digest = f", {view.given.digest[:19]}" if view.given.digest else ""
        more = tuple(lines) if len(lines) > 1 or view.given.detail else ()
        return Step("manifest", mark, f"{kind}{platforms} given {who}{digest}", more)
    if not lines:
        return Step("manifest", "none", "not asked with these credentials")
    if len(lines) == 1:
        return Step("manifest", mark, f"{lines[0][1]}, {lines[0][0]}")
    return Step("manifest", mark, f"given to none of {len(lines)} credentials", tuple(lines))


def _kubelet(one: Diagnosis, evidence: Evidence) -> Iterator[Step]:
    # What canaries were told stands in the step after this.
    told = [said for said in one.said if said.use is None or said.use in one.pull.containers]
    if told:
        shown: dict[tuple[str, str], list[Said]] = {}
        for said in told:
            shown.setdefault((said.word.reason, said.word.detail), []).append(said)
        for group in shown.values():
            yield Step("kubelet", "bad", _said(group[0], len(group), evidence))
        return
    running = sum(use.state == "running" for use in one.pull.containers)
    if running:
        yield Step("kubelet", "ok", f"{running} container{'' if running == 1 else 's'} running")
    elif not one.pull.live:
        yield Step("kubelet", "none", "no pod asks for it yet")
    else:
        if one.probes and any(map(waits_for_image, one.pull.containers)):
            yield Step("kubelet", "none", "was refused before; the node got it since, see below")
            return
        states = sorted({use.reason or use.state for use in one.pull.containers})
        yield Step("kubelet", "none", f"has not tried yet ({', '.join(states)})")


def _probe(one: Diagnosis) -> Iterator[Step]:
    """What came of letting the nodes try."""
    if not one.probes:
        return
    good = sum(probe.good for probe in one.probes)
    policies = ", ".join(sorted({probe.policy for probe in one.probes}))
    refused = any(probe.result == REFUSED for probe in one.probes)
    mark = "ok" if good == len(one.probes) else "bad" if refused else "warn"
    ordered = sorted(one.probes, key=lambda probe: (probe.good, probe.result == UNTRIED, probe.node))
    lines = [(probe.node, _probed(probe)) for probe in ordered]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [(f"and {len(lines) - MAX_LINES + 1} more (-o json shows all)", "")]
    got = f"{good} of {len(one.probes)} node{'' if len(one.probes) == 1 else 's'} got it"
    yield Step("probe", mark, f"{got}, asked with policy {policies}", tuple(lines))


def _probed(probe: Outcome) -> str:
    digest = f", {probe.digest[:19]}" if probe.digest else ""
    given = "" if probe.as_asked else "; but admission gave it another image, service account or list of pull secrets"
    cause = f"{probe.cause}: " if probe.cause else ""
    return f"{cause}{probe.text}{digest}{given}"


def _said(said: Said, count: int, evidence: Evidence) -> str:
    word = said.word
    parts = word.reason if said.use else f"the Domain's status repeats {word.reason}"
    if word.since:
        parts += f" for {age(evidence.observed_at - word.since)}"
    if word.next_try:
        left = word.next_try - evidence.observed_at
        parts += f", next try in {age(left)}" if left.total_seconds() > 1 else ", next try now"
    if count > 1:
        parts += f", {count} containers"
    return f"{parts}: {word.detail}" if word.detail else parts
