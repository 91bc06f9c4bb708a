"""Into the standard input of a container, through the API server, and what the container writes meanwhile.

The way of `kubectl attach -i`, as a websocket (subprotocol v4.channel.k8s.io, which every API server since 1.4 and every
kubelet speaks, and which the API server hands on untouched). v4 knows no end of standard input: the command in the container
has to know how much comes. One thread does all, for a TLS connection is not to be used by two at once.
"""

from __future__ import annotations

import json
import secrets
import select
import time
from collections.abc import Callable, Iterable
from socket import timeout as timed_out  # TimeoutError itself from Python 3.10 on
from ssl import SSLWantReadError
from typing import Any, Optional

from pullcore.apierrors import Unreachable
from pullcore.cluster import Cluster, resource_path
from pullcore.errors import one_line
from pullcore.frames import BINARY, CLOSE, PING, PONG, UNMASKED, BadFrame, Reader, header, masked

PROTOCOL = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS = b"\0", 1, 2, 3
PIECE = 128 * 1024  # bytes of a message; kubelets take 32 MiB
STALLED = 180.0  # seconds in which one piece has to be taken: disks of nodes may be slow
ALIVE = 15.0  # seconds between pings, for what stands between here and the server may end what is silent
KEPT = 64 * 1024  # bytes of what the container writes


class Attachment:
    """A container's standard streams. Made by `attach`; `close` it."""

    def __init__(self, socket: Any, early: bytes, close: Callable[[], None], *, encrypted: bool) -> None:
        self.written = bytearray()  # what the container wrote, its end
        self.status: Optional[dict[str, Any]] = None  # what the server says of the end
        self.ended = False
        self._socket = socket
        self._close = close
        # A mask keeps what reads plain HTTP on the way from being fooled by the content (RFC 6455, section 10.3). Inside TLS
        # nothing reads it, and masking costs more than everything else here together.
        self._masks = not encrypted
        self._reader = Reader()
        self._pinged = time.monotonic()
        socket.settimeout(STALLED)
        self._take(early)

    def send(self, pieces: Iterable[bytes], told: Callable[[int], None]) -> bool:
        """Streams into standard input; whether all of it went. told: gets the number of bytes after each message.

        Ends early where the container or the server ends it, see `written` and `status`. Raises Unreachable.
        """
        for piece in pieces:
            whole = memoryview(piece)
            for begin in range(0, len(whole), PIECE):
                part = whole[begin : begin + PIECE]
                self._read(0)
                if self.ended:
                    return False
                try:
                    self._message(BINARY, STDIN, part)
                except (BrokenPipeError, ConnectionResetError):
                    self._rest()
                    return False
                told(len(part))
        return True

    def follow(self, seconds: float) -> bool:
        """Takes what the container writes for at most so long; whether it has ended. Raises Unreachable."""
        if not self.ended:
            self._read(seconds)
        if not self.ended and time.monotonic() - self._pinged > ALIVE:
            self._pinged = time.monotonic()
            self._control(PING, b"")
        return self.ended

    def close(self) -> None:
        self.ended = True
        self._close()

    @property
    def text(self) -> str:
        return self.written.decode(errors="replace")

    @property
    def failure(self) -> str:
        """Why the server ended it, if it says so."""
        if not self.status or self.status.get("status") == "Success":
            return ""
        return one_line(self.status.get("message") or self.status, 300)

    # Messages

    def _message(self, operation: int, channel: bytes, content: bytes | memoryview) -> None:
        key = secrets.token_bytes(4) if self._masks else UNMASKED
        begin = header(operation, len(channel) + len(content), key)
        try:
            self._socket.sendall(b"".join((begin, masked(b"".join((channel, content)), key))))
        except (TimeoutError, timed_out):
            raise Unreachable(f"error: the node took nothing for {STALLED:.0f}s") from None
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            raise Unreachable(f"error: the stream to the node broke off: {one_line(error, 200)}") from None

    def _control(self, operation: int, content: bytes) -> None:
        """A ping or its answer; to one who has hung up it is the end."""
        try:
            self._message(operation, b"", content)
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True

    def _read(self, seconds: float) -> None:
        """Takes what is there; waits for so long if there is nothing."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            if not getattr(self._socket, "pending", int)():
                left = max(deadline - time.monotonic(), 0)
                if not select.select([self._socket], [], [], left)[0]:
                    return
            piece = self._there()
            if piece is None:
                continue
            self._take(piece)
            if not piece:
                self.ended = True

    def _there(self) -> Optional[bytes]:
        """What can be read now, empty at the end; None where only TLS itself had something to say."""
        self._socket.settimeout(0)
        try:
            return bytes(self._socket.recv(1 << 16))
        except (BlockingIOError, SSLWantReadError):
            return None
        except (OSError, ValueError):
            return b""
        finally:
            self._socket.settimeout(STALLED)

    def _rest(self) -> None:
        """What the server still said before it hung up."""
        self._read(1.0)
        self.ended = True

    def _take(self, piece: bytes) -> None:
        try:
            for operation, content in self._reader.feed(piece):
                if operation == PING:
                    self._control(PONG, content)
                elif operation == CLOSE:
                    self.ended = True
                elif operation == BINARY and content:
                    self._heard(content[0], content[1:])
        except BadFrame as error:
            raise Unreachable(f"error: the API server sent {error}") from None

    def _heard(self, channel: int, content: bytes) -> None:
        if channel in (STDOUT, STDERR):
            self.written += content
            del self.written[:-KEPT]
        elif channel == STATUS and content:
            try:
                said = json.loads(content)
            except ValueError:
                said = {"message": content.decode(errors="replace")}
            self.status = said if isinstance(said, dict) else {"message": str(said)}


def attach(cluster: Cluster, namespace: str, pod: str, container: str) -> Attachment:
    """The standard streams of a container that runs. Raises ApiError (the kubelet's refusals, too) or Unreachable."""
    path = resource_path("v1", "pods", namespace=namespace, name=pod, sub="attach")
    query = {"container": container, "stdin": True, "stdout": True, "stderr": True}
    socket, early, close = cluster.upgraded(path, PROTOCOL, **query)
    return Attachment(socket, early, close, encrypted=cluster.server.startswith("https:"))
