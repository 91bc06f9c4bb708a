"""Where a registry may send us, and where no credential goes: redirects, pages of tags, token services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pullcore.answers import PRESENT, UNKNOWN

from .asking import PASSWORD, ask, login, wire_to
from .certificates import Authority
from .conftest import Resolve
from .hostile import (
    MANIFEST_TYPE,
    Answer,
    Hostile,
    Say,
    Seen,
    StandIn,
    in_json,
    said,
)

Keep = Callable[..., StandIn]

# Redirects


# Where a request with a credential is redirected.
PLACES = pytest.mark.parametrize("path", ["/v2/", ".*/manifests/.*"])


@PLACES
def test_redirect_to_another_host_gets_no_credential(keep: Keep, path: str) -> None:
    other = keep(Hostile(Say(200, b"{}", [("Content-Type", MANIFEST_TYPE)])))
    server = keep(StandIn(users={"bob": PASSWORD}))
    away = Say(307, b"", [("Location", f"{other.url}/away")])
    server.on(path, lambda seen: away if seen.pair else server.well_behaved(seen))
    outcome = ask(server.image(), login(server), wire=wire_to(server, other))
    assert other.seen and not any(one.authorization for one in other.seen)
    assert outcome.answer.state == PRESENT


@PLACES
def test_redirect_to_the_same_host_gets_no_credential(keep: Keep, path: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    away = Say(302, b"", [("Location", "/away")])
    server.on(path, lambda seen: away if seen.pair else server.well_behaved(seen))
    server.on("/away", Say(200, b"{}", [("Content-Type", MANIFEST_TYPE)]))
    ask(server.image(), login(server), wire=wire_to(server))
    assert server.at("/away") and not any(one.authorization for one in server.at("/away"))


def test_redirect_to_the_same_place_gets_no_credential(keep: Keep) -> None:
    """A loop: the password goes out once, not with each turn."""
    server = keep(StandIn(users={"bob": PASSWORD}))
    turn = Say(302, b"", [("Location", "")])
    server.on("/v2/", lambda seen: Say(302, b"", [("Location", seen.target)]) if seen.pair else server.well_behaved(seen))
    server.on(".*/manifests/.*", turn)
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.answer.state == UNKNOWN
    assert sum(server.passwords.values()) <= 2, "at the base, and with the manifest"


def test_redirect_loop_between_hosts(keep: Keep) -> None:
    first, second = keep(StandIn(users={"bob": PASSWORD})), keep(Hostile())
    second.rule = Say(302, b"", [("Location", f"{first.url}/v2/team/app/manifests/1.0")])
    first.on(".*/manifests/.*", Say(302, b"", [("Location", f"{second.url}/there")]))
    outcome = ask(first.image(), login(first), wire=wire_to(first, second))
    assert (outcome.answer.state, outcome.answer.cause) == (UNKNOWN, "registry-error")
    assert "more than 5 redirects" in outcome.answer.detail
    assert len(first.at(".*/manifests/.*")) + len(second.seen) == 6
    assert len([one for one in first.at(".*/manifests/.*") if one.authorization]) == 1
    assert not any(one.authorization for one in second.seen)


def test_redirect_from_https_to_http_is_not_followed(keep: Keep, authority: Authority) -> None:
    other = keep(Hostile())
    server = keep(StandIn(tls=authority.signs(), users={"bob": PASSWORD}))
    server.on(".*/manifests/.*", Say(307, b"", [("Location", f"{other.url}/away")]))
    outcome = ask(server.image(), login(server), wire=wire_to(other, authority=authority.pem))
    assert (outcome.answer.cause, outcome.answer.state) == ("registry-error", UNKNOWN)
    assert "redirects from HTTPS to plain HTTP" in outcome.answer.detail
    assert not other.seen


NOWHERE = (
    "file:///etc/passwd",
    "gopher://x/",
    "http://bob:word@{other}/x",
    "//bob@{other}/x",
    "http://[::bad",
    "http://127.0.0.1:99999/",
    "http:///x",
    "x" * 5000,
)


@pytest.mark.parametrize("place", NOWHERE)
def test_redirect_that_leads_nowhere(keep: Keep, place: str) -> None:
    other = keep(Hostile())
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on(".*/manifests/.*", Say(307, b"", [("Location", place.format(other=other.netloc))]))
    outcome = ask(server.image(), login(server), wire=wire_to(server, other))
    assert (outcome.answer.cause, outcome.answer.state) == ("registry-error", UNKNOWN)
    assert not other.seen and len(server.at(".*/manifests/.*")) == 1


def test_redirect_to_somebody_who_wants_credentials(keep: Keep) -> None:
    other = keep(StandIn(users={"bob": PASSWORD}))
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on(".*/manifests/.*", Say(307, b"", [("Location", f"{other.url}/v2/team/app/manifests/1.0")]))
    outcome = ask(server.image(), login(server), wire=wire_to(server, other))
    assert (outcome.answer.cause, outcome.answer.state) == ("registry-error", UNKNOWN)
    assert other.netloc in outcome.answer.detail and "none are sent there" in outcome.answer.detail
    assert other.seen and not other.passwords


def test_redirect_of_the_token_service_gets_no_password(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    other = keep(Hostile(in_json({"token": "abc"})))
    server.on("/token", Say(307, b"", [("Location", f"{other.url}/token")]))
    ask(server.image(), login(server), wire=wire_to(server, other))
    assert other.seen and not other.passwords


PAGES = (
    "{other}/v2/team/app/tags/list",
    "//{netloc}/v2/team/app/tags/list",
    "/v2/_catalog",
    "/v2/team/other/tags/list",
    "/token",
    "file:///v2/team/app/tags/list",
    "http://[::bad",
)


@pytest.mark.parametrize("place", PAGES)
def test_pages_of_tags_stay_where_they_are(keep: Keep, place: str) -> None:
    """A Link header to another host, or to another path of the same one, is not followed: a token would go with it."""
    other = keep(Hostile(in_json({"tags": ["1.0.1"]})))
    server = keep(StandIn(users={"bob": PASSWORD}, images=["team/app:2.0"]))
    link = place.format(other=other.url, netloc=other.netloc)
    server.on("/v2/.*/list|/v2/_catalog|/token", in_json({"tags": ["1.0.2"]}, headers=[("Link", f'<{link}>; rel="next"')]))
    outcome = ask(server.image(), login(server), wire=wire_to(server, other))
    assert outcome.answers.tags[0].nearest == ("1.0.2",)
    assert not other.seen and not server.at("/v2/_catalog|/token|/v2/team/other/.*")
    assert len(server.at("/v2/team/app/tags/list")) == 1


# Realms

LIES = {
    "file": "file:///etc/passwd",
    "another scheme": "gopher://{other}/token",
    "user information": "http://bob:word@{other}/token",
    "user": "http://{other}@{other}/token",
    "fragment": "http://{other}/token#x",
    "no host": "http:///token",
    "no URL": "token",
    "empty": "",
    "a bad port": "http://127.0.0.1:99999/token",
    "no address": "http://[::bad/token",
    "endless": "http://{other}/" + "x" * 5000,
    "a line": "http://{other}/token\\\x07",
}


@pytest.mark.parametrize("lie", LIES)
def test_realm_that_no_credential_goes_to(keep: Keep, lie: str) -> None:
    other = keep(Hostile(in_json({"token": "abc"})))
    realm = LIES[lie].format(other=other.netloc)
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    server.realm = realm
    outcome = ask(server.image(), login(server), wire=wire_to(server, other))
    assert not other.seen
    assert (outcome.answer.state, outcome.answer.cause) == (UNKNOWN, "registry-error"), outcome.answer
    assert not server.passwords
    assert not any("bob:word" in text for text in outcome.shown.values())


def test_realm_in_plain_http_elsewhere(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP carries a password only to this machine itself, or where the user said so."""
    monkeypatch.setattr("pullcore.wire._is_loopback", lambda address: False)
    service = keep(StandIn(users={"bob": PASSWORD}))
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", realm=f"{service.url}/token"))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.state, outcome.answer.cause) == (UNKNOWN, "http-https-mismatch")
    assert not service.seen
    outcome = ask(server.image(), login(server), wire=wire_to(server, service))
    assert service.passwords


