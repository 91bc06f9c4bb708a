"""The rules: what the objects prove about a Pull. One function a cause, named for it.

Each takes a Case and gives a Finding, or None where it does not apply. Whether a fault of the objects is an error or only a
warning is decided in one place, `weight`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from pullcore.answers import DENIED, PRESENT, UNKNOWN
from pullcore.case import PUBLIC_REGISTRIES, Case, Finding
from pullcore.fixes import server_key
from pullcore.kubelet import is_aborted
from pullcore.refusals import AUTHENTICATION, NOT_SAID
from pullcore.registry_findings import REGISTRY_RULES
from pullcore.remedies import attach, new_name, renew, set_policy, write_anew
from pullcore.times import parse_time
from pullcore.workload import TEMPLATED, target_of

# The registry could not be used, whatever the credentials: a copy on the node would have helped.
REGISTRY_NEEDED = AUTHENTICATION | frozenset(
    "image-not-found repository-not-found dns connection timeout tls-untrusted tls-other http-https-mismatch proxy "
    "rate-limited registry-error".split()
)


def weight(case: Case, *, meant: bool = False) -> str:
    """How much a fault of the pull secrets weighs. An error where it explains the kubelet's refusal, and, where nobody has
    tried yet, for a registry that most likely wants credentials. A warning where another credential is offered, or may be,
    and where the pull works, fails for another reason, or the kubelet does not say why; if somebody `meant` to give a
    credential for just this registry, its fault explains that, too."""
    if case.offers:
        return "warning"
    nodes_have_none = case.node_sources == "unlikely"
    if "no-credentials" in case.refused or (nodes_have_none and "denied-or-missing" in case.refused):
        return "error"
    wanted = nodes_have_none and _wants_credentials(case) and not (case.untried and case.at_hand)
    return "error" if wanted and (case.untried or (meant and case.refused & NOT_SAID)) else "warning"


def _wants_credentials(case: Case) -> bool:
    """What the registry says to nobody tells; where it was not asked, or says neither, what such registries mostly want."""
    if case.view and case.view.reach.vouched and case.view.manifest != UNKNOWN:
        return case.view.manifest == DENIED
    return case.reference.registry not in PUBLIC_REGISTRIES


# Faults of the objects, most specific first


def secret_malformed(case: Case) -> Optional[Finding]:
    """One malformed secret makes the kubelet fail before it asks any registry (keyring.go MakeDockerKeyring)."""
    if not case.lookup.blocked:
        return None
    bad = [facts for name in case.pull.secrets if (facts := case.known.get(name)) and facts.malformed]
    names = _list(tuple(facts.name for facts in bad))
    # Earlier words about credentials do not matter: the next try will not get that far.
    says_so = case.refused & {"secret-malformed", *NOT_SAID, *AUTHENTICATION}
    server = server_key(case.reference)
    fix: list[str] = []
    for facts in bad:  # another one beside it would not help, for this one stops every pull
        fix += [case.commands.delete_secret(facts.name), case.commands.add_secret(facts.name, server)]
    return Finding(
        "secret-malformed",
        "error" if says_so or (case.untried and not case.at_hand) else "warning",
        f"secret {names} is malformed, and one malformed secret stops every pull of a pod that lists it",
        evidence=(
            case.lookup.blocked,
            "written anew it serves one registry: for others it had, make another secret and list it, too",
        ),
        fix=tuple(fix),
    )


def stale_pod(case: Case) -> Optional[Finding]:
    """A pod keeps the list that it was made with; changes of its template or service account reach only new pods."""
    lists = {pod["metadata"]["uid"]: case.list_of_today(pod) for pod in case.pods}
    stale = {uid: today for uid, today in lists.items() if today is not None and today != case.pull.secrets}
    if not stale:
        return None
    today = sorted(stale.values())[0]
    helped = {uid for uid, today in stale.items() if any(not one.empty for one in case.offered(today).attempts)}
    helps = not case.lookup.attempts and bool(helped)
    all_helped = helps and all(pod["metadata"]["uid"] in helped for pod in case.waiting_pods)
    return Finding(
        "stale-pod",
        weight(case) if all_helped else "warning",
        f"the pod lists {_list(case.pull.secrets)}, one made today would list {_list(today)}"
        + (", which has a credential for this registry" if helps else ""),
        evidence=(
            f"{case.pull.asker.ref} or service account {case.pull.service_account} was changed after the pod was made,"
            " or a webhook rewrote the pod",
        ),
        fix=renew(case, uids=helped) if helps else (),
        containers=tuple(use.ref for use in case.pull.containers if use.pod_uid in stale),
    )


def secret_missing(case: Case) -> Optional[Finding]:
    if not case.lookup.missing:
        return None
    names, namespace = case.lookup.missing, case.pull.namespace
    elsewhere = {name: case.evidence.elsewhere[name] for name in names if name in case.evidence.elsewhere}
    fix = [
        case.commands.copy_secret(name, elsewhere[name][0])
        if name in elsewhere
        else case.commands.add_secret(name, server_key(case.reference))
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
    if len(empty) < len(case.lookup.attempts):  # a real credential is offered besides
        empty = []
    if not whole and not empty:
        return None
    names = tuple(dict.fromkeys([*(one.secret for one in whole), *(one.secret for one in empty)]))
    lines = [f"{one.secret}: {one.reason}" for one in whole]
    lines += [f"{one.secret}: its entry {one.key} has neither user nor password, so the pull is anonymous" for one in empty]
    server = server_key(case.reference)
    fix: list[str] = []
    for name in names:
        if any(one.secret == name and one.kind == "type" for one in whole):
            # The type of a secret can't be changed, and its data may be somebody's: another one, beside it.
            fix += [case.commands.add_secret(new_name(name, case), server), *attach(new_name(name, case), case)]
        else:
            fix += write_anew(name, case)
    return Finding(
        "secret-ignored",
        weight(case, meant=bool(empty)),
        f"secret {_list(names)} holds nothing that the kubelet can use",
        tuple(dict.fromkeys(lines)),
        tuple(fix),
    )


def key_mismatch(case: Case) -> Optional[Finding]:
    """A secret that is meant for this registry, whose key is spelt so that the kubelet never finds it."""
    meant = [one for one in case.lookup.ignored if one.meant and one.key is not None]
    if not meant:
        return None
    keys = {one.secret: one.better for one in meant}
    names = ", ".join(keys)
    lines = []
    for one in dict.fromkeys(meant):
        better = f'; "{one.better}" would match' if one.better else ""
        lines.append(f'{one.secret}: the key "{one.key}" {one.reason}{better}')
    return Finding(
        "key-mismatch",
        weight(case, meant=True),
        f"no credential is offered for {case.reference.registry}, because {names} is for a server that never matches"
        if not case.offers
        else f"{names} has an entry for a server that never matches",
        evidence=tuple(lines),
        fix=tuple(
            line for name, key in {one.secret: one.better for one in meant}.items() for line in write_anew(name, case, key)
        ),
    )


def expired_credentials(case: Case) -> Optional[Finding]:
    """A password that is a token tells itself when it ends. As long as a registry takes it, that does not matter."""
    offered = [one for one in case.lookup.attempts if not one.anonymous]
    over = [one for one in offered if (end := parse_time(one.expires)) is not None and end <= case.evidence.observed_at]
    view = case.view
    if not over or (view and view.manifest == PRESENT and (view.by is None or view.by in over)):
        return None
    alone = len(over) == len(offered) and not (view and view.manifest == PRESENT)
    matters = case.untried if view is None else False  # a registry that was asked says itself what it thinks of it
    names = _list(tuple(f"{one.secret} ({one.username})" for one in over))
    return Finding(
        "expired-credentials",
        "error" if alone and (matters or case.refused & AUTHENTICATION) else "warning",
        f"the token in secret {names} expired at {over[0].expires}",
        fix=tuple(line for name in dict.fromkeys(one.secret for one in over) for line in write_anew(name, case)),
    )


def service_account_shadowed(case: Case) -> Optional[Finding]:
    """A pod's own list switches its service account's off: they are never merged."""
    helpful = [name for name in case.account_secrets if name not in case.pull.secrets and case.serves(name)]
    if not case.pull.secrets or case.lookup.attempts or not helpful:
        return None
    return Finding(
        "service-account-shadowed",
        weight(case),
        f"secret {helpful[0]} of service account {case.pull.service_account} is not used, for the pod has a list of its own",
        evidence=(f"the pod lists {_list(case.pull.secrets)}; the account's {_list(case.account_secrets)} is then ignored",),
        fix=attach(helpful[0], case),
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
    if case.pull.policy != "Always" or not case.refused & REGISTRY_NEEDED:
        return None
    having = {node.name for node in case.nodes if node.present}
    on = [one.use.node for one in case.said if one.use and one.use.node in having]
    if not on:
        return None
    return Finding(
        "always-needs-registry",
        "warning",
        f"node {', '.join(sorted(filter(None, on)))} has the image, but policy Always asks the registry at every start",
        fix=set_policy(case, "IfNotPresent"),
    )


def domain_aborted(case: Case) -> Optional[Finding]:
    """The operator has given up on the Domain: it tries again only when introspectVersion changes."""
    for asker in case.pull.askers:
        domain = case.index.by_target.get(asker)
        if domain and asker.kind == "Domain" and is_aborted(domain):
            return Finding(
                "domain-aborted",
                "warning",
                f"the operator has stopped retrying {asker.ref}: once the cause is mended, it needs a new introspectVersion",
                fix=(case.commands.repull(asker),),
            )
    return None


def rewritten_image(case: Case) -> Optional[Finding]:
    """The pod's image is not its template's: a webhook changed it on the way, so editing the template may not help."""
    containers: dict[str, set[str]] = {}
    for use in case.pull.containers:
        containers.setdefault(use.pod_uid, set()).add(use.container)
    for pod in case.pods:
        template = case.index.nearest_template(pod)
        if not template or template["kind"] not in TEMPLATED:
            continue
        mine = containers.get(pod["metadata"].get("uid"), set())
        for ask in case.index.asks(target_of(template)):
            if ask.container in mine and ask.image != case.pull.image:
                name = f"{template['kind'].lower()}/{template['metadata']['name']}"
                return Finding(
                    "stale-pod",
                    "warning",
                    f"the pod's image is not the one of its template: {name} says {ask.image}",
                    evidence=("the template was changed since, a webhook rewrote the pod, or somebody changed it",),
                    containers=tuple(f"{pod['metadata']['name']}/{one}" for one in sorted(mine)),
                )
    return None


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(names)) if names else "no pull secret"


OBJECT_RULES: tuple[Callable[[Case], Optional[Finding]], ...] = (
    secret_malformed,
    stale_pod,
    secret_missing,
    secret_ignored,
    key_mismatch,
    expired_credentials,
    service_account_shadowed,
)
SIDE_RULES: tuple[Callable[[Case], Optional[Finding]], ...] = (
    domain_aborted,
    always_needs_registry,
    rewritten_image,
    latest_tag,
    *REGISTRY_RULES,
)
