"""Two people who do the same thing to the same nodes, images and secrets at the same time, each by a process of their own.

What they do to one Domain, list or workload at once is in test_repull_domain_safety.py, test_pullsecret_races.py and
test_repull_safety.py.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .cluster import binaries, images
from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .conftest import Kubectl, Result, make_secret
from .load_kit import SOMEWHERE, everywhere, has, nothing_left, sockets
from .pullsecret_kit import in_process, login
from .repull_kit import Repull, line_with, wait_refused, wait_running
from .test_probe import new_image, outcomes

CHANGED = "changed-9-by-the-way"


def both(kubectl: Kubectl, *commands: Sequence[str]) -> list[Result]:
    """Starts the commands at the same time, and waits for both."""
    running = [
        subprocess.Popen(
            ["kubectl", *words, "-n", kubectl.namespace],
            env=kubectl.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    results = []
    for process in running:
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err
        results.append(Result(process.returncode, out, err))
    return results


def test_two_probes(kubectl: Kubectl, cluster: Cluster) -> None:
    """Each sees its own canaries through, and takes only these away."""
    image = new_image(cluster.registries["open"])
    words = ["pullcheck", "--image", image, "--probe", "-y", "-o", "json"]
    for result in both(kubectl, words, words):
        assert result.code == 0, result.err
        assert "earlier run" not in result.err and "deleted by somebody else" not in result.out
        (pull,) = result.json["pulls"]
        found = outcomes(pull)
        assert set(found) == {node.name for node in cluster.nodes}
        assert {outcome for outcome, _ in found.values()} <= {"pulled", "present"}
    assert not kubectl.list("pods")


def test_two_loads(repull: Repull, kubectl: Kubectl, cluster: Cluster, tmp_path: Path) -> None:
    """Both bring the same archive to the same nodes; no carrier is left."""
    image = f"{SOMEWHERE}/{kubectl.namespace}:1"
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.docker_archive(images.build(binaries.app().read_bytes(), image), image))
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    words = ["repull", "daemonset/web", "--load", str(archive), "--containerd-socket", sockets(cluster), "-y", *repull.words]
    try:
        for result in both(kubectl, words, words):
            assert result.code == 0, result.err
            assert "left behind by an earlier run" not in result.err and "trying once more" not in result.err
            assert line_with(result.out, "daemonset/web in ", " is back") or "Nothing to do" in result.err
        wait_running(kubectl, "web", 2)
        assert all(has(node, image) for node in cluster.nodes)
        nothing_left(kubectl)
    finally:
        for node in cluster.nodes:
            nodes.ctr(node, "images", "rm", *nodes.ctr(node, "images", "ls", "-q", f"name~={image}").split())


@pytest.fixture
def repull(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> Repull:
    return Repull(kubectl, registries["htpasswd"], tmp_path / "saved")


def test_rotate_against_add_and_remove(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """One puts a new password in, another a second registry: the secret has both. One who removes it is noticed."""
    first, second = registries["htpasswd"], registries["token"]
    names = [f"both-{number}" for number in range(6)]
    kubectl.apply(*(make_secret(name, first) for name in names))
    with in_process(kubectl) as run:
        for name in names:
            rotate = ("rotate", name, "--docker-password-stdin", "--no-verify", "-y")
            add = ("add", name, *login(second), "--no-verify")
            with ThreadPoolExecutor(2) as pool:
                rotated = pool.submit(run, *rotate, password=CHANGED)
                added = pool.submit(run, *add, password=second.password)
                assert rotated.result().out == f"secret/{name} updated in namespace {kubectl.namespace}\n"
                assert added.result().out.startswith(f"secret/{name} updated")
        for secret in kubectl.list("secret"):
            auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
            assert {key: one["password"] for key, one in auths.items()} == {
                first.address: CHANGED, second.address: second.password
            }  # fmt: skip
        for name in names:
            with ThreadPoolExecutor(2) as pool:
                rotated = pool.submit(run, "rotate", name, "--docker-server", first.address, "--docker-password-stdin",
                                      "--no-verify", "-y", password="other-7-by-the-way", code=None)  # fmt: skip
                removed = pool.submit(run, "remove", name, "-y", code=None)
                told = [rotated.result(), removed.result()]
            there = kubectl.get("secret", name)
            assert (told[1].code == 0) == (there is None), told
            assert all(one.code == 0 or name in one.err for one in told), told
            if told[1].code:
                assert (
                    "other-7-by-the-way" in base64.b64decode(there["data"][".dockerconfigjson"]).decode() if there else False
                )
