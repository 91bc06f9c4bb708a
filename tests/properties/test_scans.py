"""What a scan learns from pods that it does not parse: as much as from parsing them all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pullcore.census import Census, waits
from pullcore.kubelet import is_crashing
from pullcore.listtext import only

Object = dict[str, Any]
IMAGES = ["reg.io/app:1", "other.io/app:2", "app"]
LABELS = {
    "ReplicaSet": "pod-template-hash",
    "StatefulSet": "controller-revision-hash",
    "Job": "job-name",
    "": "pod-template-hash",
}
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
# What only its template decides, of pods of different owners; what admission adds, and its state, is drawn for each pod.
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
    st.booleans(),
)
# Words that the text is searched for, where anybody may write them.
NOTES = st.sampled_from(["", '"waiting"', 'x","waiting":{', '"imagePullSecrets":[', ',{"metadata":{', "running"])


def a_pod(number: int, birth: Any, note: str) -> Object:
    of, secrets, first, second, changed = birth
    kind, account, image = TEMPLATES[of]
    revision = "7d4f"  # the same template in two namespaces has the same hash
    if changed and kind != "ReplicaSet":  # the pods of others need not be alike
        account, image, revision = f"changed{of}", f"changed{of}.io/app", "99aa"
    owner = {"kind": kind, "name": f"o{of}", "uid": f"u{of}", "controller": True}
    spec: Object = {"containers": [{"name": "app", "image": image}]}
    if secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    if account:
        spec["serviceAccountName"] = account
    metadata: Object = {"name": f"p{number}", "namespace": "ns", "labels": {"app": "x", LABELS[kind]: revision}}
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
    pods = [a_pod(number, (0, ["a"], STATES[0], STATES[1], False), "") for number in range(100)]
    text = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}, separators=(",", ":"))
    assert len(json.loads(only(text.encode(), Census().text_wanted))["items"]) == 1
