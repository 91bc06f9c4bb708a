"""WebSocket frames: the examples of RFC 6455, sizes at their limits, and what no server may send."""

from __future__ import annotations

import pytest
from pullcore.frames import BINARY, CLOSE, LONGEST, PING, UNMASKED, BadFrame, Reader, header, masked

KEY = bytes.fromhex("37fa213d")


def test_examples_of_the_rfc() -> None:
    """Section 5.7: a masked message, a ping, a message in two parts."""
    assert header(1, 5, KEY) + masked(b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert list(Reader().feed(bytes.fromhex("890548656c6c6f"))) == [(PING, b"Hello")]
    assert list(Reader().feed(bytes.fromhex("010348656c80026c6f"))) == [(BINARY, b"Hello")]


@pytest.mark.parametrize(
    ("size", "begin"),
    [(0, "8280"), (125, "82fd"), (126, "82fe007e"), (65535, "82feffff"), (65536, "82ff0000000000010000")],
)
def test_sizes(size: int, begin: str) -> None:
    assert header(BINARY, size, UNMASKED) == bytes.fromhex(begin) + UNMASKED


def test_masks() -> None:
    content = bytes(range(256)) * 3 + b"x"
    assert masked(masked(content, KEY), KEY) == content != masked(content, KEY)
    assert masked(content, UNMASKED) == content
    assert masked(b"", KEY) == b""


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_any_piece_makes_the_same_messages(size: int) -> None:
    content = b"\x01" * size
    length = (
        bytes((size,))
        if size < 126
        else b"\x7e" + size.to_bytes(2, "big")
        if size < 65536
        else b"\x7f" + size.to_bytes(8, "big")
    )
    sent = b"\x82" + length + content + b"\x88\x00"
    for step in (1, 7, len(sent)):
        reader = Reader()
        found = [one for at in range(0, len(sent), step) for one in reader.feed(sent[at : at + step])]
        assert found == [(BINARY, content), (CLOSE, b"")]


def test_a_ping_between_the_parts_of_a_message() -> None:
    assert list(Reader().feed(b"\x02\x01a\x89\x00\x80\x01b")) == [(PING, b""), (BINARY, b"ab")]


@pytest.mark.parametrize(
    "sent",
    [b"\x82\x80\0\0\0\0", b"\xc2\x00", b"\x82\x7f" + (LONGEST + 1).to_bytes(8, "big"), b"HTTP/1.1 400"],
    ids=["masked", "reserved bit", "too long", "no frame"],
)
def test_what_no_server_may_send(sent: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Reader().feed(sent))


def test_parts_are_bound_together() -> None:
    reader, part = Reader(), b"\x7f" + LONGEST.to_bytes(8, "big") + bytes(LONGEST)
    assert list(reader.feed(b"\x02" + part)) == []
    with pytest.raises(BadFrame):
        list(reader.feed(b"\x00" + part))
