"""The Kubernetes API as plain dictionaries: the only importer of the `kubernetes` package.

Requests go through that package's own configuration and connection pool (proxies, TLS names, sockets), below its
generated clients: parsing 500 pods into model classes takes 30 to 80 times as long as json.loads.

Deliberate differences from kubectl: without --request-timeout a connection may take 10 s and an answer 60 s, where
kubectl waits for ever; redirects are not followed, so that a credential never goes to another server.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, Optional
from urllib.parse import quote, unquote, urlencode, urlsplit

from pullcore import kubeconfig
from pullcore.apierrors import CONNECT_TIMEOUT, READ_TIMEOUT, refusal, unreachable
from pullcore.apierrors import ApiError as ApiError
from pullcore.apierrors import Conflict as Conflict
from pullcore.apierrors import Forbidden as Forbidden
from pullcore.apierrors import Gone as Gone
from pullcore.apierrors import NotFound as NotFound
from pullcore.apierrors import Unauthorized as Unauthorized
from pullcore.apierrors import Unreachable as Unreachable
from pullcore.command import LOG_REQUESTS, Connection
from pullcore.credentials import Credential, credential, tls_context
from pullcore.errors import CommandError, one_line
from pullcore.overlap import WORKERS, started

PAGE = 500
ERROR_BODY = 64 * 1024
HEAD = 8 * 1024
# The beginning of a list as the API server writes it, up to the token of the next page.
TOKEN = re.compile(rb'\{"kind":"\w+","apiVersion":"[^"]*","metadata":\{(?:"\w+":"?[^",{}]*"?,)*"continue":"([\w=-]+)"')
PATIENCE = 5  # how often a request is repeated when the server says "too many requests"
LONGEST_PAUSE = 10.0
YOUNG = 5.0  # credentials refused within so many seconds are wrong, not expired

JSON = "application/json"

Object = dict[str, Any]


def resource_path(
    group_version: str, plural: str, *, namespace: Optional[str] = None, name: Optional[str] = None, sub: str = ""
) -> str:
    """The path of a list or an object: `v1`, `pods` -> `/api/v1/...`, `apps/v1` -> `/apis/apps/v1/...`.

    Raises CommandError for names that cannot be part of a path, as kubectl does (path.IsValidPathSegmentName).
    """
    words = [f"/{'apis' if '/' in group_version else 'api'}/{group_version}"]
    if namespace is not None:
        words += ["namespaces", _segment(namespace)]
    words.append(plural)
    if name is not None:
        words.append(_segment(name))
    return "/".join([*words, sub] if sub else words)


def _segment(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise CommandError(f'invalid resource name "{one_line(name, 200)}"')
    return quote(name, safe="")


def _ignore(_: str) -> None:
    """A callback for nobody."""


@dataclass(frozen=True)
class _Session:
    """One set of credentials with the connections that use it."""

    pool: Any
    headers: Sequence[tuple[str, str]] = field(repr=False)
    began: float


class Cluster:
    """One API server, reached as one user. Safe to use from several threads. Made by `connect`."""

    def __init__(
        self,
        settings: kubeconfig.Settings,
        connection: Connection,
        user_agent: str,
        warn: Callable[[str], None],
        log: Callable[[str], None],
        environ: Mapping[str, str],
    ) -> None:
        self.context = settings.context
        self.namespace = settings.namespace
        self.server = settings.server
        self._settings = settings
        self._timeout = connection.request_timeout
        self._user_agent = user_agent
        self._warn = warn
        self._log = log if connection.verbosity >= LOG_REQUESTS else None
        self._environ = environ
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._session = self._open()

    @classmethod
    def connect(
        cls,
        connection: Connection,
        *,
        user_agent: str,
        warn: Callable[[str], None] = _ignore,
        log: Callable[[str], None] = _ignore,
        environ: Mapping[str, str] = os.environ,
    ) -> Cluster:
        """The cluster that the options, KUBECONFIG or the pod name; runs an exec plugin if the user has one.

        user_agent: `kubectl-pullcheck/0.1.0`. warn: gets each different `Warning: ...` of the server once.
        log: gets a line per request from -v 6 on. No request is sent yet. Raises CommandError.
        """
        return cls(kubeconfig.resolve(connection, environ), connection, user_agent, warn, log, environ)

    def get(self, path: str, *, accept: str = JSON, **query: Any) -> Object:
        """The object or list at `path` (see resource_path). Raises ApiError or Unreachable.

        accept: what else than the whole object to ask for, `application/json;as=PartialObjectMetadataList;...`.
        """
        return self.request("GET", path, query, accept=accept)

    def pages(self, path: str, *, accept: str = JSON, **query: Any) -> Iterator[list[Object]]:
        """A list in pages of 500 objects (`limit=` for others); the next page is fetched while one is used.

        When the list expires half-way (410), it goes on with the token that the server offers for that, or from the
        start without what was already given: nothing is missing or doubled, but the pages are not of one moment.
        """
        query = {"limit": PAGE, **query}
        given: set[str] = set()
        expired = 0
        waiting = started(partial(self._content, "GET", path, {**query}, accept=accept))
        while True:
            try:
                content = waiting.result()
            except Gone as error:
                expired += 1
                if not query.get("continue") or expired > PATIENCE:
                    raise
                query["continue"] = _continue(error.body)
                if not query["continue"]:
                    query["limit"] = None  # the whole list at once cannot expire again
                waiting = started(partial(self._content, "GET", path, {**query}, accept=accept))
                continue
            # The token stands before the objects: the server makes the next page while this one is parsed.
            head = TOKEN.match(content, 0, HEAD)
            page = {} if head else self._document(content)
            query["continue"] = head[1].decode() if head else _continue(page)
            if query["continue"]:
                waiting = started(partial(self._content, "GET", path, {**query}, accept=accept))
            page = page or self._document(content)
            del content
            found = [item for item in page.get("items") or () if isinstance(item, dict)]
            yield [item for item in found if _uid(item) not in given]
            given.update(uid for uid in map(_uid, found) if uid)
            if not query["continue"]:
                return

    def items(self, path: str, *, accept: str = JSON, **query: Any) -> Iterator[Object]:
        """The objects of a list one by one; see pages."""
        for page in self.pages(path, accept=accept, **query):
            yield from page

    def request(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        body: Optional[object] = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """One request; the JSON object that the server answers.

        query: None values are left out, True is `true`. body: anything json.dumps takes. Repeats what the server
        turned away for being busy (429), and once what it refused (401) if a plugin or a token file may have better
        credentials by now. Raises ApiError or Unreachable.
        """
        return self._document(self._content(method, path, query, body, content_type, accept))

    def _content(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, Any]] = None,
        body: Optional[object] = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """What `request` gets, not parsed yet."""
        url = self.server + path
        given = [(key, str(value).lower() if isinstance(value, bool) else value) for key, value in (query or {}).items()]
        if any(value is not None for _, value in given):
            url += "?" + urlencode([(key, value) for key, value in given if value is not None])
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Accept": accept} if content is None else {"Accept": accept, "Content-Type": content_type}
        first = session = self._session
        busy = 0
        while True:
            try:
                return self._exchange(session, method, url, content, headers)
            except Unauthorized:
                if session is not first:
                    raise
                session = self._renewed(first)
                if session is first:
                    raise
            except ApiError as error:
                busy += 1
                if error.status != 429 or busy > PATIENCE:
                    raise
                seconds = error.details.get("retryAfterSeconds")
                time.sleep(min(max(seconds if isinstance(seconds, (int, float)) else 1, 0.1), LONGEST_PAUSE))

    def _exchange(self, session: _Session, method: str, url: str, body: Optional[bytes], more: Mapping[str, str]) -> bytes:
        import urllib3

        headers = urllib3.HTTPHeaderDict(session.headers)
        headers.update(more)
        if self._timeout is None:
            timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
        else:
            timeout = urllib3.Timeout(total=self._timeout or None)
        began = time.monotonic()
        deadline = began + self._timeout if self._timeout else None

        def send() -> Any:
            return session.pool.request(
                method, url, body=body, headers=headers, timeout=timeout, retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip

        try:
            try:
                response = send()
            except urllib3.exceptions.ProtocolError:
                if method != "GET":
                    raise
                response = send()  # the server had closed the idle connection: Go's client tries again, too
            try:
                content = _read(response, None if response.status < 300 else ERROR_BODY, deadline)
            finally:
                response.close()  # one that was read to its end is back in the pool already
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._log:
                self._log(f"{method} {url} failed in {(time.monotonic() - began) * 1000:.0f} milliseconds")
            raise unreachable(error, self.server, self._timeout) from None
        if self._log:
            took = (time.monotonic() - began) * 1000
            self._log(f"{method} {url} {response.status} {one_line(response.reason, 40)} in {took:.0f} milliseconds")
        for header in response.headers.getlist("Warning"):
            self._pass_on(header)
        if response.status >= 300:
            raise refusal(response.status, _parsed(content), content, response.headers.get("Retry-After"))
        return content

    def _document(self, content: bytes) -> Object:
        document = _parsed(content)
        if not isinstance(document, dict):
            begin = one_line(content[:400].decode(errors="replace"), 150)
            raise Unreachable(f"error: {self.server} does not answer like a Kubernetes API server: {begin or 'nothing'}")
        return document

    def _renewed(self, stale: _Session) -> _Session:
        """A session with fresh credentials, or `stale` itself if there can be none or it is too young to be expired."""
        with self._lock:
            user = self._settings.user
            renewable = "tokenFile" in user or (not user.get("token") and ("exec" in user or "auth-provider" in user))
            if self._session is stale and renewable and time.monotonic() - stale.began > YOUNG:
                self._session = self._open()
            return self._session

    def _pass_on(self, header: str) -> None:
        """One `Warning` header, RFC 9111 section 5.5: `299 - "text"`."""
        _, _, quoted = header.partition('"')
        text = one_line(quoted.rpartition('"')[0].replace('\\"', '"').replace("\\\\", "\\"))
        with self._lock:
            new = bool(text) and text not in self._warned
            self._warned.add(text)
        if new:
            self._warn(f"Warning: {text}")

    def _open(self) -> _Session:
        settings = self._settings
        found = credential(settings, self._environ, _of_provider)
        headers = [("User-Agent", self._user_agent), *settings.impersonation]
        if not _on_this_machine(settings.server):
            # A page of 500 pods of 1.4 MB took 0.11 s over 100 Mbit/s, compressed 0.01 s; on loopback it does not pay.
            headers.append(("Accept-Encoding", "gzip"))
        if found.authorization:
            headers.append(("Authorization", found.authorization))
        for name, value in headers:
            if not all(char.isprintable() for char in value):
                raise CommandError(f"{name} holds characters that cannot be sent")
        # HTTP headers are bytes, sent as Latin-1; Go sends and reads UTF-8.
        encoded = [(name, value.encode().decode("latin-1")) for name, value in headers]
        return _Session(_pool(settings, found, self._environ), encoded, time.monotonic())


def _of_provider(provider: Mapping[str, Any], server: str) -> str:
    """The Authorization of kubeconfig's old auth-provider (oidc, gcp); the `kubernetes` package knows how.

    The kubeconfig file is never rewritten, so a refreshed token lasts for this run.
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


