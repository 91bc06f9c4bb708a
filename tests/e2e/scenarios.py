"""The faults that the end-to-end tests show to a real kubelet, each with the cause that pullcheck has to name first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from .cluster.model import Cluster
from .conftest import make_secret

Object = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One fault: the image and the secrets that pods name, and what stands in the namespace."""

    name: str
    cause: str
    image: Callable[[Optional[Cluster]], str]
    secrets: Callable[[Optional[Cluster]], list[Object]] = lambda cluster: []
    names: tuple[str, ...] = ()
    policy: Optional[str] = None
    summary: str = ""  # words that the primary finding has to hold
    later: tuple[str, ...] = ()  # causes that must be among the other findings
    anywhere: bool = False  # needs no registry of ours: any cluster shows it


def _in(registry: str, image: str) -> Callable[[Optional[Cluster]], str]:
    return lambda cluster: _own(cluster).registries[registry].image(image)


def _as_written(image: str) -> Callable[[Optional[Cluster]], str]:
    return lambda cluster: image


def _own(cluster: Optional[Cluster]) -> Cluster:
    assert cluster, "only a scenario that can be shown anywhere does without our registries"
    return cluster


def _secret(name: str, registry: str, **changes: str) -> Callable[[Optional[Cluster]], list[Object]]:
    def make(cluster: Optional[Cluster]) -> list[Object]:
        known = _own(cluster).registries[registry]
        server = changes.get("server", "").replace("HOST", known.address)
        return [make_secret(name, known, password=changes.get("password", ""), server=server)]

    return make


def _raw_secret(name: str, kind: str, content: Object, registry: str = "") -> Callable[[Optional[Cluster]], list[Object]]:
    def make(cluster: Optional[Cluster]) -> list[Object]:
        host = _own(cluster).registries[registry].address if registry else NOWHERE
        data = base64.b64encode(json.dumps({"auths": {host: content}}).encode()).decode()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind}
        return [{**secret, "data": {".dockerconfigjson": data}}]

    return make


NOWHERE = "registry.invalid"  # RFC 6761: no name below .invalid resolves
JSON = "kubernetes.io/dockerconfigjson"

SCENARIOS = (
    Scenario("wrong-tag", "image-not-found", _in("open", "team/app:9.9"), summary="tag 9.9"),
    Scenario("unknown-repository", "repository-not-found", _in("open", "team/nowhere:1.0"), summary="team/nowhere"),
    Scenario("no-secret", "no-credentials", _in("htpasswd", "team/app:1.0"), summary="no pull secret"),
    # The token service gives anybody a token, only not for this: the same words as for a repository that is not there.
    Scenario("no-secret-token", "denied-or-missing", _in("token", "team/app:1.0"), summary="no pull secret"),
    Scenario(
        "wrong-password",
        "bad-credentials",
        _in("htpasswd", "team/app:1.0"),
        _secret("wrong-password", "htpasswd", password="wrong"),
        ("wrong-password",),
        summary="wrong-password (htuser)",
    ),
    Scenario(
        "wrong-password-token",
        "bad-credentials",
        _in("token", "team/app:1.0"),
        _secret("wrong-password-token", "token", password="wrong"),
        ("wrong-password-token",),
    ),
    Scenario(
        "key-mismatch",
        "key-mismatch",
        _in("htpasswd", "team/app:1.0"),
        _secret("v2-key", "htpasswd", server="https://HOST/v2"),
        ("v2-key",),
        summary="v2-key",
        later=("no-credentials",),
    ),
    Scenario(
        "malformed",
        "secret-malformed",
        _as_written(f"{NOWHERE}/team/app:1.0.1"),
        _raw_secret("malformed", JSON, {"auth": "!!!"}),
        ("malformed",),
        summary="malformed",
        anywhere=True,
    ),
    Scenario(
        "opaque",
        "secret-ignored",
        _in("htpasswd", "team/app:1.0"),
        _raw_secret("opaque", "Opaque", {"auth": "YTpi"}, "htpasswd"),
        ("opaque",),
        summary="opaque",
        later=("no-credentials",),
    ),
    Scenario(
        "missing",
        "secret-missing",
        _in("htpasswd", "team/app:1.0"),
        names=("nowhere",),
        summary="nowhere does not exist",
        later=("no-credentials",),
    ),
    Scenario("unresolvable", "dns", _as_written(f"{NOWHERE}:5000/team/app:1.0"), anywhere=True),
    Scenario("refused", "connection", _as_written("127.0.0.1:9/team/app:1.0"), anywhere=True),
    Scenario("plain-http", "http-https-mismatch", lambda cluster: f"{_own(cluster).plain_address}/team/app:1.0"),
    Scenario("private-ca", "tls-untrusted", _in("tls", "team/multi:1.0")),
    Scenario("upper-case", "invalid-name", _as_written("docker.io/Team/app:1.0"), summary="lower case", anywhere=True),
    Scenario(
        "never",
        "never-pull",
        _as_written(f"{NOWHERE}/team/never:1.0"),
        policy="Never",
        summary="policy Never",
        anywhere=True,
    ),
    Scenario("platform", "platform-mismatch", _in("open", "team/arm:1.0"), summary="linux/amd64"),
)
