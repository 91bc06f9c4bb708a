"""Which credential goes to a registry, how often, and to nobody else: no account is locked out by asking."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pullcheck.main import check
from pullcore.answers import ABSENT, DENIED, ERROR, PRESENT, REFUSED
from pullcore.evidence import from_document, to_json
from pullcore.inquiry import inquire
from pullcore.keyring import Credentials
from pullcore.store import FileStore

from tests.unit.builders import DIGEST, NOW, container, evidence, pod, secret

from .asking import PASSWORD, WRONG, ask, login, wire_to
from .hostile import Answer, Hostile, Say, Seen, StandIn, challenge, in_json, said

Keep = Callable[..., StandIn]
BASIC, BEARER = "basic", "bearer"
SCHEMES = pytest.mark.parametrize("scheme", [BASIC, BEARER])


def many(server: Hostile, count: int = 30) -> list[str]:
    """Images in several repositories, each with a scope of its own."""
    return [server.image(f"team/app{number % 10}:{number}") for number in range(count)]


def bare_heads(server: StandIn) -> int:
    """Requests for manifests that carry nothing."""
    return sum(not one.authorization for one in server.at(".*/manifests/.*"))


# Refused once, sent once


@SCHEMES
def test_wrong_password_is_sent_once(keep: Keep, scheme: str) -> None:
    """30 images asked side by side, two secrets with the same credential."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme, hold=0.02))
    outcome = ask(many(server), login(server, "one", WRONG), login(server, "two", WRONG), wire=wire_to(server))
    assert server.passwords == {f"bob:{WRONG}": 1}
    assert {(one.cause, one.state, one.result) for one in outcome.answers.answers} == {("bad-credentials", DENIED, REFUSED)}
    assert len(outcome.answers.answers) == 30
    assert bare_heads(server) == 30, "one for each image: where anybody may pull, a wrong credential does no harm"
    assert not [one for one in server.at(".*/manifests/.*") if one.authorization]
    assert outcome.report.verdict == "blocked"


@SCHEMES
def test_wrong_password_is_sent_once_where_the_base_is_open(keep: Keep, scheme: str) -> None:
    """Registries that ask for a password only with the first manifest: an open base proves no password."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme).on("/v2/", Say()))
    outcome = ask(many(server), login(server, password=WRONG), wire=wire_to(server))
    refused = [one for one in server.seen if one.pair and one.path != "/v2/"]
    assert len(refused) == 1, f"refused {len(refused)} times"
    assert {one.cause for one in outcome.answers.answers} == {"bad-credentials"}


def test_wrong_password_is_sent_once_to_a_token_service_that_wants_a_scope(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER))
    server.on("/token", lambda seen: server.token(seen) if seen.query.get("scope") else Say(400))
    ask(many(server), login(server, password=WRONG), wire=wire_to(server))
    assert sum(bool(one.pair and one.query.get("scope")) for one in server.seen) == 1


def test_wrong_password_is_sent_once_to_a_token_service_that_signs_anybody_in(keep: Keep) -> None:
    """A token for nothing proves nothing there: after the first 401 it is over."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER))
    server.on("/token", lambda seen: server.token(seen) if seen.query.get("scope") else in_json({"token": "nothing"}))
    ask(many(server), login(server, password=WRONG), wire=wire_to(server))
    assert sum(bool(one.pair and one.query.get("scope")) for one in server.seen) == 1


def test_wrong_password_is_sent_once_to_the_realm_of_two_registries(keep: Keep) -> None:
    service = keep(StandIn(users={"bob": PASSWORD}, hold=0.05))
    servers = [keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER, realm=f"{service.url}/token")) for _ in range(2)]
    secrets = [login(server, f"for-{server.port}", WRONG) for server in servers]
    outcome = ask([image for one in servers for image in many(one, 10)], *secrets, wire=wire_to(service, *servers))
    assert service.passwords == {f"bob:{WRONG}": 1}
    assert {one.cause for one in outcome.answers.answers} == {"bad-credentials"}


@SCHEMES
def test_each_registry_decides_for_itself(keep: Keep, scheme: str) -> None:
    """What one refuses may be right for another."""
    strict = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme))
    other = keep(StandIn(users={"bob": WRONG}, scheme=scheme))
    secrets = [login(strict, "one", WRONG), login(other, "two", WRONG)]
    outcome = ask([strict.image(), other.image()], *secrets, wire=wire_to(strict, other))
    states = {one.image: one.state for one in outcome.answers.answers}
    assert states == {strict.image(): DENIED, other.image(): PRESENT}


