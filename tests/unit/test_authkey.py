"""One key of a pull secret against one image."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pullcore.authkey import masked, normalise, why
from pullcore.golang import GoError
from pullcore.reference import parse

DATA = Path(__file__).parent.parent / "data"
ORACLE: list[dict[str, Any]] = json.loads((DATA / "keyring_oracle.json").read_text(encoding="utf-8"))["keys"]

HOST = "registry.example.com"
APP = f"{HOST}/team/app:1.0"
HUB = "https://index.docker.io/v1/"


@pytest.mark.parametrize("case", ORACLE, ids=[repr(case["key"]) for case in ORACLE])
def test_go_parses_the_key_the_same_way(case: dict[str, Any]) -> None:
    """See test_keyring for how the file was made."""
    if "error" not in case:
        assert normalise(case["key"]) == case["normalised"]
        return
    with pytest.raises(GoError) as caught:
        normalise(case["key"])
    if masked(case["key"]) == case["key"]:
        # Behind "ParseAddr" and in a fragment the wording is ours.
        assert str(caught.value).split("ParseAddr")[0] == case["error"].split("ParseAddr")[0].replace("#%zz", "")


# Every row of the table in the notes on the kubelet's credentials: key, image, whether it is used.
TABLE = [
    (HOST, APP, True),
    (f"https://{HOST}", APP, True),
    (f"http://{HOST}", APP, True),
    (f"{HOST}/", APP, True),
    (f"HTTPS://{HOST}", APP, False),
    (f"oci://{HOST}", APP, False),
    (f"docker://{HOST}", APP, False),
    (f"{HOST}//", APP, False),
    (f" {HOST}", APP, False),
    (f"{HOST} ", APP, False),
    (f"{HOST}\n", APP, False),
    ("Registry.Example.com", APP, False),
    (HOST, "Registry.Example.com/team/app:1.0", False),
    (f"https://{HOST}/v1/", APP, True),
    (f"https://{HOST}/v2/", APP, True),
    (f"https://{HOST}/v1", APP, False),
    (f"https://{HOST}/v2", APP, False),
    (f"{HOST}/v2/team", APP, True),
    (f"{HOST}/v3/", APP, False),
    (f"{HOST}/api/v2/", APP, False),
    (f"{HOST}/v2/_catalog", APP, False),
    (f"{HOST}:443", APP, False),
    (HOST, f"{HOST}:443/team/app", False),
    (f"{HOST}:5000", f"{HOST}:5000/team/app", True),
    (f"https://{HOST}:5000/v2/", f"{HOST}:5000/team/app", True),
    (f"{HOST}:*", f"{HOST}:5000/team/app", False),
    ("10.0.0.*:5000", "10.0.0.7:5000/app", True),
    (f"{HOST}/team", APP, True),
    (f"{HOST}/team", f"{HOST}/team2/app", True),
    (f"{HOST}/team/", APP, True),
    (f"{HOST}/team/", f"{HOST}/team2/app", False),
    (f"{HOST}/team/app", APP, True),
    (f"{HOST}/team/app:1.0", APP, False),
    (f"{HOST}/team/*", APP, False),
    (f"{HOST}/*", APP, False),
    ("*.example.com", f"{HOST}/x", True),
    ("*.example.com", "a.b.example.com/x", False),
    ("*.example.com", "example.com/x", False),
    ("*.dkr.ecr.*.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com/app", True),
    ("ocir.io", "fra.ocir.io/tenancy/app", False),
    ("*.ocir.io", "fra.ocir.io/tenancy/app", True),
    ("*", "localhost/app", True),
    ("*.*", "nginx", True),
    ("*.*.*", APP, True),
    *((key, image, True) for key in (HUB, "index.docker.io", "https://index.docker.io/v2/")
      for image in ("nginx", "myorg/app", "docker.io/myorg/app", "index.docker.io/myorg/app")),
    (HUB, "registry-1.docker.io/myorg/app", False),
    (HUB, "registry.hub.docker.com/myorg/app", False),
    ("https://index.docker.io/v1", "myorg/app", False),
    ("docker.io", "myorg/app", True),
    ("https://docker.io", "myorg/app", True),
    ("docker.io/myorg", "myorg/app", True),
    ("index.docker.io/myorg", "myorg/app", False),
    ("https://index.docker.io/v1/myorg", "myorg/app", False),
    ("registry-1.docker.io", "myorg/app", False),
    ("hub.docker.com", "myorg/app", False),
    ("*.docker.io", "myorg/app", False),
]  # fmt: skip


@pytest.mark.parametrize(("key", "image", "used"), TABLE)
def test_table(key: str, image: str, used: bool) -> None:
    assert why(key, parse(image)).matches is used


# What is not used: kind, meant, a piece of the reason, the better key.
FAULTS = [
    (f"https://{HOST}/v2", APP, "key-never-matches", True, "path /v2 without its final slash", HOST),
    (f"https://{HOST}/v1", APP, "key-never-matches", True, "path /v1 without its final slash", HOST),
    (f"https://{HOST}:5000/v2", f"{HOST}:5000/x", "key-never-matches", True, "final slash", f"{HOST}:5000"),
    (f"HTTPS://{HOST}", APP, "key-never-matches", True, "HTTPS:// is not dropped", HOST),
    (f"oci://{HOST}/team", APP, "key-never-matches", True, "oci:// is not dropped", f"{HOST}/team"),
    (f"https://https://{HOST}", APP, "key-never-matches", True, "two schemes", HOST),
    (f"https//{HOST}", APP, "key-never-matches", True, "https// is not dropped", HOST),
    (f"{HOST}//", APP, "key-never-matches", True, "double slash", HOST),
    (f" {HOST}", APP, "unparsable", True, "begins with a blank, U+0020 (space)", HOST),
    (f"{HOST} ", APP, "unparsable", True, "ends with a blank, U+0020 (space)", HOST),
    (f"{HOST}\n", APP, "unparsable", True, "ends with a blank, U+000A (newline)", HOST),
    (f"\u200b{HOST}", APP, "key-never-matches", True, "U+200B (zero width space)", HOST),
    (f'"{HOST}"', APP, "key-never-matches", True, "quotation mark", HOST),
    ("Registry.Example.com", APP, "key-never-matches", True, "upper and lower case", HOST),
    (HOST, "Registry.Example.com/app", "key-never-matches", True, "upper and lower case", "Registry.Example.com"),
    (f"{HOST}/v3/", APP, "key-never-matches", True, "only /v1/ and /v2/", HOST),
    (f"{HOST}/v2/_catalog", APP, "key-never-matches", True, "/_catalog", HOST),
    (f"{HOST}:443", APP, "key-never-matches", True, "ports are compared as text, 443 in the key", HOST),
    (HOST, f"{HOST}:443/x", "key-never-matches", True, "none in the key, 443 in the image", f"{HOST}:443"),
    (HOST, f"{HOST}:5000/x", "key-near", False, "none in the key, 5000 in the image", f"{HOST}:5000"),
    (f"{HOST}:5000", f"{HOST}:5001/x", "key-other-registry", False, "port 5000", None),
    (f"{HOST}:*", f"{HOST}:5000/x", "unparsable", True, "no wildcards in ports", f"{HOST}:5000"),
    (f"{HOST}:1.0", APP, "unparsable", True, "its port is no number", HOST),
    (f"{HOST}.", APP, "key-never-matches", True, "ends with a dot", HOST),
    ("reg[a-z]stry.example.com", APP, "unparsable", True, "brackets", HOST),
    (f"{HOST}/team/*", APP, "key-never-matches", True, "no wildcards in paths", f"{HOST}/team/"),
    (f"{HOST}/*", APP, "key-never-matches", True, "no wildcards in paths", HOST),
    (f"{HOST}/team/app:1.0", APP, "key-never-matches", True, "tag or digest", f"{HOST}/team/app"),
    (f"{HOST}/team/app@sha256:ab", APP, "key-never-matches", True, "tag or digest", f"{HOST}/team/app"),
    (f"{HOST}/team/app/", APP, "key-never-matches", True, "slash after the repository", f"{HOST}/team/app"),
    (f"{HOST}/Team", APP, "key-never-matches", True, "upper-case letters in its path", f"{HOST}/team"),
    (f"{HOST}/other", APP, "key-other-repository", False, "begin with other", None),
    (f"{HOST}/other/*", APP, "key-other-repository", False, "begin with other", None),
    ("*", APP, "key-never-matches", True, "* has 1 part, registry.example.com has 3 parts", HOST),
    ("*.example.com", "a.b.example.com/x", "key-near", False, "3 parts", "a.b.example.com"),
    ("*.example.com", "example.com/x", "key-near", False, "3 parts", "example.com"),
    ("ocir.io", "fra.ocir.io/t/app", "key-near", False, "does not cover the names below", "fra.ocir.io"),
    ("iad.ocir.io", "fra.ocir.io/t/app", "key-other-registry", False, "is for iad.ocir.io", None),
    ("ghcr.io", APP, "key-other-registry", False, "is for ghcr.io", None),
    ("com", APP, "key-other-registry", False, "is for com", None),
    ("", APP, "key-other-registry", False, "names no registry", None),
    ("re?istry.example.com", APP, "key-other-registry", False, "is for re, ? and", None),
    ("[::1]", "[::1]/app", "key-never-matches", True, "IPv6", None),
    ("https://index.docker.io/v1", "myorg/app", "key-never-matches", True, "path /v1 without its final slash", HUB),
    ("index.docker.io/myorg", "myorg/app", "key-never-matches", True, "only used without a path", "docker.io/myorg"),
    (HUB + "myorg", "myorg/app", "key-never-matches", True, "only used without a path", "docker.io/myorg"),
    ("index.docker.io/other", "myorg/app", "key-other-repository", False, "begin with other", None),
    ("docker.io/other", "myorg/app", "key-other-repository", False, "begin with other", None),
    ("registry-1.docker.io", "nginx", "key-never-matches", True, "only as docker.io and index.docker.io", HUB),
    ("https://registry.hub.docker.com/v1/", "nginx", "key-never-matches", True, "only as docker.io", HUB),
    ("https://hub.docker.com/r/myorg/app", "myorg/app", "key-never-matches", True, "only as docker.io", HUB),
    ("*.docker.io", "nginx", "key-never-matches", True, "only as docker.io", HUB),
    ("DOCKER.IO", "nginx", "key-never-matches", True, "in lower case", HUB),
    (HUB, "registry-1.docker.io/x/y", "key-never-matches", True, "another name", "registry-1.docker.io"),
    (HUB, APP, "key-other-registry", False, "is for index.docker.io", None),
]


@pytest.mark.parametrize(("key", "image", "kind", "meant", "reason", "better"), FAULTS)
def test_why_not(key: str, image: str, kind: str, meant: bool, reason: str, better: str | None) -> None:
    found = why(key, parse(image))
    assert (found.matches, found.kind, found.meant, found.better) == (False, kind, meant, better)
    assert reason in found.reason
    assert found.reason.isprintable()
    if better is not None:
        assert why(better, parse(image)).matches


def test_why_it_matches() -> None:
    assert why(HOST, parse(APP)).reason == "is for this registry"
    assert why("*.example.com/team", parse(APP)).reason == (
        "*.example.com covers registry.example.com, for repositories that begin with team"
    )
    assert why(HUB, parse("nginx")).kind == "fallback"
    assert why("docker.io", parse("nginx")).kind == "match"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (HOST, HOST),
        (f"https://bob:pw@{HOST}/v2", f"https://***@{HOST}/v2"),
        (f"token@{HOST}", f"***@{HOST}"),
        (f"https://b/o:p@w#x@{HOST}", f"https://***@{HOST}"),
        (f"{HOST}/app@sha256:ab", f"{HOST}/app@sha256:ab"),
    ],
)
def test_secrets_in_a_key_are_not_shown(key: str, shown: str) -> None:
    assert masked(key) == shown
    assert "pw" not in repr(why(key, parse(APP)))


def test_a_password_that_breaks_the_url_is_not_in_the_error() -> None:
    for key in (f"https://bob:pass@{HOST} ", f"bob:pa/ss@{HOST}", f"bob:pa#ss@{HOST}", f"bob:%pass@{HOST}"):
        with pytest.raises(GoError) as caught:
            normalise(key)
        assert "pa" not in str(caught.value).replace("parse", "")
        assert "pass" not in repr(why(key, parse(APP)))


@pytest.mark.parametrize("piece", ["a://", "https://", "*", "*a", "a:", "[", "%", "%2", "@", "?", ".", " ", "\\", "a/"])
def test_long_keys_are_quick(piece: str) -> None:
    start = time.perf_counter()
    for end in ("", "/", "!", HOST):
        assert len(why(piece * (100_000 // len(piece)) + end, parse(APP)).reason) < 400
    assert time.perf_counter() - start < 3
