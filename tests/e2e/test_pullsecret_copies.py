"""kubectl pullsecret copy, rotate and remove, while pods use what they change."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .conftest import Kubectl, make_pod, make_secret, wait_for
from .pullsecret_kit import (
    account,
    deployment,
    in_process,
    listed_by,
    lives,
    login,
    pod_of,
    pullsecret,
    rolled_out,
    runs,
    versions,
    waits,
    wrong_content,
)

Object = dict[str, Any]


# copy, rotate, remove while there are consumers


class Changing:
    """A registry of the test's own whose password can be changed."""

    def __init__(self, address: str, file: Path) -> None:
        self.address, self.file = address, file
        host, _, port = address.partition(":")
        self.registry = Registry("changing", host, int(port), "http", "bob")

    def set_password(self, password: str) -> None:
        argv = ["htpasswd", "-B", "-C", "5", "-i", "-n", "bob"]
        line = subprocess.run(argv, input=password, stdout=subprocess.PIPE, text=True, check=True).stdout
        new = self.file.with_suffix(".new")
        new.write_text(line)
        new.replace(self.file)


@pytest.fixture
def changing(cluster: Cluster, tmp_path: Path) -> Iterator[Changing]:
    """It serves what the harness's registry with a password has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Changing(f"127.0.0.1:{port}", tmp_path / "htpasswd")
    made.set_password(secrets.token_hex(8))
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": f"{cluster.folder}/registries/htpasswd/storage"}},
        "http": {"addr": made.address, "secret": "changing"},
        "auth": {"htpasswd": {"realm": "changing", "path": str(made.file)}},
    }
    (tmp_path / "registry.yml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "registry.yml")], stderr=subprocess.DEVNULL)
    try:
        for node in cluster.nodes:
            nodes.trust_plain(node, made.address)

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        wait_for(listens, made.address)
        yield made
    finally:
        process.kill()
        process.wait()
        for node in cluster.nodes:
            shutil.rmtree(Path(node.certs_folder, made.address), ignore_errors=True)


@pytest.fixture
def elsewhere(admin: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a second namespace."""
    kubectl = Kubectl(admin.env, f"pullkit-e2e-{secrets.token_hex(4)}")
    admin("create", "namespace", kubectl.namespace)
    try:
        wait_for(lambda: kubectl.get("serviceaccount", "default"), "the default service account")
        yield kubectl
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")


def test_copy_and_rotate_while_in_use(kubectl: Kubectl, elsewhere: Kubectl, changing: Changing) -> None:
    """The registry's password changes. What runs goes on; what waits pulls once the secret and its copy have the new one."""
    image, registry = changing.registry.image("team/app:1.0"), changing.registry
    old, new = secrets.token_hex(8), secrets.token_hex(8)
    changing.set_password(old)
    pullsecret(kubectl, "add", "pull", *login(registry), password=old)
    copied = pullsecret(kubectl, "copy", "pull", "--to-namespace", elsewhere.namespace)
    assert copied.out == f"secret/pull created in namespace {elsewhere.namespace}\n"
    kubectl.apply(deployment("web", image, names=("pull",)))
    elsewhere.apply(make_pod("guest", image, "pull", imagePullPolicy="Always"))
    runs(kubectl, pod_of(kubectl, "web"))
    runs(elsewhere, "guest")

    changing.set_password(new)
    kubectl.apply(make_pod("late", image, "pull", imagePullPolicy="Always"))
    waits(kubectl, "late")
    before = lives(kubectl), lives(elsewhere), versions(kubectl), versions(elsewhere)
    wrong = pullsecret(kubectl, "rotate", "pull", "--docker-password-stdin", password="wrong", code=1)
    assert f"{changing.address} refuses it" in wrong.err
    assert "nothing was changed" in wrong.err
    assert (versions(kubectl), versions(elsewhere)) == before[2:]
    rotated = pullsecret(kubectl, "rotate", "pull", "--docker-password-stdin", password=new)
    places = (kubectl.namespace, elsewhere.namespace)
    assert rotated.out == "".join(f"secret/pull updated in namespace {place}\n" for place in places)
    assert "is used by deployment/web, pod/late" in rotated.err
    assert "is used by pod/guest" in rotated.err
    assert "nothing has to be restarted" in rotated.err
    runs(kubectl, "late")
    elsewhere.apply(make_pod("second-guest", image, "pull", imagePullPolicy="Always"))
    runs(elsewhere, "second-guest")
    assert lives(kubectl) == before[0]
    assert lives(elsewhere)["guest"] == before[1]["guest"]


def test_copies_that_differ(kubectl: Kubectl, elsewhere: Kubectl, registries: dict[str, Registry]) -> None:
    kubectl.apply(make_secret("pull", registries["token"]), make_secret("own", registries["token"]))
    elsewhere.apply(make_secret("own", registries["htpasswd"]))
    where = ("--to-namespace", elsewhere.namespace)
    with in_process(kubectl) as run:
        assert "missing" in run("copy", "pull", *where, "--check", code=1).out
        run("copy", "pull", *where)
        assert run("copy", "pull", *where).out == "secret/pull unchanged\n"
        assert "same" in run("copy", "pull", "--check").out
        kubectl("patch", "secret", "pull", "-p", json.dumps({"stringData": wrong_content(registries["token"])}))
        assert "differs" in run("copy", "pull", "--check", code=1).out
        assert run("copy", "pull", *where).out == f"secret/pull updated in namespace {elsewhere.namespace}\n"
        assert "same" in run("copy", "pull", "--check").out
        before = versions(elsewhere)
        assert "is no copy of this one" in run("copy", "own", *where, code=1).err
        assert versions(elsewhere) == before


def test_remove_is_refused_while_in_use(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    image = registries["open"].image("team/app:1.0")
    kubectl.apply(make_secret("gone", registries["token"]), account("builder", "gone", "kept"))
    kubectl.apply(deployment("web", image, names=("kept", "gone")), make_pod("bare", image, "gone"))
    rolled_out(kubectl, "web")
    runs(kubectl, "bare")
    before, running = versions(kubectl), lives(kubectl)
    told = pullsecret(kubectl, "remove", "gone", "-y", code=1).err
    assert all(one in told for one in ("deployment/web", "serviceaccount/builder", "pod/bare", "--detach"))
    assert "give -y" in pullsecret(kubectl, "remove", "gone", "--detach", code=1).err
    assert versions(kubectl) == before
    removed = pullsecret(kubectl, "remove", "gone", "--detach", "-y")
    changes = ['secret "gone" deleted', "deployment.apps/web patched", "serviceaccount/builder patched"]
    assert sorted(removed.out.splitlines()) == sorted(changes)
    assert removed.out.splitlines()[-1] == changes[0]
    assert kubectl.get("secret", "gone") is None
    assert listed_by(kubectl, "deployment", "web") == ["kept"]
    assert listed_by(kubectl, "serviceaccount", "builder") == ["kept"]
    assert lives(kubectl)["bare"] == running["bare"]
    rolled_out(kubectl, "web")
