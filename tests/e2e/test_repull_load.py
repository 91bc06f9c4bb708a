"""kubectl repull --load on two real nodes: an image that no registry has runs on both afterwards, and what can't be loaded
is told before anything is done. Whatever happens, nothing of ours is left in the cluster."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cluster import binaries, images
from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .cluster.processes import HarnessError, Processes
from .conftest import Kubectl, Result, make_pod, wait_for
from .load_kit import (
    MINE,
    SOMEWHERE,
    docker_archive_of,
    everywhere,
    has,
    large_archive,
    left,
    nothing_left,
    oci_archive,
    sockets,
    sshd,
)
from .repull_kit import Repull, bare, is_running, line_with, uids, wait_pod_refused, wait_refused, wait_running, workload


@pytest.fixture
def repull(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> Repull:
    return Repull(kubectl, registries["htpasswd"], tmp_path / "saved")


@pytest.fixture
def image(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A name that no registry has, and that no node has yet; the nodes do not keep it."""
    name = f"{SOMEWHERE}/{namespace}:1"
    yield name
    for node in cluster.nodes:
        for listed in nodes.ctr(node, "images", "ls", "-q").split():
            if listed.startswith(f"{SOMEWHERE}/{namespace}"):
                nodes.ctr(node, "images", "rm", listed)


@pytest.fixture
def program() -> bytes:
    return binaries.app().read_bytes()


def archive_of(folder: Path, program: bytes, name: str, architecture: str = "amd64") -> str:
    """The path of a small docker archive with one image."""
    path = folder / f"image-{architecture}.tar"
    path.write_bytes(images.docker_archive(images.build(program, name, architecture), name))
    return str(path)


def load(repull: Repull, cluster: Cluster, target: str, archive: str, *more: str, code: int = 0) -> Result:
    """Runs it; nothing of ours may be in the namespace afterwards."""
    result = repull(target, "--load", archive, "--containerd-socket", sockets(cluster), "-y", *more, code=code)
    nothing_left(repull.kubectl)
    return result


# It runs


def test_by_pod(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path) -> None:
    """Under the archive's own name to both nodes, whose kubelets may not pull; the next time both have it already."""
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    archive = archive_of(tmp_path, program, image)
    result = load(repull, cluster, "daemonset/web", archive)
    for node in cluster.nodes:
        assert line_with(result.err, f"{node.name}: loaded")
        assert line_with(result.out, f"{node.name}: its kubelet starts pods with {image} without a pull")
        assert has(node, image)
    assert f"a pod in namespace {kubectl.namespace} that is root on its node" in result.err
    assert "in the archive)" not in result.err  # it has the right name
    assert "untested" not in result.err
    running = wait_running(kubectl, "web", 2)

    def all_list_it() -> bool:
        """Kubelets tell what they have every half a minute."""
        listed = [json.dumps(one["status"].get("images", [])) for one in kubectl.list("node")]
        return all(image in one for one in listed)

    wait_for(all_list_it, "both nodes to list the image")
    again = load(repull, cluster, "daemonset/web", archive, "-o", "json")
    assert line_with(again.err, "  leave ", "it is there already")
    assert "  load " not in again.err and ": loaded" not in again.err
    assert again.err.count("starts pods with") == 2
    found = again.json["load"]
    assert found["archive"] == archive
    assert sorted((one["node"], one["image"], one["result"]) for one in found["nodes"]) == [
        (node.name, image, "there") for node in cluster.nodes
    ]
    pinned = load(repull, cluster, "daemonset/web", archive, "--pin", "-o", "json")
    assert line_with(pinned.err, f"pin {image}, ", "where it is already", "root on its node")
    assert pinned.err.count(": pinned, 0 B") == 2
    assert [one["result"] for one in pinned.json["load"]["nodes"]] == ["there", "there"]
    labels = [nodes.ctr(node, "images", "ls", f"name=={image}") for node in cluster.nodes]
    assert all("io.cri-containerd.pinned=pinned" in one for one in labels)
    assert uids(kubectl, "web") == running


def test_by_ssh(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path) -> None:
    """With another name in the archive, which is said; the command that is run is shown."""
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    archive = archive_of(tmp_path, program, "built-here:latest")
    with sshd(tmp_path, cluster) as env:
        words = ["--via=ssh", "--ssh-user=root", "--pin"]
        ours = repull.kubectl.env["PATH"]
        env = {"PATH": f"{env['PATH'].split(':')[0]}:{ours}"}
        result = repull("daemonset/web", "--load", archive, "--containerd-socket", sockets(cluster), "-y", *words, env=env)
    assert line_with(
        result.err, f"load {image} (built-here:latest in the archive)", "by `ssh -T ", f" root@{cluster.nodes[0].name} "
    )
    assert result.err.count(": loaded, ") == 2
    assert len(wait_running(kubectl, "web", 2)) == 2
    assert all(has(node, image) for node in cluster.nodes)
    labels = [nodes.ctr(node, "images", "ls", f"name=={image}") for node in cluster.nodes]
    assert all("io.cri-containerd.pinned=pinned" in one for one in labels)
    assert not left(kubectl)


