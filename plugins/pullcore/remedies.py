"""Which commands mend a Pull: chosen here, worded in `fixes`.

None of them loses a name of a list, deletes a secret, or deletes a pod in which a container runs.
"""

from __future__ import annotations

from typing import Optional

from pullcore.case import Case
from pullcore.fixes import server_key
from pullcore.keyring import DOCKERCONFIGJSON
from pullcore.pull import Object, Source, Target
from pullcore.weblogic import next_version
from pullcore.workload import TEMPLATED, asks_of, target_of

NEW_SECRET = "regcred"  # noqa: S105 - a name, the one that the Kubernetes documentation uses
LIST_PATHS = {"Domain": "/spec/imagePullSecrets", "CronJob": "/spec/jobTemplate/spec/template/spec/imagePullSecrets"}
SEEN_FROM_THE_NODE = frozenset("connection timeout proxy http-https-mismatch registry-error tls-untrusted tls-other".split())


def for_refusal(cause: str, case: Case, nodes: str) -> tuple[str, ...]:
    """Commands for a cause that the kubelet named, on `nodes`; causes that objects prove bring theirs along."""
    reference, commands = case.reference, case.commands
    host = "registry-1.docker.io" if reference.registry == "docker.io" else reference.registry
    node = nodes.split(", ")[0]
    if cause in ("image-not-found", "bad-content"):
        return _set_image(case, f"{reference.name}:TAG")
    if cause == "repository-not-found":
        return _set_image(case, f"{reference.registry}/REPOSITORY:TAG")
    if cause == "platform-mismatch":
        platforms = commands.unscoped("get", "nodes", "-L", "kubernetes.io/os,kubernetes.io/arch")
        return (platforms, *_set_image(case, f"{reference.name}:TAG"))
    if cause in ("no-credentials", "denied-or-missing"):
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
    pods = list(dict.fromkeys(one.use.pod for one in case.said if one.use))
    return (case.commands.kubectl("describe", "pod", pods[0]),) if pods else ()


def _set_image(case: Case, image: str) -> tuple[str, ...]:
    sources = [source for source in case.pull.sources if _may_be_made_again(source, case)]
    commands = tuple(line for source in sources for line in case.commands.set_image(source, image))
    # A StatefulSet waits for its broken pod, and a ReplicaSet changes none (documentation "Forced rollback").
    stuck = any(source.target.kind in ("StatefulSet", "ReplicaSet") for source in sources)
    return (*commands, *recreate(case)) if stuck else commands


def set_policy(case: Case, policy: str) -> tuple[str, ...]:
    sources = [source for source in case.pull.sources if _may_be_made_again(source, case)]
    return tuple(line for source in sources for line in case.commands.set_policy(source, policy))


def _may_be_made_again(source: Source, case: Case) -> bool:
    """What can't be changed in place is deleted and made again: not while a container of it runs."""
    return source.target.kind not in ("Pod", "Job") or not any(map(_runs, case.pods))


def give_credentials(case: Case) -> tuple[str, ...]:
    """Uses what is there before it makes something new: a list that lost a name, a secret that nobody lists."""
    lost = lost_from_account(case)
    if lost:
        return (_add_to_account(lost, case), *recreate(case))
    listed = {*case.pull.secrets}
    helpful = [name for name, facts in sorted(case.known.items()) if facts and name not in listed and case.serves(name)]
    name = helpful[0] if helpful else NEW_SECRET
    create = () if helpful else (case.commands.create_secret(name, server_key(case.reference)),)
    return (*create, *attach(name, case))


def write_anew(secret: str, case: Case, server: Optional[str] = None) -> tuple[str, ...]:
    """Puts a right credential into a secret; beside it where others would be lost, or where its type can't be kept."""
    server = server or server_key(case.reference)
    facts = case.known.get(secret)
    if facts and facts.type == DOCKERCONFIGJSON and len(facts.entries) < 2:
        return (case.commands.replace_secret(secret, server),)
    beside = f"{secret}-pull"
    return (case.commands.create_secret(beside, server), *attach(beside, case))


