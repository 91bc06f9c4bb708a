"""Which commands mend a Pull: chosen here, worded in `fixes`.

None of them loses a name of a list, or deletes a pod in which a container runs. A secret that is malformed is written
anew as a whole, for it stops every pull; of others all entries stay.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Optional

from pullcore.attachment import LIST_PATHS
from pullcore.case import Case
from pullcore.fixes import server_key
from pullcore.keyring import DOCKERCONFIGJSON
from pullcore.kinds import KINDS
from pullcore.pull import Object, Source, Target
from pullcore.workload import asks_of, is_static, runs, target_of

NEW_SECRET = "regcred"  # noqa: S105 - a name, the one that the Kubernetes documentation uses
STUCK = ("StatefulSet", "ReplicaSet")
SEEN_FROM_THE_NODE = frozenset("connection timeout proxy http-https-mismatch registry-error tls-untrusted tls-other".split())


def for_refusal(cause: str, case: Case, nodes: str) -> tuple[str, ...]:
    """Commands for a cause that the kubelet named, on `nodes`; causes that objects prove bring theirs along."""
    reference, commands = case.reference, case.commands
    host = "registry-1.docker.io" if reference.registry == "docker.io" else reference.registry
    node = nodes.split(", ")[0]
    if cause in ("image-not-found", "bad-content"):
        return set_image(case, f"{reference.name}:TAG")
    if cause == "repository-not-found":
        return set_image(case, f"{reference.registry}/REPOSITORY:TAG")
    if cause == "platform-mismatch":
        platforms = commands.unscoped("get", "nodes", "-L", "kubernetes.io/os,kubernetes.io/arch")
        return (platforms, *set_image(case, f"{reference.name}:TAG"))
    if cause in ("no-credentials", "denied-or-missing", "present-not-usable"):
        # Where one is offered by now, the next try uses it.
        return () if case.offers else give_credentials(case)
    if cause in ("bad-credentials", "expired-credentials"):
        return write_anew(case.lookup.attempts[0].secret, case) if case.lookup.attempts else give_credentials(case)
    if cause == "never-pull":
        return set_policy(case, "IfNotPresent")
    if cause == "dns":
        return (f"ssh {node} getent hosts {host.rpartition(':')[0] or host}",)
    if cause in SEEN_FROM_THE_NODE:
        return (f"ssh {node} curl -sSv -o /dev/null https://{host}/v2/",)
    return describe(case)


def describe(case: Case) -> tuple[str, ...]:
    """Where to read on, when no command is known to mend it."""
    own = {use.pod for use in case.pull.containers}
    pods = list(dict.fromkeys(one.use.pod for one in case.said if one.use and one.use.pod in own))
    return (case.commands.kubectl("describe", "pod", pods[0]),) if pods else ()


def set_image(case: Case, image: str) -> tuple[str, ...]:
    """Puts another image at every place that names this one."""
    if all(source.target.kind == "Pod" for source in case.pull.sources) and any(map(case.index.owners, case.pods)):
        return recreate(case)  # what made these pods names another image already
    lines: list[str] = []
    for source in _written(case):
        in_place = source.path.startswith(("spec.containers", "spec.initContainers"))
        if in_place or _may_be_made_again(source.target, case):
            lines += _edit_unread(source.target, case) or case.commands.set_image(source, image)
    return tuple(dict.fromkeys((*lines, *_again_where_stuck(case))))


def set_policy(case: Case, policy: str) -> tuple[str, ...]:
    """Sets the pull policy beside every place that names this image."""
    lines: list[str] = []
    for source in _written(case):
        if _may_be_made_again(source.target, case):
            lines += _edit_unread(source.target, case) or case.commands.set_policy(source, policy)
    return tuple(dict.fromkeys((*lines, *_again_where_stuck(case))))


def _written(case: Case) -> list[Source]:
    """The places that can be edited: an image that is only asked about stands nowhere."""
    return [source for source in case.pull.sources if source.target.kind != "Image"]


def _edit_unread(target: Target, case: Case) -> list[str]:
    """For an object that makes another one again from itself, but could not be read: there it has to be changed."""
    pods = [pod for pod in case.pods if target in (target_of(pod), *case.index.owners(pod))]
    outermost = {owners[-1] for pod in pods if (owners := case.index.owners(pod))}
    unread = [one for one in sorted(outermost) if one not in case.index.by_target and one != target]
    return [case.commands.edit(one, f"change what {target.ref} has from it") for one in unread]


def _may_be_made_again(target: Target, case: Case) -> bool:
    """What can't be changed in place is deleted and made again: not while a container of it runs."""
    if target.kind not in ("Pod", "Job"):
        return True
    mine = [pod for pod in case.pods if target in (target_of(pod), *case.index.owners(pod))]
    return not any(runs(pod) or is_static(pod) for pod in mine)


