"""What registries answered, as Findings: what they prove of a Pull, and how much that weighs beside the kubelet's own word.

A node's word wins: what was seen from this machine explains it, or is told beside it, and never overrules it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pullcore.answers import ABSENT, DENIED, PRESENT, Limit
from pullcore.case import Case, Finding
from pullcore.causes import CAUSES
from pullcore.errors import few
from pullcore.keyring import Attempt
from pullcore.nearest import nearest
from pullcore.platforms import misfits, platform_of
from pullcore.reference import InvalidReference, parse
from pullcore.refusals import AUTHENTICATION, NOT_SAID, for_others
from pullcore.registry_view import View
from pullcore.remedies import for_refusal, recreate, set_image, write_anew
from pullcore.times import parse_time

MISSING = frozenset(("image-not-found", "repository-not-found"))
WRONG = frozenset(("bad-credentials", "expired-credentials"))
# Of two causes of a family the more specific one is told first.
SPECIFIC = {
    cause: rank
    for rank, causes in enumerate(
        (
            ("denied-or-missing", "image-not-found", "backoff-only", "unknown"),
            ("no-credentials", "repository-not-found"),
            ("bad-credentials", "forbidden"),
            ("expired-credentials",),
        )
    )
    for cause in causes
}
# How far a pull gets before it fails so: to the registry, to its manifests, to the image.
_FAR = {**dict.fromkeys((*AUTHENTICATION, "rate-limited"), 1), **dict.fromkeys(MISSING, 2)}
_FAR |= dict.fromkeys("platform-mismatch bad-content disk-full runtime policy".split(), 3)
# What fails on the node, whoever has the image.
ON_THE_NODE = frozenset(("platform-mismatch", "disk-full", "runtime", "policy"))
FEW = 0.1  # of the pulls that a registry allows


def registry_said(case: Case) -> Optional[Finding]:
    """Why the registry does not give the image, to this machine and the credentials that the kubelet would offer."""
    view = case.view
    if view is None or view.manifest == PRESENT or not view.cause:
        return None
    cause = _cause(case, view)
    weight = _weight(cause, case, view)
    if not weight:
        return None
    nodes = ", ".join(sorted({one.use.node for one in case.said if one.use and one.use.node})) or "NODE"
    absent = cause in MISSING
    return Finding(
        cause,
        weight,
        _summary(cause, case, view),
        evidence=(f"seen from this machine: {view.detail}",) if view.detail else (),
        notes=_notes(cause, case, view),
        fix=_fix(cause, case, view, nodes) if absent or weight == "error" else (),
    )


def merged(refused: Sequence[Finding], case: Case) -> list[Finding]:
    """The kubelet's findings and the registry's: of one cause there is one, and what explains the others comes first.
    What that one notes is not told again."""
    told = [_beside(one, case) for one in refused]
    for found in filter(None, (registry_said(case), platform_mismatch(case))):
        twin = next((one for one in told if one.cause == found.cause), None)
        if twin:
            told[told.index(twin)] = _both(twin, found)
        elif found.severity == "error" and all(_rank(found.cause) >= _rank(one.cause) for one in told):
            told = [found, *(one._replace(fix=()) if found.fix else one for one in told)]
        else:
            told.append(found._replace(fix=()) if any(one.fix for one in told) else found)
    known = told[0].notes if told else ()
    return [*told[:1], *(one._replace(notes=tuple(line for line in one.notes if line not in known)) for one in told[1:])]


def _beside(kubelets: Finding, case: Case) -> Finding:
    """The kubelet's finding with a word of what the registry gives this machine. Then there is nothing left to mend but what
    is between the node and the registry."""
    seen = _seen_here(case)
    if seen and kubelets.cause in (*AUTHENTICATION, *MISSING):
        kubelets = kubelets._replace(fix=recreate(case))
    if seen and kubelets.cause in MISSING:
        kubelets = kubelets._replace(summary=f"the node was told: {kubelets.summary}")
    return kubelets._replace(notes=(*kubelets.notes, *seen))


def _both(kubelets: Finding, registrys: Finding) -> Finding:
    """One finding of two: the kubelet's, with what the registry can tell better: what there is instead."""
    better = registrys.cause in (*MISSING, "platform-mismatch")
    return kubelets._replace(
        summary=registrys.summary if better else kubelets.summary,
        evidence=tuple(dict.fromkeys((*kubelets.evidence, *registrys.evidence))),
        notes=tuple(dict.fromkeys((*kubelets.notes, *registrys.notes))),
        fix=(registrys.fix if better else kubelets.fix) or kubelets.fix or registrys.fix,
    )


def _rank(cause: str) -> int:
    return SPECIFIC.get(cause, 0)


