"""Asking a registry: where it fails on the way tells the cause, from the name's resolution to the manifest."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Optional

import pytest
from pullcore.answers import ABSENT, DENIED, PRESENT, UNKNOWN

from tests.e2e.cluster.pki import Pair, make

from .asking import PASSWORD, Outcome, ask, login, wire_to
from .certificates import Authority
from .conftest import Resolve
from .hostile import Answer, Hostile, Say, Seen, StandIn, Tunnel, challenge, closed_port, in_json, said

Keep = Callable[..., StandIn]
DAY = timedelta(days=1)


def fails(outcome: Outcome, cause: str, *words: str) -> None:
    """The registry could not be asked, for this cause. That blocks nothing: nodes may reach it all the same."""
    reach = outcome.reach
    assert (reach.cause, reach.answers) == (cause, False), reach
    for word in words:
        assert word in reach.detail, reach.detail
        assert word in outcome.text
    assert outcome.one.view
    assert (outcome.one.view.manifest, outcome.one.view.cause, outcome.report.verdict) == (UNKNOWN, cause, "unknown")
    assert not outcome.answers.answers


# Name, connection


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no such host"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "Temporary failure in name resolution"),
    ],
)
def test_name_that_does_not_resolve(resolve: Resolve, error: OSError, words: str) -> None:
    resolve({"registry.example.com": error})
    outcome = ask("registry.example.com/team/app:1.0", login("registry.example.com"), wire=wire_to())
    fails(outcome, "dns", "lookup registry.example.com: ", words)


def test_connection_that_is_refused() -> None:
    netloc = f"127.0.0.1:{closed_port()}"
    fails(ask(f"{netloc}/team/app:1.0", wire=wire_to()), "connection", netloc, "connection refused")


@pytest.fixture
def full() -> Iterator[str]:
    """An address whose queue of connections is full: the next one is never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def test_connection_that_is_never_made(full: str) -> None:
    outcome = ask(f"{full}/team/app:1.0", wire=wire_to(full, timeout=0.4))
    fails(outcome, "timeout", full, "within 0.4s")
    assert outcome.seconds < 3


def test_connection_that_is_reset() -> None:
    """As by a firewall that lets connections begin."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

        threading.Thread(target=reset, daemon=True).start()
        netloc = f"127.0.0.1:{listener.getsockname()[1]}"
        fails(ask(f"{netloc}/team/app:1.0", wire=wire_to(netloc)), "connection", netloc)


@pytest.mark.parametrize("secure", [False, True])
def test_server_that_is_silent(keep: Keep, authority: Authority, secure: bool) -> None:
    server = keep(StandIn(tls=authority.signs() if secure else None))
    server.on("/v2/", lambda _: server.silence())
    wire = wire_to(*([] if secure else [server]), authority=authority.pem, timeout=0.4)
    outcome = ask(server.image(), login(server), wire=wire)
    fails(outcome, "timeout", "0.4s")
    assert outcome.seconds < 3
    assert not server.passwords


# TLS


def untrusted(authority: Authority) -> Pair:
    return Authority(authority.folder, make(authority.folder, "strange", common_name="Strange Authority")).signs(name="odd")


def self_signed(authority: Authority) -> Pair:
    return make(authority.folder, "own", hosts=["127.0.0.1"], common_name="own name")


FAULTS = {
    "untrusted": (untrusted, "tls-untrusted", "signed by Strange Authority, which is not trusted here"),
    "by itself": (self_signed, "tls-untrusted", "signed by itself, which is not trusted here"),
    "expired": (lambda known: known.signs_for(-9 * DAY, -2 * DAY, "old"), "tls-other", "the certificate expired on {after}"),
    "too early": (
        lambda known: known.signs_for(2 * DAY, 9 * DAY, "new"),
        "tls-other",
        "not valid yet, only from {before} on",
    ),
    "wrong name": (lambda known: known.signs("elsewhere.test"), "tls-other", "not for this name, but for elsewhere.test"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_certificate_that_is_not_accepted(keep: Keep, authority: Authority, fault: str) -> None:
    made, cause, words = FAULTS[fault]
    pair = made(authority)
    server = keep(StandIn(tls=pair, users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server), wire=wire_to(authority=authority.pem))
    before, after = (
        f"{moment:%Y-%m-%d}" for moment in (pair.certificate.not_valid_before_utc, pair.certificate.not_valid_after_utc)
    )
    fails(outcome, cause, words.format(before=before, after=after))
    shown = outcome.reach.certificate
    assert shown, "the certificate's facts"
    assert (shown.not_before[:10], shown.not_after[:10]) == (before, after)
    assert shown.names == (("elsewhere.test",) if fault == "wrong name" else ("127.0.0.1",))
    assert shown.issuer == {"untrusted": "Strange Authority", "by itself": "own name"}.get(fault, "Test Authority")
    assert not server.seen, "nothing is asked after a TLS failure, least of all with a credential"


def test_certificate_of_a_known_authority(keep: Keep, authority: Authority) -> None:
    server = keep(StandIn(tls=authority.signs(), users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server), wire=wire_to(authority=authority.pem))
    reach = outcome.reach
    assert reach.answers and reach.verified and reach.vouched
    assert reach.certificate and reach.certificate.issuer == "Test Authority"
    assert f"TLS valid until {reach.certificate.not_after[:10]}" in outcome.text
    assert outcome.report.verdict == "pullable"


def test_unverified_where_the_user_says_so(keep: Keep, authority: Authority) -> None:
    server = keep(StandIn(tls=untrusted(authority), users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server), wire=wire_to(skip=[server.netloc]))
    assert (outcome.reach.answers, outcome.reach.verified, outcome.answer.state) == (True, False, PRESENT)
    assert "certificate not verified" in outcome.text
    other = keep(StandIn(tls=untrusted(authority), users={"bob": PASSWORD}))
    fails(ask(other.image(), login(other), wire=wire_to(skip=[server.netloc])), "tls-untrusted")
    assert not other.seen


def handshake_with(answer: bytes) -> Iterator[str]:
    """An address that answers the first bytes of each connection so, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    connection.recv(4096)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        done.set()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (b"", "connection", "closed the connection during the TLS handshake"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "tls-other", "wrong version number"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "tls-other", "handshake failure"),
    ],
)
def test_handshake_that_comes_to_nothing(answer: bytes, cause: str, words: str) -> None:
    for netloc in handshake_with(answer):
        fails(ask(f"{netloc}/team/app:1.0", login(netloc), wire=wire_to()), cause, netloc, words)


