"""The whole of kubectl pullcheck on files, asking registries, without a cluster behind it."""

from __future__ import annotations

import base64
import io
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Optional

import pytest
from pullcheck.main import check
from pullcore import command

from tests.unit.builders import Object, account, container, pod

from .asking import PASSWORD, login
from .certificates import Authority
from .conftest import Resolve
from .hostile import Hostile, Say, StandIn, Tunnel, said

Keep = Callable[..., StandIn]
BASIC = base64.b64encode(f"bob:{PASSWORD}".encode()).decode().rstrip("=")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def pull(self) -> Object:
        (found,) = json.loads(self.out)["pulls"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """The plugin in this process on a file of objects, without a cluster; looks for credentials in what it prints."""
    monkeypatch.setattr("pullcheck.main.connect", lambda *_: None)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def run(objects: list[Object], *arguments: str) -> Result:
        file = tmp_path / "objects.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        out, err = io.StringIO(), io.StringIO()
        given = ["-f", str(file), *arguments]
        code = command.run(lambda: check(given, sys.stdin, out, err), "pullcheck", out, err)
        result = Result(code, out.getvalue(), err.getvalue())
        for text in (result.out, result.err):
            assert PASSWORD not in text and BASIC not in text
            assert all(line.isprintable() for line in text.split("\n"))
        return result

    return run


def asking(server: Hostile, name: str = "team/app:1.0") -> list[Object]:
    return [pod("p", container(image=server.image(name)), secrets=["regcred"], live=False), login(server)]


Run = Callable[..., Result]


def test_plain_http_by_option(keep: Keep, run: Run) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    result = run(asking(server), "-o", "json", f"--plain-http={server.netloc}")
    assert result.code == 0
    assert (result.pull["verdict"], result.pull["registry"]["manifest"]) == ("pullable", "present")
    assert result.pull["registry"]["attempts"] == [
        {"secret": "regcred", "result": "accepted", "status": 200, "code": None, "detail": None}
    ]
    assert result.pull["registry"]["seenFrom"] == "this machine"


def test_missing_tag_blocks(keep: Keep, run: Run) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, images=["team/app:1.0.1"]))
    result = run(asking(server), f"--plain-http={server.netloc}")
    assert result.code == 1
    assert "did you mean 1.0.1?" in result.out and "image-not-found" in result.out


def test_authority_by_option(keep: Keep, run: Run, authority: Authority) -> None:
    server = keep(StandIn(tls=authority.signs(), users={"bob": PASSWORD}))
    unknown = run(asking(server), "-o", "json")
    assert (unknown.code, unknown.pull["registry"]["reachable"]) == (2, False)
    assert not server.seen
    result = run(asking(server), "-o", "json", "--registry-ca", str(authority.ca.certificate_file))
    assert (result.code, result.pull["registry"]["certificate"]["issuer"]) == (0, "Test Authority")


NO_AUTHORITY = [("", "holds no certificate"), ("nothing", "holds no certificate"), (None, "no such file")]


@pytest.mark.parametrize(("content", "words"), NO_AUTHORITY)
def test_authority_that_is_none(run: Run, tmp_path: Path, content: Optional[str], words: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    result = run([], "--registry-ca", str(file))
    assert (result.code, result.out) == (2, "") and words in result.err


def test_unverified_by_option_is_said_loudly(keep: Keep, run: Run, authority: Authority) -> None:
    server = keep(StandIn(tls=authority.signs("elsewhere.test"), users={"bob": PASSWORD}))
    result = run(asking(server), f"--insecure-skip-registry-verify={server.netloc}")
    assert result.code == 0
    assert result.err.startswith(f"Warning: the certificate of {server.netloc} is not verified")
    assert "certificate not verified" in result.out


@pytest.mark.parametrize("option", ["--no-registry", "--offline"])
def test_registry_left_out(keep: Keep, run: Run, option: str) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    result = run(asking(server), option, f"--plain-http={server.netloc}")
    assert not server.seen
    assert (result.code, f"not asked: {option}" in result.out) == (0, True)


def test_request_timeout_by_option(keep: Keep, run: Run) -> None:
    server = keep(StandIn())
    server.on("/v2/.*", lambda _: server.silence())
    result = run(asking(server), f"--plain-http={server.netloc}", "--request-timeout=1")
    assert result.code == 2 and "within 1s" in result.out


def test_proxy_of_the_environment(
    keep: Keep, run: Run, authority: Authority, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve({"registry.test": socket.gaierror(socket.EAI_NONAME, "none")})
    server, proxy = keep(StandIn(tls=authority.signs("registry.test"), users={"bob": PASSWORD})), keep(Tunnel())
    monkeypatch.setenv("HTTPS_PROXY", proxy.netloc)
    image = f"registry.test:{server.port}/team/app:1.0"
    objects = [pod("p", container(image=image), secrets=["regcred"], live=False), login(f"registry.test:{server.port}")]
    result = run(objects, "-o", "json", "--registry-ca", str(authority.ca.certificate_file))
    assert (result.code, result.pull["registry"]["proxy"]) == (0, proxy.netloc)
    monkeypatch.setenv("NO_PROXY", ".test")
    result = run(objects, "-o", "json", "--registry-ca", str(authority.ca.certificate_file))
    assert (result.code, result.pull["registry"]["reachable"]) == (2, False)


def test_saved_answers_give_the_same_report(keep: Keep, run: Run, tmp_path: Path) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}, images=["team/app:1.0.1"], scheme="bearer"))
    saved = tmp_path / "saved.json"
    first = run(asking(server), "-o", "json", f"--plain-http={server.netloc}", f"--save={saved}")
    text = saved.read_text()
    assert PASSWORD not in text and BASIC not in text and "token-" not in text
    asked = len(server.seen)
    out, err = io.StringIO(), io.StringIO()
    assert check(["-f", str(saved), "-o", "json"], sys.stdin, out, err) == first.code == 1
    assert json.loads(out.getvalue()) == json.loads(first.out)
    assert len(server.seen) == asked, "what was saved is explained, nothing is asked again"


