"""Independent reads side by side, on daemon threads: an interrupt is not held up by requests on their way."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Optional, TypeVar

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


Job = Callable[[], Optional[Iterable["Job"]]]


def in_lanes(queues: Mapping[str, Sequence[Job]], *, each: int, total: int, seconds: float) -> bool:
    """Runs the jobs of several queues side by side, at most `each` of one queue and `total` in all; whether all were done in
    time. A job may return more jobs for its queue. One that is still on its way at the end goes on unattended. The first
    failure is raised."""
    waiting = {name: deque(jobs) for name, jobs in queues.items() if jobs}
    busy = dict.fromkeys(waiting, 0)
    failures: list[BaseException] = []
    changed = threading.Condition()
    stopped = False

    def under_way() -> bool:
        return not failures and (bool(waiting) or any(busy.values()))

    def take() -> Optional[tuple[str, Job]]:
        """The next job of the queue that has the fewest on their way; waits while there may be one yet."""
        with changed:
            while under_way() and not stopped:
                free = [name for name in waiting if busy[name] < each]
                if not free:
                    changed.wait()
                    continue
                name = min(free, key=busy.__getitem__)
                job = waiting[name].popleft()
                if not waiting[name]:
                    del waiting[name]
                busy[name] += 1
                return name, job
        return None

    def work() -> None:
        while taken := take():
            name, job = taken
            more: Iterable[Job] = ()
            try:
                more = job() or ()
            except BaseException as error:  # noqa: BLE001 - handed to the one who waits
                failures.append(error)
            with changed:
                busy[name] -= 1
                for one in more:
                    waiting.setdefault(name, deque()).append(one)
                changed.notify_all()

    for _ in range(total if waiting else 0):
        threading.Thread(target=work, daemon=True).start()
    until = time.monotonic() + seconds
    with changed:
        while under_way() and (left := until - time.monotonic()) > 0:
            changed.wait(left)
        done, stopped = not under_way(), True
        changed.notify_all()
    if failures:
        raise failures[0]
    return done
