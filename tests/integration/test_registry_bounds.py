"""Asking is bounded: side by side, in time, in pages; and it stops where a registry counts requests, or only fails."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pullcore.answers import PRESENT, UNKNOWN

from .asking import PASSWORD, ask, login, remarks, wire_to
from .hostile import Answer, Gauge, Say, Seen, StandIn, in_json, said

Keep = Callable[..., StandIn]
MARGIN = 10  # seconds that a slow machine may need besides what is bounded; a silent server keeps still for 30


def several(server: StandIn, count: int) -> list[str]:
    return [server.image(f"team/app:{number}") for number in range(count)]


# Side by side


def test_at_most_eight_at_once_at_one_registry(keep: Keep) -> None:
    server = keep(StandIn(images=[f"team/app:{number}" for number in range(60)], hold=0.03))
    outcome = ask(several(server, 60), wire=wire_to(server))
    assert len(outcome.answers.answers) == 60
    assert 6 <= server.gauge.most <= 8


def test_at_most_sixteen_at_once_in_all(keep: Keep) -> None:
    gauge = Gauge()
    names = [f"team/app:{number}" for number in range(20)]
    servers = [keep(StandIn(images=names, hold=0.03, gauges=[gauge])) for _ in range(4)]
    outcome = ask([image for one in servers for image in several(one, 20)], wire=wire_to(*servers))
    assert {one.state for one in outcome.answers.answers} == {PRESENT}
    assert 12 <= gauge.most <= 16
    assert all(one.gauge.most <= 8 for one in servers)


def test_many_registries_are_reached_side_by_side(keep: Keep) -> None:
    gauge = Gauge()
    servers = [keep(StandIn(hold=0.1, gauges=[gauge])) for _ in range(20)]
    outcome = ask([one.image() for one in servers], wire=wire_to(*servers))
    assert {one.state for one in outcome.answers.answers} == {PRESENT}
    assert 12 <= gauge.most <= 16
    assert outcome.seconds < 20 * 2 * 0.1


# Few requests


def test_an_image_costs_one_request(keep: Keep) -> None:
    """Besides those that are for the registry as a whole; what several Pulls ask for is asked once."""
    server = keep(StandIn(users={"bob": PASSWORD}, images=[f"team/app:{number}" for number in range(20)]))
    outcome = ask([*several(server, 20), *several(server, 20)], login(server), wire=wire_to(server))
    assert len(server.seen) == outcome.answers.requests == 22
    assert len(server.at(".*/manifests/.*")) == 20


def test_connections_are_kept(keep: Keep) -> None:
    server = keep(StandIn(images=[f"team/app:{number}" for number in range(60)]))
    ask(several(server, 60), wire=wire_to(server))
    assert len({one.connection for one in server.seen}) <= 9


# Time


@pytest.mark.parametrize(("timeout", "total"), [(1.5, 20), (30, 3)])
@pytest.mark.parametrize("where", ["base", "manifests"])
def test_silent_registry_beside_a_good_one(keep: Keep, where: str, timeout: float, total: float) -> None:
    """The good answers are kept, the rest is noted; also where one request may take longer than all together."""
    silent = keep(StandIn())
    silent.on("/v2/" if where == "base" else "/v2/.+", lambda _: silent.silence())
    good = keep(StandIn(images=[f"team/app:{number}" for number in range(20)]))
    images = [*several(silent, 2), *several(good, 20)]
    outcome = ask(images, wire=wire_to(silent, good, timeout=timeout, total=total))
    assert outcome.seconds < min(timeout, total) + MARGIN
    verdicts = {one.pull.image: one.verdict for one in outcome.report.pulls}
    assert {verdicts[image] for image in several(good, 20)} == {"pullable"}
    assert {verdicts[image] for image in several(silent, 2)} == {"unknown"}
    causes = {outcome.answers.by_registry[silent.netloc].cause}
    causes |= {one.cause for one in outcome.answers.answers if one.image in several(silent, 2)}
    if timeout > total:
        assert f"Not checked: some registries: no whole answer within {total}s" in remarks(outcome.report)
    else:
        assert "timeout" in causes


def test_slow_registry_with_many_images_ends_in_time(keep: Keep) -> None:
    server = keep(StandIn(images=[f"team/app:{number}" for number in range(100)], hold=0.2))
    outcome = ask(several(server, 100), wire=wire_to(server, total=1))
    assert outcome.seconds < 1 + MARGIN
    given = {one.image for one in outcome.answers.answers if one.state == PRESENT}
    assert 8 <= len(given) < 100
    verdicts = {one.pull.image: one.verdict for one in outcome.report.pulls}
    assert verdicts == {image: "pullable" if image in given else "unknown" for image in several(server, 100)}
    assert "Not checked: some registries: no whole answer within 1s" in remarks(outcome.report)
    time.sleep(0.3)
    before = len(server.seen)
    time.sleep(0.4)
    assert len(server.seen) == before, "nothing is asked any more once it is over"


def test_slow_requests_are_not_asked_again(keep: Keep) -> None:
    server = keep(StandIn())
    server.on(".*/manifests/.*", lambda _: server.silence())
    outcome = ask(server.image(), wire=wire_to(server, timeout=0.3))
    assert (outcome.answer.cause, outcome.answer.state) == ("timeout", UNKNOWN)
    assert len(server.at(".*/manifests/.*")) == 1


# Stop


@pytest.mark.parametrize("headers", [[], [("Retry-After", "1")], [("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")]])
def test_nothing_more_is_asked_after_429(keep: Keep, headers: list[tuple[str, str]]) -> None:
    server = keep(StandIn(hold=0.02).on(".*/manifests/.*", said(429, "TOOMANYREQUESTS", "slow down", headers)))
    outcome = ask(several(server, 40), wire=wire_to(server))
    assert len(server.at(".*/manifests/.*")) <= 8, "those that were on their way"
    assert {(one.cause, one.state) for one in outcome.answers.answers} == {("rate-limited", UNKNOWN)}
    assert len(outcome.answers.answers) == 40
    assert outcome.report.verdict == "unknown"
    if headers:
        assert f"try again after {headers[0][1]}" in outcome.text


def test_429_of_one_registry_does_not_stop_another(keep: Keep) -> None:
    limited, good = keep(StandIn().on(".*/manifests/.*", Say(429))), keep(StandIn())
    outcome = ask([*several(limited, 5), good.image()], wire=wire_to(limited, good))
    assert outcome.answers.by_attempt[good.image(), None].state == PRESENT


@pytest.mark.parametrize("failure", ["500", "closed"])
def test_registry_that_only_fails_is_given_up(keep: Keep, failure: str) -> None:
    server = keep(StandIn(hold=0.02).on(".*/manifests/.*", Say(500) if failure == "500" else [b""]))
    outcome = ask(several(server, 40), wire=wire_to(server))
    asked = {one.path for one in server.at(".*/manifests/.*")}
    assert len(asked) <= 10, "three in a row, and those that were on their way"
    assert {one.state for one in outcome.answers.answers} == {UNKNOWN} and len(outcome.answers.answers) == 40
    assert outcome.report.verdict == "unknown"


def test_registry_that_fails_now_and_then_is_asked_on(keep: Keep) -> None:
    names = [f"team/app:{number}" for number in range(30)]
    server = keep(StandIn(images=names))
    server.on(".*/manifests/(7|17)", Say(503))
    outcome = ask(several(server, 30), wire=wire_to(server))
    assert [one.state for one in outcome.answers.answers].count(PRESENT) == 28


# Pages of tags


def test_pages_of_tags_are_read(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", images=["team/app:x"]))

    def page(seen: Seen) -> Answer:
        if "last" in seen.query:
            return in_json({"tags": ["1.0.1"]})
        return in_json({"tags": ["zz"]}, headers=[("Link", '</v2/team/app/tags/list?n=1000&last=zz>; rel="next"')])

    server.on(".*/tags/.*", lambda seen: page(seen) if seen.authorization else server.well_behaved(seen))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    (tags,) = outcome.answers.tags
    assert (tags.nearest, tags.total, tags.complete, tags.exists) == (("1.0.1",), 2, True, True)
    assert "did you mean 1.0.1?" in outcome.text


def test_pages_of_tags_are_bounded_in_number(keep: Keep) -> None:
    server = keep(StandIn(images=["team/app:x"]))

    def endless(seen: Seen) -> Answer:
        number = len(server.at(".*/tags/.*"))
        link = f'<{server.url}/v2/team/app/tags/list?n=1000&last={number}>; rel="next"'
        return in_json({"tags": [f"other-{number}"]}, headers=[("Link", link)])

    server.on(".*/tags/.*", endless)
    outcome = ask(server.image(), wire=wire_to(server))
    (tags,) = outcome.answers.tags
    assert len(server.at(".*/tags/.*")) == 10
    assert (tags.complete, tags.exists, tags.total) == (False, True, 10)
    assert outcome.answer.cause == "image-not-found"


def test_page_of_tags_that_is_too_long(keep: Keep) -> None:
    """It is cut, so nothing of it can be read; what is known stays."""
    server = keep(StandIn(images=["team/app:x"]))
    server.on(".*/tags/.*", in_json({"tags": [f"{number:0128d}" for number in range(20_000)]}))
    outcome = ask(server.image(), wire=wire_to(server))
    (tags,) = outcome.answers.tags
    assert (tags.exists, tags.complete, tags.nearest) == (None, False, ())
    assert outcome.answer.cause == "image-not-found" and server.sent < 10_000_000


def test_slow_pages_of_tags_end(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullcore.registry.TAGS_TIME", 0.3)
    server = keep(StandIn(images=["team/app:x"]))

    def slow(seen: Seen) -> Answer:
        server.closing.wait(0.2)
        link = f'</v2/team/app/tags/list?last={len(server.seen)}>; rel="next"'
        return in_json({"tags": ["1.0.1"]}, headers=[("Link", link)])

    server.on(".*/tags/.*", slow)
    outcome = ask(server.image(), wire=wire_to(server))
    assert len(server.at(".*/tags/.*")) <= 3 and outcome.seconds < 0.6 + MARGIN
    assert outcome.answers.tags[0].nearest == ("1.0.1",)
