"""Carries an image to several nodes at once: each gets its own stream of it, a node that fails gets a second try, and what
is left of it all is taken away whatever happens."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pullcore.errors import CommandError, one_line
from pullcore.overlap import started
from pullcore.signals import interruptible, shielded

from repull.bars import Bars
from repull.load_plan import Job

TRIES = 2
Told = Callable[[int], None]
Stream = Callable[[Job], tuple[int, Iterator[bytes]]]


class Carrier(Protocol):
    """A way to a node."""

    def carry(self, job: Job, size: int, pieces: Iterator[bytes], told: Told, attempt: int) -> str:
        """Has the node's runtime load what comes in `pieces`; the digest that it has under the job's name afterwards, ""
        where it does not say. told: gets the number of bytes as they go. attempt: 0, then 1. Raises CommandError. Called
        from several threads."""

    def stop(self) -> None:
        """Ends what runs and takes away what was made; nothing more is made afterwards."""


@dataclass(frozen=True)
class Carried:
    """What came of one node; fault: "" where all is well."""

    job: Job
    fault: str = ""


def carry_all(jobs: Sequence[Job], carrier: Carrier, stream: Stream, bars: Bars, *, parallelism: int) -> list[Carried]:
    """What came of each job, in their order. Interrupted, it stops the carrier and lets the interrupt through."""
    waiting = deque(enumerate(jobs))
    done: dict[int, Carried] = {}
    several = len({job.name for job in jobs}) > 1
    lock, over = threading.Lock(), threading.Event()

    def work() -> None:
        while True:
            with lock:
                if not waiting or over.is_set():
                    return
                number, job = waiting.popleft()
            shown = f"{job.node_name}, {job.name}" if several else job.node_name
            done[number] = _carried(job, carrier, stream, bars, over, shown)

    with shielded():
        try:
            workers = [started(work) for _ in range(min(parallelism, len(jobs)))]
            with interruptible():
                for one in workers:
                    one.result()
        finally:
            over.set()
            carrier.stop()
            bars.close()
    return [done[number] for number in range(len(jobs))]


def _carried(job: Job, carrier: Carrier, stream: Stream, bars: Bars, over: threading.Event, shown: str) -> Carried:
    """shown: the job for people."""
    fault = ""
    for attempt in range(TRIES):
        if over.is_set():
            return Carried(job, fault or "it was not tried")
        if fault:
            bars.say(f"{shown}: {fault}: trying once more")
        try:
            size, pieces = stream(job)
            bars.begin(shown, 0 if job.there else size)
            digest = carrier.carry(job, size, pieces, lambda count: None if job.there else bars.went(shown, count), attempt)
        except CommandError as error:
            fault = one_line(str(error).removeprefix("error: "), 500)
            continue
        except OSError as error:  # of one node's stream: others go on
            fault = f"the stream broke off: {one_line(error.strerror or error, 200)}"
            continue
        if digest == job.digest:
            bars.end(shown, "pinned" if job.there else "loaded")
            return Carried(job)
        fault = f"it has {digest[:19] or 'no digest'} as {job.name} afterwards, not {job.digest[:19]}"
    bars.end(shown, "failed")
    return Carried(job, fault)
