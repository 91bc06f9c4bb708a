"""kubectl pullsecret verify, against stand-ins."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from tests.unit.builders import Object

from .hostile import closed_port, said
from .pullsecret_kit import (
    KEY,
    WRONG,
    Kit,
    Result,
    auth,
    columns,
    deployment,
    entry,
    failing,
    running,
    secret,
    service_account,
    token,
)


def rows(found: Result) -> dict[tuple[str, str], list[str]]:
    """What verify says, by the secret's name and the key: user, used for, result, reason."""
    first, *rest = columns(found.out)
    assert first == ["NAME", "KEY", "USER", "USED-FOR", "RESULT", "REASON"]
    return {(row[0], row[1]): row[2:] for row in rest}


def test_verify_tries_every_entry_with_what_needs_it(kit: Kit) -> None:
    kit.put(
        secret("good", {kit.host: entry()}), secret("bad", {kit.host: entry("bob", WRONG)}),
        failing(kit.image, "a", secrets=["good"]), running("b", kit.registry.image("team/app:2.0"), secrets=["good"]),
    )  # fmt: skip
    found = kit.run("verify")
    assert found.code == 1, "one fails"
    shown = rows(found)
    assert shown["good", kit.host] == ["bob", f"{kit.image} and 1 more", "ok", f"{kit.host} accepts it"]
    assert shown["bad", kit.host][:3] == ["bob", "<none>", "FAILS"]
    assert shown["bad", kit.host][3].startswith(f"{kit.host} refuses it: 401")
    assert kit.cluster.writes == []


def test_verify_is_content_where_nothing_is_wrong(kit: Kit) -> None:
    kit.put(secret("good", {kit.host: entry()}))
    assert kit.run("verify").code == 0
    assert kit.run("verify", "good").code == 0
    assert kit.run("verify", "secret/good").code == 0


def test_verify_sends_each_password_once(kit: Kit) -> None:
    """A wrong one counts towards an account's lock-out."""
    kit.put(*(secret(name, {kit.host: entry("bob", WRONG)}) for name in "abc"), failing(kit.image, secrets=list("abc")))
    assert kit.run("verify").code == 1
    assert kit.registry.passwords == {f"bob:{WRONG}": 1}


