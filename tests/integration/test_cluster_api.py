"""The API client against a stand-in API server: HTTP as real servers answer it, and as broken ones do."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest
from pullcore import cluster as api
from pullcore.cluster import Cluster, Conflict, Forbidden, Gone, NotFound, Unauthorized, Unreachable, resource_path
from pullcore.command import Connection
from pullcore.errors import CommandError
from pullcore.overlap import overlapped, together

from .standin import Answer, Asked, StandIn, status

PODS = "/api/v1/pods"


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


@pytest.fixture
def cluster(server: StandIn, environ: dict[str, str]) -> Cluster:
    return connect(server.url, environ)


def connect(url: str, environ: dict[str, str], **options: Any) -> Cluster:
    return Cluster.connect(Connection(server=url, **options), user_agent="kubectl-pullcheck/0", environ=environ)


def with_user(stand_in: StandIn, tmp_path: Path, user: dict[str, Any], **cluster: Any) -> Connection:
    """A kubeconfig with this user, in JSON, which is YAML."""
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": stand_in.url, **cluster}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "ns"}}],
        "users": [{"name": "x", "user": user}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    return Connection(kubeconfig=str(tmp_path / "kubeconfig"))


def pod(number: int) -> dict[str, Any]:
    return {"metadata": {"name": f"p{number}", "uid": f"u{number}"}}


# Requests


def test_a_request_as_the_server_sees_it(server: StandIn, environ: dict[str, str]) -> None:
    found = connect(server.url + "/base/", environ, token="TOKEN").get(PODS, labelSelector="a=b,c in (d)", x=None, y=True)
    assert found == {"kind": "Pod"}
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/base/api/v1/pods")
    assert asked.query == {"labelSelector": "a=b,c in (d)", "y": "true"}
    assert asked.all("Authorization") == ["Bearer TOKEN"]
    assert asked.all("User-Agent") == ["kubectl-pullcheck/0"]
    assert asked.all("Accept") == ["application/json"]
    assert asked.all("Accept-Encoding") == ["gzip"]


def test_a_body(cluster: Cluster, server: StandIn) -> None:
    patch = [{"op": "add", "path": "/x", "value": "ż"}]
    cluster.request("PATCH", PODS, {"dryRun": "All"}, patch, "application/json-patch+json")
    assert json.loads(server.asked[0].body) == patch
    assert server.asked[0].all("Content-Type") == ["application/json-patch+json"]
    cluster.get(PODS, accept="application/json;as=Table")
    assert server.asked[1].all("Accept") == ["application/json;as=Table"]
    assert server.asked[1].all("Content-Type") == []


def test_connections_are_used_again(cluster: Cluster, server: StandIn) -> None:
    for code in (200, 404, 403, 200):
        server.answer = lambda asked, code=code: Answer(code, {})  # type: ignore[misc]
        try:
            cluster.get(PODS)
        except api.ApiError:
            continue
    assert len({asked.connection for asked in server.asked}) == 1


def test_impersonation_headers(server: StandIn, environ: dict[str, str]) -> None:
    connect(
        server.url, environ, as_user="Jürgen", as_groups=("g1", "g2, g3"), as_uid="7", as_user_extra=(("a/b", "c"),)
    ).get(PODS)
    asked = server.asked[0]
    assert [value.encode("latin-1").decode() for value in asked.all("Impersonate-User")] == ["Jürgen"]
    assert asked.all("Impersonate-Group") == ["g1", "g2, g3"]
    assert asked.all("Impersonate-Uid") == ["7"]
    assert asked.all("Impersonate-Extra-a%2Fb") == ["c"]


@pytest.mark.parametrize("token", ["a\nX-Evil: 1", "a\x00", "a\x1b"])
def test_a_token_cannot_add_headers(server: StandIn, environ: dict[str, str], token: str) -> None:
    with pytest.raises(CommandError, match="Authorization holds characters that cannot be sent"):
        connect(server.url, environ, token=token)


def test_paths() -> None:
    assert resource_path("v1", "pods") == "/api/v1/pods"
    assert resource_path("apps/v1", "deployments", namespace="n", name="x", sub="scale") == (
        "/apis/apps/v1/namespaces/n/deployments/x/scale"
    )
    assert resource_path("v1", "pods", namespace="a b?c#d") == "/api/v1/namespaces/a%20b%3Fc%23d/pods"
    for name in ("", ".", "..", "a/b", "%2e"):
        with pytest.raises(CommandError, match="invalid resource name"):
            resource_path("v1", "pods", name=name)


def test_warnings_are_passed_on_once(server: StandIn, environ: dict[str, str]) -> None:
    said: list[str] = []
    cluster = Cluster.connect(Connection(server=server.url), user_agent="x", warn=said.append, environ=environ)
    header = ("Warning", '299 - "v1 is \\"old\\" \x1b[31m"')
    server.answer = lambda asked: Answer(headers=(header, ("Warning", '299 - "other"'), ("Warning", "garbage")))
    cluster.get(PODS)
    cluster.get(PODS)
    assert said == ['Warning: v1 is "old" ^[[31m', "Warning: other"]


def test_the_log_holds_requests_and_no_credentials(server: StandIn, environ: dict[str, str]) -> None:
    lines: list[str] = []
    for verbosity in (5, 6, 9):
        options = Connection(server=server.url, token="TOKEN", verbosity=verbosity)
        Cluster.connect(options, user_agent="x", log=lines.append, environ=environ).get(PODS, limit=1)
        assert len(lines) == max(0, min(2, verbosity - 5, 2 if verbosity == 9 else 1))
    assert lines[0].startswith(f"GET {server.url}{PODS}?limit=1 200 OK in ")
    assert "TOKEN" not in " ".join(lines)


def test_a_body_that_is_compressed_unasked(cluster: Cluster, server: StandIn) -> None:
    body = gzip.compress(b'{"kind": "Zip"}')
    server.answer = lambda asked: Answer(body=body, headers=(("Content-Encoding", "gzip"),))
    assert cluster.get(PODS) == {"kind": "Zip"}


# Lists


def paged(server: StandIn, total: int, expire: Optional[Callable[[Asked], Optional[Answer]]] = None) -> None:
    def answer(asked: Asked) -> Answer:
        if expire and (refused := expire(asked)):
            return refused
        begin, limit = int(asked.query.get("continue") or 0), int(asked.query.get("limit") or total)
        end = min(begin + limit, total)
        metadata = {"continue": str(end)} if end < total else {}
        return Answer(body={"metadata": metadata, "items": [pod(number) for number in range(begin, end)]})

    server.answer = answer


def test_pages(cluster: Cluster, server: StandIn) -> None:
    paged(server, 1201)
    assert [len(page) for page in cluster.pages(PODS, labelSelector="x")] == [500, 500, 201]
    assert [asked.query.get("continue") for asked in server.asked] == [None, "500", "1000"]
    assert {asked.query["labelSelector"] for asked in server.asked} == {"x"}
    paged(server, 3)
    assert [item["metadata"]["name"] for item in cluster.items(PODS, limit=2)] == ["p0", "p1", "p2"]


def test_the_next_page_comes_while_one_is_used(cluster: Cluster, server: StandIn) -> None:
    paged(server, 6)
    pages = cluster.pages(PODS, limit=2)
    next(pages)
    until = time.monotonic() + 5
    while len(server.asked) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(server.asked) == 2
    pages.close()  # type: ignore[attr-defined]


def test_the_next_page_is_asked_for_when_one_begins(cluster: Cluster, server: StandIn) -> None:
    """One further page, not more: they would all be held."""
    begun = threading.Event()

    def answer(asked: Asked) -> Answer:
        begin = int(asked.query.get("continue") or 0)
        metadata = {"resourceVersion": "7", "continue": str(begin + 1)} if begin < 3 else {}
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": [{**pod(begin), "x": "x" * 400}]}
        return Answer(body=json.dumps(body, separators=(",", ":")).encode(), rest=begun)

    server.answer = answer
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.extend(cluster.items(PODS, limit=1)), daemon=True)
    reader.start()
    until = time.monotonic() + 5
    while len(server.asked) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert [asked.query.get("continue") for asked in server.asked] == [None, "1"]
    begun.set()
    reader.join(10)
    assert [one["metadata"]["name"] for one in found] == ["p0", "p1", "p2", "p3"]
    assert [asked.query.get("continue") for asked in server.asked] == [None, "1", "2", "3"]


def test_a_page_that_ends_in_the_middle_is_an_error(cluster: Cluster, server: StandIn) -> None:
    """Also where its beginning named the next page."""

    def answer(asked: Asked) -> Answer:
        metadata = {"continue": "1"} if not asked.query.get("continue") else {}
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": [pod(1), pod(2)]}
        return Answer(body=json.dumps(body, separators=(",", ":")).encode(), cut=100)

    server.answer = answer
    with pytest.raises(Unreachable):
        list(cluster.items(PODS, limit=1))


def test_objects_whose_text_is_not_wanted_are_left_out(cluster: Cluster, server: StandIn) -> None:
    items = [{"metadata": {"name": f"p{number}"}, "spec": {"note": "x" if number % 2 else "y"}} for number in range(4)]
    document = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    server.answer = lambda asked: Answer(body=json.dumps(document, separators=(",", ":")).encode())
    found = cluster.items(PODS, text_wanted=lambda text: b'"note":"x"' in text)
    assert [one["metadata"]["name"] for one in found] == ["p1", "p3"]
    spaced = json.dumps(document).encode()
    server.answer = lambda asked: Answer(body=spaced)  # not as API servers write it: nothing is left out
    assert len(list(cluster.items(PODS, text_wanted=lambda text: False))) == 4


def test_text_that_falls_apart_is_parsed_whole(cluster: Cluster, server: StandIn) -> None:
    """An object with other objects in it, as pods have none."""
    items = [{"metadata": {"name": "p0"}, "spec": {"inner": [{"name": "x"}, {"metadata": {"name": "waiting"}}]}}]
    document = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    server.answer = lambda asked: Answer(body=json.dumps(document, separators=(",", ":")).encode())
    assert list(cluster.items(PODS, text_wanted=lambda text: b"waiting" in text)) == items


def test_a_list_that_expires_goes_on_with_the_token_it_is_given(cluster: Cluster, server: StandIn) -> None:
    # Five of six pods were given when the server offers to go on after the second: nothing may come twice.
    def expire(asked: Asked) -> Optional[Answer]:
        if asked.query.get("continue") == "4" and len(server.asked) < 4:
            return status(410, "Expired", "too old", metadata={"continue": "2"})
        return None

    paged(server, 6, expire)
    assert [item["metadata"]["name"] for item in cluster.items(PODS, limit=2)] == [f"p{number}" for number in range(6)]


def test_a_list_that_expires_without_a_token_starts_again_whole(cluster: Cluster, server: StandIn) -> None:
    paged(server, 6, lambda asked: status(410, "Expired", "too old") if asked.query.get("continue") == "4" else None)
    assert [item["metadata"]["name"] for item in cluster.items(PODS, limit=2)] == [f"p{number}" for number in range(6)]
    assert server.asked[-1].query == {}


def test_a_list_that_always_expires_ends(cluster: Cluster, server: StandIn) -> None:
    old = status(410, "Expired", "too old", metadata={"continue": "2"})
    paged(server, 6, lambda asked: old if asked.query.get("continue") else None)
    with pytest.raises(Gone):
        list(cluster.items(PODS, limit=2))


@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": [], "metadata": None}])
def test_empty_lists(cluster: Cluster, server: StandIn, body: dict[str, Any]) -> None:
    server.answer = lambda asked: Answer(body=body)
    assert list(cluster.items(PODS)) == []


def test_together(cluster: Cluster, server: StandIn) -> None:
    server.answer = lambda asked: Answer(body={"kind": asked.path}, wait=0.2)
    began = time.monotonic()
    found = overlapped(lambda number: cluster.get(f"/{number}")["kind"], range(16))
    assert found == [f"/{number}" for number in range(16)]
    assert time.monotonic() - began < 1.5
    assert together([]) == []
    server.answer = lambda asked: status(403, "Forbidden", "no")
    with pytest.raises(Forbidden):
        together([lambda: 1, lambda: cluster.get("/x")])


# Failures


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            status(403, "Forbidden", 'pods is forbidden: User "bob" cannot list'),
            Forbidden, 'Error from server (Forbidden): pods is forbidden: User "bob" cannot list',
        ),
        (status(404, "NotFound", 'pods "x" not found'), NotFound, 'Error from server (NotFound): pods "x" not found'),
        (status(409, "AlreadyExists", "it exists"), Conflict, "Error from server (AlreadyExists): it exists"),
        (status(410, "Expired", "too old"), Gone, "Error from server (Expired): too old"),
        (status(422, "Invalid", "bad\n\x1b[2Jfield"), api.ApiError, "Error from server (Invalid): bad ^[[2Jfield"),
        (status(401, "Unauthorized", "Unauthorized"), Unauthorized,
         "error: You must be logged in to the server (Unauthorized)"),
        (Answer(401, b""), Unauthorized,
         "error: You must be logged in to the server (the server has asked for the client to provide credentials)"),
        (Answer(404, b"404 page not found\n"), NotFound,
         "Error from server (NotFound): the server could not find the requested resource: 404 page not found"),
        (Answer(500, b"<html>\x1b[31m" + b"x" * 1_000_000), api.ApiError,
         "Error from server (InternalError): an error on the server has prevented the request from succeeding"),
        (Answer(400, b"Client sent an HTTP request to an HTTPS server.\n"), api.ApiError,
         "Error from server (BadRequest): the server rejected our request for an unknown reason: "
         "Client sent an HTTP request to an HTTPS server."),
        (Answer(418, b""), api.ApiError, "Error from server: the server answered with status 418"),
        (Answer(302, b"", (("Location", "http://127.0.0.1:1/"),)), api.ApiError,
         "Error from server: the server answered with status 302"),
    ],
)  # fmt: skip
def test_refusals_in_kubectls_words(
    cluster: Cluster, server: StandIn, answer: Answer, kind: type[api.ApiError], text: str
) -> None:
    server.answer = lambda asked: answer
    with pytest.raises(kind) as caught:
        cluster.get(PODS)
    assert str(caught.value) == text
    assert caught.value.status == answer.status


def test_a_404_tells_an_object_from_a_kind(cluster: Cluster, server: StandIn) -> None:
    server.answer = lambda asked: status(404, "NotFound", "x", details={"name": "x", "kind": "pods"})
    with pytest.raises(NotFound) as caught:
        cluster.get(PODS)
    assert caught.value.names_object
    server.answer = lambda asked: status(404, "NotFound", "the server could not find the requested resource", details={})
    with pytest.raises(NotFound) as caught:
        cluster.get(PODS)
    assert not caught.value.names_object


@pytest.mark.parametrize(
    "body", [b"", b"<html>login</html>", b"[1]", b"null", b"\xff\xfe\x1b[31m", b'{"kind": ', b"[" * 1_000_000]
)
def test_garbage_is_one_short_line(cluster: Cluster, server: StandIn, body: bytes) -> None:
    server.answer = lambda asked: Answer(body=body)
    with pytest.raises(Unreachable) as caught:
        cluster.get(PODS)
    text = str(caught.value)
    assert text.startswith(f"error: {server.url} does not answer like a Kubernetes API server: ")
    assert len(text) < 400
    assert text.isprintable()


def test_a_busy_server_is_asked_again(cluster: Cluster, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(seconds) if seconds else None)
    busy = Answer(429, b"Too many requests", (("Retry-After", "3"),))
    server.answer = lambda asked: busy if len(server.asked) < 3 else Answer()
    assert cluster.request("POST", PODS, body={}) == {}
    assert slept == [3, 3]
    server.answer = lambda asked: Answer(429, b"", (("Retry-After", "99999"),))
    with pytest.raises(api.ApiError) as caught:
        cluster.get(PODS)
    assert caught.value.status == 429
    assert max(slept) == api.LONGEST_PAUSE
    assert len(slept) < 10


def test_a_server_that_says_when_to_come_again(cluster: Cluster, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """5xx with Retry-After: a read is repeated, a write may have been done."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    later = Answer(503, b"shutting down", (("Retry-After", "1"),))
    server.answer = lambda asked: later if len(server.asked) < 3 else Answer()
    assert cluster.get(PODS) == {}
    server.asked.clear()
    with pytest.raises(api.ApiError):
        cluster.request("POST", PODS, body={})
    assert len(server.asked) == 1
    server.answer = lambda asked: Answer(503, b"")
    server.asked.clear()
    with pytest.raises(api.ApiError):
        cluster.get(PODS)
    assert len(server.asked) == 1


