"""What goes wrong between here and an API server, in kubectl's words."""

from __future__ import annotations

import ssl
from typing import Any, Optional
from urllib.parse import urlsplit

from pullcore.errors import CommandError, one_line

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0

Object = dict[str, Any]


class ApiError(CommandError):
    """What the API server refused: `status` (HTTP), `reason` and `message` as the server gave them, `details`."""

    prefix = ""

    def __init__(self, status: int, reason: str, message: str, body: Optional[Object] = None) -> None:
        text = f"Error from server ({reason}): {message}" if reason else f"Error from server: {message}"
        super().__init__(text)
        self.status, self.reason, self.message, self.body = status, reason, message, body or {}

    @property
    def details(self) -> Object:
        """The Status object's details (causes, retryAfterSeconds); empty if there are none."""
        found = self.body.get("details")
        return found if isinstance(found, dict) else {}

    @property
    def is_budget(self) -> bool:
        """Whether a disruption budget refuses an eviction (pkg/registry/core/pod/rest/eviction.go), not a busy server."""
        causes = self.details.get("causes")
        return any(isinstance(one, dict) and one.get("reason") == "DisruptionBudget" for one in causes or ())

    @property
    def comes_again(self) -> bool:
        """Whether the server says when to ask again."""
        return "retryAfterSeconds" in self.details


class Unauthorized(ApiError):
    """401: the credentials are missing, wrong or expired."""

    def __init__(self, status: int, reason: str, message: str, body: Optional[Object] = None) -> None:
        super().__init__(status, reason, message, body)
        self.text = f"error: You must be logged in to the server ({message})"


class Forbidden(ApiError):
    """403; `message` names user, verb and resource."""


class NotFound(ApiError):
    """404: no such object, or no such kind on this server."""

    @property
    def names_object(self) -> bool:
        """Whether the server knows the kind and looked for the object: its Status then names it."""
        return bool(self.details.get("name"))


class Conflict(ApiError):
    """409: it exists already, or it was changed in the meantime."""


class Gone(ApiError):
    """410: a continue token or a resource version is too old."""


class Unreachable(CommandError):
    """No answer from the API server: refused, unknown name, TLS, timeout. arrived: whether it may have got the request all
    the same, and done what it asks for."""

    prefix = ""

    def __init__(self, text: str, *, arrived: bool = True) -> None:
        super().__init__(text)
        self.arrived = arrived


class HandshakeError(ssl.SSLError):
    """A TLS handshake that the server refused or broke off: nothing was sent before it, so that it may be tried again."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.reason = getattr(error, "reason", None) or error.strerror or "the connection was closed"


def may_be_done(error: BaseException) -> bool:
    """Whether a change that ended so may have been made: no answer came, or one that speaks of the server's own trouble. A
    webhook is called before anything is kept."""
    if isinstance(error, Unreachable):
        return error.arrived
    return isinstance(error, ApiError) and error.status >= 500 and "failed calling webhook" not in error.message


_KINDS: dict[int, type[ApiError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone}
# Reasons and texts where the answer is no Status object (apimachinery, api/errors, NewGenericServerResponse).
_GENERIC = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    403: ("Forbidden", "the server does not allow access to the requested resource"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("Conflict", "the server reported a conflict"),
    410: ("Gone", "the resource is gone"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "an error on the server has prevented the request from succeeding"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


def refusal(status: int, document: Any, content: bytes, retry_after: Optional[str]) -> ApiError:
    """The error of an answer: a Status object's own words, else kubectl's for that status and what the body says."""
    reason, message = _GENERIC.get(status, ("", f"the server answered with status {status}"))
    body: Object = {}
    if isinstance(document, dict) and document.get("kind") == "Status":
        body = document
        message = one_line(document.get("message") or message, 2000)
        reason = one_line(document.get("reason") or reason, 60)
    else:
        said = one_line(content[:1000].decode(errors="replace"), 200)
        if said and not said.startswith(("<", "{")):
            message += f": {said}"
        if retry_after and retry_after.isdigit() and len(retry_after) < 6:
            body = {"details": {"retryAfterSeconds": int(retry_after)}}
    return _KINDS.get(status, ApiError)(status, reason, message, body)


def unreachable(error: BaseException, server: str, timeout: Optional[float]) -> Unreachable:
    """kubectl's wording (pkg/cmd/util/helpers.go) for why there was no answer."""
    from http.client import IncompleteRead, RemoteDisconnected

    from urllib3 import exceptions

    host = urlsplit(server).netloc
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and len(chain) < 10:
        chain.append(cause)
    chain += [arg for link in chain for arg in link.args if isinstance(arg, BaseException)]

    def first(*kinds: type[BaseException]) -> Optional[BaseException]:
        return next((link for link in chain if isinstance(link, kinds)), None)

    limit = f"{timeout:g}s" if timeout else ""
    said = "Unable to connect to the server: "
    if first(exceptions.ProxyError):
        return Unreachable(f"{said}the proxy cannot be used: {one_line(chain[-1], 200)}", arrived=False)
    if first(ConnectionRefusedError):
        refused = f"The connection to the server {host} was refused - did you specify the right host or port?"
        return Unreachable(refused, arrived=False)
    if first(exceptions.NameResolutionError):
        return Unreachable(f"{said}lookup {urlsplit(server).hostname}: no such host", arrived=False)
    if isinstance(untrusted := first(ssl.SSLCertVerificationError), ssl.SSLCertVerificationError):
        reason = one_line(untrusted.verify_message, 300)
        return Unreachable(f"{said}tls: failed to verify certificate: x509: {reason}", arrived=False)
    if first(exceptions.ConnectTimeoutError):
        late = f"{said}dial tcp {host}: i/o timeout after {limit or f'{CONNECT_TIMEOUT:g}s'}"
        return Unreachable(late, arrived=False)
    if first(exceptions.ReadTimeoutError, TimeoutError):
        return Unreachable(f"{said}no answer from {host} within {limit or f'{READ_TIMEOUT:g}s'} (--request-timeout)")
    if isinstance(tls := first(ssl.SSLError), ssl.SSLError):
        reason = one_line(tls.reason or tls, 300).replace("_", " ").lower()
        return Unreachable(f"{said}tls: {reason}", arrived=not first(HandshakeError))
    if first(RemoteDisconnected):
        return Unreachable(f"{said}{host} closed the connection without an answer")
    if first(exceptions.IncompleteRead, IncompleteRead):
        return Unreachable(f"{said}{host} closed the connection in the middle of its answer")
    last = next((link for link in chain if isinstance(link, OSError) and link.strerror), chain[0])
    return Unreachable(f"{said}{host}: {one_line(getattr(last, 'strerror', None) or last, 300)}")
