"""Whatever people write as --docker-server becomes a secret that the real kubelet uses.

The plugin runs in this process: a start costs ten times what it does. The kubelet can't be sent to Docker Hub here, so that
its names are judged by the keyring, which other tests hold to the kubelet.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pullcore.authfile import content_of
from pullcore.keyring import Credentials, look_up, read_secret
from pullcore.reference import parse

from .cluster.model import Cluster, Registry
from .conftest import Kubectl, Result, make_pod, make_secret, wait_for
from .pullsecret_kit import in_process

Object = dict[str, Any]
# HOST: host and port of a registry that wants a password; NAME, PORT: its parts; BARE: a name of it that has no port.
WRITTEN = {
    "plain": "HOST",
    "https": "https://HOST",
    "http": "http://HOST",
    "upper-scheme": "HTTPS://HOST",
    "scheme-of-oci": "oci://HOST",
    "half-a-scheme": "//HOST",
    "slash": "HOST/",
    "two-slashes": "https://HOST//",
    "v1": "https://HOST/v1/",
    "v1-no-slash": "HOST/v1",
    "v2": "https://HOST/v2/",
    "v2-of-the-faq": "HOST/v2",
    "catalog": "https://HOST/v2/_catalog",
    "owner": "HOST/team",
    "owner-slash": "https://HOST/team/",
    "owner-v2": "https://HOST/v2/team",
    "owner-all": "HOST/team/*",
    "repository": "HOST/team/app",
    "image": "HOST/team/app:1.0",
    "upper-host": "UPPER",
    "upper-all": "HTTPS://UPPER/V2/",
    "blanks": "  HOST ",
    "newline": "HOST\n",
    "quotes": '"HOST"',
    "user": "htuser@HOST",
    "user-password": "https://htuser:not-to-be-kept@HOST/v2/",
    "final-dot": "NAME.:PORT",
    "query": "https://HOST/?service=registry",
    "bare": "BARE",
    "bare-v2": "https://BARE/v2",
}
# What takes a look at the pods that fail to be understood.
NEEDED = {
    "known-port": "https://BARE:443/v2/",
    "upper-owner": "HOST/Team",
    "digest": "HOST/team/app@sha256:" + "0" * 64,
}
HUB = (
    "docker.io",
    "index.docker.io",
    "https://index.docker.io/v1/",
    "registry-1.docker.io",
    "hub.docker.com",
    "https://index.docker.io/v1",
    "https://registry.hub.docker.com/v2/",
    "DOCKER.IO ",
    "https://docker.io/v2",
)
DEAD = "https://HOST/v2"  # as kubectl would keep it: shows that the kubelet does refuse


@dataclass(frozen=True)
class Tried:
    """What came of every server: the plugin's answer, the secret, and the pod that pulls with it."""

    results: dict[str, Result]
    stored: dict[str, Object]
    kubectl: Kubectl


