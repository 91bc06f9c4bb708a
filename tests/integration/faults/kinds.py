"""The faults of an API server: the rows of the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Optional

from ..standin import UNKNOWN, Answer, Asked, Object, status
from .server import Call, FaultyStandIn, is_of_crd

Honest = Callable[[], Answer]
Spoil = Callable[[FaultyStandIn, Asked, Honest], Answer]
ONCE, ALWAYS, FROM_THEN_ON = "once", "whenever this call is made", "from then on"
GONE_FOR = 0.3  # seconds that a restarted server is away


def _nothing(_: FaultyStandIn) -> None:
    """No preparation."""


def _every(_: Call) -> bool:
    return True


@dataclass(frozen=True)
class Fault:
    """row: as the table calls it; spoil: what is answered instead; lasts: for how long; at: the calls that can meet it;
    options: of the command; prepare: what the server is given beforehand; tls: whether it takes TLS; anywhere: it meets no
    call, but the whole run."""

    row: str
    spoil: Spoil
    lasts: str = ONCE
    at: Callable[[Call], bool] = _every
    options: tuple[str, ...] = ()
    prepare: Callable[[FaultyStandIn], None] = _nothing
    tls: bool = False
    anywhere: bool = False

    def is_met(self, call: Call, wanted: Call, *, met: bool) -> bool:
        """Whether a call meets it. wanted: the one that is the first to; met: whether it was met before."""
        if self.lasts == FROM_THEN_ON:
            return call == wanted or (met and self.at(call))
        return call == wanted if self.lasts == ONCE else call.what == wanted.what


def _says(code: int, reason: str, message: str, **more: object) -> Spoil:
    return lambda server, asked, honest: status(code, reason, message, **more)


def _answers(answer: Answer) -> Spoil:
    return lambda server, asked, honest: answer


def _forbidden(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    text = f'User "bob" cannot {asked.method.lower()} this resource: {asked.path}'
    return status(403, "Forbidden", f"it is forbidden: {text}")


def _done_then(answer: Optional[Answer]) -> Spoil:
    """It is done, but that is not what is answered; without an answer the connection is closed."""

    def spoil(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
        found = honest()
        return answer or Answer(found.status, found.body, cut=-1)

    return spoil


def _cut(part: float) -> Spoil:
    """The connection is closed after this part of the body."""

    def spoil(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
        found = honest()
        return Answer(found.status, found.body, found.headers, cut=int(len(found.content) * part))

    return spoil


def _truncated(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    found = honest()
    return Answer(found.status, found.content[: len(found.content) // 2], found.headers)


def _trickles(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    found = honest()
    return Answer(found.status, found.body, found.headers, drip=0.1 / max(len(found.content), 1))


def _is_silent(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    found = honest()
    return Answer(found.status, found.body, found.headers, wait=4.0)


def _another_certificate(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    from .runs import certificates

    server.context = certificates().other
    return Answer(cut=-1)


def _restarts(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    server.restart(GONE_FOR)
    return Answer(cut=-1)


def _old_event(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
    event = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    return Answer(body=json.dumps(event).encode() + b"\n")


def _expired(token: bool) -> Spoil:
    def spoil(server: FaultyStandIn, asked: Asked, honest: Honest) -> Answer:
        more: Object = {"metadata": {"continue": asked.query["continue"]}} if token else {}
        return status(410, "Expired", "The provided continue parameter is too old", **more)

    return spoil


def _serves_no_weblogic(server: FaultyStandIn) -> None:
    server.unserved |= {"Domain", "Cluster"}


def _is_page(call: Call) -> bool:
    return "continue" in call.what


def _is_no_watch(call: Call) -> bool:
    return not call.watches


def _is_for_handshake(server: FaultyStandIn) -> None:
    """Every request comes on a connection of its own."""
    answer = server.answer
    server.answer = lambda asked: _closing(answer(asked))


def _closing(answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, ("Connection", "close")))


def _refuses_handshake(server: FaultyStandIn) -> None:
    _is_for_handshake(server)
    server.refused = {server.call.number if server.call else 1}


BUSY = Answer(429, b"Too many requests, please try again later.\n", (("Retry-After", "1"),))
HTML = Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", (("Content-Type", "text/html"),))
UNAVAILABLE = Answer(503, b"apiserver is shutting down\n", (("Retry-After", "1"),))
FAULTS = (
    Fault("401 from then on (the token expired)", _says(401, "Unauthorized", "Unauthorized"), FROM_THEN_ON),
    Fault("403 for one call, always", _forbidden, ALWAYS),
    Fault("404: no CRD on this server", _answers(UNKNOWN), prepare=_serves_no_weblogic, anywhere=True),
    Fault("404: the CRD goes meanwhile", _answers(UNKNOWN), FROM_THEN_ON, is_of_crd),
    Fault("404 for everything from then on (another server)", _answers(Answer(404, b"404 page not found\n")), FROM_THEN_ON),
    Fault("409 once", _says(409, "Conflict", "the object has been modified"), ONCE, lambda call: call.writes),
    Fault("409 always", _says(409, "Conflict", "the object has been modified"), ALWAYS, lambda call: call.writes),
    Fault("410 in a list, with a new token", _expired(token=True), ONCE, _is_page),
    Fault("410 in a list, without", _expired(token=False), ONCE, _is_page),
    Fault("410 for a watch", _says(410, "Expired", "too old resource version"), ONCE, lambda call: call.watches),
    Fault("410 in a watch", _old_event, ONCE, lambda call: call.watches),
    Fault("429 once, Retry-After", _answers(BUSY)),
    Fault("429 from then on", _answers(BUSY), FROM_THEN_ON),
    Fault("500 once", _says(500, "InternalError", "etcdserver: leader changed")),
    Fault("502 once (HTML of a proxy)", _answers(HTML)),
    Fault("503 once, Retry-After", _answers(UNAVAILABLE)),
    Fault("503 from then on", _says(503, "ServiceUnavailable", "the server is currently unable"), FROM_THEN_ON),
    Fault("504 once", _says(504, "Timeout", "request did not complete within requested timeout")),
    Fault("504, but it was done", _done_then(status(504, "Timeout", "request did not complete")), ONCE, lambda c: c.writes),
    Fault("truncated JSON", _truncated),
    Fault("slow bytes", _trickles, ONCE, _is_no_watch),
    Fault("no answer in time (--request-timeout=2s)", _is_silent, ONCE, _is_no_watch, ("--request-timeout=2s",)),
    Fault("connection closed instead of an answer", _answers(Answer(cut=-1))),
    Fault("connection closed instead of every answer", _answers(Answer(cut=-1)), FROM_THEN_ON),
    Fault("connection closed after it was done", _done_then(None), ONCE, lambda call: call.writes),
    Fault("connection closed in the middle of an answer", _cut(0.5), ONCE, _is_no_watch),
    Fault("connection closed in the middle of a watch", _cut(0.7), ONCE, lambda call: call.watches),
    Fault("TLS handshake refused once", _answers(Answer()), prepare=_refuses_handshake, tls=True),
    Fault("another certificate from then on", _another_certificate, FROM_THEN_ON, tls=True),
    Fault("restarted in the middle, gone for 0.3 s", _restarts),
)  # fmt: skip
