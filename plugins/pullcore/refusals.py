"""What the kubelet refuses, as Findings: its class of error, settled with what else is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from pullcore.case import Case, Finding, NodeView, Said
from pullcore.causes import CAUSES
from pullcore.keyring import LookUp
from pullcore.kubelet import KubeletWord
from pullcore.pull import ContainerUse
from pullcore.reference import Reference
from pullcore.remedies import describe, for_refusal, lost_from_account, recreate
from pullcore.times import parse_time

# The kubelet fails and does not say why.
NOT_SAID = frozenset(("backoff-only",))
# What a registry says when credentials are missing, wrong or too weak: faults of secrets explain these.
AUTHENTICATION = frozenset(("no-credentials", "bad-credentials", "expired-credentials", "forbidden", "denied-or-missing"))
FEW = 3  # entries of secrets in one finding
# A 401 says that the registry wants to know who asks, not what it thinks of who asked.
WHO_ASKS = re.compile(r"\b401\b|authentication required", re.I)
# Words by which registries say more than that, or which tell whether credentials were sent; the kubelet joins errors in
# brackets only where it has tried several.
SETTLED = re.compile(
    r"anonymous|no basic auth|oauth token|insufficient.scope|does not exist|denied|not authorized|to access|^\["
    r"|incorrect|(?:user ?name|user) (?:or|and) password|invalid credential",
    re.I,
)


def settle(
    use: Optional[ContainerUse],
    word: KubeletWord,
    reference: Reference,
    lookup: LookUp,
    nodes: Sequence[NodeView],
    sources: str,
    *,
    proven: bool = False,
) -> Said:
    """What was said, with its class: the text's own, unless the keyring or the nodes know better. `sources`: whether nodes
    may have credentials of their own, "possible" or "unlikely"; proven: the registry knows a credential that is offered."""
    said = Said(use, word, word.cause)
    if said.about_sandbox:
        return said
    if said.cause == "never-pull":
        listed_here = any(node.present and use and node.name == use.node and node.checks_copies for node in nodes)
        return said._replace(cause="present-not-usable") if listed_here else said
    official = reference.registry == "docker.io" and reference.repository.startswith("library/")
    if official and said.cause in ("denied-or-missing", "no-credentials"):
        return said._replace(cause="repository-not-found")  # everything there is public: what is denied is not there
    about_login = said.cause in ("no-credentials", "bad-credentials", "denied-or-missing")
    is_open = about_login and WHO_ASKS.search(word.message) and not SETTLED.search(word.message)
    if not is_open or lookup.unread or lookup.blocked:
        return said
    if any(not one.anonymous for one in lookup.attempts):
        return said if proven else said._replace(cause="bad-credentials")
    return said._replace(cause="no-credentials") if sources == "unlikely" else said


def refusals(case: Case) -> list[Finding]:
    """One Finding for each class of error that the kubelet reports, the most frequent first."""
    classes: dict[str, list[Said]] = {}
    for one in case.said:
        classes.setdefault(one.cause, []).append(one)
    return [
        _finding(cause, said, case)
        for cause, said in sorted(classes.items(), key=lambda item: (item[0] in NOT_SAID, -len(item[1])))
    ]


def _finding(cause: str, said: Sequence[Said], case: Case) -> Finding:
    nodes = ", ".join(sorted({one.use.node for one in said if one.use and one.use.node})) or "NODE"
    summary, fix = _summary(cause, said[0], case, nodes), for_refusal(cause, case, nodes)
    if said[0].about_sandbox:
        summary, fix = f"node {nodes} can start no pod, for it lacks the image of the {said[0].word.detail}", describe(case)
    elif cause == "secret-malformed" and not case.lookup.blocked:
        fix = recreate(case)  # only to skip the back-off
    elif cause in AUTHENTICATION and (changed := _changed_since(said, case)):
        summary = f"the kubelet was refused before secret {changed} was changed, and will use it at its next try"
        fix = recreate(case)
    if any(one.good for one in case.probes) and f"node {nodes}" not in summary:
        summary = f"on node {nodes}: {summary}"  # and not on others
    return Finding(
        cause,
        "error",
        summary,
        evidence=tuple(dict.fromkeys(one.word.message for one in said if one.word.message)),
        fix=fix,
        containers=tuple(one.use.ref for one in said if one.use),
        notes=for_others(cause, case),
    )


def for_others(cause: str, case: Case) -> tuple[str, ...]:
    """Where credentials are wanted and none is offered: for what else the entries of the pod's secrets are, the first of
    them. Those that were meant for this registry are not among them: they are `key_mismatch`'s."""
    if cause not in ("no-credentials", "denied-or-missing"):
        return ()
    other = [one for one in case.lookup.ignored if one.key is not None and not one.meant] if not case.offers else []
    lines = [f'{one.secret}: the key "{one.key}" {one.reason}' for one in dict.fromkeys(other)]
    return (*lines[:FEW], *([f"and {len(lines) - FEW} more"] if len(lines) > FEW else []))