def _cause(case: Case, view: View) -> str:
    """The registry's cause, unless it refuses a token whose time is over."""
    asker = view.asker
    if view.cause in AUTHENTICATION and asker and _is_over(asker, case):
        return "expired-credentials"
    official = case.reference.registry == "docker.io" and case.reference.repository.startswith("library/")
    return "repository-not-found" if official and view.cause == "denied-or-missing" else view.cause


def _is_over(asker: Attempt, case: Case) -> bool:
    end = parse_time(asker.expires)
    return end is not None and end <= case.evidence.observed_at


def _family(cause: str) -> str:
    return "authentication" if cause in AUTHENTICATION else "missing" if cause in MISSING else cause


def _weight(cause: str, case: Case, view: View) -> str:
    """error: it blocks the pull; warning; "": it says nothing that matters beside what the kubelet says."""
    settled = view.manifest in (DENIED, ABSENT)
    doubtful = cause in AUTHENTICATION and case.node_sources == "possible" and not case.offers
    if case.failing:
        said = case.refused - NOT_SAID
        if cause in said:
            return "error"
        far = max((_FAR.get(one, 0) for one in said), default=0)
        if not settled or far > _FAR.get(cause, 0):
            return ""  # the node knows better
        explains = not said or _family(cause) in map(_family, said) or "denied-or-missing" in said
        return "error" if explains and not doubtful else "warning"
    if not case.untried:  # what runs goes on; another node could not pull it
        return "warning" if settled and (cause in MISSING or (case.offers and cause in WRONG)) else ""
    return "error" if settled and view.reach.vouched and not doubtful and not case.at_hand else "warning"


def _summary(cause: str, case: Case, view: View) -> str:
    reference, registry = case.reference, case.reference.registry
    asker = view.asker
    who = f"{asker.secret} ({asker.username})" if asker and not asker.anonymous else ""
    version = f"digest {reference.digest}" if reference.digest else f"tag {reference.tag}"
    if cause == "repository-not-found":
        return f"{registry} has no repository {reference.repository}{_meant(_other_repositories(case))}"
    if cause == "image-not-found":
        if view.tags and view.tags.exists:
            return f"{registry} has {reference.repository}, but not with {version}{_meant(view.tags.nearest)}"
        return f"{registry} has no {reference.repository} with {version}: one of the two is wrong, or it was not pushed"
    if cause == "expired-credentials":
        since = f"which expired at {asker.expires}" if asker and _is_over(asker, case) else "for it has expired"
        return f"{registry} refuses the token in {who}, {since}"
    if cause == "bad-credentials":
        return f"{registry} refuses the credentials of {who}"
    if cause == "no-credentials":
        if case.lookup.unread or case.list_is_unknown:
            return f"{registry} asks for credentials, and whether any is offered could not be read"
        listed = ", ".join(dict.fromkeys(case.pull.secrets)) or "no pull secret"
        return f"{registry} asks for credentials and none is offered: the pod lists {listed}"
    if cause in ("forbidden", "denied-or-missing"):
        who = who or "anybody without credentials"
        if cause == "forbidden":
            return f"{registry} does not let {who} pull {reference.repository}"
        return f"{registry} shows nothing of {reference.repository} to {who}"
    return f"{registry} could not be asked from this machine: {view.detail or CAUSES[cause].title}"


