"""The FAQ's last resort: a Domain is deleted and made again. All its servers stop, so its name has to be typed again."""

from __future__ import annotations

from pullcore.errors import CommandError, one_line
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.pull import Object, Target
from pullcore.signals import shielded
from pullcore.weblogic import SERVER_LABEL, clusters_named
from pullcore.workload import Index, runs

from repull.manifests import manifest_of
from repull.remake import make_again, not_deleted
from repull.saved import save
from repull.session import Session
from repull.steps import Step

DOMAIN = KINDS["Domain"]


def steps(domain: Target, index: Index) -> list[Step]:
    """The one step of this plan."""
    if domain not in index.by_target:
        raise CommandError(f"--recreate-domain is for a WebLogic Domain, which {domain.ref} is not")
    uids = tuple(uid for uid, pod in index.pods.items() if domain in index.owners(pod))
    servers = running_servers(domain, index)
    stop = f"stops {', '.join(servers)}" if servers else "no server of it runs"
    return [Step("recreate-domain", domain, f"--recreate-domain was given; {stop}", domain, uids)]


def running_servers(domain: Target, index: Index) -> list[str]:
    labels = (pod["metadata"].get("labels", {}) for pod in index.pods.values() if domain in index.owners(pod) and runs(pod))
    return sorted(one[SERVER_LABEL] for one in labels if SERVER_LABEL in one)


def confirm(domain: Target, index: Index, session: Session) -> None:
    """Explains the outage, and has the name typed again. Raises CommandError where it is another, or none."""
    actions = [Action(verb, DOMAIN, domain.namespace, domain.name) for verb in ("get", "delete")]
    demand(session.cluster, [*actions, Action("create", DOMAIN, domain.namespace)])
    if session.options.dry_run:
        return
    servers = running_servers(domain, index)
    outage = f"All its servers stop now, and what they hold in memory is lost: {', '.join(servers)}." if servers else ""
    session.say(f"Last resort: {domain.ref} in namespace {domain.namespace} is deleted and made again. {outage}".rstrip())
    session.say("Its servers are down until its operator has introspected it anew. A new introspectVersion needs no outage.")
    if session.ask("Type the name of the Domain to go on") != domain.name:
        raise CommandError(f"that is not {one_line(domain.name, 100)}: nothing was changed")


def recreate_domain(step: Step, session: Session) -> Step:
    """Deletes the Domain and makes it again. Raises CommandError; the file is then there still."""
    domain = step.target
    value = session.whole(domain)
    if value is None or "deletionTimestamp" in value["metadata"]:
        raise CommandError(f"{domain.ref} is being deleted by somebody else, or gone: nothing was done")
    documents = [manifest_of(value), *map(manifest_of, _clusters(value, session))]
    uid = value["metadata"]["uid"]
    seen = {**value, "metadata": {key: part for key, part in value["metadata"].items() if key != "resourceVersion"}}
    if session.options.dry_run:
        session.changes.delete(DOMAIN, seen)
        return step
    with shielded():
        saved = save(session.options.save_dir, session.cluster.server, uid, documents)
        session.say(f"{domain.ref} is saved in {saved.path}")
        # The operator writes its status all the time, so that only the UID is held to.
        try:
            session.changes.delete(DOMAIN, seen)
        except BaseException as error:
            not_deleted(error, saved, session)
            raise
        make_again(saved, session)
    return step


def _clusters(domain: Object, session: Session) -> list[Object]:
    namespace = domain["metadata"]["namespace"]
    found = (session.whole(Target("Cluster", namespace, name)) for name in clusters_named(domain))
    return [one for one in found if one]
