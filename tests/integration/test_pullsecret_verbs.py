"""kubectl pullsecret verify, list, explain, copy, rotate and remove, against stand-ins."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from pullcore.authkey import FALLBACK, is_docker_hubs

from tests.unit.builders import Object

from .certificates import Authority
from .hostile import closed_port, said
from .pullsecret_kit import (
    KEY,
    NEW,
    OTHERS,
    PASSWORD,
    WRONG,
    Kit,
    Result,
    auth,
    columns,
    deployment,
    domain,
    entry,
    failing,
    names,
    owned,
    running,
    secret,
    service_account,
    token,
)
from .standin import Answer, Asked, status

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "keyring_vectors.json").read_text(encoding="utf-8"))


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Iterator[Kit]:
    made = Kit(tmp_path, monkeypatch, authority)
    yield made
    made.close()


def other() -> Object:
    return entry("alice", OTHERS)


def namespace(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def copy_in(place: str, entries: Object, source: str = "ns/regcred", **fields: Any) -> Object:
    """A secret that is marked as a copy, as `copy` makes them."""
    mark = {"labels": {"kubectl-pullsecret/copy": "true"}, "annotations": {"kubectl-pullsecret/copy-of": source}}
    return secret("regcred", entries, namespace=place, metadata=mark, **fields)


# --- verify --------------------------------------------------------------------------------------------------------


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


# --- list ----------------------------------------------------------------------------------------------------------


def test_list(kit: Kit) -> None:
    web = deployment("web", secrets=["used"])
    kit.put(
        secret("used", {kit.host: entry(), "https://ghcr.io": other()}),
        secret("unused", {"r.io": entry("bob", token(2**32))}),
        secret("ended", {"r.io": entry("bob", token(1_700_000_000))}), secret("opaque", type="Opaque"),
        secret("broken", data={KEY: "AAAA"}), secret("far", {"r.io": entry()}, namespace="far"),
        service_account("builder", "used"), web, owned(deployment("web-5d", kind="ReplicaSet", secrets=["used"]), web),
        domain(secrets=["used"]), running("pod-1", secrets=["used"]),
    )  # fmt: skip
    found = kit.run("list")
    assert found.code == 0
    shown = columns(found.out)
    assert shown[0] == ["NAME", "REGISTRIES", "USERS", "USED-BY", "EXPIRES", "AGE"]
    assert [row[0] for row in shown[1:]] == ["broken", "ended", "unused", "used"]
    broken, ended, unused, used = shown[1:]
    assert broken[1] == "<cannot be read>"
    assert used[1:3] == [f"{kit.host},https://ghcr.io", "bob,alice"]
    assert used[3].startswith("serviceaccount/builder, domain/domain1, deployment/web")
    assert used[3].endswith("and 1 more")
    assert (unused[3], used[4]) == ("<none>", "<none>")
    assert ended[4].startswith("expired ")
    assert unused[4].startswith("in ")
    assert kit.registry.seen == [], "nothing is asked of registries"


def test_list_in_all_namespaces(kit: Kit) -> None:
    kit.put(secret("a", {"r.io": entry()}), secret("b", {"r.io": entry()}, namespace="far"))
    found = kit.run("list", "-A")
    assert [row[:2] for row in columns(found.out)] == [["NAMESPACE", "NAME"], ["far", "b"], ["ns", "a"]]
    assert [row[0] for row in columns(kit.run("list", "-n", "far").out)] == ["NAME", "b"]


def test_list_in_other_forms(kit: Kit) -> None:
    kit.put(secret("a", {kit.host: entry("bob", token(1_700_000_000))}), service_account("builder", "a"))
    assert kit.run("list", "-o", "name").out == "secret/a\n"
    assert kit.run("list", "--no-headers").out.startswith("a   ")
    found = kit.run("list", "-o", "json")
    (shown,) = found.json["secrets"]
    assert (found.json["apiVersion"], found.json["kind"]) == ("pullsecret/v1", "SecretList")
    assert shown["entries"] == [{"key": kit.host, "username": "bob", "expires": "2023-11-14T22:13:20Z"}]
    assert (shown["usedBy"], shown["namespace"], shown["problem"]) == (["serviceaccount/builder"], "ns", None)
    assert yaml.safe_load(kit.run("list", "-o", "yaml").out) == found.json


def test_list_where_there_is_nothing(kit: Kit) -> None:
    found = kit.run("list")
    assert (found.code, found.out, found.err) == (0, "", "No pull secrets found in ns namespace.\n")
    assert kit.run("list", "-A").err == "No pull secrets found in any namespace.\n"


def test_what_secrets_call_themselves_is_shown_harmlessly(kit: Kit) -> None:
    kit.put(secret("a", {"\x1b[31mr.io\u202e": entry("b\x07ob"), f"https://bob:{PASSWORD}@r.io": entry()}))
    for verb in ("list", "verify"):
        assert kit.run(verb).out.count("\n") >= 2


# --- explain -------------------------------------------------------------------------------------------------------

CASES = [
    (case["image"], key, normalised, case["tried_in_order"] or [])
    for case in VECTORS
    if "error" not in case
    for key, normalised in zip(case["keys"], case["normalized_keys"])
]


def test_explain_says_what_the_kubelet_does(kit: Kit) -> None:
    for image, key, normalised, tried in CASES:
        # Docker Hub's own entry is passed over only where another key in the same look-up matches.
        hidden = bool(normalised == FALLBACK and tried and is_docker_hubs(image))
        offered = key in tried or hidden
        found = kit.run("explain", f"--key={key}", f"--image={image}")
        assert (found.code, found.err) == (0 if offered else 1, ""), (key, image)
        assert found.out.splitlines()[-1 if offered else 4].startswith("offered: " if offered else "not offered: ")
        kept = "nothing: the entry is skipped" if normalised.startswith("<ignored") else normalised
        assert f"  kept as    {kept}\n" in found.out
    assert (kit.cluster.asked, kit.registry.seen) == ([], []), "nothing is asked of anybody"


def test_explain_says_what_would_match(kit: Kit) -> None:
    found = kit.run("explain", "--key", "https://r.io/v2", "--image", "r.io/team/app:1.0")
    assert found.out.splitlines() == [
        "key          https://r.io/v2",
        "  kept as    r.io/v2",
        "image        r.io/team/app:1.0",
        "  looked up  r.io/team/app",
        "not offered: the key never matches: path /v2 without its final slash",
        "would match: r.io",
    ]
    assert kit.run("explain", "--key", "r.io", "--image", "r.io/team/app:1.0").code == 0


@pytest.mark.parametrize("case", [case for case in VECTORS if "error" in case], ids=lambda case: case["image"])
def test_explain_and_an_image_that_is_none(kit: Kit, case: Object) -> None:
    found = kit.run("explain", f"--key={case['keys'][0]}", f"--image={case['image']}")
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("error: the image name is not valid: ")


def test_explain_as_a_document(kit: Kit) -> None:
    found = kit.run("explain", "--key", f"https://bob:{PASSWORD}@r.io/v2", "--image", "r.io/app", "-o", "json")
    assert found.json == {
        "apiVersion": "pullsecret/v1", "kind": "KeyReport",
        "key": "https://***@r.io/v2", "normalised": "r.io/v2", "image": "r.io/app", "lookedUp": "r.io/app",
        "offered": False, "reason": "never matches: path /v2 without its final slash", "better": "r.io",
    }  # fmt: skip
    shown = kit.run("explain", "--key", "r.io", "--image", "r.io/app", "-o", "yaml")
    assert (shown.code, yaml.safe_load(shown.out)["offered"]) == (0, True)


def test_explain_shows_nothing_raw(kit: Kit) -> None:
    for key in ("\x1b[31m", "a\nb", "\u202er.io", "", " ", "x" * 100_000):
        for output in ([], ["-o", "json"]):
            assert kit.run("explain", f"--key={key}", "--image", "r.io/app", *output).code == 1


# --- copy ----------------------------------------------------------------------------------------------------------


def test_copy_makes_a_marked_copy(kit: Kit) -> None:
    source = secret("regcred", {kit.host: entry()}, metadata={"labels": {"app": "x"}, "annotations": {"y": "z"}})
    kit.put(source, namespace("far"), namespace("near"))
    found = kit.run("copy", "regcred", "--to-namespace=far", "--to-namespace=near")
    assert found.code == 0
    assert found.out == "secret/regcred created in namespace far\nsecret/regcred created in namespace near\n"
    made = kit.cluster.get("Secret", "regcred", "far")
    assert (made["data"], made["type"]) == (source["data"], source["type"])
    assert made["metadata"]["labels"] == {"kubectl-pullsecret/copy": "true"}
    assert made["metadata"]["annotations"] == {"kubectl-pullsecret/copy-of": "ns/regcred"}


def test_copy_again_says_unchanged_and_later_updated(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("bob", WRONG)}), namespace("far"))
    kit.run("copy", "regcred", "--to-namespace=far")
    kit.cluster.get("Secret", "regcred", "far")["metadata"]["labels"]["theirs"] = "stays"
    del kit.cluster.asked[:]
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, found.out) == (0, "secret/regcred unchanged\n")
    assert kit.cluster.writes == []
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, found.out) == (0, "secret/regcred updated in namespace far\n")
    assert kit.cluster.entries("regcred", "far") == {kit.host: entry()}
    assert kit.cluster.get("Secret", "regcred", "far")["metadata"]["labels"]["theirs"] == "stays"


NO_COPY: dict[str, tuple[Object, str]] = {
    "foreign": (secret("regcred", {"r.io": other()}, namespace="far"), "a secret regcred is there, and is no copy"),
    "of another source": (copy_in("far", {}, "elsewhere/regcred"), "is no copy of this one"),
    "immutable": (copy_in("far", {}, immutable=True), "the copy is immutable"),
    "of another type": (copy_in("far", {}, type="Opaque"), "the copy is of type Opaque, which can't be changed"),
    "no such namespace": (namespace("other"), 'namespaces "far" not found'),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_COPY)
def test_copy_refuses_one_namespace_and_goes_on_with_the_others(kit: Kit, case: str) -> None:
    value, text = NO_COPY[case]
    kit.put(secret("regcred", {kit.host: entry()}), value, namespace("near"))
    before = kit.cluster.snapshot().get(("Secret", "far", "regcred"))
    found = kit.run("copy", "regcred", "--to-namespace=far", "--to-namespace=near")
    assert (found.code, found.out) == (1, "secret/regcred created in namespace near\n")
    assert "Not copied to far: " in found.err
    assert text in found.err
    assert found.err.splitlines()[-1] == "error: not copied to 1 of 2 namespaces: far"
    assert kit.cluster.snapshot().get(("Secret", "far", "regcred")) == before


def test_copy_to_all_namespaces_but_some(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), namespace("a"), namespace("kube-system"), namespace("b"),
            namespace("going", deletionTimestamp="2026-03-01T12:00:00Z"))  # fmt: skip
    line = ("copy", "regcred", "--all-namespaces", "--except", "kube-system")
    found = kit.run(*line)
    assert (found.code, kit.cluster.writes) == (1, []), "so many need a yes"
    found = kit.run(*line, "-y")
    assert (found.code, found.out.count("created in namespace")) == (0, 2)
    assert {name[1] for name in kit.cluster.objects if name[0] == "Secret"} == {"ns", "a", "b"}


def test_copy_to_where_it_is_says_so(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("copy", "regcred", "--to-namespace=ns")
    assert kit.cluster.writes == []
    assert found.both != ""


def test_copy_of_what_is_no_pull_secret(kit: Kit) -> None:
    kit.put(secret("regcred", type="Opaque"), namespace("far"))
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "secret/regcred is of type Opaque: it is no pull secret" in found.err
    found = kit.run("copy", "gone", "--to-namespace=far")
    assert 'secrets "gone" not found in namespace ns' in found.err


def test_copy_retries_where_somebody_else_writes(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), copy_in("far", {}))
    done: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "PUT" and not done:
            done.append(asked)
            kit.put(copy_in("far", {"r.io": other()}))
        return None

    kit.cluster.before = before
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, found.out) == (0, "secret/regcred updated in namespace far\n")
    assert kit.cluster.entries("regcred", "far") == {kit.host: entry()}


def test_copy_check_tells_drift_and_changes_nothing(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), copy_in("a", {kit.host: entry()}), copy_in("b", {kit.host: other()}),
            secret("regcred", {kit.host: entry()}, namespace="c"), namespace("d"))  # fmt: skip
    found = kit.run("copy", "regcred", "--check")
    assert found.code == 1
    assert columns(found.out) == [["NAMESPACE", "NAME", "COPY"], ["a", "regcred", "same"], ["b", "regcred", "differs"]]
    found = kit.run("copy", "regcred", "--check", *(f"--to-namespace={one}" for one in "abcd"))
    assert [row[2] for row in columns(found.out)[1:]] == ["same", "differs", "no copy", "missing"]
    assert kit.cluster.writes == []
    assert kit.run("copy", "regcred", "--check", "--to-namespace=a").code == 0
    found = kit.run("copy", "regcred", "--check", "--all-namespaces", "--except=d", "--except=c", "--except=b")
    assert (found.code, [row[0] for row in columns(found.out)[1:]]) == (0, ["a"])


def test_copy_check_without_copies(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("copy", "regcred", "--check")
    assert (found.code, found.out, found.err) == (0, "", "No copies of secret/regcred found.\n")


# --- rotate --------------------------------------------------------------------------------------------------------


def rotate(kit: Kit, *more: str, password: str = NEW, username: str = "carol") -> Result:
    given = ["--docker-username", username] if username else []
    return kit.run("rotate", "regcred", *given, "--docker-password-stdin", *more, stdin=password)


def test_rotate_writes_the_proven_password_into_every_copy_in_one_update(kit: Kit) -> None:
    entries = {kit.host: {**entry("carol", WRONG), "email": "c@x"}, "ghcr.io": other()}
    kit.put(secret("regcred", entries), copy_in("a", entries), copy_in("b", entries), service_account("builder", "regcred"))
    found = rotate(kit, "--docker-server", kit.host)
    assert found.code == 0
    assert found.out.splitlines() == [f"secret/regcred updated in namespace {one}" for one in ("ns", "a", "b")]
    assert f"Note: proven: {kit.host} accepts it" in found.err
    assert "kubelets read the new password at their next pull by themselves: nothing has to be restarted" in found.err
    for place in ("ns", "a", "b"):
        assert kit.cluster.entries("regcred", place) == {
            kit.host: {**entry("carol", NEW), "email": "c@x"},
            "ghcr.io": other(),
        }
    assert [one.method for one in kit.cluster.writes] == ["PUT"] * 3
    assert kit.registry.passwords == {f"carol:{NEW}": 1}


def test_rotate_lists_every_consumer_before(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    many = [deployment(f"web-{number}", secrets=["regcred"]) for number in range(12)]
    kit.put(secret("regcred", entries), *many, service_account("builder", "regcred"), domain(secrets=["regcred"]))
    found = rotate(kit)
    told = next(line for line in found.err.splitlines() if "is used by" in line)
    assert [one for one in ("serviceaccount/builder", "domain/domain1", *(f"deployment/web-{n}" for n in range(12)))
            if one not in told] == []  # fmt: skip
    assert found.err.index("is used by") < found.err.index("proven")


def test_rotate_tells_the_consumers_of_copies_too(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("far", entries),
            {**service_account("robot", "regcred"), "metadata": {"name": "robot", "namespace": "far"}})  # fmt: skip
    assert "serviceaccount/robot" in rotate(kit).err


def test_rotate_and_a_refused_password(kit: Kit) -> None:
    entries = {kit.host: entry("carol", NEW)}
    kit.put(secret("regcred", entries), copy_in("a", entries))
    before = kit.cluster.snapshot()
    found = rotate(kit, password=WRONG)
    assert (found.code, found.out) == (1, "")
    assert "refuses it: 401" in found.err
    assert (kit.cluster.writes, kit.cluster.snapshot()) == ([], before)
    assert kit.registry.passwords == {f"carol:{WRONG}": 1}
    assert rotate(kit, "--no-verify", password=WRONG).code == 0
    assert kit.cluster.entries("regcred", "a") == {kit.host: entry("carol", WRONG)}


def test_rotate_leaves_a_copy_that_differs_alone(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}), copy_in("a", {kit.host: other()}),
            secret("regcred", {kit.host: entry("carol", WRONG)}, namespace="b"))  # fmt: skip
    found = rotate(kit)
    assert (found.code, found.out) == (0, "secret/regcred updated in namespace ns\n")
    assert "Warning: the copy in namespace a differs and is left alone" in found.err
    assert kit.cluster.entries("regcred", "a") == {kit.host: other()}
    assert kit.cluster.entries("regcred", "b") == {kit.host: entry("carol", WRONG)}, "it is no copy"


def test_rotate_where_copies_cannot_be_looked_for(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    # Lists of the namespace are allowed, those of all namespaces are not.
    kit.cluster.before = lambda asked: (
        status(403, "Forbidden", "secrets is forbidden") if asked.path == "/api/v1/secrets" else None
    )
    found = rotate(kit)
    assert found.code == 0
    assert "Warning: copies in other namespaces can't be looked for: " in found.err


def test_rotate_again_says_unchanged(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("a", entries))
    assert rotate(kit).code == 0
    del kit.cluster.asked[:]
    found = rotate(kit)
    assert (found.code, kit.cluster.writes) == (0, [])
    assert [line.endswith("unchanged") for line in found.out.splitlines()] == [True, True]


def test_rotate_takes_the_user_of_the_entry(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    assert rotate(kit, username="").code == 0
    assert kit.cluster.entries("regcred") == {kit.host: entry("carol", NEW)}


def test_rotate_takes_the_user_of_an_entry_that_has_only_auth(kit: Kit) -> None:
    """As `docker login` writes them."""
    kit.put(secret("regcred", {kit.host: {"auth": auth("carol", WRONG)}}))
    assert rotate(kit, username="").code == 0
    assert kit.cluster.entries("regcred")[kit.host]["auth"] == auth("carol", NEW)


def test_rotate_from_the_docker_config(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    kit.docker_config({"auths": {kit.host: {"auth": auth("carol", NEW)}}})
    assert kit.run("rotate", "regcred", "--from-docker-config").code == 0
    assert kit.cluster.entries("regcred") == {kit.host: entry("carol", NEW)}


def test_rotate_keeps_the_key_as_it_is_spelt_and_does_not_say_otherwise(kit: Kit) -> None:
    key = f"https://{kit.host}/v1/"
    kit.put(secret("regcred", {key: entry("carol", WRONG)}))
    found = rotate(kit)
    assert (found.code, kit.cluster.entries("regcred")) == (0, {key: entry("carol", NEW)})
    assert "is stored as" not in found.err


def test_rotate_needs_to_know_which_of_several(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG), "ghcr.io": other()}))
    found = rotate(kit)
    assert (found.code, kit.cluster.writes) == (1, [])
    assert f"--docker-server is needed, for the secret has several entries, or none: {kit.host}, ghcr.io" in found.err
    assert rotate(kit, "--docker-server", f"https://{kit.host}/v2/").code == 0
    found = rotate(kit, "--docker-server", "quay.io")
    assert "secret/regcred has no entry for quay.io" in found.err


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "Opaque"}, "secret/regcred is of type Opaque: only kubernetes.io/dockerconfigjson is rotated"),
        ({"immutable": True}, "secret/regcred is immutable: make another one, and list that"),
        ({"metadata": {"annotations": {"kubectl-pullsecret/copy-of": "far/regcred"}}},
         "secret/regcred is a copy of far/regcred: rotate that one"),
        ({"data": {KEY: "AAAA"}}, "the content of secret/regcred can't be read"),
    ],
)  # fmt: skip
def test_rotate_and_what_cannot_be_rotated(kit: Kit, fields: Object, text: str) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}, **fields))
    found = rotate(kit)
    assert (found.code, kit.cluster.writes, kit.registry.seen) == (1, [], [])
    assert text in found.err
    assert 'secrets "gone" not found in namespace ns' in kit.run("rotate", "gone").err


def test_rotate_that_stops_half_way_says_where_the_old_password_still_is(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("a", entries), copy_in("b", entries))
    answer = status(500, "InternalError", "not now")
    kit.cluster.before = lambda asked: answer if asked.method == "PUT" and "/a/" in asked.path else None
    found = rotate(kit)
    assert (found.code, found.out) == (1, "secret/regcred updated in namespace ns\n")
    last = found.err.splitlines()[-1]
    assert "; whether secret/regcred in namespace a was updated is not known; " in last
    assert "; still with the old password in namespace b: kubectl pullsecret copy regcred --to-namespace a " in last


def test_rotate_that_stopped_half_way_says_how_it_is_finished(kit: Kit) -> None:
    """The copies differ from their source then: to rotate again would leave them alone."""
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("a", entries), copy_in("b", entries))
    answer = status(500, "InternalError", "not now")
    kit.cluster.before = lambda asked: answer if asked.method == "PUT" and "/a/" in asked.path else None
    told = rotate(kit).err.splitlines()[-1]
    kit.cluster.before = lambda asked: None
    assert "kubectl pullsecret copy regcred " in told
    assert kit.run(*told.partition("kubectl pullsecret ")[2].split()).code == 0
    assert [kit.cluster.entries("regcred", place) for place in "ab"] == [{kit.host: entry("carol", NEW)}] * 2


def test_rotate_changes_the_right_one_of_two_with_the_same_login(kit: Kit) -> None:
    same = entry("carol", WRONG)
    kit.put(secret("regcred", {"ghcr.io": same, f"https://{kit.host}": same, "quay.io": same}))
    assert rotate(kit, "--docker-server", kit.host).code == 0
    assert kit.cluster.entries("regcred") == {"ghcr.io": same, f"https://{kit.host}": entry("carol", NEW), "quay.io": same}


def test_rotate_keeps_what_somebody_else_wrote_meanwhile(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    done: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "PUT" and not done:
            done.append(asked)
            kit.put(secret("regcred", {kit.host: entry("carol", WRONG), "ghcr.io": other()}))
        return None

    kit.cluster.before = before
    found = rotate(kit)
    assert kit.cluster.entries("regcred")["ghcr.io"] == other()
    assert found.code == 0, "what does not touch this entry is no reason to stop"
    assert kit.cluster.entries("regcred")[kit.host] == entry("carol", NEW)


# --- remove --------------------------------------------------------------------------------------------------------


def test_remove_deletes_what_nothing_uses(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), secret("other"))
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, found.out) == (0, 'secret "regcred" deleted\n')
    assert not kit.cluster.has("Secret", "regcred")
    assert kit.cluster.has("Secret", "other")
    found = kit.run("remove", "regcred", "-y")
    assert found.code == 1
    assert 'error: secrets "regcred" not found in namespace ns' in found.err


def test_remove_needs_a_yes_where_nobody_can_be_asked(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("remove", "regcred")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "secret/regcred is deleted, and its passwords are not kept: give -y to go on without being asked" in found.err


USERS = {
    "serviceaccount/builder": service_account("builder", "a", "regcred"),
    "domain/domain1": domain(secrets=["regcred"]),
    "deployment/web": deployment(secrets=["regcred", "b"]),
    "cronjob/web": deployment(kind="CronJob", secrets=["regcred"]),
    "pod/web-1": running("web-1", secrets=["regcred"]),
}


@pytest.mark.parametrize("user", USERS)
def test_remove_refuses_while_something_uses_it(kit: Kit, user: str) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), USERS[user])
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert f"error: secret/regcred is used by {user}: --detach takes it out of their lists first" in found.err


def test_remove_takes_it_out_of_every_list_first(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), *USERS.values())
    found = kit.run("remove", "regcred", "--detach", "-y")
    assert found.code == 0
    assert [one.method for one in kit.cluster.writes] == ["PATCH"] * 4 + ["DELETE"]
    assert found.out.splitlines()[-1] == 'secret "regcred" deleted'
    assert names(kit.cluster.get("ServiceAccount", "builder")) == ["a"]
    assert names(kit.cluster.get("Deployment", "web")) == ["b"]
    assert names(kit.cluster.get("Domain", "domain1")) == []
    assert names(kit.cluster.get("Pod", "web-1")) == ["regcred"], "a pod's list can't be changed"
    assert "Note: pods keep their lists, and go on without it: web-1" in found.err


def test_remove_after_a_deployment_went_on_to_another_secret(kit: Kit) -> None:
    web = deployment("web", secrets=["new"])
    kit.put(secret("regcred", {kit.host: entry()}), web,
            owned(deployment("web-4c", kind="ReplicaSet", secrets=["regcred"], replicas=0), web))  # fmt: skip
    assert kit.run("remove", "regcred", "-y").code == 0


def test_remove_does_not_delete_what_it_did_not_see(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "DELETE":
            kit.put(secret("regcred", {kit.host: entry(), "ghcr.io": other()}))
        return None

    kit.cluster.before = before
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, found.out) == (1, "")
    assert "Conflict" in found.err
    assert kit.cluster.has("Secret", "regcred")


@pytest.mark.parametrize("code", [404, 500])
def test_remove_that_stops_half_way_says_what_was_done_and_what_not(kit: Kit, code: int) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), service_account("builder", "regcred"), deployment(secrets=["regcred"]),
            service_account("robot", "regcred"))  # fmt: skip
    answer = status(code, "Reason", "not now", details={"name": "web"})
    kit.cluster.before = lambda asked: answer if asked.method == "PATCH" and "deployments" in asked.path else None
    found = kit.run("remove", "regcred", "--detach", "-y")
    assert found.code == 1
    assert kit.cluster.has("Secret", "regcred")
    last = found.err.splitlines()[-1]
    assert "deployment/web" in last
    assert "secret/regcred" in last


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_remove_that_stops_half_way_can_be_undone(kit: Kit, method: str) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), service_account("builder", "regcred"), deployment(secrets=["regcred"]))
    answer, place = status(500, "InternalError", "not now"), "deployments" if method == "PATCH" else "secrets"
    kit.cluster.before = lambda asked: answer if asked.method == method and place in asked.path else None
    found = kit.run("remove", "regcred", "--detach", "-y")
    assert found.code == 1
    assert found.err.count("not now") == 1
    assert "secret/regcred" in found.err.splitlines()[-1]
    (undo,) = found.undo()
    assert names(kit.cluster.get("ServiceAccount", "builder")) == []
    kit.cluster.before = lambda asked: None
    assert kit.run(*undo.split()[2:]).code == 0
    assert names(kit.cluster.get("ServiceAccount", "builder")) == ["regcred"]
    assert names(kit.cluster.get("Deployment", "web")) == ["regcred"]


def test_remove_where_nobody_can_know_who_uses_it(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    for kind in ("pods", "deployments", "domains", "serviceaccounts"):
        kit.cluster.denied = {("list", kind, "*")}
        found = kit.run("remove", "regcred", "-y")
        assert (found.code, kit.cluster.writes) == (1, []), kind
        assert f"you may not list {kind} in namespace ns" in found.err


def test_remove_where_there_is_no_operator(kit: Kit) -> None:
    """A server refuses those who may not ask before it says that it knows no such kind: the roles `admin` and `edit` of a
    cluster without WebLogic let nobody list Domains, and there are none."""
    kit.put(secret("regcred", {kit.host: entry()}))
    kit.cluster.unserved = {"Domain", "Cluster"}
    kit.cluster.denied = {("*", "domains", "*"), ("*", "clusters", "*")}
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, found.out) == (0, 'secret "regcred" deleted\n')


def test_remove_one_entry_keeps_the_others(kit: Kit) -> None:
    kit.put(secret("regcred", {f"https://{kit.host}/v1/": entry(), "ghcr.io": other(), f"{kit.host}/team": other()},
                   metadata={"labels": {"a": "b"}}))  # fmt: skip
    found = kit.run("remove", "regcred", "--docker-server", f"https://{kit.host}")
    assert (found.code, found.out) == (0, "secret/regcred updated\n")
    assert kit.cluster.entries("regcred") == {"ghcr.io": other(), f"{kit.host}/team": other()}
    assert kit.cluster.get("Secret", "regcred")["metadata"]["labels"] == {"a": "b"}


def test_remove_one_entry_that_is_used_needs_a_yes(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry(), "ghcr.io": other()}), failing(kit.image, secrets=["regcred"]))
    found = kit.run("remove", "regcred", "--docker-server", kit.host)
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "it is what pod/web-1 pulls with" in found.err
    assert kit.run("remove", "regcred", "--docker-server", kit.host, "-y").code == 0
    assert kit.cluster.entries("regcred") == {"ghcr.io": other()}


@pytest.mark.parametrize(
    ("entries", "server", "text"),
    [
        ({"r.io": other()}, "r.io", "that is the only entry of secret/regcred"),
        ({"r.io": other(), "ghcr.io": other()}, "quay.io", "secret/regcred has no entry for quay.io"),
        ({"r.io": other()}, "a b", '"a b" is no registry'),
    ],
)
def test_remove_and_entries_that_it_leaves(kit: Kit, entries: Object, server: str, text: str) -> None:
    kit.put(secret("regcred", entries))
    found = kit.run("remove", "regcred", "--docker-server", server, "-y")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert text in found.err


def test_remove_one_entry_of_a_secret_that_cannot_be_changed(kit: Kit) -> None:
    kit.put(secret("regcred", {"r.io": other(), "ghcr.io": other()}, immutable=True))
    found = kit.run("remove", "regcred", "--docker-server", "r.io", "-y")
    assert (found.code, kit.cluster.writes) == (1, []), "it is known before that it can't be done"
    assert "immutable" in found.err


def test_remove_one_entry_while_somebody_else_writes(kit: Kit) -> None:
    kit.put(secret("regcred", {"r.io": other(), "ghcr.io": other()}))
    done: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "PUT" and not done:
            done.append(asked)
            kit.put(secret("regcred", {"r.io": other(), "ghcr.io": other(), "quay.io": other()}))
        return None

    kit.cluster.before = before
    found = kit.run("remove", "regcred", "--docker-server", "r.io", "-y")
    assert kit.cluster.entries("regcred")["quay.io"] == other()
    assert found.code == 0
    assert kit.cluster.entries("regcred") == {"ghcr.io": other(), "quay.io": other()}


@pytest.mark.parametrize("line", ["remove regcred -y", "rotate regcred --docker-username=carol --docker-password-stdin"])
def test_what_keeps_the_secret_is_warned_of(kit: Kit, line: str) -> None:
    kit.put(secret("regcred", {kit.host: other()}, metadata={"annotations": {"meta.helm.sh/release-name": "shop"}}))
    found = kit.run(*line.split(), stdin=NEW)
    assert found.code == 0
    assert "Warning: Helm (shop) keeps secret/regcred" in found.err


def test_a_namespace_with_many_objects_is_quick(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), *(running(f"p{number}", secrets=["regcred"]) for number in range(300)))
    began = time.monotonic()
    found = kit.run("list")
    assert "pod/p0, pod/p1, pod/p2 and 297 more" in found.out
    assert kit.run("remove", "regcred", "-y").err.count("pod/") == 10
    assert time.monotonic() - began < 10
