"""What a registry's answers say of a Pull: limits, platforms, names nearly right, tags that moved, granted scopes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Optional

import pytest
from pullcore.answers import ABSENT, DENIED, PRESENT

from tests.e2e.cluster.images import digest
from tests.unit.builders import DIGEST, NOT_FOUND, RUNNING, container, node, pod, waiting

from .asking import PASSWORD, WRONG, ask, login, wire_to
from .hostile import INDEX_TYPE, MANIFEST_TYPE, Answer, Hostile, Say, Seen, StandIn, challenge, in_json, said

Keep = Callable[..., StandIn]

# How many pulls are left


def limited(server: StandIn, remaining: str, total: str) -> None:
    headers = [("RateLimit-Remaining", remaining), ("RateLimit-Limit", total), ("Content-Type", MANIFEST_TYPE)]
    given = Say(200, b"", headers)
    server.on(".*/manifests/.*", lambda seen: given if seen.pair or not server.users else challenge("Basic"))


def test_few_pulls_left_is_said_before_it_bites(keep: Keep) -> None:
    server = keep(StandIn())
    limited(server, "3;w=21600", "100;w=21600")
    outcome = ask(server.image(), wire=wire_to(server))
    limit = outcome.reach.limit
    assert limit and (limit.remaining, limit.total, limit.seconds, limit.account) == (3, 100, 21600, None)
    (finding,) = [one for one in outcome.one.findings if one.cause == "rate-limited"]
    assert finding.severity == "warning" and outcome.report.verdict == "pullable"
    assert "3 of 100 pulls left for the address of this machine (per 6h)" in outcome.text
    assert json.loads(outcome.shown["json"])["pulls"][0]["registry"]["pullsLeft"]["remaining"] == 3


def test_pulls_left_are_told_of_the_account(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    limited(server, "180;w=21600", "200;w=21600")
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.reach.limit and outcome.reach.limit.account == "bob"
    assert "180 of 200 pulls left for the account bob (per 6h)" in outcome.text
    assert "rate-limited" not in outcome.causes(), "enough are left"


@pytest.mark.parametrize("text", ["", "-1", "many", "99999999999"])
def test_limits_that_are_none(keep: Keep, text: str) -> None:
    server = keep(StandIn())
    limited(server, text, text)
    outcome = ask(server.image(), wire=wire_to(server))
    assert (outcome.answer.state == PRESENT and "rate-limited" not in outcome.causes()) or text == "1e3"


# Platforms


def index(*platforms: str) -> bytes:
    pairs = [one.split("/") for one in platforms]
    entries = [{"digest": DIGEST, "platform": {"os": system, "architecture": machine}} for system, machine in pairs]
    return json.dumps({"mediaType": INDEX_TYPE, "manifests": entries}).encode()


def single(server: StandIn, architecture: str) -> None:
    """team/app:1.0 as one manifest for linux and this architecture."""
    config = json.dumps({"os": "linux", "architecture": architecture}).encode()
    server.blobs[digest(config)] = config
    manifest = json.dumps({"mediaType": MANIFEST_TYPE, "config": {"digest": digest(config)}}).encode()
    server.images = {"team/app:1.0": (MANIFEST_TYPE, manifest)}


MIXED = (node("n1"), node("n2", platform="arm64"))


def test_index_without_the_platform_of_any_node(keep: Keep) -> None:
    server = keep(StandIn(images={"team/app:1.0": (INDEX_TYPE, index("linux/s390x", "unknown/unknown", "windows/amd64"))}))
    unbound = pod("free", container(image=server.image()), node=None)
    outcome = ask(server.image(), wire=wire_to(server), objects=[unbound, *MIXED])
    assert outcome.answers.contents[0].platforms == ("linux/s390x", "windows/amd64")
    assert outcome.answers.contents[0].index
    found = outcome.one.findings[0]
    assert (found.cause, found.severity, outcome.report.verdict) == ("platform-mismatch", "error", "blocked")
    for word in ("linux/s390x", "n1 (linux/amd64)", "n2 (linux/arm64)"):
        assert word in found.summary


def test_single_manifest_for_another_platform(keep: Keep) -> None:
    """It would be pulled, and fail at start: the config tells, which may lie elsewhere."""
    server = keep(StandIn(users={"bob": PASSWORD}))
    single(server, "arm64")
    store = keep(Hostile())
    (config,) = server.blobs.values()
    store.rule = Say(200, config)
    away = Say(307, b"", [("Location", f"{store.url}/x")])
    server.on(".*/blobs/.*", lambda seen: away if seen.pair else server.well_behaved(seen))
    outcome = ask(server.image(), login(server), wire=wire_to(server, store), objects=MIXED)
    assert outcome.answers.contents[0].platforms == ("linux/arm64",)
    (found,) = [one for one in outcome.one.findings if one.cause == "platform-mismatch"]
    assert found.severity == "warning" and "n1 (linux/amd64)" in found.summary and "n2" not in found.summary
    assert store.seen and not any(one.authorization for one in store.seen)


def test_platforms_that_fit(keep: Keep) -> None:
    server = keep(StandIn(images={"team/app:1.0": (INDEX_TYPE, index("linux/amd64", "linux/arm64"))}))
    outcome = ask(server.image(), wire=wire_to(server), objects=MIXED)
    assert "platform-mismatch" not in outcome.causes() and outcome.report.verdict == "pullable"
    assert "for linux/amd64, linux/arm64" in outcome.text


def test_platforms_are_not_asked_for_without_need(keep: Keep) -> None:
    """A GET of a manifest counts against rate limits."""
    server = keep(StandIn())
    ask(server.image(), wire=wire_to(server), objects=[node("n1"), node("n2")])
    assert [one.method for one in server.at(".*/manifests/.*")] == ["HEAD"]
    counted = keep(StandIn(images={"team/app:1.0": (INDEX_TYPE, index("linux/amd64"))}))
    counted.on(".*/manifests/.*", Say(200, b"", [("RateLimit-Remaining", "99"), ("Content-Type", INDEX_TYPE)]))
    ask(counted.image(), wire=wire_to(counted), objects=[node("n1"), node("n2")])
    assert [one.method for one in counted.at(".*/manifests/.*")] == ["HEAD"]


NO_PLATFORM = (b"", b"{", b'{"manifests": 7}', b'{"manifests": []}', b'{"config": {"digest": "../../x"}}')


@pytest.mark.parametrize("content", NO_PLATFORM)
def test_manifest_that_says_no_platform(keep: Keep, content: bytes) -> None:
    server = keep(StandIn(images={"team/app:1.0": (INDEX_TYPE, content)}))
    outcome = ask(server.image(), wire=wire_to(server), objects=MIXED)
    assert outcome.report.verdict == "pullable" and "platform-mismatch" not in outcome.causes()
    assert not server.at(".*/blobs/.*")


# Names that are nearly right


def test_nearest_tags(keep: Keep) -> None:
    tags = ["1.0.1", "1.0-slim", "v1.0", "2.0", "latest", "1.10"]
    server = keep(StandIn(images=[f"team/app:{one}" for one in tags]))
    outcome = ask(server.image(), wire=wire_to(server))
    (found,) = outcome.answers.tags
    assert found.nearest[0] == "v1.0" and set(found.nearest) == {"v1.0", "1.0.1", "1.0-slim"}
    assert (found.exists, found.total, found.complete) == (True, 6, True)
    assert "did you mean v1.0 or " in outcome.text
    assert outcome.one.findings[0].cause == "image-not-found" and outcome.report.verdict == "blocked"


def test_one_nearest_tag_goes_into_the_command(keep: Keep) -> None:
    server = keep(StandIn(images=["team/app:1.0.1", "team/app:latest"]))
    outcome = ask(server.image(), wire=wire_to(server))
    assert any(f"{server.netloc}/team/app:1.0.1" in one for one in outcome.one.findings[0].fix)


def test_tag_that_the_kubelet_missed_as_well(keep: Keep) -> None:
    server = keep(StandIn(images=["team/app:1.0.1"]))
    said_so = NOT_FOUND.replace("registry.example.com", server.netloc)
    failing = pod("failing", container(image=server.image()), state=waiting(said_so))
    outcome = ask([], wire=wire_to(server), objects=[failing])
    assert outcome.causes()[0] == "image-not-found" and outcome.report.verdict == "blocked"
    assert "did you mean 1.0.1?" in outcome.one.findings[0].summary


def test_tags_where_the_wrong_credential_does_no_harm(keep: Keep) -> None:
    """Who may pull as anybody may list the tags as anybody."""
    server = keep(StandIn(images=["team/app:1.0.1"]))
    server.on("/v2/", challenge('Basic realm="x"'))
    outcome = ask(server.image(), login(server, password=WRONG), wire=wire_to(server))
    assert outcome.answer.state == ABSENT
    assert outcome.answers.tags[0].nearest == ("1.0.1",)
    assert sum(server.passwords.values()) == 1


def test_repository_that_is_missing(keep: Keep) -> None:
    """The nearest of those that the namespace's other Pulls have."""
    server = keep(StandIn(images=["team/webshop:1.0", "team/other:1.0"]))
    images = [server.image("team/websop:1.0"), server.image("team/webshop:1.0"), server.image("team/other:1.0")]
    outcome = ask(images, wire=wire_to(server))
    missing = next(one for one in outcome.report.pulls if one.pull.image == images[0])
    assert missing.findings[0].cause == "repository-not-found" and missing.verdict == "blocked"
    assert "did you mean team/webshop?" in missing.findings[0].summary
    assert any("team/webshop:1.0" in one for one in missing.findings[0].fix)


