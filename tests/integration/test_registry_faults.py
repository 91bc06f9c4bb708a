"""A hostile registry can't make us wait, fill the memory, or take half an answer for a whole one.

What holds for every answer is checked by `asking.check`: all that is shown is printable, no credential is shown or saved.
"""

from __future__ import annotations

import gzip
import itertools
import logging
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest
from pullcore.answers import ABSENT, UNKNOWN

from .asking import ESC, PASSWORD, ask, login, wire_to
from .hostile import (
    Answer,
    Say,
    Seen,
    StandIn,
    closed_port,
    in_json,
    said,
)

Keep = Callable[..., StandIn]
MARGIN = 3  # seconds that a slow machine may need besides what is bounded
HEAD = b"HTTP/1.1 200 OK\r\n"

# Answers that are none


def flood(part: bytes, server: StandIn) -> Iterator[bytes]:
    """The same without end, until nobody reads any more."""
    while not server.closing.is_set():
        yield part * 100


def slowly(head: bytes) -> Callable[[StandIn], Iterable[bytes]]:
    return lambda server: server.trickle(head * 100)


BROKEN: dict[str, Callable[[StandIn], Answer]] = {
    "closed at once": lambda _: [b""],
    "half a header": lambda _: [HEAD + b"Content-Le"],
    "half a status": lambda _: [b"HTTP/1.1 4"],
    "no status": lambda _: [b"HTTP/1.1 abc\r\n\r\n"],
    "a status that is none": lambda _: [b"HTTP/1.1 7 Bond\r\n\r\n"],
    "10,000 headers": lambda _: [HEAD, *(b"X-%d: y\r\n" % number for number in range(10_000)), b"\r\n"],
    "a header without end": lambda server: flood(b"x" * 1000, server),
    "headers without end": lambda server: flood(b"X-A: b\r\n" * 100, server),
    "only promises": lambda server: flood(b"HTTP/1.1 100 Continue\r\n\r\n", server),
    "slow headers": slowly(b"HTTP/1.1 200 OK\r\nX-A: b\r\n"),
}
BROKEN_BODY: dict[str, Callable[[StandIn], Answer]] = {
    "half an answer": lambda _: [HEAD + b"Content-Length: 1000\r\n\r\n{"],
    "a length that is none": lambda _: [HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"],
    "half a chunk": lambda _: [HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}"],
    "slow body": slowly(HEAD + b"Content-Length: 1000\r\n\r\n"),
}
SLOW = ("slow headers", "slow body", "only promises")
CLOSED = ("closed at once", "half a header", "half an answer", "half a chunk")


def causes_of(fault: str) -> tuple[str, ...]:
    if fault == "a length that is none":  # Python takes that for an end before its time
        return "registry-error", "connection"
    return ("timeout" if fault in SLOW else "connection" if fault in CLOSED else "registry-error",)


def quick(fault: str) -> float:
    """The time-out of a request that has to run into it."""
    return 0.3 if fault in SLOW else 3


@pytest.mark.parametrize("fault", [*BROKEN, *BROKEN_BODY])
def test_broken_answer_at_the_base(keep: Keep, fault: str) -> None:
    server = keep(StandIn())
    make = {**BROKEN, **BROKEN_BODY}[fault]
    server.on("/v2/", lambda _: make(server))
    outcome = ask(server.image(), login(server), wire=wire_to(server, timeout=quick(fault)))
    assert outcome.reach.cause in causes_of(fault), outcome.reach
    assert (outcome.report.verdict, outcome.answers.answers) == ("unknown", ())
    assert outcome.seconds < quick(fault) + MARGIN
    assert len(server.seen) <= 2, "nothing is retried blindly"
    assert server.sent < 20_000_000


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_answer_to_head(keep: Keep, fault: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on(".*/manifests/.*", lambda _: BROKEN[fault](server))
    outcome = ask(server.image(), login(server), wire=wire_to(server, timeout=quick(fault)))
    assert (outcome.answer.state, outcome.report.verdict) == (UNKNOWN, "unknown")
    assert outcome.answer.cause in causes_of(fault), outcome.answer
    assert outcome.seconds < quick(fault) + MARGIN


@pytest.mark.parametrize("fault", [*BROKEN, *BROKEN_BODY])
def test_broken_answer_of_the_token_service(keep: Keep, fault: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    make = {**BROKEN, **BROKEN_BODY}[fault]
    server.on("/token", lambda _: make(server))
    outcome = ask(server.image(), login(server), wire=wire_to(server, timeout=quick(fault)))
    assert (outcome.answer.state, outcome.report.verdict) == (UNKNOWN, "unknown")
    assert outcome.answer.cause in causes_of(fault) and "token service" in outcome.answer.detail
    assert outcome.seconds < quick(fault) + MARGIN
    assert list(server.passwords.values()) == [1], "a password is not sent again after such an answer"


@pytest.mark.parametrize("path", [".*/manifests/.*", ".*/tags/.*"])
@pytest.mark.parametrize("fault", ["closed at once", "half an answer", "slow body", "10,000 headers"])
def test_broken_answer_when_the_code_or_the_tags_are_asked_for(keep: Keep, fault: str, path: str) -> None:
    """What HEAD has said stays true."""
    server = keep(StandIn(images=["team/app:2.0"]))
    server.on(path, lambda _: {**BROKEN, **BROKEN_BODY}[fault](server), method="GET")
    outcome = ask(server.image(), wire=wire_to(server, timeout=quick(fault)))
    assert (outcome.answer.state, outcome.report.verdict) == (ABSENT, "blocked")
    assert outcome.answer.cause == "image-not-found"
    assert outcome.seconds < quick(fault) + MARGIN


# Bodies


def test_endless_body_is_cut(keep: Keep) -> None:
    server = keep(StandIn(images=[]))

    def endless(seen: Seen) -> Answer:
        head = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n"
        return [head] if seen.method == "HEAD" else itertools.chain([head], flood(b"x" * 1000, server))

    server.on("/v2/.+", endless)
    outcome = ask(server.image(), wire=wire_to(server))
    assert (outcome.answer.state, outcome.answer.code) == (ABSENT, None)
    assert server.sent < 20_000_000 and outcome.seconds < MARGIN


def test_length_that_is_too_short(keep: Keep) -> None:
    """What comes after it is nobody's answer: not the next request's either."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: 0\r\n\r\n"
    server = keep(StandIn(users={"bob": PASSWORD}))
    error = said(404, "MANIFEST_UNKNOWN", "not here")
    body = error.body[:5] + smuggled * 3
    server.on(".*/manifests/.*", Say(404, body, [("Content-Length", "5")]))
    outcome = ask([server.image(), server.image("team/app:2.0")], login(server), wire=wire_to(server))
    assert {one.state for one in outcome.answers.answers} == {ABSENT}


def test_head_with_a_body_does_not_become_the_next_answer(keep: Keep) -> None:
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: 0\r\n\r\n"
    evil = b"HTTP/1.1 404 Not Found\r\nContent-Length: 60\r\n\r\n" + smuggled

    def rule(seen: Seen) -> Answer:
        return [evil] if seen.method == "HEAD" else said(404, "MANIFEST_UNKNOWN", "not here")

    server = keep(StandIn().on(".*/manifests/.*", rule))
    outcome = ask([server.image(f"team/app:{tag}") for tag in range(4)], wire=wire_to(server))
    assert {one.state for one in outcome.answers.answers} == {ABSENT}


def nested(depth: int) -> bytes:
    return b'{"errors": [{"code": "NAME_UNKNOWN", "detail": ' + b"[" * depth + b"]" * depth + b"}]}"


BOMBS = {
    "deep": nested(50),
    "very deep": nested(30_000),
    "never closed": b'{"errors": ' + b"[" * 60_000,
    "objects": b'{"a":' * 10_000,
    "a long number": b'{"errors": [{"code": "NAME_UNKNOWN"}], "n": ' + b"9" * 60_000 + b"}",
    "a list": b'[{"code": "NAME_UNKNOWN"}]',
    "errors that are none": b'{"errors": {"code": "NAME_UNKNOWN"}}',
    "a code that is none": b'{"errors": [{"code": {"NAME_UNKNOWN": 1}, "message": [1]}]}',
    "no UTF-8": b'{"errors": [{"code": "NAME_UNKNOWN\xff\xfe"}]}',
    "half a surrogate": b'{"errors": [{"code": "X", "message": "\\ud800\\udfff\\ud800"}]}',
    "null": b"null",
    "empty": b"",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_json_that_is_none_or_too_much(keep: Keep, bomb: str) -> None:
    body = BOMBS[bomb]
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on("/v2/.+", lambda seen: Say(404, body, [("Content-Type", "application/json")]))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.state, outcome.answer.cause) == (ABSENT, "image-not-found")
    assert outcome.seconds < MARGIN
    tokens = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer").on("/token", Say(200, body)))
    outcome = ask(tokens.image(), login(tokens), wire=wire_to(tokens))
    assert (outcome.answer.state, outcome.answer.cause) == (UNKNOWN, "registry-error")
    tags = keep(StandIn(images=["team/app:2.0"]).on(".*/tags/.*", Say(200, body)))
    assert ask(tags.image(), wire=wire_to(tags)).answers.tags[0].nearest == ()


@pytest.mark.parametrize("tags", [None, 7, "1.0.1", {"1.0.1": 1}, [None, 7, ["1.0.1"]], ["x/y", "a b", "a" * 200, ESC]])
def test_tags_that_are_none(keep: Keep, tags: object) -> None:
    server = keep(StandIn(images=["team/app:2.0"]).on(".*/tags/.*", in_json({"tags": tags})))
    (found,) = ask(server.image(), wire=wire_to(server)).answers.tags
    assert (found.nearest, found.total) == ((), 0)


def test_compressed_answers_are_not_unpacked(keep: Keep) -> None:
    """They are not asked for; 60 KB can hold 60 MB."""
    bomb = gzip.compress(b'{"errors": [{"code": "NAME_UNKNOWN", "message": "' + b"x" * 40_000_000 + b'"}]}', 6)
    small = gzip.compress(nested(1))
    server = keep(StandIn(images=["team/app:2.0"]))
    for body in (bomb, small):
        server.on("/v2/.+", Say(404, body, [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]))
        tracemalloc.start()
        try:
            outcome = ask(server.image(), wire=wire_to(server))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (outcome.answer.state, outcome.answer.code, outcome.answer.cause) == (ABSENT, None, "image-not-found")
        assert peak < 15_000_000
    assert {one.headers["accept-encoding"] for one in server.seen} == {"identity"}


@pytest.mark.parametrize(
    "header",
    [
        "a" * 16_000 + "(",
        "Basic " + "a" * 16_000 + "(",
        "Bearer " + 'a="' * 5_000,
        "Bearer " + "a=b," * 5_000,
        'Bearer realm="' + "\\" * 16_000,
        "Negotiate, " * 5_000,
        "," * 60_000,
    ],
)
def test_challenge_that_takes_long_to_read(keep: Keep, header: str) -> None:
    """A registry may use no more of this machine than of the network. Bearer without a realm leads nowhere."""
    server = keep(StandIn().on("/v2/", Say(401, b"", [("WWW-Authenticate", header)])))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.seconds < MARGIN
    assert outcome.report.verdict in ("unknown", "pullable")


@pytest.mark.parametrize("header", ["<" * 60_000, "<>" * 30_000, "<a>" + ";" * 60_000, "<a>" + " " * 60_000])
def test_link_that_takes_long_to_read(keep: Keep, header: str) -> None:
    """Again with each page, if it is read so far."""
    server = keep(StandIn(images=["team/app:2.0"]))
    link = f'{header}, </v2/team/app/tags/list?last=x>; rel="next"'
    server.on(".*/tags/.*", in_json({"tags": ["1.0.1"]}, headers=[("Link", link)]))
    outcome = ask(server.image(), wire=wire_to(server))
    assert outcome.answers.tags[0].nearest == ("1.0.1",)
    assert outcome.seconds < MARGIN


def test_tags_that_take_long_to_compare(keep: Keep) -> None:
    """As many and as long as the bounds allow, all nearly alike."""
    tags = [f"{'ab' * 60}{number:08d}" for number in range(3_000)]
    server = keep(StandIn(images=["team/app:2.0"]).on(".*/tags/.*", in_json({"tags": tags})))
    outcome = ask(server.image(f"team/app:{'ba' * 64}"), wire=wire_to(server, total=4))
    assert outcome.answers.tags and outcome.answers.tags[0].total == 3_000
    assert outcome.seconds < 4 + MARGIN / 2


def test_no_library_writes_of_its_own(
    keep: Keep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """urllib3 logs what it can't parse, and Python prints what nobody handles: a trace with the registry's own bytes."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    server = keep(StandIn())
    for answer in ([HEAD + b"no header\r\n\r\n"], [HEAD + b"Content-Le"], [HEAD + b" folded: \x1b[31m\r\n\r\n"]):
        server.on("/v2/.+", answer)
        ask(server.image(), login(server), wire=wire_to(server))
    assert capsys.readouterr() == ("", "")


def test_one_hostile_registry_does_not_spoil_the_answers_of_another(keep: Keep) -> None:
    bad = keep(StandIn())
    bad.on("/v2/.+", lambda _: bad.trickle(b"x" * 1000))
    good = keep(StandIn())
    nobody = f"127.0.0.1:{closed_port()}/team/app:1.0"
    outcome = ask([bad.image(), good.image(), nobody], wire=wire_to(bad, good, timeout=0.4))
    verdicts = {one.pull.image: one.verdict for one in outcome.report.pulls}
    assert verdicts == {bad.image(): "unknown", good.image(): "pullable", nobody: "unknown"}
