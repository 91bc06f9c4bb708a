"""What registries answered, saved and read back; and what damaged evidence must not do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pullcore.answers import (
    Answer,
    Answers,
    Certificate,
    Content,
    Limit,
    Reach,
    Tags,
    from_document,
    to_document,
)
from pullcore.errors import CommandError
from pullcore.evidence import from_document as evidence_from
from pullcore.evidence import to_json

from .builders import DIGEST, IMAGE, INDEX, REGISTRY, answer, answers, evidence, reach, workload

CERTIFICATE = Certificate("registry.example.com", "Our CA", ("registry.example.com",), "2026-01-01T00:00:00Z", "2027-01-01")
ALL = Answers(
    reaches=(
        Reach(
            REGISTRY, f"https://{REGISTRY}", 12, "bearer", "auth.example.com", CERTIFICATE, limit=Limit(76, 100, 21600, "b")
        ),
        Reach("plain.test:5000", "http://plain.test:5000", vouched=False, verified=False, proxy="proxy:1", limit=Limit(1)),
        Reach("gone.test", "https://gone.test", cause="dns", detail="lookup gone.test: no such host"),
    ),
    answers=(
        Answer(IMAGE, None, "denied", "refused", 401, "UNAUTHORIZED", "no-credentials", "words"),
        Answer(IMAGE, "credential 1", "present", "accepted", 200, digest=DIGEST, media_type=INDEX, proven=True),
    ),
    tags=(Tags(f"{REGISTRY}/team/app", "1.0", True, ("1.0.1",), 4), Tags("gone.test/x", None, None, complete=False)),
    contents=(Content(IMAGE, ("linux/amd64", "linux/arm64"), True),),
    requests=7,
)


def saved(value: Answers) -> Any:
    """As it stands in a file."""
    return json.loads(json.dumps(to_document(value)))


@pytest.mark.parametrize("value", [Answers(), ALL, answers(answer()), answers(reach(cause="timeout"))])
def test_reading_gives_what_was_saved(value: Answers) -> None:
    assert from_document(saved(value)) == value
    assert from_document(saved(value)).requests == value.requests


def test_a_newer_version_may_know_more() -> None:
    document = saved(ALL)
    document["more"] = {"x": 1}
    document["reaches"][0]["later"] = True
    assert from_document(document) == ALL


def test_an_older_version_may_know_less() -> None:
    document = saved(ALL)
    del document["tags"], document["answers"][1]["proven"], document["reaches"][0]["milliseconds"]
    found = from_document(document)
    assert (found.tags, found.answers[1].proven, found.reaches[0].milliseconds) == ((), False, None)


def test_answers_by_what_they_are_about() -> None:
    assert ALL.by_registry["gone.test"].cause == "dns"
    assert ALL.by_attempt[(IMAGE, None)].status == 401
    assert ALL.by_attempt[(IMAGE, "credential 1")].state == "present"
    assert ALL.by_image[IMAGE].index
    assert ALL.by_name[(f"{REGISTRY}/team/app", "1.0")].nearest == ("1.0.1",)


@pytest.mark.parametrize(("media_type", "is_list"), [(INDEX, True), ("application/vnd.oci.image.manifest.v1+json", False)])
def test_lists_of_platforms(media_type: str, is_list: bool) -> None:
    assert answer(media_type=media_type).is_index == is_list


DAMAGE: list[tuple[str, Any]] = [
    ("reaches", None),
    ("reaches", {}),
    ("reaches", ["text"]),
    ("reaches.0.registry", None),
    ("reaches.0.registry", 5),
    ("reaches.0.milliseconds", "12"),
    ("reaches.0.milliseconds", True),
    ("reaches.0.vouched", 1),
    ("reaches.0.vouched", "yes"),
    ("reaches.0.certificate", "text"),
    ("reaches.0.certificate.names", "text"),
    ("reaches.0.certificate.names", [None]),
    ("reaches.0.limit.remaining", None),
    ("reaches.0.limit.remaining", 1.5),
    ("answers.0.state", None),
    ("answers.0.cause", None),
    ("answers.0.status", "401"),
    ("answers.0.proven", "no"),
    ("tags.0.nearest", "1.0.1"),
    ("tags.0.exists", "yes"),
    ("tags.0.total", None),
    ("contents.0.platforms", [["linux"]]),
    ("contents.0.index", None),
    ("requests", "7"),
]


def damaged(place: str, value: Any) -> Any:
    document = saved(ALL)
    *way, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    return document


@pytest.mark.parametrize(("place", "value"), DAMAGE, ids=[f"{place}={value}" for place, value in DAMAGE])
def test_damage_is_noticed(place: str, value: Any) -> None:
    """Nothing of a wrong type reaches the rules."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_document(damaged(place, value))


@pytest.mark.parametrize("document", [None, [], "text", 5, {"reaches": [{}]}, {"answers": [{"image": IMAGE}]}])
def test_what_is_no_document(document: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_document(document)


@pytest.mark.parametrize(("place", "value"), [("reaches.0.registry", 5), ("answers", "x"), ("tags.0.total", None)])
def test_damaged_evidence_is_one_line_for_the_user(place: str, value: Any) -> None:
    whole = json.loads(to_json(evidence(workload(), registries=ALL)))
    whole["registries"] = damaged(place, value)
    with pytest.raises(CommandError, match="saved evidence is damaged"):
        evidence_from(whole)


def test_evidence_without_registries_stays_without() -> None:
    whole = json.loads(to_json(evidence(workload())))
    assert whole["registries"] is None
    assert evidence_from(whole).registries is None
    del whole["registries"], whole["whatIf"]  # as older versions wrote it
    assert evidence_from(whole).registries is None