# No answer


def test_refused(environ: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        connect("http://127.0.0.1:1", environ).get(PODS)
    assert str(caught.value) == (
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?"
    )
    assert not caught.value.arrived
    assert time.monotonic() - began < 3
    assert capfd.readouterr() == ("", "")


def test_a_name_that_is_none(environ: dict[str, str]) -> None:
    with pytest.raises(Unreachable, match=r"^Unable to connect to the server: lookup nobody\.invalid: no such host$"):
        connect("http://nobody.invalid", environ).get(PODS)


@pytest.mark.parametrize("answer", [Answer(wait=3), Answer(body=b"x" * 1000, drip=0.1)])
def test_slow_answers(server: StandIn, environ: dict[str, str], answer: Answer) -> None:
    server.answer = lambda asked: answer
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.5s \(--request-timeout\)"):
        connect(server.url, environ, request_timeout=0.5).get(PODS)
    assert time.monotonic() - began < 2


def test_no_timeout(server: StandIn, environ: dict[str, str]) -> None:
    server.answer = lambda asked: Answer(wait=0.3)
    assert connect(server.url, environ, request_timeout=0.0).get(PODS) == {}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", b"\x15\x03\x01nonsense\x1b\r\n"])
def test_a_server_that_hangs_up(environ: dict[str, str], method: str, begin: bytes) -> None:
    accepted = 0

    def hang_up() -> None:
        nonlocal accepted
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted += 1
            connection.recv(9999)
            connection.sendall(begin)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(Unreachable) as caught:
            connect(f"http://127.0.0.1:{listener.getsockname()[1]}", environ).request(method, PODS)
    assert str(caught.value).startswith("Unable to connect to the server: 127.0.0.1:")
    assert str(caught.value).isprintable()
    assert accepted == (1 if method == "POST" or begin.startswith(b"HTTP") else 2)
    assert caught.value.arrived


def test_an_idle_connection_that_was_closed_is_no_failure(cluster: Cluster, server: StandIn) -> None:
    server.closes_silently = True
    for _ in range(3):
        assert cluster.get(PODS) == {"kind": "Pod"}


# Proxies


def test_proxies(server: StandIn, environ: dict[str, str], tmp_path: Path) -> None:
    server.answer = lambda asked: Answer(body={"kind": asked.path})
    environ["HTTP_PROXY"] = server.url
    assert connect("http://far.invalid", environ).get(PODS) == {"kind": PODS}
    assert server.asked[-1].all("Host") == ["far.invalid"]
    environ["HTTP_PROXY"] = server.url.replace("//", "//me:w%40rd@")
    connect("http://far.invalid", environ).get(PODS)
    assert server.asked[-1].all("Proxy-Authorization") == ["Basic " + base64.b64encode(b"me:w@rd").decode()]
    environ["HTTP_PROXY"] = "http://127.0.0.1:1"
    with pytest.raises(Unreachable, match="the proxy cannot be used"):
        connect("http://far.invalid", environ).get(PODS)
    assert connect(server.url, environ).get(PODS) == {"kind": PODS}  # loopback goes without
    environ["NO_PROXY"] = "other,.invalid"
    with pytest.raises(Unreachable, match="no such host"):
        connect("http://far.invalid", environ).get(PODS)
    options = with_user(server, tmp_path, {}, **{"server": "http://far.invalid", "proxy-url": server.url})
    assert Cluster.connect(options, user_agent="x", environ=environ).get(PODS) == {"kind": PODS}
    for proxy in ("foo://me:word@x", "http://me:word@[::", "http://me:word@127.0.0.1:1"):
        options = with_user(server, tmp_path, {}, **{"server": "http://far.invalid", "proxy-url": proxy})
        with pytest.raises(CommandError, match=r"the proxy .*cannot be used") as caught:
            Cluster.connect(options, user_agent="x", environ=environ).get(PODS)
        assert "word" not in str(caught.value)


# Credentials


def plugin(tmp_path: Path, script: str, **more: Any) -> dict[str, Any]:
    path = tmp_path / "plugin"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": "./plugin", "interactiveMode": "IfAvailable", **more}}


ANSWER = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "T"}}
TOKEN = f"echo '{json.dumps(ANSWER)}'"


