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
from pullcheck.steps import Step, steps
from pullcore import explanation
from pullcore.answers import Certificate, Content, Limit, Tags
from pullcore.causes import CAUSES
from pullcore.diagnosis import Report, diagnose
from pullcore.evidence import NotChecked
from pullcore.keyring import Credentials
from pullcore.terminal import ASCII_MARKS, Style

from .builders import (
    DIGEST,
    DNS,
    IMAGE,
    MALFORMED,
    NOT_FOUND,
    REFUSED,
    REGISTRY,
    RUNNING,
    UNTRUSTED,
    answer,
    answers,
    container,
    domain,
    evidence,
    node,
    only,
    pod,
    reach,
    report,
    secret,
    waiting,
    workload,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
NASTY = "a\x1b[31m\u202eb\x9b\r\nc\x00"
VAULT = Credentials()
FIRST, SECOND = secret("first", vault=VAULT, password="one"), secret("second", vault=VAULT, password="two")
CERTIFICATE = Certificate(REGISTRY, "Our CA", (REGISTRY, "10.1.2.3"), "2026-01-01T00:00:00Z", "2027-03-01T00:00:00Z")
LIMIT = Limit(76, 100, 21600, "bob")
TOKENS = reach(
    signs_in="bearer", token_service="auth.example.com", certificate=CERTIFICATE, limit=LIMIT, proxy="proxy.example.com:3128"
)
ALIKE = Tags(f"{REGISTRY}/team/app", "1.0", True, ("1.0.1", "v1.0"), 9)
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
    "given": report(
        workload(secrets=["first", "second"]), node(), secrets=[FIRST, SECOND],
        registries=answers(
            TOKENS, answer("bad-credentials", "credential 1"), answer("", "credential 2"),
            Content(IMAGE, ("linux/amd64", "linux/arm64"), index=True),
        ),
    ),
    "no tag": report(
        pod(state=waiting(NOT_FOUND)), registries=answers(reach(signs_in="none"), answer("image-not-found"), ALIKE)
    ),
    "unreachable": report(workload(), registries=answers(reach(cause="tls-untrusted", certificate=CERTIFICATE))),
    "not in time": report(workload(), registries=answers(reach())),
    "drift": report(
        pod(state=RUNNING, digest=f"sha256:{'b' * 64}"), node(),
        registries=answers(reach(limit=Limit(1)), answer()),
    ),
    "nasty registry": report(
        workload(secrets=["first"]), pod("p", container(image="r.test/x:1"), state=RUNNING), secrets=[FIRST],
        registries=answers(
            reach(limit=Limit(1, 100, 21600, NASTY), proxy=NASTY, token_service=NASTY, signs_in=NASTY,
                  certificate=Certificate(NASTY, NASTY, (NASTY,), NASTY, NASTY)),
            answer("image-not-found", "credential 1", code=NASTY, detail=NASTY),
            Tags(f"{REGISTRY}/team/app", "1.0", True, (NASTY,), 9),
            reach("r.test", "dns", detail=NASTY, url=NASTY),
        ),
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


@pytest.mark.parametrize("name", [name for name in REPORTS if not name.startswith("nasty")])
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


# Registry and manifest


def step(found: Report, name: str) -> Step:
    return next(one for one in steps(only(found), found.evidence) if one.name == name)


def described(document: Any, schema: Any, place: str = "") -> list[str]:
    """Fields of a document that its schema does not describe."""
    if isinstance(document, list):
        return [line for one in document for line in described(one, schema.get("items", {}), place)]
    if not isinstance(document, dict):
        return []
    known = schema.get("properties", {})
    missing = [f"{place}.{name}" for name in document if name not in known]
    return missing + [line for name in known for line in described(document.get(name), known[name], f"{place}.{name}")]


@pytest.mark.parametrize("name", REPORTS)
def test_schema_describes_every_field_of_a_registry(name: str) -> None:
    whole = json.loads(document.render(REPORTS[name], "json"))
    schema = SCHEMA["$defs"]["pull"]["properties"]["registry"]
    assert not [line for one in whole["pulls"] if one["registry"] for line in described(one["registry"], schema)]


def test_registry_for_machines() -> None:
    (pull,) = document.document(REPORTS["given"])["pulls"]
    assert pull["registry"] == {
        "reachable": True,
        "manifest": "present",
        "platforms": ["linux/amd64", "linux/arm64"],
        "digest": DIGEST,
        "attempts": [
            {"secret": "first", "result": "refused", "status": 401, "code": "UNAUTHORIZED",
             "detail": f"{REGISTRY}: 401 says UNAUTHORIZED"},
            {"secret": "second", "result": "accepted", "status": 200, "code": None, "detail": None},
        ],
        "seenFrom": "this machine",
        "url": f"https://{REGISTRY}",
        "detail": None,
        "certificate": {
            "subject": REGISTRY, "issuer": "Our CA", "names": [REGISTRY, "10.1.2.3"],
            "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-03-01T00:00:00Z",
        },
        "tokenService": "auth.example.com",
        "proxy": "proxy.example.com:3128",
        "nearestTags": [],
        "pullsLeft": {"remaining": 76, "total": 100, "seconds": 21600, "account": "bob"},
    }  # fmt: skip


def test_registry_that_cannot_be_asked_for_machines() -> None:
    (pull,) = document.document(REPORTS["unreachable"])["pulls"]
    found = pull["registry"]
    assert (found["reachable"], found["manifest"], found["attempts"]) == (False, "unknown", [])
    assert found["detail"] == f"{REGISTRY}: tls-untrusted seen here"
    assert found["certificate"]["issuer"] == "Our CA"


@pytest.mark.parametrize("name", ["running", "malformed", "invalid"])
def test_a_registry_that_was_not_asked_is_null(name: str) -> None:
    (pull,) = document.document(REPORTS[name])["pulls"]
    assert pull["registry"] is None


def test_tags_that_are_alike_for_machines() -> None:
    (pull,) = document.document(REPORTS["no tag"])["pulls"]
    assert pull["registry"]["nearestTags"] == ["1.0.1", "v1.0"]


def test_registry_and_manifest_come_between_credentials_and_kubelet() -> None:
    found = REPORTS["given"]
    names = [one.name for one in steps(only(found), found.evidence)]
    assert names == ["reference", "nodes", "credentials", "registry", "manifest", "kubelet"]


def test_step_of_a_registry_that_answers() -> None:
    found = step(REPORTS["given"], "registry")
    assert found.mark == "ok"
    for words in (
        f"{REGISTRY} answers this machine in 12 ms by proxy proxy.example.com:3128",
        "TLS valid until 2027-03-01",
        "asks for authentication",
        "token service auth.example.com",
        "account bob",
        "76 of 100",
    ):
        assert words in found.text


def test_step_of_a_manifest_that_is_given_to_the_second() -> None:
    found = step(REPORTS["given"], "manifest")
    assert (found.mark, found.text) == (
        "ok",
        "list of platforms for linux/amd64, linux/arm64 given with second, sha256:aaaaaaaaaaaa",
    )
    assert found.lines == (("with first", "401 says UNAUTHORIZED"), ("with second", "accepted"))


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"verified": True, "certificate": CERTIFICATE}, "TLS valid until 2027-03-01"),
        ({"verified": False, "certificate": CERTIFICATE}, "certificate not verified"),
        ({"verified": False}, "certificate not verified"),
        ({"verified": False, "url": f"http://{REGISTRY}"}, "plain HTTP"),
    ],
)
def test_step_tells_how_the_registry_was_reached(details: dict[str, Any], words: str) -> None:
    assert words in step(report(workload(), registries=answers(reach(**details), answer())), "registry").text


