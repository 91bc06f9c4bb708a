"""Combinations of secret, key, image, policy and registry, each with what pullcheck has to predict for a pod of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from .cluster.model import Registry

Object = dict[str, Any]
DOCKERCONFIGJSON, DOCKERCFG = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"
PULLABLE, BLOCKED, UNKNOWN = "pullable", "blocked", "unknown"
NO_DIGEST = f"sha256:{'0' * 64}"


@dataclass(frozen=True)
class Secret:
    """A pull secret for the registry of the row that names it; `under` is where its entries stand in the JSON."""

    entries: Callable[[Registry], Object]
    type: str = DOCKERCONFIGJSON
    under: str = "auths"

    def made(self, name: str, registry: Registry) -> Object:
        entries = self.entries(registry)
        data = base64.b64encode(json.dumps({self.under: entries} if self.under else entries).encode()).decode()
        key = ".dockercfg" if self.type == DOCKERCFG else ".dockerconfigjson"
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": self.type,
            "data": {key: data},
        }


@dataclass(frozen=True)
class Row:
    """One combination, the verdict that pullcheck has to predict, and the first cause where that is `blocked`.

    secrets: of SECRETS, in the pod's order; another name is of a secret that does not exist. account: the one that its
    service account lists. folder: of its repository, by which the token service gives rights. holds: what the registry has
    under the tag 1.0; asks: how the pod names it. copy: of COPIES, an image that the node has already, used instead.
    pulled: what the kubelet does, where the verdict leaves it open. by_image: predicted by `--image` alone, else from the
    pod's manifest. trusted_here: this machine is told of the authority that signed the registry's certificate.
    """

    name: str
    registry: str
    verdict: str
    cause: str = ""
    secrets: tuple[str, ...] = ()
    account: str = ""
    folder: str = "team"
    holds: str = "image"
    asks: str = "{name}:1.0"
    policy: str = ""
    copy: str = ""
    pulled: Optional[bool] = None
    by_image: bool = False
    trusted_here: bool = True


def login(registry: Registry, user: str = "", password: str = "") -> Object:
    who = user or registry.user or "somebody"
    return {"username": who, "password": password or registry.users.get(who, "wrong")}


def auth(registry: Registry, after: str = "") -> str:
    return base64.b64encode(f"{registry.user}:{registry.password}{after}".encode()).decode()


def keyed(pattern: str) -> Secret:
    """The right credential under a key; ADDRESS, HOST and PORT stand for the registry's."""

    def entries(it: Registry) -> Object:
        key = pattern.replace("ADDRESS", it.address).replace("HOST", it.host).replace("PORT", str(it.port))
        return {key: login(it)}

    return Secret(entries)


# The key of a secret, and whether the kubelet offers what stands there for ADDRESS/team/NAME.
KEYS = {
    "https": ("https://ADDRESS", True),
    "http": ("http://ADDRESS", True),
    "slash": ("https://ADDRESS/", True),
    "v1": ("https://ADDRESS/v1/", True),
    "v2": ("https://ADDRESS/v2/", True),
    "v2-team": ("ADDRESS/v2/team", True),
    "path": ("ADDRESS/team", True),
    "begins-so": ("ADDRESS/te", True),
    "glob": ("*.test:PORT", True),
    "user": ("https://somebody@ADDRESS", True),
    "query": ("https://ADDRESS?team=1", True),
    "v1-bare": ("https://ADDRESS/v1", False),
    "v2-bare": ("https://ADDRESS/v2", False),
    "api": ("https://ADDRESS/v2/_catalog", False),
    "path-glob": ("ADDRESS/*", False),
    "two-slashes": ("ADDRESS//", False),
    "port-glob": ("HOST:*", False),
    "one-star": ("*:PORT", False),
    "trailing-blank": ("ADDRESS ", False),
    "upper-scheme": ("HTTPS://ADDRESS", False),
}