def test_an_exec_plugin(server: StandIn, environ: dict[str, str], tmp_path: Path) -> None:
    script = 'echo "$1 $EXTRA $KUBERNETES_EXEC_INFO" >"$OUT"\n' + TOKEN
    user = plugin(
        tmp_path, script, args=["arg"], provideClusterInfo=True,
        env=[{"name": "EXTRA", "value": "extra"}, {"name": "OUT", "value": str(tmp_path / "out")}],
    )  # fmt: skip
    options = with_user(server, tmp_path, user, **{"tls-server-name": "t"})
    cluster = Cluster.connect(options, user_agent="x", environ=environ)
    cluster.get(PODS)
    assert cluster.namespace == "ns"
    assert server.asked[0].all("Authorization") == ["Bearer T"]
    first, extra, info = (tmp_path / "out").read_text().split(" ", 2)
    assert (first, extra) == ("arg", "extra")
    assert json.loads(info)["spec"]["cluster"] == {"server": server.url, "tls-server-name": "t"}


def test_a_token_on_the_command_line_spares_the_plugin(server: StandIn, environ: dict[str, str], tmp_path: Path) -> None:
    connection = with_user(server, tmp_path, plugin(tmp_path, "exit 1"))
    options = Connection(kubeconfig=connection.kubeconfig, token="mine")
    Cluster.connect(options, user_agent="x", environ=environ).get(PODS)
    assert server.asked[0].all("Authorization") == ["Bearer mine"]


