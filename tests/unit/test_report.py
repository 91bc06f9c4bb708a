"""The report for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pullcheck import document
from pullcheck import report as pages
from pullcore.causes import CAUSES
from pullcore.diagnosis import Report, diagnose
from pullcore.evidence import NotChecked
from pullcore.terminal import ASCII_MARKS, Style

from .builders import (
    DNS,
    IMAGE,
    MALFORMED,
    NOT_FOUND,
    REFUSED,
    REGISTRY,
    RUNNING,
    container,
    domain,
    evidence,
    node,
    pod,
    report,
    secret,
    waiting,
    workload,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
NASTY = "a\x1b[31m\u202eb\x9b\r\nc\x00"
REPORTS = {
    "nothing": report(),
    "running": report(pod(state=RUNNING), node("n1", IMAGE), node("n2")),
    "not-found": report(pod(state=waiting(NOT_FOUND)), node("n1")),
    "mismatch": report(pod(secrets=["v2"], state=waiting(REFUSED)), secrets=[secret("v2", f"{REGISTRY}/v2")]),
    "malformed": report(pod(secrets=["m"], state=waiting("Back-off")), secrets=[secret("m", **MALFORMED)]),
    "missing": report(pod(secrets=["gone"], state=waiting(REFUSED)), missing=["gone"]),
    "invalid": report(pod("p", container(image=NASTY), state=waiting("couldn't parse", "InvalidImageName"))),
    "domain": report(domain(serverStartPolicy="Never"), notes=("n",), not_checked=(NotChecked("nodes", "forbidden"),)),
    "nasty": report(
        pod(NASTY, container(NASTY), secrets=[NASTY], account=NASTY, node=NASTY, state=waiting(NASTY, NASTY)),
        secrets=[secret("other", NASTY, username=NASTY)], missing=[NASTY], elsewhere={NASTY: (NASTY,)}, notes=(NASTY,),
        not_checked=(NotChecked(NASTY, NASTY),),
    ),
    "many": report(*(pod(f"p{number}", container(image=f"r.test/{number}:1"), state=waiting(DNS)) for number in range(9))),
}  # fmt: skip


def printed(found: Report, style: Style = Style()) -> dict[str, str]:  # noqa: B008 - immutable
    return {
        "explained": pages.explained(found, style),
        "summary": pages.summary(found, style, namespaces=True),
        "wide": pages.listing(found, wide=True, headers=True, namespaces=True),
        "name": pages.names(found),
        "remarks": "\n".join(pages.remarks(found)),
        "json": document.render(found, "json"),
        "yaml": document.render(found, "yaml"),
    }


@pytest.mark.parametrize("name", REPORTS)
def test_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(document.render(REPORTS[name], "json")), SCHEMA)


def test_schema_refuses() -> None:
    good: dict[str, Any] = json.loads(document.render(REPORTS["mismatch"], "json"))
    for bad in ({**good, "verdict": "fine"}, {key: good[key] for key in good if key != "pulls"}, {**good, "pulls": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, SCHEMA)


@pytest.mark.parametrize("name", REPORTS)
def test_yaml_is_json(name: str) -> None:
    assert yaml.safe_load(document.render(REPORTS[name], "yaml")) == json.loads(document.render(REPORTS[name], "json"))


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_raw(name: str) -> None:
    """Whatever a cluster or a file holds: no control, bidi or other invisible character, and no line that it made."""
    for text in printed(REPORTS[name]).values():
        assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "nasty"])
def test_ascii(name: str) -> None:
    style = Style(marks=ASCII_MARKS)
    assert all(text.isascii() for text in printed(REPORTS[name], style).values())


def test_colour_adds_nothing_but_colour() -> None:
    import re

    plain, coloured = (pages.explained(REPORTS["mismatch"], style) for style in (Style(), Style(colour=True)))
    assert plain != coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain


def test_every_finding_is_of_the_catalogue() -> None:
    assert {finding.cause for found in REPORTS.values() for one in found.pulls for finding in one.findings} <= set(CAUSES)


def test_steps_are_in_the_order_of_the_pull() -> None:
    text = pages.explained(REPORTS["mismatch"], Style())
    places = [
        text.index(f"  {mark} {step} ")
        for mark, step in zip("✓-✗-✗", ("reference", "nodes", "credentials", "registry", "kubelet"))
    ]
    assert places == sorted(places)
    assert text.index("Cause: ") > places[-1]
    assert "✗ credentials" in text
    assert "never matches: path /v2 without its final slash" in text


def test_headlines() -> None:
    def first(name: str) -> str:
        return pages.explained(REPORTS[name], Style()).splitlines()[0]

    assert first("running") == "pod/web-1 in default: 1 image, nothing speaks against pulling"
    assert first("not-found") == "pod/web-1 in default: 1 image, 1 cannot be pulled (1 pod waiting)"
    assert first("many").startswith("pod/p0, pod/p1, pod/p2 and 6 more in default: 9 images, 9 cannot be pulled (9 pods")


def test_scan_is_grouped_by_cause() -> None:
    found = report(*(pod(f"p{n}", container(image=f"{REGISTRY}/{n}:1"), state=waiting(DNS)) for n in range(3)), targets=[])
    text = pages.summary(found, Style(), namespaces=False)
    assert text.splitlines()[0].split() == ["IMAGE", "VERDICT", "CAUSE", "WAITING", "AGE", "OBJECT"]
    assert text.count("Cause:") == 1
    assert "3 images: " in text


def test_names_are_those_that_are_not_pullable() -> None:
    web, fine = workload(name="web"), workload(name="fine")
    found = report(
        web, fine, pod(owner=web, state=waiting(DNS)), pod("f", container(image="f:1"), owner=fine, state=RUNNING)
    )
    assert pages.names(found) == "deployment.apps/web\n"


def test_names_of_other_projects_kinds() -> None:
    found = report(
        pod(owner={"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "pg"}}, state=waiting(DNS))
    )
    assert "weblogic" not in pages.names(found)


def test_commands_are_printed_as_they_are() -> None:
    """Blanks in quotes have a meaning: what is pasted from the page is what the report for machines holds."""
    value = pod(secrets=["gone"], state=waiting(REFUSED))
    seen = evidence(value, missing=["gone"], elsewhere={"gone": ("far",)})
    found = diagnose(seen, ("--context", "'two  blanks'"))
    page = pages.explained(found, Style())
    for command in found.pulls[0].findings[0].fix:
        assert command in page
        assert "two  blanks" in command
