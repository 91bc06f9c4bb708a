"""Which commands mend a Pull: chosen here, worded in `fixes`."""

from __future__ import annotations

from typing import Optional

from pullcore.case import Case
from pullcore.fixes import server_key
from pullcore.pull import Object, Target
from pullcore.weblogic import next_version
from pullcore.workload import TEMPLATED, target_of


def for_refusal(cause: str, case: Case, nodes: str) -> tuple[str, ...]:
    """Commands for a cause that the kubelet named, on `nodes`; causes that objects prove bring theirs along."""
    reference, commands = case.reference, case.commands
    host = "registry-1.docker.io" if reference.registry == "docker.io" else reference.registry
    on_node = f"   # on node {nodes}"
    if cause in ("image-not-found", "bad-content"):
        return _set_image(case, f"{reference.name}:TAG")
    if cause == "repository-not-found":
        return _set_image(case, f"{reference.registry}/REPOSITORY:TAG")
    if cause == "platform-mismatch":
        platforms = commands.unscoped("get", "nodes", "-L", "kubernetes.io/os,kubernetes.io/arch")
        return (platforms, *_set_image(case, f"{reference.name}:TAG"))
    if cause == "no-credentials" or (cause == "denied-or-missing" and not case.lookup.attempts):
        return give_credentials(case)
    if cause in ("bad-credentials", "expired-credentials"):
        refused = [commands.replace_secret(one.secret, server_key(reference)) for one in case.lookup.attempts[:1]]
        return tuple(refused) or give_credentials(case)
    if cause == "never-pull":
        return tuple(line for source in case.pull.sources for line in commands.set_policy(source, "IfNotPresent"))
    if cause == "dns":
        return (f"getent hosts {host.rpartition(':')[0] or host}{on_node}",)
    if cause in (
        "connection",
        "timeout",
        "proxy",
        "http-https-mismatch",
        "registry-error",
        "tls-untrusted",
        "tls-other",
    ):
        return (f"curl -sSv -o /dev/null https://{host}/v2/{on_node}",)
    return describe(case)


def describe(case: Case) -> tuple[str, ...]:
    """Where to read on, when no command is known to mend it."""
    pods = dict.fromkeys(one.use.pod for one in case.said if one.use)
    return tuple(case.commands.kubectl("describe", "pod", pod) for pod in list(pods)[:1])


def _set_image(case: Case, image: str) -> tuple[str, ...]:
    commands = tuple(line for source in case.pull.sources for line in case.commands.set_image(source, image))
    # A StatefulSet waits for its broken pod, and a ReplicaSet changes none (documentation "Forced rollback").
    stuck = any(source.target.kind in ("StatefulSet", "ReplicaSet") for source in case.pull.sources)
    return (*commands, *recreate(case)) if stuck else commands


def give_credentials(case: Case) -> tuple[str, ...]:
    """Uses what is there before it makes something new: a list that lost a name, a secret that nobody lists."""
    account = Target("ServiceAccount", case.pull.namespace, case.pull.service_account)
    first_of_account = not case.account_secrets
    lost = lost_from_account(case)
    if lost:
        add = case.commands.add_pull_secret(account, "/imagePullSecrets", lost, first=first_of_account)
        return (add, *recreate(case))
    unlisted = [name for name, facts in sorted(case.known.items()) if facts and name not in case.pull.secrets]
    helpful = [name for name in unlisted if any(not one.empty for one in case.offered((name,)).attempts)]
    name = helpful[0] if helpful else "regcred"
    create = () if helpful else (case.commands.create_secret(name, server_key(case.reference)),)
    holder, path = list_holder(case)
    if holder.kind == "Pod":  # a pod's own list can't be changed
        add = case.commands.add_pull_secret(account, "/imagePullSecrets", name, first=first_of_account)
        return (*create, add, *recreate(case))
    has_own_list = bool(case.pull.secrets) and case.pull.secrets != case.account_secrets
    return (*create, case.commands.add_pull_secret(holder, path, name, first=not has_own_list))


def lost_from_account(case: Case) -> Optional[str]:
    """The FAQ's trap, `kubectl patch serviceaccount` that replaces the whole list: a name that earlier pods of the account
    were given, that it no longer has, and that would serve this image."""
    if case.pull.secrets != case.account_secrets:
        return None
    account = (case.pull.namespace, case.pull.service_account)
    earlier = {name for names in case.evidence.earlier_lists.get(account, ()) for name in names}
    lost = sorted(name for name in earlier - set(case.account_secrets) if case.offered((name,)).attempts)
    return lost[0] if lost else None


def list_holder(case: Case) -> tuple[Target, str]:
    """The object whose imagePullSecrets pods of this Pull get, and the path of that list."""
    kind = case.asker.kind
    if kind == "CronJob":
        return case.asker, "/spec/jobTemplate/spec/template/spec/imagePullSecrets"
    if kind in TEMPLATED and kind != "Job":  # a Job's template can't be changed
        return case.asker, "/spec/template/spec/imagePullSecrets"
    if kind == "Domain":
        return case.asker, "/spec/imagePullSecrets"
    return Target("Pod", case.pull.namespace, case.asker.name), "/spec/imagePullSecrets"


def recreate(case: Case) -> tuple[str, ...]:
    """What makes new pods out of waiting ones in which nothing runs: a new introspection for an introspector; deleting those
    that a controller makes again; saving, deleting and making again the others."""
    waiting = set(case.asking_pods)
    pods = [pod for pod in case.evidence.pods if pod["metadata"]["name"] in waiting and not _runs(pod)]
    if case.asker.kind == "Domain" and any("weblogic.serverName" not in _labels(pod) for pod in pods):
        domain = case.index.by_target.get(case.asker, {})
        version = next_version(domain.get("spec", {}).get("introspectVersion"))
        return (case.commands.new_introspect_version(case.asker, version),)
    controlled = [pod["metadata"]["name"] for pod in pods if case.index.owners(pod)]
    bare = [target_of(pod) for pod in pods if not case.index.owners(pod)]
    delete = (case.commands.kubectl("delete", "pod", *controlled),) if controlled else ()
    return (*delete, *(line for pod in bare for line in case.commands.made_again(pod)))


def _labels(pod: Object) -> Object:
    labels: Object = pod["metadata"].get("labels", {})
    return labels


def _runs(pod: Object) -> bool:
    """Whether any regular container runs: such a pod serves somebody, however broken it looks."""
    return any("running" in one.get("state", {}) for one in pod.get("status", {}).get("containerStatuses", []))