@pytest.mark.parametrize(
    ("script", "more", "text"),
    [
        ("echo 'please log in' >&2; exit 3", {}, "/plugin failed with exit code 3: please log in"),
        ("printf '\\033[31m' >&2; exit 1", {}, "/plugin failed with exit code 1: ^[[31m"),
        ("", {"command": "no-such-plugin", "installHint": "brew\ninstall it"},
         "exec: executable no-such-plugin not found: brew install it"),
        ("", {}, "its output is not JSON"),
        ("echo 5", {}, "its output is not an ExecCredential"),
        ("""echo '{"kind": "ExecCredential", "apiVersion": "x"}'""", {},
         "is configured to use API version client.authentication.k8s.io/v1, it answered x"),
        (TOKEN.replace("token", "other"), {}, "didn't return a token or cert/key pair"),
        (TOKEN, {"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "invalid apiVersion"),
        (TOKEN, {"interactiveMode": "Always"}, "standard input is not a terminal"),
    ],
)  # fmt: skip
def test_an_exec_plugin_that_fails_stops_everything(
    server: StandIn, environ: dict[str, str], tmp_path: Path, script: str, more: dict[str, Any], text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CommandError) as caught:
        options = with_user(server, tmp_path, plugin(tmp_path, script, **more))
        Cluster.connect(options, user_agent="x", environ=environ)
    assert text in str(caught.value)
    assert str(caught.value).isprintable()
    assert server.asked == []


def test_expired_credentials_are_renewed_once(
    server: StandIn, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("old\n")
    options = with_user(server, tmp_path, {"tokenFile": "token", "token": "ignored"})
    cluster = Cluster.connect(options, user_agent="x", environ=environ)
    server.answer = lambda asked: Answer(200 if asked.all("Authorization") == ["Bearer new"] else 401)
    (tmp_path / "token").write_text("new\n")
    with pytest.raises(Unauthorized):  # so young a token is wrong, not expired
        cluster.get(PODS)
    monkeypatch.setattr(api, "YOUNG", -1.0)
    assert cluster.get(PODS) == {}
    server.answer = lambda asked: Answer(401)
    server.asked.clear()
    with pytest.raises(Unauthorized):
        cluster.get(PODS)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"username": "a", "password": "b"}, ["Basic YTpi"]),
        ({"token": "t", "username": "a"}, ["Bearer t"]),
        ({"auth-provider": {"name": "oidc", "config": {"id-token": "e30.e30.x"}}}, ["Bearer e30.e30.x"]),
        ({}, []),
    ],
)
def test_other_credentials(
    server: StandIn, environ: dict[str, str], tmp_path: Path, user: dict[str, Any], expected: list[str]
) -> None:
    Cluster.connect(with_user(server, tmp_path, user), user_agent="x", environ=environ).get(PODS)
    assert server.asked[0].all("Authorization") == expected


