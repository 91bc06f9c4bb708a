"""Why there was no answer: what the libraries raise, told as a cause of the catalogue and one line."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from http.client import BadStatusLine, HTTPException, RemoteDisconnected
from http.client import IncompleteRead as HalfRead
from typing import Any, Optional, Protocol, TypeVar
from urllib.parse import urlsplit

from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    InvalidChunkLength,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from pullcore.answers import Certificate
from pullcore.errors import one_line
from pullcore.tlsprobe import UNTRUSTED, fault, shown_certificate, speaks_plain

MISMATCH = re.compile(r"wrong.version.number|http.request|https.proxy.request|record.layer.failure|packet.length", re.I)
PROBE_TIME = 5.0  # seconds for a look at what was not accepted

E = TypeVar("E", bound=BaseException)


class Watch(Protocol):
    """The bound of a request (wire.Guard): its seconds, what is left of them, and the sockets that end with it."""

    seconds: float

    def left(self) -> float: ...

    def watch(self, connected: Any) -> None: ...


class WireError(Exception):
    """No answer: `cause` of the catalogue, str() the reason in one line; from `failure` it is cleaned of credentials."""

    def __init__(self, cause: str, detail: str, certificate: Optional[Certificate] = None) -> None:
        super().__init__(one_line(detail, 300))
        self.cause = cause
        self.certificate = certificate


def failure(
    error: BaseException, url: str, proxy: Optional[str], guard: Watch, clean: Callable[[str], str] = str
) -> WireError:
    """The WireError for what a request to `url` raised; proxy: on the way, as it may be shown; clean: cuts credentials out
    of what others say, which the libraries repeat."""
    parts, chain = urlsplit(url), _Chain(error, clean)
    told = chain.first(WireError)
    if told:
        return told
    if chain.first(ProxyError):
        tunnel = next((str(link) for link in reversed(chain.links) if "Tunnel" in str(link)), "")
        return WireError("proxy", f"the proxy {proxy} of this machine's environment: {clean(tunnel) or chain.said}")
    if parts.scheme == "https" and (found := _tls_failure(chain, parts.netloc, guard, direct=not proxy)):
        return found
    line = chain.first(BadStatusLine)
    if parts.scheme == "http" and line and not isinstance(line, RemoteDisconnected):
        if str(line.args[0])[:1] == "\x15":
            return WireError("http-https-mismatch", f"{parts.netloc} speaks TLS, and was asked without")
        return WireError("registry-error", f"{parts.netloc} does not speak HTTP")
    return _network_failure(chain, parts.netloc, parts.hostname or "", guard.seconds)


def _tls_failure(chain: _Chain, netloc: str, guard: Watch, *, direct: bool) -> Optional[WireError]:
    def connect() -> socket.socket:
        parts = urlsplit(f"//{netloc}")
        made = socket.create_connection((parts.hostname or "", parts.port or 443), timeout=min(guard.left(), PROBE_TIME))
        guard.watch(made)
        return made

    refused = chain.first(ssl.SSLCertVerificationError)
    if refused:
        shown = shown_certificate(netloc, connect) if direct else None
        cause = "tls-untrusted" if refused.verify_code in UNTRUSTED else "tls-other"
        return WireError(cause, f"{netloc}: {fault(refused, shown)}", shown)
    broken = chain.first(ssl.SSLError)
    if not broken:
        return None
    if isinstance(broken, ssl.SSLEOFError):
        return WireError("connection", f"{netloc} closed the connection during the TLS handshake")
    reason = one_line(broken.reason or broken, 200).replace("_", " ").lower()
    if speaks_plain(netloc, connect) if direct else bool(MISMATCH.search(reason)):
        return WireError("http-https-mismatch", f"{netloc} speaks plain HTTP, not TLS")
    return WireError("tls-other", f"{netloc}: {reason}")


def _network_failure(chain: _Chain, netloc: str, host: str, seconds: float) -> WireError:
    looked_up = chain.first(socket.gaierror)
    if looked_up:
        missing = looked_up.args and looked_up.args[0] in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
        return WireError("dns", f"lookup {host}: {'no such host' if missing else looked_up.strerror or 'failed'}")
    if chain.first(ConnectionRefusedError):
        return WireError("connection", f"{netloc}: connection refused")
    if chain.first(ReadTimeoutError):
        return WireError("timeout", f"no answer from {netloc} within {seconds:g}s")
    if chain.first(ConnectTimeoutError) or chain.first(TimeoutError):
        return WireError("timeout", f"no connection to {netloc} within {seconds:g}s")
    if chain.first(ProtocolError) or chain.first(HTTPException):
        half = chain.first(IncompleteRead) or chain.first(InvalidChunkLength) or chain.first(HalfRead)
        if half or chain.first(ConnectionError) or "without response" in str(chain.links[0]):
            return WireError("connection", f"{netloc} closed the connection before its answer was whole")
        return WireError("registry-error", f"{netloc} does not answer as HTTP has it: {chain.said}")
    return WireError("connection", f"{netloc}: {chain.said}")


class _Chain:
    """An error, what caused it, and the errors that these carry along: libraries hide the reason in any of them."""

    def __init__(self, error: BaseException, clean: Callable[[str], str]) -> None:
        self.links = list(_links(error))
        self._clean = clean

    def first(self, kind: type[E]) -> Optional[E]:
        return next((link for link in self.links if isinstance(link, kind)), None)

    @property
    def said(self) -> str:
        """The reason in the system's words, else in those of the innermost error."""
        system = next((link.strerror for link in self.links if isinstance(link, OSError) and link.strerror), None)
        return one_line(system or self._clean(str(self.links[-1])), 200)  # cleaned before it is cut


def _links(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    todo = [error]
    while todo and len(seen) < 30:
        one = todo.pop(0)
        if one in seen:
            continue
        seen.append(one)
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        todo += [each for each in inner if isinstance(each, BaseException)]
