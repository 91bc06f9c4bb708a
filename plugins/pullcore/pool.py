"""The connections to an API server, and the bytes that go through them: the only importer of the `kubernetes` package.

In go the kubeconfig's settings, a credential and the environment, out comes a urllib3 pool as that package sets it up
(proxies, TLS names, sockets), with our TLS context; and what the package knows of kubeconfig's old credentials. It is
imported only where it is used, for importing it takes longer than most requests. What an answer means is not known here.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Optional
from urllib.parse import unquote, urlsplit

from pullcore import kubeconfig
from pullcore.apierrors import HandshakeError, Unreachable
from pullcore.credentials import Credential, tls_context
from pullcore.errors import CommandError, one_line
from pullcore.overlap import WORKERS

PIECE = 1 << 16
_IMPORTING = threading.Lock()  # a package without its `__init__` is nothing that another thread may meet


def of_provider(provider: Mapping[str, Any], server: str) -> str:
    """The Authorization of kubeconfig's old auth-provider (oidc, gcp); the `kubernetes` package knows how.

    The kubeconfig file is never rewritten, so a refreshed token lasts for this run. Raises CommandError.
    """
    shown = one_line(provider.get("name"), 60)
    try:
        from kubernetes.client import Configuration
        from kubernetes.config import load_kube_config_from_dict

        configuration = Configuration()
        load_kube_config_from_dict(  # type: ignore[no-untyped-call,unused-ignore]
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": server.replace("https:", "http:", 1)}}],
                "users": [{"name": "x", "user": {"auth-provider": json.loads(json.dumps(provider, default=str))}}],
            },
            client_configuration=configuration,
            persist_config=False,
        )
        found = next(iter(configuration.api_key.values()), None)  # its key differs between 35 and 37
    except Exception as error:  # noqa: BLE001 - the package lets anything out: KeyError, OAuth errors, HTTP errors
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        raise CommandError(f"getting credentials: auth-provider {shown}: {reason}") from None
    if not found:
        raise CommandError(f"getting credentials: auth-provider {shown} gave no token; use an exec plugin instead")
    return str(found)


def pool_for(settings: kubeconfig.Settings, found: Credential, environ: Mapping[str, str]) -> Any:
    """The connection pool that the `kubernetes` package builds for these settings, with our TLS context in it.

    Nothing is sent yet. Raises CommandError for a proxy, certificates or keys that cannot be used.
    """
    with _IMPORTING, _no_package_init("kubernetes", "kubernetes.client", "kubernetes.utils"):
        from kubernetes.client.configuration import Configuration
        from kubernetes.client.rest import RESTClientObject

    import logging

    from urllib3 import disable_warnings, make_headers
    from urllib3.exceptions import HTTPError, InsecureRequestWarning

    disable_warnings(InsecureRequestWarning)  # the user asked for it
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # what it would log is in the error
    configuration = Configuration()
    configuration.host = settings.server
    configuration.proxy, configuration.no_proxy = _proxy(settings, environ)
    configuration.tls_server_name = settings.cluster.get("tls-server-name")
    configuration.verify_ssl = not settings.cluster.get("insecure-skip-tls-verify")
    configuration.connection_pool_maxsize = 4 * WORKERS  # some steps overlap
    try:
        proxy_user = urlsplit(configuration.proxy or "").netloc.rpartition("@")[0]
        if proxy_user:
            configuration.proxy_headers = make_headers(proxy_basic_auth=unquote(proxy_user))
        pool = RESTClientObject(configuration).pool_manager
    except (HTTPError, ImportError, ValueError) as error:
        proxy = one_line(str(configuration.proxy).rpartition("@")[2], 100)
        raise CommandError(f"the proxy {proxy} cannot be used: {one_line(error, 200)}") from None
    if settings.server.startswith("https:"):
        # Our own context needs no key files, and trusts what kubectl trusts.
        context = tls_context(settings, found)
        context.sslsocket_class = _Socket
        pool.connection_pool_kw.update(ssl_context=context, ca_certs=None)
    return pool


class _Socket(ssl.SSLSocket):
    """Tells a handshake that failed from what goes wrong later."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLCertVerificationError, TimeoutError):
            raise
        except OSError as error:
            raise HandshakeError(error) from error