def _meant(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _notes(cause: str, case: Case, view: View) -> tuple[str, ...]:
    lines = list(for_others(cause, case))
    if cause == "denied-or-missing":
        lines.append(
            "an account that may pull it, or the owner of the repository, would tell whether it is missing or hidden"
        )
    if view.tags and view.tags.exists and not view.tags.nearest and cause == "image-not-found":
        more = "" if view.tags.complete else " or more"
        count = f"{view.tags.total}{more} other tags, none of them alike" if view.tags.total else "no tag at all"
        lines.append(f"it has {count}")
    if case.untried and case.at_hand:
        lines.append(
            "all nodes that may run it list the image: they use their copy, unless their kubelet wants to see that this pod "
            "has the credentials that got it (Kubernetes 1.35 on)"
        )
    if case.untried and not view.reach.answers and cause not in ("rate-limited", "registry-error"):
        lines.append("nodes may reach it all the same: names, ways and trusted authorities can differ there")
        if cause == "tls-untrusted":
            lines.append("to have it trusted here: --registry-ca FILE")
        if cause == "http-https-mismatch" and view.reach.url.startswith("https:"):
            lines.append(f"to ask it in plain HTTP: --plain-http {case.reference.registry}")
    return tuple(lines)


def _seen_here(case: Case) -> tuple[str, ...]:
    """A word beside the kubelet's refusal, where the registry gives this machine what it does not give the node."""
    view = case.view
    if view is None or view.manifest != PRESENT or not case.failing or case.refused & ON_THE_NODE:
        return ()
    if "http-https-mismatch" in case.refused and view.reach.url.startswith("http:"):
        return (f"seen from this machine, {case.reference.registry} speaks plain HTTP",)
    who = f"with the credential of {view.with_secret}" if view.with_secret else "to anybody"
    return (
        f"seen from this machine, {case.reference.registry} gives the image {who} by now: the node's next try may get it, "
        "or the node goes another way (mirror, proxy, DNS)",
    )


def _other_repositories(case: Case) -> tuple[str, ...]:
    """Repositories of the namespace's other Pulls that are there, and nearly called so."""
    there = set()
    registries = case.evidence.registries
    for answer in registries.answers if registries else ():
        if answer.state == PRESENT:
            try:
                reference = parse(answer.image)
            except InvalidReference:
                continue
            if reference.registry == case.reference.registry and answer.image in case.index.images(case.pull.namespace):
                there.add(reference.repository)
    return nearest(case.reference.repository, there - {case.reference.repository})


def _fix(cause: str, case: Case, view: View, nodes: str) -> tuple[str, ...]:
    """A name goes into a command only where there is one guess: a person has to choose among several."""
    reference = case.reference
    if cause in WRONG and view.asker:
        return write_anew(view.asker.secret, case)
    if cause not in MISSING:
        return for_refusal(cause, case, nodes)
    if view.tags and len(view.tags.nearest) == 1:
        return set_image(case, f"{reference.name}:{view.tags.nearest[0]}")
    others = _other_repositories(case) if cause == "repository-not-found" else ()
    if len(others) == 1:
        return set_image(case, f"{reference.registry}/{others[0]}:{reference.tag or 'TAG'}")
    return for_refusal(cause, case, nodes)


# What else the registry tells


def platform_mismatch(case: Case) -> Optional[Finding]:
    """The image is there, but not for the nodes that may run it."""
    content = case.view.content if case.view else None
    if not content or not content.platforms:
        return None
    wrong = misfits(content.platforms, case.may_run)
    if not wrong:
        return None
    names = few([f"{node['metadata']['name']} ({platform_of(node)})" for node in wrong], 5)
    everywhere = len(wrong) == len(case.may_run)
    blocks = content.index and everywhere and (case.untried or "platform-mismatch" in case.refused)
    after = "" if content.index else "; it would be pulled there, and fail to start"
    return Finding(
        "platform-mismatch",
        "error" if blocks else "warning",
        f"the image is built for {', '.join(content.platforms)}, and not for node {names}{after}",
        fix=for_refusal("platform-mismatch", case, "NODE") if blocks else (),
    )


def plain_registry(case: Case) -> Optional[Finding]:
    """A registry without TLS on this machine's own address: nodes may reach another one there, or refuse to."""
    if not case.view or not case.view.reach.answers or case.view.reach.vouched or not case.untried:
        return None
    return Finding(
        "http-https-mismatch",
        "warning",
        f"{case.reference.registry} is plain HTTP and on this machine's own address: nodes may reach another one by that "
        "name, and speak plain HTTP only where they are told to",
        notes=(f"if it is the one that nodes use: --plain-http {case.reference.registry}",),
    )


def tag_drift(case: Case) -> Optional[Finding]:
    """The tag means another image by now than in the pods that run."""
    given = case.view.given if case.view else None
    if not given or not given.digest or case.reference.digest:
        return None
    old = sorted({digest for digest in case.running_digests if digest != given.digest})
    if not old:
        return None
    return Finding(
        "tag-drift",
        "info",
        f"{_short(given.digest)} has tag {case.reference.tag} in the registry by now, and running pods have "
        f"{few([_short(one) for one in old], 1)}",
        evidence=(f"registry: {given.digest}", *(f"running: {digest}" for digest in old)),
    )


def few_pulls_left(case: Case) -> Optional[Finding]:
    """The registry counts pulls, and few are left."""
    limit = case.view.reach.limit if case.view else None
    if not limit or limit.remaining > max(FEW * (limit.total or 0), 1) or "rate-limited" in case.refused:
        return None
    return Finding("rate-limited", "warning", f"{case.reference.registry} limits pulls: {left(limit)}")


def left(limit: Limit) -> str:
    """`3 of 100 pulls left for the address of this machine (per 6h)`"""
    who = f"the account {limit.account}" if limit.account else "the address of this machine"
    of = f" of {limit.total}" if limit.total else ""
    hours = f" (per {limit.seconds // 3600}h)" if limit.seconds and limit.seconds >= 3600 else ""
    return f"{limit.remaining}{of} pulls left for {who}{hours}"


def _short(digest: str) -> str:
    return digest[: digest.index(":") + 13]


REGISTRY_RULES = (plain_registry, tag_drift, few_pulls_left)
