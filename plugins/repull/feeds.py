"""What happens in the cluster, as it happens: pods, their events and Domains, followed and put into one World."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from functools import partial
from typing import Optional, TypeVar

from pullcore.cluster import Cluster, resource_path
from pullcore.errors import one_line
from pullcore.kinds import KINDS, Kind
from pullcore.kubelet import as_refused
from pullcore.prune import WrongType, prune_object
from pullcore.pull import Object, Target
from pullcore.selector import from_spec
from pullcore.store import ClusterStore
from pullcore.watching import Change, Following
from pullcore.weblogic import pod_selector
from pullcore.workload import target_of

from repull.goal import World

K = TypeVar("K")
V = TypeVar("V")
FEW_NAMESPACES = 4  # in more than these, all are followed at once


class Feeds:
    """Follows what bears on some objects. `world` changes only in `take`, on the caller's thread."""

    def __init__(self, cluster: Cluster, store: ClusterStore, targets: Sequence[Object], say: Callable[[str], None]) -> None:
        """targets: the objects that are to be brought back; a bare pod stands for itself."""
        self.world = World()
        self.say = say
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._kinds: dict[str, Kind] = {}
        self._held: dict[str, dict[str, Object]] = {}  # by feed, then by `_key`
        self._events: dict[str, dict[str, Object]] = {}  # by the UID of their pod, then by `_key`
        self._unlisted: set[str] = set()
        self._feeds = [self._feed(cluster, store, *what) for what in _followed(targets)]
        self.lost = ""  # why pods are not followed any more

    def _feed(self, cluster: Cluster, store: ClusterStore, kind: Kind, namespace: Optional[str], query: Object) -> Following:
        name = f"{kind.plural} in {namespace or 'all namespaces'}"
        self._kinds[name], self._held[name] = kind, {}
        self._unlisted.add(name)
        version = store.served.get(kind.name)
        path = resource_path(kind.group_version(version), kind.plural, namespace=namespace)
        return Following(cluster, path, query, self._changes.put, name, keep=partial(_pruned, kind.name))

    def start(self, seconds: float) -> None:
        """Begins to follow, and waits until everything was listed once, so that nothing is missed afterwards."""
        for feed in self._feeds:
            feed.start()
        while self._unlisted and self.take(seconds):
            pass

    def stop(self) -> None:
        for feed in self._feeds:
            feed.stop()

    def take(self, seconds: float) -> bool:
        """Waits for something to happen, at most so long, and takes in all that has; False if nothing did."""
        try:
            change = self._changes.get(timeout=max(seconds, 0))
        except queue.Empty:
            return False
        touched: set[str] = set()
        while True:
            touched |= self._take_in(change)
            try:
                change = self._changes.get_nowait()
            except queue.Empty:
                break
        for uid in touched:
            self._renew(uid)
        return True

    def _renew(self, uid: str) -> None:
        """Puts one pod and its events into the world as they are now: thousands of others have not changed."""
        events, pods = self._events.get(uid), (held for name, held in self._held.items() if self._is(name, "Pod"))
        pod = next((held[uid] for held in pods if uid in held), None)
        _put(self.world.events, uid, list(events.values()) if events else None)
        _put(self.world.pods, uid, pod and as_refused(pod, self.world.events.get(uid, ())))

    def _is(self, feed: str, kind: str) -> bool:
        return self._kinds[feed].name == kind

    def _take_in(self, change: Change) -> set[str]:
        """The UIDs of the pods that it bears on. Of Domains there are few: these are in the world afterwards."""
        if change.kind == "trouble":
            self._trouble(change)
            return set()
        self._unlisted.discard(change.name)
        kind, held = self._kinds[change.name], self._held[change.name]
        now = {_key(value): value for value in change.objects}
        left_out = [key for key in held if key not in now] if change.kind == "listed" else []
        gone = list(now) if change.kind == "gone" else left_out
        there = {} if change.kind == "gone" else now
        touched = {self._keep(change.name, key, None) for key in gone}
        touched |= {self._keep(change.name, key, value) for key, value in there.items()}
        if kind.name == "Domain":
            domains = [one for name, some in self._held.items() if self._is(name, "Domain") for one in some.values()]
            self.world.domains = {target_of(one): one for one in domains}
            return set()
        return touched

    def _keep(self, feed: str, key: str, value: Optional[Object]) -> str:
        """Holds an object, or lets go of it; the UID of the pod that it is, or is about."""
        old = self._held[feed].get(key)
        _put(self._held[feed], key, value)
        if not self._is(feed, "Event"):
            return key
        about = str(((value or old or {}).get("involvedObject") or {}).get("uid", ""))
        _put(self._events.setdefault(about, {}), key, value)
        return about

    def _trouble(self, change: Change) -> None:
        reason = one_line(change.error, 300).removeprefix("error: ")
        if not change.final:
            self.say(f"{reason}; trying again")
            return
        self._unlisted.discard(change.name)
        if self._is(change.name, "Pod"):
            self.lost = reason
        else:
            self.say(f"Not followed: {change.name}: {reason}")


def _key(value: Object) -> str:
    """What tells an object from others of its kind; of an event no UID is held."""
    metadata = value.get("metadata", {})
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}")


def _pruned(kind: str, value: Object) -> Optional[Object]:
    """What is held of an object; the type of a list's items does not stand in them."""
    try:
        return prune_object({**value, "kind": kind})
    except WrongType:  # no API server gives such an object
        return None


def _put(held: dict[K, V], key: K, value: Optional[V]) -> None:
    if value is None:
        held.pop(key, None)
    else:
        held[key] = value


def _followed(targets: Sequence[Object]) -> list[tuple[Kind, Optional[str], dict[str, str]]]:
    """Which lists to follow: one pod or the pods of one object in a namespace, where there is but one; else all of it."""
    by_namespace: dict[str, list[Object]] = {}
    for value in targets:
        by_namespace.setdefault(value["metadata"].get("namespace", ""), []).append(value)
    with_domains = {namespace for namespace, some in by_namespace.items() if any(one["kind"] == "Domain" for one in some)}
    found: list[tuple[Kind, Optional[str], dict[str, str]]] = []
    events = {"fieldSelector": "involvedObject.kind=Pod"}
    if len(by_namespace) > FEW_NAMESPACES:
        found += [(KINDS["Pod"], None, {}), (KINDS["Event"], None, events)]
        return found + ([(KINDS["Domain"], None, {})] if with_domains else [])
    for namespace, some in by_namespace.items():
        query = _query(some[0]) if len(some) == 1 else {}
        found += [(KINDS["Pod"], namespace, query), (KINDS["Event"], namespace, events)]
        if namespace in with_domains:
            found.append((KINDS["Domain"], namespace, {}))
    return found


def _query(value: Object) -> dict[str, str]:
    if value["kind"] == "Pod":
        return {"fieldSelector": f"metadata.name={value['metadata']['name']}"}
    if value["kind"] == "Domain":
        return {"labelSelector": pod_selector(value)}
    labels = "" if value["kind"] == "CronJob" else from_spec(value.get("spec", {}).get("selector", {}))
    if value["kind"] == "Job" and "controller-uid" in labels:  # which is another once it is made again
        labels = f"job-name={value['metadata']['name']}"
    return {"labelSelector": labels} if labels else {}


def as_target(target: Target, value: Optional[Object]) -> Object:
    """What stands for an object that could not be read."""
    return value or {"kind": target.kind, "metadata": {"namespace": target.namespace, "name": target.name}}
