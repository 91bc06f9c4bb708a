"""Lets kubelets try: makes canaries, watches what becomes of them, and takes them away, whatever happens."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Optional

from pullcore import canary
from pullcore.apierrors import ApiError, Conflict, NotFound, Unreachable, may_be_done
from pullcore.canary import Canary, Outcome
from pullcore.cluster import Cluster, resource_path
from pullcore.errors import one_line
from pullcore.overlap import in_lanes, overlapped
from pullcore.prune import EVENT, WrongType, prune, prune_object
from pullcore.pull import Object, Pull
from pullcore.refusals import AUTHENTICATION
from pullcore.times import parse_time

PAUSES = (0.2, 0.2, 0.3, 0.5, 1.0, 2.0)  # between two looks at a canary; the last goes on
DIGEST_TIME = 3.0  # seconds that an image which is there may take to be made a container, which tells its digest
SECOND_TRY = 25.0  # seconds: the kubelet's first back-off is 10
SILENT = 60.0  # seconds: a kubelet that lives acknowledges a pod in a few
CLEARING = 10.0  # seconds
SKEW = 1800.0  # seconds by which clocks may differ
SPARE = 30.0  # seconds after its end that a canary of another run is not touched
# Refusals that the next try may not meet: the kubelet's own limit, a pull that was given up.
PASSING = frozenset(("throttled", "canceled"))


@dataclass(frozen=True)
class Try:
    """One node's try that is wanted. doubted: a refusal of credentials is not believed before the second try, for the
    registry gives this image to them (a kubelet may not know a new secret yet)."""

    pull: Pull
    node: Object
    policy: str
    doubted: bool = False


@dataclass
class Prober:
    """Makes canaries, at most `parallelism` at a time, and none for longer than `seconds` in all. tell: gets each canary
    with its outcome when it is over, one at a time."""

    cluster: Cluster
    parallelism: int
    seconds: float
    tell: Callable[[Canary, Outcome], None]
    run: str = field(default_factory=lambda: secrets.token_hex(5))
    left: list[str] = field(default_factory=list)  # what could not be removed, as kubectl would be told to
    _alive: dict[str, tuple[str, Optional[str]]] = field(default_factory=dict)  # name -> namespace, UID of what may be there
    _small: dict[str, dict[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def manifests(self, tries: Sequence[Try]) -> list[Object]:
        """The canaries that would be made."""
        return [self._manifest(one, number) for number, one in enumerate(tries, 1)]

    def check(self, tries: Sequence[Try]) -> list[Canary]:
        """Has the API server only try to make them: what it refuses says so in `why`."""

        def attempt(one: tuple[Try, Object]) -> Canary:
            try:
                self._create(one[1], dry_run=True)
            except ApiError as error:
                return unanswered(one[0], f"no canary can be made: {one_line(error, 400)}")
            return unanswered(one[0], "not tried: server dry run")

        return overlapped(attempt, list(zip(tries, self.manifests(tries))))

    def probe(self, tries: Sequence[Try]) -> list[Canary]:
        """Has each node try; no canary is left afterwards, also after an interrupt. Raises Unreachable."""
        until = time.monotonic() + self.seconds
        found: dict[int, Canary] = {}
        manifests = self.manifests(tries)

        def job(number: int) -> Callable[[], None]:
            def work() -> None:
                one = self._tried(tries[number], manifests[number], until)
                if not self._over.is_set():
                    with self._lock:
                        found[number] = one
                        self.tell(one, canary.outcome(one, _now()))

            return work

        lanes = {"": [job(number) for number in range(len(tries))]}
        try:
            in_lanes(lanes, each=self.parallelism, total=self.parallelism, seconds=self.seconds + DIGEST_TIME)
        finally:
            self._over.set()
            self._clear()
        late = f"no answer within {self.seconds:g}s for all nodes"
        return [found.get(number) or unanswered(one, late) for number, one in enumerate(tries)]

    def clear_earlier(self, namespaces: Sequence[str]) -> int:
        """Removes the canaries that a killed run left, never those of one that may be at work; how many there were."""
        removed = 0
        for namespace in namespaces:
            path = resource_path("v1", "pods", namespace=namespace)
            try:
                left = [pod for pod in self.cluster.items(path, labelSelector=canary.SELECTOR) if _is_left(pod, _now())]
            except ApiError:
                continue
            for pod in left:
                removed += self._deleted(namespace, pod["metadata"]["name"], pod["metadata"]["uid"])
        return removed

    def _manifest(self, one: Try, number: int) -> Object:
        seconds = max(int(self.seconds), 1)
        small = self._resources(one.pull.namespace)
        return canary.manifest(one.pull, one.node, one.policy, run=self.run, number=number, seconds=seconds, small=small)

    def _resources(self, namespace: str) -> dict[str, str]:
        if namespace not in self._small:
            try:
                ranges = list(self.cluster.items(resource_path("v1", "limitranges", namespace=namespace)))
            except ApiError:
                ranges = []
            self._small[namespace] = canary.resources(ranges)
        return self._small[namespace]

    def _tried(self, wanted: Try, value: Object, until: float) -> Canary:
        if self._over.is_set() or time.monotonic() >= until:
            return unanswered(wanted, f"not tried within {self.seconds:g}s for all nodes")
        namespace, name = value["metadata"]["namespace"], value["metadata"]["name"]
        with self._lock:
            self._alive[name] = (namespace, None)  # before it is made: an interrupt may come in between
        try:
            made = self._create(value)
            uid = str(made["metadata"]["uid"])
        except (ApiError, Unreachable, KeyError, TypeError) as error:
            if isinstance(error, ApiError) and not may_be_done(error):
                self._forget(name)
                return unanswered(wanted, f"no canary could be made: {one_line(error, 400)}")
            if self._deleted(namespace, name, None):  # it may be there all the same
                self._forget(name)
            is_told = isinstance(error, (ApiError, Unreachable))
            why = one_line(error, 300) if is_told else "the server's answer is no pod"
            return unanswered(wanted, f"it is not known whether a canary was made: {why}")
        with self._lock:
            self._alive[name] = (namespace, uid)
        try:
            return self._watched(wanted, made, until)
        except (WrongType, KeyError, TypeError):
            return unanswered(wanted, "the server's answer is no pod")
        finally:
            if self._deleted(namespace, name, uid):
                self._forget(name)

    def _create(self, value: Object, *, dry_run: bool = False) -> Object:
        path = resource_path("v1", "pods", namespace=value["metadata"]["namespace"])
        query = {"fieldManager": "kubectl-pullkit", "dryRun": "All" if dry_run else None}
        try:
            return self.cluster.request("POST", path, query, value)
        except ApiError as error:
            if error.status not in (403, 422) or "security context constraint" not in str(error):
                raise
            return self.cluster.request("POST", path, query, canary.without_user(value))

    def _watched(self, wanted: Try, made: Object, until: float) -> Canary:
        """Looks at a canary until its outcome is known, or time is up."""
        seen = _of(wanted, made, ())
        began, there_since = time.monotonic(), None
        for turn in itertools.count():
            try:
                seen = self._look(wanted, made, seen)
            except Unreachable:
                pass  # the next look may find the server again
            except ApiError as error:
                if isinstance(error, NotFound) and error.names_object:
                    return replace(seen, why="its canary was deleted by somebody else")
                return replace(seen, why=f"its canary can't be looked at: {one_line(error, 300)}")
            now = time.monotonic()
            told = canary.outcome(seen, _now())
            if told.good:
                there_since = there_since or now
                if told.digest or now - there_since > DIGEST_TIME:
                    return seen
            elif _is_last_word(told, wanted, now - began):
                return seen
            silent = not (seen.pod or {}).get("status", {}).get("startTime") and now - began > SILENT
            if silent:
                return replace(seen, why=f"its kubelet said nothing within {SILENT:.0f}s: is the node ready?")
            if now >= until:
                return replace(seen, why=f"{told.text}, after {now - began:.0f}s")
            if self._over.wait(min(PAUSES[min(turn, len(PAUSES) - 1)], max(until - now, 0.05))):
                return seen
        raise AssertionError("a loop without an end ended")

    def _look(self, wanted: Try, made: Object, seen: Canary) -> Canary:
        metadata = made["metadata"]
        pod = self.cluster.get(resource_path("v1", "pods", namespace=metadata["namespace"], name=metadata["name"]))
        try:
            fields = f"involvedObject.uid={metadata['uid']}"
            path = resource_path("v1", "events", namespace=metadata["namespace"])
            events = tuple(prune(event, EVENT) for event in self.cluster.items(path, fieldSelector=fields))
        except (ApiError, WrongType):  # who may not read events is told what the status tells
            events = seen.events
        return _of(wanted, pod, events)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._alive.pop(name, None)

    def _clear(self) -> None:
        """Waits until the threads have taken their canaries away, and deletes what is left after that."""
        until = time.monotonic() + CLEARING
        while self._alive and time.monotonic() < until:
            time.sleep(0.05)
        with self._lock:
            left = list(self._alive.items())
        gone = overlapped(lambda one: self._deleted(one[1][0], one[0], one[1][1]), left)
        self.left = [f"{name} -n {where}" for (name, (where, _)), is_gone in zip(left, gone) if not is_gone]

    def _deleted(self, namespace: str, name: str, uid: Optional[str]) -> bool:
        """Whether a canary is gone; it runs nothing, so that it needs no grace."""
        path = resource_path("v1", "pods", namespace=namespace, name=name)
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        if uid:
            body["preconditions"] = {"uid": uid}
        for _ in range(3):
            try:
                self.cluster.request("DELETE", path, None, body)
                return True
            except NotFound as error:
                return error.names_object
            except Conflict:  # it may be another one of that name
                if self._is_gone(path, uid):
                    return True
            except ApiError:
                return False
            except Unreachable:
                time.sleep(0.5)
        return False

    def _is_gone(self, path: str, uid: Optional[str]) -> bool:
        """Whether a canary is not there any more, after a deletion that met a conflict."""
        try:
            return uid is not None and bool(self.cluster.get(path)["metadata"]["uid"] != uid)
        except NotFound as error:
            return error.names_object
        except (ApiError, Unreachable):
            return False


def unanswered(one: Try, why: str) -> Canary:
    return Canary(one.pull.key, one.node["metadata"]["name"], one.policy, why=why)


def _of(one: Try, pod: Object, events: tuple[Object, ...]) -> Canary:
    kept = prune_object({**pod, "kind": "Pod"})
    return Canary(one.pull.key, one.node["metadata"]["name"], one.policy, kept, events)


def _is_last_word(told: Outcome, wanted: Try, passed: float) -> bool:
    """Whether nothing else is to be expected: a refusal that is believed, or a pod that the kubelet did not take."""
    if told.word is None:
        return not told.taken
    doubtful = told.word.cause in PASSING or (wanted.doubted and told.word.cause in AUTHENTICATION)
    return not doubtful or (told.word.attempts or 0) > 1 or passed > SECOND_TRY


def _is_left(pod: Object, now: datetime) -> bool:
    """Whether a canary outlived the time that its run gave it. now: this machine's, which may be wrong by some minutes; a
    kubelet that lives ends the canary itself."""
    made, seconds = parse_time(pod["metadata"].get("creationTimestamp")), pod.get("spec", {}).get("activeDeadlineSeconds")
    ended = (pod.get("status") or {}).get("phase") == "Failed"
    spare = SPARE if ended else SKEW
    return made is not None and isinstance(seconds, int) and made + timedelta(seconds=seconds + spare) < now


def _now() -> datetime:
    return datetime.now(timezone.utc)
