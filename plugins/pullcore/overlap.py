"""Independent reads side by side, on daemon threads: an interrupt is not held up by requests on their way."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def in_lanes(queues: Mapping[str, Sequence[Callable[[], object]]], *, each: int, total: int, seconds: float) -> bool:
    """Runs the calls of several queues side by side, at most `each` of one queue and `total` in all; whether all were done
    in time. One that is still on its way then goes on unattended. The first failure is raised."""
    waiting = {name: deque(calls) for name, calls in queues.items() if calls}
    busy = dict.fromkeys(waiting, 0)
    failures: list[BaseException] = []
    changed = threading.Condition()
    stopped = False

    def take() -> tuple[str, Callable[[], object]] | None:
        """The next call of the queue that has the fewest on their way; waits while all queues are busy."""
        with changed:
            while waiting and not stopped and not failures:
                free = [name for name in waiting if busy[name] < each]
                if not free:
                    changed.wait()
                    continue
                name = min(free, key=busy.__getitem__)
                call = waiting[name].popleft()
                if not waiting[name]:
                    del waiting[name]
                busy[name] += 1
                return name, call
        return None

    def work() -> None:
        while job := take():
            try:
                job[1]()
            except BaseException as error:  # noqa: BLE001 - handed to the one who waits
                failures.append(error)
            with changed:
                busy[job[0]] -= 1
                changed.notify_all()

    for _ in range(min(total, sum(map(len, waiting.values())))):
        threading.Thread(target=work, daemon=True).start()
    until = time.monotonic() + seconds
    with changed:
        while (waiting or any(busy.values())) and not failures and (left := until - time.monotonic()) > 0:
            changed.wait(left)
        done, stopped = not waiting and not any(busy.values()), True
        changed.notify_all()
    if failures:
        raise failures[0]
    return done