def test_an_auth_provider_that_fails(server: StandIn, environ: dict[str, str], tmp_path: Path) -> None:
    for provider in ({"name": "azure"}, {"name": "oidc", "config": {}}, {"name": "gcp", "config": {"cmd-path": "/no"}}):
        with pytest.raises(CommandError, match="getting credentials: auth-provider"):
            options = with_user(server, tmp_path, {"auth-provider": provider})
            Cluster.connect(options, user_agent="x", environ=environ)


def test_key_files_that_are_none(server: StandIn, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    for user, cluster, text in (
        ({"client-certificate": "no", "client-key": "no"}, {}, "unable to read client-cert"),
        ({"client-certificate": "text"}, {}, "must be given together"),
        ({"client-certificate-data": "%%%"}, {}, "client-certificate-data in the kubeconfig is not base64"),
        ({"client-certificate": "text", "client-key": "text"}, {}, "the client certificate and key cannot be used"),
        ({}, {"certificate-authority": "text"}, "unable to load root certificates"),
        ({}, {"certificate-authority": "no"}, "unable to read certificate-authority"),
        ({"tokenFile": "no"}, {}, "unable to read tokenFile"),
    ):
        with pytest.raises(CommandError) as caught:
            options = with_user(server, tmp_path, user, **{"server": "https://127.0.0.1:1", **cluster})
            Cluster.connect(options, user_agent="x", environ=environ)
        assert text in str(caught.value)


# TLS


@dataclass
class Pki:
    """A certificate authority, a server certificate for `inner` and 127.0.0.1, and a client certificate."""

    ca: Path
    server: Path
    client: Path
    client_key: Path


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    directory = tmp_path_factory.mktemp("pki")
    now = datetime.datetime.now(datetime.timezone.utc)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in CA")])

    def issue(name: str, key: ec.EllipticCurvePrivateKey, *, is_ca: bool = False) -> None:
        # Without the key identifiers that Python 3.13 asks for by default, as many a cluster's CA is.
        names = [x509.DNSName("inner"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) if not is_ca else authority)
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / f"{name}.key").write_bytes(private)

    issue("ca", authority_key, is_ca=True)
    issue("server", ec.generate_private_key(ec.SECP256R1()))
    issue("client", ec.generate_private_key(ec.SECP256R1()))
    (directory / "server.pem").write_bytes(b"".join((directory / f"server.{end}").read_bytes() for end in ("crt", "key")))
    return Pki(directory / "ca.crt", directory / "server.pem", directory / "client.crt", directory / "client.key")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_handshake_that_is_refused_is_tried_once_more(environ: dict[str, str], pki: Pki, method: str) -> None:
    """Nothing was sent before it, so that this is safe for writes, too."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server)
    server = StandIn(context)
    try:
        server.refused = {1}
        options = {"certificate_authority": str(pki.ca), "tls_server_name": "inner"}
        assert connect(server.url, environ, **options).request(method, PODS) == {"kind": "Pod"}
        assert len(server.asked) == 1
        server.refused = {3, 4}
        with pytest.raises(Unreachable, match="tls: tlsv1 alert decode error") as caught:
            connect(server.url, environ, **options).request(method, PODS)
        assert not caught.value.arrived
    finally:
        server.close()


@pytest.fixture
def tls(server: StandIn, pki: Pki) -> StandIn:
    """The stand-in behind TLS; it asks for a client certificate but does not insist."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server)
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    server.answer = lambda asked: Answer(body={"kind": asked.peer})
    return server