def test_log_of_requests_holds_no_credential(keep: Keep, run: Run) -> None:
    """-v 6: one line for each request; `run` looks for the password."""
    server = keep(StandIn(users={"bob": PASSWORD}, scheme="bearer"))
    result = run(asking(server), f"--plain-http={server.netloc}", "-v", "6")
    assert result.err.count(server.url) == len(server.seen) == 4
    assert not any(word in result.err for word in ("account=", "token-", "Basic", "Bearer"))
    assert "HEAD" in result.err and " 200 " in result.err


def test_log_of_requests_shows_nothing_raw(keep: Keep, run: Run) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    server.on("/v2/.+", lambda seen: Say(302, reason="\x1b[31m", headers=[("Location", "/v2/x%1b?y")]))
    assert "302" in run(asking(server), f"--plain-http={server.netloc}", "-v", "9").err


def test_log_of_requests_does_not_repeat_what_a_registry_repeats(keep: Keep, run: Run) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    for answer in (Say(302, reason=f"No {PASSWORD}"), Say(302, headers=[("Location", f"/v2/{PASSWORD}")])):
        server.on("/v2/.+", answer)
        run(asking(server), f"--plain-http={server.netloc}", "-v", "9")


def test_image_that_is_only_asked_about(keep: Keep, run: Run) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    objects = [account(), login(server)]
    image = f"--image={server.image()}"
    without = run(objects, image, "-o", "json", f"--plain-http={server.netloc}")
    assert (without.code, without.pull["findings"][0]["cause"]) == (1, "no-credentials")
    assert not server.passwords
    result = run(objects, image, "--secret=regcred", "-o", "json", f"--plain-http={server.netloc}")
    assert (result.code, result.pull["verdict"]) == (0, "pullable")


def test_secret_that_might_be_used(keep: Keep, run: Run) -> None:
    server = keep(StandIn(users={"bob": PASSWORD}))
    objects = [pod("p", container(image=server.image()), live=False), account(), login(server)]
    assert run(objects, f"--plain-http={server.netloc}").code == 1
    assert run(objects, "--with-secret=regcred", f"--plain-http={server.netloc}").code == 0


def test_several_registries_in_one_report(keep: Keep, run: Run) -> None:
    """The worst verdict is the exit status; each Pull has its own."""
    good, bad = keep(StandIn()), keep(StandIn().on("/v2/.+", said(404, "NAME_UNKNOWN", "no")))
    objects = [
        pod("one", container(image=good.image()), live=False),
        pod("two", container(image=bad.image()), live=False),
        pod("three", container(image="127.0.0.1:1/x:1"), live=False),
    ]
    result = run(objects, "-o", "json", f"--plain-http={good.netloc}", f"--plain-http={bad.netloc}")
    verdicts = {one["image"]: one["verdict"] for one in json.loads(result.out)["pulls"]}
    assert verdicts == {good.image(): "pullable", bad.image(): "blocked", "127.0.0.1:1/x:1": "unknown"}
    assert result.code == 1