def _again_where_stuck(case: Case) -> tuple[str, ...]:
    """A StatefulSet waits for its broken pod, and a ReplicaSet changes none (documentation "Forced rollback")."""
    return tuple(line for one in case.pull.askers if one.kind in STUCK for line in recreate(case, one))


def give_credentials(case: Case) -> tuple[str, ...]:
    """Uses what is there before it makes something new: a list that lost a name, a secret that nobody lists."""
    lost = lost_from_account(case)
    if lost:
        return (_add_to_account(lost, case), *recreate(case))
    listed = {*case.pull.secrets}
    helpful = [
        name
        for name, facts in sorted(case.known.items())
        if facts and name not in listed and case.serves(name) and not case.is_refused(name)
    ]
    name = helpful[0] if helpful else NEW_SECRET
    create = () if helpful else (case.commands.add_secret(name, server_key(case.reference)),)
    attached = attach(name, case)
    return (*create, *attached) if attached else describe(case)


def write_anew(secret: str, case: Case, server: Optional[str] = None) -> tuple[str, ...]:
    """Puts a right credential into a secret; beside it where others would be lost, or where its type can't be kept."""
    server = server or server_key(case.reference)
    facts = case.known.get(secret)
    if facts and facts.type == DOCKERCONFIGJSON and not facts.malformed:
        return (case.commands.add_secret(secret, server),)
    beside = new_name(secret, case)
    return (case.commands.add_secret(beside, server), *attach(beside, case))


def new_name(secret: str, case: Case) -> str:
    """A name for another secret beside one: of its own for each registry."""
    return f"{secret}-{re.sub('[^a-z0-9]+', '-', case.reference.registry.lower()).strip('-')}"


def attach(name: str, case: Case) -> tuple[str, ...]:
    """Adds a secret to what the pods of every asker are given, and keeps all that they are given now."""
    return tuple(dict.fromkeys(line for asker in case.pull.askers for line in _attach_to(asker, name, case)))


def _attach_to(asker: Target, name: str, case: Case) -> tuple[str, ...]:
    own = case.own_list(asker)
    changeable = asker.kind in LIST_PATHS
    if unread := _edit_unread(asker, case):
        return tuple(unread)
    if name in own:
        return renew(case, asker)
    again = recreate(case, asker) if asker.kind in STUCK else ()
    if own and asker.kind == "Image":  # of a pod that is only asked about
        return ()
    if own and not changeable:  # the list of a pod or a Job stays as it was made, and switches the account's off
        edited = case.commands.edited(asker, f"add name: {name} to imagePullSecrets")
        return edited if _may_be_made_again(asker, case) else ()
    if own:
        return (case.commands.attach_secret(asker, name), *again)
    if changeable and _first_list_is_safe(asker, case):
        return (case.commands.attach_secret(asker, name), *again)
    if not changeable and not _may_be_made_again(asker, case):
        return ()
    add = () if name in case.account_secrets else (_add_to_account(name, case),)
    return (*add, *renew(case, asker))


def _first_list_is_safe(asker: Target, case: Case) -> bool:
    """A first list in a template switches the lists of service accounts off, so those have to be known and empty; on a
    Domain these are the accounts of all its servers, and it rolls the servers that run."""
    value = case.index.by_target.get(asker)
    accounts = {ask.service_account for ask in asks_of(value, case.index.clusters)} if value else set()
    lists = [case.list_of_account(account) for account in {*accounts, case.pull.service_account}]
    return not any(names is None or names for names in lists) and not (
        asker.kind == "Domain" and _has_running_pod(asker, case)
    )


def _add_to_account(name: str, case: Case) -> str:
    return case.commands.attach_secret(case.account, name)


def lost_from_account(case: Case) -> Optional[str]:
    """The FAQ's trap, `kubectl patch serviceaccount` that replaces the whole list: a name that other pods of the account
    have, that it does not list among others, and that would serve this image."""
    if case.pull.secrets != case.account_secrets or not case.account_secrets:
        return None
    account = (case.pull.namespace, case.pull.service_account)
    earlier = {name for names in case.evidence.earlier_lists.get(account, ()) for name in names}
    lost = sorted(name for name in earlier - set(case.account_secrets) if case.serves(name))
    return lost[0] if lost else None


