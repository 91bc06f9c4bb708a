"""What registries say reaches nobody raw, and what they repeat of a credential is cut out.

`asking.check` looks at every character that is shown, and for every credential.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from pullcheck import document
from pullcore.answers import DENIED, UNKNOWN

from tests.unit.builders import node

from .asking import ESC, PASSWORD, ask, login, wire_to
from .certificates import Authority
from .hostile import (
    INDEX_TYPE,
    Answer,
    Rule,
    Say,
    Seen,
    StandIn,
    in_json,
    said,
)

Keep = Callable[..., StandIn]

# Nothing raw, no credential

RAW: dict[str, Callable[[StandIn], object]] = {
    "message": lambda server: server.on("/v2/.+", said(403, "DENIED", f"no {ESC} way")),
    "code": lambda server: server.on("/v2/.+", said(404, f"NAME{ESC}", "no")),
    "reason": lambda server: server.on("/v2/.+", Say(403, reason=f"No {ESC}".replace("\x00", ""))),
    "retry-after": lambda server: server.on("/v2/.+", Say(429, b"", [("Retry-After", f"1{ESC}".replace("\x00", ""))])),
    "location": lambda server: server.on("/v2/.+", Say(302, b"", [("Location", f"http://x/{ESC}".replace("\x00", ""))])),
    "scheme": lambda server: server.on("/v2/", Say(401, b"", [("WWW-Authenticate", f"Neg{ESC}otiate {ESC}")])),
    "realm": lambda server: server.on("/v2/", Say(401, b"", [("WWW-Authenticate", f'Bearer realm="http://x{ESC}/"')])),
    "challenge's error": lambda server: server.on(
        "/v2/.+", Say(401, b"", [("WWW-Authenticate", f'Bearer realm="{server.url}/token",error="in{ESC}valid"')])
    ),
    "type": lambda server: server.on("/v2/.+", Say(200, b"", [("Content-Type", f"application/{ESC}; x")])),
    "page": lambda server: server.on("/v2/.+", Say(200, b"", [("Content-Type", f"text/{ESC}; x")])),
    "digest": lambda server: server.on("/v2/.+", Say(200, b"", [("Docker-Content-Digest", f"sha256:{ESC}")])),
    "limit": lambda server: server.on(
        "/v2/.+", Say(200, b"", [("RateLimit-Remaining", f"1;w=21600{ESC}"), ("RateLimit-Limit", f"{ESC}100")])
    ),
    "tags": lambda server: server.on(".*/tags/.*", in_json({"tags": [f"1.0{ESC}", "1.0.\u202e1"]})),
    "no HTTP": lambda server: server.on("/v2/.+", [f"HTTP{ESC}\r\n\r\n".encode()]),
}


@pytest.mark.parametrize("where", RAW)
def test_nothing_raw_reaches_the_terminal(keep: Keep, where: str) -> None:
    server = keep(StandIn(images=["team/app:2.0"]))
    RAW[where](server)
    outcome = ask(server.image(), login(server), wire=wire_to(server))  # looks at every character
    assert document.render(outcome.report, "yaml").isascii()
    if where in ("message", "code", "retry-after", "location"):
        assert "^[" in outcome.shown["text"] + outcome.shown["json"], "it is shown, escaped"


def test_nothing_raw_of_the_token_service_reaches_the_terminal(keep: Keep) -> None:
    for answer in (
        said(401, ESC, ESC),
        in_json({"details": ESC, "error": ESC}, 403),
        Say(500, reason="\x1b[1m"),
        in_json({"token": ESC}),
    ):
        server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer").on("/token", answer))
        assert ask(server.image(), login(server), wire=wire_to(server)).answer.state in (DENIED, UNKNOWN)


def test_nothing_raw_of_a_platform_reaches_the_terminal(keep: Keep) -> None:
    index = {"manifests": [{"platform": {"os": f"linux{ESC}", "architecture": f"{ESC}arm"}}, {"platform": ESC}, ESC, None]}
    images = {"team/app:1.0": (INDEX_TYPE, json.dumps(index).encode())}
    server = keep(StandIn(images=images))
    outcome = ask(server.image(), wire=wire_to(server), objects=[node("n1"), node("n2", platform="arm64")])
    (content,) = outcome.answers.contents
    assert len(content.platforms) == 1 and content.platforms[0].isprintable()


def test_nothing_raw_of_a_certificate_reaches_the_terminal(keep: Keep, authority: Authority) -> None:
    pair = authority.signs("elsewhere.test", name="raw", common_name=f"evil{ESC}".replace("\x00", ""))
    server = keep(StandIn(tls=pair))
    outcome = ask(server.image(), wire=wire_to(authority=authority.pem))
    assert outcome.reach.cause == "tls-other" and outcome.reach.certificate
    assert outcome.reach.certificate.subject.startswith("evil^[")


ECHOES: dict[str, Callable[[Seen], Rule]] = {
    "password": lambda seen: said(403, "DENIED", f"no: {seen.pair}"),
    "header": lambda seen: said(403, "DENIED", f"you sent {seen.authorization}"),
    "header, cut": lambda seen: said(403, "DENIED", f"you sent {seen.authorization.rstrip('=')} and no more"),
    "header, in a URL": lambda seen: said(403, "DENIED", f"https://x/?a={seen.authorization.replace('=', '%3D')}"),
    "at the edge": lambda seen: said(403, "DENIED", f"{'x' * 185} {seen.pair}"),
    "long before": lambda seen: said(403, "DENIED", f"{'x' * 175} {seen.authorization}"),
    "code": lambda seen: said(403, seen.pair.partition(":")[2], "no"),
    "reason": lambda seen: Say(403, reason=f"No {seen.pair}"),
    "retry-after": lambda seen: Say(429, b"", [("Retry-After", seen.pair.partition(":")[2])]),
    "challenge's error": lambda seen: Say(401, b"", [("WWW-Authenticate", f'Basic error="{seen.pair.partition(":")[2]}"')]),
    "location": lambda seen: Say(302, b"", [("Location", f"ftp://x/{seen.pair.partition(':')[2]}")]),
    "location, cut": lambda seen: Say(302, b"", [("Location", f"ftp://x/{'x' * 80}{seen.pair.partition(':')[2]}")]),
    "type": lambda seen: Say(200, b"", [("Content-Type", f"text/{seen.pair.partition(':')[2]}")]),
    "media type": lambda seen: Say(200, b"", [("Content-Type", f"application/{seen.pair.partition(':')[2]}")]),
}


@pytest.mark.parametrize("where", ECHOES)
def test_registry_that_repeats_the_credential(keep: Keep, where: str) -> None:
    """It is cut out: `ask` looks for it, whole, in all that is shown and saved; half of it is no better."""
    server = keep(StandIn(users={"bob": PASSWORD}))

    def rule(seen: Seen) -> Answer:
        answer = ECHOES[where](seen) if seen.pair else server.well_behaved(seen)
        assert not callable(answer)
        return answer

    server.on("/v2/.+", rule)
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert server.passwords
    half = [PASSWORD[:8], server.seen[-1].authorization[6:22]]
    told = {name for name, text in outcome.shown.items() for one in half if one and one in text}
    assert not told


@pytest.mark.parametrize(
    "password", [f"{PASSWORD}\n", "two  blanks in it", "tab\tin it", "c:\\new\\path", "ü-umlaut-ü", "quo\"ted'"]
)
def test_registry_that_repeats_a_password_of_odd_characters(keep: Keep, password: str) -> None:
    server = keep(StandIn(users={"bob": password}))
    server.on("/v2/.+", lambda seen: said(403, "DENIED", f"no: {password} .") if seen.pair else server.well_behaved(seen))
    outcome = ask(server.image(), login(server, password=password), wire=wire_to(server))
    shown = " ".join(password.split())
    for name, text in outcome.shown.items():
        assert shown not in text and json.dumps(shown)[1:-1] not in text, name
    assert "no: ***" in outcome.answer.detail


def test_registry_that_repeats_the_token(keep: Keep) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl-of-some-length"
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    server.on("/token", in_json({"token": token}))
    server.on("/v2/.+", lambda seen: said(403, "DENIED", f"bad token {seen.authorization}"))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert "bad token Bearer ***" in outcome.answer.detail
    for name, text in outcome.shown.items():
        assert token not in text and token[:30] not in text, name


def test_tags_that_repeat_the_password(keep: Keep) -> None:
    """A tag that is nearest to what is missing would be shown."""
    password = "1.0-tiger-word"
    server = keep(StandIn(users={"bob": password}, images=["team/app:2.0"]))
    server.on(".*/tags/.*", in_json({"tags": [password, "1.0.1"]}))
    outcome = ask(server.image(), login(server, password=password), wire=wire_to(server))
    assert outcome.answers.tags[0].nearest == ("1.0.1",)


def test_platforms_that_repeat_the_password(keep: Keep) -> None:
    platform = {"os": "linux", "architecture": PASSWORD}
    images = {"team/app:1.0": (INDEX_TYPE, json.dumps({"manifests": [{"platform": platform}]}).encode())}
    server = keep(StandIn(users={"bob": PASSWORD}, images=images))
    ask(server.image(), login(server), wire=wire_to(server), objects=[node("n1"), node("n2", platform="arm64")])
