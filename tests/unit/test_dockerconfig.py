"""What is read from a pull secret. See test_keyring for how tests/data/keyring_oracle.json was made."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pullcore.dockerconfig import DOCKERCFG, DOCKERCONFIGJSON, Credentials, Entry, SecretFacts, read_secret

DATA = Path(__file__).parent.parent / "data"
ORACLE: list[dict[str, Any]] = json.loads((DATA / "keyring_oracle.json").read_text(encoding="utf-8"))["contents"]
DATA_KEYS = {DOCKERCONFIGJSON: ".dockerconfigjson", DOCKERCFG: ".dockercfg"}


def base64_of(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def read(content: bytes | str, kind: str = DOCKERCONFIGJSON, vault: Credentials | None = None) -> SecretFacts:
    secret = {
        "metadata": {"namespace": "default", "name": "secret1"},
        "type": kind,
        "data": {DATA_KEYS[kind]: base64_of(content)},
    }
    return read_secret(secret, vault or Credentials())


def entry_of(fields: dict[str, Any], vault: Credentials | None = None) -> Entry:
    (entry,) = read(json.dumps({"auths": {"reg.io": fields}}), vault=vault).entries
    return entry


def problem_of(auth: str) -> str:
    facts = read(json.dumps({"auths": {"reg.io": {"auth": auth}}}))
    assert facts.problem is not None
    return facts.problem


@pytest.mark.parametrize("case", ORACLE, ids=[str(number) for number in range(len(ORACLE))])
def test_the_kubelet_reads_the_same(case: dict[str, Any]) -> None:
    content = base64.b64decode(case["base64"]) if "base64" in case else case["text"]
    vault = Credentials()
    facts = read(content, case["type"], vault)
    assert facts.malformed == case.get("error")
    assert (facts.problem is None) == (facts.malformed is None)
    if "error" not in case:
        pairs = [
            vault.pair(entry.label) if entry.label else ("", "") for entry in facts.entries if entry.normalised == "reg.io"
        ]
        encoded = [[user, base64_of(password.encode("utf-8", "surrogateescape"))] for user, password in pairs]
        assert encoded == case["attempts"]


@pytest.mark.parametrize(
    ("secret", "kind", "text"),
    [
        ({"type": "Opaque", "data": {".dockerconfigjson": "e30="}}, "type", '"Opaque"'),
        ({"data": {".dockerconfigjson": "e30="}}, "type", '"Opaque"'),
        ({"type": "kubernetes.io/DockerConfigJson"}, "type", "reads only"),
        ({"type": DOCKERCONFIGJSON, "data": {"config.json": "e30="}}, "data-key", 'but only "config.json"'),
        ({"type": DOCKERCONFIGJSON, "data": {".dockercfg": "e30="}}, "data-key", "no .dockerconfigjson"),
        ({"type": DOCKERCFG, "data": {".dockerconfigjson": "e30="}}, "data-key", "no .dockercfg"),
        ({"type": DOCKERCONFIGJSON}, "data-key", "no data at all"),
        ({"type": DOCKERCONFIGJSON, "data": None}, "data-key", "no data at all"),
        ({"type": DOCKERCONFIGJSON, "data": {".dockerconfigjson": ""}}, "empty", "is empty"),
        ({"type": DOCKERCONFIGJSON, "data": {".dockerconfigjson": None}}, "empty", "is empty"),
        ({"type": DOCKERCONFIGJSON, "stringData": {".dockerconfigjson": "{}"}}, "no-entries", 'no "auths"'),
        (
            {"type": DOCKERCONFIGJSON, "stringData": {".dockerconfigjson": '{"reg.io": {"auth": "YTpi"}}'}},
            "no-entries",
            '"reg.io" belongs under it',
        ),
        ({"type": DOCKERCONFIGJSON, "stringData": {".dockerconfigjson": '{"auths": {}}'}}, "no-entries", "no entries"),
        (
            {"type": DOCKERCONFIGJSON, "stringData": {".dockerconfigjson": '{"credHelpers": {"gcr.io": "gcloud"}}'}},
            "no-entries",
            "credHelpers, which the kubelet does not read",
        ),
        ({"type": DOCKERCFG, "stringData": {".dockercfg": "{}"}}, "no-entries", "no entries"),
        ({"type": DOCKERCFG, "stringData": {".dockercfg": '{"auths": {"r": {}}}'}}, "no-entries", "is a config.json"),
    ],
)
def test_ignored_as_a_whole(secret: dict[str, Any], kind: str, text: str) -> None:
    facts = read_secret(secret, Credentials())
    assert facts.ignored is not None
    assert text in facts.ignored
    assert (facts.ignored_kind, facts.malformed) == (kind, None)


def test_string_data_wins() -> None:
    secret = {
        "type": DOCKERCONFIGJSON,
        "data": {".dockerconfigjson": "!"},
        "stringData": {".dockerconfigjson": '{"auths": {"reg.io": {"username": "bob", "password": "pw"}}}'},
    }
    assert [entry.key for entry in read_secret(secret, Credentials()).entries] == ["reg.io"]


@pytest.mark.parametrize(
    ("value", "error", "problem"),
    [
        ("!", "illegal base64 data at input byte 0", "is no base64"),
        ('{"auths": {}}', "illegal base64 data at input byte 0", "belongs in stringData"),
        (["x"], "json: cannot unmarshal into Go value of type []uint8", "no base64 text"),
    ],
)
def test_data_that_is_no_base64(value: Any, error: str, problem: str) -> None:
    facts = read_secret({"type": DOCKERCONFIGJSON, "data": {".dockerconfigjson": value}}, Credentials())
    assert facts.malformed == error
    assert facts.problem is not None
    assert problem in facts.problem


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        ("bob:pw", "as plain text"),
        ("Ym9i OnB3", "a blank"),
        ("_-_-", "the alphabet for URLs"),
        ("Ym9iOnB3=", "= in the wrong place"),
        ("Ym9iO", "cut off"),
        ("Ym9i$nB3", "a character in it that base64 does not have"),
        ("Ym9i", "it has no colon"),
    ],
)
def test_a_wrong_auth_is_explained_and_its_entry_named(auth: str, problem: str) -> None:
    assert problem in problem_of(auth)
    assert problem_of(auth).startswith('entry "reg.io": "auth" ')
    assert auth not in problem_of(auth)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'\xef\xbb\xbf{"auths": {}}', "byte order mark"),
        ('{"auths": {}}'.encode("utf-16"), "UTF-16"),
        (base64.b64encode(b'{"auths": {}}'), "base64 twice"),
        (b'{"auths": {}} x', "after top-level value"),
        (b'{"auths": {"reg.io": {"password": 123}}}', 'entry "reg.io": "password" must be a string'),
        (b'{"auths": ["reg.io"]}', '"auths" is no object, but array'),
        (b'{"HttpHeaders": {"a": 1}}', "HttpHeaders"),
    ],
)
def test_wrong_content_is_explained(content: bytes, problem: str) -> None:
    facts = read(content)
    assert facts.problem is not None
    assert problem in facts.problem


def test_entries() -> None:
    vault = Credentials()
    assert entry_of({"username": "bob", "password": "pw"}, vault) == Entry(
        "reg.io", "reg.io", None, "bob", "credential 1", False
    )
    assert entry_of({"auth": base64_of("bob:pw")}, vault).label == "credential 1"
    assert entry_of({"auth": base64_of("bob:p:w")}, vault).label == "credential 2"
    assert vault.pair("credential 2") == ("bob", "p:w")
    assert entry_of({"auth": base64_of("bob:pw"), "username": "eve", "password": "x"}, vault).username == "bob"


def test_entries_without_a_password() -> None:
    nothing = entry_of({})
    assert (nothing.empty, nothing.label, nothing.username) == (True, None, None)
    azure = entry_of({"auth": base64_of("00000000-0000-0000-0000-000000000000:"), "identitytoken": "T0KEN"})
    assert (azure.empty, azure.label, azure.ignored_fields) == (True, "credential 1", ("identitytoken",))
    facts = read('{"auths": {"reg.io": {}, "x.io": {"auth": "YTpi"}}, "credsStore": "desktop"}')
    assert facts.ignored_fields == ("credsStore",)
    assert [entry.ignored_fields for entry in facts.entries] == [("credsStore",), ()]


def test_a_key_that_is_no_url_is_kept_with_gos_error() -> None:
    (entry,) = read('{"auths": {"reg.io:*": {}}}').entries
    assert (entry.normalised, entry.skipped) == (None, 'parse "https://reg.io:*": invalid port ":*" after host')


def test_bytes_that_are_no_text_survive_in_the_vault() -> None:
    vault = Credentials()
    entry = entry_of({"auth": base64_of(b"b\xff:\xfe")}, vault)
    assert entry.username == "b\ufffd"
    assert entry.label is not None
    assert vault.pair(entry.label)[1].encode("utf-8", "surrogateescape") == b"\xfe"


def test_facts_go_through_json() -> None:
    facts = read('{"auths": {"reg.io": {"auth": "YTpi"}, "x y": {}}}')
    value = json.loads(json.dumps(asdict(facts)))
    assert value["entries"][0]["label"] == "credential 1"
    assert value["entries"][1]["normalised"] is None


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"auths": {"reg.io": {"username": "bob", "password": SECRET}}}),
        json.dumps({"auths": {"reg.io": {"auth": base64_of(f"bob:{SECRET}")}}}),
        json.dumps({"auths": {"reg.io": {"auth": f"bob:{SECRET}"}}}),
        json.dumps({"auths": {"reg.io": {"auth": base64_of(SECRET)}}}),
        json.dumps({"auths": {"reg.io": {"auth": SECRET}}}),
        json.dumps({"auths": {"reg.io": SECRET}}),
        json.dumps({"auths": SECRET}),
        json.dumps({"auths": {"reg.io": {"identitytoken": SECRET, "registrytoken": SECRET}}}),
        json.dumps({"auths": {f"https://bob:{SECRET}@reg.io": {}}}),
        json.dumps({"auths": {f"https://bob:{SECRET}/@reg.io": {"auth": "!"}}}),
        json.dumps({"auths": {"reg.io": {"password": SECRET}}})[:-4],
        '{"auths": {"reg.io": {"password": ' + SECRET + "}}}",
        SECRET,
    ],
)
def test_no_credential_leaves(content: str) -> None:
    vault = Credentials()
    facts = read(content, vault=vault)
    for shown in (repr(facts), repr(vault), json.dumps(asdict(facts))):
        assert SECRET not in shown
        assert base64_of(f"bob:{SECRET}") not in shown


def test_the_vault_is_not_saved() -> None:
    vault = Credentials()
    vault.label("bob", SECRET)
    with pytest.raises(TypeError):
        pickle.dumps(vault)
    with pytest.raises(TypeError):
        copy.copy(vault)
    with pytest.raises(KeyError):
        vault.pair("credential 2")


def test_deep_nesting_is_no_crash() -> None:
    deep = b'{"a":' * 9_999 + b"1" + b"}" * 9_999
    assert read(deep).ignored_kind == "no-entries"
    assert read(b"[" * 10_001 + b"]" * 10_001).malformed == "invalid character '[' exceeded max depth"


@pytest.mark.parametrize("secret", [{}, {"metadata": 5, "type": 7, "data": "x"}, {"type": DOCKERCFG, "data": []}])
def test_anything_is_read(secret: dict[str, Any]) -> None:
    assert read_secret(secret, Credentials()).ignored is not None
