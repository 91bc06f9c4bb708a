"""Being told to stop: as an interrupt, so that what was made for a moment is taken away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Optional


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Has SIGTERM and SIGHUP (a closed terminal, a job that is cancelled) raise KeyboardInterrupt, as SIGINT does. Where one
    is ignored (nohup) it stays so; does nothing on another thread than the main one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in ours:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number] or signal.SIG_DFL)
