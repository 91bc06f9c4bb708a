"""From what a user names to objects: NAME, TYPE/NAME, `TYPE NAME...`, a selector, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Optional

from pullcore.apierrors import Forbidden
from pullcore.errors import CommandError, UsageError, one_line
from pullcore.kinds import CHECKABLE, KINDS, TARGETS, Kind, kind_called
from pullcore.overlap import overlapped
from pullcore.pull import Object, Target
from pullcore.selector import from_spec
from pullcore.store import Store
from pullcore.weblogic import pod_selector
from pullcore.workload import controller_of, target_of

OWNING = frozenset(kind.name for kind in CHECKABLE)


class Named(NamedTuple):
    """What a user asked for on the command line: a name, of a kind or of any."""

    kind: Optional[Kind]
    name: str


def parse_names(words: Sequence[str]) -> list[Named]:
    """Reads `domain1`, `deploy/web`, `pods/a`, or `deployment web api` (a type first, then names without types).

    Raises UsageError for a type that can't be checked, or a type without a name.
    """
    if len(words) > 1 and not any("/" in word for word in words) and (kind := kind_called(words[0])):
        return [Named(kind, word) for word in words[1:]]
    named = []
    for word in words:
        kind_word, slash, name = word.rpartition("/")
        if not slash:
            named.append(Named(None, name))
            continue
        kind = kind_called(kind_word)
        if not kind:
            known = ", ".join(one.name.lower() for one in CHECKABLE)
            raise UsageError(f'the type "{one_line(kind_word, 60)}" has no images to check; those that have: {known}')
        if not name:
            raise UsageError(f'"{one_line(word, 60)}" lacks a name after its type')
        named.append(Named(kind, name))
    return named


def find(named: Named, namespace: str, store: Store, *, unambiguous: bool = False) -> tuple[Object, list[str]]:
    """The object that was named, and notes for the user where a name fits several kinds (a Domain comes first).

    Raises CommandError if there is none, or several and it has to be `unambiguous`. Without a type, kinds that the user may
    not read are passed over.
    """
    shown = one_line(named.name, 200)
    if named.kind:
        found = store.get(named.kind, namespace, named.name)
        if found is None:
            kind = named.kind
            full = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
            raise CommandError(f'{full} "{shown}" not found in namespace {namespace}')
        return found, []
    refused: dict[Kind, Forbidden] = {}

    def look(kind: Kind) -> Optional[Object]:
        try:
            return store.get(kind, namespace, named.name)
        except Forbidden as error:
            refused[kind] = error
            return None

    objects = [value for value in overlapped(look, TARGETS) if value]
    if len(refused) == len(TARGETS):
        raise refused[TARGETS[0]]
    if not objects:
        kinds = ", ".join(kind.name for kind in TARGETS if kind not in refused)
        not_allowed = ", ".join(kind.name for kind in TARGETS if kind in refused)
        but = f"; not allowed to look for {not_allowed}" if refused else ""
        raise CommandError(f'no object called "{shown}" in namespace {namespace} (looked for {kinds}{but})')
    if len(objects) == 1:
        return objects[0], []
    if unambiguous:
        fitting = ", ".join(one_line(target_of(value).ref, 200) for value in objects)
        raise CommandError(f'"{shown}" fits {fitting}: write which')
    others = ", ".join(target_of(value).ref for value in objects[1:])
    return objects[0], [f"{named.name} is also the name of {others}: this is {target_of(objects[0]).ref}"]


def domains_of_cluster(cluster: Object, store: Store) -> list[Object]:
    """The Domains that refer to a WebLogic Cluster: they hold the images and pull secrets of its servers."""
    name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    return [
        domain
        for domain in store.select(KINDS["Domain"], namespace)
        if name in [one.get("name") for one in domain.get("spec", {}).get("clusters", [])]
    ]


def pods_of(value: Object, store: Store) -> tuple[list[Object], list[Object]]:
    """The pods of an object, and the objects between them and it (a Deployment's ReplicaSets, a CronJob's Jobs)."""
    own = target_of(value)
    if own.kind == "Pod":
        return [value], []
    if own.kind == "Domain":
        return list(store.select(KINDS["Pod"], own.namespace, labels=pod_selector(value))), []
    if own.kind == "CronJob":
        jobs = [job for job in store.select(KINDS["Job"], own.namespace) if controller_of(job) == own]
        return [pod for job in jobs for pod in pods_of(job, store)[0]], jobs
    labels = from_spec(value.get("spec", {}).get("selector", {}))
    if not labels:  # a manifest of a Job has none before it is created
        return [], []
    between: list[Object] = []
    pods = store.select(KINDS["Pod"], own.namespace, labels=labels)
    if own.kind == "Deployment":
        try:
            sets = list(store.select(KINDS["ReplicaSet"], own.namespace, labels=labels))
        except Forbidden:  # the name of a ReplicaSet is its Deployment's with a hash behind it
            of_sets = ((pod, controller_of(pod)) for pod in pods)
            return [pod for pod, one in of_sets if one and one.name.rpartition("-")[0] == own.name], []
        between = [one for one in sets if controller_of(one) == own]
    parents = {target_of(one) for one in between} or {own}
    return [pod for pod in pods if controller_of(pod) in parents], between


def owners_of(values: Iterable[Object], known: Iterable[Object], get: Callable[[Target], Optional[Object]]) -> list[Object]:
    """What controls the values, and what controls that, as far as `get` finds it and it is not known already."""
    seen = {target_of(value) for value in known}
    found: list[Object] = []
    level = list(values)
    while level:
        wanted = {owner for value in level if (owner := controller_of(value)) and owner not in seen and owner.kind in OWNING}
        seen |= wanted
        answers = overlapped(get, sorted(wanted))
        level = [value for value in answers if value]
        found += level
    return found
