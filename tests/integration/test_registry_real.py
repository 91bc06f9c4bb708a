"""Asking real registries (Debian's docker-registry): password file, tokens, a private authority, open to everybody.

What can't be had from a real one is in the other test_registry files, from a hostile server.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pullcore.answers import ABSENT, DENIED, PRESENT
from pullcore.wire import Wire

from tests.e2e.cluster import registries
from tests.e2e.cluster.model import Registry
from tests.unit.builders import Object, container, node, pod

from .asking import WRONG, Outcome, ask, login, wire_to
from .real_registry import Real, lines_with, needs, running


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, few_authorities: Callable[[pytest.MonkeyPatch], None]) -> Iterator[Real]:
    with pytest.MonkeyPatch.context() as patch, running(tmp_path_factory.mktemp("registries")) as found:
        few_authorities(patch)
        yield found


def wire(real: Real) -> Wire:
    """As with --plain-http for those without TLS, and --registry-ca for the other."""
    plain = [one.address for one in real.registries.values() if one.scheme == "http"]
    realm = real["token"].realm.split("/")[2]
    return wire_to(*plain, realm, authority=Path(real["tls"].ca_file).read_text())


def key(registry: Registry, name: str = "regcred", user: str = "", password: str = "") -> Object:
    user = user or registry.user
    return login(registry.address, name, password or registry.users[user], user)


def settle(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.answer.state, outcome.answer.cause, outcome.report.verdict


# What is there


@pytest.mark.parametrize("name", ["open", "htpasswd", "tls", "token"])
def test_manifest_that_is_there(real: Real, name: str) -> None:
    registry = real[name]
    secrets = [key(registry)] if registry.user else []
    for reference, digest in real.digests.items():
        outcome = ask(registry.image(reference), *secrets, wire=wire(real))
        assert settle(outcome) == (PRESENT, "", "pullable")
        assert outcome.answer.digest == digest
        assert outcome.answer.is_index == (reference == "team/multi:1.0")
    assert outcome.reach.signs_in == {"open": "none", "tls": "none", "htpasswd": "basic", "token": "bearer"}[name]


def test_by_digest(real: Real) -> None:
    registry, digest = real["open"], real.digests["team/app:2.0"]
    assert settle(ask(registry.image(f"team/app@{digest}"), wire=wire(real))) == (PRESENT, "", "pullable")
    other = registry.image(f"team/app@sha256:{'0' * 64}")
    assert settle(ask(other, wire=wire(real))) == (ABSENT, "image-not-found", "blocked")


@pytest.mark.parametrize("name", ["open", "htpasswd"])
def test_skopeo_sees_the_same(real: Real, name: str, tmp_path: Path) -> None:
    """An independent witness: what we call present and absent, with the same credentials. It is another process, so it asks
    at 127.0.0.1, and not the registry whose token service it would look for by name."""
    needs("skopeo")
    registry = real[name]
    address = f"127.0.0.1:{registry.port}"
    secrets = [key(registry)] if registry.user else []
    creds = ["--no-creds"]
    if registry.user:
        entry = login(address, password=registry.password, username=registry.user)
        (tmp_path / "auth.json").write_bytes(base64.b64decode(entry["data"][".dockerconfigjson"]))
        creds = ["--authfile", str(tmp_path / "auth.json")]
    for reference, present in (("team/app:1.0.1", True), ("team/app:9.9", False), ("team/none:1", False)):
        argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", *creds, f"docker://{address}/{reference}"]
        done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
        answer = ask(registry.image(reference), *secrets, wire=wire(real)).answer
        assert (done.returncode == 0) == (answer.state == PRESENT) == present, done.stderr
        if present:
            assert answer.digest == f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"
        else:
            assert b"manifest unknown" in done.stderr and answer.code == "MANIFEST_UNKNOWN"


# What is not there


@pytest.mark.parametrize("name", ["open", "htpasswd", "token"])
def test_tag_that_is_missing(real: Real, name: str) -> None:
    registry = real[name]
    secrets = [key(registry)] if registry.user else []
    outcome = ask(registry.image("team/app:1.0"), *secrets, wire=wire(real))
    assert settle(outcome) == (ABSENT, "image-not-found", "blocked")
    (tags,) = outcome.answers.tags
    assert (tags.exists, tags.nearest[0], tags.total, tags.complete) == (True, "1.0.1", 2, True)
    assert "did you mean 1.0.1" in outcome.text


@pytest.mark.parametrize("name", ["open", "htpasswd", "token"])
def test_repository_that_is_missing(real: Real, name: str) -> None:
    registry = real[name]
    secrets = [key(registry)] if registry.user else []
    outcome = ask([registry.image("team/wep:1.0"), registry.image("team/web:1.0")], *secrets, wire=wire(real))
    missing = next(one for one in outcome.report.pulls if one.pull.image.endswith("team/wep:1.0"))
    assert (missing.verdict, missing.findings[0].cause) == ("blocked", "repository-not-found")
    assert "did you mean team/web?" in missing.findings[0].summary


# Who may


def test_no_credential(real: Real) -> None:
    assert settle(ask(real["htpasswd"].image("team/app:2.0"), wire=wire(real))) == (DENIED, "no-credentials", "blocked")
    state, cause, verdict = settle(ask(real["token"].image("team/app:2.0"), wire=wire(real)))
    assert (state, verdict) == (DENIED, "blocked") and cause in ("denied-or-missing", "no-credentials")


@pytest.mark.parametrize("name", ["htpasswd", "token"])
def test_wrong_password(real: Real, name: str) -> None:
    registry = real[name]
    outcome = ask(registry.image("team/app:2.0"), key(registry, password=WRONG), wire=wire(real))
    assert settle(outcome) == (DENIED, "bad-credentials", "blocked")


def test_wrong_password_is_tried_once(real: Real) -> None:
    """The registry's own log is the witness: 30 images, one failed sign-in."""
    registry = real["htpasswd"]
    before = len(lines_with(real.log("htpasswd"), ["error authenticating user"]))
    images = [registry.image(f"team/many:{number}") for number in range(30)]
    outcome = ask(images, key(registry, password=WRONG), key(registry, "again", password=WRONG), wire=wire(real))
    assert {one.cause for one in outcome.answers.answers} == {"bad-credentials"}
    assert len(lines_with(real.log("htpasswd"), ["error authenticating user"])) == before + 1


