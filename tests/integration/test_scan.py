"""A scan of many pods by the API: what is not parsed is not missed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pullcore import listtext
from pullcore.cluster import Cluster, TextWanted
from pullcore.command import Connection
from pullcore.evidence import Evidence
from pullcore.gather import Gathering, Request
from pullcore.keyring import Credentials
from pullcore.store import ClusterStore, FileStore

from tests.unit.builders import NOT_FOUND, NOW, Object, account, event, node, pod, waiting, workload

from .standin import COMPRESSED, ClusterStandIn

RUNS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
MANY = 1203


def scene() -> list[Object]:
    """Pods of three ReplicaSets in three pages, of which four wait: the first, the last, and two in the middle."""
    owners = [workload("ReplicaSet", f"web-{number}", secrets=["registry"]) for number in range(3)]
    waits = {0: "a", 501: "b", 777: "c", MANY - 1: "d"}
    pods = [
        pod(
            f"web-{n:04}",
            secrets=["registry"] if n % 2 else [],
            owner=owners[n % 3],
            state=waiting(NOT_FOUND) if n in waits else RUNS,
        )
        for n in range(MANY)
    ]
    told = [{**event(pods[n], f"Failed to pull image: {NOT_FOUND}"), "kind": "Event", "apiVersion": "v1"} for n in waits]
    others = [{"kind": "ServiceAccount", **account()}, {"kind": "Node", **node("n1")}]
    return [*owners, *pods, *told, *({"apiVersion": "v1", **one} for one in others)]


def seen(store: ClusterStore | FileStore) -> Evidence:
    found = Gathering(Request("default", all_namespaces=True), store, (store,), complete=True).evidence(NOW)
    return replace(found, pods=tuple(sorted(found.pods, key=lambda one: str(one["metadata"]["name"]))))


def test_as_much_is_learnt_as_from_parsing_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    only = listtext.only

    def counted(text: bytes, wanted: TextWanted) -> bytes:
        kept = only(text, wanted)
        parsed.append(kept.count(b'"phase":'))
        return kept

    monkeypatch.setattr("pullcore.cluster.only", counted)
    objects = scene()
    stand_in = ClusterStandIn(*objects)
    try:
        environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        cluster = Cluster.connect(Connection(server=stand_in.url), user_agent="x", environ=environ)
        found = seen(ClusterStore(cluster, Credentials()))
    finally:
        stand_in.close()
    whole = seen(FileStore(list(stand_in.objects.values()), "default", Credentials()))
    assert [one["metadata"]["name"] for one in found.pods] == ["web-0000", "web-0501", "web-0777", f"web-{MANY - 1}"]
    for part in ("pods", "earlier_lists", "anonymous_registries", "service_accounts", "nodes", "not_checked"):
        assert getattr(found, part) == getattr(whole, part), part
    assert len(parsed) == 3
    assert sum(parsed) < 20
    pages = [asked for asked in stand_in.asked if asked.path == "/api/v1/pods" and asked.query.get("limit")]
    assert len(pages) >= 3
    assert {"gzip"} == {one for asked in pages for one in asked.all("Accept-Encoding")}
    assert len(json.dumps(objects[3:503])) > COMPRESSED  # so that they come compressed
