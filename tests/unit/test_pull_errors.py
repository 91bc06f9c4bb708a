"""Texts of failed pulls and their causes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pullcore.causes import CAUSES
from pullcore.pull_errors import blot, classify
from pullcore.pull_rules import LAST, REFUSED, RULES

DATA = Path(__file__).parents[1] / "data"

# Texts of the sample that say the same as others of it, with another cause: here the one that claims less is right.
# A refusal without a reason may be a missing login, a wrong one, a missing permission or a missing image.
ACCEPTED = {
    "pe-016": "denied-or-missing",  # two refusals by Azure, where one attempt may be the provider's empty credential
    "pe-094": "denied-or-missing",  # "does not exist or may require 'docker login'"
    "pe-193": "denied-or-missing",  # the same
    "pe-196": "denied-or-missing",  # "unauthorized: authentication required", as in pe-097
    "pe-202": "denied-or-missing",  # a bare 401
    "pe-205": "denied-or-missing",  # "unauthorized: authentication required", as in pe-097
    "pe-250": "denied-or-missing",  # "denied", as in pe-247
}


def texts(name: str) -> list[Any]:
    entries = json.loads((DATA / name).read_text(encoding="utf-8"))
    return [pytest.param(entry, id=entry["id"]) for entry in entries]


@pytest.mark.parametrize("entry", texts("pull_errors.json"))
def test_sample(entry: dict[str, Any]) -> None:
    found = classify(entry["message"], entry["reason"])
    assert found.cause == ACCEPTED.get(entry["id"], entry["cause"])
    assert entry["id"] not in ACCEPTED or entry["ambiguous"]


@pytest.mark.parametrize("entry", texts("pull_errors_more.json"))
def test_more(entry: dict[str, Any]) -> None:
    found = classify(entry["message"], entry["reason"])
    assert found.cause in (entry["cause"], *entry.get("accept", ()))
    assert found.cause == entry["cause"] or entry["ambiguous"]


@pytest.mark.parametrize("name", ["pull_errors.json", "pull_errors_more.json"])
def test_a_detail_is_one_short_line(name: str) -> None:
    for (entry,) in (param.values for param in texts(name)):
        detail = classify(entry["message"], entry["reason"]).detail
        assert len(detail) <= 160
        assert "\n" not in detail
        assert "¤" not in detail


def test_every_cause_of_the_kubelet_is_covered_and_in_the_catalogue() -> None:
    ruled = {rule.cause for rule in (*RULES, REFUSED, *LAST)} | {"unknown", "backoff-only"}
    of_kubelet = {name for name, cause in CAUSES.items() if not cause.from_objects}
    assert ruled == of_kubelet | {"secret-missing", "secret-malformed"}
    tested = {param.values[0]["cause"] for name in ("pull_errors.json", "pull_errors_more.json") for param in texts(name)}
    assert ruled <= tested


NAMES = [
    "team/timeout-proxy:x509-forbidden", "unauthorized/denied:404", "toomanyrequests:429", "x509:500", "eof:eof",
    "reg.test:5000/no-space/left-on-device:manifest-unknown", "forbidden", "proxyconnect.test/lookup/tls:expired",
    "reg.test/a/unauthorized@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
]  # fmt: skip
TEMPLATES = [
    'Failed to pull image "{}": {}',
    'Back-off pulling image "{}": ErrImagePull: {}',
    'Failed to pull image "{0}": rpc error: code = Unknown desc = failed to pull and unpack image "docker.io/{0}": {1}',
    'failed to pull and unpack image "{0}": failed to resolve reference "{0}": {1}',
    "rpc error: code = Unknown desc = initializing source docker://{}: {}",
]
ERRORS = {
    "the flux capacitor is not charged": "unknown",
    "http: server gave HTTP response to HTTPS client": "http-https-mismatch",
    "dial tcp: lookup timeout.forbidden.test on 10.0.0.1:53: no such host": "dns",
    "dial tcp 10.0.0.1:443: connect: connection refused": "connection",
    "no basic auth credentials": "no-credentials",
    "manifest unknown": "image-not-found",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("error", ERRORS)
def test_names_fool_nobody(name: str, template: str, error: str) -> None:
    assert classify(template.format(name, error)).cause == ERRORS[error]


@pytest.mark.parametrize("name", NAMES)
def test_names_without_quotes_fool_nobody(name: str) -> None:
    assert classify(f"manifest for {name} not found: manifest unknown: manifest unknown").cause == "image-not-found"
    assert classify(f"pull access denied for {name}, repository does not exist").cause == "denied-or-missing"
    assert classify(f'Get "https://reg.test/v2/{name}/manifests/404": EOF').cause == "connection"
    assert classify(f'Back-off pulling image "{name}"', "ImagePullBackOff").cause == "backoff-only"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('failed to resolve reference "a.b/c:1": unexpected status from HEAD request to https://a.b/v2/c: 403 Forbidden',
         "403 Forbidden"),
        ("Get https://x.test/v2/: dial tcp: lookup x on 10.0.0.1:53: no such host", "lookup x on 10.0.0.1:53: no such host"),
        ('Head "https://x.test/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
         "dial tcp 10.0.0.1:443: connect: connection refused"),
        ("Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase it",
         "toomanyrequests: You have reached your pull rate limit"),
        ('rpc error: code = Unknown desc = failed to pull and unpack image "a:1": something new', "something new"),
        ("failed to extract layer sha256:0123456789: write /x: no space left on device: unknown", "no space left on device"),
        ('Failed to apply default image tag "A:1": couldn\'t parse image reference "A:1": invalid reference format: '
         "repository name (library/A) must be lowercase",
         "invalid reference format: repository name (library/A) must be lowercase"),
        ('failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://a.b/token: '
         "401 Unauthorized", "401 Unauthorized"),
    ],
)  # fmt: skip
def test_detail(text: str, detail: str) -> None:
    assert classify(text).detail == detail


def test_what_nobody_sees_is_not_read() -> None:
    assert classify("Get https://x.test/v2/: x509: \x1b[31mred\x1b[0m").detail == "x509: red"
    assert classify("Requesting\x00 bearer\u200b token: invalid status code from registry 403 (Forb\x7fidden)") == classify(
        "Requesting bearer token: invalid status code from registry 403 (Forbidden)"
    )


@pytest.mark.parametrize("text", ["", " ", "\n", '"', "[", "¤", "[rpc error: code = ", "a" * 20000, "(" * 200])
def test_nonsense_is_unknown(text: str) -> None:
    assert classify(text).cause in ("unknown", "backoff-only")


def test_of_several_attempts_the_one_that_came_furthest_decides() -> None:
    refused = 'failed to pull and unpack image "a.b/c:1": failed to authorize: failed to fetch oauth token: 401 Unauthorized'
    missing = 'failed to pull and unpack image "a.b/c:1": failed to resolve reference "a.b/c:1": a.b/c:1: not found'
    slow = 'failed to pull and unpack image "a.b/c:1": failed to do request: Head "https://a.b/v2/": i/o timeout'
    assert classify(f"[{refused}, {missing}]").cause == "image-not-found"
    assert classify(f"[{missing}, {slow}]").cause == "image-not-found"
    assert classify(f"[{slow}, {refused}]").cause == "bad-credentials"


def test_a_registry_that_lacks_a_short_name_says_nothing_of_the_others() -> None:
    lacks = " * initializing source docker://a.test/x:1: reading manifest 1 in a.test/x: name unknown"
    denies = " * initializing source docker://b.test/x:1: reading manifest 1 in b.test/x: denied: access"
    assert classify(f"Error: 2 errors occurred while pulling:\n{lacks}\n{denies}").cause == "denied-or-missing"
    assert classify(f"Error: 2 errors occurred while pulling:\n{lacks}\n{lacks}").cause == "repository-not-found"


@pytest.mark.parametrize("refusal", ["denied", "unauthorized: authentication required", "pull access denied for x"])
def test_what_docker_run_and_clients_say_first_decides_nothing(refusal: str) -> None:
    said = f"Unable to find image 'team/app:1' locally\ndocker: Error response from daemon: {refusal}."
    assert classify(said).cause == "denied-or-missing"
    assert classify(f"(HTTP code 500) server error - {refusal}").cause == "denied-or-missing"


def test_blotting_keeps_every_place() -> None:
    text = 'Head "https://reg.test/v2/a/manifests/1": lookup reg.test on 10.0.0.1:53: no such host in reg.test/a:1'
    assert len(blot(text)) == len(text)
    assert "reg.test" not in blot(text)
    assert "no such host" in blot(text)


def test_long_texts_take_no_time() -> None:
    for text in ("a/" * 50_000, '"' * 50_000, "[rpc error: code = " * 3_000, "https://" * 9_000, "x509: " * 9_000,
                 "<a>" * 9_000, "2 errors occurred while pulling: * " * 900, 'secret "' * 9_000):  # fmt: skip
        classify(text)  # quadratic patterns would take minutes


@pytest.mark.parametrize("port", ["500", "429", "404", "401"])
@pytest.mark.parametrize(
    "text",
    ["pinging container registry {}", "Trying to pull repository {}", "reading manifest 1.0 in {}", "unable to pull {}"],
)
def test_a_port_is_no_status(text: str, port: str) -> None:
    """Kubelets cut long messages, also within `registry:5000`, as the registry of kind is called."""
    for host in ("registry", "kind-registry", "r.example.com", "10.0.0.1"):
        assert classify(text.format(f"{host}:{port}"), "Failed").cause == "unknown"


def test_a_status_beside_the_word_registry_is_one() -> None:
    for text in (
        "invalid status code from registry 503 (Service Unavailable)",
        "error from registry: 503",
        "error from registry, 503",
        "pinging registry-1.docker.io: 503",
        "pinging registry.example.com:5000: 503",
    ):
        assert classify(text, "Failed").cause == "registry-error"