@SCHEMES
def test_password_is_not_refused_by_a_failing_server(keep: Keep, scheme: str) -> None:
    """A 500 is no answer to the question whether it is right; and it is not asked again and again."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme))
    failing = "/token" if scheme == BEARER else "/v2/.*"
    server.on(failing, lambda seen: Say(500) if seen.pair else server.well_behaved(seen))
    outcome = ask(many(server), login(server), wire=wire_to(server))
    assert {(one.cause, one.result) for one in outcome.answers.answers} == {("registry-error", ERROR)}
    assert sum(server.passwords.values()) <= 12
    assert outcome.report.verdict == "unknown"


@SCHEMES
def test_right_password_where_the_base_is_open(keep: Keep, scheme: str) -> None:
    """Side by side, the first one learns of the challenge while others are on their way without an answer to it."""
    images = [f"team/app{number % 10}:{number}" for number in range(30)]
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme, images=images, hold=0.01).on("/v2/", Say()))
    outcome = ask(many(server), login(server), wire=wire_to(server))
    assert {(one.state, one.cause) for one in outcome.answers.answers} == {(PRESENT, "")}
    assert outcome.reach.signs_in == scheme


# Proof


@SCHEMES
def test_others_wait_while_a_credential_is_proven(keep: Keep, scheme: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme, images=[f"team/app{n % 10}:{n}" for n in range(30)]))
    proving = threading.Event()
    early: list[Seen] = []
    path = "/token" if scheme == BEARER else "/v2/"

    def rule(seen: Seen) -> Answer:
        first = bool(seen.pair) and not proving.is_set()
        if first:
            proving.set()
            server.closing.wait(0.25)
            early.extend(one for one in server.seen if one.authorization and one is not seen)
        return server.well_behaved(seen)

    server.on(path, rule)
    outcome = ask(many(server), login(server), wire=wire_to(server))
    assert proving.is_set() and early == []
    assert {(one.state, one.proven) for one in outcome.answers.answers} == {(PRESENT, True)}
    proofs = [one for one in server.at(path) if one.pair and not one.query.get("scope")]
    assert len(proofs) == 1


def test_one_token_for_each_scope(keep: Keep) -> None:
    """Whatever uses it: 30 tags of 3 repositories, their codes and their lists of tags."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER, images=[f"team/app{n}:x" for n in range(3)], hold=0.01))
    images = [server.image(f"team/app{number % 3}:{number}") for number in range(30)]
    outcome = ask(images, login(server), wire=wire_to(server))
    asked = [tuple(one.query.get("scope", [])) for one in server.at("/token")]
    scopes = [(f"repository:team/app{n}:pull",) for n in range(3)]
    assert sorted(asked) == sorted([(), *scopes]), "one to sign in, one for each repository"
    assert {one.state for one in outcome.answers.answers} == {ABSENT}


def test_token_for_nobody_is_asked_for_once(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER, public=["team/app"], images=["team/app:1"]))
    outcome = ask([server.image(f"team/app:{n}") for n in range(1, 9)], wire=wire_to(server))
    assert len(server.at("/token")) == 1 and not server.passwords
    assert sorted({one.state for one in outcome.answers.answers}) == [ABSENT, PRESENT]


