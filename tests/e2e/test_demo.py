"""The README's Domain on a real kubelet. What `make demo` explains was saved here, and still comes out the same.

To save it anew: PULLKIT_SAVE_DEMO=1 make e2e
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .cluster import node as nodes
from .cluster import pki
from .cluster.model import Cluster, Node
from .conftest import ROOT, Kubectl, Result, wait_for

Object = dict[str, Any]
MANIFEST = ROOT / "examples" / "domain1.yaml"
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVIDENCE = ROOT / "examples" / "domain1-evidence.json"
# The names of the example, served by the harness's registries.
PASSWORD = "bigSecret-2"
HOSTS = {"some.registry.com": "htpasswd", "registry.example.com": "open"}


class Example:
    """The example's registries with certificates of their own, and a place from which their names resolve: a node's mount
    namespace, whose /etc/hosts is a file of the harness's."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.node = cluster.nodes[0]
        self.holder = cluster.processes[self.node.holder]
        self.ca = pki.make(folder, "ca", common_name="Example Registry CA")

    def run(self, kubectl: Kubectl, *arguments: str) -> Result:
        words = ["kubectl", *arguments, "-n", kubectl.namespace, "--registry-ca", str(self.ca.certificate_file)]
        enter = ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "--"]
        run = subprocess.run([*enter, *words], capture_output=True, text=True, timeout=60, env=kubectl.env)
        return Result(run.returncode, run.stdout, run.stderr)


@pytest.fixture
def example(cluster: Cluster, tmp_path: Path) -> Iterator[Example]:
    made = Example(cluster, tmp_path)
    with contextlib.ExitStack() as stack:
        for host, registry in HOSTS.items():
            address = stack.enter_context(served(host, Path(cluster.folder) / "registries" / registry, tmp_path, made.ca))
            nodes.show_host(made.node, host, address)
            stack.callback(nodes.hide_host, made.node, host)
            for node in cluster.nodes:
                stack.enter_context(redirected(node, host, cluster.registries[registry].url))
        yield made


@contextlib.contextmanager
def served(host: str, data: Path, folder: Path, ca: pki.Pair) -> Iterator[str]:
    """A registry for the name, over TLS at port 443 of an address of its own, with what another one has; the address."""
    address = f"127.{random.randrange(64, 250)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    pair = pki.make(folder, host, ca, [host])
    config: Object = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(data / "storage")}},
        "http": {
            "addr": f"{address}:443",
            "secret": "example",
            "tls": {"certificate": str(pair.certificate_file), "key": str(pair.key_file)},
        },
    }
    if (data / "htpasswd").exists():
        argv = ["htpasswd", "-B", "-C", "5", "-i", "-n", "bob"]
        bob = subprocess.run(argv, input=PASSWORD, stdout=subprocess.PIPE, text=True, check=True).stdout
        (folder / "htpasswd").write_text((data / "htpasswd").read_text() + bob)
        config["auth"] = {"htpasswd": {"realm": "example", "path": str(folder / "htpasswd")}}
    file = folder / f"{host}.yml"
    file.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(["docker-registry", "serve", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(address), f"{host} at {address}:443")
        yield address
    finally:
        process.kill()
        process.wait()


def listens(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, 443), timeout=1):
        return True
    return False


@contextlib.contextmanager
def redirected(node: Node, host: str, url: str) -> Iterator[None]:
    """The node's containerd goes to the harness's own registry for the name."""
    folder = Path(node.certs_folder) / host
    folder.mkdir(exist_ok=True)
    (folder / "hosts.toml").write_text(f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n')
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def causes(report: Object) -> dict[str, str]:
    return {pull["image"]: pull["findings"][0]["cause"] for pull in report["pulls"]}


EXPECTED = {
    "registry.example.com/owner/aux:1.1": "image-not-found",
    "some.registry.com/owner/domain1:1.0": "key-mismatch",
    "docker.io/Fluent/fluentd:v1.16.1": "invalid-name",
}


def test_example_on_a_real_kubelet(kubectl: Kubectl, example: Example, tmp_path: Path) -> None:
    kubectl("apply", "-f", str(MANIFEST))
    path = tmp_path / "evidence.json"

    def seen() -> Object:
        result = example.run(kubectl, "pullcheck", "domain1", "-o", "json", "--save", str(path))
        waits = result.code == 1 and any("BackOff" in str(one["reason"]) for one in result.json["pulls"][0]["containers"])
        return result.json if waits else {}

    report = wait_for(seen, "the kubelet's back-off", every=1)
    assert causes(report) == EXPECTED
    auxiliary, server, _ = report["pulls"]
    assert auxiliary["registry"]["nearestTags"] == ["1.0"]
    assert auxiliary["findings"][0]["summary"].endswith("did you mean 1.0?")
    assert (server["registry"]["manifest"], server["registry"]["attempts"][0]["status"]) == ("denied", 401)
    assert server["registry"]["certificate"]["issuer"] == "Example Registry CA"
    text = path.read_text()
    assert "bigSecret" not in text
    if os.environ.get("PULLKIT_SAVE_DEMO"):
        EVIDENCE.write_text(text.replace(kubectl.namespace, "default"))


def test_example_of_pullsecret(kubectl: Kubectl, example: Example, tmp_path: Path) -> None:
    """What the README shows is what it says, but for the password, which here comes from a file."""
    shown = next(block for block in README.split("```\n") if block.startswith("$ kubectl pullsecret add"))
    command, _, *lines = shown.splitlines()
    kubectl("apply", "-f", str(MANIFEST))
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    result = example.run(kubectl, *command.split()[2:], "--docker-password-file", str(file))
    assert result.code == 0, result.err
    assert result.err.splitlines() == [line for line in lines if line.startswith("Note: ")]
    assert result.out.splitlines() == [line for line in lines if not line.startswith("Note: ")]


def test_saved_example(admin: Kubectl) -> None:
    result = admin.run("pullcheck", "-f", str(EVIDENCE), "--offline", "-o", "json")
    assert result.code == 1
    assert causes(json.loads(result.out)) == EXPECTED