def test_backed_off_deployment(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path
) -> None:
    """Its pods would pull, so that they are refused for want of a registry; they are made again at once."""
    kubectl.apply(workload("Deployment", "web", {"image": image, "imagePullPolicy": "IfNotPresent"}, replicas=2))
    before = wait_refused(kubectl, "web", 2)
    result = load(repull, cluster, "deployment/web", archive_of(tmp_path, program, image))
    assert "still blocked" not in result.err  # though no registry has it
    now = wait_running(kubectl, "web", 2)
    assert now == before or "  delete pod/web-" in result.err  # the kubelets' own tries may come first


def test_absent_platforms(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path
) -> None:
    """An index of two platforms, saved with the one that was pulled, as docker save does: containerd would refuse it."""
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    here, other = images.build(program, image), images.build(b"not here", image, "arm64")
    path = tmp_path / "index.tar"
    oci_archive(path, [here, other], [here], image)
    result = load(repull, cluster, "daemonset/web", str(path))
    assert line_with(result.err, "Note: ", "linux/arm64 is left out")
    assert len(wait_running(kubectl, "web", 2)) == 2


def test_two_images_of_one_pod(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path
) -> None:
    """In one archive: both are loaded, only onto the node that was named, on which the pod is."""
    node, other = cluster.nodes
    two = [{"image": one, "imagePullPolicy": "Never"} for one in (image, f"{image}2")]
    pod = bare("both", *two)
    pod["spec"]["nodeName"] = node.name
    kubectl.apply(pod)
    wait_pod_refused(kubectl, "both")
    path = tmp_path / "two.tar"
    docker_archive_of(path, *((images.build(program, one["image"]), str(one["image"])) for one in two))
    result = load(repull, cluster, "pod/both", str(path))
    for one in two:
        assert line_with(result.err, f"{node.name}, {one['image']}: loaded")
        assert has(node, str(one["image"])) and not has(other, str(one["image"]))
    wait_for(lambda: is_running(kubectl.get("pod", "both") or {}), "both containers to run")


def test_copy_that_a_kubelet_keeps_for_others(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str) -> None:
    """The same image was pulled there with a secret that the target has not (KEP-2535): nothing is called well."""
    node, other = cluster.nodes
    repull.mend_secret()
    kubectl.apply(make_pod("puller", repull.image, "pull", node=node.name, imagePullPolicy="Always"))
    wait_for(lambda: is_running(kubectl.get("pod", "puller") or {}), "the pull with a secret")
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    result = load(repull, cluster, "daemonset/web", cluster.image_archive, f"--nodes={node.name}", code=1)
    assert line_with(result.err, f"{node.name}: loaded")
    assert line_with(result.err, "error: ", f"{node.name}: not present with pull policy of Never", "present-not-usable")
    assert not has(other, image)


# What can't be loaded is told first


@pytest.mark.parametrize("cut", [0.3, 0.98])
def test_truncated(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path, cut: float
) -> None:
    kubectl.apply(everywhere("web", image))
    whole = Path(archive_of(tmp_path, program, image))
    part = tmp_path / "part.tar"
    part.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * cut)])
    result = load(repull, cluster, "daemonset/web", str(part), code=1)
    assert result.out == "" and result.err.startswith("error: ") and str(part) in result.err
    assert not any(has(node, image) for node in cluster.nodes)


def test_wrong_name(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path) -> None:
    """What the target asks for and what there is are both named."""
    two = [{"image": image, "imagePullPolicy": "Never"}, {"image": f"{image}2", "imagePullPolicy": "Never"}]
    kubectl.apply(bare("both", *two))
    wait_pod_refused(kubectl, "both")
    archive = archive_of(tmp_path, program, "built-here:latest")
    result = load(repull, cluster, "pod/both", archive, code=1)
    assert line_with(result.err, "the archive holds built-here:latest", image, f"{image}2", "--to=REF")
    result = load(repull, cluster, "pod/both", archive, "--to=elsewhere/it:1", code=1)
    assert line_with(result.err, "--to elsewhere/it:1 is not an image of the target, which asks for", image)
    assert not any(has(node, image) for node in cluster.nodes)


def test_of_no_use(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path) -> None:
    """With policy Always kubelets ask the registry all the same; an image for other machines would not run."""
    kubectl.apply(everywhere("always", image, "Always"), everywhere("web", image))
    result = load(repull, cluster, "daemonset/always", archive_of(tmp_path, program, image), code=1)
    assert line_with(result.err, "error: loading ", "imagePullPolicy in daemonset/always is Always")
    result = load(repull, cluster, "daemonset/web", archive_of(tmp_path, program, image, "arm64"), code=1)
    for node in cluster.nodes:
        assert f"{node.name}: it is linux/amd64, the image in the archive for linux/arm64 only" in result.err
    assert not any(has(node, image) for node in cluster.nodes)


