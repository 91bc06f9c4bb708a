"""Watches, and lists that are followed, against a stand-in API server that streams what a test says."""

from __future__ import annotations

import json
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional, Union
from urllib.parse import parse_qsl, urlsplit

import pytest
from pullcore import cluster as api
from pullcore.apierrors import refusal
from pullcore.cluster import ApiError, Cluster, Forbidden, Gone, NotFound, Unauthorized, Unreachable
from pullcore.command import Connection
from pullcore.errors import CommandError
from pullcore.pool import lines
from pullcore.watching import BELIEVED, Action, Change, Following, Row, Step, after_error_event, after_list, after_watch

from .standin import Answer, Asked, status

Object = dict[str, Any]
PODS = "/api/v1/namespaces/ns/pods"
LONG = 30.0  # until what has to happen counts as missing; a loaded machine is slow
SHORT = 0.3  # in which what must not happen would have happened
FORBIDDEN = status(403, "Forbidden", 'pods is forbidden: User "bob" cannot do it')
EXPIRED = status(410, "Expired", "too old resource version: 10 (100)")
BUSY = status(503, "ServiceUnavailable", "apiserver not ready")


@dataclass(frozen=True)
class Stream:
    """An answer in HTTP chunks, one for each of `pieces`; an Event among them is waited for.

    end: "clean" as a server ends a watch, "broken" when it dies, "never" while the stand-in is there.
    """

    pieces: tuple[Union[bytes, threading.Event], ...] = ()
    end: str = "clean"


Reply = Union[Answer, Stream]
SILENT = Stream(end="never")


class WatchStandIn:
    """A stand-in API server for one list: it answers lists and watches in turn as it is told, and keeps nothing itself.

    lists: the last one stays. watches: after the last one they are silent.
    """

    def __init__(self, lists: Sequence[Reply], watches: Sequence[Reply] = (), port: int = 0) -> None:
        self.lists, self.watches = list(lists), list(watches)
        self.listed: list[Asked] = []
        self.watched: list[Asked] = []
        self.gone = threading.Event()  # the client of a watch left before its end
        self._over = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                asked = Asked("GET", parts.path, query, list(self.headers.items()), b"", self.client_address[1], "")
                reply = outer._reply(asked)
                if isinstance(reply, Answer):
                    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                    self._begin(reply.status, "Content-Length", str(len(body)))
                    self.wfile.write(body)
                else:
                    self._begin(200, "Transfer-Encoding", "chunked")
                    try:
                        self._stream(reply)
                    except OSError:
                        outer.gone.set()

            def _begin(self, code: int, name: str, value: str) -> None:
                self.send_response(code)
                self.send_header(name, value)
                self.end_headers()

            def _stream(self, reply: Stream) -> None:
                for piece in reply.pieces:
                    if isinstance(piece, bytes):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    else:
                        piece.wait(LONG)
                if reply.end == "clean":
                    self.wfile.write(b"0\r\n\r\n")
                    return
                self.close_connection = True
                self.connection.settimeout(0.02)
                while reply.end == "never" and not outer._over.is_set():
                    with suppress(socket.timeout):
                        if not self.connection.recv(1):
                            raise ConnectionResetError

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that leave are no news."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def _reply(self, asked: Asked) -> Reply:
        with self._lock:
            if asked.query.get("watch") == "true":
                self.watched.append(asked)
                return self.watches.pop(0) if self.watches else SILENT
            self.listed.append(asked)
            return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    @property
    def versions(self) -> list[str]:
        """From where each watch was to begin."""
        return [asked.query["resourceVersion"] for asked in self.watched]

    def close(self) -> None:
        """Ends all connections, too."""
        self._over.set()
        self.server.shutdown()
        self.server.server_close()


def pod(name: str, version: str = "") -> Object:
    return {"metadata": {"name": name, "uid": name, **({"resourceVersion": version} if version else {})}}


def listing(version: str, *names: str, token: str = "") -> Answer:
    metadata = {"resourceVersion": version, **({"continue": token} if token else {})}
    return Answer(body={"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": [pod(name) for name in names]})


def event(kind: str, name: str, version: str) -> bytes:
    return json.dumps({"type": kind, "object": pod(name, version)}, ensure_ascii=False).encode() + b"\n"


def error_event(code: int) -> bytes:
    return json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "x"}}).encode() + b"\n"


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