def test_handshake_without_end(keep: Keep) -> None:
    """Bytes of a handshake that trickle are no reason to wait longer."""
    record = b"\x16\x03\x03\x40\x00" + b"\x02" * 1000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                for byte in record:
                    if done.wait(0.05):
                        return
                    connection.sendall(bytes([byte]))

        threading.Thread(target=serve, daemon=True).start()
        netloc = f"127.0.0.1:{listener.getsockname()[1]}"
        outcome = ask(f"{netloc}/team/app:1.0", wire=wire_to(timeout=0.4))
        done.set()
    fails(outcome, "timeout", netloc)
    assert outcome.seconds < 3


def test_server_that_wants_a_certificate_of_ours(keep: Keep, authority: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.signs()
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    server = keep(StandIn(context=context, users={"bob": PASSWORD}))
    fails(ask(server.image(), login(server), wire=wire_to(authority=authority.pem)), "tls-other", "certificate required")


# Plain HTTP and TLS


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 is taken for another machine's address."""
    monkeypatch.setattr("pullcore.wire._is_loopback", lambda address: False)


@pytest.mark.usefixtures("elsewhere")
def test_plain_http_where_tls_is_spoken_to_it(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server), wire=wire_to())
    fails(outcome, "http-https-mismatch", "speaks plain HTTP, not TLS")
    assert f"--plain-http {server.netloc}" in outcome.text
    assert not server.passwords


@pytest.mark.usefixtures("elsewhere")
def test_plain_http_where_the_user_says_so(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.state, outcome.reach.vouched, outcome.report.verdict) == (PRESENT, True, "pullable")
    assert "plain HTTP" in outcome.text


def test_plain_http_on_this_machine_is_asked_but_does_not_prove_much(keep: Keep) -> None:
    """As Docker does it for 127.0.0.0/8; the nodes may have another registry by that name."""
    server = keep(StandIn(users={"bob": PASSWORD}, images=["team/other:1.0"]))
    outcome = ask(server.image(), login(server), wire=wire_to())
    assert (outcome.reach.vouched, outcome.reach.url, outcome.answer.state) == (False, server.url, ABSENT)
    assert outcome.report.verdict == "unknown"
    assert "http-https-mismatch" in outcome.causes()


def test_tls_where_plain_http_is_spoken_to_it(keep: Keep, authority: Authority) -> None:
    server = keep(StandIn(tls=authority.signs(), users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server), wire=wire_to(server, authority=authority.pem))
    assert outcome.reach.cause in ("http-https-mismatch", "connection")  # OpenSSL's servers may close without a word
    assert not server.seen


