"""HTTP to registries and their token services: one request and its answer, with a bound on everything.

Who answers may be hostile. A request ends by its time, whatever trickles in; headers (by http.client) and bodies are cut;
redirects are followed a few times, never with a credential and never from HTTPS to HTTP; plain HTTP goes to this machine's
own addresses and to hosts that the user named, nowhere else (but for one question of nobody's where TLS was not understood,
see tlsprobe). What fails is told as a cause of the catalogue, see wirefault.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, InsecureRequestWarning, ProtocolError

from pullcore.answers import Certificate
from pullcore.errors import CommandError, one_line
from pullcore.proxies import proxy_for
from pullcore.tlsprobe import facts
from pullcore.trust import verifying_context
from pullcore.wirefault import WireError as WireError
from pullcore.wirefault import failure

REQUEST_TIMEOUT, TOTAL_TIMEOUT = 10.0, 60.0  # seconds
BODY = 64 * 1024  # of an error, or of a token
PATIENCE = 300.0  # seconds without progress of what is sent, and for the answer to it: registries move large blobs first
REDIRECTS = 5
CONNECTIONS = 16  # kept open to one host


class Access(NamedTuple):
    """How registries are reached from here. plain_http, skip_verify: hosts, with or without port, as images name them.
    Times are seconds: for one request, and for all together."""

    authority: Optional[str] = None  # PEM, trusted besides the system's certificates
    plain_http: frozenset[str] = frozenset()
    skip_verify: frozenset[str] = frozenset()
    request_timeout: float = REQUEST_TIMEOUT
    total_timeout: float = TOTAL_TIMEOUT

    def plain(self, netloc: str) -> bool:
        return _named(netloc, self.plain_http)

    def unverified(self, netloc: str) -> bool:
        return _named(netloc, self.skip_verify)


def read_authority(name: str) -> str:
    """The certificates in a file. Raises CommandError for a file that can't be read or holds none."""
    try:
        text = Path(name).read_bytes().decode("latin-1")
        if "-----BEGIN" not in text:
            raise ValueError
        verifying_context(text)
    except (ssl.SSLError, ValueError):
        raise CommandError(f"--registry-ca: {one_line(name, 200)} holds no certificate in PEM") from None
    except OSError as error:
        raise CommandError(f"--registry-ca: {one_line(name, 200)}: {(error.strerror or str(error)).lower()}") from None
    return text


class Reply(NamedTuple):
    """An answer of HTTP. `redirected` to another place than was asked; `url` is the one that answered."""

    status: int
    reason: str
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    body: bytes
    url: str
    redirected: bool
    milliseconds: int
    whole: bool = True  # False: the body was longer than its bound


@dataclass(frozen=True)
class Content:
    """What a request carries. pieces: gives it from the beginning; size: in bytes. It may take as long as it goes on: only
    what stands still for PATIENCE ends."""

    pieces: Callable[[], Iterator[bytes]]
    size: int
    media_type: str = "application/octet-stream"
    more: Mapping[str, str] = field(default_factory=dict)  # headers

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.media_type, "Content-Length": str(self.size), **self.more}