def test_second_secret_gets_it(real: Real) -> None:
    registry = real["htpasswd"]
    secrets = [key(registry, "old", password=WRONG), key(registry, "new")]
    outcome = ask(registry.image("team/app:2.0"), *secrets, wire=wire(real))
    assert outcome.report.verdict == "pullable"
    assert outcome.one.view and outcome.one.view.by and outcome.one.view.by.secret == "new"


@pytest.mark.parametrize(
    ("user", "image", "state"),
    [
        ("puller", "team/app:2.0", PRESENT),
        ("teamonly", "team/app:2.0", PRESENT),
        ("teamonly", "public/app:1.0", PRESENT),
        ("teamonly", "owner/secret:1.0", DENIED),
        ("", "public/app:1.0", PRESENT),
        ("", "public/app:9.9", ABSENT),
    ],
)
def test_rights_by_token(real: Real, user: str, image: str, state: str) -> None:
    registry = real["token"]
    outcome = ask(registry.image(image), *([key(registry, user=user)] if user else []), wire=wire(real))
    assert outcome.answer.state == state
    if state == DENIED:
        assert outcome.answer.cause == "denied-or-missing" and outcome.answer.proven
        assert "grants no pull of owner/secret" in outcome.answer.detail


def test_token_service_is_named(real: Real) -> None:
    registry = real["token"]
    outcome = ask(registry.image("team/app:2.0"), key(registry), wire=wire(real))
    assert outcome.reach.token_service == registry.realm.split("/")[2]
    assert f"token service {outcome.reach.token_service}" in outcome.text


