"""The rules: what the objects and the kubelet's words prove about a Pull. One function a cause, named for it.

Each takes a Case and gives a Finding, or None where it does not apply. Whether a fault of the objects is an error or only a
warning is decided in one place, `weight`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from pullcore.case import Case, Finding
from pullcore.fixes import server_key
from pullcore.kubelet import is_aborted
from pullcore.refusals import NOT_SAID
from pullcore.remedies import list_holder, recreate
from pullcore.weblogic import next_version
from pullcore.workload import TEMPLATED, asks_of

# What a registry says when credentials are missing, wrong or too weak: faults of secrets explain these.
AUTHENTICATION = frozenset(("no-credentials", "bad-credentials", "expired-credentials", "forbidden", "denied-or-missing"))
# The registry could not be used, whatever the credentials: a copy on the node would have helped.
REGISTRY_NEEDED = AUTHENTICATION | frozenset(
    "image-not-found repository-not-found dns connection timeout tls-untrusted tls-other http-https-mismatch proxy "
    "rate-limited registry-error".split()
)


def weight(case: Case) -> str:
    """How much a fault of the pull secrets weighs: an error where it explains the kubelet's refusal, or where nobody has
    tried yet and no other credential stands in; else a warning, for the pull works or fails for another reason."""
    if case.lookup.attempts:
        return "warning"
    return "error" if _explained(case) or case.untried else "warning"


# Faults of the objects, most specific first


def secret_malformed(case: Case) -> Optional[Finding]:
    """One malformed secret makes the kubelet fail before it asks any registry (keyring.go MakeDockerKeyring)."""
    if not case.lookup.blocked:
        return None
    bad = [facts for name in case.pull.secrets if (facts := case.known.get(name)) and facts.malformed]
    names = ", ".join(facts.name for facts in bad)
    says_so = case.refused & {"secret-malformed", *NOT_SAID}
    return Finding(
        "secret-malformed",
        "error" if says_so or case.untried else "warning",
        f"secret {names} is malformed, and one malformed secret stops every pull of a pod that lists it",
        evidence=(case.lookup.blocked,),
        fix=tuple(case.commands.replace_secret(facts.name, server_key(case.reference)) for facts in bad),
    )


def stale_pod(case: Case) -> Optional[Finding]:
    """A pod keeps the list that it was made with; changes of its template or service account reach only new pods."""
    others = case.lists_of_today() - {case.pull.secrets}
    if not others or not case.pull.live:
        return None
    today = sorted(others)[0]
    helps = not case.lookup.attempts and bool(case.offered(today).attempts)
    fix = recreate(case) if helps else ()
    return Finding(
        "stale-pod",
        weight(case) if helps else "warning",
        f"the pod lists {_list(case.pull.secrets)}, one made today would list {_list(today)}"
        + (", which has a credential for this registry" if helps else ""),
        evidence=(
            f"{case.asker.ref} or service account {case.pull.service_account} was changed after the pod was made,"
            " or a webhook rewrote the pod",
        ),
        fix=fix,
    )


def secret_missing(case: Case) -> Optional[Finding]:
    if not case.lookup.missing:
        return None
    names, namespace = case.lookup.missing, case.pull.namespace
    elsewhere = {name: case.evidence.elsewhere[name] for name in names if name in case.evidence.elsewhere}
    fix = [
        case.commands.copy_secret(name, elsewhere[name][0])
        if name in elsewhere
        else case.commands.create_secret(name, server_key(case.reference))
        for name in names
    ]
    return Finding(
        "secret-missing",
        weight(case),
        f"secret {', '.join(names)} does not exist in namespace {namespace}",
        evidence=tuple(
            f"a secret {name} is in namespace {', '.join(where)}; the kubelet reads only those of the pod's own namespace"
            for name, where in elsewhere.items()
        ),
        fix=tuple(fix),
    )


def secret_ignored(case: Case) -> Optional[Finding]:
    """A secret of another type, or an entry without a user and password, is passed over without a word."""
    whole = [one for one in case.lookup.ignored if one.key is None]
    empty = [one for one in case.lookup.attempts if one.empty]
    if not whole and not empty:
        return None
    if not whole and len(empty) < len(case.lookup.attempts):
        return None
    names = list(dict.fromkeys([*(one.secret for one in whole), *(one.secret for one in empty)]))
    lines = [f"{one.secret}: {one.reason}" for one in whole]
    lines += [f"{one.secret}: its entry {one.key} has neither user nor password, so the pull is anonymous" for one in empty]
    fix: list[str] = []
    for name in names:  # the type of a secret can't be changed
        fix += [case.commands.delete_secret(name), case.commands.create_secret(name, server_key(case.reference))]
    severity = weight(case) if whole else "error" if case.failing and _explained(case) else "warning"
    return Finding(
        "secret-ignored",
        severity,
        f"secret {', '.join(names)} holds nothing that the kubelet can use",
        tuple(lines),
        tuple(fix),
    )


def key_mismatch(case: Case) -> Optional[Finding]:
    """A secret that is meant for this registry, whose key is spelt so that the kubelet never finds it."""
    meant = [one for one in case.lookup.ignored if one.meant and one.key is not None]
    if not meant:
        return None
    names = ", ".join(dict.fromkeys(one.secret for one in meant))
    lines = []
    for one in meant:
        better = f'; "{one.better}" would match' if one.better else ""
        lines.append(f'{one.secret}: the key "{one.key}" {one.reason}{better}')
    for facts in {one.secret: case.known.get(one.secret) for one in meant}.values():
        if facts and len(facts.entries) > 1:
            lines.append(f"{facts.name} has {len(facts.entries)} entries: keep the others when you write it anew")
    return Finding(
        "key-mismatch",
        weight(case),
        f"no credential is offered for {case.reference.registry}, because {names} is for a server that never matches"
        if not case.lookup.attempts
        else f"{names} has an entry for a server that never matches",
        evidence=tuple(lines),
        fix=tuple(
            case.commands.replace_secret(secret, better or server_key(case.reference))
            for secret, better in {one.secret: one.better for one in meant}.items()
        ),
    )


def service_account_shadowed(case: Case) -> Optional[Finding]:
    """A pod's own list switches its service account's off: they are never merged."""
    unused = [name for name in case.account_secrets if name not in case.pull.secrets]
    if not case.pull.secrets or not unused or case.lookup.attempts:
        return None
    helpful = [name for name in unused if case.offered((name,)).attempts]
    if not helpful:
        return None
    name = helpful[0]
    holder, path = list_holder(case)
    return Finding(
        "service-account-shadowed",
        weight(case),
        f"secret {name} of service account {case.pull.service_account} is not used, for the pod has a list of its own",
        evidence=(f"the pod lists {_list(case.pull.secrets)}; the account's {_list(case.account_secrets)} is then ignored",),
        fix=(
            case.commands.add_pull_secret(holder, path, name, first=False),
            *(recreate(case) if holder.kind == "Pod" else ()),
        ),
    )


# Worth knowing


def latest_tag(case: Case) -> Optional[Finding]:
    if case.reference.tag != "latest" or case.reference.digest:
        return None
    written = case.pull.image.endswith(":latest")
    return Finding(
        "latest-tag",
        "info",
        ("the tag latest" if written else "no tag, which means latest,")
        + f" can be another image on each node and at each restart; the pull policy is {case.pull.policy}",
    )


def always_needs_registry(case: Case) -> Optional[Finding]:
    """Policy Always asks the registry even where the node has the image."""
    on = [one.use.node for one in case.said if one.use and any(n.present and n.name == one.use.node for n in case.nodes)]
    if case.pull.policy != "Always" or not on or not case.refused & REGISTRY_NEEDED:
        return None
    fixes = [line for source in case.pull.sources for line in case.commands.set_policy(source, "IfNotPresent")]
    return Finding(
        "always-needs-registry",
        "warning",
        f"node {', '.join(sorted(filter(None, on)))} has the image, but policy Always asks the registry at every start",
        fix=tuple(fixes),
    )


def domain_aborted(case: Case) -> Optional[Finding]:
    """The operator has given up on the Domain: it tries again only when introspectVersion changes."""
    domain = case.index.by_target.get(case.asker)
    if not domain or domain["kind"] != "Domain" or not is_aborted(domain):
        return None
    version = next_version(domain.get("spec", {}).get("introspectVersion"))
    return Finding(
        "domain-aborted",
        "warning" if case.failing else "error",
        f"the operator has stopped retrying {case.asker.ref}: once the cause is mended, it needs a new introspectVersion",
        fix=(case.commands.new_introspect_version(case.asker, version),),
    )


def rewritten_image(case: Case) -> Optional[Finding]:
    """The pod's image is not its template's: a webhook changed it on the way, so editing the template may not help."""
    for pod in case.evidence.pods:
        mine = {use.container for use in case.pull.containers if use.pod_uid and use.pod_uid == pod["metadata"].get("uid")}
        template = case.index.nearest_template(pod) if mine else None
        if not template or template["kind"] not in TEMPLATED:
            continue
        for ask in asks_of(template):
            if ask.container in mine and ask.image != case.pull.image:
                name = f"{template['kind'].lower()}/{template['metadata']['name']}"
                return Finding(
                    "stale-pod",
                    "warning",
                    f"the pod's image is not the one of its template: {name} says {ask.image}",
                    evidence=("a webhook or a policy rewrote it when the pod was made, or somebody changed the pod",),
                    containers=tuple(f"{pod['metadata']['name']}/{one}" for one in sorted(mine)),
                )
    return None


def _explained(case: Case) -> bool:
    return bool(case.refused & (AUTHENTICATION | NOT_SAID))


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "no pull secret"


OBJECT_RULES: tuple[Callable[[Case], Optional[Finding]], ...] = (
    secret_malformed,
    stale_pod,
    secret_missing,
    secret_ignored,
    key_mismatch,
    service_account_shadowed,
)
SIDE_RULES: tuple[Callable[[Case], Optional[Finding]], ...] = (
    domain_aborted,
    always_needs_registry,
    rewritten_image,
    latest_tag,
)