class Wire:
    """Sends requests; safe to use from several threads. `sent` counts them."""

    def __init__(
        self,
        access: Access,
        *,
        user_agent: str,
        environ: Mapping[str, str],
        log: Optional[Callable[[str], None]] = None,
    ) -> None:
        self.clean: Callable[[str], str] = lambda text: text  # what cuts credentials out of what others say
        self.access = access
        self.sent = 0
        self.until = time.monotonic() + access.total_timeout
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self._environ = environ
        self._log = log
        self._lock = threading.Lock()
        self._pools: dict[tuple[bool, Optional[str]], urllib3.PoolManager] = {}
        self._certificates: dict[str, Certificate] = {}
        self._guards = threading.local()
        urllib3.disable_warnings(InsecureRequestWarning)  # the user asked for it, and is told by the report

    def prepare(self) -> None:
        """Reads the system's certificates, which takes 30 ms: for a moment in which others are waited for."""
        with contextlib.suppress(WireError):
            self._pool("https://registry.invalid")

    def time_left(self) -> float:
        """Seconds that all requests together may still take."""
        return max(self.until - time.monotonic(), 0.0)

    def certificate(self, netloc: str) -> Optional[Certificate]:
        """The certificate that a host has shown and that was verified."""
        return self._certificates.get(netloc)

    def proxy(self, url: str) -> Optional[str]:
        """The proxy on the way to a URL, by the environment, without its credentials."""
        found = proxy_for(url, self._environ)
        return found and urlsplit(found).netloc.rpartition("@")[2]

    def send(
        self,
        method: str,
        url: str,
        *,
        authorization: str = "",
        accept: str = "application/json",
        limit: int = BODY,
        again: bool = True,
        content: Optional[Content] = None,
    ) -> Reply:
        """One request, and the redirects that it leads to, without the authorization; what carries a content follows none.
        again: whether it may be sent a second time where the server had closed an idle connection. Raises WireError, and
        whatever the content raises."""
        headers = {**self._headers, "Accept": accept}
        own = {"Authorization": authorization} if authorization else {}
        with self._guarded(content) as guard:
            for hop in range(REDIRECTS + 1):
                reply = self._exchange(method, url, {**headers, **({} if hop else own)}, limit, guard, again, content)
                if content or reply.status not in (301, 302, 303, 307, 308) or not (place := reply.headers.get("location")):
                    return reply._replace(redirected=hop > 0)
                url = followed(url, place, self.clean(place))
            raise WireError(
                "registry-error", f"more than {REDIRECTS} redirects, the last one to {self.clean(urlsplit(url).netloc)}"
            )

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], limit: int, guard: Guard, again: bool,
        content: Optional[Content],
    ) -> Reply:  # fmt: skip
        host = urlsplit(url).netloc
        began = time.monotonic()
        try:
            pool = self._pool(url)
            try:
                reply = self._once(pool, method, url, headers, limit, guard, content)
            except ProtocolError:
                if not again or guard.left() < 0.1:
                    raise
                reply = self._once(pool, method, url, headers, limit, guard, content)  # an idle connection that was closed
        except (HTTPError, HTTPException, OSError, ValueError, AttributeError) as error:
            self._tell(method, url, "failed", began)
            if guard.fired:
                raise WireError("timeout", f"no whole answer from {host} within {guard.seconds:g}s") from None
            raise failure(error, url, self.proxy(url), guard, self.clean) from None
        self._tell(method, url, f"{reply.status} {one_line(reply.reason, 40)}", began)
        return reply

    def _once(
        self, pool: urllib3.PoolManager, method: str, url: str, headers: Mapping[str, str], limit: int, guard: Guard,
        content: Optional[Content],
    ) -> Reply:  # fmt: skip
        began = time.monotonic()
        with self._lock:
            self.sent += 1
        body = _renewing(content, guard) if content else None
        headers = {**headers, **content.headers} if content else headers
        response = pool.request(
            method, url, body=body, headers=headers, timeout=urllib3.Timeout(connect=guard.left(), read=guard.left()),
            retries=False, redirect=False, preload_content=False, decode_content=False,
        )  # fmt: skip
        took = int((time.monotonic() - began) * 1000)
        if _is_cut_off(response):
            response.close()
            raise ProtocolError("half a header", ConnectionResetError())
        try:
            answer = _read(response, limit)
        finally:
            response.close()  # one that was read to its end is back in the pool already
        values = {name.lower(): value for name, value in response.headers.items()}
        challenges = tuple(response.headers.getlist("WWW-Authenticate"))
        reason = self.clean(response.reason or "")
        return Reply(response.status, reason, values, challenges, answer[:limit], url, False, took, len(answer) <= limit)

    def _tell(self, method: str, url: str, what: str, began: float) -> None:
        if self._log:
            took = (time.monotonic() - began) * 1000
            shown = one_line(self.clean(url.partition("?")[0]), 300)
            self._log(f"{method} {shown} {what} in {took:.0f} milliseconds")

    # Connections

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections that are verified, or not, and go by the same proxy. The registry's own word decides nothing."""
        netloc = urlsplit(url).netloc
        proxy = proxy_for(url, self._environ)
        unverified = self.access.unverified(netloc)
        if proxy and url.startswith("http:") and not self.access.plain(netloc):
            raise WireError("http-https-mismatch", f"{netloc} is plain HTTP, and behind a proxy")
        with self._lock:
            pool = self._pools.get((unverified, proxy))
            if pool is None:
                pool = self._pools[unverified, proxy] = self._made(self._context(unverified), proxy)
            return pool

    def _context(self, unverified: bool) -> ssl.SSLContext:
        context = verifying_context(self.access.authority, besides=True)
        if unverified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _made(self, context: ssl.SSLContext, proxy: Optional[str]) -> urllib3.PoolManager:
        kwargs: dict[str, Any] = {"ssl_context": context, "maxsize": CONNECTIONS, "num_pools": 200}
        if proxy:
            user = urlsplit(proxy).netloc.rpartition("@")[0]
            headers = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
            try:
                pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, proxy_headers=headers, **kwargs)
            except (HTTPError, ValueError):
                shown = one_line(urlsplit(proxy).netloc.rpartition("@")[2], 100)
                raise WireError("proxy", f"the proxy {shown} of this machine's environment cannot be used") from None
        else:
            pool = urllib3.PoolManager(**kwargs)
        pool.pool_classes_by_scheme = self._classes()
        return pool

    def _classes(self) -> dict[str, Any]:
        wire = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                made: socket.socket = wire._watched(super()._new_conn())
                if not self.proxy and not wire._may_be_plain(self.host, self.port, made):
                    made.close()
                    raise WireError("http-https-mismatch", f"{self.host} is plain HTTP, and not on this machine")
                return made

            def getresponse(self) -> Any:
                wire._watched(self.sock)
                return super().getresponse()

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                made: socket.socket = wire._watched(super()._new_conn())
                return made

            def connect(self) -> None:
                super().connect()
                wire._note_certificate(self)

            def getresponse(self) -> Any:
                wire._watched(self.sock)
                return super().getresponse()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}

    def _note_certificate(self, connection: Any) -> None:
        found = connection.sock.getpeercert()
        if found:
            host = connection.host
            for netloc in (host, f"{host}:{connection.port}"):
                self._certificates[netloc] = facts(found)

    def _may_be_plain(self, host: str, port: Optional[int], connected: socket.socket) -> bool:
        named = f"[{host}]" if ":" in host else host
        return self.access.plain(f"{named}:{port}") or _is_loopback(connected.getpeername()[0])

    # Time

    @contextlib.contextmanager
    def _guarded(self, content: Optional[Content]) -> Iterator[Guard]:
        guard = Guard(PATIENCE if content else max(min(self.access.request_timeout, self.time_left()), 0.001))
        self._guards.current = guard
        try:
            yield guard
        finally:
            self._guards.current = None
            guard.end()

    def _watched(self, connected: Any) -> Any:
        guard = getattr(self._guards, "current", None)
        if guard and connected:
            guard.watch(connected)
        return connected


