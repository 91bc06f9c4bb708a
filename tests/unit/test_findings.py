"""What single rules say beside their cause: evidence, fixes, words."""

from __future__ import annotations

import json

import pytest

from .builders import (
    IMAGE,
    REFUSED,
    REGISTRY,
    RUNNING,
    UNAUTHORIZED,
    account,
    container,
    only,
    pod,
    report,
    secret,
    waiting,
    workload,
)

BACK_OFF = f'Back-off pulling image "{IMAGE}"'
TWO_ENTRIES = json.dumps({"auths": {f"{REGISTRY}/v2": {"auth": "YTpi"}, "other.example.com": {"auth": "YTpi"}}})


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (f"https://{REGISTRY}/v2", "path /v2 without its final slash"),
        (f"{REGISTRY}:443", "ports are compared as text"),
        ("Registry.Example.com", "upper and lower case count"),
        (f"oci://{REGISTRY}", "is not dropped"),
        (f" {REGISTRY}", "begins with a blank"),
        (f"{REGISTRY}/team/app:1.0", "a tag or digest in the key"),
        (f"{REGISTRY}/team/*", "no wildcards in paths"),
    ],
)
def test_key_mismatch_says_why_and_what_would_match(server: str, why: str) -> None:
    one = only(report(pod(secrets=["s"], state=waiting(REFUSED)), secrets=[secret("s", server)]))
    assert one.findings[0].cause == "key-mismatch"
    assert why in one.findings[0].evidence[0]
    assert "would match" in one.findings[0].evidence[0]
    assert f"--docker-server={REGISTRY}" in one.findings[0].fix[0]


def test_secret_for_another_registry_is_no_mismatch() -> None:
    one = only(report(pod(secrets=["s"], state=waiting(REFUSED)), secrets=[secret("s", "other.example.com")]))
    assert [finding.cause for finding in one.findings] == ["no-credentials"]


def test_a_secret_is_mended_in_place() -> None:
    one = only(report(pod(secrets=["s"], state=waiting(REFUSED)), secrets=[secret("s", config=TWO_ENTRIES)]))
    assert one.findings[0].fix == (
        "kubectl pullsecret add s --docker-server=registry.example.com -n default",
        "kubectl repull pod/web-1 -n default",
    )


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        ('{"auths": {}}', "secret-ignored"),
        ('{"credsStore": "desktop"}', "secret-ignored"),
        (json.dumps({"auths": {REGISTRY: {}}}), "secret-ignored"),
        (json.dumps({"auths": {REGISTRY: {"identitytoken": "x"}}}), "secret-ignored"),
        (json.dumps({"auths": {REGISTRY: {"auth": "bob:tiger"}}}), "secret-malformed"),
        ("{", "secret-malformed"),
        ("\ufeff{}", "secret-malformed"),
    ],
)
def test_contents_of_secrets(config: str, cause: str) -> None:
    said = BACK_OFF if cause == "secret-malformed" else REFUSED  # the first explains whatever the kubelet does not say
    one = only(report(pod(secrets=["s"], state=waiting(said)), secrets=[secret("s", config=config)]))
    assert one.findings[0].cause == cause
    assert "tiger" not in str(one.findings)


def test_refused_credentials_are_named_in_the_order_of_the_kubelet() -> None:
    secrets = [secret("wide", username="w"), secret("narrow", f"{REGISTRY}/team", username="n")]
    one = only(report(pod(secrets=["wide", "narrow"], state=waiting(UNAUTHORIZED)), secrets=secrets))
    assert one.findings[0].cause == "bad-credentials"
    assert "narrow (n), wide (w)" in one.findings[0].summary


def test_no_finding_without_a_fault() -> None:
    web = workload(secrets=["s"])
    good = report(web, pod(owner=web, secrets=["s"], state=RUNNING), account(secrets=["s"]), secrets=[secret("s")])
    assert only(good).findings == ()


def test_a_secret_that_nobody_lists_is_used_before_a_new_one_is_made() -> None:
    web = workload()
    one = only(report(web, pod(owner=web, state=waiting(REFUSED)), secrets=[secret("unlisted")]))
    assert "pullsecret add" not in " ".join(one.findings[0].fix)
    assert "pullsecret attach unlisted" in one.findings[0].fix[0]


def test_every_place_of_an_image_is_in_the_fix() -> None:
    image = "Bad/Name:1"
    web = workload("Deployment", "web", container("a", image), container("b", image))
    one = only(report(web))
    assert [line.count('"op":"add"') for line in one.findings[0].fix] == [1, 1]
    assert IMAGE not in str(one.findings)
