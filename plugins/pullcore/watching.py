"""A list of objects that is kept up to date on a thread of its own, as kubectl's informers do (client-go, reflector.go).

What the API server answers leads to the next step in `after_list`, `after_watch` and `after_error_event`, which are pure;
`Following` takes the steps. A resource version is never looked into, only given back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Optional

from pullcore.cluster import PAGE, ApiError, Cluster, Forbidden, Gone, Object, Unreachable
from pullcore.errors import CommandError, one_line

PAUSES = (1.0, 2.0, 4.0, 8.0, 10.0)  # before one try after the other
POLL = 2.0  # between two lists where nobody may watch
LASTING = 30.0  # a watch of so many seconds that the server ended was not in vain, though nothing happened
TOLD = {"ADDED": "changed", "MODIFIED": "changed", "DELETED": "gone"}
BELIEVED = 5  # refusals in a row; after a restart an API server refuses until it knows its roles and service accounts


@dataclass(frozen=True)
class Change:
    """What a Following tells.

    name: which one tells. kind: "listed" (`objects` is all there is now), "changed" (one was added or modified), "gone"
    (one was deleted; as it was last), "trouble" (nothing new, `error` says why). final: with "trouble", it is over. The
    objects of a list do not tell their `kind` and `apiVersion`, those of changes do.
    """

    name: str
    kind: str
    objects: tuple[Object, ...] = ()
    error: Optional[CommandError] = None
    final: bool = False


class Action(Enum):
    WATCH = "watch on from the last resource version"
    LIST = "list all of it again"
    POLL = "list all of it again and again"
    END = "give up"


@dataclass(frozen=True)
class Step:
    """What comes next. at_once: without a pause if it is the first of a row that came to nothing; it is no trouble then."""

    action: Action
    trouble: Optional[CommandError] = None
    at_once: bool = False


def after_watch(error: Optional[CommandError], worked: bool) -> Step:
    """The step after a watch that ended, with an error or without. worked: whether this list was ever watched."""
    if error is None or isinstance(error, Unreachable):
        return Step(Action.WATCH, error, at_once=True)
    if isinstance(error, Gone):
        return Step(Action.LIST, at_once=True)
    if not isinstance(error, ApiError):
        return Step(Action.END, error)
    if _is_passing(error):
        return Step(Action.WATCH, error)
    if (isinstance(error, Forbidden) or error.status == 405) and not worked:
        return Step(Action.POLL)
    return Step(Action.LIST)  # which tells whether it is gone or refused altogether


def after_list(error: CommandError, believed: bool) -> Step:
    """The step after a list that failed. believed: whether a refusal is to be taken as the last word."""
    if _is_refusal(error) and believed:
        return Step(Action.END, error)
    return Step(Action.LIST if isinstance(error, (ApiError, Unreachable)) else Action.END, error)


def after_error_event(status: Object) -> Step:
    """The step after an ERROR event, which ends a watch; its object is a Status."""
    return Step(Action.LIST, at_once=status.get("code") == 410)


def _is_passing(error: ApiError) -> bool:
    return error.status == 429 or error.status >= 500


def _is_refusal(error: CommandError) -> bool:
    return isinstance(error, ApiError) and not isinstance(error, Gone) and not _is_passing(error)


def everything(
    cluster: Cluster, path: str, query: Mapping[str, str], keep: Callable[[Object], Optional[Object]]
) -> tuple[tuple[Object, ...], str]:
    """The objects of a list, all as they were at one moment, and that moment's resource version. keep: see Following.

    `Cluster.pages` goes on with newer objects where a list expires half-way, from which no watch can start. Raises what
    `Cluster.get` raises.
    """
    paged: dict[str, Any] = {**query, "limit": PAGE}
    try:
        page = cluster.page(path, **paged)
        objects = _kept(page, keep)
        while token := _metadata(page).get("continue"):
            page = cluster.page(path, **{**paged, "continue": token})
            objects += _kept(page, keep)
    except Gone:
        page = cluster.page(path, **query)  # the whole list at once cannot expire
        objects = _kept(page, keep)
    return tuple(objects), str(_metadata(page).get("resourceVersion") or "")


def _kept(page: Object, keep: Callable[[Object], Optional[Object]]) -> list[Object]:
    """What is kept of a page's objects, before the next one comes: thousands of whole ones would take a lot of memory."""
    items = (item for item in page.get("items") or () if isinstance(item, dict))
    return [kept for item in items if (kept := keep(item)) is not None]


def _whole(value: Object) -> Optional[Object]:
    return value


def _metadata(document: Object) -> Object:
    found = document.get("metadata")
    return found if isinstance(found, dict) else {}


