"""The Kubernetes API as plain dictionaries.

Requests go through the `kubernetes` package's own configuration and connection pool (see pool.py), below its generated
clients: parsing 500 pods into model classes takes 30 to 80 times as long as json.loads.

Deliberate differences from kubectl: without --request-timeout a connection may take 10 s and an answer 60 s, where
kubectl waits for ever; redirects are not followed, so that a credential never goes to another server.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional, TypeVar
from urllib.parse import quote, urlencode, urlsplit

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
from pullcore.credentials import credential
from pullcore.errors import CommandError, one_line
from pullcore.listtext import next_page, only, without_managed_fields
from pullcore.overlap import started
from pullcore.pool import PIECE, body_of, lines, of_provider, pool_for, sent, taken_over, upgrade_headers

PAGE = 500
ERROR_BODY = 64 * 1024
PATIENCE = 5  # how often a request is repeated when the server says "too many requests"
LONGEST_PAUSE = 10.0
YOUNG = 5.0  # credentials refused within so many seconds are wrong, not expired
SILENCE = 15.0  # how much longer than it is to last a watch is waited for: the server ends it, not we
LONGEST_LINE = 32 * 1024 * 1024  # of a watch; etcd takes objects of 1.5 MiB

JSON = "application/json"

Object = dict[str, Any]
TextWanted = Callable[[bytes], bool]  # of an object's JSON, without its first words
T = TypeVar("T")


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

    def pages(
        self, path: str, *, accept: str = JSON, text_wanted: Optional[TextWanted] = None, **query: Any
    ) -> Iterator[list[Object]]:
        """A list in pages of 500 objects (`limit=` for others); the next page is fetched while one is used. The objects are
        for looking at: managedFields may be left out, and objects whose text is not wanted (see listtext.only).

        When the list expires half-way (410), it goes on with the token that the server offers for that, or from the
        start without what was already given: nothing is missing or doubled, but the pages are not of one moment.
        """
        query = {"limit": PAGE, **query}
        given: set[str] = set()
        expired = 0
        begun, waiting = self._begun(path, query, accept)
        while True:
            try:
                token = next_page(begun.result())
                # Two at once share the line, and each has but the time that the user gives.
                early = token and self._timeout is None
                following = self._begun(path, {**query, "continue": token}, accept) if early else None
                content = waiting.result()
            except Gone as error:
                expired += 1
                if not query.get("continue") or expired > PATIENCE:
                    raise
                query["continue"] = _continue(error.body)
                if not query["continue"]:
                    query["limit"] = None  # the whole list at once cannot expire again
                begun, waiting = self._begun(path, query, accept)
                continue
            page = self._list(content, text_wanted)
            del content
            query["continue"] = token or _continue(page)
            if query["continue"]:
                begun, waiting = following or self._begun(path, query, accept)
            found = [item for item in page.get("items") or () if isinstance(item, dict)]
            yield [item for item in found if _uid(item) not in given]
            given.update(uid for uid in map(_uid, found) if uid)
            if not query["continue"]:
                return

    def _begun(self, path: str, query: Mapping[str, Any], accept: str) -> tuple[Future[bytes], Future[bytes]]:
        """A list that is fetched: the beginning of its text, as soon as it is there (empty where there is none), and all."""
        head: Future[bytes] = Future()
        whole = started(partial(self._content, "GET", path, dict(query), accept=accept, begins=head.set_result))

        def end(_: Future[bytes]) -> None:
            if not head.done():
                head.set_result(b"")

        whole.add_done_callback(end)
        return head, whole

    def page(self, path: str, **query: Any) -> Object:
        """A list, or one page of it, for looking at as `pages` gives it. Raises ApiError or Unreachable."""
        return self._list(self._content("GET", path, query))

    def items(
        self, path: str, *, accept: str = JSON, text_wanted: Optional[TextWanted] = None, **query: Any
    ) -> Iterator[Object]:
        """The objects of a list one by one; see pages."""
        for page in self.pages(path, accept=accept, text_wanted=text_wanted, **query):
            yield from page

    def watch(
        self, path: str, *, resource_version: str, seconds: float = 240, **query: Any
    ) -> Generator[Object, None, None]:
        """The changes of the list at `path` after `resource_version`, as they come; the server ends it after `seconds`.

        Yields {"type": "ADDED|MODIFIED|DELETED|BOOKMARK|ERROR", "object": {...}}. query: the list's selectors. The
        request is sent when the first event is asked for; `close` ends it. --request-timeout is only for connecting, for
        a watch is meant to last. A last line that is not whole is dropped. Raises ApiError as `request` does (Gone for a
        resource version that is too old), and Unreachable, also for a line that is no event or longer than 32 MiB.
        """
        lasting = {"watch": True, "allowWatchBookmarks": True, "timeoutSeconds": max(int(seconds), 1)}
        url = self._url(path, {**query, **lasting, "resourceVersion": resource_version})
        response = self._insistently(partial(self._opened, url=url, silence=seconds + SILENCE))
        try:
            pieces = iter(partial(self._piece, response, url, seconds + SILENCE), b"")
            for line in lines(pieces, LONGEST_LINE):
                event = self._document(line)
                if not isinstance(event.get("type"), str) or not isinstance(event.get("object"), dict):
                    raise self._nonsense(line)
                yield event
        finally:
            response.close()

    def upgraded(self, path: str, protocol: str, **query: Any) -> tuple[Any, bytes, Callable[[], None]]:
        """A websocket at `path`: its socket, what came on it already, and what closes it. Raises ApiError or Unreachable,
        also for a server that speaks no such `protocol`.

        The request itself is bound as others are; what is sent and read later is the caller's matter.
        """
        import urllib3

        url = self._url(path, query)

        def ask(session: _Session) -> Any:
            connect, read = (CONNECT_TIMEOUT, READ_TIMEOUT) if self._timeout is None else (self._timeout or None,) * 2
            timeout = urllib3.Timeout(connect=connect, read=read)
            began = time.monotonic()
            with self._faults("GET", url):
                response = sent(session.pool, "GET", url, None, session.headers, upgrade_headers(protocol), timeout)
                content = b"" if response.status == 101 else body_of(response, ERROR_BODY, None)
            self._note("GET", url, response, began)
            if response.status >= 300:
                response.close()
                raise _refused(response, content)
            if response.status != 101 or response.headers.get("Sec-WebSocket-Protocol") != protocol:
                response.close()
                raise Unreachable(f"error: {self.server} does not speak {protocol}, or something on the way does not")
            return response

        return taken_over(self._insistently(ask))

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
        turned away for being busy (429; also 5xx for a read, if the server says when to come again), and once what it
        refused (401) if a plugin or a token file may have better credentials by now. Raises ApiError or Unreachable.
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
        begins: Optional[Callable[[bytes], None]] = None,
    ) -> bytes:
        """What `request` gets, not parsed yet. begins: is called once, with the first part of it."""
        url = self._url(path, query or {})
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Accept": accept} if content is None else {"Accept": accept, "Content-Type": content_type}
        ask = partial(self._exchange, method=method, url=url, body=content, more=headers, begins=begins)
        return self._insistently(ask, reads=method == "GET")

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        given = [(key, str(value).lower() if isinstance(value, bool) else value) for key, value in query.items()]
        asked = urlencode([(key, value) for key, value in given if value is not None])
        return f"{self.server}{path}?{asked}" if asked else self.server + path

    def _insistently(self, ask: Callable[[_Session], T], *, reads: bool = True) -> T:
        """What `ask` returns; it is called again as the docstring of `request` says."""
        first = session = self._session
        busy = 0
        while True:
            try:
                return ask(session)
            except Unauthorized:
                if session is not first:
                    raise
                session = self._renewed(first)
                if session is first:
                    raise
            except ApiError as error:
                busy += 1
                is_busy = error.status == 429 or (reads and error.status >= 500 and error.comes_again)
                if not is_busy or busy > PATIENCE or error.is_budget:
                    raise
                seconds = error.details.get("retryAfterSeconds")
                time.sleep(min(max(seconds if isinstance(seconds, (int, float)) else 1, 0.1), LONGEST_PAUSE))

    def _exchange(
        self, session: _Session, method: str, url: str, body: Optional[bytes], more: Mapping[str, str],
        begins: Optional[Callable[[bytes], None]] = None,
    ) -> bytes:  # fmt: skip
        """One request and its whole answer. Raises ApiError or Unreachable."""
        import urllib3

        if self._timeout is None:
            timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
        else:
            timeout = urllib3.Timeout(total=self._timeout or None)
        began = time.monotonic()
        deadline = began + self._timeout if self._timeout else None
        with self._faults(method, url):
            response = sent(session.pool, method, url, body, session.headers, more, timeout)
            try:
                fits = response.status < 300
                content = body_of(response, None if fits else ERROR_BODY, deadline, begins if fits else None)
            finally:
                response.close()  # one that was read to its end is back in the pool already
        self._note(method, url, response, began)
        if response.status >= 300:
            raise _refused(response, content)
        return content

    def _opened(self, session: _Session, url: str, silence: float) -> Any:
        """The answer to a watch, its body still to come. Raises ApiError or Unreachable."""
        import urllib3

        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT if self._timeout is None else self._timeout or None, read=silence)
        more = {"Accept": JSON, "Accept-Encoding": "identity"}  # what compresses would hold events back
        began = time.monotonic()
        with self._faults("GET", url):
            response = sent(session.pool, "GET", url, None, session.headers, more, timeout)
            if response.status >= 300:
                try:
                    content = body_of(response, ERROR_BODY, None)
                finally:
                    response.close()
        self._note("GET", url, response, began)
        if response.status >= 300:
            raise _refused(response, content)
        return response

    def _piece(self, response: Any, url: str, silence: float) -> bytes:
        """What has come of a watch since the last call; waits for something; empty at the end."""
        import urllib3

        with self._faults("GET", url):
            try:
                return response.read1(PIECE) or b""
            except urllib3.exceptions.ReadTimeoutError:  # not a matter of --request-timeout
                host = urlsplit(self.server).netloc
                raise Unreachable(f"Unable to connect to the server: {host} was silent for {silence:g}s") from None

    @contextmanager
    def _faults(self, method: str, url: str) -> Iterator[None]:
        """Raises what goes wrong between here and the server as Unreachable."""
        import urllib3

        began = time.monotonic()
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._log:
                self._log(f"{method} {url} failed in {(time.monotonic() - began) * 1000:.0f} milliseconds")
            raise unreachable(error, self.server, self._timeout) from None

    def _note(self, method: str, url: str, response: Any, began: float) -> None:
        """Logs an answer, and passes on the warnings that came with it."""
        if self._log:
            took = (time.monotonic() - began) * 1000
            self._log(f"{method} {url} {response.status} {one_line(response.reason, 40)} in {took:.0f} milliseconds")
        for header in response.headers.getlist("Warning"):
            self._pass_on(header)

    def _document(self, content: bytes) -> Object:
        document = _parsed(content)
        if not isinstance(document, dict):
            raise self._nonsense(content)
        return document

    def _list(self, content: bytes, text_wanted: Optional[TextWanted] = None) -> Object:
        slim = _parsed(without_managed_fields(only(content, text_wanted) if text_wanted else content))
        return slim if isinstance(slim, dict) else self._document(content)

    def _nonsense(self, content: bytes) -> Unreachable:
        begin = one_line(content[:400].decode(errors="replace"), 150)
        return Unreachable(f"error: {self.server} does not answer like a Kubernetes API server: {begin or 'nothing'}")

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
        found = credential(settings, self._environ, of_provider)
        # A page of 500 pods of 1.4 MB took 0.11 s over 100 Mbit/s, compressed 0.01 s.
        headers = [("User-Agent", self._user_agent), ("Accept-Encoding", "gzip"), *settings.impersonation]
        if found.authorization:
            headers.append(("Authorization", found.authorization))
        for name, value in headers:
            if not all(char.isprintable() for char in value):
                raise CommandError(f"{name} holds characters that cannot be sent")
        # HTTP headers are bytes, sent as Latin-1; Go sends and reads UTF-8.
        encoded = [(name, value.encode().decode("latin-1")) for name, value in headers]
        return _Session(pool_for(settings, found, self._environ), encoded, time.monotonic())


def _refused(response: Any, content: bytes) -> ApiError:
    return refusal(response.status, _parsed(content), content, response.headers.get("Retry-After"))


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