@pytest.mark.parametrize(
    "words", [b"Client sent an HTTP request to an HTTPS server.\n", b"The plain HTTP request was sent to HTTPS port"]
)
def test_tls_server_that_says_so_in_plain_http(keep: Keep, words: bytes) -> None:
    server = keep(Hostile(Say(400, words)))
    fails(ask(server.image(), wire=wire_to(server)), "http-https-mismatch", "speaks TLS, and was asked without")


def test_tls_server_that_answers_plain_http_with_an_alert() -> None:
    for netloc in handshake_with(b"\x15\x03\x01\x00\x02\x02\x46"):
        fails(
            ask(f"{netloc}/team/app:1.0", wire=wire_to(netloc)), "http-https-mismatch", "speaks TLS, and was asked without"
        )


def test_server_of_another_protocol(keep: Keep) -> None:
    for netloc in handshake_with(b"220 mail.test ESMTP\r\n"):
        fails(ask(f"{netloc}/team/app:1.0", wire=wire_to(netloc)), "registry-error", "does not speak HTTP")


# Proxies


@pytest.fixture
def far(keep: Keep, authority: Authority, resolve: Resolve) -> StandIn:
    """registry.test, which only a proxy leads to."""
    resolve({"registry.test": socket.gaierror(socket.EAI_NONAME, "none")})
    return keep(StandIn(tls=authority.signs("registry.test"), users={"bob": PASSWORD}))


def asked_by(proxy: str, far: StandIn, authority: Authority, **environ: str) -> Outcome:
    image = f"registry.test:{far.port}/team/app:1.0"
    wire = wire_to(authority=authority.pem, environ={"HTTPS_PROXY": proxy, **environ})
    return ask(image, login(f"registry.test:{far.port}"), wire=wire)


def test_by_proxy(keep: Keep, far: StandIn, authority: Authority) -> None:
    proxy = keep(Tunnel())
    outcome = asked_by(proxy.url.replace("//", "//me:proxy-word@"), far, authority)
    assert (outcome.answer.state, outcome.reach.proxy) == (PRESENT, proxy.netloc)
    assert f"by proxy {proxy.netloc}" in outcome.text
    assert {one.headers["proxy-authorization"] for one in proxy.seen} == {"Basic bWU6cHJveHktd29yZA=="}
    assert not any("proxy-authorization" in one.headers for one in far.seen)
    assert not any("proxy-word" in text for text in outcome.shown.values())


@pytest.mark.parametrize(
    ("deny", "words"),
    [
        (Say(403, reason="Forbidden"), "403 Forbidden"),
        (
            Say(407, b"", [("Proxy-Authenticate", "Basic")], "Proxy Authentication Required"),
            "407 Proxy Authentication Required",
        ),
        (Say(502, reason="Bad\x1b[31mGateway"), "502 Bad"),
    ],
)
def test_proxy_that_refuses(keep: Keep, far: StandIn, authority: Authority, deny: Say, words: str) -> None:
    proxy = keep(Tunnel(deny))
    fails(asked_by(proxy.url.replace("//", "//me:proxy-word@"), far, authority), "proxy", proxy.netloc, words)
    assert not far.seen


@pytest.mark.parametrize("proxy", [f"http://me:proxy-word@127.0.0.1:{closed_port()}", "gopher://me:proxy-word@127.0.0.1"])
def test_proxy_that_is_not_there(far: StandIn, authority: Authority, proxy: str) -> None:
    outcome = asked_by(proxy, far, authority)
    fails(outcome, "proxy", "127.0.0.1")
    assert not any("proxy-word" in text for text in outcome.shown.values())


def test_certificate_behind_a_proxy(keep: Keep, far: StandIn, authority: Authority) -> None:
    """A proxy that breaks TLS open shows a certificate of its own."""
    outcome = ask(f"registry.test:{far.port}/team/app:1.0", wire=wire_to(environ={"HTTPS_PROXY": keep(Tunnel()).url}))
    fails(outcome, "tls-untrusted", "not trusted here")
    assert not far.seen


def test_no_proxy(keep: Keep, far: StandIn, authority: Authority, resolve: Resolve) -> None:
    resolve({"registry.test": "127.0.0.1"})
    proxy = keep(Tunnel())
    for excepted in ("registry.test", ".test", "*", f"other.example.com, registry.test:{far.port}"):
        outcome = asked_by(proxy.url, far, authority, NO_PROXY=excepted)
        assert (outcome.answer.state, outcome.reach.proxy) == (PRESENT, None), excepted
    assert not proxy.seen
    asked_by(proxy.url, far, authority, NO_PROXY="test.example.com,registry.test:1")
    assert proxy.seen


