"""A look at a port where TLS failed: the certificate that was not accepted, or plain HTTP. Nothing of anybody's is sent."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Optional
from urllib.parse import urlsplit

from pullcore.answers import Certificate
from pullcore.errors import one_line

SPEAKS_TLS = re.compile(rb"HTTP request (?:was )?(?:sent )?to (?:an )?HTTPS (?:server|port)", re.I)
# OpenSSL's X509_V_ERR_*: the chain ends at nobody we know.
UNTRUSTED = frozenset((2, 18, 19, 20, 21))
EXPIRED, NOT_YET, WRONG_HOST, WRONG_ADDRESS = 10, 9, 62, 64
NO_CHECK_TIME, PARTIAL_CHAIN = 0x200000, 0x80000  # X509_V_FLAG_*

Connect = Callable[[], socket.socket]


def facts(found: Mapping[str, Any]) -> Certificate:
    """A certificate as `SSLSocket.getpeercert` tells it."""
    names = tuple(one_line(value, 100) for _, value in found.get("subjectAltName", ()))
    return Certificate(
        subject=_name(found.get("subject", ())),
        issuer=_name(found.get("issuer", ())),
        names=names[:20],
        not_before=_moment(found.get("notBefore")),
        not_after=_moment(found.get("notAfter")),
    )


def _name(parts: Any) -> str:
    """The common name, or the organisation where there is none."""
    values = {key: value for part in parts for key, value in part}
    return one_line(values.get("commonName") or values.get("organizationName") or "nobody", 100)


def _moment(text: Optional[str]) -> str:
    if not text:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ssl.cert_time_to_seconds(text)))


def shown_certificate(netloc: str, connect: Connect) -> Optional[Certificate]:
    """The facts of a certificate that was not accepted: Python tells them only of one that is trusted, so it is fetched, and
    trusted for a second handshake, in which nothing is sent. None where that fails."""
    host = urlsplit(f"//{netloc}").hostname
    try:
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        with connect() as plain, anybody.wrap_socket(plain, server_hostname=host) as secure:
            raw = secure.getpeercert(binary_form=True)
        if not raw:
            return None
        just_this = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        just_this.check_hostname = False
        just_this.load_verify_locations(cadata=raw)
        just_this.verify_flags |= PARTIAL_CHAIN | NO_CHECK_TIME
        with connect() as plain, just_this.wrap_socket(plain, server_hostname=host) as secure:
            found = secure.getpeercert()
    except (OSError, ValueError):
        return None
    return facts(found) if found else None


def speaks_plain(netloc: str, connect: Connect) -> bool:
    """Asks, as nobody, whether plain HTTP is spoken where TLS was not understood."""
    try:
        with connect() as plain:
            plain.sendall(b"GET /v2/ HTTP/1.1\r\nHost: " + netloc.encode() + b"\r\nConnection: close\r\n\r\n")
            begin = b""
            while len(begin) < 2000 and (part := plain.recv(2000)):
                begin += part
    except (OSError, UnicodeError):
        return False
    return begin.startswith(b"HTTP/1.") and not SPEAKS_TLS.search(begin)


def fault(error: ssl.SSLCertVerificationError, shown: Optional[Certificate]) -> str:
    """What is wrong with a certificate, with its facts where they are known."""
    code = error.verify_code
    if code == EXPIRED:
        return f"the certificate expired {f'on {shown.not_after[:10]}' if shown else 'some time ago'}"
    if code == NOT_YET:
        return f"the certificate is not valid yet{f', only from {shown.not_before[:10]} on' if shown else ''}"
    if code in (WRONG_HOST, WRONG_ADDRESS):
        names = f", but for {', '.join(shown.names[:4]) or shown.subject}" if shown else ""
        return f"the certificate is not for this name{names}"
    if code in UNTRUSTED:
        signer = f" by {shown.issuer}" if shown and shown.issuer != shown.subject else " by itself" if shown else ""
        return f"the certificate is signed{signer}, which is not trusted here"
    return one_line(error.verify_message or error, 200)
