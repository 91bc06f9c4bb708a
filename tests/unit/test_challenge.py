"""What registries ask for: WWW-Authenticate headers as they are found, and as nobody should send them."""

from __future__ import annotations

import random
import time
from typing import Optional

import pytest
from pullcore.challenge import Challenge, choose, parse

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull"'


def read(*headers: str) -> list[tuple[str, dict[str, str]]]:
    return [(one.scheme, one.parameters) for one in parse(headers)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="Registry Realm"', [("basic", {"realm": "Registry Realm"})]),
        ("Basic realm=registry", [("basic", {"realm": "registry"})]),
        ("BASIC REALM=registry", [("basic", {"realm": "registry"})]),
        ('Basic realm = "a"', [("basic", {"realm": "a"})]),
        ('\tBasic \t realm="a" ', [("basic", {"realm": "a"})]),
        ("Basic", [("basic", {})]),
        ("Negotiate", [("negotiate", {})]),
        ("Negotiate YIIabc==", [("negotiate", {})]),
        ("Negotiate YIIabc", [("negotiate", {})]),
        ("Negotiate YIIabc==, Basic realm=a", [("negotiate", {}), ("basic", {"realm": "a"})]),
        ("NTLM, Basic realm=a", [("ntlm", {}), ("basic", {"realm": "a"})]),
        ('Basic realm=a, Bearer realm="b",c=d', [("basic", {"realm": "a"}), ("bearer", {"realm": "b", "c": "d"})]),
        ('Bearer realm="a",error="insufficient_scope"', [("bearer", {"realm": "a", "error": "insufficient_scope"})]),
        # commas, schemes and quotes within quotes
        ('Bearer scope="repository:a:pull,push",realm=r', [("bearer", {"scope": "repository:a:pull,push", "realm": "r"})]),
        ('Basic realm="a, Bearer realm=evil"', [("basic", {"realm": "a, Bearer realm=evil"})]),
        (r'Basic realm="say \"a\\b\""', [("basic", {"realm": r'say "a\b"'})]),
        ('Basic realm=""', [("basic", {"realm": ""})]),
        # the first of two wins: a second one cannot send a credential elsewhere
        ("Bearer realm=a,realm=b,REALM=c", [("bearer", {"realm": "a"})]),
        # what is no challenge
        ("", []),
        (" , ,", []),
    ],
)  # fmt: skip
def test_header(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert read(header) == expected


def test_several_headers_are_read_in_order() -> None:
    assert [scheme for scheme, _ in read("Negotiate", HUB, "Basic realm=a")] == ["negotiate", "bearer", "basic"]


def test_docker_hubs() -> None:
    (one,) = parse([HUB])
    assert (one.get("realm"), one.get("service")) == ("https://auth.docker.io/token", "registry.docker.io")
    assert one.get("scope") == "repository:library/nginx:pull"
    assert one.get("error") == ""


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        (["Basic realm=a"], "basic"),
        (["Basic realm=a", "Bearer realm=b"], "bearer"),
        (["Basic realm=a, Bearer realm=b"], "bearer"),
        (["Negotiate", "Basic realm=a"], "basic"),
        (["Negotiate, NTLM, Digest realm=a"], None),
        ([], None),
        # what is no challenge, and what is none to its end
        (["realm=a"], None),
        (["=, realm", "\x00", '"'], None),
        (['Basic realm="never closed'], "basic"),
    ],
)
def test_the_one_that_a_runtime_answers(headers: list[str], scheme: Optional[str]) -> None:
    chosen = choose(parse(headers))
    assert (chosen.scheme if chosen else None) == scheme


def test_the_first_of_two_token_services_is_asked() -> None:
    chosen = choose([Challenge("bearer", {"realm": "a"}), Challenge("bearer", {"realm": "b"})])
    assert chosen is not None
    assert chosen.get("realm") == "a"


def test_a_header_is_bounded() -> None:
    assert len(parse([", ".join(f"S{n}" for n in range(1000))])) == 20
    (one,) = parse(["Basic " + ", ".join(f"p{n}=v" for n in range(1000))])
    assert len(one.parameters) == 20
    assert not any("late" in one.parameters for one in parse([f'Basic realm="{"a" * 20_000}", late=x']))


@pytest.mark.parametrize("filling", ["a", ",", '"', "=", " ", "\\", 'a="', "a=b ", 'a="\\"', "Basic "])
def test_a_hostile_header_costs_no_time(filling: str) -> None:
    """The time of a regular expression may explode; that of these may not."""
    began = time.process_time()
    parse([filling * 100_000, f"Basic {filling * 100_000}"])
    assert time.process_time() - began < 2


@pytest.mark.parametrize("seed", range(20))
def test_nothing_makes_it_fail(seed: int) -> None:
    mixer = random.Random(seed)
    for _ in range(200):
        text = "".join(mixer.choice('ab="\\, \t\x00\x1b\u20ac\ud800Basic') for _ in range(mixer.randrange(40)))
        for one in parse([text, f"Basic {text}"]):
            assert one.scheme == one.scheme.lower()