Serve = Callable[..., WatchStandIn]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[WatchStandIn] = []

    def made(*arguments: Any, **more: Any) -> WatchStandIn:
        servers.append(WatchStandIn(*arguments, **more))
        return servers[-1]

    yield made
    for server in servers:
        server.close()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def connect(url: str, environ: dict[str, str], **options: Any) -> Cluster:
    return Cluster.connect(Connection(server=url, **options), user_agent="kubectl-repull/0", environ=environ)


class Told:
    """A Following and what it told, each Change once."""

    def __init__(self, cluster: Cluster, query: Optional[dict[str, str]] = None, **more: Any) -> None:
        self.changes: queue.Queue[Change] = queue.Queue()
        more = {"pauses": (0.01, 0.02), "poll": 0.01, **more}
        self.following = Following(cluster, PODS, query or {}, self.changes.put, "pods", **more)
        self.following.start()

    def next(self, kind: str) -> Change:
        change = self.changes.get(timeout=LONG)
        assert (change.name, change.kind) == ("pods", kind), change
        return change

    def names(self, kind: str) -> list[str]:
        return [found["metadata"]["name"] for found in self.next(kind).objects]

    def nothing_more(self) -> bool:
        time.sleep(SHORT)
        return self.changes.empty()


Follow = Callable[..., Told]


@pytest.fixture
def follow(environ: dict[str, str]) -> Iterator[Follow]:
    """Follows the list of a server until the test is over."""
    begun: list[Told] = []

    def followed(server: WatchStandIn, query: Optional[dict[str, str]] = None, **more: Any) -> Told:
        begun.append(Told(connect(server.url, environ), query, **more))
        return begun[-1]

    yield followed
    for told in begun:
        told.following.stop()


# Cluster.watch


def test_a_watch_as_the_server_sees_it(serve: Serve, environ: dict[str, str]) -> None:
    server = serve([], [Stream((event("ADDED", "a", "11"),)), Stream()])
    cluster = connect(server.url, environ, token="TOKEN")
    found = list(cluster.watch(PODS, resource_version="10", labelSelector="a=b", fieldSelector=None))
    assert found == [{"type": "ADDED", "object": pod("a", "11")}]
    (asked,) = server.watched
    assert asked.path == PODS
    assert asked.query == {
        "labelSelector": "a=b", "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": "240",
        "resourceVersion": "10",
    }  # fmt: skip
    assert asked.all("Authorization") == ["Bearer TOKEN"]
    assert list(cluster.watch(PODS, resource_version="10", seconds=7.5)) == []
    assert server.watched[-1].query["timeoutSeconds"] == "7"


def test_a_watch_is_not_compressed(serve: Serve, environ: dict[str, str]) -> None:
    """Only to a server elsewhere is compression asked for at all; here it is reached by a proxy."""
    server = serve([listing("10")], [Stream()])
    cluster = connect("http://far.invalid", {**environ, "HTTP_PROXY": server.url})
    assert list(cluster.watch(PODS, resource_version="10")) == []
    cluster.get(PODS)
    assert (server.watched[0].all("Accept-Encoding"), server.listed[0].all("Accept-Encoding")) == (["identity"], ["gzip"])


WHOLE = event("ADDED", "ż", "11") + event("MODIFIED", "ż", "12") + event("BOOKMARK", "", "13")


@pytest.mark.parametrize(
    "pieces",
    [
        (WHOLE,),
        tuple(WHOLE[at : at + 1] for at in range(len(WHOLE))),
        (WHOLE[:30], WHOLE[30:150], WHOLE[150:]),
        (b"\n" + WHOLE.replace(b"\n", b"\r\n\n"),),
        (WHOLE, b'{"type": "ADDED", "object": {"metadata": {"na'),
        (WHOLE, b'{"type": "ADDED", "object": {}}'),
    ],
    ids=["at once", "byte by byte", "in three", "blank lines", "cut off", "no end of line"],
)
def test_lines_however_they_come(serve: Serve, environ: dict[str, str], pieces: tuple[bytes, ...]) -> None:
    cluster = connect(serve([], [Stream(pieces)]).url, environ)
    found = [
        (one["type"], one["object"]["metadata"]["resourceVersion"]) for one in cluster.watch(PODS, resource_version="1")
    ]
    assert found == [("ADDED", "11"), ("MODIFIED", "12"), ("BOOKMARK", "13")]


def test_events_come_at_once_and_closing_ends_the_connection(serve: Serve, environ: dict[str, str]) -> None:
    server = serve([], [Stream((event("ADDED", "a", "11"),), end="never")])
    events = connect(server.url, environ).watch(PODS, resource_version="10")
    assert next(events)["object"] == pod("a", "11")
    assert not server.gone.is_set()
    events.close()
    assert server.gone.wait(LONG)


