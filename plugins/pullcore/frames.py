"""WebSocket frames (RFC 6455, section 5) as bytes: what a client sends, and what it is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
LONGEST = 4 * 1024 * 1024  # of a message to us; what an API server sends is a few lines
UNMASKED = b"\0\0\0\0"


class BadFrame(ValueError):
    """What came is no frame that a server may send."""


def header(operation: int, length: int, key: bytes) -> bytes:
    """The beginning of one whole message of a client, before its `length` bytes, which the sender has masked with `key`."""
    if length < 126:
        size = bytes((0x80 | length,))
    elif length < 1 << 16:
        size = b"\xfe" + length.to_bytes(2, "big")
    else:
        size = b"\xff" + length.to_bytes(8, "big")
    return bytes((0x80 | operation,)) + size + key


def masked(content: bytes, key: bytes) -> bytes:
    """`content` under a mask of four bytes (section 5.3)."""
    if key == UNMASKED or not content:
        return content
    size = len(content)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(content, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


@dataclass
class Reader:
    """Puts together what comes in pieces."""

    _kept: bytearray = field(default_factory=bytearray)
    _message: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """The messages that end in this piece: operation (BINARY also for text) and content. Raises BadFrame."""
        self._kept += piece
        while (frame := self._next()) is not None:
            operation, final, content = frame
            if operation >= CLOSE:  # may come between the parts of a message
                yield operation, content
                continue
            self._message += content
            if len(self._message) > LONGEST:
                raise BadFrame("a message that is too long")
            if final:
                whole = bytes(self._message)
                self._message.clear()
                yield BINARY, whole

    def _next(self) -> tuple[int, bool, bytes] | None:
        kept = self._kept
        if len(kept) < 2:
            return None
        final, operation, length, begin = bool(kept[0] & 0x80), kept[0] & 0x0F, kept[1], 2
        if length & 0x80 or kept[0] & 0x70:
            raise BadFrame("a frame that no server may send")
        if length >= 126:
            begin = 4 if length == 126 else 10
            if len(kept) < begin:
                return None
            length = int.from_bytes(kept[2:begin], "big")
        if length > LONGEST:
            raise BadFrame("a frame that is too long")
        if len(kept) < begin + length:
            return None
        content = bytes(kept[begin : begin + length])
        del kept[: begin + length]
        return operation, final, content
