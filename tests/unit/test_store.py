"""What a cluster's store asks for one object, and how much of it it gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pullcore.cluster import Cluster, NotFound
from pullcore.command import Connection
from pullcore.keyring import Credentials
from pullcore.kinds import KINDS
from pullcore.store import ClusterStore

from tests.integration.standin import Answer, ClusterStandIn

POD, DOMAIN = KINDS["Pod"], KINDS["Domain"]


@pytest.fixture
def server() -> Iterator[ClusterStandIn]:
    stand_in = ClusterStandIn(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"hostname": "h"}},
        {"apiVersion": "weblogic.oracle/v8", "kind": "Domain", "metadata": {"name": "domain1"}, "spec": {"logHome": "/x"}},
    )
    yield stand_in
    stand_in.close()


@pytest.fixture
def store(server: ClusterStandIn, tmp_path: Path) -> ClusterStore:
    cluster = Cluster.connect(Connection(server=server.url), user_agent="test", environ={"HOME": str(tmp_path)})
    return ClusterStore(cluster, Credentials())


def test_whole_keeps_what_get_cuts_off(store: ClusterStore, server: ClusterStandIn) -> None:
    assert store.whole(POD, "ns", "web") == server.get("Pod", "web")
    cut = store.get(POD, "ns", "web")
    assert cut is not None
    assert (cut["kind"], cut["metadata"]["name"], "spec" in cut) == ("Pod", "web", False)


@pytest.mark.parametrize("read", ["get", "whole"])
def test_versions_are_tried_until_one_answers(store: ClusterStore, server: ClusterStandIn, read: str) -> None:
    """A server of the old operator says of v9 that it has no such kind; asked again, it is asked for v8 only."""
    unknown = {"kind": "Status", "reason": "NotFound", "message": "no such kind", "details": {}}
    server.before = lambda asked: Answer(404, unknown) if "/v9/" in asked.path else None
    for _ in range(2):
        found = getattr(store, read)(DOMAIN, "ns", "domain1")
        assert found["apiVersion"] == "weblogic.oracle/v8"
    assert [one.path.split("/")[3] for one in server.asked] == ["v9", "v8", "v8"]


@pytest.mark.parametrize("read", ["get", "whole"])
def test_what_is_not_there(store: ClusterStore, server: ClusterStandIn, read: str) -> None:
    assert getattr(store, read)(DOMAIN, "ns", "gone") is None
    assert len(server.asked) == 1, "the kind is known: no other version can have it"
    server.unserved = {"Domain"}
    assert getattr(ClusterStore(store.cluster, store.vault), read)(DOMAIN, "ns", "domain1") is None
    server.unserved = {"Pod"}
    with pytest.raises(NotFound):  # that is no Kubernetes
        getattr(store, read)(POD, "ns", "web")