def test_plain_http_by_proxy(keep: Keep) -> None:
    """Only where the user said that it is plain; the proxy's refusal is not the registry's."""
    proxy = keep(Tunnel(plain=Say(407, reason="Proxy Authentication Required")))
    environ = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}
    outcome = ask("registry.test/team/app:1.0", wire=wire_to("registry.test", environ=environ))
    fails(outcome, "proxy", "407 Proxy Authentication Required")
    assert [one.target for one in proxy.seen] == ["http://registry.test/v2/"]


# Signing in


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([("WWW-Authenticate", "Negotiate")], "sign in by negotiate"),
        ([("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", 'Digest realm="x", nonce="y"')], "negotiate, digest"),
        ([], "nothing that it names"),
    ],
)
def test_scheme_that_no_runtime_speaks(keep: Keep, headers: list[tuple[str, str]], words: str) -> None:
    server = keep(StandIn().on("/v2/.*", Say(401, b"", headers)))
    fails(ask(server.image(), login(server), wire=wire_to(server)), "registry-error", words)
    assert not server.passwords


def test_known_scheme_among_others(keep: Keep) -> None:
    both = Say(401, b"", [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", 'Basic realm="x"')])
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on("/v2/", lambda seen: Say() if seen.pair else both)
    assert ask(server.image(), login(server), wire=wire_to(server)).answer.state == PRESENT


TOKEN_SERVICE: dict[str, tuple[Answer, str, str]] = {
    "401": (
        said(401, "UNAUTHORIZED", "incorrect username or password"),
        "bad-credentials",
        "incorrect username or password",
    ),
    "403": (said(403, "DENIED", "no"), "bad-credentials", "403"),
    "429": (said(429, "TOOMANYREQUESTS", "slow down", [("Retry-After", "17")]), "rate-limited", "try again after 17s"),
    "500": (Say(500), "registry-error", "500"),
    "not JSON": (Say(200, b"<html>"), "registry-error", "without a token"),
    "a list": (in_json(["token"]), "registry-error", "without a token"),
    "no token": (in_json({"expires_in": 300}), "registry-error", "without a token"),
    "empty": (in_json({"token": ""}), "registry-error", "without a token"),
    "a number": (in_json({"token": 7}), "registry-error", "without a token"),
    "gigantic": (in_json({"token": "a" * 40_000}), "registry-error", "without a token"),
    "endless": (in_json({"token": "a" * 4_000_000}), "registry-error", "without a token"),
    "newline": (in_json({"token": "abc\r\nX-Evil: 1"}), "registry-error", "without a token"),
    "blank": (in_json({"token": "abc def"}), "registry-error", "without a token"),
    "not ASCII": (in_json({"token": "abc\u2028"}), "registry-error", "without a token"),
}


@pytest.mark.parametrize("case", TOKEN_SERVICE)
def test_token_service(keep: Keep, case: str) -> None:
    answer, cause, words = TOKEN_SERVICE[case]
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    service = keep(Hostile(answer))
    server.realm = f"{service.url}/token"
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.answer.cause == cause, outcome.answer
    assert f"token service {service.netloc}" in outcome.answer.detail
    assert words in outcome.answer.detail
    assert outcome.answer.state in (DENIED, UNKNOWN) and outcome.report.verdict != "pullable"
    assert outcome.reach.token_service == service.netloc and service.netloc in outcome.text
    assert not any(one.authorization for one in server.seen), "no token, no password to the registry itself"


def test_token_service_that_is_down(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", realm=f"http://127.0.0.1:{closed_port()}/token"))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.cause, outcome.answer.state, outcome.report.verdict) == ("connection", UNKNOWN, "unknown")
    assert "token service 127.0.0.1" in outcome.answer.detail and "refused" in outcome.answer.detail


def test_token_service_that_is_not_trusted(keep: Keep, authority: Authority) -> None:
    """After a TLS failure no credential is sent."""
    service = keep(StandIn(tls=untrusted(authority), users={"bob": PASSWORD}))
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", realm=f"{service.url}/token"))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.cause, outcome.answer.state) == ("tls-untrusted", UNKNOWN)
    assert "token service" in outcome.answer.detail
    assert not service.seen


def test_token_by_its_other_name(keep: Keep) -> None:
    """`access_token`, as OAuth has it."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    server.tokens["abc"] = "bob"
    server.on("/token", in_json({"access_token": "abc"}))
    assert ask(server.image(), login(server), wire=wire_to(server)).answer.state == PRESENT


# The manifest

MANIFESTS: dict[str, tuple[Answer, str, str, str]] = {
    "401": (challenge('Basic realm="x"'), "no-credentials", DENIED, "blocked"),
    "403": (said(403, "DENIED", "requested access to the resource is denied"), "denied-or-missing", DENIED, "blocked"),
    "403 of nothing": (Say(403), "denied-or-missing", DENIED, "blocked"),
    "no repository": (said(404, "NAME_UNKNOWN", "repository name not known"), "repository-not-found", ABSENT, "blocked"),
    "no manifest": (said(404, "MANIFEST_UNKNOWN", "manifest unknown"), "image-not-found", ABSENT, "blocked"),
    "404 of nothing": (Say(404), "image-not-found", ABSENT, "blocked"),
    "404 as a page": (Say(404, b"<html>no", [("Content-Type", "text/html")]), "image-not-found", ABSENT, "blocked"),
    "429": (said(429, "TOOMANYREQUESTS", "too many"), "rate-limited", UNKNOWN, "unknown"),
    "429 with a time": (Say(429, b"", [("Retry-After", "120")]), "rate-limited", UNKNOWN, "unknown"),
    "500": (Say(500), "registry-error", UNKNOWN, "unknown"),
    "503": (Say(503, b"upstream"), "registry-error", UNKNOWN, "unknown"),
    "a page": (Say(200, b"<html>", [("Content-Type", "text/html; charset=utf-8")]), "registry-error", UNKNOWN, "unknown"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifest(keep: Keep, case: str) -> None:
    answer, cause, state, verdict = MANIFESTS[case]
    server = keep(StandIn().on(".*/manifests/.*", answer))
    outcome = ask(server.image(), wire=wire_to(server))
    assert (outcome.answer.cause, outcome.answer.state, outcome.report.verdict) == (cause, state, verdict)
    assert outcome.one.findings[0].cause == cause
    methods = [one.method for one in server.at(".*/manifests/.*")]
    assert methods == (["HEAD", "GET"] if isinstance(answer, Say) and answer.status in (403, 404) else ["HEAD"])
    if case == "429 with a time":
        assert "try again after 120s" in outcome.answer.detail and "try again after 120s" in outcome.text


def test_head_asks_for_all_four_types(keep: Keep) -> None:
    server = keep(StandIn())
    ask(server.image(), wire=wire_to(server))
    (head,) = server.at(".*/manifests/.*")
    accepted = {one.strip() for one in head.headers["accept"].split(",")}
    assert accepted == {
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    }


@pytest.mark.parametrize(
    ("answer", "code", "cause"),
    [
        (said(403, "DENIED", "requested access to the resource is denied"), "DENIED", "denied-or-missing"),
        (said(403, "", "not for you"), None, "forbidden"),
        (Say(403), None, "forbidden"),
    ],
)
def test_refusal_of_a_credential_that_was_accepted(keep: Keep, answer: Say, code: Optional[str], cause: str) -> None:
    """The code comes from one GET, for HEAD has no body. DENIED is what registries say of missing repositories, too."""
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on(".*/manifests/.*", lambda seen: answer if seen.pair else challenge("Basic"))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.status, outcome.answer.code, outcome.answer.proven) == (403, code, True)
    assert (outcome.answer.cause, outcome.report.verdict) == (cause, "blocked")
    assert [one.method for one in server.at(".*/manifests/.*") if one.pair] == ["HEAD", "GET"]


@pytest.mark.parametrize("status", [407, 429, 500, 503])
def test_registry_that_fails_at_its_base(keep: Keep, status: int) -> None:
    server = keep(StandIn().on("/v2/", Say(status)))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    fails(outcome, {407: "proxy", 429: "rate-limited"}.get(status, "registry-error"), str(status))
    assert [str(one) for one in server.seen] == ["GET /v2/"], "it is asked nothing more"


def test_the_stages_of_a_good_answer_are_told(keep: Keep) -> None:
    def slow(seen: Seen) -> Answer:
        time.sleep(0.03)
        return server.well_behaved(seen)

    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    server.on("/v2/", slow)
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.reach.milliseconds is not None and 30 <= outcome.reach.milliseconds < 1000
    assert (outcome.reach.signs_in, outcome.reach.token_service) == ("bearer", None)
    assert outcome.answer.digest and outcome.answer.digest in outcome.shown["json"]
