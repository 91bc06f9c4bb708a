"""What is offered, against a second, much smaller model of the kubelet's keyring, and what holds whatever the secrets are.

The model follows BasicDockerKeyring (pkg/credentialprovider/keyring.go) for keys in which nothing needs Go's url package:
no blanks, escapes or brackets.
"""

from __future__ import annotations

import base64
import fnmatch
import json
from typing import Any, Optional

from hypothesis import given
from hypothesis import strategies as st
from pullcore.keyring import Credentials, LookUp, SecretFacts, look_up, read_secret
from pullcore.reference import parse

Secrets = list[dict[str, str]]  # of each secret: a password (which is unique) by key
ELSEWHERE = "unrelated.test"  # no image below is there, and no pattern below covers it

labels = st.sampled_from(["a", "b", "reg", "*", "r*", "a-b"])
key_hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=3).map(".".join),
    st.sampled_from(["docker.io", "index.docker.io", "registry-1.docker.io", "reg.a", "reg.b"]),
)
ports = st.sampled_from(["", "", "", ":5000", ":443"])
key_paths = st.sampled_from(
    ["", "", "/", "/v1/", "/v2/", "/v2", "/team", "/team/", "/team/app", "/te", "/v2/team", "/x?y", "//"]
)
schemes = st.sampled_from(["", "", "https://", "http://", "HTTPS://", "oci://"])
keys = st.tuples(schemes, key_hosts, ports, key_paths).map("".join)
image_hosts = st.sampled_from(
    ["", "reg.a/", "reg.b:5000/", "a.b.reg/", "docker.io/", "index.docker.io/", "localhost/", "a-b.a:443/"]
)
images = st.tuples(image_hosts, st.sampled_from(["app", "team/app", "team2/app:1", "v2/app"])).map("".join)


@st.composite
def several(draw: st.DrawFn, of: st.SearchStrategy[str] = keys) -> Secrets:
    made = draw(st.lists(st.lists(of, max_size=3, unique_by=normalised), max_size=3))
    return [{key: f"pw-{number}-{at}" for at, key in enumerate(one)} for number, one in enumerate(made)]


def normalised(key: str) -> Optional[str]:
    """BasicDockerKeyring.Add; None for a key that it skips."""
    value = key if key.startswith(("https://", "http://")) else f"https://{key}"
    rest = value.partition("//")[2].partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    path = slash + path
    _, colon, port = host.rpartition(":")
    if colon and port and not port.isdigit():
        return None
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    return host + path if path not in ("", "/") else host


def matches(key: str, name: str) -> bool:
    """URLsMatch"""

    def split(address: str) -> tuple[list[str], str, str]:
        host, slash, path = address.partition("/")
        host, _, port = host.partition(":")
        return host.split("."), port, slash + path

    (ours, our_port, our_path), (theirs, their_port, their_path) = split(key), split(name)
    return (
        our_port == their_port
        and len(ours) == len(theirs)
        and their_path.startswith(our_path)
        and all(fnmatch.fnmatchcase(theirs[at], ours[at]) for at in range(len(ours)))
    )


def offered(image: str, secrets: Secrets) -> list[str]:
    """BasicDockerKeyring.Lookup: the passwords, in order."""
    name = parse(image).name
    index: dict[str, list[str]] = {}
    for one in secrets:
        for key, password in one.items():
            place = normalised(key)
            if place is not None:
                index.setdefault(place, []).append(password)
    found = [password for key in sorted(index, reverse=True) if matches(key, name) for password in index[key]]
    first = name.partition("/")[0]
    if not found and (first == "docker.io" or not ("." in first or ":" in first)):
        return index.get("index.docker.io", [])
    return found


def look(image: str, secrets: Secrets, *, spoilt: Optional[int] = None) -> tuple[list[str], LookUp]:
    """The passwords that are offered, and the look-up; `spoilt`: the number of a secret that is broken."""
    vault = Credentials()
    facts: dict[str, Optional[SecretFacts]] = {}
    for number, one in enumerate(secrets):
        entries: dict[str, Any] = {key: {"username": "bob", "password": password} for key, password in one.items()}
        if number == spoilt:
            entries[ELSEWHERE] = {"auth": "!"}
        content = base64.b64encode(json.dumps({"auths": entries}).encode()).decode()
        value = {"metadata": {"name": f"s{number}"}, "type": "kubernetes.io/dockerconfigjson",
                 "data": {".dockerconfigjson": content}}  # fmt: skip
        facts[f"s{number}"] = read_secret(value, vault)
    found = look_up(parse(image), list(facts), facts)
    return [vault.pair(str(one.label))[1] for one in found.attempts], found


@given(images, several())
def test_the_same_as_the_model(image: str, secrets: Secrets) -> None:
    assert look(image, secrets)[0] == offered(image, secrets)


@given(images, several(), st.integers(0, 3), st.sampled_from(["", "/", "/v2/", "/team", ":5000"]))
def test_an_unrelated_secret_changes_nothing(image: str, secrets: Secrets, place: int, rest: str) -> None:
    before = look(image, secrets)[0]
    more = [*secrets[:place], {ELSEWHERE + rest: "unrelated", f"https://other.{ELSEWHERE}/v1/": "too"}, *secrets[place:]]
    assert look(image, more)[0] == before


@given(images, several())
def test_a_key_without_a_pattern_is_for_its_own_host(image: str, secrets: Secrets) -> None:
    reference = parse(image)
    for one in look(image, secrets)[1].attempts:
        host = str(normalised(one.key)).partition("/")[0]
        if "*" not in host:
            assert host == reference.registry or (host == "index.docker.io" and one.fallback)
        else:
            assert host.count(".") == reference.registry.count(".")


@given(images, several(), st.data())
def test_one_secret_that_cannot_be_read_stops_all(image: str, secrets: Secrets, data: st.DataObject) -> None:
    secrets = secrets or [{}]
    spoilt = data.draw(st.integers(0, len(secrets) - 1))
    passwords, found = look(image, secrets, spoilt=spoilt)
    assert passwords == []
    assert found.blocked is not None
    assert f"secret s{spoilt} " in found.blocked


@given(images, several())
def test_each_entry_is_offered_or_ignored_with_a_reason(image: str, secrets: Secrets) -> None:
    found = look(image, secrets)[1]
    told = {(one.secret, one.key) for one in found.attempts} | {(one.secret, one.key) for one in found.ignored}
    for number, one in enumerate(secrets):
        for key in one:
            assert (f"s{number}", key) in told or any(secret == f"s{number}" and which is None for secret, which in told)
    assert all(one.reason and one.reason.isprintable() for one in found.ignored)


@given(images, several())
def test_the_longer_key_comes_first(image: str, secrets: Secrets) -> None:
    """So that a credential for a repository is offered before that of its registry."""
    places = [str(normalised(one.key)) for one in look(image, secrets)[1].attempts]
    assert places == sorted(places, reverse=True)


@given(images, st.lists(st.text(max_size=30), max_size=3, unique=True))
def test_no_key_raises(image: str, odd: list[str]) -> None:
    _, found = look(image, [dict.fromkeys(odd, "pw")])
    assert all(one.isprintable() for one in (item.reason for item in found.ignored))
