"""The rule by which tests/bench scores what pullcheck and its peers say of broken pods."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from tests.bench.scoring import NAMED, NOTHING, RIGHT, SYMPTOM, WRONG, Told, score
from tests.bench.tellings import (
    GOOD,
    read_describe,
    read_events,
    read_ours,
    read_preflight,
    read_sections,
)

REFUSED = "failed to resolve reference: pulling from host reg:5000 failed with status code [manifests 1.0]: 401 Unauthorized"
DENIED = "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope"
ABSENT = "rpc error: code = NotFound desc = failed to pull and unpack image: reg:5000/team/app:9.9: not found"
NO_HOST = "dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host"


@pytest.mark.parametrize(
    ("what", "text", "good", "expected"),
    [
        ("wrong-tag", ABSENT, False, NAMED),
        ("unknown-repository", ABSENT, False, SYMPTOM),  # the tag, or the repository?
        ("unknown-repository", "NAME_UNKNOWN: repository name not known to registry", False, NAMED),
        ("no-secret", REFUSED, False, SYMPTOM),
        ("no-secret", "UNAUTHORIZED: authentication required", False, NAMED),  # the benefit of the doubt
        ("wrong-password", "UNAUTHORIZED: authentication required", False, SYMPTOM),
        ("wrong-password", "reg:5000 refuses the credentials of pull-05 (bob): 401 Unauthorized", False, NAMED),
        ("no-secret-token", DENIED, False, SYMPTOM),
        ("no-rights", DENIED, False, NAMED),
        ("key-mismatch", REFUSED, False, SYMPTOM),
        ("key-mismatch", "{}", True, WRONG),  # given to others, not to the kubelet
        ("key-mismatch", REFUSED, True, SYMPTOM),
        ("opaque", "failed to get auth from data: secret type is not supported: Opaque", False, NAMED),
        (
            "missing",
            "Unable to retrieve some image pull secrets (pull-10); attempting to pull the image may not succeed.",
            False,
            NAMED,
        ),
        ("account-ignored", "secret good of service account builder is not used, for the pod has its own", False, NAMED),
        ("unresolvable", NO_HOST, False, NAMED),
        ("wrong-tag", NO_HOST, False, WRONG),
        ("upper-case", "could not parse reference: docker.io/Team/app:1.0", False, NAMED),
        ("never", "Container image is not present with pull policy of Never", False, NAMED),
        ("copy-of-others", "Container image is not present with pull policy of Never", False, SYMPTOM),
        ("platform", "no match for platform in manifest: not found", False, NAMED),
        ("private-ca", "", True, WRONG),
        ("private-ca", "x509: certificate signed by unknown authority", True, NAMED),
        ("other-port", REFUSED, False, SYMPTOM),
        ("other-port", "", False, NOTHING),
    ],
)
def test_score(what: str, text: str, good: bool, expected: str) -> None:
    assert score(what, Told(text, good)) == expected


@pytest.mark.parametrize("what", RIGHT)
def test_nothing_is_named_by_saying_only_that_it_fails(what: str) -> None:
    """Every cause needs words of its own, and the words of a kubelet that only waits are of none."""
    for text in ("Error: ImagePullBackOff", 'Back-off pulling image "reg:5000/team/app:1.0"', "Error: ErrImagePull"):
        assert score(what, Told(text)) == SYMPTOM


def test_there_are_twenty_and_each_is_written_as_a_regular_expression() -> None:
    assert len(RIGHT) == 20
    assert all(re.compile(right.words) for right in RIGHT.values())


def test_of_ours_the_first_finding_counts() -> None:
    findings = [
        {"cause": "no-credentials", "summary": "none is offered", "evidence": [REFUSED]},
        {"cause": "stale-pod", "summary": "one made today would list good", "evidence": []},
    ]
    waits = {"verdict": "blocked", "containers": [{"pod": "app-03"}, {"pod": "app-04"}], "findings": findings}
    runs = {"verdict": "pullable", "containers": [{"pod": "app-05"}], "findings": []}
    told = read_ours(json.dumps({"pulls": [waits, runs]}))
    assert told["app-03"] == told["app-04"] == Told(f"none is offered\n(no-credentials)\n{REFUSED}")
    assert told["app-05"] == Told("", True)


def test_what_preflight_prints_and_leaves_behind(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "preflightbundle-2026.tar.gz", "w:gz") as archive:
        for pod, answer in (("app-01", '{"images": {"x": {"exists": false}}}'), ("app-02", '{"x": {"exists": true}}')):
            member = tarfile.TarInfo(f"preflightbundle-2026/registry/{pod}.json")
            member.size = len(answer)
            archive.addfile(member, io.BytesIO(answer.encode()))
    report = {
        "pass": [{"title": "app-02", "message": "the image is there"}],
        "fail": [{"title": "Pod bench-1/app-02 status", "message": "Pod status is ImagePullBackOff"}],
    }
    told = read_preflight(f"collecting\n{json.dumps(report, indent=2)}\n\nSaving preflight bundle\n", tmp_path)
    assert told["app-01"] == Told('{"images": {"x": {"exists": false}}}')
    assert told["app-02"].good
    assert "ImagePullBackOff" in told["app-02"].text
    assert "the image is there" in told["app-02"].text


def test_sections_of_a_loop() -> None:
    told = read_sections(f"== app-01\nError: denied\n== app-02\n{{}}\n{GOOD}\n")
    assert told == {"app-01": Told("Error: denied"), "app-02": Told(f"{{}}\n{GOOD}", True)}


def test_what_kubectl_prints_goes_to_its_pod() -> None:
    told = read_describe("Name:             app-01\nEvents: 401\n\n\nName:             app-10\nEvents: denied\n")
    assert ["401" in one.text for one in told.values()] == [True, False]
    told = read_events("LAST SEEN\n1s  Warning  Failed  pod/app-01  401\n1s  Normal  Pulling  pod/app-10  x\n")
    assert list(told) == ["app-01", "app-10"]
    assert "401" in told["app-01"].text
