"""Image references against a second reading of the same grammar, written from regexp.go and normalize.go of distribution's
reference v0.6.0 in the shape that they have there."""

from __future__ import annotations

import re
from typing import Optional

from hypothesis import example, given
from hypothesis import strategies as st
from pullcore.reference import InvalidReference, Reference, parse

# regexp.go, name by name
ALPHANUMERIC = "[a-z0-9]+"
SEPARATOR = "(?:[._]|__|[-]+)"
PATH_COMPONENT = f"{ALPHANUMERIC}(?:{SEPARATOR}{ALPHANUMERIC})*"
DOMAIN_NAME_COMPONENT = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
DOMAIN_NAME = rf"{DOMAIN_NAME_COMPONENT}(?:\.{DOMAIN_NAME_COMPONENT})*"
HOST = rf"(?:{DOMAIN_NAME}|\[(?:[a-fA-F0-9:]+)\])"
DOMAIN_AND_PORT = f"{HOST}(?::[0-9]+)?"
REMOTE_NAME = f"{PATH_COMPONENT}(?:/{PATH_COMPONENT})*"
NAME = f"(?:{DOMAIN_AND_PORT}/)?{REMOTE_NAME}"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
REFERENCE = re.compile(f"({NAME})(?::({TAG}))?(?:@({DIGEST}))?")
ANCHORED_NAME = re.compile(f"(?:({DOMAIN_AND_PORT})/)?({REMOTE_NAME})")
LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}  # go-digest

Parts = tuple[str, Optional[str], Optional[str]]


def model(text: str) -> Optional[Parts]:
    """ParseNormalizedNamed and TagNameOnly: name, tag, digest; None for an error."""
    if re.fullmatch("[a-f0-9]{64}", text):
        return None
    domain, remainder = split_docker_domain(text)
    remote = remainder[: remainder.index(":")] if ":" in remainder else remainder
    if remote.lower() != remote:
        return None
    found = REFERENCE.fullmatch(f"{domain}/{remainder}")
    if not found:
        return None
    name, tag, digest = found.groups()
    parts = ANCHORED_NAME.fullmatch(name)
    assert parts
    if len(parts[2]) > 255:
        return None
    if digest:
        algorithm, _, digits = digest.partition(":")
        if len(digits) != LENGTHS.get(algorithm) or digits.lower() != digits:
            return None
    return name, tag or (None if digest else "latest"), digest


def split_docker_domain(name: str) -> tuple[str, str]:
    maybe, slash, rest = name.partition("/")
    if not slash:
        return "docker.io", f"library/{name}"
    if maybe == "localhost" or any(char in maybe for char in ".:") or maybe.lower() != maybe:
        domain, remote = maybe, rest
    else:
        domain, remote = "docker.io", name
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in remote:
        remote = f"library/{remote}"
    return domain, remote


def read(text: str) -> Optional[Parts]:
    try:
        found = parse(text)
    except InvalidReference:
        return None
    return found.name, found.tag, found.digest


hosts = st.sampled_from(
    ["", "reg.io", "Reg.io", "reg.io:5000", "reg_x.io", "localhost", "localhost:1", "[::1]", "[::1]:5000", "docker.io",
     "index.docker.io", "a", "A", "a-", "-a.b", "a..b", ":80", "h:", "10.0.0.1"]
)  # fmt: skip
components = st.one_of(st.from_regex(PATH_COMPONENT, fullmatch=True), st.text("aA0._-", max_size=6))
paths = st.lists(components, max_size=3).map("/".join)
tags = st.one_of(st.just(""), st.from_regex(f":{TAG}", fullmatch=True), st.text("aA0._-:/", max_size=6).map(":{}".format))
digits = st.one_of(
    st.sampled_from([64, 96, 128]).map("a0".__mul__).map(lambda both: both[: len(both) // 2]), st.text("aFg0")
)
digests = st.one_of(
    st.just(""), st.tuples(st.sampled_from(["@sha256:", "@sha512:", "@md5:", "@", "@sha256"]), digits).map("".join)
)
images = st.tuples(hosts.map(lambda host: host and f"{host}/"), paths, tags, digests).map("".join)
noise = st.text("aAz09._-/:@[]{ \u200b\u00e4", max_size=40)


@given(st.one_of(images, noise, st.text(max_size=60)))
@example("a" * 64)
@example("reg.io/" + "x" * 256)
@example("a@sha256:" + "a" * 64)
def test_the_same_as_distribution(text: str) -> None:
    assert read(text) == model(text)


@given(st.one_of(images, noise))
def test_what_is_written_reads_the_same(text: str) -> None:
    """Normalising is done once: the written form is a fixed point, and stands for the same image."""
    try:
        first = parse(text)
    except InvalidReference:
        return
    again = parse(str(first))
    assert again == first
    assert str(again) == str(first)
    assert first.host + (f":{first.port}" if first.port is not None else "") == first.registry


@given(st.one_of(images, noise, st.text(max_size=60)))
def test_a_refusal_is_a_line_and_its_suggestion_can_be_had(text: str) -> None:
    try:
        parse(text)
    except InvalidReference as error:
        assert str(error).isprintable()
        assert len(str(error)) < 400
        if error.suggestion is not None:
            assert isinstance(parse(error.suggestion), Reference)
            assert error.suggestion != text