def test_a_certificate_of_which_no_facts_are_known_is_not_called_unverified() -> None:
    found = step(report(workload(), registries=answers(reach(verified=True, certificate=None), answer())), "registry")
    assert "not verified" not in found.text


def test_step_of_a_registry_whose_identity_is_not_certain() -> None:
    plain = reach(url=f"http://{REGISTRY}", vouched=False, verified=False, signs_in="none")
    found = step(report(workload(), registries=answers(plain, answer())), "registry")
    assert found.mark == "warn"
    assert "plain HTTP, asks for no authentication" in found.text


def test_step_of_a_registry_that_cannot_be_asked() -> None:
    found = REPORTS["unreachable"]
    assert step(found, "registry") == Step(
        "registry", "warn", f"cannot be asked from this machine: {REGISTRY}: tls-untrusted seen here"
    )
    assert "manifest" not in [one.name for one in steps(only(found), found.evidence)]


@pytest.mark.parametrize(
    ("said", "mark", "text"),
    [
        ([answer()], "ok", "list of platforms given without credentials, sha256:aaaaaaaaaaaa"),
        ([answer(media_type="application/vnd.oci.image.manifest.v1+json", digest=None)], "ok",
         "manifest given without credentials"),
        ([answer("no-credentials")], "bad", "401 says nothing, without credentials"),
        ([answer("image-not-found")], "bad", "404 says MANIFEST_UNKNOWN, without credentials"),
        ([answer("registry-error")], "warn", "500 says nothing, without credentials"),
        ([], "none", "not asked with these credentials"),
    ],
)  # fmt: skip
def test_step_of_a_manifest(said: list[Any], mark: str, text: str) -> None:
    assert step(report(workload(), registries=answers(reach(), *said)), "manifest") == Step("manifest", mark, text)


NEEDLESS = "anybody may pull it, so that the credential does no harm, which is refused: 401 Unauthorized"


