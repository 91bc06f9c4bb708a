"""Being told to stop: SIGINT, SIGTERM and SIGHUP alike are an interrupt that lets whatever was begun be put in order.

The first raises KeyboardInterrupt, but in a `shielded` block at its end. Whoever is told again within AGAIN seconds has been
told already (a double press, `timeout`, a terminal that closes): cleaning goes on. Later ones are meant: KeyboardInterrupt
comes out of the cleaning, too.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Callable, Optional

AGAIN = 1.0  # seconds
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Told:
    """What arrived while `as_interrupts` held. Only the main thread writes to it: signals come there."""

    def __init__(self) -> None:
        self.number = 0  # of the first
        self.at = 0.0
        self.shields = 0
        self.held = False  # it came behind a shield and is still to be raised

    def arrived(self, number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG002
        now = time.monotonic()
        if self.number and now - self.at < AGAIN:
            return
        self.at = now
        self.held = not self.number and self.shields > 0
        self.number = self.number or number
        if not self.held:
            raise KeyboardInterrupt

    def release(self) -> None:
        """Raises what was held back, where nothing shields from it any more."""
        if self.held and not self.shields:
            self.held = False
            raise KeyboardInterrupt


_told = _Told()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def as_interrupts() -> Iterator[Callable[[], int]]:
    """Has the signals raise KeyboardInterrupt in the main thread; what it gives tells the number of the first that came, 0
    before. One that is ignored (nohup, a job in the background) stays so; does nothing on any other thread."""
    global _told  # signals belong to the process, too
    if not _is_main():
        yield lambda: 0
        return
    _told = told = _Told()
    before = {number: signal.getsignal(number) for number in NUMBERS}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    hook = sys.unraisablehook

    def unraisable(failure: Any) -> None:
        """Python drops what is raised in a finalizer or a callback of its import machinery: it comes again in a moment."""
        if issubclass(failure.exc_type, KeyboardInterrupt):
            told.held = True
            _alarm(0.001)
        else:
            hook(failure)

    try:
        sys.unraisablehook = unraisable
        for number in ours:
            signal.signal(number, told.arrived)
        yield lambda: told.number
    finally:
        for number in ours:
            signal.signal(number, before[number] or signal.SIG_DFL)
        sys.unraisablehook = hook


def _alarm(seconds: float) -> None:
    """Raises after that time what is held by then; 0: never."""
    signal.signal(signal.SIGALRM, lambda number, frame: _told.release())  # noqa: ARG005
    signal.setitimer(signal.ITIMER_REAL, seconds)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Has a block that takes longer end by KeyboardInterrupt."""
    if not _is_main():
        yield
        return
    _told.held = True
    _alarm(seconds)
    try:
        yield
    finally:
        _alarm(0)
        _told.held = False


@contextmanager
def shielded() -> Iterator[None]:
    """An interrupt that comes in the block is raised at its end: for what has to be done as a whole, and for cleaning."""
    if not _is_main():
        yield
        return
    told = _told
    told.shields += 1
    try:
        yield
    finally:
        told.shields -= 1
        told.release()


@contextmanager
def interruptible() -> Iterator[None]:
    """The part of a shielded block that may be broken off: where it waits."""
    if not _is_main():
        yield
        return
    told = _told
    shields, told.shields = told.shields, 0
    try:
        told.release()
        yield
    finally:
        told.shields = shields