def test_wrong_credential_where_anybody_may_pull(real: Real) -> None:
    registry = real["open"]
    outcome = ask(registry.image("team/app:2.0"), login(registry.address, password=WRONG), wire=wire(real))
    assert settle(outcome) == (PRESENT, "", "pullable")


def test_wrong_credential_for_a_public_repository_of_a_token_registry(real: Real) -> None:
    """There it does harm, as with the kubelet: the token service is asked with it, and refuses."""
    registry = real["token"]
    wrong = key(registry, user="puller", password=WRONG)
    assert settle(ask(registry.image("public/app:1.0"), wrong, wire=wire(real))) == (DENIED, "bad-credentials", "blocked")


# The way there


def test_private_authority(real: Real) -> None:
    registry = real["tls"]
    outcome = ask(registry.image("team/app:2.0"), wire=wire(real))
    assert outcome.reach.verified and outcome.reach.certificate
    assert outcome.reach.certificate.names == (registry.host,)
    assert f"pullkit registry CA {real.processes.id}" == outcome.reach.certificate.issuer
    unknown = ask(registry.image("team/app:2.0"), wire=wire_to())
    assert (unknown.reach.cause, unknown.report.verdict) == ("tls-untrusted", "unknown")
    assert outcome.reach.certificate.issuer in unknown.reach.detail
    other = ask(f"127.0.0.1:{registry.port}/team/app:2.0", wire=wire_to(authority=Path(registry.ca_file).read_text()))
    assert other.reach.cause == "tls-other" and f"but for {registry.host}" in other.reach.detail


def test_plain_http_spoken_to_tls(real: Real) -> None:
    registry = real["tls"]
    outcome = ask(registry.image("team/app:2.0"), wire=wire_to(registry.address))
    assert (outcome.reach.cause, outcome.report.verdict) == ("http-https-mismatch", "unknown")
    assert "speaks TLS, and was asked without" in outcome.reach.detail


def test_tls_spoken_to_plain_http(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine it is asked in plain HTTP all the same, and that proves nothing; elsewhere it is not."""
    registry = real["htpasswd"]
    outcome = ask(registry.image("team/app:2.0"), key(registry), wire=wire_to())
    assert (outcome.reach.vouched, outcome.answer.state) == (False, PRESENT)
    assert "http-https-mismatch" in outcome.causes() and outcome.report.verdict == "unknown"
    monkeypatch.setattr("pullcore.wire._is_loopback", lambda address: False)
    outcome = ask(registry.image("team/app:2.0"), key(registry), wire=wire_to())
    assert outcome.reach.cause == "http-https-mismatch" and "speaks plain HTTP" in outcome.reach.detail


def test_registry_that_is_down(real: Real) -> None:
    registry = real["open"]
    real.processes.stop("registry-open")
    try:
        outcome = ask(registry.image("team/app:2.0"), wire=wire(real))
        assert (outcome.reach.cause, outcome.report.verdict) == ("connection", "unknown")
    finally:
        folder = real.processes.folder / "registries" / "open"
        argv = ["docker-registry", "serve", str(folder / "config.yml")]
        real.processes.start("registry-open", argv, folder)
        real.processes.wait("the registry", lambda: registries.listens(registry.port))


# Platforms


def test_platforms(real: Real) -> None:
    """Of a list by the list, of a single manifest by its config."""
    registry = real["token"]
    nodes = [node("n1"), node("n2", platform="arm64")]
    free = pod("free", container(image=registry.image("team/multi:1.0")), node=None, secrets=["regcred"])
    images = [registry.image(one) for one in ("team/multi:1.0", "team/arm:1.0", "team/app:2.0")]
    outcome = ask(images, key(registry), wire=wire(real), objects=[*nodes, free])
    contents = {one.image.rpartition("/")[2]: (one.platforms, one.index) for one in outcome.answers.contents}
    assert contents == {
        "multi:1.0": (("linux/arm64", "linux/s390x"), True),
        "arm:1.0": (("linux/arm64",), False),
        "app:2.0": (("linux/amd64",), False),
    }
