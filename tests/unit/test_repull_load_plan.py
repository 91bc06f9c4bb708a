"""Which image of an archive becomes which of the target's, and onto which nodes it goes: tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pullcore.errors import CommandError
from pullcore.pull import Pull, Target
from repull import load_plan
from repull.archivedimage import ArchivedImage, Blob, Manifest
from repull.archivefiles import Piece
from repull.load_plan import Chosen, choose, lists, plan

from .builders import IMAGE, Object, node
from .repull_builders import changed

OTHER = "registry.example.com/team/aux:2.0"


def of_platform(digest: str, platform: str) -> Manifest:
    config = Blob(f"sha256:c{digest[8:]}", 1, "", Piece(1), "a.tar")
    return Manifest("application/vnd.oci.image.manifest.v1+json", b"{}", digest, platform, "", (config,), {"digest": digest})


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def image(*names: str, letter: str = "a", platforms: tuple[str, ...] = ("linux/amd64",)) -> ArchivedImage:
    manifests = tuple(of_platform(digest(letter if number == 0 else "0"), one) for number, one in enumerate(platforms))
    kind = "manifest" if len(platforms) == 1 else "index"
    own = digest(letter) if len(platforms) == 1 else digest("f")
    return ArchivedImage(names, f"application/vnd.oci.image.{kind}.v1+json", b"{}", own, manifests)


def pull(name: str = IMAGE, policy: str = "IfNotPresent", asker: str = "web") -> Pull:
    return Pull(name, policy, "default", (), "default", (Target("Deployment", "default", asker),))


def asked(*pulls: Pull, waited: str = "") -> dict[Pull, bool]:
    return {one: one.image == waited for one in pulls}


# Which image


def test_same_name_is_the_same_image() -> None:
    one = image(IMAGE)
    assert choose([one, image(OTHER, letter="b")], asked(pull(), pull("nginx")), "") == [Chosen(one, IMAGE, (pull(),))]


@pytest.mark.parametrize(
    ("named", "written", "full"),
    [
        ("domain1:1.0", "docker.io/library/domain1:1.0", "docker.io/library/domain1:1.0"),
        ("docker.io/library/domain1:1.0", "domain1:1.0", "docker.io/library/domain1:1.0"),
        ("domain1", "domain1:latest", "docker.io/library/domain1:latest"),
        ("r.example.com/a:1", f"r.example.com/a@{digest('a')}", f"r.example.com/a@{digest('a')}"),
        ("r.example.com/a:1", f"r.example.com/a:1@{digest('a')}", f"r.example.com/a@{digest('a')}"),
    ],
)
def test_names_that_mean_the_same(named: str, written: str, full: str) -> None:
    (found,) = choose([image(named)], asked(pull(written)), "")
    assert (found.name, found.was) == (full, "")


def test_all_that_the_target_asks_for_are_loaded() -> None:
    found = choose([image(OTHER, letter="b"), image(IMAGE)], asked(pull(), pull(OTHER)), "")
    assert [one.name for one in found] == [IMAGE, OTHER]


def test_the_only_image_is_renamed_to_the_only_one_that_waits() -> None:
    (found,) = choose([image("built:1")], asked(pull(), pull(OTHER), waited=OTHER), "")
    assert (found.name, found.was) == (OTHER, "built:1")
    (found,) = choose([image("built:1")], asked(pull(), pull(OTHER)), IMAGE)
    assert (found.name, found.was) == (IMAGE, "built:1")
    (found,) = choose([image()], asked(pull()), "")
    assert found.was == digest("a")[:19]  # it has no name


FAULTS: list[tuple[str, list[ArchivedImage], list[Pull], str, str]] = [
    ("two that might be meant", [image("built:1")], [pull(), pull(OTHER)], "",
     f"the archive holds built:1, the target asks for {IMAGE}, {OTHER}: tell which with --to=REF"),
    ("several, none of them right", [image("x:1"), image("y:1", letter="b")], [pull()], "",
     f"the archive holds x:1, y:1, but the target asks for {IMAGE}: save just that one"),
    ("not the target's", [image("x:1")], [pull()], "z:1", f"--to z:1 is not an image of the target, which asks for {IMAGE}"),
    ("no name", [image("x:1")], [pull()], "UPPER", "--to: "),
    ("nothing asked for", [image("x:1")], [pull("UPPER")], "", "nothing of the target names an image"),
    ("policy Always", [image(IMAGE)], [pull(policy="Always")], "", "the imagePullPolicy in deployment/web is Always"),
    ("another digest", [image(f"{IMAGE}")], [pull(f"registry.example.com/team/app@{digest('b')}")], "",
     f"asks for a digest, and the archive holds {digest('a')}"),
]  # fmt: skip


@pytest.mark.parametrize(("images", "pulls", "to", "says"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_what_can_not_be_chosen(images: list[ArchivedImage], pulls: list[Pull], to: str, says: str) -> None:
    with pytest.raises(CommandError) as caught:
        choose(images, asked(*pulls), to)
    assert says in str(caught.value)


# Onto which nodes


def planned(
    *nodes: Object, of: ArchivedImage | None = None, name: str = IMAGE, size: int = 10, **how: Any
) -> load_plan.Plan:
    return plan(Chosen(of or image(IMAGE), name, (pull(),)), nodes, lambda _: size, **how)


def test_each_node_gets_its_platform() -> None:
    both = image(IMAGE, platforms=("linux/amd64", "linux/arm64"))
    found = planned(node("n1"), node("n2", platform="arm64"), of=both)
    assert [(job.node_name, job.digest) for job in found.jobs] == [("n1", digest("a")), ("n2", digest("0"))]
    by_digest = f"registry.example.com/team/app@{digest('f')}"
    assert [job.digest for job in planned(node(), of=both, name=by_digest).jobs] == [digest("f")]


def test_nodes_that_have_it_are_left() -> None:
    """By this digest under this name; listed under the name alone it may be another one."""
    by_digest = f"registry.example.com/team/app@{digest('a')}"
    has = changed(node("n1"), status__images=[{"names": [by_digest, IMAGE]}])
    other = changed(node("n2"), status__images=[{"names": [f"registry.example.com/team/app@{digest('b')}", IMAGE]}])
    untagged = changed(node("n3"), status__images=[{"names": [by_digest]}])
    found = planned(has, other, untagged, node("n4", IMAGE))
    assert [job.node_name for job in found.present] == ["n1"]
    assert [job.node_name for job in found.jobs] == ["n2", "n3", "n4"]
    assert lists(untagged, by_digest, digest("a"))
    assert "leave n1: it is there already" in found.lines("by train")


def test_pinning_reaches_nodes_that_have_it() -> None:
    """Nothing goes over to them, so that they need no room; where nothing could mark it, they are left as they are."""
    listed = [{"names": [f"registry.example.com/team/app@{digest('a')}", IMAGE]}]
    full = {"status__images": listed, "status__allocatable": {"ephemeral-storage": "1"}}
    found = planned(changed(node("n1"), **full), changed(node("n2", runtime="cri-o://1.34.0"), **full), node("n3"), pin=True)
    assert [(job.node_name, job.there) for job in found.jobs] == [("n1", True), ("n3", False)]
    assert [job.node_name for job in found.present] == ["n2"]
    lines = found.lines("by train")
    assert f"pin {IMAGE}, {digest('a')[:19]}, on n1, where it is already: by train" in lines
    assert f"load {IMAGE}, {digest('a')[:19]}, onto n3: by train" in lines


def condition(value: Object, kind: str, status: str) -> Object:
    return changed(value, status__conditions=[{"type": "Ready", "status": "True"}, {"type": kind, "status": status}])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (node(runtime="rkt://1"), "n1: it is not known how to load into rkt://1"),
        (node(platform="arm64"), "n1: it is linux/arm64, the image in the archive for linux/amd64 only"),
        (changed(node(), status__nodeInfo__operatingSystem="windows"), "n1: it is windows/amd64, and images are only"),
        (changed(node(), status__conditions=[{"type": "Ready", "status": "Unknown"}]), "n1: its kubelet is not ready"),
        (condition(node(), "DiskPressure", "True"), "n1: it is short of disk space (DiskPressure)"),
        (changed(node(), status__allocatable={"ephemeral-storage": "29"}),
         "n1: the image takes about 30 B there, and all its space for pods is 29 B"),
    ],
)  # fmt: skip
def test_nodes_that_can_not_be_served(value: Object, says: str) -> None:
    with pytest.raises(CommandError) as caught:
        planned(node("n0"), value)
    assert says in str(caught.value) and "n0" not in str(caught.value)


@pytest.mark.parametrize("storage", ["30", "1Gi", "odd"])
def test_nodes_with_room(storage: str) -> None:
    assert planned(
        condition(changed(node(), status__allocatable={"ephemeral-storage": storage}), "DiskPressure", "False")
    ).jobs


def test_no_node() -> None:
    with pytest.raises(CommandError, match="no node is known"):
        planned()


def test_a_copy_that_a_kubelet_may_refuse_is_told() -> None:
    """Only for kubelets that check, and only where the digest is there under another name (KEP-2535)."""
    names = [f"elsewhere.example.com/x@{digest('a')}"]
    for version, told in (("v1.35.0", True), ("v1.34.9", False)):
        value = changed(node(kubelet=version), status__images=[{"names": names}])
        notes = planned(value).notes
        assert any("present-not-usable" in one and version in one for one in notes) is told
    assert not planned(node()).notes


def test_pinning_where_it_is_not_known_is_told() -> None:
    assert planned(node(runtime="containerd://1.6.20"), pin=True).notes
    assert not planned(node(runtime="containerd://2.1.5"), pin=True).notes


def test_untested_runtimes_are_told() -> None:
    found = planned(node("n1"), node("n2", runtime="cri-o://1.34.0"), node("n3", runtime="containerd://1.6.20"))
    assert "untested: no test of ours ran on CRI-O, containerd 2.1" in found.lines("by train")


def test_socket_of_each_node() -> None:
    found = planned(node("n1"), node("n2"), socket="/run/{node}.sock")
    assert [job.runtime.socket for job in found.jobs] == ["/run/n1.sock", "/run/n2.sock"]


def test_docker_tells_the_digest_of_the_configuration() -> None:
    (job,) = planned(node(runtime="docker://27.3.1")).jobs
    assert job.digest == job.image.manifests[0].blobs[0].digest != job.image.digest


def test_lines() -> None:
    one = Chosen(replace(image("built:1")), IMAGE, (pull(),), was="built:1")
    found = plan(one, [node(name, runtime="containerd://1.6.20") for name in ("n1", "n2")], lambda _: 1)
    assert found.lines("by train") == [f"load {IMAGE} (built:1 in the archive), {digest('a')[:19]}, onto n1, n2: by train"]