def test_the_scope_is_never_more_than_to_pull(keep: Keep) -> None:
    """Whatever a registry asks for besides: of repositories only this one, and only to pull."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER))
    scope = "repository:team/app:pull,push repository:other/x:pull x:y:z"
    greedy = challenge(f'Bearer realm="{server.realm}",service="s",scope="{scope}"')

    def rule(seen: Seen) -> Answer:
        asked = [one for one in server.at(".*/manifests/.*") if one.authorization]
        return server.well_behaved(seen) if len(asked) > 1 else greedy

    server.on(".*/manifests/.*", rule)
    assert ask(server.image(), login(server), wire=wire_to(server)).answer.state == PRESENT
    scopes = {scope for one in server.at("/token") for asked in one.query.get("scope", []) for scope in asked.split()}
    assert {one for one in scopes if one.startswith("repository:")} == {"repository:team/app:pull"}


WORDS = ("token", "team", "http", "127.0.0.1", "manifests", "pull", "sha256", "Bearer", "stand-in", "next")


@pytest.mark.parametrize("word", WORDS)
def test_password_that_is_a_word_of_addresses(keep: Keep, word: str) -> None:
    """What is cut out of what is shown is not cut out of what is asked."""
    server = keep(StandIn(users={"bob": word}, scheme=BEARER, images=["team/app:2.0"]))

    def page(seen: Seen) -> Answer:
        link = [] if "last" in seen.query else [("Link", f'<{server.url}/v2/team/app/tags/list?last=x>; rel="next"')]
        return in_json({"tags": ["1.0.1"] if "last" in seen.query else ["x"]}, headers=link)

    server.on(".*/tags/.*", lambda seen: page(seen) if seen.authorization else server.well_behaved(seen))
    server.on(".*/manifests/3.0", Say(307, headers=[("Location", f"{server.url}/http/team/token")]))
    server.on("/http/team/token", Say(200, headers=[("Content-Type", "application/x"), ("Docker-Content-Digest", DIGEST)]))
    images = [server.image(f"team/app:{tag}") for tag in ("1.0", "2.0", "3.0")]
    outcome = ask(images, login(server, password=word), wire=wire_to(server), shows_words=True)
    assert [one.state for one in outcome.answers.answers] == [ABSENT, PRESENT, PRESENT]
    assert [bool(one.digest) for one in outcome.answers.answers] == [False, True, True]
    assert outcome.answers.tags[0].nearest == ("1.0.1",)


# Order


def test_attempts_in_the_order_of_the_kubelet(keep: Keep) -> None:
    server = keep(StandIn(users={"carol": PASSWORD, "dave": PASSWORD}))
    secrets = [
        login(server, "first", WRONG, "bob"),
        login(server, "second", PASSWORD, "carol"),
        login(server, "third", PASSWORD, "dave"),
    ]
    outcome = ask(server.image(), *secrets, wire=wire_to(server))
    assert list(server.passwords) == [f"bob:{WRONG}", f"carol:{PASSWORD}"], "up to the one that gets it"
    assert outcome.one.view and outcome.one.view.by and outcome.one.view.by.secret == "second"
    assert [answer.cause for _, answer in outcome.one.view.attempts] == ["bad-credentials", ""]
    assert outcome.report.verdict == "pullable"


def test_more_specific_keys_come_first(keep: Keep) -> None:
    server = keep(StandIn(users={"carol": PASSWORD}))
    secrets = [login(server, "host", WRONG, "bob"), login(server.image("team"), "path", PASSWORD, "carol")]
    ask(server.image(), *secrets, wire=wire_to(server))
    assert list(server.passwords) == [f"carol:{PASSWORD}"]


@pytest.mark.parametrize("status", [401, 403, 404])
@SCHEMES
def test_nobody_is_not_tried_where_a_credential_is_offered(keep: Keep, scheme: str, status: int) -> None:
    """As the kubelet: a good credential without the right to pull is the last word."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme))
    refusal = said(status, "DENIED", "no")
    server.on(".*/manifests/.*", lambda seen: refusal if seen.authorization else server.well_behaved(seen))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.answer.credential == "credential 1" and outcome.answer.state != PRESENT
    assert bare_heads(server) <= (1 if status == 401 else 0)
    assert all(one.pair for one in server.at("/token")), "no token for nobody"


@SCHEMES
def test_nobody_is_tried_where_nothing_is_offered(keep: Keep, scheme: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, scheme=scheme))
    outcome = ask(server.image(), login("other.example.com"), wire=wire_to(server))
    assert (outcome.answer.credential, outcome.answer.state) == (None, DENIED)
    assert not server.passwords and outcome.report.verdict == "blocked"


# To whom


def test_credentials_go_to_the_registry_of_their_key_only(keep: Keep) -> None:
    servers = [keep(StandIn(users={"bob": f"{PASSWORD}-{number}"})) for number in range(3)]
    secrets = [login(one, f"s{number}", f"{PASSWORD}-{number}") for number, one in enumerate(servers)]
    outcome = ask([one.image() for one in servers], *secrets, wire=wire_to(*servers))
    for number, server in enumerate(servers):
        assert set(server.passwords) == {f"bob:{PASSWORD}-{number}"}
    assert {one.state for one in outcome.answers.answers} == {PRESENT}