def _changed_since(said: Sequence[Said], case: Case) -> str:
    """The secrets that are offered now, if all were written after the last refusal: they were not what was refused."""
    last = [one.word.last for one in said if one.word.last]
    offered = list(dict.fromkeys(one.secret for one in case.lookup.attempts if not one.empty))
    if not last or len(last) < len(said) or not offered:
        return ""
    times = [parse_time(facts.changed_at) for name in offered if (facts := case.known.get(name))]
    return ", ".join(offered) if all(time and time > max(last) for time in times) else ""


def _summary(cause: str, said: Said, case: Case, nodes: str) -> str:
    reference, attempts, detail = case.reference, case.lookup.attempts, said.word.detail
    registry = reference.registry
    real = [one for one in attempts if not one.empty]
    if cause == "no-credentials" and real:
        return f"{registry} was asked without credentials; {real[0].secret} will be offered at the next try"
    if cause == "no-credentials" and not case.lookup.unread:
        listed = ", ".join(dict.fromkeys(case.pull.secrets)) or "no pull secret"
        return f"{registry} asks for credentials and none is offered: the pod lists {listed}{_replaced(case)}"
    if cause == "bad-credentials" and real:
        users = ", ".join(f"{one.secret} ({one.username or 'no user name'})" for one in real)
        return f"{registry} refuses the credentials of {users}: {detail}"
    if cause == "denied-or-missing" and (who := _asker(case)):
        return f"{registry} shows nothing of {reference.repository} to {who}: {detail}"
    if cause == "image-not-found":
        version = f"digest {reference.digest}" if reference.digest else f"tag {reference.tag}"
        missing = "the repository or the digest" if reference.digest else "the repository or the tag"
        return f"{registry} has no {reference.repository} with {version}: {missing} is wrong, or it was not pushed"
    if cause == "repository-not-found":
        return f"{registry} has no repository {reference.repository}: {detail}"
    if cause == "never-pull":
        return f"the image is not on node {nodes}, and policy Never forbids to pull it"
    if cause == "present-not-usable":
        return f"the image is on node {nodes}, but was pulled there with credentials that this pod does not have"
    if cause == "platform-mismatch":
        platforms = sorted({node.platform for node in case.nodes if node.platform and node.name in nodes.split(", ")})
        return f"the image has no variant for {', '.join(platforms) or 'the platform'} of node {nodes}: {detail}"
    if cause == "secret-malformed" and not case.lookup.blocked and not case.lookup.unread:
        return "a pull secret could not be read at the last try; all that are listed can be read now: the next try uses them"
    if cause in NOT_SAID:
        return "the kubelet waits before it tries again, and does not say what failed"
    return f"{CAUSES[cause].title}: {detail}" if detail else CAUSES[cause].title


def _asker(case: Case) -> str:
    """Whom the registry refused; empty where nodes may have credentials of their own, or some could not be read."""
    real = [one for one in case.lookup.attempts if not one.anonymous]
    if case.lookup.unread or case.lookup.blocked or case.list_is_unknown or case.node_sources == "possible":
        return ""
    if real:
        return ", ".join(f"{one.secret} ({one.username})" for one in real)
    listed = ", ".join(dict.fromkeys(case.pull.secrets)) or "no pull secret"
    return f"those without credentials, and none is offered (the pod lists {listed})"


def _replaced(case: Case) -> str:
    """Words for a service account's list that lost the name which this pull needs."""
    lost = lost_from_account(case)
    if not lost:
        return ""
    account = case.pull.service_account
    return f"; other pods of service account {account} list {lost}: its list may have been replaced (kubectl patch does)"