SECRETS = {
    "good": Secret(lambda it: {it.address: login(it)}),
    "same": Secret(lambda it: {it.address: login(it)}),
    "wrong": Secret(lambda it: {it.address: login(it, password="wrong")}),
    "too-wrong": Secret(lambda it: {it.address: login(it, password="wrong, too")}),
    "stranger": Secret(lambda it: {it.address: login(it, "stranger", "unknown here")}),
    "upper-host": Secret(lambda it: {it.address.upper(): login(it)}),
    "no-port": Secret(lambda it: {it.host: login(it)}),
    "other-port": Secret(lambda it: {f"{it.host}:{it.port + 1}": login(it)}),
    "other-path": Secret(lambda it: {f"{it.address}/owner": login(it)}),
    "wrong-path-first": Secret(lambda it: {it.address: login(it), f"{it.address}/team": login(it, password="wrong")}),
    "path-before-wrong": Secret(lambda it: {it.address: login(it, password="wrong"), f"{it.address}/team": login(it)}),
    "two-spellings": Secret(lambda it: {it.address: login(it, password="wrong"), f"https://{it.address}/v1/": login(it)}),
    "several": Secret(
        lambda it: {
            "https://index.docker.io/v1/": login(it, "hub", "hub"),
            it.address: login(it),
            "ghcr.io": login(it, "gh", "gh"),
        }
    ),
    "others": Secret(lambda it: {"ghcr.io": login(it), "*.example.com": login(it)}),
    "malformed": Secret(lambda it: {it.address: {"auth": "!!!"}}),
    "number": Secret(lambda it: {it.address: {"username": "somebody", "password": 12345}}),
    "no-colon": Secret(lambda it: {it.address: {"auth": base64.b64encode(b"no colon here").decode()}}),
    "auth": Secret(lambda it: {it.address: {"auth": auth(it)}}),
    "auth-unpadded": Secret(lambda it: {it.address: {"auth": auth(it).rstrip("=")}}),
    "auth-wins": Secret(lambda it: {it.address: {"auth": auth(it), **login(it, "stranger", "x")}}),
    "auth-newline": Secret(lambda it: {it.address: {"auth": auth(it, "\n")}}),  # `echo user:password | base64`
    "opaque": Secret(lambda it: {it.address: login(it)}, type="Opaque"),
    "dockercfg": Secret(lambda it: {it.address: login(it)}, type=DOCKERCFG, under=""),
    "no-auths": Secret(lambda it: {it.address: login(it)}, under=""),
    "upper-auths": Secret(lambda it: {it.address: login(it)}, under="AUTHS"),
    "empty": Secret(lambda it: {it.address: {}}),
    "no-password": Secret(lambda it: {it.address: {"username": it.user}}),
    "identity-token": Secret(lambda it: {it.address: {"identitytoken": "abc"}}),
    "teamonly": Secret(lambda it: {it.address: login(it, "teamonly")}),
    "puller": Secret(lambda it: {it.address: login(it, "puller")}),
    "rotated": Secret(lambda it: {it.address: login(it)}),  # until it has pulled its copy: then as ROTATED
    **{f"key-{name}": keyed(pattern) for name, (pattern, _) in KEYS.items()},
}
ROTATED = SECRETS["wrong"]

# Images that the node of the rows has: by whom the kubelet was given them; None: imported without the kubelet.
COPIES: dict[str, tuple[str, str, Optional[tuple[str, ...]]]] = {
    "preloaded": ("htpasswd", "team", None),
    "preloaded-too": ("htpasswd", "team", None),  # for policy Always: while it tries, others may not use the copy
    "pulled": ("htpasswd", "team", ("good",)),
    "pulled-by-rotated": ("htpasswd", "team", ("rotated",)),
    "pulled-by-nobody": ("token", "public", ()),
}

