"""Logins out of Docker configs, with credential helpers that are programs on PATH: good ones, and ones that misbehave."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

import pytest
from pullcore import dockerlogin
from pullcore.authkey import FALLBACK_KEY
from pullcore.dockerlogin import Login, default_config, login_from
from pullcore.errors import CommandError

HOST = "registry.example.com"
PASSWORD = "tiger-9-in-the-tank"
AUTH = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
Config = Callable[[Union[str, bytes, dict[str, Any]]], Path]
Helper = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    def write(content: Union[str, bytes, dict[str, Any]]) -> Path:
        path = tmp_path / "config.json"
        text = json.dumps(content) if isinstance(content, dict) else content
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "EXTRA": "passed on"}


@pytest.fixture
def helper(tmp_path: Path, environ: dict[str, str]) -> Helper:
    """A program docker-credential-NAME; it notes what it was called with, what it was asked for and its environment."""

    def write(name: str = "pass", script: str = "", *, username: str = "bob", secret: str = PASSWORD) -> Path:
        answer = json.dumps({"ServerURL": "any", "Username": username, "Secret": secret})
        path = tmp_path / "bin" / f"docker-credential-{name}"
        noted = tmp_path / f"noted-by-{name}"
        path.write_text(
            f'#!/bin/sh\nserver=$(cat)\n{{ echo "$# $*"; echo "$server"; echo "$EXTRA"; env; }} >"{noted}"\n'
            f"{script or f'cat <<END{chr(10)}{answer}{chr(10)}END'}\n"
        )
        path.chmod(0o755)
        return noted

    return write


def refused(path: Path, key: str, environ: dict[str, str]) -> str:
    with pytest.raises(CommandError) as caught:
        login_from(path, key, environ)
    assert PASSWORD not in str(caught.value)
    assert AUTH not in str(caught.value)
    assert caught.value.text.isprintable()
    return caught.value.text


# --- Entries of the file itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        {"username": "bob", "password": PASSWORD},
        {"auth": AUTH},
        {"auth": AUTH, "username": "", "password": ""},
        {"auth": AUTH, "username": "stale", "password": "stale"},
    ],
)
@pytest.mark.parametrize("spelling", [HOST, f"https://{HOST}", f"https://{HOST}/v1/", f"http://{HOST}/"])
def test_an_entry_in_the_spellings_of_docker(
    config: Config, environ: dict[str, str], entry: dict[str, str], spelling: str
) -> None:
    path = config({"auths": {"ghcr.io": {"auth": "eDp5"}, spelling: entry}})
    assert login_from(path, HOST, environ) == Login("bob", PASSWORD, str(path))


@pytest.mark.parametrize("spelling", ["https://index.docker.io/v1/", "index.docker.io", "docker.io"])
@pytest.mark.parametrize("key", [FALLBACK_KEY, "docker.io"])
def test_docker_hubs_entry(config: Config, environ: dict[str, str], spelling: str, key: str) -> None:
    assert login_from(config({"auths": {spelling: {"auth": AUTH}}}), key, environ).password == PASSWORD


@pytest.mark.parametrize(
    ("key", "stored"), [(f"{HOST}/team", HOST), (f"{HOST}:5000/team", f"{HOST}:5000"), ("docker.io/myorg", FALLBACK_KEY)]
)
def test_a_key_with_a_path_takes_the_login_of_its_registry(
    config: Config, environ: dict[str, str], key: str, stored: str
) -> None:
    """Docker knows registries only, no paths."""
    assert login_from(config({"auths": {stored: {"auth": AUTH}}}), key, environ).password == PASSWORD


def test_a_password_with_colons_and_letters_of_all_kinds(config: Config, environ: dict[str, str]) -> None:
    auth = base64.b64encode("b:pä:ss ż".encode()).decode()
    assert login_from(config({"auths": {HOST: {"auth": auth}}}), HOST, environ) == Login(
        "b", "pä:ss ż", str(config({"auths": {HOST: {"auth": auth}}}))
    )


def test_a_login_does_not_show_its_password(config: Config, environ: dict[str, str]) -> None:
    assert PASSWORD not in repr(login_from(config({"auths": {HOST: {"auth": AUTH}}}), HOST, environ))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"auth": AUTH, "identitytoken": "abc"}, "has an identity token for registry.example.com, which kubelets ignore"),
        ({"username": "00000000-0000-0000-0000-000000000000", "identitytoken": "abc"}, "has an identity token for"),
        ({}, "has no user or no password"),
        ({"username": "bob"}, "has no user or no password"),
        ({"auth": base64.b64encode(b"bob").decode()}, "has no user or no password"),
        ({"auth": base64.b64encode(b":pw").decode()}, "has no user or no password"),
        ({"auth": "no base64!"}, f"the entry for {HOST} in "),
        ({"auth": base64.b64encode(b"bob:\xff").decode()}, f"the entry for {HOST} in "),
        ({"auth": 5}, f"the entry for {HOST} in "),
        ("text", f"has no login for {HOST}: `docker login {HOST}` makes one"),
        (None, f"has no login for {HOST}: `docker login {HOST}` makes one"),
    ],
)
def test_entries_that_no_kubelet_could_use(config: Config, environ: dict[str, str], entry: object, text: str) -> None:
    assert text in refused(config({"auths": {HOST: entry}}), HOST, environ)


@pytest.mark.parametrize("content", [{}, {"auths": {}}, {"auths": None}, {"auths": {"ghcr.io": {"auth": AUTH}}}])
def test_no_login(config: Config, environ: dict[str, str], content: dict[str, Any]) -> None:
    assert f"has no login for {HOST}" in refused(config(content), HOST, environ)


# --- The file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "is no JSON"),
        ("not JSON", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no Docker config"),
        ("null", "is no Docker config"),
        ('{"auths": [1]}', "is no Docker config"),
        (b" " * (dockerlogin.LARGEST + 1), "is too large for a Docker config"),
    ],
    ids=["empty", "text", "bytes", "deep", "a list", "null", "auths are a list", "huge"],
)
def test_files_that_are_no_docker_config(config: Config, environ: dict[str, str], content: Any, text: str) -> None:
    assert refused(config(content), HOST, environ) == f"{config(content)} {text}"


def test_a_file_that_cannot_be_read(tmp_path: Path, environ: dict[str, str]) -> None:
    assert refused(tmp_path / "gone", HOST, environ) == f"{tmp_path / 'gone'} can't be read: no such file or directory"
    assert "can't be read: is a directory" in refused(tmp_path, HOST, environ)
    refused(tmp_path / "\x1b[31m", HOST, environ)


def test_where_the_file_is() -> None:
    assert default_config({"HOME": "/home/bob"}) == Path("/home/bob/.docker/config.json")
    assert default_config({"HOME": "/home/bob", "DOCKER_CONFIG": "/etc/d"}) == Path("/etc/d/config.json")
    assert default_config({"HOME": "/home/bob", "DOCKER_CONFIG": ""}) == Path("/home/bob/.docker/config.json")


# --- Helpers -------------------------------------------------------------------------------------------------------


def test_the_store_is_asked(config: Config, environ: dict[str, str], helper: Helper) -> None:
    noted = helper("desktop")
    path = config({"credsStore": "desktop", "auths": {HOST: {}}})
    assert login_from(path, HOST, environ) == Login("bob", PASSWORD, "docker-credential-desktop")
    argument, server, extra = noted.read_text().splitlines()[:3]
    assert (argument, server, extra) == ("1 get", HOST, "passed on")


def test_a_registrys_own_helper_is_asked_before_the_store(config: Config, environ: dict[str, str], helper: Helper) -> None:
    noted, other = helper("ecr-login", username="AWS"), helper("desktop")
    path = config({"credsStore": "desktop", "credHelpers": {HOST: "ecr-login", "ghcr.io": "nobody"}})
    assert login_from(path, f"https://{HOST}/v2/", environ).username == "AWS"
    assert noted.read_text().splitlines()[1] == HOST
    assert not other.exists()
    assert login_from(path, f"{HOST}:5000", environ).source == "docker-credential-desktop"
    assert other.read_text().splitlines()[1] == f"{HOST}:5000"


@pytest.mark.parametrize("field", ["credsStore", "https://index.docker.io/v1/", "index.docker.io", "docker.io"])
def test_docker_hub_is_asked_for_by_its_key(config: Config, environ: dict[str, str], helper: Helper, field: str) -> None:
    noted = helper("desktop")
    content: dict[str, Any] = {"credsStore": "desktop"} if field == "credsStore" else {"credHelpers": {field: "desktop"}}
    for key in (FALLBACK_KEY, "docker.io", "docker.io/myorg"):
        assert login_from(config(content), key, environ).password == PASSWORD
        assert noted.read_text().splitlines()[1] == FALLBACK_KEY


def test_a_helper_is_asked_for_the_registry_of_a_key_with_a_path(
    config: Config, environ: dict[str, str], helper: Helper
) -> None:
    noted = helper()
    login_from(config({"credHelpers": {f"{HOST}:5000": "pass"}}), f"{HOST}:5000/team", environ)
    assert noted.read_text().splitlines()[1] == f"{HOST}:5000"


def test_an_identity_token_is_refused(config: Config, environ: dict[str, str], helper: Helper) -> None:
    helper(username="<token>")
    text = refused(config({"credsStore": "pass"}), HOST, environ)
    assert text == f"docker-credential-pass gives an identity token for {HOST}, which kubelets ignore"


NOTHING = f"docker-credential-pass has no login for {HOST} (exit status {{}})"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", NOTHING.format(1)),
        (f"echo 'the password is {PASSWORD}' >&2; exit 3", NOTHING.format(3)),
        (f"echo 'the password is {PASSWORD}'; exit 1", NOTHING.format(1)),
        (f"""echo '{{"Username": "bob", "Secret": "{PASSWORD}"}}'; exit 1""", NOTHING.format(1)),
        (f"echo 'no JSON {PASSWORD}'", NOTHING.format(0)),
        (f"""echo '{{"Username": "bob", "Secret": ["{PASSWORD}"]}}'""", NOTHING.format(0)),
        ("""echo '{"Username": "bob"}'""", NOTHING.format(0)),
        ("""echo '{"Username": "", "Secret": "x"}'""", NOTHING.format(0)),
        ("echo '[]'", NOTHING.format(0)),
        ("printf '\\033[31m\\377'", NOTHING.format(0)),
        ("", NOTHING.format(0)),
        ("kill -9 $$", NOTHING.format(-9)),
        ("head -c 5000000 /dev/zero", NOTHING.format(0)),
    ],
)
def test_helpers_that_fail_show_nothing_of_what_they_printed(
    config: Config, environ: dict[str, str], helper: Helper, script: str, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    helper("pass", script or "true")
    assert refused(config({"credsStore": "pass"}), HOST, environ) == text
    assert capfd.readouterr() == ("", "")


def test_a_helper_may_talk_on_its_standard_error(
    config: Config, environ: dict[str, str], helper: Helper, capfd: pytest.CaptureFixture[str]
) -> None:
    helper("pass", f"""echo 'using {PASSWORD}' >&2; echo '{{"Username": "bob", "Secret": "{PASSWORD}"}}'""")
    assert login_from(config({"credsStore": "pass"}), HOST, environ).password == PASSWORD
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("script", ["exec sleep 5", "sleep 5 & wait", "yes"], ids=["itself", "by a child", "by talking"])
def test_a_helper_that_hangs_is_given_up(
    config: Config, environ: dict[str, str], helper: Helper, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(dockerlogin, "TIMEOUT", 0.3)
    helper("pass", script)
    began = time.monotonic()
    assert refused(config({"credsStore": "pass"}), HOST, environ) == "docker-credential-pass did not answer within 0.3s"
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("name", ["../evil", "/bin/sh", "a b", "x;y", "", "\x1b[31m", "x\ny"])
def test_a_helper_with_a_path_in_its_name_is_not_run(
    config: Config, environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    evil.chmod(0o755)
    text = refused(config({"credHelpers": {HOST: name}, "auths": {}}), HOST, environ)
    assert ("which is no name" in text) is bool(name)
    assert not (tmp_path / "was-run").exists()


def test_a_helper_that_is_not_there(config: Config, environ: dict[str, str], tmp_path: Path) -> None:
    text = "the Docker config wants docker-credential-gone, which is not on PATH"
    assert refused(config({"credsStore": "gone"}), HOST, environ) == text
    unusable = tmp_path / "bin" / "docker-credential-gone"
    unusable.write_text("#!/bin/sh\n")
    assert refused(config({"credsStore": "gone"}), HOST, environ) == text, "it can't be executed"
    unusable.write_bytes(b"\x7fELF no program")
    unusable.chmod(0o755)
    assert refused(config({"credsStore": "gone"}), HOST, environ).startswith("docker-credential-gone can't be run: ")


def test_a_helper_in_the_current_folder_is_not_run(
    config: Config, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "docker-credential-here"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    program.chmod(0o755)
    assert "which is not on PATH" in refused(config({"credsStore": "here"}), HOST, environ)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("helpers", [None, [], "text", {HOST: None}, {HOST: ""}])
def test_helpers_of_a_wrong_type_are_none(config: Config, environ: dict[str, str], helpers: object) -> None:
    assert login_from(config({"credHelpers": helpers, "auths": {HOST: {"auth": AUTH}}}), HOST, environ).username == "bob"