def test_asks_and_shows(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path
) -> None:
    """Without -y and a terminal it does nothing; a dry run only tells."""
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    words = ["daemonset/web", "--load", archive_of(tmp_path, program, image), "--containerd-socket", sockets(cluster)]
    result = repull(*words, code=1)
    assert line_with(result.err, "is root on ", "give -y")
    for how in ("client", "server"):
        result = repull(*words, f"--dry-run={how}")
        assert line_with(result.err, f"  load {image}, sha256:", cluster.nodes[0].name, cluster.nodes[1].name)
    assert not left(kubectl)
    assert not any(has(node, image) for node in cluster.nodes)


def test_pod_security(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path, admin: Kubectl
) -> None:
    """Where carriers are forbidden that is said with what helps; another namespace that allows them does."""
    other = f"{kubectl.namespace}-carriers"
    admin("create", "namespace", other)
    try:
        kubectl("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=baseline")
        kubectl.apply(everywhere("web", image))
        wait_refused(kubectl, "web", 2)
        archive = archive_of(tmp_path, program, image)
        dry = load(repull, cluster, "daemonset/web", archive, "--dry-run=server", code=1)
        assert line_with(dry.err, "pod security forbids", kubectl.namespace, "--carrier-namespace")
        result = load(repull, cluster, "daemonset/web", archive, code=1)
        assert line_with(result.err, "pod security forbids", kubectl.namespace, "--carrier-namespace")
        result = load(repull, cluster, "daemonset/web", archive, f"--carrier-namespace={other}")
        assert len(wait_running(kubectl, "web", 2)) == 2
        nothing_left(Kubectl(admin.env, other))
    finally:
        admin("delete", "namespace", other, "--wait=false")


# Broken off


def test_interrupted(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path) -> None:
    """In the middle of the stream: its pods go, and the nodes have nothing."""
    kubectl.apply(everywhere("web", image))
    before = wait_refused(kubectl, "web", 2)
    path = tmp_path / "large.tar"
    large_archive(path, program, 300_000_000, image)
    words = ["daemonset/web", "--load", str(path), "--containerd-socket", sockets(cluster), "-y"]
    text = repull.interrupted(signal.SIGINT, "MB/s", *words, delay=1)
    assert "MB/s" in text
    nothing_left(kubectl)
    assert not any(has(node, image) for node in cluster.nodes)
    assert uids(kubectl, "web") == before


def test_killed(repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path) -> None:
    """Killed without a chance to clear up: its pods end by themselves, with nothing loaded."""
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    path = tmp_path / "large.tar"
    large_archive(path, program, 300_000_000, image)
    words = ["daemonset/web", "--load", str(path), "--containerd-socket", sockets(cluster), "-y"]
    repull.interrupted(signal.SIGKILL, "MB/s", *words, delay=2)  # both are under way by then
    assert len(left(kubectl)) == 2

    def all_ended() -> bool:
        return all(pod["status"]["phase"] == "Failed" for pod in kubectl.list("pod", "-l", MINE))

    wait_for(all_ended, "the carriers to end without their run", timeout=60)
    assert not any(has(node, image) for node in cluster.nodes)


def test_node_goes_away(
    repull: Repull, kubectl: Kubectl, cluster: Cluster, image: str, program: bytes, tmp_path: Path
) -> None:
    """A kubelet ends in the middle: that node is tried once more and named, the other one has the image, nothing starts."""
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    path = tmp_path / "large.tar"
    large_archive(path, program, 300_000_000, image)
    processes = Processes.load(Path(cluster.folder))
    if processes is None:
        raise HarnessError("no cluster")
    well, gone = cluster.nodes
    run = repull.started("daemonset/web", "--load", str(path), "--containerd-socket", sockets(cluster), "-y")
    try:
        wait_for(lambda: len(_attached(kubectl)) == 2, "both carriers to run")
        process = processes.running[gone.kubelet]
        processes.stop(gone.kubelet)
        result = repull.ended(run, 1)
    finally:
        run.kill()
        run.wait()
        processes.start(gone.kubelet, process.argv, Path(process.folder), process.env)
    assert line_with(result.err, f"{gone.name}: ", "trying once more")
    assert line_with(result.err, f"{well.name}: loaded")
    assert line_with(result.err, "1 of 2 nodes did not get the image", f"{gone.name}: ", "nothing was started again")
    nothing_left(kubectl)


def _attached(kubectl: Kubectl) -> list[str]:
    return [pod["metadata"]["name"] for pod in kubectl.list("pod", "-l", MINE) if pod["status"]["phase"] == "Running"]