def test_realm_in_plain_http_by_proxy(keep: Keep, resolve: Resolve) -> None:
    """A proxy hides where the connection ends."""
    proxy = keep(Hostile())
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", realm="http://tokens.test/token"))
    resolve({"tokens.test": "127.0.0.1"})
    outcome = ask(server.image(), login(server), wire=wire_to(server, environ={"HTTP_PROXY": proxy.url}))
    assert (outcome.answer.state, outcome.answer.cause) == (UNKNOWN, "http-https-mismatch")
    assert not proxy.seen


def test_realm_of_another_site_is_named(keep: Keep, authority: Authority) -> None:
    service = keep(StandIn(tls=authority.signs(), users={"bob": PASSWORD}))
    server = keep(StandIn(tls=authority.signs(), users={"bob": PASSWORD}, scheme="bearer", realm=f"{service.url}/token"))
    server.tokens = service.tokens
    outcome = ask(server.image(), login(server), wire=wire_to(authority=authority.pem))
    assert outcome.answer.state == PRESENT
    assert outcome.reach.token_service == service.netloc
    assert f"token service {service.netloc}" in outcome.text
    assert f'"tokenService": "{service.netloc}"' in outcome.shown["json"]


def test_realm_of_another_site_is_named_where_only_the_manifest_tells_it(keep: Keep) -> None:
    """A registry whose base is open to all asks for a token with the first manifest."""
    service = keep(StandIn(users={"bob": PASSWORD}))
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", realm=f"{service.url}/token").on("/v2/", Say()))
    server.tokens = service.tokens
    outcome = ask(server.image(), login(server), wire=wire_to(server, service))
    assert outcome.answer.state == PRESENT and service.passwords
    assert (outcome.reach.signs_in, outcome.reach.token_service) == ("bearer", service.netloc)
    assert f"token service {service.netloc}" in outcome.text


def test_second_realm_is_named_too(keep: Keep) -> None:
    """A manifest that sends to another token service than the base does."""
    first, second = keep(StandIn(users={"bob": PASSWORD})), keep(StandIn(users={"bob": PASSWORD}))
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", realm=f"{first.url}/token"))

    def rule(seen: Seen) -> Answer:
        if seen.authorization.removeprefix("Bearer ") in second.tokens:
            return Say(200, b"", [("Content-Type", MANIFEST_TYPE)])
        return said(401, "UNAUTHORIZED", "", [("WWW-Authenticate", f'Bearer realm="{second.url}/token",service="x"')])

    server.on(".*/manifests/.*", rule)
    outcome = ask(server.image(), login(server), wire=wire_to(server, first, second))
    assert not second.passwords or second.netloc in outcome.text, "who got a credential is named"
    assert (outcome.answer.state == PRESENT) == bool(second.passwords)
