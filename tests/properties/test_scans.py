"""What a scan learns from pods that it does not parse: as much as from parsing them all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pullcore.census import Census, waits
from pullcore.kubelet import is_crashing
from pullcore.listtext import only

Object = dict[str, Any]
IMAGES = ["reg.io/app:1", "other.io/app:2", "app"]
STATES: list[Object] = [
    {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    {"terminated": {"exitCode": 0, "reason": "Completed"}},
    {},
    {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
    {"terminated": {"exitCode": 0, "reason": "Completed"}},
    {"waiting": {"reason": "ImagePullBackOff"}},
    {"waiting": {"reason": "CrashLoopBackOff"}},
    {"waiting": {"reason": "ContainerCreating"}},
]
# Of different owners. What admission may change, and its state, is drawn for each pod.
TEMPLATES = [
    ("ReplicaSet", "", IMAGES[0]),
    ("ReplicaSet", "robot", IMAGES[1]),
    ("StatefulSet", "default", IMAGES[1]),
    ("Job", "", IMAGES[0]),
    ("", "robot", IMAGES[2]),
]
births = st.tuples(
    st.sampled_from(range(len(TEMPLATES))),
    st.sampled_from([[], ["a"]]),
    st.sampled_from(STATES),
    st.sampled_from(STATES),
    st.sampled_from(["", "account", "image"]),
)
# Words that the text is searched for, where anybody may write them.
NOTES = st.sampled_from(["", '"waiting"', 'x","waiting":{', '"imagePullSecrets":[', ',{"metadata":{', "running"])


def a_pod(number: int, birth: Any, note: str) -> Object:
    of, secrets, first, second, changed = birth
    kind, account, image = TEMPLATES[of]
    if changed == "account":
        account = f"changed{of}"
    if changed == "image":
        image = f"changed{of}.io/app"
    owner = {"kind": kind, "name": f"o{of}", "uid": f"u{of}", "controller": True}
    spec: Object = {"containers": [{"name": "app", "image": image}]}
    if secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    if account:
        spec["serviceAccountName"] = account
    metadata: Object = {"name": f"p{number}", "namespace": "ns", "labels": {"app": "x"}}
    if note:
        metadata["annotations"] = {"note": note}
    if kind:
        metadata["ownerReferences"] = [owner]
    statuses = {"containerStatuses": [{"name": "app", "state": first}], "initContainerStatuses": [{"state": second}]}
    return {"metadata": metadata, "spec": spec, "status": statuses}


@settings(max_examples=400)
@given(st.lists(st.tuples(births, NOTES), min_size=10, max_size=40))
def test_a_census_of_some_is_one_of_all(born: list[tuple[Any, str]]) -> None:
    pods = [a_pod(number, birth, note) for number, (birth, note) in enumerate(born)]
    text = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}, separators=(",", ":"))
    every, some = Census(), Census()
    wanted = [pod for pod in pods if every.wanted(pod)]
    parsed = json.loads(only(text.encode(), some.text_wanted))["items"]
    assert [pod for pod in parsed if some.wanted(pod)] == wanted
    assert wanted == [pod for pod in pods if waits(pod) or is_crashing(pod)]
    assert (some.lists, some.registries()) == (every.lists, every.registries())


def test_most_of_many_that_are_alike_are_not_parsed() -> None:
    pods = [a_pod(number, (0, ["a"], STATES[0], STATES[1], ""), "") for number in range(100)]
    text = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}, separators=(",", ":"))
    assert len(json.loads(only(text.encode(), Census().text_wanted))["items"]) == 2  # the first, and the last as ever


@pytest.mark.parametrize(
    ("second", "looked_at"),
    [
        ((0, [], STATES[0], STATES[1], ""), 1),
        ((1, [], STATES[0], STATES[1], ""), 2),
        ((0, ["a"], STATES[0], STATES[1], ""), 2),
        ((0, [], STATES[1], STATES[0], ""), 2),
        ((0, [], STATES[5], STATES[1], ""), 2),
        ((0, [], STATES[0], STATES[1], "account"), 2),
        ((0, [], STATES[0], STATES[1], "image"), 2),
    ],
)
def test_pods_that_differ_are_looked_at(second: Any, looked_at: int) -> None:
    census = Census()
    pods = [a_pod(0, (0, [], STATES[0], STATES[1], ""), ""), a_pod(1, second, "")]
    assert sum(census.text_wanted(json.dumps(pod, separators=(",", ":")).encode()) for pod in pods) == looked_at


def test_pods_of_nobody_are_looked_at() -> None:
    census = Census()
    pod = json.dumps(a_pod(0, (4, [], STATES[0], STATES[1], ""), ""), separators=(",", ":")).encode()
    assert [census.text_wanted(pod), census.text_wanted(pod)] == [True, True]