@pytest.mark.parametrize(
    ("code", "listed", "cause"),
    [
        ("NAME_UNKNOWN", said(404, "NAME_UNKNOWN", "no"), "repository-not-found"),
        ("MANIFEST_UNKNOWN", said(404, "NAME_UNKNOWN", "no"), "repository-not-found"),
        ("MANIFEST_UNKNOWN", in_json({"tags": None}), "image-not-found"),
        ("MANIFEST_UNKNOWN", said(401, "UNAUTHORIZED", "no"), "image-not-found"),
        ("", Say(404), "image-not-found"),
    ],
)
def test_missing_tag_or_missing_repository(keep: Keep, code: str, listed: Answer, cause: str) -> None:
    server = keep(StandIn().on(".*/manifests/.*", said(404, code, "no")).on(".*/tags/.*", listed))
    outcome = ask(server.image(), wire=wire_to(server))
    assert outcome.one.findings[0].cause == cause


# A tag that moved


@pytest.mark.parametrize("moved", [True, False])
def test_tag_drift(keep: Keep, moved: bool) -> None:
    server = keep(StandIn())
    now = digest(server.images["team/app:1.0"][1])
    running = pod("old", container(image=server.image()), state=RUNNING, digest=DIGEST if moved else now)
    outcome = ask(server.image(), wire=wire_to(server), objects=[running, node("n1")])
    found = [one for one in outcome.one.findings if one.cause == "tag-drift"]
    assert [one.severity for one in found] == (["info"] if moved else [])
    if moved:
        assert now[:19] in found[0].summary and DIGEST[:19] in found[0].summary