def test_a_server_that_dies_half_way(serve: Serve, environ: dict[str, str]) -> None:
    server = serve([], [Stream((event("ADDED", "a", "11"), b'{"type": "ADD'), end="broken")])
    events = connect(server.url, environ).watch(PODS, resource_version="10")
    assert next(events)["type"] == "ADDED"
    with pytest.raises(Unreachable):
        next(events)


@pytest.mark.parametrize(
    "line",
    [b"garbage", b"[]", b"null", b'{"kind": "PodList", "items": []}', b'{"type": "ADDED"}', b'{"type":1,"object":{}}'],
)
def test_a_line_that_is_no_event(serve: Serve, environ: dict[str, str], line: bytes) -> None:
    server = serve([], [Stream((event("ADDED", "a", "11") + line + b"\n",))])
    events = connect(server.url, environ).watch(PODS, resource_version="10")
    assert next(events)["type"] == "ADDED"
    with pytest.raises(Unreachable, match="does not answer like a Kubernetes API server"):
        next(events)


def test_a_line_without_end(serve: Serve, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LONGEST_LINE", 3 << 20)
    server = serve([], [Stream((b'{"' + b"x" * (1 << 20),) + (b"x" * (1 << 20),) * 3, end="never")])
    with pytest.raises(Unreachable, match="a line of more than 3 MiB"):
        next(connect(server.url, environ).watch(PODS, resource_version="10"))
    assert server.gone.wait(LONG)


def test_how_long_a_line_may_be() -> None:
    assert list(lines([b"ab", b"c\n", b"d"], 3)) == [b"abc"]
    with pytest.raises(Unreachable):
        list(lines([b"ab", b"cd", b"\n"], 3))


@pytest.mark.parametrize(("answer", "kind"), [(EXPIRED, Gone), (FORBIDDEN, Forbidden), (BUSY, ApiError)])
def test_a_watch_that_is_refused(serve: Serve, environ: dict[str, str], answer: Answer, kind: type[ApiError]) -> None:
    with pytest.raises(kind) as caught:
        next(connect(serve([], [answer]).url, environ).watch(PODS, resource_version="10"))
    assert caught.value.status == answer.status


def test_credentials_are_renewed_for_a_watch(
    serve: Serve, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "YOUNG", -1.0)
    refused = status(401, "Unauthorized", "Unauthorized")
    server = serve([], [refused, Stream((event("ADDED", "a", "11"),)), refused, refused])
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": server.url}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "users": [{"name": "x", "user": {"tokenFile": "token"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    (tmp_path / "token").write_text("old")
    options = Connection(kubeconfig=str(tmp_path / "kubeconfig"))
    cluster = Cluster.connect(options, user_agent="x", environ=environ)
    (tmp_path / "token").write_text("new")
    assert len(list(cluster.watch(PODS, resource_version="10"))) == 1
    assert [asked.all("Authorization") for asked in server.watched] == [["Bearer old"], ["Bearer new"]]
    with pytest.raises(Unauthorized):
        next(cluster.watch(PODS, resource_version="10"))
    assert len(server.watched) == 4


def test_nobody_there(environ: dict[str, str]) -> None:
    with pytest.raises(Unreachable, match="was refused"):
        next(connect("http://127.0.0.1:1", environ).watch(PODS, resource_version="10"))


def test_a_watch_outlasts_the_request_timeout(serve: Serve, environ: dict[str, str]) -> None:
    late = threading.Event()
    server = serve([], [Stream((event("ADDED", "a", "11"), late, event("ADDED", "b", "12")))])
    events = connect(server.url, environ, request_timeout=0.2).watch(PODS, resource_version="10")
    next(events)
    threading.Timer(0.6, late.set).start()
    assert next(events)["object"] == pod("b", "12")


def test_a_watch_that_the_server_forgot(serve: Serve, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SILENCE", 2.0)
    server = serve([], [Stream((event("ADDED", "a", "11"),), end="never")])
    events = connect(server.url, environ, request_timeout=60.0).watch(PODS, resource_version="10", seconds=0)
    next(events)
    with pytest.raises(Unreachable, match=r"was silent for 2s$"):
        next(events)


# Following: what is told, and from where it goes on


def test_all_of_it_first_then_each_change(serve: Serve, follow: Follow) -> None:
    changes = event("ADDED", "b", "11") + event("MODIFIED", "a", "12") + event("DELETED", "b", "13")
    server = serve([listing("10", "a")], [Stream((changes,), end="never")])
    told = follow(server, {"labelSelector": "x=y", "fieldSelector": "spec.nodeName=n"})
    assert told.names("listed") == ["a"]
    assert told.next("changed").objects == (pod("b", "11"),)
    assert told.next("changed").objects == (pod("a", "12"),)
    gone = told.next("gone")
    assert gone.objects == (pod("b", "13"),)
    assert (gone.error, gone.final) == (None, False)
    for asked in (*server.listed, *server.watched):
        assert asked.query["labelSelector"] == "x=y"
        assert asked.query["fieldSelector"] == "spec.nodeName=n"
    assert "watch" not in server.listed[0].query
    assert server.versions == ["10"]


def test_it_goes_on_after_the_last_event_at_once(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10")], [Stream((event("ADDED", "a", "11"), event("MODIFIED", "a", "15")))])
    told = follow(server, pauses=(600,))
    until(lambda: server.versions == ["10", "15"])
    assert told.names("listed") == []
    assert told.names("changed") == told.names("changed") == ["a"]
    assert told.nothing_more()


def test_it_goes_on_after_a_bookmark(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10", "a")], [Stream((event("BOOKMARK", "", "900"),))])
    told = follow(server)
    until(lambda: server.versions == ["10", "900"])
    told.next("listed")
    assert told.nothing_more()


def test_a_connection_that_breaks_within_a_line(serve: Serve, follow: Follow) -> None:
    half = event("ADDED", "b", "12")
    server = serve([listing("10")], [Stream((event("ADDED", "a", "11"), half[:20]), end="broken"), Stream((half,), "never")])
    told = follow(server, pauses=(600,))
    told.next("listed")
    assert told.names("changed") == ["a"]
    assert told.names("changed") == ["b"]
    assert server.versions == ["10", "11"]


def test_watches_that_bring_nothing_are_spaced(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10")], [Stream()] * 9)
    told = follow(server, pauses=(600,))
    until(lambda: len(server.watched) == 2)  # the first of a row needs no pause
    told.next("listed")
    assert told.nothing_more()
    assert server.versions == ["10", "10"]


def test_pauses_grow_until_something_works() -> None:
    row = Row((1, 2, 10))
    assert [row.pause(True) for _ in range(6)] == [0, 1, 2, 10, 10, 10]
    row.clear()
    assert [row.pause(False) for _ in range(5)] == [1, 2, 10, 10, 10]
    row.clear()
    assert [row.pause(True), row.pause(False), row.pause(True)] == [0, 1, 2]


@pytest.mark.parametrize(
    "too_old", [EXPIRED, Stream((error_event(410),), end="never"), Stream((event("ADDED", "b", "11"), error_event(410)))]
)
def test_a_version_that_is_too_old(serve: Serve, follow: Follow, too_old: Reply) -> None:
    server = serve([listing("10", "a"), listing("100", "a", "c")], [too_old])
    told = follow(server, pauses=(600,))
    assert told.names("listed") == ["a"]
    if too_old is not EXPIRED and len(getattr(too_old, "pieces", ())) > 1:
        assert told.names("changed") == ["b"]
    assert told.names("listed") == ["a", "c"]
    until(lambda: server.versions == ["10", "100"])
    assert len(server.listed) == 2
    assert told.nothing_more()


def test_versions_that_are_always_too_old_are_spaced(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10")], [EXPIRED] * 9)
    told = follow(server, pauses=(600,))
    told.next("listed")
    told.next("listed")
    assert told.nothing_more()
    assert len(server.listed) == 2


def test_another_error_event(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10"), listing("20", "a")], [Stream((error_event(500),), end="never")])
    told = follow(server)
    told.next("listed")
    assert told.names("listed") == ["a"]
    until(lambda: server.versions == ["10", "20"])


def test_a_list_in_pages(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10", "a", token="T"), listing("10", "b")])
    told = follow(server, {"labelSelector": "x"})
    assert told.names("listed") == ["a", "b"]
    assert [asked.query for asked in server.listed] == [
        {"labelSelector": "x", "limit": "500"},
        {"labelSelector": "x", "limit": "500", "continue": "T"},
    ]
    until(lambda: server.versions == ["10"])


def test_a_list_that_expires_between_pages_is_read_whole(serve: Serve, follow: Follow) -> None:
    """A watch from the second half's version would miss what happened to the first half."""
    server = serve([listing("10", "a", token="T"), EXPIRED, listing("20", "b", "c")])
    assert follow(server).names("listed") == ["b", "c"]
    assert server.listed[-1].query == {}
    until(lambda: server.versions == ["20"])


@pytest.mark.parametrize("body", [{}, {"metadata": None, "items": None}, {"items": [1, pod("a")]}])
def test_odd_lists(serve: Serve, follow: Follow, body: Object) -> None:
    server = serve([Answer(body=body)])
    assert follow(server).next("listed").objects == ((pod("a"),) if body.get("items") else ())
    until(lambda: server.versions == [""])


# Following: what the user may not do


@pytest.mark.parametrize("answer", [FORBIDDEN, status(405, "MethodNotAllowed", "no")])
def test_who_may_not_watch_polls(serve: Serve, follow: Follow, answer: Answer) -> None:
    server = serve([listing("10", "a"), listing("11"), BUSY, listing("12", "b")], [answer])
    told = follow(server)
    assert told.names("listed") == ["a"]
    assert told.names("listed") == []
    assert told.next("trouble").final is False
    assert told.names("listed") == ["b"]
    assert told.names("listed") == ["b"]
    assert server.versions == ["10"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (FORBIDDEN, Forbidden),
        (status(401, "Unauthorized", "Unauthorized"), Unauthorized),
        (status(404, "NotFound", "the server could not find the requested resource"), NotFound),
        (status(400, "BadRequest", "unable to parse requirement"), ApiError),
    ],
)
def test_who_may_not_list_is_told_once(serve: Serve, follow: Follow, answer: Answer, kind: type[ApiError]) -> None:
    server = serve([answer])
    told = follow(server)
    change = told.next("trouble")
    assert change.final
    assert isinstance(change.error, kind)
    assert told.nothing_more()
    assert (len(server.listed), server.watched) == (1, [])


def test_a_server_that_has_just_started_refuses_for_a_moment(serve: Serve, follow: Follow) -> None:
    refused = [FORBIDDEN, status(401, "Unauthorized", "x")]
    server = serve(
        [listing("10", "a"), *refused, listing("20", "b")], [Stream((event("BOOKMARK", "", "11"),)), FORBIDDEN, SILENT]
    )
    told = follow(server)
    assert told.names("listed") == ["a"]
    assert told.next("trouble").final is False
    assert told.names("listed") == ["b"]
    until(lambda: server.versions == ["10", "11", "20"])


def test_a_refusal_that_lasts_is_final(serve: Serve, follow: Follow) -> None:
    server = serve([listing("10", "a"), FORBIDDEN], [Stream((event("BOOKMARK", "", "11"),)), FORBIDDEN])
    told = follow(server)
    told.next("listed")
    assert told.next("trouble").final is False
    change = told.next("trouble")
    assert change.final
    assert isinstance(change.error, Forbidden)
    assert len(server.listed) == 2 + BELIEVED


# Following: a server that is not there


def test_a_server_that_comes_back(serve: Serve, follow: Follow) -> None:
    first = serve([listing("10", "a")], [Stream((event("ADDED", "b", "11"),), end="never")])
    told = follow(first)
    told.next("listed")
    told.next("changed")
    first.close()
    change = told.next("trouble")
    assert isinstance(change.error, Unreachable)
    assert not change.final
    assert told.nothing_more()  # though it was tried many times
    second = serve([listing("50")], [Stream((event("ADDED", "c", "12"),), end="never")], port=first.port)
    assert told.names("changed") == ["c"]
    assert second.versions == ["11"]
    second.close()
    assert told.next("trouble").final is False  # a new row is told anew


def test_a_server_that_lost_its_memory(serve: Serve, follow: Follow) -> None:
    first = serve([listing("10", "a")])
    told = follow(first)
    told.next("listed")
    until(lambda: first.watched)
    first.close()
    told.next("trouble")
    second = serve([listing("3", "z")], [EXPIRED], port=first.port)
    assert told.names("listed") == ["z"]
    until(lambda: second.versions == ["10", "3"])


def test_nobody_there_at_first(serve: Serve, follow: Follow) -> None:
    first = serve([listing("1")])
    first.close()
    told = follow(first)
    assert isinstance(told.next("trouble").error, Unreachable)
    assert told.nothing_more()
    serve([listing("10", "a")], port=first.port)
    assert told.names("listed") == ["a"]


def test_a_server_in_difficulties(serve: Serve, follow: Follow) -> None:
    too_many = status(429, "TooManyRequests", "x", details={"retryAfterSeconds": 0})
    busy = [BUSY, status(500, "InternalError", "x"), *[too_many] * (api.PATIENCE + 1), BUSY]
    server = serve([BUSY, BUSY, listing("10", "a")], [*busy, Stream((event("ADDED", "b", "11"),)), BUSY])
    told = follow(server)
    assert told.next("trouble").final is False
    assert told.names("listed") == ["a"]
    assert told.next("trouble").final is False
    assert told.names("changed") == ["b"]
    assert told.next("trouble").final is False
    until(lambda: len(server.watched) == len(busy) + 3)
    assert server.versions == ["10"] * (len(busy) + 1) + ["11"] * 2
    assert told.nothing_more()


def test_garbage_is_trouble_when_it_goes_on(serve: Serve, follow: Follow) -> None:
    garbage = Stream((b"<html>\n",))
    server = serve([listing("10")], [garbage, garbage, Stream((event("ADDED", "a", "11"),), end="never")])
    told = follow(server)
    told.next("listed")
    assert isinstance(told.next("trouble").error, Unreachable)
    assert told.names("changed") == ["a"]
    assert server.versions == ["10"] * 3
    assert told.nothing_more()


# Following: its end


def test_stopped_it_tells_nothing(serve: Serve, follow: Follow) -> None:
    go_on = threading.Event()
    server = serve([listing("10")], [Stream((go_on, event("ADDED", "a", "11")))])
    told = follow(server)
    told.next("listed")
    until(lambda: server.watched)
    began = time.monotonic()
    told.following.stop()
    assert time.monotonic() - began < 1
    go_on.set()
    assert told.nothing_more()
    assert len(server.watched) == 1


def test_stopped_in_a_pause_its_thread_ends(serve: Serve, follow: Follow) -> None:
    told = follow(serve([BUSY]), pauses=(600,))
    told.next("trouble")
    name = f"following {PODS}"
    assert any(thread.name == name and thread.daemon for thread in threading.enumerate())
    told.following.stop()
    until(lambda: all(thread.name != name for thread in threading.enumerate()))
    assert told.changes.empty()


def test_what_was_not_foreseen_is_told(
    serve: Serve, follow: Follow, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    def fail(*arguments: Any, **more: Any) -> Any:
        raise ZeroDivisionError("\x1b[31m")

    monkeypatch.setattr(Cluster, "watch", fail)
    told = follow(serve([listing("10")]))
    told.next("listed")
    change = told.next("trouble")
    assert change.final
    assert str(change.error) == f"error: following {PODS}: ZeroDivisionError: ^[[31m"
    seen: list[str] = []

    def broken(change: Change) -> None:
        seen.append(change.kind)
        raise KeyError("mine")

    Following(connect(serve([listing("10")]).url, environ), PODS, {}, broken).start()
    until(lambda: seen == ["listed", "trouble"])


# The steps


def refused(code: int) -> ApiError:
    return refusal(code, None, b"", None)


LOST = Unreachable("x")


@pytest.mark.parametrize(
    ("error", "worked", "expected"),
    [
        (None, True, Step(Action.WATCH, at_once=True)),
        (LOST, True, Step(Action.WATCH, LOST, at_once=True)),
        (refused(410), True, Step(Action.LIST, at_once=True)),
        (refused(403), False, Step(Action.POLL)),
        (refused(403), True, Step(Action.LIST)),
        (refused(405), False, Step(Action.POLL)),
        (refused(401), False, Step(Action.LIST)),
        (refused(404), False, Step(Action.LIST)),
    ],
)
def test_steps_after_a_watch(error: Optional[CommandError], worked: bool, expected: Step) -> None:
    assert after_watch(error, worked) == expected


def test_steps_with_the_error_in_them() -> None:
    for code in (429, 500, 503, 504):
        error = refused(code)
        assert after_watch(error, False) == Step(Action.WATCH, error)
        assert after_list(error, True) == Step(Action.LIST, error)
    for error in (refused(401), refused(403), refused(404), refused(400)):
        assert after_list(error, True) == Step(Action.END, error)
        assert after_list(error, False) == Step(Action.LIST, error)
    plugin = CommandError("the exec plugin failed")
    assert after_list(plugin, False) == after_watch(plugin, True) == Step(Action.END, plugin)
    assert after_list(LOST, True) == Step(Action.LIST, LOST)
    assert after_error_event({"code": 410}) == Step(Action.LIST, at_once=True)
    assert after_error_event({"code": 500}) == after_error_event({}) == Step(Action.LIST)
