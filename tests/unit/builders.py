"""Small Kubernetes objects and evidence for tests, as the stores give them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from pullcore.diagnosis import Diagnosis, Report, diagnose
from pullcore.evidence import Evidence
from pullcore.keyring import DOCKERCONFIGJSON, Credentials, SecretFacts, read_secret
from pullcore.prune import EVENT, prune, prune_object
from pullcore.workload import target_of

Object = dict[str, Any]
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
REGISTRY = "registry.example.com"
IMAGE = f"{REGISTRY}/team/app:1.0"
PASSWORD = "tiger-9"
REFUSED = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": pull access denied, repository '
    "does not exist or may require authorization: authorization failed: no basic auth credentials"
)
UNAUTHORIZED = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": unexpected status from HEAD request '
    f"to https://{REGISTRY}/v2/team/app/manifests/1.0: 401 Unauthorized"
)
NOT_FOUND = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
DNS = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": failed to do request: Head '
    f'"https://{REGISTRY}/v2/team/app/manifests/1.0": dial tcp: lookup {REGISTRY} on 10.0.0.2:53: no such host'
)
UNTRUSTED = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": failed to do request: Head '
    f'"https://{REGISTRY}/v2/team/app/manifests/1.0": tls: failed to verify certificate: x509: certificate signed by '
    "unknown authority"
)


def stamp(seconds_ago: float) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(message: str, reason: str = "ErrImagePull") -> Object:
    return {"waiting": {"reason": reason, "message": message}}


RUNNING: Object = {"running": {"startedAt": stamp(600)}}


def listed(names: Sequence[str]) -> list[Object]:
    return [{"name": name} for name in names]


def container(name: str = "main", image: str = IMAGE, policy: str = "") -> Object:
    return {"name": name, "image": image, **({"imagePullPolicy": policy} if policy else {})}


def pod(
    name: str = "web-1",
    *containers: Object,
    state: Optional[Object] = None,
    states: Optional[Mapping[str, Object]] = None,
    inits: Sequence[Object] = (),
    volumes: Sequence[Object] = (),
    secrets: Sequence[str] = (),
    account: str = "default",
    namespace: str = "default",
    owner: Optional[Object] = None,
    labels: Optional[Mapping[str, str]] = None,
    node: Optional[str] = "n1",
    live: bool = True,
) -> Object:
    """A pod; `state` is that of all its containers, `states` of some by name; a pod that is not `live` has no uid."""
    mine = list(containers) or [container()]
    spec: Object = {"serviceAccountName": account, "containers": mine, "initContainers": list(inits)}
    spec |= {"volumes": list(volumes), "imagePullSecrets": listed(secrets), **({"nodeName": node} if node else {})}
    metadata: Object = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    status: Object = {"phase": "Pending"}
    if live:
        metadata["uid"] = f"uid-of-{namespace}-{name}"
        for field, of in (("containerStatuses", mine), ("initContainerStatuses", inits)):
            shown = [(one["name"], (states or {}).get(one["name"], state)) for one in of]
            status[field] = [{"name": each, "state": what} for each, what in shown if what]
    if owner:
        version = {"apiVersion": owner["apiVersion"]} if "apiVersion" in owner else {}
        metadata["ownerReferences"] = [
            {**version, "kind": owner["kind"], "name": owner["metadata"]["name"], "controller": True}
        ]
    return kept({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})


def workload(
    kind: str = "Deployment",
    name: str = "web",
    *containers: Object,
    secrets: Sequence[str] = (),
    account: str = "",
    namespace: str = "default",
    **spec: Any,
) -> Object:
    template: Object = {"containers": list(containers) or [container()], "imagePullSecrets": listed(secrets)}
    if account:
        template["serviceAccountName"] = account
    inner: Object = {"template": {"spec": template}}
    body = {"jobTemplate": {"spec": inner}} if kind == "CronJob" else inner
    group = "batch/v1" if kind in ("Job", "CronJob") else "apps/v1"
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"}
    return kept({"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {**spec, **body}})


def domain(
    name: str = "domain1",
    image: Optional[str] = IMAGE,
    *,
    secrets: Sequence[str] = (),
    namespace: str = "default",
    version: str = "v9",
    conditions: Sequence[Object] = (),
    **spec: Any,
) -> Object:
    body = {**spec, "imagePullSecrets": listed(secrets), **({"image": image} if image else {})}
    return kept(
        {
            "apiVersion": f"weblogic.oracle/{version}",
            "kind": "Domain",
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"},
            "spec": body,
            "status": {"conditions": list(conditions)},
        }
    )


def cluster(name: str, server_pod: Object, namespace: str = "default") -> Object:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"}
    spec = {"clusterName": name, "serverPod": server_pod}
    return kept({"apiVersion": "weblogic.oracle/v1", "kind": "Cluster", "metadata": metadata, "spec": spec})


def server_labels(uid: str, server: str = "admin-server") -> dict[str, str]:
    return {"weblogic.domainUID": uid, "weblogic.serverName": server, "weblogic.createdByOperator": "true"}


def introspector_labels(uid: str) -> dict[str, str]:
    return {"weblogic.domainUID": uid, "weblogic.createdByOperator": "true"}


def failed_condition(message: str, reason: str = "ServerPod") -> Object:
    return {"type": "Failed", "status": "True", "reason": reason, "severity": "Severe", "message": message}


def account(name: str = "default", secrets: Sequence[str] = (), namespace: str = "default") -> Object:
    metadata = {"name": name, "namespace": namespace}
    return kept({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": listed(secrets)})


def node(name: str = "n1", *images: str, kubelet: str = "v1.35.1", platform: str = "amd64") -> Object:
    info = {"architecture": platform, "operatingSystem": "linux", "kubeletVersion": kubelet}
    status = {"nodeInfo": info, "images": [{"names": [image], "sizeBytes": 1} for image in images]}
    return kept({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status})


def event(about: Object, message: str, reason: str = "Failed", place: str = "main", seconds_ago: float = 30) -> Object:
    metadata = about["metadata"]
    involved = {"kind": about["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    value = {
        "metadata": {"name": f"{metadata['name']}.1", "namespace": metadata["namespace"]},
        "involvedObject": {**involved, "fieldPath": f"spec.containers{{{place}}}"},
        "reason": reason,
        "message": message,
        "firstTimestamp": stamp(seconds_ago),
        "lastTimestamp": stamp(seconds_ago),
        "count": 1,
    }
    pruned: Object = prune(value, EVENT)
    return pruned


def secret_object(
    name: str = "regcred",
    server: str = REGISTRY,
    *,
    username: str = "bob",
    password: str = PASSWORD,
    namespace: str = "default",
    type: str = DOCKERCONFIGJSON,
    config: Optional[str] = None,
) -> Object:
    """A pull secret as the API has it; `config` is the whole content instead of one entry for `server`."""
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    text = config if config is not None else json.dumps({"auths": {server: {"auth": auth}}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": type,
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
    }


def secret(name: str = "regcred", server: str = REGISTRY, **details: Any) -> SecretFacts:
    return read_secret(secret_object(name, server, **details), Credentials())


MALFORMED = {"config": '{"auths": {"registry.example.com": {"auth": "!!!"}}}'}


def kept(value: Object) -> Object:
    pruned: Object = prune_object(value)
    return pruned


def evidence(
    *values: Object,
    secrets: Sequence[SecretFacts] = (),
    missing: Sequence[str] = (),
    targets: Optional[Sequence[Object]] = None,
    no_accounts: bool = False,
    **rest: Any,
) -> Evidence:
    """What was seen: pods, workloads, service accounts, nodes and events told apart. Names in `missing` are secrets that do
    not exist; others that are not given were not read. The default service account is there, and lists nothing."""
    by_kind: dict[str, list[Object]] = {}
    for value in values:
        by_kind.setdefault(value.get("kind") or "Event", []).append(value)
    accounts = {} if no_accounts else {("default", "default"): account()}
    accounts |= {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in by_kind.pop("ServiceAccount", [])}
    pods, nodes, events = (tuple(by_kind.pop(kind, ())) for kind in ("Pod", "Node", "Event"))
    objects = tuple(value for several in by_kind.values() for value in several)
    known: dict[tuple[str, str], Optional[SecretFacts]] = {("default", name): None for name in missing}
    known |= {(one.namespace, one.name): one for one in secrets}
    named = tuple(map(target_of, targets if targets is not None else (*objects, *pods)))
    return Evidence(
        observed_at=NOW,
        targets=named,
        objects=objects,
        pods=pods,
        service_accounts=accounts,
        secrets=known,
        nodes=nodes or None,
        events=events,
        **rest,
    )


def report(*values: Object, **details: Any) -> Report:
    return diagnose(evidence(*values, **details))


def only(found: Report) -> Diagnosis:
    """The one Pull of a report."""
    assert len(found.pulls) == 1, [one.pull.image for one in found.pulls]
    return found.pulls[0]


def causes(one: Diagnosis) -> list[str]:
    return [finding.cause for finding in one.findings]


def errors(one: Diagnosis) -> list[str]:
    return [finding.cause for finding in one.findings if finding.severity == "error"]