SECRET_ROWS = (
    Row("good", "htpasswd", PULLABLE, secrets=("good",)),
    Row("no-secret", "htpasswd", BLOCKED, "no-credentials"),
    Row("wrong-password", "htpasswd", BLOCKED, "bad-credentials", ("wrong",)),
    Row("unknown-user", "htpasswd", BLOCKED, "bad-credentials", ("stranger",)),
    Row("unknown-user-again", "htpasswd", BLOCKED, "bad-credentials", ("stranger",)),
    Row("good-then-wrong", "htpasswd", PULLABLE, secrets=("good", "wrong")),
    Row("wrong-then-good", "htpasswd", PULLABLE, secrets=("wrong", "good")),
    Row("two-wrong", "htpasswd", BLOCKED, "bad-credentials", ("wrong", "too-wrong")),
    Row("same-twice", "htpasswd", PULLABLE, secrets=("good", "same")),
    Row("wrong-path-first", "htpasswd", PULLABLE, secrets=("wrong-path-first",)),
    Row("path-before-wrong", "htpasswd", PULLABLE, secrets=("path-before-wrong",)),
    Row("two-spellings", "htpasswd", PULLABLE, secrets=("two-spellings",)),  # which comes first is chance
    Row("several-entries", "htpasswd", PULLABLE, secrets=("several",)),
    Row("other-registries", "htpasswd", BLOCKED, "no-credentials", ("others",)),
    Row("malformed-and-good", "htpasswd", BLOCKED, "secret-malformed", ("malformed", "good")),
    Row("good-and-malformed", "htpasswd", BLOCKED, "secret-malformed", ("good", "malformed")),
    Row("password-a-number", "htpasswd", BLOCKED, "secret-malformed", ("number",)),
    Row("auth-without-colon", "htpasswd", BLOCKED, "secret-malformed", ("no-colon",)),
    Row("auth", "htpasswd", PULLABLE, secrets=("auth",)),
    Row("auth-unpadded", "htpasswd", PULLABLE, secrets=("auth-unpadded",)),
    Row("auth-wins", "htpasswd", PULLABLE, secrets=("auth-wins",)),
    Row("auth-with-newline", "htpasswd", BLOCKED, "bad-credentials", ("auth-newline",)),
    Row("opaque", "htpasswd", BLOCKED, "secret-ignored", ("opaque",)),
    Row("dockercfg", "htpasswd", PULLABLE, secrets=("dockercfg",)),
    Row("no-auths", "htpasswd", BLOCKED, "secret-ignored", ("no-auths",)),
    Row("upper-auths", "htpasswd", PULLABLE, secrets=("upper-auths",)),
    Row("missing-and-good", "htpasswd", PULLABLE, secrets=("nowhere", "good")),
    Row("missing", "htpasswd", BLOCKED, "secret-missing", ("nowhere",)),
    Row("empty", "htpasswd", BLOCKED, "secret-ignored", ("empty",)),
    Row("no-password", "htpasswd", BLOCKED, "secret-ignored", ("no-password",)),
    Row("identity-token", "htpasswd", BLOCKED, "secret-ignored", ("identity-token",)),
    Row("empty-then-good", "htpasswd", PULLABLE, secrets=("empty", "good")),
    Row("upper-host", "htpasswd", BLOCKED, "key-mismatch", ("upper-host",)),
    Row("no-port", "htpasswd", BLOCKED, "no-credentials", ("no-port",)),
    Row("other-port", "htpasswd", BLOCKED, "no-credentials", ("other-port",)),
    Row("other-path", "htpasswd", BLOCKED, "no-credentials", ("other-path",)),
    Row("account", "htpasswd", PULLABLE, account="good"),
    Row("account-wrong", "htpasswd", BLOCKED, "bad-credentials", account="wrong"),
    Row("account-switched-off", "htpasswd", BLOCKED, "service-account-shadowed", ("others",), account="good"),
    Row("account-not-needed", "htpasswd", PULLABLE, secrets=("good",), account="malformed"),
)

KEY_ROWS = tuple(
    Row(f"key-{name}", "htpasswd", PULLABLE, secrets=(f"key-{name}",))
    if offered
    else Row(f"key-{name}", "htpasswd", BLOCKED, "key-mismatch", (f"key-{name}",))
    for name, (_, offered) in KEYS.items()
)

