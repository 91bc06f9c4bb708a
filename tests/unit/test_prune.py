"""What is kept of an object, and what is of the wrong type."""

from __future__ import annotations

from typing import Any

import pytest
from pullcore.prune import SHAPES, WrongType, prune_object

Object = dict[str, Any]


def test_nothing_but_what_a_diagnosis_reads_is_kept() -> None:
    secret = "hunter2"
    containers = [
        {"name": "c", "image": "i", "env": [{"name": "P", "value": secret}], "command": [secret], "args": [secret]}
    ]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "annotations": {"a": secret}, "managedFields": [{"manager": secret}]},
        "spec": {"containers": containers, "volumes": [{"name": "v", "csi": {"volumeAttributes": {"a": secret}}}]},
        "status": {"nominatedNodeName": secret},
    }
    kept = prune_object(pod)
    assert secret not in str(kept)
    assert kept["spec"] == {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v"}]}
    assert prune_object(kept) == kept


KEPT: list[Object] = [
    {"kind": "Deployment", "metadata": {"name": "web", "generation": 3}, "spec": {"replicas": 1, "paused": True}},
    {"kind": "Pod", "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node fits"}]}},
    {"kind": "Job", "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                                               "message": "too often"}], "succeeded": 1}},
    {"kind": "Cluster", "spec": {"clusterName": "c", "restartVersion": "2"}},
    {"kind": "Domain",
     "spec": {"adminServer": {"restartVersion": "1"}, "managedServers": [{"serverName": "ms1", "restartVersion": "2"}],
              "clusters": [{"clusterName": "c", "restartVersion": "3"}]},
     "status": {"servers": [{"serverName": "ms1", "clusterName": "c", "state": "RUNNING", "stateGoal": "RUNNING"},
                            {"serverName": "ms2", "state": "SHUTDOWN", "desiredState": "RUNNING"}]}},
]  # fmt: skip


@pytest.mark.parametrize("value", KEPT, ids=lambda value: str(value["kind"]))
def test_how_far_something_is_and_when_it_was_restarted_is_kept(value: Object) -> None:
    assert prune_object(value) == value


def test_the_status_of_a_job_is_kept_and_of_no_other_workload() -> None:
    status = {"conditions": [{"type": "Available", "status": "True", "message": "x"}], "succeeded": 1, "active": 1}
    assert prune_object({"kind": "Deployment", "status": status}) == {"kind": "Deployment"}
    assert "active" not in prune_object({"kind": "Job", "status": status})["status"]


def test_places_in_lists_are_kept() -> None:
    """Paths of sources count: an empty entry keeps its place."""
    kept = prune_object({"kind": "Pod", "spec": {"volumes": [{}, {"name": "v", "image": {"reference": "r"}}]}})
    assert kept["spec"]["volumes"][1]["image"]["reference"] == "r"


def test_null_and_empty_are_left_out() -> None:
    kept = prune_object(
        {"kind": "Pod", "metadata": {"name": "p", "labels": None}, "spec": {"containers": None, "volumes": []}}
    )
    assert kept == {"kind": "Pod", "metadata": {"name": "p"}}


def test_unknown_kinds_are_their_names() -> None:
    kept = prune_object({"apiVersion": "x/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"password": "x"}})
    assert kept == {"apiVersion": "x/v1", "kind": "Widget", "metadata": {"name": "w"}}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"kind": "Pod", "metadata": []}, "metadata is a list, where an object belongs"),
        ({"kind": "Pod", "metadata": {"name": 5}}, "metadata.name is a number, where text belongs"),
        ({"kind": "Pod", "metadata": {"labels": {"a": ["b"]}}}, "metadata.labels.a is a list, where text belongs"),
        ({"kind": "Pod", "metadata": {"labels": "x"}}, "metadata.labels is text, where an object belongs"),
        ({"kind": "Pod", "spec": {"containers": "x"}}, "spec.containers is text, where a list belongs"),
        ({"kind": "Pod", "spec": {"containers": [None]}}, "spec.containers[0] is nothing, where an object belongs"),
        ({"kind": "Pod", "spec": {"containers": [{"image": 5}]}}, "spec.containers[0].image is a number"),
        ({"kind": "Pod", "spec": {"imagePullSecrets": [None]}}, "spec.imagePullSecrets[0] is nothing"),
        ({"kind": "Pod", "spec": {"imagePullSecrets": ["a"]}}, "spec.imagePullSecrets[0] is text, where an object belongs"),
        ({"kind": "Pod", "spec": {"imagePullSecrets": {"name": "a"}}}, "spec.imagePullSecrets is an object"),
        ({"kind": "Deployment", "spec": {"replicas": True}}, "spec.replicas is true or false, where a number belongs"),
        ({"kind": "Deployment", "spec": {"selector": {"matchLabels": ["a"]}}}, "spec.selector.matchLabels is a list"),
        ({"kind": "Domain", "spec": {"clusters": [{"name": 1.5}]}}, "spec.clusters[0].name is a number"),
        ({"kind": "Domain", "spec": {"configuration": {"model": {"auxiliaryImages": {}}}}}, "auxiliaryImages is an object"),
        ({"kind": "Node", "status": {"images": [{"names": [1]}]}}, "names[0] is a number"),
    ],
)
def test_wrong_types(value: Object, reason: str) -> None:
    with pytest.raises(WrongType) as failure:
        prune_object(value)
    assert reason in str(failure.value)


@pytest.mark.parametrize("kind", [*SHAPES, "Widget"])
@pytest.mark.parametrize("junk", [5, "x", [], [[]], {"a": 1}, True, 1.5])
def test_junk_is_refused_or_dropped(kind: str, junk: object) -> None:
    for field in ("metadata", "spec", "status", "involvedObject", "imagePullSecrets"):
        try:
            assert prune_object({"kind": kind, field: junk})["kind"] == kind
        except WrongType:
            continue
