"""How often a scan asks: as often for many pods as for few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from pullcore.gather import MAX_EVENT_QUERIES, Gathering, Request
from pullcore.keyring import Credentials, SecretFacts
from pullcore.kinds import Kind
from pullcore.store import FileStore

from .builders import NOT_FOUND, NOW, Object, account, event, node, pod, waiting, workload


class Counted(FileStore):
    """Counts what is asked of it: each would be a request, or one for each page."""

    asked: Counter[str]

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        self.asked[f"get {kind.name}"] += 1
        return super().get(kind, namespace, name)

    def select(self, kind: Kind, namespace: Optional[str], **query: Any) -> Iterator[Object]:
        self.asked[f"list {kind.name}"] += 1
        return super().select(kind, namespace, **query)

    def secret(self, namespace: str, name: str) -> Optional[SecretFacts]:
        self.asked["get Secret"] += 1
        return super().secret(namespace, name)

    def pull_secrets(self, namespace: str) -> list[SecretFacts]:
        self.asked["list Secret"] += 1
        return super().pull_secrets(namespace)


def requests(pods: int) -> Counter[str]:
    """What a scan asks where so many pods of three workloads wait, each with an event."""
    owners = [workload("ReplicaSet", f"web-{number}", secrets=["registry"]) for number in range(3)]
    waits = [
        pod(f"web-{n}", secrets=["registry"], owner=owners[n % 3], state=waiting(NOT_FOUND), node=f"n{n}")
        for n in range(pods)
    ]
    told = [event(one, f"Failed to pull image: {NOT_FOUND}") for one in waits]
    events = [{**one, "kind": "Event", "apiVersion": "v1"} for one in told]
    nodes = [{**node(f"n{number}"), "apiVersion": "v1", "kind": "Node"} for number in range(pods)]
    accounts = [{**account(), "apiVersion": "v1", "kind": "ServiceAccount"}]
    store = Counted([*owners, *waits, *events, *nodes, *accounts], "default", Credentials())
    store.asked = Counter()
    seen = Gathering(Request("default", all_namespaces=True), store, (store,), complete=True).evidence(NOW)
    assert len(seen.pods) == pods
    assert len(seen.nodes or ()) == pods
    return store.asked


@pytest.mark.parametrize("many", [50, 500])
def test_many_pods_take_as_many_requests_as_few(many: int) -> None:
    few = requests(MAX_EVENT_QUERIES + 1)
    assert requests(many) == few
    assert few["list Pod"] == few["list Event"] == few["list Node"] == 1
    assert few["get ReplicaSet"] == 3
    assert sum(few.values()) < 16


def test_the_events_of_a_few_pods_are_asked_for_one_by_one() -> None:
    """Which is cheaper than all of a cluster's failures."""
    assert requests(MAX_EVENT_QUERIES)["list Event"] == MAX_EVENT_QUERIES
