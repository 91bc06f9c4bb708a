"""kubectl repull --push on a real cluster: an image that is missing is pushed, and the kubelets pull it."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import node as nodes
from .cluster.images import Pusher
from .cluster.model import Cluster, Registry
from .conftest import Kubectl, Result, make_secret
from .domain_kit import SECRET, DomainRepull, runs, stuck_introspector
from .repull_kit import Repull, bare, is_running, wait_pod_refused, wait_refused, wait_running, workload


def repull_to(kubectl: Kubectl, registry: Registry, folder: Path) -> Repull:
    return Repull(kubectl, registry, folder / "saved")


def pushed_digest(registry: Registry, repository: str) -> str:
    """What the registry has, by the harness's own word."""
    _, headers = Pusher(registry).call("HEAD", repository, "/manifests/1.0")
    return headers["docker-content-digest"]


def is_up(kubectl: Kubectl, name: str) -> bool:
    return is_running(kubectl.get("pod", name) or {})


@pytest.fixture
def trusted(cluster: Cluster, registries: dict[str, Registry]) -> Iterator[Registry]:
    """The registry of the private authority, which the nodes trust for this test."""
    registry = registries["tls"]
    for node in cluster.nodes:
        nodes.trust_ca(node, registry.address, registry.ca_file)
    yield registry
    for node in cluster.nodes:
        nodes.forget(node, registry.address)


def test_a_pod_that_waits_for_an_image_gets_the_archive(
    kubectl: Kubectl, cluster: Cluster, registries: dict[str, Registry], tmp_path: Path
) -> None:
    """The registry with the password file: with the pull's own secret. The kubelet's next try pulls it."""
    registry = registries["htpasswd"]
    repull = repull_to(kubectl, registry, tmp_path)
    image = registry.image(f"pushed/{kubectl.namespace}:1.0")
    kubectl.apply(make_secret("pull", registry))
    kubectl.apply(bare("web", {"image": image}, names=("pull",)))
    wait_pod_refused(kubectl, "web")
    planned = repull("pod/web", "--push", cluster.image_archive, "--dry-run")
    assert "Plan: push team/app:1.0 (linux/" in planned.err and f" as {image}, as secret pull" in planned.err
    assert "still blocked" not in planned.err
    result = repull("pod/web", "--push", cluster.image_archive, "-o", "json")
    document = json.loads(result.out)
    assert (document["push"]["result"], document["push"]["image"], document["result"]) == ("pushed", image, "done")
    assert is_up(kubectl, "web")
    assert pushed_digest(registry, f"pushed/{kubectl.namespace}") == document["push"]["digest"]
    again = repull("pod/web", "--push", cluster.image_archive)
    assert f"{image} is this image already" in again.err


@pytest.mark.parametrize("how", ["folder", "tar"])
def test_a_deployment_gets_an_oci_layout_over_tls(
    kubectl: Kubectl, cluster: Cluster, trusted: Registry, tmp_path: Path, how: str
) -> None:
    """The registry of the private authority, and what skopeo makes of the archive."""
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo")
    registry = trusted
    source = tmp_path / "app"
    kind = "oci" if how == "folder" else "oci-archive"
    copy = ["skopeo", "copy", "--insecure-policy", f"docker-archive:{cluster.image_archive}", f"{kind}:{source}:1.0"]
    subprocess.run(copy, check=True, capture_output=True, timeout=60)
    image = registry.image(f"pushed/{kubectl.namespace}:1.0")
    kubectl.apply(workload("Deployment", "web", {"image": image}, replicas=2))
    wait_refused(kubectl, "web", 2)
    result = kubectl.plugin("repull", "web", "--push", str(source), "--registry-ca", registry.ca_file)
    assert result.code == 0, result.err
    assert f"{image} pushed, sha256:" in result.out
    assert f"deployment/web in {kubectl.namespace} is back: 2 pods started" in result.out
    wait_running(kubectl, "web", 2)


def test_a_domain_whose_image_was_never_pushed(
    kubectl: Kubectl, cluster: Cluster, registries: dict[str, Registry], tmp_path: Path
) -> None:
    """The operator's FAQ from `docker push` to the servers, by the command that pullcheck prints, in a shell; the archive is
    packed by gzip."""
    registry = registries["htpasswd"]
    repull = DomainRepull(kubectl, registry, tmp_path / "saved")
    image = registry.image(f"owner/{kubectl.namespace}:1.0")
    kubectl.apply(make_secret(SECRET, registry))
    stuck_introspector(kubectl, registry, SECRET, image=image)
    archive = tmp_path / "domain1.tar.gz"
    archive.write_bytes(gzip.compress(Path(cluster.image_archive).read_bytes()))
    report = kubectl.plugin("pullcheck", "domain1", "--plain-http", registry.address, "-o", "json").json
    (line,) = [line for line in report["pulls"][0]["findings"][0]["fix"] if "--push=ARCHIVE" in line]
    command = line.partition(":' ")[2].replace("ARCHIVE", str(archive))
    told = subprocess.run(
        ["sh", "-c", f"{command} {shlex.join(repull.words)}"],
        env=kubectl.env, capture_output=True, text=True, timeout=700,
    )  # fmt: skip
    result = repull.judged(Result(told.returncode, told.stdout, told.stderr), 0)
    assert f"{image} pushed, sha256:" in result.out
    assert f"domain/domain1 in {kubectl.namespace} is back: 2 pods started" in result.out
    assert runs(kubectl)
    assert [one.name for one in tmp_path.iterdir()] == ["domain1.tar.gz"], "nothing is left of what was unpacked"


def test_what_is_pushed_by_an_engine_is_pulled(
    kubectl: Kubectl, cluster: Cluster, registries: dict[str, Registry], tmp_path: Path
) -> None:
    """A stand-in `docker` that has one image, and has skopeo push it."""
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo")
    registry = registries["open"]
    image = registry.image(f"pushed/{kubectl.namespace}:1.0")
    machine = kubectl.list("node")[0]["status"]["nodeInfo"]["architecture"]
    program = tmp_path / "docker"
    program.write_text(STAND_IN.format(python=sys.executable, archive=cluster.image_archive, image=image, machine=machine))
    program.chmod(0o755)
    kubectl.apply(bare("web", {"image": image}))
    wait_pod_refused(kubectl, "web")
    env = {**kubectl.env, "PATH": f"{tmp_path}{os.pathsep}{kubectl.env['PATH']}"}
    result = Kubectl(env, kubectl.namespace).plugin(
        "repull", "pod/web", "--push", "web:dev", "--plain-http", registry.address
    )
    assert result.code == 0, result.err
    assert f"{image} pushed, {pushed_digest(registry, f'pushed/{kubectl.namespace}')}" in result.out
    assert is_up(kubectl, "web")


STAND_IN = """\
#!{python}
import json, subprocess, sys

words = sys.argv[1:]
if words[:2] == ["image", "inspect"]:
    if words[2] != "web:dev":
        sys.exit("Error response from daemon: No such image: " + words[2])
    print(json.dumps([dict(Id="sha256:" + "a" * 64, Os="linux", Architecture="{machine}", RepoTags=["web:dev"])]))
elif "push" in words:
    copy = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "docker-archive:{archive}", "docker://{image}"]
    sys.exit(subprocess.run(copy).returncode)
"""
