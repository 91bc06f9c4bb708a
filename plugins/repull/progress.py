"""How far an upload is: one line that changes, on a terminal; else a line for each blob when it is done."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from pullcore.sizes import in_bytes
from pullcore.terminal import clean

from repull.archivedimage import Blob

EVERY = 0.2  # seconds
WORDS = {"uploaded": "uploaded", "there": "is there already", "mounted": "taken from another repository there"}


class Upload:
    """Told of from several threads."""

    def __init__(self, stream: TextIO, blobs: tuple[Blob, ...]) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._size = {blob.digest: blob.size for blob in blobs}
        self._done: dict[str, int] = {}
        self._ended = 0
        self._shown_at = 0.0
        self._width = 0
        self._lock = threading.Lock()

    def sent(self, blob: Blob, done: int) -> None:
        with self._lock:
            self._done[blob.digest] = done
            if self._live and time.monotonic() - self._shown_at > EVERY:
                self._show()

    def ended(self, blob: Blob, how: str) -> None:
        with self._lock:
            self._done[blob.digest] = blob.size
            self._ended += 1
            if self._live:
                self._show()
            else:
                self._stream.write(f"  {blob.digest[:19]}  {in_bytes(blob.size)}  {clean(WORDS[how], 60)}\n")
                self._stream.flush()

    def close(self) -> None:
        """Leaves the last state on a line of its own."""
        with self._lock:
            if self._live and self._width:
                self._stream.write("\n")
                self._stream.flush()
            self._live = False

    def _show(self) -> None:
        self._shown_at = time.monotonic()
        total = sum(self._size.values())
        done = sum(self._done.values())
        text = f"  {self._ended} of {len(self._size)} blobs, {in_bytes(done)} of {in_bytes(total)}"
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)
