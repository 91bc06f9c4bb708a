"""A small hostile server: a stand-in for what a real registry can't be made to do.

`Hostile` answers each request as a test says: half answers, wrong lengths, bytes that trickle, headers without end.
`StandIn` is one that is a small well-behaved registry wherever no rule of a test says otherwise. What a real registry can
show is tested against real ones (real_registry.py).
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union
from urllib.parse import parse_qs, urlsplit

from tests.e2e.cluster.images import digest
from tests.e2e.cluster.pki import Pair

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST = b'{"schemaVersion": 2}'
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Seen:
    """One request as it came in; `connection` counts from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    connection: int
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2])

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def pair(self) -> str:
        """`user:password` of Basic; empty without."""
        kind, _, value = self.authorization.partition(" ")
        return base64.b64decode(value).decode("utf-8", "surrogateescape") if kind.lower() == "basic" else ""

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.authorization}".strip()


@dataclass(frozen=True)
class Say:
    """A whole answer. Its length is told truly unless a header tells another one."""

    status: int = 200
    body: bytes = b""
    headers: Headers = ()
    reason: str = "Because"


# What a rule gives: a whole answer, or bytes that are sent as they are, after which the connection is closed.
Answer = Union[Say, Iterable[bytes]]
Rule = Union[Answer, Callable[[Seen], Answer]]


def said(status: int, code: str = "", message: str = "", headers: Headers = (), **more: Any) -> Say:
    """An error in the registry's form."""
    body = json.dumps({"errors": [{"code": code, "message": message, **more}]}).encode()
    return Say(status, body, (("Content-Type", "application/json"), *headers))


def in_json(document: object, status: int = 200, headers: Headers = ()) -> Say:
    return Say(status, json.dumps(document).encode(), (("Content-Type", "application/json"), *headers))