IMAGE_ROWS = (
    Row("open", "open", PULLABLE),
    Row("open-wrong-password", "open", PULLABLE, secrets=("wrong",)),
    Row("open-empty", "open", PULLABLE, secrets=("empty",)),
    Row("open-missing-secret", "open", PULLABLE, secrets=("nowhere",)),
    Row("open-malformed", "open", BLOCKED, "secret-malformed", ("malformed",)),
    Row("open-latest", "open", PULLABLE, holds="latest", asks="{name}"),
    Row("wrong-tag", "open", BLOCKED, "image-not-found", asks="{name}:9.9"),
    Row("wrong-repository", "open", BLOCKED, "repository-not-found", asks="{name}-nowhere:1.0"),
    Row("wrong-tag-with-secret", "htpasswd", BLOCKED, "image-not-found", ("good",), asks="{name}:9.9"),
    Row("wrong-repository-with-secret", "htpasswd", BLOCKED, "repository-not-found", ("good",), asks="{name}-nowhere:1.0"),
    Row("digest", "open", PULLABLE, asks="{name}@{digest}"),
    Row("wrong-digest", "open", BLOCKED, "image-not-found", asks="{name}@" + NO_DIGEST),
    Row("tag-and-digest", "open", PULLABLE, asks="{name}:1.0@{digest}"),
    Row("wrong-tag-and-digest", "open", PULLABLE, asks="{name}:9.9@{digest}"),
    Row("tag-and-wrong-digest", "open", BLOCKED, "image-not-found", asks="{name}:1.0@" + NO_DIGEST),
    Row("index", "open", PULLABLE, holds="index"),
    Row("index-by-digest", "open", PULLABLE, holds="index", asks="{name}@{digest}"),
    Row("index-of-others", "open", BLOCKED, "platform-mismatch", holds="index-of-others"),
    Row("index-of-others-with-secret", "htpasswd", BLOCKED, "platform-mismatch", ("good",), holds="index-of-others"),
    Row("single-of-another-platform", "open", PULLABLE, holds="other-platform"),
    Row("oci", "open", PULLABLE, holds="oci"),
    Row("upper-case", "open", BLOCKED, "invalid-name", asks="{address}/Team/app:1.0"),
    Row("scheme", "open", BLOCKED, "invalid-name", asks="https://{name}:1.0"),
    Row("tls", "tls", PULLABLE),
    Row("tls-wrong-password", "tls", PULLABLE, secrets=("wrong",)),
    Row("tls-wrong-tag", "tls", BLOCKED, "image-not-found", asks="{name}:9.9"),
    Row("nodes-speak-tls", "open", UNKNOWN, asks="{plain}/{repository}:1.0", pulled=False),
    Row("no-such-host", "open", UNKNOWN, asks="registry.invalid/{repository}:1.0", pulled=False),
)

TOKEN_ROWS = (
    Row("token", "token", PULLABLE, secrets=("good",)),
    Row("token-may-pull", "token", PULLABLE, secrets=("puller",), folder="owner"),
    Row("token-only-team", "token", PULLABLE, secrets=("teamonly",)),
    Row("token-not-team", "token", BLOCKED, "denied-or-missing", ("teamonly",), folder="owner"),
    Row("token-wrong-password", "token", BLOCKED, "bad-credentials", ("wrong",)),
    Row("token-wrong-then-good", "token", PULLABLE, secrets=("wrong", "good")),
    Row("token-weak-then-good", "token", PULLABLE, secrets=("teamonly", "good"), folder="owner"),
    Row("token-nobody", "token", BLOCKED, "denied-or-missing"),
    Row("token-empty", "token", BLOCKED, "secret-ignored", ("empty",)),
    Row("public", "token", PULLABLE, folder="public"),
    Row("public-with-secret", "token", PULLABLE, secrets=("teamonly",), folder="public"),
    Row("public-wrong-password", "token", BLOCKED, "bad-credentials", ("wrong",), folder="public"),
    Row("public-no-password", "token", PULLABLE, secrets=("no-password",), folder="public"),
    Row("public-key-mismatch", "token", PULLABLE, secrets=("key-v2-bare",), folder="public"),
    Row("public-wrong-tag", "token", BLOCKED, "image-not-found", folder="public", asks="{name}:9.9"),
    Row("token-wrong-tag", "token", BLOCKED, "image-not-found", ("puller",), asks="{name}:9.9"),
    Row("token-wrong-repository", "token", BLOCKED, "repository-not-found", ("puller",), asks="{name}-nowhere:1.0"),
    Row("token-index", "token", PULLABLE, secrets=("good",), holds="index"),
)

