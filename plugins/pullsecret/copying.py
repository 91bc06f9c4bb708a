"""kubectl pullsecret copy: a pull secret in other namespaces, marked as a copy, and whether copies are still the same."""

from __future__ import annotations

from pullcore.apierrors import Conflict
from pullcore.cluster import resource_path
from pullcore.errors import CommandError, one_line
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.pull import Object
from pullcore.store import PULL_SECRET_TYPES
from pullcore.terminal import table

from pullsecret.copies import SECRET, copies, copy_of, is_copy, is_same
from pullsecret.options import Copy
from pullsecret.session import Session


def copy(options: Copy, session: Session) -> int:
    """Makes or updates the copies, or compares them; 0, or 1 where a copy differs (--check). Raises CommandError."""
    source, shown = session.named("Secret", options.name), one_line(options.name, 100)
    if source.get("type") not in PULL_SECRET_TYPES:
        raise CommandError(f"secret/{shown} is of type {one_line(source.get('type'), 60)}: it is no pull secret")
    wanted = _namespaces(options, session)
    if options.check:
        return _check(source, wanted, session)
    return _copied(source, wanted, session, everywhere=options.all_namespaces)


def _namespaces(options: Copy, session: Session) -> list[str]:
    """Where to; never to the source itself, nor to a namespace that is being deleted."""
    if session.namespace in options.namespaces:
        session.say(f"Note: it is in namespace {session.namespace} already: that is the one that is copied")
    if not options.all_namespaces:
        return [name for name in dict.fromkeys(options.namespaces) if name != session.namespace]
    there = session.cluster.items(resource_path("v1", KINDS["Namespace"].plural))
    names = [str(one["metadata"]["name"]) for one in there if not one["metadata"].get("deletionTimestamp")]
    return [name for name in names if name not in (*options.excepted, session.namespace)]


def _copied(source: Object, wanted: list[str], session: Session, *, everywhere: bool) -> int:
    demand(session.cluster, [Action(verb, SECRET, name) for name in wanted for verb in ("get", "create", "update")])
    if everywhere:
        session.confirm(f"secret/{source['metadata']['name']} is copied to {len(wanted)} namespaces")
    refused = []
    for namespace in wanted:
        reason = _one(source, namespace, session)
        if reason:
            refused.append(namespace)
            session.say(f"Not copied to {namespace}: {reason}")
    if refused:
        raise CommandError(f"not copied to {len(refused)} of {len(wanted)} namespaces: {', '.join(refused[:10])}")
    return 0


def _one(source: Object, namespace: str, session: Session) -> str:
    """Makes one copy; why not, in words, where it can't be."""
    name, new = source["metadata"]["name"], copy_of(source, namespace)
    for _ in range(3):
        there = session.get("Secret", name, namespace)
        try:
            if there is None:
                session.changes.create(SECRET, new, f"created in namespace {namespace}")
            elif not is_copy(there, source):
                return f"a secret {name} is there, and is no copy of this one"
            elif there.get("type") != source.get("type"):
                return f"the copy is of type {one_line(there.get('type'), 60)}, which can't be changed: remove it first"
            elif is_same(there, source):
                session.changes.unchanged(SECRET, there)
            elif there.get("immutable"):
                return "the copy is immutable: remove it first"
            else:
                session.changes.update(SECRET, {**there, "data": new["data"]}, f"updated in namespace {namespace}")
            return ""
        except Conflict:
            continue
        except CommandError as error:
            return error.text
    return "it is written to by somebody else all the time"


def _check(source: Object, wanted: list[str], session: Session) -> int:
    name = source["metadata"]["name"]
    there = {str(value["metadata"]["namespace"]): value for value in copies(source, session)}
    rows = []
    for namespace in wanted or sorted(there):
        value = there.get(namespace) or session.get("Secret", name, namespace)
        if value is None:
            rows.append([namespace, name, "missing"])
        elif not is_copy(value, source):
            rows.append([namespace, name, "no copy"])
        else:
            rows.append([namespace, name, "same" if is_same(value, source) else "differs"])
    if not rows:
        session.say(f"No copies of secret/{name} found.")
        return 0
    session.stdout.write(table(["NAMESPACE", "NAME", "COPY"], rows) + "\n")
    return 0 if all(row[2] == "same" for row in rows) else 1
