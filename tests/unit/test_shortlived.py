"""Pods that are made for a moment: whatever the API server answers, ours go and no other does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from pullcore import shortlived
from pullcore.apierrors import ApiError
from pullcore.cluster import Cluster
from pullcore.command import Connection
from pullcore.errors import CommandError
from pullcore.shortlived import ShortLived

from tests.integration.standin import Answer, Asked, ClusterStandIn, status

Object = dict[str, Any]
PODS = "/api/v1/namespaces/ns/pods"


def pod(name: str = "ours", **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns", **metadata}, "spec": {}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlived, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def server() -> Iterator[ClusterStandIn]:
    stand_in = ClusterStandIn({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}})
    yield stand_in
    stand_in.close()


@pytest.fixture
def pods(server: ClusterStandIn, tmp_path: Path) -> ShortLived:
    cluster = Cluster.connect(Connection(server=server.url), user_agent="test", environ={"HOME": str(tmp_path)})
    return ShortLived(cluster, grace=0)


def post(pods: ShortLived, value: Optional[Object] = None) -> Object:
    return pods.create(value or pod(), lambda one: pods.cluster.request("POST", PODS, body=one))


def deletions(server: ClusterStandIn) -> int:
    return sum(one.method == "DELETE" for one in server.asked)


def test_made_and_taken_away(pods: ShortLived, server: ClusterStandIn) -> None:
    made = post(pods)
    assert server.has("Pod", "ours") and pods.any
    assert pods.delete("ns", "ours")
    assert not server.has("Pod", "ours") and not pods.any
    assert made["metadata"]["uid"].encode() in server.asked[-1].body


@pytest.mark.parametrize(("code", "tries"), [(403, 0), (422, 0), (500, 1), (504, 1)])
def test_an_answer_that_leaves_it_open(pods: ShortLived, server: ClusterStandIn, code: int, tries: int) -> None:
    """Refused, it was not made; after the server's own trouble it may be there, and is deleted."""

    def made_then_trouble(asked: Asked) -> Optional[Answer]:
        if asked.method != "POST":
            return None
        if tries:
            server.put(pod())
        return status(code, "Odd", "no")

    server.before = made_then_trouble
    with pytest.raises(ApiError):
        post(pods)
    assert not server.has("Pod", "ours") and not pods.any
    assert deletions(server) == tries


def test_an_answer_that_is_no_pod(pods: ShortLived, server: ClusterStandIn) -> None:
    with pytest.raises(CommandError, match="no pod"):
        pods.create(pod(), lambda one: {"kind": "Pod"})
    assert deletions(server) == 1 and not pods.any


def test_another_of_that_name_stays(pods: ShortLived, server: ClusterStandIn) -> None:
    post(pods)
    server.remove("Pod", "ours")
    server.put(pod())  # another UID
    assert pods.delete("ns", "ours")
    assert server.has("Pod", "ours")


@pytest.mark.parametrize("answer", [status(403, "Forbidden", "no"), Answer(404, b"404 page not found\n")])
def test_what_can_not_be_removed_is_known(pods: ShortLived, server: ClusterStandIn, answer: Answer) -> None:
    """Neither a refusal nor another server's word is taken for its end."""
    post(pods)
    server.before = lambda asked: answer if asked.method == "DELETE" else None
    pods.clear()
    assert pods.left == [("ns", "ours")] and pods.any


def test_nothing_is_made_after_the_end(pods: ShortLived, server: ClusterStandIn) -> None:
    pods.clear()
    with pytest.raises(CommandError, match="stopped"):
        post(pods)
    assert not server.writes


def test_what_was_on_its_way_at_the_end_goes_too(pods: ShortLived, server: ClusterStandIn) -> None:
    """Whoever takes all away finds nothing yet, and the pod comes to be afterwards."""

    def slow(value: Object) -> Object:
        pods.clear()
        assert not pods.left
        return pods.cluster.request("POST", PODS, body=value)

    with pytest.raises(CommandError, match="stopped"):
        pods.create(pod(), slow)
    assert not server.has("Pod", "ours") and not pods.any


def test_leftovers(pods: ShortLived, server: ClusterStandIn) -> None:
    for name in ("old", "young"):
        server.put(pod(name, labels={"a": "b"}))
    server.put(pod("other"))
    assert pods.sweep("ns", "a=b", lambda one: one["metadata"]["name"] != "young") == ["old"]
    assert server.has("Pod", "young") and server.has("Pod", "other")