class Guard:
    """Ends a request at its time by shutting down its sockets, for a socket's own time-out starts anew with each byte."""

    def __init__(self, seconds: float) -> None:
        self.seconds = round(seconds, 1)
        self.fired = False
        self._until = time.monotonic() + seconds
        self._sockets: list[Any] = []
        self._ended = False
        self._start(seconds)

    def _start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def renew(self) -> None:
        """It goes on: the time begins anew."""
        self._until = time.monotonic() + self.seconds

    def left(self) -> float:
        return max(self._until - time.monotonic(), 0.001)

    def watch(self, connected: Any) -> None:
        self._sockets.append(connected)

    def end(self) -> None:
        self._ended = True
        self._timer.cancel()

    def _fire(self) -> None:
        left = self._until - time.monotonic()
        if left > 0.001:  # it was renewed
            if not self._ended:
                self._start(left)
            return
        self.fired = True
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which takes the session from under the thread that reads.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _renewing(content: Content, guard: Guard) -> Iterator[bytes]:
    for piece in content.pieces():
        yield piece
        guard.renew()


def followed(url: str, place: str, shown: str) -> str:
    """Where a redirect leads; shown: the place as it may be repeated. Raises WireError for places that nobody should be sent
    to."""
    try:
        target = urljoin(url, place)
        parts = urlsplit(target)
        fits = parts.scheme in ("http", "https") and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # no address, or no port
        fits = False
    if not fits or not re.fullmatch(r"[!-~]{1,4000}", target):
        raise WireError("registry-error", f"{urlsplit(url).netloc} redirects to {one_line(shown, 100)}")
    if parts.scheme == "http" and urlsplit(url).scheme == "https":
        raise WireError("registry-error", f"{urlsplit(url).netloc} redirects from HTTPS to plain HTTP, at {parts.netloc}")
    return target


def _is_cut_off(response: Any) -> bool:
    """Whether the headers end in the middle of one: http.client takes that for their end."""
    message = getattr(getattr(response, "_original_response", None), "msg", None)
    return message is not None and bool(message.defects)


def _read(response: Any, limit: int) -> bytes:
    parts, size = [], 0
    while size <= limit and (part := response.read1(1 << 16)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _named(netloc: str, hosts: frozenset[str]) -> bool:
    return netloc in hosts or netloc.rpartition(":")[0] in hosts


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