def attach(name: str, case: Case) -> tuple[str, ...]:
    """Adds a secret to what the pods of every asker are given, and keeps all that they are given now."""
    return tuple(dict.fromkeys(line for asker in case.pull.askers for line in _attach_to(asker, name, case)))


def _attach_to(asker: Target, name: str, case: Case) -> tuple[str, ...]:
    own = case.own_list(asker)
    changeable = asker.kind in LIST_PATHS or (asker.kind in TEMPLATED and asker.kind != "Job")
    path = LIST_PATHS.get(asker.kind, "/spec/template/spec/imagePullSecrets")
    if name in own:
        return recreate(case)
    # A StatefulSet waits for its broken pod, and a ReplicaSet changes none (documentation "Forced rollback").
    again = recreate(case) if asker.kind in ("StatefulSet", "ReplicaSet") else ()
    if own and not changeable:  # the list of a pod or a Job stays as it was made, and switches the account's off
        return case.commands.edited(asker, f"add name: {name} to imagePullSecrets") if not any(map(_runs, case.pods)) else ()
    if own:
        return (case.commands.add_pull_secret(asker, path, name, first=False), *again)
    if changeable and _first_list_is_safe(asker, case):
        return (case.commands.add_pull_secret(asker, path, name, first=True), *again)
    add = () if name in case.account_secrets else (_add_to_account(name, case),)
    return (*add, *recreate(case))


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
    if not case.account_known:
        return case.commands.edit_account(case.account)
    return case.commands.add_pull_secret(case.account, "/imagePullSecrets", name, first=not case.account_secrets)


def lost_from_account(case: Case) -> Optional[str]:
    """The FAQ's trap, `kubectl patch serviceaccount` that replaces the whole list: a name that other pods of the account
    have, that it does not list among others, and that would serve this image."""
    if case.pull.secrets != case.account_secrets or not case.account_secrets:
        return None
    account = (case.pull.namespace, case.pull.service_account)
    earlier = {name for names in case.evidence.earlier_lists.get(account, ()) for name in names}
    lost = sorted(name for name in earlier - set(case.account_secrets) if case.serves(name))
    return lost[0] if lost else None


def recreate(case: Case, uids: Optional[set[str]] = None) -> tuple[str, ...]:
    """What makes new pods out of waiting ones in which nothing runs: a new introspection for an introspector; saving,
    deleting and making again a Job or a pod that nobody controls; deleting those that a controller makes again. Only those
    with these `uids`, if given."""
    lines: list[str] = []
    delete: list[str] = []
    for pod in case.waiting_pods:
        owners = case.index.owners(pod)
        if _runs(pod) or (uids is not None and pod["metadata"].get("uid") not in uids):
            continue
        if owners and owners[-1].kind == "Domain" and "weblogic.serverName" not in pod["metadata"].get("labels", {}):
            spec = case.index.by_target.get(owners[-1], {}).get("spec", {})
            lines.append(case.commands.new_introspect_version(owners[-1], next_version(spec.get("introspectVersion"))))
        elif not owners or owners[0].kind == "Job":
            lines += case.commands.made_again(owners[0] if owners else target_of(pod))
        else:
            delete.append(pod["metadata"]["name"])
    if delete:
        lines.append(case.commands.kubectl("delete", "pod", *delete))
    return tuple(dict.fromkeys(lines))


def rolls_servers(fix: tuple[str, ...], case: Case) -> bool:
    """Whether one of the commands changes the list of a Domain whose servers run: the operator then rolls them."""
    domains = [asker for asker in case.pull.askers if asker.kind == "Domain" and _has_running_pod(asker, case)]
    return any(
        "/spec/imagePullSecrets" in line and f"patch domain {asker.name} " in line for line in fix for asker in domains
    )


def _has_running_pod(asker: Target, case: Case) -> bool:
    return any(asker in case.index.owners(pod) and _runs(pod) for pod in case.index.pods.values())


def _runs(pod: Object) -> bool:
    """Whether any regular container runs: such a pod serves somebody, however broken it looks."""
    return any("running" in one.get("state", {}) for one in pod.get("status", {}).get("containerStatuses", []))