BROKEN: dict[str, tuple[Object, str]] = {
    "Opaque": ({"type": "Opaque"}, 'its type is "Opaque"'),
    "no such data": ({"data": {"config.json": "e30="}}, "it has no .dockerconfigjson"),
    "no JSON": ({"data": {KEY: base64.b64encode(b"{").decode()}}, "cannot be read: its .dockerconfigjson is no valid JSON"),
    "no base64 in auth": (
        {"data": {KEY: base64.b64encode(b'{"auths": {"r.io": {"auth": "!"}}}').decode()}},
        'cannot be read: entry "r.io": "auth" is no base64',
    ),
    "empty": ({}, "of no use to the kubelet: its .dockerconfigjson has no entries"),
    "a token only": (
        {"data": {KEY: base64.b64encode(b'{"auths": {"r.io": {"identitytoken": "x"}}}').decode()}},
        "it has no user or no password: it has identitytoken, which kubelets ignore",
    ),
    "a helper only": (
        {"data": {KEY: base64.b64encode(b'{"auths": {"r.io": {}}, "credsStore": "desktop"}').decode()}},
        "it has no user or no password: it has credsStore, which kubelets ignore",
    ),
    "no user": ({"data": {KEY: base64.b64encode(b'{"auths": {"r.io": {"password": "x"}}}').decode()}}, "it has no user"),
    "a key that is skipped": (
        {"data": {KEY: base64.b64encode(json.dumps({"auths": {"r.io ": {"auth": auth()}}}).encode()).decode()}},
        "the key is skipped: ",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_verify_says_what_the_kubelet_stumbles_over(kit: Kit, case: str) -> None:
    fields, text = BROKEN[case]
    # A real server lets no such content in any more; older ones did, and other types go unchecked.
    kit.cluster.put(secret("regcred", {}, **fields))
    found = kit.run("verify", "regcred")
    assert found.code == 1
    (row,) = rows(found).values()
    assert (row[2], text in row[3]) == ("FAILS", True), row
    assert kit.registry.seen == []


@pytest.mark.parametrize("path", ["/v2", "/v1", "//"])
def test_verify_finds_a_key_that_never_matches_though_its_password_is_good(kit: Kit, path: str) -> None:
    """What the FAQ tells people to write: `docker-server` "something like some.registry.com/v2"."""
    kit.put(secret("regcred", {f"https://{kit.host}{path}": entry()}), failing(kit.image, secrets=["regcred"]))
    found = kit.run("verify")
    assert found.code == 1
    (row,) = rows(found).values()
    assert (row[2], "never matches" in row[3]) == ("FAILS", True), row


def test_verify_and_a_registry_that_cannot_be_reached(kit: Kit) -> None:
    host = f"127.0.0.1:{closed_port()}"
    kit.put(secret("regcred", {host: entry()}))
    found = kit.run("verify")
    assert found.code == 0, "nobody knows that it fails"
    assert rows(found)["regcred", host][2] == "unknown"
    assert "could not be asked from this machine" in rows(found)["regcred", host][3]
    assert kit.run("verify", "-o", "json").json["entries"][0]["works"] is None


def test_verify_and_an_image_that_is_not_given(kit: Kit) -> None:
    kit.registry.on("/v2/.*/manifests/.*", said(403, "DENIED", "bob may not"))
    kit.put(secret("regcred", {kit.host: entry()}), failing(kit.image, secrets=["regcred"]))
    found = kit.run("verify")
    assert found.code == 1
    assert rows(found)["regcred", kit.host][3].startswith(f"{kit.host} does not give {kit.image} to it: 403")


def test_verify_tells_of_a_token_that_has_expired(kit: Kit) -> None:
    ended = token(1_700_000_000)
    kit.put(secret("regcred", {kit.host: entry("bob", ended)}))
    found = kit.run("verify")
    assert found.code == 1
    assert rows(found)["regcred", kit.host][3].startswith("the token expired at 2023-11-14T22:13:20Z; ")
    assert ended not in found.both


def test_verify_reads_the_old_type_too(kit: Kit) -> None:
    content = base64.b64encode(json.dumps({kit.host: entry()}).encode()).decode()
    kit.put(secret("old", type="kubernetes.io/dockercfg", data={".dockercfg": content}))
    found = kit.run("verify")
    assert (found.code, rows(found)["old", kit.host][2]) == (0, "ok")


def test_verify_as_a_document(kit: Kit) -> None:
    ended = token(1_700_000_000)
    kit.put(secret("a", {f"https://{kit.host}/v1/": entry()}), secret("b", {kit.host: entry("bob", ended)}),
            failing(kit.image, secrets=["a"]))  # fmt: skip
    found = kit.run("verify", "-o", "json")
    assert found.code == 1
    assert (found.json["apiVersion"], found.json["kind"]) == ("pullsecret/v1", "SecretReport")
    first, second = found.json["entries"]
    assert first == {
        "namespace": "ns", "secret": "a", "key": f"https://{kit.host}/v1/", "keptAs": kit.host, "username": "bob",
        "expires": None, "images": [kit.image], "works": True, "reason": f"{kit.host} accepts it",
    }  # fmt: skip
    assert (second["works"], second["expires"]) == (False, "2023-11-14T22:13:20Z")
    assert yaml.safe_load(kit.run("verify", "-o", "yaml").out) == found.json


def test_verify_by_name(kit: Kit) -> None:
    kit.put(secret("a", {kit.host: entry()}), secret("b", {kit.host: entry("bob", WRONG)}))
    found = kit.run("verify", "a", "a")
    assert (found.code, list(rows(found))) == (0, [("a", kit.host)])
    found = kit.run("verify", "a", "gone")
    assert (found.code, found.out) == (1, "")
    assert 'error: secrets "gone" not found in namespace ns' in found.err


def test_verify_where_there_is_nothing(kit: Kit) -> None:
    found = kit.run("verify")
    assert (found.code, found.out, found.err) == (0, "", "No pull secrets found in ns namespace.\n")


def test_verify_without_the_headers(kit: Kit) -> None:
    kit.put(secret("a", {kit.host: entry()}))
    assert kit.run("verify", "--no-headers").out.startswith("a   ")


def test_verify_says_what_could_not_be_looked_at(kit: Kit) -> None:
    kit.put(secret("a", {kit.host: entry()}))
    kit.cluster.denied = {("list", "pods", "*")}
    found = kit.run("verify")
    assert found.code == 0
    assert "Not checked: pods in ns: " in found.err
    kit.cluster.denied = {("list", "secrets", "*")}
    found = kit.run("verify")
    assert (found.code, found.out) == (1, "")
    assert "Error from server (Forbidden): secrets is forbidden" in found.err


def test_verify_counts_what_pods_of_a_service_account_would_get(kit: Kit) -> None:
    kit.put(secret("a", {kit.host: entry()}), service_account("default", "a"), deployment("web", kit.image))
    assert rows(kit.run("verify"))["a", kit.host][1] == kit.image
