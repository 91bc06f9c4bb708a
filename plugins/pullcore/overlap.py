"""Independent reads side by side, on daemon threads: an interrupt is not held up by requests on their way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
WORKERS = 4  # each has its own TLS connection, whose handshake costs more than a turn of waiting


def started(call: Callable[[], R]) -> Future[R]:
    """What the call will return; it runs already."""
    future: Future[R] = Future()
    threading.Thread(target=_settle, args=(future, call), daemon=True).start()
    return future


def together(calls: Iterable[Callable[[], R]]) -> list[R]:
    """What independent calls return, in their order, run side by side; the first failure in that order is raised."""
    jobs = [(call, Future[R]()) for call in calls]
    if len(jobs) == 1:
        return [jobs[0][0]()]
    todo = iter(jobs)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                job = next(todo, None)
            if job is None:
                return
            _settle(job[1], job[0])

    for _ in range(min(WORKERS, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    return [future.result() for _, future in jobs]


def overlapped(function: Callable[[T], R], values: Iterable[T]) -> list[R]:
    """`function` of each value, several at a time, results in order."""

    def call(value: T) -> Callable[[], R]:
        return lambda: function(value)

    return together([call(value) for value in values])


def _settle(future: Future[R], call: Callable[[], R]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - handed to the one who waits
        future.set_exception(error)