@pytest.mark.parametrize("key", ["https://{}/v2", "{}/team/other", "x.{}", "other.example.com"])
def test_credential_whose_key_does_not_match_is_not_sent(keep: Keep, key: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    ask(server.image(), login(key.format(server.netloc)), wire=wire_to(server))
    assert server.seen and not server.passwords


@pytest.mark.parametrize("where", ["open", "challenges at its base"])
def test_wrong_credential_where_anybody_may_pull(keep: Keep, where: str) -> None:
    """It is not asked for, so the kubelet's runtime does not send it; and it does no harm."""
    server = keep(StandIn())
    if where != "open":
        server.on("/v2/", lambda seen: challenge('Basic realm="x"'))
    outcome = ask(server.image(), login(server, password=WRONG), wire=wire_to(server))
    assert (outcome.answer.state, outcome.report.verdict) == (PRESENT, "pullable")
    assert server.passwords == ({} if where == "open" else {f"bob:{WRONG}": 1})


def test_policy_never_and_malformed_secrets_ask_nothing(keep: Keep) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    vault = Credentials()
    never = pod("p1", container(image=server.image(), policy="Never"), secrets=["good"])
    broken = pod("p2", container(image=server.image()), secrets=["good", "bad"])
    facts = [secret("good", server.netloc, vault=vault, password=PASSWORD), secret("bad", vault=vault, config="{")]
    seen = inquire(evidence(never, broken, secrets=facts), vault, wire_to(server))
    assert seen.registries and not seen.registries.answers
    assert not server.seen


def test_name_of_docker_hub_leads_to_its_api(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images without a registry, and with the key that `docker login` writes."""
    hub = keep(StandIn(users={"bob": PASSWORD}, scheme=BEARER, images=["library/nginx:1.27", "team/app:1.0"]))
    monkeypatch.setattr("pullcore.registry.HUB", hub.netloc)
    outcome = ask(["nginx:1.27", "docker.io/team/app:1.0"], login("https://index.docker.io/v1/"), wire=wire_to(hub))
    assert {one.state for one in outcome.answers.answers} == {PRESENT}
    assert outcome.reach.registry == "docker.io" and hub.netloc in outcome.reach.url
    assert set(hub.passwords) == {f"bob:{PASSWORD}"}
    assert outcome.report.verdict == "pullable"


# Expiry


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.{part('signature')}"


def ecr(**content: object) -> str:
    return base64.b64encode(json.dumps({"payload": "x" * 60, "type": "DATA_KEY", **content}).encode()).decode()


PAST, FUTURE = int(NOW.timestamp()) - 3600, int(NOW.timestamp()) + 3600


@pytest.mark.parametrize(
    ("password", "cause"),
    [
        (jwt(exp=PAST), "expired-credentials"),
        (jwt(exp=FUTURE), "bad-credentials"),
        (ecr(expiration=PAST), "expired-credentials"),
        (ecr(expiration=FUTURE), "bad-credentials"),
    ],
)
def test_password_that_is_a_token_whose_time_is_over(keep: Keep, password: str, cause: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    outcome = ask(server.image(), login(server, password=password, username="AWS"), wire=wire_to(server))
    first = outcome.one.findings[0]
    assert (first.cause, outcome.report.verdict) == (cause, "blocked")
    if cause == "expired-credentials":
        assert "2026-03-01T11:00:00Z" in first.summary and "2026-03-01T11:00:00Z" in outcome.text


@pytest.mark.parametrize("words", ["Your authorization token has expired. Reauthenticate and try again.", "token expired"])
def test_registry_that_says_so(keep: Keep, words: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on("/v2/.*", lambda seen: said(403, "DENIED", words) if seen.pair else challenge('Basic realm="x"'))
    outcome = ask(server.image(), login(server), wire=wire_to(server))
    assert outcome.one.findings[0].cause == "expired-credentials"


# Saved


def test_label_of_a_saved_file_sends_no_other_credential(keep: Keep) -> None:
    """What a file calls "credential 1" is not what is at hand under that label."""
    server = keep(StandIn(users={"bob": PASSWORD}))
    saved = ask(server.image(), login(server), wire=wire_to(server)).evidence
    document = json.loads(to_json(saved))
    assert "credential 1" in to_json(saved)
    vault = Credentials()
    mine = secret("mine", "private.example.com", vault=vault, password="my-own-password")
    assert mine.entries[0].label == "credential 1"
    before = len(server.seen)
    store = FileStore([], "default", vault)
    store.add_evidence(from_document(document))
    facts = store.secret("default", "regcred")
    assert facts
    asked = evidence(pod("p", container(image=server.image()), secrets=["regcred"]), secrets=[facts, mine])
    answers = inquire(asked, vault, wire_to(server)).registries
    assert not [one for one in server.seen[before:] if one.authorization]
    assert answers and answers.answers == ()


def test_whole_command_with_a_forged_file(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence that says "credential 1" is for a registry of the forger, beside a real secret for another."""
    forger, private = keep(StandIn(users={"x": "y"})), keep(StandIn(users={"bob": PASSWORD}))
    forged = ask(forger.image(), login(forger), wire=wire_to(forger)).evidence
    saved, mine = tmp_path / "saved.json", tmp_path / "mine.json"
    saved.write_text(to_json(forged))
    own = pod("own", container(image=private.image()), secrets=["own"])
    mine.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [own, login(private, "own")]}))
    monkeypatch.setattr("pullcheck.main.connect", lambda *_: None)
    before = len(forger.seen)
    out, err = io.StringIO(), io.StringIO()
    hosts = [f"--plain-http={one.netloc}" for one in (forger, private)]
    check(["-f", str(saved), "-f", str(mine), "-n", "default", "-o", "json", *hosts], sys.stdin, out, err)
    assert not [one for one in forger.seen[before:] if one.authorization]
    assert private.passwords
    verdicts = {one["image"]: one["verdict"] for one in json.loads(out.getvalue())["pulls"]}
    assert verdicts[private.image()] == "pullable"
