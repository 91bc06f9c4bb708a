"""Evidence as a file: the same when read back, without secrets, and refused when damaged."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pullcore.errors import CommandError
from pullcore.evidence import Evidence, NotChecked, from_document, to_json

from .builders import (
    NOW,
    PASSWORD,
    account,
    cluster,
    domain,
    event,
    evidence,
    node,
    pod,
    secret,
    server_labels,
    waiting,
    workload,
)

Object = dict[str, Any]
QUOTED = 'pa"ss\\wörd'


def everything() -> Evidence:
    one = pod(state=waiting("why"), labels=server_labels("u"))
    return evidence(
        one, workload(), domain(monitoringExporter={}), cluster("c", {}), account(secrets=["a"]), node("n1", "x:1"),
        event(one, "why"),
        secrets=[secret("a"), secret("b", password=QUOTED), secret("c", config="{"), secret("d", type="Opaque")],
        missing=["gone"], elsewhere={"gone": ("there",)}, earlier_lists={("default", "default"): (("a", "b"), ())},
        anonymous_registries=("docker.io",), not_checked=(NotChecked("nodes", "no", True),), notes=("a note",),
        waiting_only=True,
    )  # fmt: skip


def test_round_trip() -> None:
    seen = everything()
    text = to_json(seen)
    assert from_document(json.loads(text)) == seen
    assert to_json(from_document(json.loads(text))) == text
    assert from_document(json.loads(to_json(Evidence(observed_at=NOW)))) == Evidence(observed_at=NOW)


def test_no_credential_is_saved() -> None:
    text = to_json(everything())
    for password in (PASSWORD, QUOTED):
        pair = f"bob:{password}".encode()
        for form in (
            password,
            json.dumps(password)[1:-1],
            base64.b64encode(pair).decode(),
            base64.b64encode(password.encode()).decode(),
        ):
            assert form not in text
    assert "bob" in text  # a user name is no secret


def changed(**fields: object) -> Object:
    document: Object = json.loads(to_json(everything()))
    return {**document, **fields}


def without(field: str) -> Object:
    document = changed()
    del document[field]
    return document


NEWER = ("whatIf", "canaries", "registries")  # evidence of 0.1.0 lacks them, and can be read
DAMAGED: list[Object] = [
    *(without(field) for field in changed() if field not in ("kind", *NEWER)),
    *(changed(**{field: 5}) for field in changed() if field not in ("kind", "waitingOnly")),
    *(changed(**{field: [5]}) for field in ("objects", "pods", "secrets", "serviceAccounts", "events", "nodes", "targets")),
    changed(observedAt="yesterday"),
    changed(objects=[{}]),
    changed(objects=[{"kind": "Domain"}]),
    changed(objects=[{"kind": "Domain", "metadata": {"namespace": "x"}}]),
    changed(pods=[{"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"image": 7}]}}]),
    changed(secrets=[{"namespace": "n", "name": "s", "value": {"entries": []}}]),
    changed(secrets=[{"namespace": "n", "name": "s", "value": {"name": "s", "type": "t", "entries": []}}]),
    changed(secrets=[{"namespace": "n", "name": "s", "value": {"namespace": "n", "name": "s", "type": "t", "entries": [
        {"key": 5, "normalised": None, "skipped": None, "username": None, "label": None, "empty": False}]}}]),
    changed(secrets=[{"namespace": "n", "name": "s", "value": {"namespace": "n", "name": "s", "type": "t", "entries": [
        {"key": "k", "normalised": 5, "skipped": None, "username": None, "label": None, "empty": False}]}}]),
    changed(apiVersion="pullcheck/v2"),
    changed(apiVersion={"\x1b": "x"}),
]  # fmt: skip


@pytest.mark.parametrize("document", DAMAGED)
def test_damaged_evidence_is_one_line(document: Object) -> None:
    with pytest.raises(CommandError, match="saved evidence") as failure:
        from_document(document)
    assert str(failure.value).isprintable()


def test_evidence_of_a_stranger_is_cut_to_its_shape() -> None:
    document = changed(extra="x")
    document["pods"][0]["spec"]["containers"][0]["env"] = [{"name": "P", "value": "hunter2"}]
    assert "hunter2" not in to_json(from_document(document))
