"""Carries images by the user's own ssh."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, cast

from pullcore.errors import CommandError
from pullcore.overlap import started

from repull import carrier_pod, carrier_ssh
from repull.carrying import Told
from repull.load_plan import Job
from repull.runtimes import complaint, digest_in

KEPT = 64 * 1024  # bytes of what the other side writes
WRONG = 255  # ssh's own failures


class SshCarrier:
    """One ssh for each node. user: "" for what ssh itself would take."""

    def __init__(self, user: str, *, pin: bool, at_once: int = 1) -> None:
        self.user, self.pin, self.at_once = user, pin, at_once
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def command(self, job: Job, size: int) -> list[str]:
        arguments = job.runtime.arguments(size, job.name, pin=self.pin, there=job.there)
        return carrier_ssh.command(carrier_ssh.host_of(job.node), self.user, job.runtime, arguments)

    def carry(self, job: Job, size: int, pieces: Iterator[bytes], told: Told, attempt: int) -> str:  # noqa: ARG002
        with self._lock:
            if self._stopped:
                raise CommandError("it was stopped")
            process = self._started(self.command(job, size))
            self._running.add(process)
        into, output = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        written = started(lambda: _end_of(output))
        late = threading.Timer(carrier_pod.deadline(size, self.at_once), process.terminate)
        late.daemon = True
        late.start()
        try:
            with suppress(BrokenPipeError):  # it ended before it had all, and says why
                for piece in pieces:
                    into.write(piece)
                    told(len(piece))
                into.close()
            text = written.result()
            code = process.wait()
        finally:
            late.cancel()
            with suppress(OSError):
                into.close()
            if process.poll() is None:
                process.terminate()
                process.wait()
            with self._lock:
                self._running.discard(process)
        if code:
            what = "ssh failed" if code == WRONG else f"status {code}"
            raise CommandError(complaint(text) or f"{what}, without a word")
        return digest_in(text, job.name)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                with suppress(OSError):
                    process.terminate()

    @staticmethod
    def _started(words: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            raise CommandError(f"ssh can't be run: {(error.strerror or str(error)).lower()}") from None


def _end_of(stream: IO[bytes]) -> str:
    """What is written, its end."""
    kept = bytearray()
    while piece := stream.read(1 << 16):
        kept += piece
        del kept[:-KEPT]
    return kept.decode(errors="replace")