@pytest.mark.parametrize("detail", ["", NEEDLESS])
def test_step_of_a_manifest_that_needs_no_credential(detail: str) -> None:
    """One is offered; the registry did not ask for it, or did not want this one."""
    said = answers(answer("", "credential 1", proven=False, detail=detail))
    found = step(report(workload(secrets=["first"]), secrets=[FIRST], registries=said), "manifest")
    assert found.mark == "ok"
    assert "given without credentials" in found.text
    assert [line[-1] for line in found.lines] == ([detail] if detail else [])


def test_step_of_a_manifest_that_none_gets() -> None:
    said = answers(answer("bad-credentials", "credential 1"), answer("forbidden", "credential 2"))
    found = step(report(workload(secrets=["first", "second"]), secrets=[FIRST, SECOND], registries=said), "manifest")
    assert (found.mark, found.text) == ("bad", "given to none of 2 credentials")
    assert found.lines == (("with first", "401 says UNAUTHORIZED"), ("with second", "403 says DENIED"))


NO_REGISTRY = NotChecked("registries", "not asked: --no-registry", excused=True)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (report(workload(), not_checked=(NO_REGISTRY,)), "not asked: --no-registry"),
        (report(workload("Deployment", "w", container(policy="Never"))), "not asked: policy Never forbids to pull"),
        (report(workload(secrets=["m"]), secrets=[secret("m", **MALFORMED)]),
         "not asked: a malformed secret stops the kubelet before"),
        (report(workload()), "not asked"),
    ],
)  # fmt: skip
def test_step_of_a_registry_that_was_not_asked(found: Report, why: str) -> None:
    assert step(found, "registry") == Step("registry", "none", why)
    assert "manifest" not in [one.name for one in steps(only(found), found.evidence)]


def test_headline_of_what_could_not_be_judged() -> None:
    first = pages.explained(REPORTS["unreachable"], Style()).splitlines()[0]
    assert first == "deployment/web in default: 1 image, 1 could not be judged"


def test_page_of_drift() -> None:
    page = pages.explained(REPORTS["drift"], Style())
    assert "sha256:bbbbbbbbbbbb\n    (tag-drift)" in page or "(tag-drift)" in page
    assert "(rate-limited)" in page
    assert "Cause:" not in page


@pytest.mark.parametrize("cause", ["tls-untrusted", "http-https-mismatch", "proxy"])
def test_what_only_this_machine_sees_is_not_mended_on_the_nodes(cause: str) -> None:
    """Nobody restarts the runtimes of a cluster because a laptop does not know an authority."""
    page = pages.explained(report(workload(), registries=answers(reach(cause=cause))), Style())
    assert "could not be asked from this machine" in page
    assert " ".join(CAUSES[cause].remedy.split()[:6]) not in " ".join(page.split())


@pytest.mark.parametrize("cause", ["tls-untrusted", "dns"])
def test_what_a_kubelet_sees_is_mended_there(cause: str) -> None:
    said = DNS if cause == "dns" else UNTRUSTED
    page = pages.explained(report(pod(state=waiting(said)), registries=answers(reach(cause=cause))), Style())
    assert " ".join(CAUSES[cause].remedy.split()[:6]) in " ".join(page.split())


# The cause, for every plugin


def test_the_lines_of_a_cause_are_those_of_the_page() -> None:
    found = REPORTS["not-found"]
    lines = explanation.cause_lines([only(found)], Style())
    assert lines[0].startswith("Cause: ")
    assert "(image-not-found)" in " ".join(lines)
    assert "\n".join(lines) in pages.explained(found, Style())


def test_no_cause_no_lines() -> None:
    assert explanation.cause_lines([only(REPORTS["running"])], Style()) == []


def test_a_cause_that_many_have_is_told_once_with_every_command() -> None:
    pods = [
        pod(f"p{n}", container(image=f"{REGISTRY}/{n}:1"), secrets=[f"gone-{n}"], state=waiting(REFUSED)) for n in range(9)
    ]
    group = report(*pods, missing=[f"gone-{n}" for n in range(9)]).pulls
    lines = explanation.cause_lines(group, Style(colour=True))
    assert lines[0].startswith("\033[1mCause: \033[0m9 images: ")
    fixes = list(dict.fromkeys(command for one in group for command in one.findings[0].fix))
    assert len(fixes) > 8, "else this test shows nothing"
    start = next(number for number, line in enumerate(lines) if "Fix:" in line)
    assert lines[start:] == [
        f"\033[1mFix:   \033[0m{fixes[0]}",
        *(f"       {fix}" for fix in fixes[1:8]),
        f"       and {len(fixes) - 8} more (-o json shows all)",
    ]


def test_further_lines_hang_below_the_text() -> None:
    lines = explanation.hanging("Note: ", 6, "word " * 40, Style())
    assert len(lines) == 2
    assert lines[0].startswith("Note: word")
    assert lines[1].startswith("      word")
    assert explanation.hanging("Note: ", 6, "", Style()) == ["Note: "]