@pytest.fixture(scope="module")
def bare_name(cluster: Cluster) -> Iterator[str]:
    """A name without a port by which the nodes reach the registry with the password."""
    name, url = f"noport-{secrets.token_hex(4)}.test", cluster.registries["htpasswd"].url
    folders = [Path(node.certs_folder, name) for node in cluster.nodes]
    for folder in folders:
        folder.mkdir()
        (folder / "hosts.toml").write_text(f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n')
    yield name
    for folder in folders:
        shutil.rmtree(folder)


def as_written(template: str, registry: Registry, bare_name: str) -> str:
    parts = {
        "BARE": bare_name,
        "UPPER": registry.address.upper(),
        "HOST": registry.address,
        "NAME": registry.host,
        "PORT": str(registry.port),
    }
    for part, value in parts.items():
        template = template.replace(part, value)
    return template


@pytest.fixture(scope="module")
def tried(admin: Kubectl, cluster: Cluster, bare_name: str) -> Iterator[Tried]:
    """All servers in one namespace: secrets while no pod is there, the other ones while two pods fail, then all pods."""
    registry = cluster.registries["htpasswd"]
    kubectl = Kubectl(admin.env, f"pullkit-e2e-{secrets.token_hex(4)}")
    admin("create", "namespace", kubectl.namespace)

    def add_all(templates: dict[str, str]) -> dict[str, Result]:
        with in_process(kubectl) as pullsecret:

            def add(name: str) -> Result:
                server = as_written(templates[name], registry, bare_name)
                login = ("--docker-server", server, "--docker-username", registry.user, "--docker-password-stdin")
                return pullsecret("add", name, *login, password=registry.password, code=None)

            with ThreadPoolExecutor(3) as pool:  # one goes on while another waits for the registry
                return dict(zip(templates, pool.map(add, templates)))

    def image(template: str) -> str:
        return f"{bare_name if 'BARE' in template else registry.address}/team/app:1.0"

    try:
        wait_for(lambda: kubectl.get("serviceaccount", "default"), "the default service account")
        results = add_all(WRITTEN)
        needy = [make_pod(f"needy-{number}", image(kind)) for number, kind in enumerate(("HOST", "BARE"))]
        kubectl.apply(make_secret("dead", registry, server=as_written(DEAD, registry, bare_name)), *needy)
        for pod in needy:
            wait_for(lambda name=pod["metadata"]["name"]: kubectl.waiting(name)[1], "a pod that fails")  # type: ignore[misc]
        results |= add_all(NEEDED)
        templates = {**WRITTEN, **NEEDED, "dead": DEAD}
        pods = [make_pod(name, image(template), name, args=["exit"]) for name, template in templates.items()]
        for pod in pods:
            pod["spec"]["restartPolicy"] = "Never"
            pod["spec"]["containers"][0]["imagePullPolicy"] = "Always"
        kubectl.apply(*pods)
        stored = {one["metadata"]["name"]: one for one in kubectl.list("secret")}
        yield Tried(results, stored, kubectl)
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")


def outcome(kubectl: Kubectl, pod: str) -> str:
    """`Succeeded`, or why the image was not pulled."""
    reason, message = kubectl.waiting(pod)
    return message if "Image" in reason else "Succeeded" if kubectl.phase(pod) == "Succeeded" else ""


@pytest.mark.parametrize("name", [*WRITTEN, *NEEDED])
def test_kubelet_pulls_with_it(tried: Tried, cluster: Cluster, name: str) -> None:
    registry, result = cluster.registries["htpasswd"], tried.results[name]
    assert result.code == 0, result.err
    assert registry.password not in result.out + result.err
    assert result.out == f"secret/{name} created\n"
    keys = list(content_of(tried.stored[name])["auths"])
    assert "not-to-be-kept" not in f"{keys}{result.err}"
    proven = ("proven: " in result.err) and ("not proven: " not in result.err)
    assert proven != ("BARE" in {**WRITTEN, **NEEDED}[name]), result.err  # that name resolves on the nodes only
    # Its kubelet may see the new secret only after the first try.
    wait_for(lambda: outcome(tried.kubectl, name) == "Succeeded", f"the pod with {keys} to pull", timeout=90)


def test_kubelet_refuses_what_kubectl_would_have_stored(tried: Tried) -> None:
    told = wait_for(lambda: outcome(tried.kubectl, "dead"), "the kubelet's refusal")
    assert "401 Unauthorized" in told


def test_what_is_changed_is_said(tried: Tried) -> None:
    """A server that was right is no news; one that was changed is shown as it is kept."""
    for name in ("plain", "owner", "repository"):
        assert "is stored as" not in tried.results[name].err
    for name in ("v2-of-the-faq", "upper-host", "blanks", "known-port"):
        (key,) = content_of(tried.stored[name])["auths"]
        (line,) = [line for line in tried.results[name].err.splitlines() if "stored as" in line]
        assert key in line.partition("stored as")[2]


def test_names_of_docker_hub(kubectl: Kubectl) -> None:
    with in_process(kubectl) as pullsecret:
        for number, written in enumerate(HUB):
            login = ("--docker-server", written, "--docker-username", "bob", "--docker-password-stdin", "--no-verify")
            pullsecret("add", f"hub-{number}", *login, password="some-password")
    stored = {one["metadata"]["name"]: read_secret(one, Credentials()) for one in kubectl.list("secret")}
    for number, written in enumerate(HUB):
        for image in ("nginx", "bob/app:1.0", "docker.io/bob/app", "index.docker.io/bob/app"):
            attempts = look_up(parse(image), [f"hub-{number}"], stored).attempts
            assert [attempt.username for attempt in attempts] == ["bob"], written
