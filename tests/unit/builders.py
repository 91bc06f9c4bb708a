"""Small Kubernetes objects and evidence for tests, as the stores give them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union

from pullcore.answers import Answer, Answers, Content, Reach, Tags
from pullcore.diagnosis import Diagnosis, Report, diagnose
from pullcore.evidence import Evidence
from pullcore.keyring import DOCKERCONFIGJSON, Credentials, SecretFacts, read_secret
from pullcore.podspec import imagined
from pullcore.prune import EVENT, prune, prune_object
from pullcore.reference import parse
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
    placement: Optional[Object] = None,
    digest: str = "",
) -> Object:
    """A pod; `state` is that of all its containers, `states` of some by name; a pod that is not `live` has no uid.
    placement: what else its spec says of nodes; digest: of the image that its containers run."""
    mine = list(containers) or [container()]
    spec: Object = {"serviceAccountName": account, "containers": mine, "initContainers": list(inits)}
    spec |= {"volumes": list(volumes), "imagePullSecrets": listed(secrets), **({"nodeName": node} if node else {})}
    spec |= placement or {}
    metadata: Object = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    status: Object = {"phase": "Pending"}
    if live:
        metadata["uid"] = f"uid-of-{namespace}-{name}"
        for field, of in (("containerStatuses", mine), ("initContainerStatuses", inits)):
            shown = [(one, (states or {}).get(one["name"], state)) for one in of]
            status[field] = [
                {"name": one["name"], "state": what, **({"imageID": f"{_name(one)}@{digest}"} if digest else {})}
                for one, what in shown
                if what
            ]
    if owner:
        version = {"apiVersion": owner["apiVersion"]} if "apiVersion" in owner else {}
        metadata["ownerReferences"] = [
            {**version, "kind": owner["kind"], "name": owner["metadata"]["name"], "controller": True}
        ]
    return kept({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})


def _name(container: Object) -> str:
    return parse(container["image"]).name


def workload(
    kind: str = "Deployment",
    name: str = "web",
    *containers: Object,
    secrets: Sequence[str] = (),
    account: str = "",
    namespace: str = "default",
    placement: Optional[Object] = None,
    **spec: Any,
) -> Object:
    template: Object = {"containers": list(containers) or [container()], "imagePullSecrets": listed(secrets)}
    template |= placement or {}
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


def node(
    name: str = "n1",
    *images: str,
    kubelet: str = "v1.35.1",
    platform: str = "amd64",
    runtime: str = "containerd://2.1.5",
    labels: Optional[Mapping[str, str]] = None,
) -> Object:
    info = {"architecture": platform, "operatingSystem": "linux", "kubeletVersion": kubelet}
    info["containerRuntimeVersion"] = runtime
    status = {"nodeInfo": info, "images": [{"names": [image], "sizeBytes": 1} for image in images]}
    metadata = {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": platform, **(labels or {})}}
    return kept({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})


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


def secret(
    name: str = "regcred", server: str = REGISTRY, *, vault: Optional[Credentials] = None, **details: Any
) -> SecretFacts:
    """The facts of a pull secret; secrets whose credentials have to be told apart need a vault in common."""
    return read_secret(secret_object(name, server, **details), vault or Credentials())


MALFORMED: dict[str, Any] = {"config": '{"auths": {"registry.example.com": {"auth": "!!!"}}}'}


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


# What registries answered

# For each cause of an answer: the state, the result, and what registries say with it.
SAID: dict[str, tuple[str, str, Optional[int], Optional[str]]] = {
    "": ("present", "accepted", 200, None),
    "no-credentials": ("denied", "refused", 401, None),
    "denied-or-missing": ("denied", "refused", 401, "insufficient_scope"),
    "bad-credentials": ("denied", "refused", 401, "UNAUTHORIZED"),
    "expired-credentials": ("denied", "refused", 403, "DENIED"),
    "forbidden": ("denied", "refused", 403, "DENIED"),
    "image-not-found": ("absent", "accepted", 404, "MANIFEST_UNKNOWN"),
    "repository-not-found": ("absent", "accepted", 404, "NAME_UNKNOWN"),
    "rate-limited": ("unknown", "error", 429, "TOOMANYREQUESTS"),
    "registry-error": ("unknown", "error", 500, None),
    "timeout": ("unknown", "error", None, None),
}
DIGEST = f"sha256:{'a' * 64}"
INDEX = "application/vnd.oci.image.index.v1+json"


def reach(registry: str = REGISTRY, cause: str = "", **details: Any) -> Reach:
    """A registry that asks for user and password; with a cause: one that could not be asked from here."""
    facts: dict[str, Any] = {"url": f"https://{registry}", "signs_in": "basic", "milliseconds": 12}
    if cause:
        facts = {"url": f"https://{registry}", "detail": f"{registry}: {cause} seen here"}
    return Reach(registry, cause=cause, **{**facts, **details})


def answer(cause: str = "", credential: Optional[str] = None, image: str = IMAGE, **details: Any) -> Answer:
    """What a registry says of an image, to nobody or to a credential; without a cause it gives the image."""
    state, result, status, code = SAID[cause]
    proven = credential is not None and (result == "accepted" or cause == "forbidden")
    facts: dict[str, Any] = {"status": status, "code": code, "cause": cause, "proven": proven}
    facts |= (
        {"detail": f"{parse(image).registry}: {status or cause} says {code or 'nothing'}"}
        if cause
        else {"digest": DIGEST, "media_type": INDEX}
    )
    return Answer(str(parse(image)), credential, state, result, **{**facts, **details})


def answers(*parts: Union[Reach, Answer, Tags, Content]) -> Answers:
    """All that was asked; a registry that is not described asks for user and password."""
    told = tuple(one for one in parts if isinstance(one, Answer))
    reaches = {registry: reach(registry) for registry in dict.fromkeys(parse(one.image).registry for one in told)}
    reaches |= {one.registry: one for one in parts if isinstance(one, Reach)}
    tags = tuple(one for one in parts if isinstance(one, Tags))
    return Answers(tuple(reaches.values()), told, tags, tuple(one for one in parts if isinstance(one, Content)))


def asked_about(image: str = IMAGE, *secrets: str, account: str = "default") -> Object:
    """What `--image` asks about: a pod that nobody has made."""
    return kept(imagined(image, "default", account, secrets))


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
