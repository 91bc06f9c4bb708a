"""Fills a cluster with the objects of `pods`, in seconds.

The API server makes the first pod of each workload, with what it adds on the way (managedFields, defaults, UIDs); all others
are copies of what it then keeps in etcd. Through the API alone 10,000 pods with their status and events take minutes.
"""

from __future__ import annotations

import base64
import concurrent.futures
import http.client
import json
import ssl
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.e2e.cluster.model import Cluster

from . import pods
from .measure import BenchError
from .pods import Object, Pod

THREADS = 12
AT_ONCE = 100  # etcd takes 128 operations, and 1.5 MiB
Stored = tuple[str, bytes]  # a key of etcd and what is there
T = TypeVar("T")
R = TypeVar("R")


class Filling:
    """One cluster that is being filled. Raises BenchError."""

    def __init__(self, cluster: Cluster) -> None:
        self.api = Api(cluster)
        self.etcd = Etcd(cluster.etcd_url)
        self.first: dict[int, First] = {}  # by group

    def surroundings(self) -> None:
        """One kind after the other: namespaces and service accounts before what needs them."""
        made: dict[str, list[tuple[str, Object]]] = {}
        for path, value in pods.surroundings():
            made.setdefault(path.rpartition("/")[2], []).append((path, value))
        for some in made.values():
            self._create(some)

    def add(self, numbers: range) -> None:
        """The pods of these numbers, their events, and the nodes that they run on."""
        self._create([("/api/v1/nodes", pods.node(number)) for number in pods.nodes(numbers)])
        wanted = [Pod(number) for number in numbers]
        first = {pod.group: pod for pod in reversed(wanted) if pod.group not in self.first}
        for one in _each(self._first, first.values()):
            self.first[one.pod.group] = one
        made = {pod.number for pod in first.values()}
        copies = [stored for pod in wanted if pod.number not in made for stored in self.first[pod.group].copied(pod)]
        _each(self.etcd.put, [copies[start : start + AT_ONCE] for start in range(0, len(copies), AT_ONCE)])

    def _create(self, objects: Iterable[tuple[str, Object]]) -> None:
        _each(lambda one: self.api.call("POST", *one), objects)

    def _first(self, pod: Pod) -> First:
        base = f"/api/v1/namespaces/{pod.namespace}"
        created = self.api.call("POST", f"{base}/pods", pods.new_pod(pod))
        self.api.call("PUT", f"{base}/pods/{pod.name}/status", {**created, "status": pods.status(pod)}, "kubelet")
        uid = created["metadata"]["uid"]
        told = pods.events(pod, uid) if pod.waits else ()
        events = [self.api.call("POST", f"{base}/events", one, "kubelet") for one in told]
        keys = [f"/registry/pods/{pod.namespace}/{pod.name}"]
        keys += [f"/registry/events/{pod.namespace}/{event['metadata']['name']}" for event in events]
        uids = [uid, *(event["metadata"]["uid"] for event in events)]
        return First(pod, uids, [(key, self.etcd.get(key)) for key in keys])


class First:
    """The first pod of a group, as etcd keeps it and its events."""

    def __init__(self, pod: Pod, uids: Sequence[str], stored: Sequence[Stored]) -> None:
        self.pod, self.uids, self.stored = pod, uids, stored

    def copied(self, pod: Pod) -> list[Stored]:
        """What stands for another pod of the group: the same but for texts of the same length."""
        fresh = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"{pod.name}/{uid}")) for uid in self.uids]
        pairs = list(zip((*pods.differing(self.pod), *self.uids), (*pods.differing(pod), *fresh)))
        assert all(len(old) == len(new) for old, new in pairs)
        found = []
        for key, value in self.stored:
            for old, new in pairs:
                key, value = key.replace(old, new), value.replace(old.encode(), new.encode())
            found.append((key, value))
        return found


def _each(function: Callable[[T], R], values: Iterable[T]) -> list[R]:
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, values))


class Etcd:
    """etcd by its JSON gateway, without authentication."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url)

    def get(self, key: str) -> bytes:
        """What is kept at a key."""
        found = self._call("range", {"key": _base64(key.encode())}).get("kvs")
        if not found:
            raise BenchError(f"etcd has nothing at {key}")
        return base64.b64decode(found[0]["value"])

    def put(self, values: Sequence[Stored]) -> None:
        puts = [{"requestPut": {"key": _base64(key.encode()), "value": _base64(value)}} for key, value in values]
        self._call("txn", {"success": puts})

    def _call(self, verb: str, body: Object) -> Object:
        connection = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=60)
        connection.request("POST", f"/v3/kv/{verb}", json.dumps(body))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return _answer(f"etcd {verb}", response.status, content)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _answer(what: str, status: int, content: bytes) -> Object:
    if status >= 300:
        raise BenchError(f"{what}: {status} {content[:500].decode(errors='replace')}")
    result: dict[str, Any] = json.loads(content)
    return result


class Api:
    """The API server with one connection for each thread."""

    def __init__(self, cluster: Cluster) -> None:
        self.address = urlsplit(cluster.api_url)
        self.context = ssl.create_default_context(cafile=cluster.ca_file)
        self.headers = {"Authorization": f"Bearer {cluster.admin_token}", "Content-Type": "application/json"}
        self.of_thread = threading.local()

    def call(self, method: str, path: str, body: Object, agent: str = "kube-controller-manager") -> Object:
        """One request; `agent` is who managedFields will say it was."""
        if not hasattr(self.of_thread, "connection"):
            host, port = self.address.hostname or "", self.address.port
            self.of_thread.connection = http.client.HTTPSConnection(host, port, timeout=60, context=self.context)
        connection: http.client.HTTPSConnection = self.of_thread.connection
        connection.request(method, path, json.dumps(body), {**self.headers, "User-Agent": agent})
        response = connection.getresponse()
        content = response.read()
        return _answer(f"{method} {path}", response.status, content)
