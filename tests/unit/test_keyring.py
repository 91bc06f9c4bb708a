"""Which credentials the kubelet offers, in which order.

tests/data/keyring_oracle.json was computed with the kubelet's own code, k8s.io/kubernetes v1.35.4,
pkg/credentialprovider/secrets.MakeDockerKeyring and Lookup, built with Go 1.26.8 (GODEBUG urlstrictcolons=1, the default
of Go 1.26). When this was written, 700,000 generated cases were compared with the same code: 300,000 look-ups
whose keys resemble the image, 100,000 look-ups and 100,000 single keys of noise, and 200,000 secrets with broken
content, without a difference but for the order inside one secret, which is random in Go. With
urlstrictcolons=0, as kubelets built with older Go have it, 150,000 look-ups offer the same.
tests/data/keyring_vectors.json has Go's answers for single keys.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pullcore.keyring import Attempt, Credentials, LookUp, SecretFacts, look_up, normalise, read_secret, why
from pullcore.reference import InvalidReference, parse

DATA = Path(__file__).parent.parent / "data"
ORACLE: list[dict[str, Any]] = json.loads((DATA / "keyring_oracle.json").read_text(encoding="utf-8"))["lookups"]
VECTORS: list[dict[str, Any]] = json.loads((DATA / "keyring_vectors.json").read_text(encoding="utf-8"))

HOST = "registry.example.com"
APP = f"{HOST}/team/app:1.0"
HUB = "https://index.docker.io/v1/"
AUTH_OF_BOB = base64.b64encode(b"bob:pw").decode()


def secret(name: str, content: Any, kind: str = "kubernetes.io/dockerconfigjson") -> dict[str, Any]:
    data_key = ".dockercfg" if kind == "kubernetes.io/dockercfg" else ".dockerconfigjson"
    text = content if isinstance(content, str) else json.dumps(content)
    return {
        "metadata": {"namespace": "default", "name": name},
        "type": kind,
        "data": {data_key: base64.b64encode(text.encode()).decode()},
    }


def facts_of(*secrets: dict[str, Any]) -> dict[str, SecretFacts | None]:
    vault = Credentials()
    return {one["metadata"]["name"]: read_secret(one, vault) for one in secrets}


def auths(*keys: str, **entry: str) -> dict[str, Any]:
    entry = entry or {"auth": AUTH_OF_BOB}
    return {"auths": dict.fromkeys(keys, entry)}


def look(image: str, *secrets: dict[str, Any]) -> LookUp:
    facts = facts_of(*secrets)
    return look_up(parse(image), list(facts), facts)


@pytest.mark.parametrize("case", ORACLE, ids=[f"{number}-{case['image']}" for number, case in enumerate(ORACLE)])
def test_the_kubelet_offers_the_same(case: dict[str, Any]) -> None:
    found = look(case["image"], *(secret(one["name"], one["text"], one["type"]) for one in case["secrets"]))
    assert [[attempt.secret, attempt.username] for attempt in found.attempts] == case["attempts"]
    assert found.blocked is None


@pytest.mark.parametrize("case", VECTORS, ids=[f"{number}-{case['image']}" for number, case in enumerate(VECTORS)])
def test_vectors(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(InvalidReference):
            parse(case["image"])
        return
    reference = parse(case["image"])
    assert reference.name == case["repo"]
    for key, expected in zip(case["keys"], case["normalized_keys"]):
        if expected.startswith("<ignored: "):
            assert f"<ignored: {why_skipped(key)}>" == expected
        else:
            assert normalise(key) == expected
    contents = {"auths": {key: {"username": key, "password": "pw"} for key in case["keys"]}}
    attempts = look(case["image"], secret("s", contents)).attempts
    assert [attempt.key for attempt in attempts] == (case["tried_in_order"] or [])
    assert any(why(key, reference).matches for key in case["keys"]) is case["match"]


def why_skipped(key: str) -> str:
    (entry,) = read_secret(secret("s", auths(key)), Credentials()).entries
    assert entry.skipped is not None
    return entry.skipped


@pytest.mark.parametrize(
    ("image", "keys", "tried"),
    [
        ("myorg/app", ["docker.io", HUB], ["docker.io"]),
        ("myorg/app", ["docker.io/otherorg", HUB], [HUB]),
        (APP, [HOST, f"{HOST}/team"], [f"{HOST}/team", HOST]),
        (APP, ["*.example.com", HOST], [HOST, "*.example.com"]),
        (APP, ["registry.*.com/team", HOST], [HOST, "registry.*.com/team"]),
        ("h.io/app", ["https://h.io/v1/", "h.io"], ["https://h.io/v1/", "h.io"]),
    ],
)
def test_order(image: str, keys: list[str], tried: list[str]) -> None:
    contents = {"auths": {key: {"username": key, "password": "pw"} for key in keys}}
    assert [attempt.key for attempt in look(image, secret("s", contents)).attempts] == tried


def test_two_spellings_in_one_secret_are_random_and_in_two_secrets_are_not() -> None:
    first, second = {"username": "a", "password": "1"}, {"username": "b", "password": "2"}
    both = {"auths": {"https://h.io/v1/": first, "h.io": second}}
    assert [attempt.random for attempt in look("h.io/app", secret("s", both)).attempts] == [True, True]
    same = {"auths": {"https://h.io/v1/": first, "h.io": first}}
    assert [attempt.random for attempt in look("h.io/app", secret("s", same)).attempts] == [False, False]
    apart = look("h.io/app", secret("z", {"auths": {"h.io": second}}), secret("a", {"auths": {"https://h.io/": first}}))
    assert [(attempt.secret, attempt.random) for attempt in apart.attempts] == [("z", False), ("a", False)]


def test_the_same_credential_twice_is_a_duplicate() -> None:
    found = look(APP, secret("a", auths(HOST)), secret("b", auths(f"https://{HOST}")), secret("c", auths(HOST, auth="")))
    assert [(one.secret, one.label, one.duplicate, one.empty) for one in found.attempts] == [
        ("a", "credential 1", False, False),
        ("b", "credential 1", True, False),
        ("c", None, False, True),
    ]


def test_a_name_listed_twice_is_tried_twice() -> None:
    facts = facts_of(secret("a", auths(HOST)))
    found = look_up(parse(APP), ["a", "", "a"], facts)
    assert [attempt.duplicate for attempt in found.attempts] == [False, True]


def test_missing_unread_and_unnamed() -> None:
    facts = facts_of(secret("a", auths(HOST)), secret("other", auths(HOST)))
    found = look_up(parse(APP), ["gone", "a", "", "forbidden"], {**facts, "gone": None})
    assert (found.missing, found.unread) == (("gone",), ("forbidden",))
    assert [attempt.secret for attempt in found.attempts] == ["a"]


def test_a_malformed_secret_stops_everything() -> None:
    found = look(APP, secret("good", auths(HOST)), secret("bad", auths("other.io", auth="!")))
    assert found.attempts == ()
    assert found.blocked is not None
    assert found.blocked.startswith('secret bad cannot be read: entry "other.io": "auth" is no base64')


def test_ignored() -> None:
    found = look(
        APP,
        secret("opaque", auths(HOST), "Opaque"),
        secret("mixed", auths(f"{HOST}/v2", f"{HOST} ", "ghcr.io", f"{HOST}/other", HOST)),
    )
    assert [(one.secret, one.key, one.kind, one.meant, one.better) for one in found.ignored] == [
        ("opaque", None, "type", False, None),
        ("mixed", f"{HOST}/v2", "key-never-matches", True, HOST),
        ("mixed", f"{HOST} ", "unparsable", True, HOST),
        ("mixed", "ghcr.io", "key-other-registry", False, None),
        ("mixed", f"{HOST}/other", "key-other-repository", False, None),
    ]
    assert [attempt.key for attempt in found.attempts] == [HOST]


def test_docker_hubs_entry_is_hidden_by_a_match() -> None:
    found = look("myorg/app", secret("a", auths(HUB)), secret("b", auths("docker.io")))
    assert [(attempt.secret, attempt.fallback) for attempt in found.attempts] == [("b", False)]
    assert [(one.secret, one.kind) for one in found.ignored] == [("a", "fallback-hidden")]
    alone = look("myorg/app", secret("a", auths(HUB)))
    assert alone.attempts == (Attempt("a", HUB, "bob", "credential 1", fallback=True),)
    assert alone.ignored == ()


def test_a_look_up_goes_through_json() -> None:
    found = look("myorg/app", secret("a", auths(HUB, "x y")), secret("b", auths(), "Opaque"))
    assert json.loads(json.dumps(found.attempts[0]._asdict()))["key"] == HUB


def test_a_password_in_a_key_is_in_no_answer() -> None:
    found = look(APP, secret("a", auths(f"https://bob:pw@{HOST}/team", f"https://bob:pw@{HOST}/v2")))
    assert [attempt.key for attempt in found.attempts] == [f"https://***@{HOST}/team"]
    assert [one.key for one in found.ignored] == [f"https://***@{HOST}/v2"]
    assert "pw" not in repr(found)