def challenge(text: str, status: int = 401) -> Say:
    return said(status, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", text)])


@dataclass
class Gauge:
    """How many requests are being answered, and the most there have been at once."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1


class Hostile:
    """A server on a free port of 127.0.0.1. `seen`: every request; `handshakes`: how many TLS handshakes came to an end.

    tls: what to show, for HTTPS; hold: seconds before each answer; gauges: count what is on its way at several servers.
    """

    def __init__(
        self,
        rule: Optional[Rule] = None,
        *,
        tls: Optional[Pair] = None,
        hold: float = 0,
        gauges: Sequence[Gauge] = (),
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self.rule = rule
        self.hold = hold
        self.gauge = Gauge()
        self.gauges = (self.gauge, *gauges)
        self.seen: list[Seen] = []
        self.sent = 0  # bytes
        self.handshakes = 0
        self.reads = 1 << 30  # bytes of a body, at most
        self.closing = threading.Event()
        self._context = context or (_context(tls) if tls else None)
        self._open: set[socket.socket] = set()
        self._connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self.netloc}"

    def image(self, name: str = "team/app:1.0") -> str:
        return f"{self.netloc}/{name}"

    @property
    def passwords(self) -> Counter[str]:
        """How often each `user:password` came in."""
        return Counter(one.pair for one in self.seen if one.pair)

    def at(self, path: str, method: str = "") -> list[Seen]:
        """The requests for paths that match a pattern."""
        return [one for one in self.seen if re.fullmatch(path, one.path) and method in ("", one.method)]

    def answer(self, seen: Seen) -> Answer:
        rule = Say() if self.rule is None else self.rule
        return rule(seen) if callable(rule) else rule

    def trickle(self, data: bytes, pause: float = 0.05) -> Iterator[bytes]:
        """Byte by byte, until the server is closed."""
        for number in range(len(data)):
            if self.closing.wait(pause):
                return
            yield data[number : number + 1]

    def silence(self, seconds: float = 30) -> Iterator[bytes]:
        """Nothing, for a long time."""
        self.closing.wait(seconds)
        yield b""

    def close(self) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections += 1
            threading.Thread(target=self._serve, args=(connection, self._connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        self._open.add(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else short answers wait for 40 ms
        secured = connection
        try:
            if self._context:
                secured = self._secured(connection, self._context)
            reader = secured.makefile("rb")
            while (seen := self._read(reader, secured, number)) and self._answered(seen, secured):
                pass
        except (OSError, ValueError):
            pass  # the other side went away
        finally:
            self._open -= {connection, secured}
            with contextlib.suppress(OSError):
                secured.shutdown(socket.SHUT_RDWR)
            secured.close()

    def _secured(self, connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
        secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(secured)
        try:
            secured.do_handshake()
        except ssl.SSLError:
            socket.socket.shutdown(secured, socket.SHUT_WR)
            while socket.socket.recv(secured, 4096):  # what is not read would reset the connection, and our alert with it
                pass
            raise
        self.handshakes += 1
        return secured

    def _read(self, reader: Any, connection: socket.socket, number: int) -> Optional[Seen]:
        if reader.peek(1)[:1] == b"\x16":  # a TLS handshake, where plain HTTP is spoken
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return None
        words = reader.readline(65536).decode("latin-1").split()
        if len(words) != 3:
            return None
        headers = {}
        while (line := reader.readline(65536)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = reader.read(min(int(headers.get("content-length", 0)), self.reads))
        seen = Seen(words[0], words[1], headers, number, body)
        self.seen.append(seen)
        return seen

    def _answered(self, seen: Seen, connection: socket.socket) -> bool:
        """Answers; whether the connection stays open."""
        with contextlib.ExitStack() as stack:
            for gauge in self.gauges:
                stack.enter_context(gauge.counting())
            if self.hold:
                self.closing.wait(self.hold)
            answer = self.answer(seen)
            parts = [_whole(answer, seen.method)] if isinstance(answer, Say) else answer
            for part in parts:
                connection.sendall(part)
                self.sent += len(part)
        return isinstance(answer, Say) and seen.headers.get("connection", "").lower() != "close"


def _whole(say: Say, method: str) -> bytes:
    names = {name.lower() for name, _ in say.headers}
    length = () if "content-length" in names else (("Content-Length", str(len(say.body))),)
    lines = [f"HTTP/1.1 {say.status} {say.reason}", *(f"{name}: {value}" for name, value in (*say.headers, *length))]
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    return head if method == "HEAD" else head + say.body


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    return context


class StandIn(Hostile):
    """A small registry. users: user -> password, where one has to sign in; realm: where its tokens are given, its own
    /token if empty; images: `repository:tag` -> media type and content; public: repositories that tokens for nobody open."""

    def __init__(
        self,
        *,
        users: Optional[Mapping[str, str]] = None,
        scheme: str = "",
        realm: str = "",
        images: Union[Mapping[str, tuple[str, bytes]], Sequence[str]] = ("team/app:1.0",),
        public: Sequence[str] = (),
        **server: Any,
    ) -> None:
        self.users = users or {}
        self.scheme = scheme or ("basic" if users else "")
        self.images = dict(images) if isinstance(images, Mapping) else dict.fromkeys(images, (MANIFEST_TYPE, MANIFEST))
        self.public = public
        self.tokens: dict[str, str] = {}  # token -> user
        self.rules: list[tuple[str, str, Rule]] = []
        self.blobs: dict[str, bytes] = {}
        super().__init__(**server)
        self.realm = realm or f"{self.url}/token"

    def on(self, path: str, rule: Rule, method: str = "") -> StandIn:
        """Answers requests for paths that match a pattern as the rule says; the rule given last counts."""
        self.rules.insert(0, (method, path, rule))
        return self

    def answer(self, seen: Seen) -> Answer:
        for method, path, rule in self.rules:
            if re.fullmatch(path, seen.path) and method in ("", seen.method):
                return rule(seen) if callable(rule) else rule
        return self.well_behaved(seen)

    def well_behaved(self, seen: Seen) -> Answer:
        if seen.path == "/token":
            return self.token(seen)
        repository, kind, name = _parts(seen.path)
        if not self._lets_in(seen, repository):
            return challenge(self.challenge(repository))
        if seen.path == "/v2/":
            return Say()
        known = {one.rpartition(":")[0] for one in self.images}
        if kind == "manifests":
            by_digest = {digest(content): (form, content) for form, content in self.images.values()}
            form, content = self.images.get(f"{repository}:{name}") or by_digest.get(name) or ("", b"")
            if not form:
                return said(404, "MANIFEST_UNKNOWN" if repository in known else "NAME_UNKNOWN", "not known here")
            return Say(200, content, [("Content-Type", form), ("Docker-Content-Digest", digest(content))])
        if kind == "tags" and repository in known:
            tags = [one.rpartition(":")[2] for one in self.images if one.rpartition(":")[0] == repository]
            return in_json({"name": repository, "tags": tags})
        if kind == "blobs" and name in self.blobs:
            return Say(200, self.blobs[name])
        return said(404, "NAME_UNKNOWN", "repository name not known to registry")

    def challenge(self, repository: str = "") -> str:
        if self.scheme == "bearer":
            scope = f',scope="repository:{repository}:pull"' if repository else ""
            return f'Bearer realm="{self.realm}",service="stand-in"{scope}'
        return 'Basic realm="stand-in"'

    def token(self, seen: Seen) -> Answer:
        if seen.pair and not self._knows(seen.pair):
            return said(401, "UNAUTHORIZED", "incorrect username or password")
        value = f"token-{len(self.tokens) + 1}-of-{seen.pair.partition(':')[0] or 'nobody'}"
        self.tokens[value] = seen.pair.partition(":")[0]
        return in_json({"token": value})

    def _knows(self, pair: str) -> bool:
        user, _, password = pair.partition(":")
        return self.users.get(user) == password

    def _lets_in(self, seen: Seen, repository: str) -> bool:
        if not self.scheme:
            return True
        if self.scheme == "basic":
            return self._knows(seen.pair)
        token = seen.authorization.removeprefix("Bearer ")
        return token in self.tokens and bool(self.tokens[token] or repository in self.public)


def _parts(path: str) -> tuple[str, str, str]:
    """The repository, `manifests` or so, and the name in /v2/REPOSITORY/manifests/NAME."""
    match = re.fullmatch(r"/v2/(.+)/(manifests|tags|blobs)/([^/]+)", path)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def closed_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Tunnel(Hostile):
    """A proxy: CONNECT leads to 127.0.0.1 at the port that is asked for, whatever the host; `deny` is said instead.
    Requests for plain HTTP get `plain`."""

    def __init__(self, deny: Optional[Say] = None, plain: Optional[Say] = None) -> None:
        self.deny = deny
        self.plain = plain or Say(502)
        super().__init__()

    def _answered(self, seen: Seen, connection: socket.socket) -> bool:
        if seen.method != "CONNECT" or self.deny:
            connection.sendall(_whole(self.deny or self.plain, seen.method))
            return False
        with socket.create_connection(("127.0.0.1", urlsplit(f"//{seen.target}").port or 443)) as far:
            self._open.add(far)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, connection), daemon=True)
            back.start()
            _pump(connection, far)
            back.join(5)
            self._open.discard(far)
        return False


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