def _pool(settings: kubeconfig.Settings, found: Credential, environ: Mapping[str, str]) -> Any:
    """The connection pool that the `kubernetes` package builds for these settings, with our TLS context in it."""
    with _no_package_init("kubernetes", "kubernetes.client", "kubernetes.utils"):
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
        pool.connection_pool_kw.update(ssl_context=tls_context(settings, found), ca_certs=None)
    return pool


def _proxy(settings: kubeconfig.Settings, environ: Mapping[str, str]) -> tuple[Optional[str], str]:
    """The proxy and the hosts that go without; Go's rules (httpproxy): the cluster's proxy-url knows no exception."""
    configured = settings.cluster.get("proxy-url")
    if configured:
        return str(configured), ""
    if _on_this_machine(settings.server):
        return None, ""
    name = urlsplit(settings.server).scheme + "_proxy"
    proxy = environ.get(name.upper()) or environ.get(name)
    if proxy and "://" not in proxy:
        proxy = "http://" + proxy
    return proxy or None, environ.get("NO_PROXY") or environ.get("no_proxy") or ""


def _on_this_machine(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _read(response: Any, limit: Optional[int], deadline: Optional[float]) -> bytes:
    """The body, cut at `limit`; `deadline` counts for the whole of it, as kubectl's --request-timeout does."""
    if limit is None and deadline is None:
        return bytes(response.read())
    parts, size = [], 0
    while part := response.read1(1 << 16):  # read() would wait for all of it
        parts.append(part)
        size += len(part)
        if limit is not None and size >= limit:
            break
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)[:limit]


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _continue(document: Object) -> Optional[str]:
    found = (document.get("metadata") or {}).get("continue")
    return str(found) if found else None


def _uid(item: Object) -> Optional[str]:
    found = (item.get("metadata") or {}).get("uid")
    return str(found) if found else None


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