def _proxy(settings: kubeconfig.Settings, environ: Mapping[str, str]) -> tuple[Optional[str], str]:
    """The proxy and the hosts that go without; Go's rules (httpproxy): the cluster's proxy-url knows no exception."""
    configured = settings.cluster.get("proxy-url")
    if configured:
        return str(configured), ""
    if is_on_this_machine(settings.server):
        return None, ""
    name = urlsplit(settings.server).scheme + "_proxy"
    proxy = environ.get(name.upper()) or environ.get(name)
    if proxy and "://" not in proxy:
        proxy = "http://" + proxy
    return proxy or None, environ.get("NO_PROXY") or environ.get("no_proxy") or ""


def is_on_this_machine(server: str) -> bool:
    """Whether the server's URL leads to loopback, where Go uses no proxy of the environment."""
    host = urlsplit(server).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def sent(
    pool: Any,
    method: str,
    url: str,
    body: Optional[bytes],
    headers: Sequence[tuple[str, str]],
    more: Mapping[str, str],
    timeout: Any,
) -> Any:
    """The answer as urllib3's response, its body not read yet. more: headers that replace those of the same name.

    Sends once more where that is safe: nothing was sent, for the handshake was refused (seen once in hundreds with a busy
    API server), or the connection ended under a GET. Raises what urllib3 raises.
    """
    import urllib3

    merged = urllib3.HTTPHeaderDict(headers)
    merged.update(more)

    def send() -> Any:
        return pool.request(
            method, url, body=body, headers=merged, timeout=timeout, retries=False, redirect=False, preload_content=False
        )

    try:
        return send()
    except urllib3.exceptions.SSLError as error:
        if not any(isinstance(cause, HandshakeError) for cause in error.args):
            raise
        return send()
    except urllib3.exceptions.ProtocolError:
        if method != "GET":
            raise
        return send()  # the server had closed the idle connection: Go's client tries again, too


def upgrade_headers(protocol: str) -> dict[str, str]:
    """What asks for a websocket (RFC 6455, section 4.1)."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": protocol,
        "Accept-Encoding": "identity",
    }


def taken_over(response: Any) -> tuple[Any, bytes, Callable[[], None]]:
    """The connection behind an answer of 101: its socket, what was read of it already, and what closes it.

    The Sec-WebSocket-Accept of the answer is not looked at: it keeps caches from answering, and the protocol was agreed on.
    """
    connection = response.connection
    socket, buffered = connection.sock, response._fp.fp
    socket.settimeout(0)
    try:
        early = bytes(buffered.peek() or b"")  # asks the socket only where nothing is buffered
    except OSError:
        early = b""

    def close() -> None:
        connection.close()
        response.close()

    return socket, early, close


def lines(pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """The lines of a text that comes in pieces, without blank ones and without a last one that is not whole.

    Raises Unreachable for a line of more than `longest` bytes, before much more than that is kept.
    """
    kept = bytearray()
    for piece in pieces:
        end, *more = piece.split(b"\n")
        kept += end
        for begin in more:
            if kept.strip():
                yield bytes(kept)
            kept = bytearray(begin)
        if len(kept) > longest:
            raise Unreachable(f"error: the API server sent a line of more than {longest >> 20} MiB")


def body_of(
    response: Any, limit: Optional[int], deadline: Optional[float], begins: Optional[Callable[[bytes], None]] = None
) -> bytes:
    """The body, cut at `limit`; `deadline` counts for the whole of it, as kubectl's --request-timeout does. begins: is
    called with its first part."""
    parts: list[bytes] = []
    size = 0
    # read() would wait for all of it; and up to urllib3 2.5 it drops what read1() has unpacked already.
    while part := response.read1(PIECE):
        if begins and not parts:
            begins(part)
        parts.append(part)
        size += len(part)
        if limit is not None and size >= limit:
            break
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)[:limit]


@contextmanager
def _no_package_init(*names: str) -> Iterator[None]:
    """Lets modules of a package be imported without its `__init__`, which would import all of it.

    Measured with kubernetes 35.0 and 37.0: 0.07 s instead of 0.2 to 0.6 s. Afterwards the packages can be imported
    as always. Does nothing for a package that is imported already.
    """
    import importlib.util

    bare: dict[str, ModuleType] = {}
    for name in names:
        if name in sys.modules and name not in bare:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.submodule_search_locations is None:
            continue
        bare[name] = sys.modules[name] = ModuleType(name)
        bare[name].__path__ = list(spec.submodule_search_locations)
        bare[name].__spec__ = spec
    try:
        yield
    finally:
        for name, module in bare.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