def base64_of(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_tls_with_a_client_certificate_leaves_no_file(
    tls: StandIn, environ: dict[str, str], tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = {"client-certificate-data": base64_of(pki.client), "client-key-data": base64_of(pki.client_key)}
    options = with_user(tls, tmp_path, data, **{"certificate-authority-data": base64_of(pki.ca)})
    cluster = Cluster.connect(options, user_agent="x", environ=environ)
    assert list(temporary.iterdir()) == []
    assert cluster.get(PODS) == {"kind": "client"}
    files = Connection(
        server=tls.url, certificate_authority=str(pki.ca), client_certificate=str(pki.client),
        client_key=str(pki.client_key),
    )  # fmt: skip
    assert Cluster.connect(files, user_agent="x", environ=environ).get(PODS) == {"kind": "client"}


def test_a_client_certificate_from_a_plugin(tls: StandIn, environ: dict[str, str], tmp_path: Path, pki: Pki) -> None:
    status = {"clientCertificateData": pki.client.read_text(), "clientKeyData": pki.client_key.read_text()}
    (tmp_path / "answer").write_text(json.dumps({**ANSWER, "status": status}))
    user = plugin(tmp_path, f"cat {tmp_path}/answer")
    options = with_user(tls, tmp_path, user, **{"certificate-authority": str(pki.ca)})
    assert Cluster.connect(options, user_agent="x", environ=environ).get(PODS) == {"kind": "client"}


def test_trust(tls: StandIn, environ: dict[str, str], pki: Pki, capfd: pytest.CaptureFixture[str]) -> None:
    said = "^Unable to connect to the server: tls: failed to verify certificate: x509: "
    with pytest.raises(Unreachable, match=said):
        connect(tls.url, environ).get(PODS)
    with pytest.raises(Unreachable, match=said + "Hostname mismatch"):
        connect(tls.url, environ, certificate_authority=str(pki.ca), tls_server_name="other").get(PODS)
    connect(tls.url, environ, certificate_authority=str(pki.ca), tls_server_name="inner").get(PODS)
    connect(tls.url, environ, insecure_skip_tls_verify=True).get(PODS)
    connect(tls.url, environ, certificate_authority=str(pki.server), tls_server_name="inner").get(PODS)
    assert capfd.readouterr() == ("", "")


def test_tls_to_a_server_without(server: StandIn, environ: dict[str, str]) -> None:
    with pytest.raises(Unreachable, match=r"^Unable to connect to the server: tls: "):
        connect(server.url.replace("http:", "https:"), environ).get(PODS)


# The process


def test_what_is_imported(server: StandIn, tmp_path: Path) -> None:
    """None of the generated models: they cost as much as everything else together."""
    code = (
        "import sys\nfrom pullcore.command import Connection\nfrom pullcore.cluster import Cluster\n"
        "assert 'kubernetes' not in sys.modules and 'urllib3' not in sys.modules\n"
        f"Cluster.connect(Connection(server={server.url!r}), user_agent='x').get('/x')\n"
        "print([name for name in sys.modules if name.startswith(('kubernetes.client.models', 'pydantic', 'yaml.'))])\n"
        "import kubernetes.client\nprint(kubernetes.client.V1Pod.__name__)\n"
    )
    plugins = Path(__file__).parents[2] / "plugins"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={"PYTHONPATH": str(plugins), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "V1Pod"
    assert "kubernetes.client.models" not in done.stdout
    assert "pydantic" not in done.stdout


def test_an_interrupt_does_not_wait_for_the_server(server: StandIn, tmp_path: Path) -> None:
    import signal

    server.answer = lambda asked: Answer(wait=20)
    code = (
        "from pullcore.command import Connection\nfrom pullcore.cluster import Cluster\n"
        "from pullcore.overlap import together\n"
        f"cluster = Cluster.connect(Connection(server={server.url!r}), user_agent='x')\n"
        "try:\n    together([lambda: cluster.get('/x'), lambda: list(cluster.items('/y'))])\n"
        "except KeyboardInterrupt:\n    raise SystemExit(130)\n"
    )
    plugins = Path(__file__).parents[2] / "plugins"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        env={"PYTHONPATH": str(plugins), "HOME": str(tmp_path)},
    )  # fmt: skip
    until = time.monotonic() + 20
    while len(server.asked) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert time.monotonic() - began < 3
    assert process.stderr and process.stderr.read() == b""
    process.stderr.close()