POLICY_ROWS = (
    Row("always", "htpasswd", PULLABLE, secrets=("good",), policy="Always"),
    Row("never-absent", "open", UNKNOWN, policy="Never", pulled=False),
    Row("preloaded", "htpasswd", UNKNOWN, copy="preloaded", pulled=True),
    Row("preloaded-wrong-password", "htpasswd", UNKNOWN, secrets=("wrong",), copy="preloaded", pulled=True),
    Row("preloaded-malformed", "htpasswd", UNKNOWN, secrets=("malformed",), copy="preloaded", pulled=True),
    Row("preloaded-always", "htpasswd", BLOCKED, "no-credentials", policy="Always", copy="preloaded-too"),
    Row("preloaded-never", "htpasswd", UNKNOWN, policy="Never", copy="preloaded", pulled=True),
    Row("pulled-same-secret", "htpasswd", PULLABLE, secrets=("good",), copy="pulled"),
    Row("pulled-same-credential", "htpasswd", PULLABLE, secrets=("same",), copy="pulled"),
    Row("pulled-no-secret", "htpasswd", UNKNOWN, copy="pulled", pulled=False),
    Row("pulled-wrong-password", "htpasswd", UNKNOWN, secrets=("wrong",), copy="pulled", pulled=False),
    Row("pulled-always", "htpasswd", BLOCKED, "no-credentials", policy="Always", copy="pulled"),
    Row("pulled-always-good", "htpasswd", PULLABLE, secrets=("good",), policy="Always", copy="pulled"),
    Row("pulled-never", "htpasswd", UNKNOWN, policy="Never", copy="pulled", pulled=False),
    Row("pulled-never-good", "htpasswd", UNKNOWN, secrets=("good",), policy="Never", copy="pulled", pulled=True),
    Row("pulled-rotated", "htpasswd", UNKNOWN, secrets=("rotated",), copy="pulled-by-rotated", pulled=True),
    Row("public-pulled-wrong-password", "token", UNKNOWN, secrets=("wrong",), copy="pulled-by-nobody", pulled=True),
    Row("public-pulled-never", "token", UNKNOWN, secrets=("wrong",), policy="Never", copy="pulled-by-nobody", pulled=True),
)

BY_IMAGE_ROWS = (
    Row("image-good", "htpasswd", PULLABLE, secrets=("good",), by_image=True),
    Row("image-no-secret", "htpasswd", BLOCKED, "no-credentials", by_image=True),
    Row("image-wrong-then-good", "htpasswd", PULLABLE, secrets=("wrong", "good"), by_image=True),
    Row("image-wrong", "htpasswd", BLOCKED, "bad-credentials", ("wrong",), by_image=True),
    Row("image-v2", "htpasswd", BLOCKED, "key-mismatch", ("key-v2-bare",), by_image=True),
    Row("image-account", "htpasswd", PULLABLE, account="good", by_image=True),
    Row("image-missing", "htpasswd", BLOCKED, "secret-missing", ("nowhere",), by_image=True),
    Row("image-only-team", "token", BLOCKED, "denied-or-missing", ("teamonly",), folder="owner", by_image=True),
    Row("image-wrong-tag", "open", BLOCKED, "image-not-found", asks="{name}:9.9", by_image=True),
    Row("image-digest", "open", PULLABLE, asks="{name}@{digest}", by_image=True),
    Row("image-index-of-others", "open", BLOCKED, "platform-mismatch", holds="index-of-others", by_image=True),
    # The nodes know the authority, this machine is not told of it: it can't be judged from here.
    Row("image-tls-untrusted-here", "tls", UNKNOWN, pulled=True, by_image=True, trusted_here=False),
)

ROWS = (*SECRET_ROWS, *KEY_ROWS, *IMAGE_ROWS, *TOKEN_ROWS, *POLICY_ROWS, *BY_IMAGE_ROWS)
