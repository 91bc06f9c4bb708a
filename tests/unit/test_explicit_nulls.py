"""What is read of objects as the API server gives them: a list or an object in them that is null is one that is not there.

Everything else is pruned first, which leaves null out (test_prune.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import pytest
from pullcore.ownership import keeper_of
from pullcore.podspec import secret_names
from pullcore.weblogic import clusters_named, failures
from pullcore.workload import runs
from repull import carrier_pod, patches
from repull.manifests import manifest_of

from .builders import Object

NAMES = [{"name": "regcred"}]
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web", "namespace": "ns", "uid": "u-1", "labels": {"app": "web"}, "annotations": {"a": "b"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1"}],
        "managedFields": [{"fieldsV1": {"f:spec": {"f:imagePullSecrets": {}}}}],
    },
    "spec": {
        "nodeName": "n1", "imagePullSecrets": NAMES,
        "containers": [{"name": "main", "image": "busybox", "env": [{"name": "ADMIN_NAME", "value": "admin"}]}],
    },
    "status": {
        "phase": "Running",
        "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": "2026-03-01T12:00:00Z"}}}],
    },
}  # fmt: skip
ENDED = {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"finishedAt": "2026-03-01T12:00:00Z"}}}]}
JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "once", "namespace": "ns", "labels": {"job-name": "once"}},
    "spec": {
        "selector": {"matchLabels": {"job-name": "once"}},
        "template": {"metadata": {"labels": {"job-name": "once"}}, "spec": {"containers": [{"name": "main"}]}},
    },
}
DEPLOYMENT: Object = {
    "kind": "Deployment",
    "metadata": {"name": "web", "resourceVersion": "1"},
    "spec": {"template": {"metadata": {"annotations": {"a": "b"}}}},
}
DOMAIN: Object = {
    "kind": "Domain",
    "metadata": {"name": "domain1", "namespace": "ns", "resourceVersion": "1"},
    "spec": {
        "clusters": [{"name": "cluster-1"}],
        "adminServer": {"restartVersion": "1"},
        "managedServers": [{"serverName": "server1", "restartVersion": "1"}],
    },
}
NODE: Object = {
    "metadata": {"name": "n1"},
    "status": {"nodeInfo": {"architecture": "amd64"}, "images": [{"names": ["registry.k8s.io/pause:3.10"]}]},
}

READERS: list[tuple[str, Callable[[Object], object], Object]] = [
    ("runs", runs, POD),
    ("failures", failures, {**DOMAIN, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}),
    ("secret_names", secret_names, {"imagePullSecrets": NAMES}),
    ("keeper_of", keeper_of, POD),
    ("manifest of a pod", manifest_of, POD),
    ("manifest of a Job", manifest_of, JOB),
    ("Clusters of a Domain", clusters_named, DOMAIN),
    ("introspect", patches.introspect, DOMAIN),
    ("restart", patches.restart, DOMAIN),
    ("restart of the admin server", patches.restart_server("admin", admin=True), DOMAIN),
    ("restart of a server", patches.restart_server("server1", admin=False), DOMAIN),
    ("is_admin", lambda pod: patches.is_admin(pod, "admin"), POD),
    ("helpers, of its node", lambda node: carrier_pod.helpers(node, [POD]), NODE),
    (
        "helpers, of its pods",
        lambda pod: carrier_pod.helpers(NODE, [pod]),
        {**POD, "spec": {**POD["spec"], "imagePullSecrets": []}},
    ),
    ("leftover", lambda pod: carrier_pod.is_leftover(pod, 0.0), {**POD, "status": ENDED}),
]


def with_a_null(value: Any, needed: Sequence[str] = ("metadata", "spec")) -> Iterator[Any]:
    """The value over and over, each time with another list or object of it null, but for those that are never absent."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(part, (dict, list)):
            whole = isinstance(value, dict) and key not in needed
            for changed in (*([None] if whole else []), *with_a_null(part, ())):
                copy = deepcopy(value)
                copy[key] = changed
                yield copy


@pytest.mark.parametrize(("read", "value"), [row[1:] for row in READERS], ids=[row[0] for row in READERS])
def test_null_is_nothing(read: Callable[[Object], object], value: Object) -> None:
    read(value)
    found = list(with_a_null(value))
    assert found
    for one in found:
        read(one)
