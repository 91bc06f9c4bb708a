"""What holds every printed document against its schema (tests/reports.py) does so: here it finds faults."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pullcheck import document
from pullcore.printed import printed

from tests import reports

from .builders import REFUSED, pod, report, waiting

Object = dict[str, Any]
GOOD: Object = json.loads(document.render(report(pod(state=waiting(REFUSED))), "json"))


@pytest.fixture
def found() -> Iterator[list[str]]:
    """What was found to be wrong; forgotten afterwards, as it was meant."""
    yield reports.wrong
    reports.wrong.clear()


def spoilt(spoil: Callable[[Object], object]) -> Object:
    copy: Object = json.loads(json.dumps(GOOD))
    spoil(copy)
    return copy


SPOILT = {
    "a field too many": spoilt(lambda one: one.update(extra=1)),
    "a field too many deep in it": spoilt(lambda one: one["pulls"][0]["findings"][0].update(extra=1)),
    "a field too few": spoilt(lambda one: one["pulls"][0].pop("secrets")),
    "a cause that is in no catalogue": spoilt(lambda one: one["pulls"][0]["findings"][0].update(cause="bad-luck")),
    "blocked without a finding": spoilt(lambda one: one["pulls"][0].update(findings=[])),
    "a list of another kind": {"apiVersion": "pullsecret/v1", "kind": "SecretLists", "secrets": []},
    "a list's field too many": {"apiVersion": "pullsecret/v1", "kind": "SecretList", "secrets": [], "more": 1},
    "a plan without steps": {"apiVersion": "repull/v1", "kind": "RepullReport", "result": "done", "targets": []},
}


def test_a_good_one_passes(found: list[str]) -> None:
    printed(GOOD, "json")
    printed(GOOD, "yaml")
    assert found == []


@pytest.mark.parametrize("name", SPOILT)
@pytest.mark.parametrize("output", ["json", "yaml"])
def test_a_fault_is_found(name: str, output: str, found: list[str]) -> None:
    printed(SPOILT[name], output)
    assert len(found) == 1


@pytest.mark.parametrize("name", SPOILT)
def test_a_fault_of_another_process_is_found(name: str, found: list[str]) -> None:
    code = f"import sys; sys.stdout.write({json.dumps(SPOILT[name], indent=4)!r})"
    subprocess.run([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, check=True)
    assert len(found) == 1


def test_a_document_that_is_not_whole_is_found(found: list[str]) -> None:
    code = f"import sys; sys.stdout.write({json.dumps(GOOD, indent=4)[:-5]!r})"
    subprocess.run([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert len(found) == 1


def test_documents_of_others_are_left_alone(found: list[str]) -> None:
    printed({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {"made-by": "pullcheck/v1"}}}, "json")
    assert found == []
