"""Image references.

tests/data/reference_oracle.json was computed with the code that the kubelet runs: k8s.io/kubernetes v1.35.4,
pkg/util/parsers.ParseImageName (github.com/distribution/reference v0.6.0), built with Go 1.26.8. 200,000 generated
names were compared with the same code when this parser was written; the only differences were registries longer than
a host name can be, which are refused here.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pullcore.reference import InvalidReference, Reference, parse

DATA = Path(__file__).parent.parent / "data"
ORACLE: list[dict[str, Any]] = json.loads((DATA / "reference_oracle.json").read_text(encoding="utf-8"))
SHA = "sha256:" + "a" * 64


@pytest.mark.parametrize("case", ORACLE, ids=[repr(case["image"][:40]) for case in ORACLE])
def test_the_kubelets_parser_agrees(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(InvalidReference):
            parse(case["image"])
    else:
        reference = parse(case["image"])
        assert (reference.name, reference.tag, reference.digest) == (case["name"], case["tag"], case["digest"])


@pytest.mark.parametrize("case", ORACLE, ids=[repr(case["image"][:40]) for case in ORACLE])
def test_an_error_is_one_short_printable_line_and_its_suggestion_can_be_parsed(case: dict[str, Any]) -> None:
    try:
        parse(case["image"])
    except InvalidReference as error:
        assert str(error).isprintable()
        assert 0 < len(str(error)) < 300
        assert error.part in ("registry", "repository", "tag", "digest", "whole")
        if error.suggestion is not None:
            assert error.suggestion != case["image"]
            parse(error.suggestion)


@pytest.mark.parametrize(
    ("image", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", "latest", None),
        (f"nginx:1.27@{SHA}", "docker.io", "library/nginx", "1.27", SHA),
        (f"nginx@{SHA}", "docker.io", "library/nginx", None, SHA),
        ("index.docker.io/x/y", "docker.io", "x/y", "latest", None),
        ("registry/app", "docker.io", "registry/app", "latest", None),
        ("localhost/x", "localhost", "x", "latest", None),
        ("localhost:5000/x:1", "localhost:5000", "x", "1", None),
        ("[::1]:5000/app", "[::1]:5000", "app", "latest", None),
        ("Registry.Example.com/app", "Registry.Example.com", "app", "latest", None),
        ("some.registry.com/owner/domain1:1.0", "some.registry.com", "owner/domain1", "1.0", None),
    ],
)
def test_parts(image: str, registry: str, repository: str, tag: str | None, digest: str | None) -> None:
    assert parse(image) == Reference(registry, repository, tag, digest)


def test_the_text_of_a_reference_parses_to_itself() -> None:
    for image in ("nginx", f"a/b:1@{SHA}", f"reg.io:5000/x@{SHA}", "[::1]/x"):
        reference = parse(image)
        assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("registry", "host", "port"),
    [("reg.io", "reg.io", None), ("reg.io:5000", "reg.io", "5000"), ("[::1]", "[::1]", None), ("[::1]:5", "[::1]", "5")],
)
def test_host_and_port(registry: str, host: str, port: str | None) -> None:
    reference = Reference(registry, "app", None, None)
    assert (reference.host, reference.port) == (host, port)


@pytest.mark.parametrize(
    ("image", "part", "text", "suggestion"),
    [
        ("", "whole", "is empty", None),
        ("   ", "whole", "is blank", None),
        ("Team/App", "repository", 'repository "Team/App" has upper-case letters, names must be lower case', "team/app"),
        ("reg.io/Team/App:V1", "repository", '"Team/App" has upper-case', "reg.io/team/app:V1"),
        ("REG.io/App", "repository", '"App" has upper-case', "REG.io/app"),
        ("https://reg.io/app:1", "whole", '"https://" is no part of an image name', "reg.io/app:1"),
        ("oci://reg.io/app", "whole", '"oci://" is no part', "reg.io/app"),
        (" nginx", "whole", "begins with a blank", "nginx"),
        ("nginx\n", "whole", "ends with a blank, U+000A (newline)", "nginx"),
        ("ngi nx", "whole", "has a blank in it", None),
        ("nginx\u200b", "whole", "invisible character in it, U+200B (zero width space)", "nginx"),
        ("n\u00efnx", "whole", "not ASCII in it, U+00EF", None),
        ("'nginx'", "whole", "quotes", "nginx"),
        ("{{ .Values.image }}:1", "whole", "placeholder", None),
        ("${REGISTRY}/app", "whole", "placeholder", None),
        ("a" * 64, "whole", "image's ID", None),
        ("nginx:", "tag", "empty after the colon", "nginx"),
        ("nginx:1:2", "tag", "second colon", None),
        ("nginx:-1", "tag", 'begins with "-"', None),
        ("nginx:1.0+b", "tag", '"+" in it', None),
        ("nginx:" + "t" * 129, "tag", "129 characters", None),
        ("reg.io//app", "repository", "a / too many", "reg.io/app"),
        ("reg.io/app/", "repository", "a / too many", "reg.io/app"),
        ("reg.io/", "repository", "missing", None),
        ("reg.io/a..b", "repository", "side by side", None),
        ("reg.io/-a", "repository", 'begins with "-"', None),
        ("reg.io/a*", "repository", '"*" in it', None),
        ("reg.io\\app", "repository", '"\\" in it', "reg.io/app"),
        ("reg.io/" + "x" * 256, "repository", "256 characters", None),
        ("my_reg.io/" + "x" * 246, "repository", "256 characters", None),
        ("x." * 150 + "io/app", "registry", "302 characters", None),
        ("reg.io:/app", "registry", "no port after the colon", None),
        ("reg.io:x/app", "registry", 'but "x"', None),
        ("::1/app", "registry", "in brackets", None),
        ("user@reg.io/app", "registry", "user name", None),
        ("reg_.io:1/app", "registry", '"_" in it', None),
        ("app@", "digest", "empty after the @", "app"),
        ("app@abc", "digest", "no algorithm", None),
        ("app@md5:" + "a" * 32, "digest", 'unknown algorithm "md5"', None),
        ("app@sha256:abc", "digest", "3 hexadecimal digits, sha256 has 64", None),
        ("app@sha256:" + "A" * 64, "digest", "upper-case", f"app@{SHA}"),
        ("app@sha256:" + "g" * 64, "digest", "no hexadecimal digits", None),
    ],
)
def test_errors(image: str, part: str, text: str, suggestion: str | None) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(image)
    assert text in str(caught.value)
    assert (caught.value.part, caught.value.suggestion) == (part, suggestion)


@pytest.mark.parametrize("piece", ["a", "a/", "a.", "-", "A", "/", ":", "@", "a-", "__", "{{", "\u200b", " ", "https://"])
@pytest.mark.parametrize("size", [6_000, 1_000_000])
def test_long_texts_are_refused_quickly(piece: str, size: int) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidReference) as caught:
        parse(piece * (size // len(piece)))
    assert time.perf_counter() - start < 1
    assert len(str(caught.value)) < 400