def recreate(case: Case, asker: Optional[Target] = None, uids: Optional[set[str]] = None) -> tuple[str, ...]:
    """What makes new pods out of waiting ones in which nothing runs; only those of `asker`, or with these `uids`, if
    given."""
    return _repull([pod for pod in _waiting(case, asker, uids) if not runs(pod)], case)


def renew(case: Case, asker: Optional[Target] = None, uids: Optional[set[str]] = None) -> tuple[str, ...]:
    """The same where new pods are needed in any case: those in which a container runs are rolled by what made them, which
    keeps the service up as far as it has other pods."""
    pods = _waiting(case, asker, uids)
    return _repull([pod for pod in pods if not runs(pod) or _rolls(case.index.owners(pod))], case)


def and_repull(fix: tuple[str, ...], case: Case) -> tuple[str, ...]:
    """Commands that mend a cause, and the one that brings back what waits: for its back-off is up to 5 minutes long."""
    mends = any(line.startswith(("kubectl pullsecret ", "kubectl patch ")) for line in fix)
    if not mends or any(line.startswith("kubectl repull ") for line in fix):
        return fix
    return (*fix, *(case.commands.repull(target) for target in _targets(case)))


def or_supply(cause: str, fix: tuple[str, ...], case: Case) -> tuple[str, ...]:
    """Commands that mend a cause, and besides what supplies an image that only exists on somebody's machine: where it is not
    known what else the image may be meant to be. `:` does nothing with its words, in any shell, so that whoever pastes all
    lines does not do both."""
    nowhere = cause in ("image-not-found", "repository-not-found") and any(":TAG" in line for line in fix)
    of_nobody = case.reference.registry == "docker.io" and case.reference.repository.startswith("library/")
    ways = {"--push=ARCHIVE": "or, if you have the image, push it there:"} if nowhere and not of_nobody else {}
    on_no_node = cause == "never-pull" and not any(node.present for node in case.nodes)
    if (nowhere or on_no_node) and case.pull.policy != "Always":  # that asks the registry, whatever nodes have
        ways["--load=ARCHIVE"] = "or, if you have the image, load it onto the nodes:"
    targets = _targets(case) if ways else []
    return (
        *fix,
        *(f": {shlex.quote(why)} {case.commands.repull(one, way)}" for way, why in ways.items() for one in targets),
    )


def _waiting(case: Case, asker: Optional[Target], uids: Optional[set[str]]) -> list[Object]:
    """The waiting pods that can be made again from here, of `asker` and with these `uids`, if given."""
    return [
        pod
        for pod in case.waiting_pods
        if not is_static(pod)
        and (asker is None or asker in (target_of(pod), *case.index.owners(pod)))
        and (uids is None or pod["metadata"].get("uid") in uids)
    ]


def _targets(case: Case) -> list[Target]:
    """What to name for bringing back what waits."""
    targets = [case.index.restarter(pod) for pod in _waiting(case, None, None)]
    if not targets:  # an introspector that is gone between two tries
        targets = [asker for asker in case.pull.askers if asker.kind == "Domain" and case.failing]
    return list(dict.fromkeys(targets))


def _repull(pods: Sequence[Object], case: Case) -> tuple[str, ...]:
    options: dict[Target, dict[str, None]] = {}
    for pod in pods:
        owners = case.index.owners(pod)
        if owners and owners[0].kind not in KINDS:  # whether that makes it again is not known
            continue
        own = options.setdefault(case.index.restarter(pod), {})
        if runs(pod):
            own["--roll-running"] = None
        elif not case.index.is_remade(pod):
            own["--recreate-pods"] = None
    return tuple(case.commands.repull(target, *given) for target, given in options.items())


def _rolls(owners: Sequence[Target]) -> bool:
    return bool(owners) and owners[-1].kind in ("Domain", "Deployment", "StatefulSet", "DaemonSet")


def rolls_servers(fix: tuple[str, ...], case: Case) -> str:
    """The Domain whose running servers the operator rolls after one of the commands, or nothing (documentation "Fields
    that cause servers to be restarted")."""
    for asker in case.pull.askers:
        if asker.kind == "Domain" and _has_running_pod(asker, case):
            patch, listed = f"kubectl patch domain {asker.name} ", f"--for=domain/{asker.name}"
            if any(listed in line.split() or line.startswith(patch) or "--roll-running" in line.split() for line in fix):
                return asker.name
    return ""


def _has_running_pod(asker: Target, case: Case) -> bool:
    return any(asker in case.index.owners(pod) and runs(pod) for pod in case.index.pods.values())
