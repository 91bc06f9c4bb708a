"""The faults that the end-to-end tests show to a real kubelet, each with the cause that pullcheck has to name first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

from .cluster.model import Cluster
from .conftest import make_secret

Object = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One fault: the image and the secrets that pods name, and what stands in the namespace."""

    name: str
    cause: str
    image: Callable[[Cluster], str]
    secrets: Callable[[Cluster], list[Object]] = lambda cluster: []
    names: tuple[str, ...] = ()
    policy: Optional[str] = None
    summary: str = ""  # words that the primary finding has to hold
    later: tuple[str, ...] = field(default=())  # causes that must be among the other findings


def _in(registry: str, image: str) -> Callable[[Cluster], str]:
    return lambda cluster: cluster.registries[registry].image(image)


def _secret(name: str, registry: str, **changes: str) -> Callable[[Cluster], list[Object]]:
    def make(cluster: Cluster) -> list[Object]:
        known = cluster.registries[registry]
        server = changes.get("server", "").replace("HOST", known.address)
        return [make_secret(name, known, password=changes.get("password", ""), server=server)]

    return make


def _raw_secret(name: str, kind: str, **data: str) -> Callable[[Cluster], list[Object]]:
    def make(cluster: Cluster) -> list[Object]:
        host = cluster.registries["htpasswd"].address
        return [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name},
                "type": kind,
                "data": {
                    key.replace("_", ".", 1): base64.b64encode(value.replace("HOST", host).encode()).decode()
                    for key, value in data.items()
                },
            }
        ]

    return make


JSON = "kubernetes.io/dockerconfigjson"

SCENARIOS = (
    Scenario("wrong-tag", "image-not-found", _in("open", "team/app:9.9"), summary="tag 9.9"),
    Scenario("unknown-repository", "image-not-found", _in("open", "team/nowhere:1.0"), summary="team/nowhere"),
    Scenario("no-secret", "no-credentials", _in("htpasswd", "team/app:1.0"), summary="no pull secret"),
    # The token service gives anybody a token, only not for this: the same words as for a repository that is not there.
    Scenario("no-secret-token", "denied-or-missing", _in("token", "team/app:1.0")),
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
        _in("htpasswd", "team/app:1.0"),
        _raw_secret("malformed", JSON, _dockerconfigjson=json.dumps({"auths": {"HOST": {"auth": "!!!"}}})),
        ("malformed",),
        summary="malformed",
    ),
    Scenario(
        "opaque",
        "secret-ignored",
        _in("htpasswd", "team/app:1.0"),
        _raw_secret("opaque", "Opaque", _dockerconfigjson=json.dumps({"auths": {"HOST": {"auth": "YTpi"}}})),
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
    Scenario("unresolvable", "dns", lambda cluster: f"unknown-{cluster.id}.test:5000/team/app:1.0"),
    Scenario("refused", "connection", lambda cluster: f"{cluster.registries['open'].host}:9/team/app:1.0"),
    Scenario("plain-http", "http-https-mismatch", lambda cluster: f"{cluster.plain_address}/team/app:1.0"),
    Scenario("private-ca", "tls-untrusted", _in("tls", "team/app:1.0")),
    Scenario("upper-case", "invalid-name", _in("open", "Team/app:1.0"), summary="lower case"),
    Scenario("never", "never-pull", _in("open", "team/app:1.0.1"), policy="Never", summary="policy Never"),
    Scenario("platform", "platform-mismatch", _in("open", "team/arm:1.0"), summary="linux/amd64"),
)
