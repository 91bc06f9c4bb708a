"""What a run tells in the end: its document as the schema describes it, and its lines."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import jsonschema
import pytest
import yaml
from pullcore.diagnosis import Diagnosis, diagnose
from pullcore.evidence import NotChecked
from pullcore.pull import Target
from pullcore.workload import target_of
from repull import stage as stages
from repull.goal import Outcome
from repull.options import parse
from repull.report import Run, conclude, document, say_blocked, say_plan
from repull.session import Session
from repull.stage import Stage
from repull.steps import WORDS, Step

from .builders import IMAGE, REFUSED, domain, evidence, pod, waiting, workload
from .repull_builders import step

TEXT = (Path(__file__).parents[2] / "docs" / "repull.schema.json").read_text()
SCHEMA = json.loads(TEXT)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

WEB, POD = workload(), pod("web-1", state=waiting(REFUSED))
DEPLOYMENT = target_of(WEB)
UID = POD["metadata"]["uid"]
SEEN = evidence(WEB, POD, targets=[WEB])
DELETE, LATER = step("delete", POD, POD, asker=WEB), step("delete", POD, POD, asker=WEB, after=30.0)
LEAVE = step("leave", POD, POD, asker=WEB)
STUCK = step("leave", POD, POD, asker=WEB, stuck=True, reason="nobody would make it again")
STARTED = Stage("running", "started", pod="web-1")
REFUSED_STAGE = Stage("refused", "ErrImagePull: no", "main", "ErrImagePull", "no-credentials", IMAGE, "web-1")
PULLING = Stage("pulling", "pulling it, 5s so far", "main", pod="web-2")


def failing() -> list[Diagnosis]:
    return list(diagnose(evidence(pod("web-1", state=waiting(REFUSED)))).pulls)


def outcome(done: bool = False, *, stages: Optional[Mapping[str, Stage]] = None, **more: Any) -> dict[Target, Outcome]:
    return {DEPLOYMENT: Outcome(done, stages=stages or {}, **more)}


def run(*steps: Step, blocked: bool = False, **more: Any) -> Run:
    return Run(more.pop("evidence", SEEN), list(steps), {DEPLOYMENT: failing()} if blocked else {}, **more)


RUNS: dict[str, tuple[Run, str, str, Optional[str]]] = {
    # the run, its result, that of its target, and why
    "nothing to do": (run(), "done", "unchanged", None),
    "back": (run(DELETE, outcomes=outcome(True, stages={UID: STARTED})), "done", "back", None),
    "back, left": (run(LEAVE, outcomes=outcome(True)), "done", "back", None),
    "nobody waited": (run(DELETE, done=[DELETE]), "changed", "changed", None),
    "nobody waited, left": (run(LEAVE), "done", "unchanged", None),
    "put off": (run(LATER, put_off=[LATER]), "changed", "unchanged", None),
    "blocked": (run(blocked=True), "failed", "blocked", failing()[0].findings[0].summary),
    "blocked, dry run": (run(blocked=True, dry_run=True), "failed", "blocked", failing()[0].findings[0].summary),
    "stuck": (run(STUCK), "failed", "stuck", "nobody would make it again"),
    "stuck, dry run": (run(STUCK, dry_run=True), "failed", "stuck", "nobody would make it again"),
    "stuck in part": (run(DELETE, STUCK, outcomes=outcome(True)), "failed", "stuck", "nobody would make it again"),
    "planned": (run(DELETE, dry_run=True), "planned", "planned", None),
    "planned, left": (run(LEAVE, dry_run=True), "planned", "unchanged", None),
    "refused again": (
        run(
            DELETE,
            done=[DELETE],
            outcomes=outcome(failed="ErrImagePull: no", failed_pod=UID, stages={UID: REFUSED_STAGE}),
            causes={DEPLOYMENT: failing()},
        ),
        "failed",
        "failed",
        "ErrImagePull: no",
    ),
    "late": (run(DELETE, outcomes=outcome(waits="1 of 2 pods are there")), "failed", "late", "1 of 2 pods are there"),
    "late, a pod pulls": (run(DELETE, outcomes=outcome(stages={UID: PULLING})), "failed", "late", None),
    "a hostile reason": (run(DELETE, outcomes=outcome(failed="a\x1b[31m\nb")), "failed", "failed", "a^[[31m b"),
}


@pytest.mark.parametrize("name", RUNS)
def test_documents(name: str) -> None:
    one, result, of_target, reason = RUNS[name]
    found = document(one)
    VALIDATOR.validate(found)
    assert found["result"] == result
    (target,) = found["targets"]
    assert (target["kind"], target["namespace"], target["name"]) == ("Deployment", "default", "web")
    assert (target["result"], target["reason"]) == (of_target, reason)
    assert (found["result"] == "failed") is not one.well


def test_a_document_with_everything() -> None:
    found = document(RUNS["refused again"][0])
    assert found["targets"][0]["causes"] == ["no-credentials"]
    assert found["targets"][0]["pods"] == [
        {"uid": UID, "name": "web-1", "stage": "refused", "text": "ErrImagePull: no"},
    ]
    assert found["steps"] == [
        {
            "do": "delete",
            "object": "pod/web-1",
            "namespace": "default",
            "for": "deployment/web",
            "reason": "because",
            "afterSeconds": 0.0,
            "done": True,
        }
    ]


@pytest.mark.parametrize(
    ("one", "done"),
    [
        (run(DELETE, done=[DELETE]), True),
        (run(DELETE), False),
        (run(LEAVE), False),
        (run(step("superseded", POD, asker=WEB)), False),
        (run(DELETE, dry_run=True), False),
        (run(LATER, put_off=[LATER]), False),
    ],
)
def test_which_steps_were_done(one: Run, done: bool) -> None:
    assert [found["done"] for found in document(one)["steps"]] == [done]


def test_targets_are_in_order_and_told_once() -> None:
    other = domain()
    steps = [DELETE, step("introspect", other)]
    found = document(run(*steps, evidence=evidence(other, WEB), outcomes=outcome(True)))
    assert [one["name"] for one in found["targets"]] == ["web", "domain1"]


def test_the_schema_knows_every_step_and_stage() -> None:
    definitions = SCHEMA["$defs"]
    assert definitions["step"]["properties"]["do"]["enum"] == list(WORDS)
    known = definitions["target"]["properties"]["pods"]["items"]["properties"]["stage"]["enum"]
    names = {value for name, value in vars(stages).items() if name.isupper() and isinstance(value, str)}
    assert set(known) == names
    for name in known:
        VALIDATOR.validate(document(run(DELETE, outcomes=outcome(stages={UID: Stage(name, "x")}))))
    for do in WORDS:
        VALIDATOR.validate(document(run(step(do, WEB, server="s"))))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("result",), "fine"),
        (("apiVersion",), "repull/v2"),
        (("targets", 0, "result"), "gone"),
        (("targets", 0, "reason"), None),
        (("targets", 0, "causes"), ["No Credentials"]),
        (("targets", 0, "pods", 0, "stage"), "lost"),
        (("steps", 0, "do"), "explode"),
        (("steps", 0, "done"), "yes"),
        (("steps", 0, "object"), "web"),
    ],
)
def test_the_schema_refuses_what_is_none(place: tuple[Any, ...], value: object) -> None:
    found = json.loads(json.dumps(document(RUNS["refused again"][0])))
    VALIDATOR.validate(found)
    at = found
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = value
    assert not VALIDATOR.is_valid(found)


def test_every_field_of_the_document_is_in_the_schema() -> None:
    def closed(part: Any) -> Any:
        """The same schema, that takes no other fields."""
        if isinstance(part, dict):
            made = {key: closed(value) for key, value in part.items()}
            return {**made, "additionalProperties": False} if part.get("type") == "object" else made
        return [closed(one) for one in part] if isinstance(part, list) else part

    strict = closed(SCHEMA)
    jsonschema.validate(document(RUNS["refused again"][0]), strict, jsonschema.Draft202012Validator)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


# Lines


def session(*argv: str) -> tuple[Session, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Session(parse([*argv]), io.StringIO(), out, err, {}), out, err


def ended(one: Run, *argv: str) -> tuple[str, str]:
    on, out, err = session(*argv)
    conclude(one, on)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (run(DELETE, outcomes=outcome(True, stages={UID: STARTED})), "deployment/web in default is back: 1 pod started"),
        (
            run(DELETE, outcomes=outcome(True, stages={"a": STARTED, "b": STARTED, "c": Stage("ended", "x")})),
            "deployment/web in default is back: 2 pods started, 1 ended well",
        ),
        (run(outcomes=outcome(True, stages={"c": Stage("ended", "x")})), "deployment/web in default is back: 1 ended well"),
        (run(outcomes=outcome(True)), "deployment/web in default is back: all its pods run"),
        (
            run(DELETE, outcomes=outcome(failed="its operator reports it")),
            "deployment/web in default is not back: its operator reports it",
        ),
        (
            run(DELETE, outcomes=outcome(waits="1 of 2 pods are there", stages={"a": STARTED, "b": PULLING})),
            "deployment/web in default is not back within 90s: 1 of 2 pods are there; pod/web-2 pulling it, 5s so far",
        ),
        (run(DELETE, outcomes=outcome()), "deployment/web in default is not back within 90s: nothing was seen of it"),
        (
            run(DELETE, outcomes=outcome(failed="\x1b[31mred")),
            "deployment/web in default is not back: ^[[31mred",
        ),
    ],
)
def test_how_it_ended(one: Run, line: str) -> None:
    out, err = ended(one, "--timeout=90s")
    assert (out.splitlines(), err) == ([line], "")
    out, err = ended(one, "--timeout=90s", "-o", "name")
    assert (out, err.splitlines()) == ("", [line]), "standard output is for names"


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (run(), "Nothing to do: no pod of deployment/web waits for an image."),
        (
            run(evidence=evidence(targets=[], place="namespace default")),
            "Nothing to do: no pod waits for an image in namespace default.",
        ),
        (run(STUCK), "pod/web-1 is not back: nobody would make it again"),
        (
            run(LATER, put_off=[LATER]),
            "Not done, for nobody waits (--no-wait): after 30s, delete pod/web-1: because",
        ),
    ],
)
def test_what_else_is_said(one: Run, line: str) -> None:
    assert ended(one) == ("", f"{line}\n")


def test_why_it_was_refused_again_is_told_in_pullchecks_words() -> None:
    _, err = ended(RUNS["refused again"][0])
    assert "(no-credentials)" in err
    assert "kubectl logs" not in err


def test_where_to_look_at_a_crash() -> None:
    crash = Stage("crashed", "its image is there, but container main ended", "main", pod="web-1")
    _, err = ended(run(outcomes=outcome(failed=crash.text, failed_pod=UID, stages={UID: crash})))
    assert err == "See: kubectl logs web-1 -c main -n default\n     kubectl describe pod web-1 -n default\n"


@pytest.mark.parametrize(("how", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_document_is_all_of_standard_output(how: str, read: Any) -> None:
    one = RUNS["refused again"][0]
    out, err = ended(one, "-o", how)
    assert read(out) == document(one)
    assert "deployment/web in default is not back: pod/web-1: ErrImagePull: no" in err


def test_the_plan_by_what_is_brought_back() -> None:
    other = domain()
    unread = evidence(WEB, not_checked=(NotChecked("nodes", "forbidden"), NotChecked("x", "offline", excused=True)))
    on, out, err = session()
    say_plan(run(DELETE, step("introspect", other), LEAVE, evidence=unread), on)
    assert out.getvalue() == ""
    assert err.getvalue().splitlines() == [
        "Plan for deployment/web in default:",
        "  delete pod/web-1: because",
        "  leave pod/web-1: because",
        "Plan for domain/domain1 in default:",
        "  change introspectVersion of domain/domain1: because",
        "Not checked: nodes",
    ]


def test_what_is_blocked() -> None:
    on, _, err = session("--context=c")
    say_blocked(run(blocked=True), on)
    first, image, *causes, last = err.getvalue().splitlines()
    assert first == "deployment/web in default is still blocked, so nothing was done for it (--force does it anyway):"
    assert image.endswith(IMAGE)
    assert any(line.startswith("Cause: ") for line in causes)
    assert last == "Each step: kubectl pullcheck deployment/web -n default --context c"
