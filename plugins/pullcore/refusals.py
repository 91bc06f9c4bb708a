"""What the kubelet refuses, as Findings: its class of error, settled by the keyring where its text leaves it open."""

from __future__ import annotations

import re

from pullcore.case import Case, Finding, Said
from pullcore.causes import CAUSES
from pullcore.remedies import describe, for_refusal, lost_from_account

# The kubelet fails and does not say why.
NOT_SAID = frozenset(("backoff-only",))
# A 401 says that the registry wants to know who asks, not what it thinks of who asked.
WHO_ASKS = re.compile(r"\b401\b|authentication required", re.I)
# Words by which registries say more than that, or which tell whether credentials were sent; the kubelet joins errors in
# brackets only where it has tried several.
SETTLED = re.compile(
    r"anonymous|no basic auth|oauth token|insufficient.scope|does not exist|denied|not authorized|to access|^\[", re.I
)


def refusals(case: Case) -> list[Finding]:
    """One Finding for each class of error that the kubelet reports, the most frequent first."""
    classes: dict[str, list[Said]] = {}
    for one in case.said:
        classes.setdefault(refined(one, case), []).append(one)
    findings = []
    for cause, said in sorted(classes.items(), key=lambda item: (item[0] in NOT_SAID, -len(item[1]))):
        nodes = ", ".join(sorted({one.use.node for one in said if one.use and one.use.node})) or "NODE"
        findings.append(
            Finding(
                cause,
                "error",
                _summary(cause, said[0], case, nodes),
                evidence=tuple(dict.fromkeys(one.word.message for one in said if one.word.message)),
                fix=describe(case) if said[0].about_sandbox else for_refusal(cause, case, nodes),
                containers=tuple(one.use.ref for one in said if one.use),
            )
        )
    return findings


def refined(said: Said, case: Case) -> str:
    """The class of one refusal."""
    cause, text = said.word.cause, said.word.message
    if said.about_sandbox:
        return cause
    if cause == "never-pull" and said.use and any(n.present and n.name == said.use.node for n in case.nodes):
        return "present-not-usable"
    open_question = cause in ("no-credentials", "bad-credentials", "denied-or-missing") and WHO_ASKS.search(text)
    if not open_question or SETTLED.search(text) or case.lookup.unread or case.lookup.blocked:
        return cause
    if any(not attempt.empty for attempt in case.lookup.attempts):
        return "bad-credentials"
    return "no-credentials" if case.node_sources == "unlikely" else cause


def _summary(cause: str, said: Said, case: Case, nodes: str) -> str:
    reference, attempts, detail = case.reference, case.lookup.attempts, said.word.detail
    registry = reference.registry
    if said.about_sandbox:
        return f"node {nodes} can start no pod, for it lacks the image of the {detail}"
    if cause == "no-credentials" and attempts:
        return f"{registry} was asked without credentials; {attempts[0].secret} will be offered at the next try"
    if cause == "no-credentials" and not case.lookup.unread:
        listed = ", ".join(case.pull.secrets) or "no pull secret"
        return f"{registry} asks for credentials and none is offered: the pod lists {listed}{_replaced(case)}"
    if cause == "bad-credentials" and attempts:
        users = ", ".join(f"{one.secret} ({one.username or 'no user name'})" for one in attempts)
        return f"{registry} refuses the credentials of {users}: {detail}"
    if cause == "image-not-found":
        version = f"digest {reference.digest}" if reference.digest else f"tag {reference.tag}"
        missing = "the repository or the digest" if reference.digest else "the repository or the tag"
        return f"{registry} has no {reference.repository} with {version}: {missing} is wrong, or it was not pushed"
    if cause == "never-pull":
        return f"the image is not on node {nodes}, and policy Never forbids to pull it"
    if cause == "present-not-usable":
        return f"the image is on node {nodes}, but was pulled there with credentials that this pod does not have"
    if cause == "platform-mismatch":
        platforms = sorted({node.platform for node in case.nodes if node.platform and node.name in nodes.split(", ")})
        return f"the image has no variant for {', '.join(platforms) or 'the platform'} of node {nodes}: {detail}"
    if cause in NOT_SAID:
        return "the kubelet waits before it tries again, and does not say what failed"
    return f"{CAUSES[cause].title}: {detail}" if detail else CAUSES[cause].title


def _replaced(case: Case) -> str:
    """Words for a service account's list that lost the name which this pull needs."""
    lost = lost_from_account(case)
    if not lost:
        return ""
    account = case.pull.service_account
    return f"; earlier pods of service account {account} were given {lost}, then its list was replaced (kubectl patch does)"