class Row:
    """A row of tries that came to nothing, and the pauses between them, which grow."""

    def __init__(self, pauses: Sequence[float]) -> None:
        self._pauses = (0.0, *pauses)
        self.clear()

    def clear(self) -> None:
        """Something came of it: the next failure is the first of a row."""
        self._length = 0

    def pause(self, at_once: bool) -> float:
        """The seconds to wait after one more failure: none if it is the first, and the next try may be made at once."""
        place = self._length if at_once else max(self._length, 1)
        self._length = place + 1
        return self._pauses[min(place, len(self._pauses) - 1)]


class Following:
    """A list that is followed: told in whole first, then change by change, until it is stopped or refused.

    Lists and watches `path` with `query` (labelSelector, fieldSelector); `tell` gets each Change, on the thread that
    `start` makes. Where the user may list but not watch, it lists every two seconds. A server that cannot be reached, or
    answers that it cannot now, is tried for ever; that is told once as "trouble", which is over with the next thing told.
    A refusal (forbidden, unauthorized, not found) is final; where the list worked before, only when it lasts. Nothing is
    raised: what was not foreseen is a final "trouble" as well.

    keep: what is told of each object, None for nothing of it; managedFields may be gone before it gets one.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        query: Mapping[str, str],
        tell: Callable[[Change], None],
        name: str = "",
        *,
        keep: Callable[[Object], Optional[Object]] = _whole,
        pauses: Sequence[float] = PAUSES,
        poll: float = POLL,
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._query: dict[str, Any] = dict(query)
        self._tell = tell
        self._name = name
        self._keep = keep
        self._poll = poll
        self._stopped = threading.Event()
        # One for each: after a restart a watch that is too old has to lead to a list at once.
        self._rows = {Action.WATCH: Row(pauses), Action.LIST: Row(pauses)}
        self._in_trouble = False  # and that was told
        self._version = ""  # where the next watch begins
        self._listed = False
        self._watched = False
        self._polls = False
        self._refusals = 0

    def start(self) -> None:
        """Begins, on a daemon thread. To be called once."""
        threading.Thread(target=self._run, name=f"following {self._path}", daemon=True).start()

    def stop(self) -> None:
        """Nothing is told any more, but for what is being told just now. Does not wait for the thread."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            step = Step(Action.LIST)
            while step.action is not Action.END and not self._stopped.is_set():
                step = self._watch() if step.action is Action.WATCH else self._list()
            self._say("trouble", error=step.trouble, final=True)
        except Exception as error:  # noqa: BLE001 - a thread that died in silence would look like a list without changes
            unforeseen = CommandError(f"following {self._path}: {one_line(f'{type(error).__name__}: {error}', 300)}")
            with suppress(Exception):  # it may be `tell` that fails
                self._say("trouble", error=unforeseen, final=True)

    def _list(self) -> Step:
        try:
            objects, self._version = everything(self._cluster, self._path, self._query, self._keep)
        except CommandError as error:
            self._refusals += _is_refusal(error)
            return self._paused(after_list(error, not self._listed or self._refusals > BELIEVED))
        self._listed, self._refusals, self._in_trouble = True, 0, False
        self._say("listed", objects)
        if not self._polls:
            return Step(Action.WATCH)  # the rows go on: a list that works is no help while watches fail at once
        self._works()
        return self._paused(Step(Action.POLL))

    def _watch(self) -> Step:
        began = time.monotonic()
        try:
            step = self._events()
            self._watched = True
        except CommandError as error:
            step = after_watch(error, self._watched)
        if not step.trouble and time.monotonic() - began > LASTING:
            self._works()
        self._polls = step.action is Action.POLL
        return self._paused(step)

    def _events(self) -> Step:
        """Tells what one watch brings; the step after it. Raises what `Cluster.watch` raises."""
        with closing(self._cluster.watch(self._path, resource_version=self._version, **self._query)) as events:
            for event in events:
                if self._stopped.is_set():
                    break
                if event["type"] == "ERROR":
                    return after_error_event(event["object"])
                self._works()
                self._watched = True
                if kind := TOLD.get(event["type"]):
                    self._say(kind, tuple(_kept({"items": [event["object"]]}, self._keep)))
                self._version = str(_metadata(event["object"]).get("resourceVersion") or self._version)
        return after_watch(None, self._watched)

    def _works(self) -> None:
        for row in self._rows.values():
            row.clear()
        self._in_trouble = False

    def _paused(self, step: Step) -> Step:
        """The step, when it is time for it. Tells the first trouble of a row."""
        row = self._rows.get(step.action)
        if row:
            pause = row.pause(step.at_once)
            if step.trouble and pause and not self._in_trouble:
                self._in_trouble = True
                self._say("trouble", error=step.trouble)
            self._stopped.wait(pause)
        elif step.action is Action.POLL:
            self._stopped.wait(self._poll)
        return step

    def _say(
        self, kind: str, objects: tuple[Object, ...] = (), error: Optional[CommandError] = None, final: bool = False
    ) -> None:
        if not self._stopped.is_set():
            self._tell(Change(self._name, kind, objects, error, final))
