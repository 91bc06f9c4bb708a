"""Streaming into a container, against a stand-in for the API server: what goes over the line, and how it ends."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from pullcore.attach import PIECE, PROTOCOL, attach
from pullcore.cluster import Cluster, Forbidden, Unreachable
from pullcore.command import Connection
from pullcore.frames import masked

SUCCESS = b'\x03{"metadata":{},"status":"Success"}'


def frame(content: bytes, operation: int = 2) -> bytes:
    assert len(content) < 126
    return bytes((0x80 | operation, len(content))) + content


@dataclass
class Server:
    """Takes one websocket; `answer` goes on with it."""

    answer: Callable[[Server, socket.socket], None]
    early: bytes = b""  # sent in one piece with the head of the answer
    protocol: str = PROTOCOL
    refusal: bytes = b""
    head: str = ""
    got: bytearray = field(default_factory=bytearray)
    keys: list[bytes] = field(default_factory=list)

    def serve(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line, _ = listening.accept()
            with line:
                self._serve(line)

    def _serve(self, line: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.recv(65536)
        self.head = head.decode()
        if self.refusal:
            line.sendall(self.refusal)
            return
        key = next(text.split(": ")[1] for text in self.head.split("\r\n") if text.lower().startswith("sec-websocket-key: "))
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        line.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {self.protocol}\r\n\r\n".encode()
            + self.early
        )
        self.answer(self, line)

    def take(self, line: socket.socket) -> tuple[int, bytes]:
        """One message of the client."""

        def exactly(count: int) -> bytes:
            found = b""
            while len(found) < count:
                piece = line.recv(count - len(found))
                if not piece:
                    raise ConnectionResetError
                found += piece
            return found

        first, size = exactly(2)
        assert first & 0x80 and size & 0x80, "a client's frames are whole and masked"
        size &= 0x7F
        if size >= 126:
            size = int.from_bytes(exactly(2 if size == 126 else 8), "big")
        key = exactly(4)
        self.keys.append(key)
        return first & 0x0F, masked(exactly(size), key)

    def take_stdin(self, line: socket.socket, size: int) -> None:
        while len(self.got) < size:
            operation, content = self.take(line)
            if operation == 2:
                assert content[:1] == b"\0"
                self.got += content[1:]


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Cluster]:
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve, args=(listening,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    connection = Connection(server=address, token="tiger", as_user="bob", as_groups=("g", "h"))
    try:
        yield Cluster.connect(connection, user_agent="kubectl-test", environ={"KUBECONFIG": "/nonexistent"})
    finally:
        listening.close()
        thread.join(10)


def test_all_goes_in_and_the_end_is_told() -> None:
    """Also what came in one piece with the answer's head; the user's headers went with the request."""
    content = bytes(range(256)) * 2048 + b"end"

    def answer(server: Server, line: socket.socket) -> None:
        server.take_stdin(line, len(content))
        line.sendall(frame(b"\x01done\n") + frame(b"\x02hm") + frame(SUCCESS) + frame(b"", 8))

    server = Server(answer, early=frame(b"\x00") + frame(b"\x01hello\n"))
    sent: list[int] = []
    with serving(server) as cluster:
        streams = attach(cluster, "ns", "p", "c")
        assert streams.text == "hello\n"
        assert streams.send([content[:1000], content[1000:]], sent.append)
        while not streams.follow(5):
            pass
        streams.close()
    assert bytes(server.got) == content
    assert sum(sent) == len(content) and max(sent) <= PIECE
    assert (streams.text, streams.failure) == ("hello\ndone\nhm", "")
    assert server.head.startswith("GET /api/v1/namespaces/ns/pods/p/attach?container=c&stdin=true&stdout=true&stderr=true ")
    for header in ("Authorization: Bearer tiger", "Impersonate-User: bob", "Impersonate-Group: g", "Impersonate-Group: h"):
        assert f"\r\n{header}\r\n" in server.head
    assert len(set(server.keys)) == len(server.keys) > 2, "each frame has a mask of its own where nothing is encrypted"


def test_an_end_in_the_middle() -> None:
    """The container ends before it has all: what it said is there."""

    def answer(server: Server, line: socket.socket) -> None:
        server.take(line)
        line.sendall(
            frame(b"\x02no space left\n") + frame(b'\x03{"status":"Failure","message":"exit code 1"}') + frame(b"", 8)
        )
        time.sleep(0.2)

    def pieces() -> Iterator[bytes]:
        while True:
            yield b"x" * PIECE

    with serving(Server(answer)) as cluster:
        streams = attach(cluster, "ns", "p", "c")
        assert streams.send(pieces(), lambda _: None) is False
        assert (streams.text, streams.failure) == ("no space left\n", "exit code 1")
        streams.close()


def test_a_ping_is_answered() -> None:
    heard: list[tuple[int, bytes]] = []

    def answer(server: Server, line: socket.socket) -> None:
        line.sendall(frame(b"there?", 9))
        heard.append(server.take(line))
        line.sendall(frame(b"", 8))

    with serving(Server(answer)) as cluster:
        streams = attach(cluster, "ns", "p", "c")
        while not streams.follow(5):
            pass
        streams.close()
    assert heard == [(10, b"there?")]


def test_only_the_end_of_what_it_writes_is_kept() -> None:
    def answer(_: Server, line: socket.socket) -> None:
        for _number in range(2000):
            line.sendall(frame(b"\x01" + b"x" * 99 + b"\n"))
        line.sendall(frame(b"\x01last\n") + frame(b"", 8))

    with serving(Server(answer)) as cluster:
        streams = attach(cluster, "ns", "p", "c")
        while not streams.follow(5):
            pass
        streams.close()
    assert len(streams.written) == 64 * 1024
    assert streams.text.endswith("x\nlast\n")


FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 86\r\n\r\n"
    b'{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no pods/attach"}  '
)


@pytest.mark.parametrize(
    ("server", "error", "says"),
    [
        (Server(lambda _, __: None, refusal=FORBIDDEN), Forbidden, "no pods/attach"),
        (
            Server(lambda _, __: None, refusal=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            Unreachable,
            "does not speak",
        ),
        (Server(lambda _, __: None, protocol="v9.other"), Unreachable, f"does not speak {PROTOCOL}"),
        (Server(lambda _, __: None, early=b"\x82\x80"), Unreachable, "no server may send"),
    ],
    ids=["forbidden", "no websocket", "another protocol", "nonsense"],
)
def test_what_is_no_stream(server: Server, error: type[Exception], says: str) -> None:
    with serving(server) as cluster, pytest.raises(error, match=says):
        attach(cluster, "ns", "p", "c")