# Granted scopes


@pytest.mark.parametrize(
    ("access", "tells"),
    [
        ([], True),
        ([{"type": "repository", "name": "team/app", "actions": []}], True),
        ([{"type": "repository", "name": "team/other", "actions": ["pull"]}], True),
        ([{"type": "repository", "name": "team/app", "actions": ["pull"]}], False),
        (None, False),
        ("pull", False),
    ],
)
def test_granted_scope_of_a_token(keep: Keep, access: object, tells: bool) -> None:
    """A token that does not open the repository: whether that is missing or hidden can't be told."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    token = f"{part({'alg': 'RS256'})}.{part({} if access is None else {'access': access})}.{part('s')}"
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer").on("/token", in_json({"token": token})))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.state, outcome.answer.cause, outcome.answer.proven) == (DENIED, "denied-or-missing", True)
    assert ("grants no pull of team/app" in outcome.answer.detail) == tells
    assert "an account that may pull it, or the owner of the repository, would tell" in outcome.text


@pytest.mark.parametrize("error", ["insufficient_scope", "invalid_token"])
def test_error_in_the_challenge(keep: Keep, error: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))

    def rule(seen: Seen) -> Answer:
        return Say(401, b"", [("WWW-Authenticate", f'{server.challenge("team/app")},error="{error}"')])

    server.on(".*/manifests/.*", rule)
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert (outcome.answer.code, outcome.answer.state) == (error, DENIED)
    assert len(server.at(".*/manifests/.*")) <= 3


def test_what_nobody_may_know(keep: Keep) -> None:
    """Without a credential, where tokens are used, hidden and missing look the same."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer", images=[]))
    code: Optional[str] = ask(server.image(), wire=wire_to(server)).answer.cause
    assert code in ("denied-or-missing", "no-credentials")
