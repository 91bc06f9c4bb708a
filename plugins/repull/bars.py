"""How far nodes are: on a terminal a bar for each that is redrawn, elsewhere a line where one begins and ends."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TextIO

from pullcore.errors import one_line
from pullcore.sizes import in_bytes

EVERY = 0.2  # seconds between two drawings
WIDTH = 24  # of a bar


@dataclass
class _One:
    size: int
    began: float
    gone: int = 0
    all_gone: float = 0.0  # when the last byte went
    word: str = ""

    def line(self, name: str, now: float) -> str:
        part = min(self.gone / self.size, 1.0) if self.size else 1.0
        bar = "#" * round(part * WIDTH)
        rate = self.gone / max(now - self.began, 0.001)
        state = self.word or ("takes it in" if part >= 1 else f"{in_bytes(int(rate))}/s")
        return f"  {one_line(name, 60)} [{bar:-<{WIDTH}}] {part:4.0%} of {in_bytes(self.size)}, {state}"


class Bars:
    """Safe to use from several threads. Writes to a stream of text."""

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._stream, self._live = stream, live
        self._all: dict[str, _One] = {}
        self._drawn = 0  # lines on the terminal that are to be drawn over
        self._last = 0.0
        self._lock = threading.Lock()

    def begin(self, name: str, size: int) -> None:
        with self._lock:
            self._all[name] = _One(size, time.monotonic())
            if self._live:
                self._draw()

    def went(self, name: str, count: int) -> None:
        with self._lock:
            one = self._all[name]
            one.gone += count
            if one.gone >= one.size:
                one.all_gone = time.monotonic()
            if self._live and time.monotonic() - self._last > EVERY:
                self._draw()

    def end(self, name: str, word: str) -> None:
        with self._lock:
            one = self._all.get(name)
            if one is None:
                return
            took = time.monotonic() - one.began
            one.word = f"{word} in {took:.1f}s"
            if self._live:
                self._draw()
            else:
                streamed = f" streamed in {one.all_gone - one.began:.1f}s" if one.all_gone else ""
                self._stream.write(f"{name}: {word}, {in_bytes(one.gone)}{streamed}, in all {took:.1f}s\n")
                self._stream.flush()

    def say(self, line: str) -> None:
        """A line above the bars."""
        with self._lock:
            self._erase()
            self._stream.write(f"{one_line(line, 800)}\n")
            if self._live:
                self._draw()
            self._stream.flush()

    def close(self) -> None:
        """The bars stay as they are; what is written next stands below."""
        with self._lock:
            self._drawn = 0
            self._live = False

    def _draw(self) -> None:
        self._erase()
        now = self._last = time.monotonic()
        for name, one in self._all.items():
            self._stream.write(f"{one.line(name, now)}\n")
        self._drawn = len(self._all)
        self._stream.flush()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\033[{self._drawn}A\033[J")
            self._drawn = 0
