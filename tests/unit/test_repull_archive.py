"""Image archives are read for what they hold, whatever they name; what is hostile, damaged or cut off is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pullcore.errors import CommandError
from repull import archivefiles
from repull.archive import read
from repull.archivestream import write_stream

from . import archives
from .archives import (
    ATTESTATION,
    as_folder,
    attestation,
    described,
    digest,
    docker_files,
    layout,
    named,
    oci_image,
    oci_index,
    tar,
    text,
)

NAME = "registry.example.com/team/app:1.0"


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[bytes], Path]:
    def keep(content: bytes) -> Path:
        path = tmp_path / "app.tar"
        path.write_bytes(content)
        return path

    return keep


Kept = Callable[[bytes], Path]


def single() -> archives.Files:
    files: archives.Files = {}
    return layout(files, named(oci_image(files, "app"), NAME))


def multi(*, absent: str = "", attested: bool = False) -> archives.Files:
    """Two platforms under one index; `absent` is only named, as in what was pulled for the other one."""
    files: archives.Files = {}
    entries = []
    for platform in ("linux/amd64", "linux/arm64"):
        own: archives.Files = {}
        entries.append(oci_image(own, platform, platform))
        if platform != absent:
            files.update(own)
    if attested:
        entries += [attestation(files, entries[0], there=True), attestation(files, entries[1])]
    return layout(files, named(oci_index(files, entries), NAME))


# --- What is read ---------------------------------------------------------------------------------------------------


def test_a_docker_archive_gets_a_manifest_of_schema_2(kept: Kept) -> None:
    files = docker_files("app", NAME, "app:latest")
    with read(kept(tar(files))) as found:
        (image,) = found.images
        assert (image.names, image.platforms, image.reduced, found.notes) == (
            (NAME, "app:latest"),
            ("linux/amd64",),
            False,
            (),
        )
        manifest = json.loads(image.content)
        assert image.media_type == manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        assert image.digest == digest(image.content)
        layers = [files["a/layer.tar"], files["b/layer.tar"]]
        assert [one["digest"] for one in manifest["layers"]] == [digest(one) for one in layers]
        assert {one["mediaType"] for one in manifest["layers"]} == {"application/vnd.docker.image.rootfs.diff.tar"}
        assert [blob.open().readall() for blob in image.blobs[1:]] == layers
        assert digest(image.blobs[0].open().readall()) == manifest["config"]["digest"]


def test_a_packed_layer_of_a_docker_archive_has_the_digest_of_what_is_there(kept: Kept) -> None:
    files = docker_files("app", NAME, packed=True)
    with read(kept(tar(files))) as found:
        last = found.images[0].blobs[-1]
        assert (last.digest, last.media_type) == (
            digest(files["b/layer.tar"]),
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        )


def test_layers_of_old_docker_archives_may_be_links_to_others(kept: Kept) -> None:
    files = docker_files("app", NAME)
    own = archives.config([files["a/layer.tar"]] * 2)
    entry = {"Config": "config.json", "RepoTags": [NAME], "Layers": ["a/layer.tar", "c/layer.tar"]}
    content = tar(
        {"config.json": own, "a/layer.tar": files["a/layer.tar"], "manifest.json": text([entry])},
        links={"c/layer.tar": "../a/layer.tar"},
    )
    with read(kept(content)) as found:
        assert len(found.images[0].manifests[0].blobs) == 3
        assert len(found.images[0].blobs) == 2, "what is there twice is carried once"


@pytest.mark.parametrize("how", ["tar", "gzip", "folder"])
def test_an_oci_layout_is_the_same_as_tar_packed_or_as_a_folder(how: str, kept: Kept, tmp_path: Path) -> None:
    files = single()
    place = as_folder(files, tmp_path / "layout") if how == "folder" else kept(tar(files))
    if how == "gzip":
        place.write_bytes(gzip.compress(place.read_bytes()))
    with read(place) as found:
        (image,) = found.images
        (entry,) = json.loads(files["index.json"])["manifests"]
        assert (image.digest, image.names, image.is_index) == (entry["digest"], (NAME,), False)
        for blob in image.blobs:
            assert blob.open().readall() == files[f"blobs/sha256/{blob.digest[7:]}"]
    left = {one.name for one in tmp_path.iterdir()}
    assert left == {"layout" if how == "folder" else "app.tar"}, "nothing stays of what was unpacked"


def test_a_blob_can_be_read_by_several_at_once_in_pieces_of_any_size(kept: Kept) -> None:
    with read(kept(tar(single()))) as found:
        blob = found.images[0].blobs[1]
        one, other = blob.open(), blob.open()
        content = b""
        while piece := one.read(7):
            content += piece
            other.read(3)
        assert digest(content) == blob.digest


def test_names_that_are_only_a_tag_name_nothing(kept: Kept) -> None:
    files: archives.Files = {}
    entry = {**oci_image(files, "app"), "annotations": {"org.opencontainers.image.ref.name": "1.0"}}
    with read(kept(tar(layout(files, entry)))) as found:
        assert found.images[0].names == ()
    entry["annotations"]["org.opencontainers.image.ref.name"] = NAME
    with read(kept(tar(layout(files, entry)))) as found:
        assert found.images[0].names == (NAME,)


def test_one_image_under_two_names_is_one(kept: Kept) -> None:
    files: archives.Files = {}
    entry = oci_image(files, "app")
    with read(kept(tar(layout(files, named(entry, NAME), named(entry, "x.example.com/app:2"))))) as found:
        assert [image.names for image in found.images] == [(NAME, "x.example.com/app:2")]


# --- Several platforms ----------------------------------------------------------------------------------------------


def test_a_whole_index_stays_as_it_is(kept: Kept) -> None:
    files = multi()
    with read(kept(tar(files))) as found:
        (image,) = found.images
        assert image.digest == json.loads(files["index.json"])["manifests"][0]["digest"]
        assert (image.is_index, image.reduced, found.notes) == (True, False, ())
        assert image.platforms == ("linux/amd64", "linux/arm64")


def test_an_absent_platform_is_left_out_with_a_word(kept: Kept) -> None:
    with read(kept(tar(multi(absent="linux/arm64", attested=True)))) as found:
        (image,) = found.images
        assert (image.platforms, image.reduced, image.is_index) == (("linux/amd64",), True, False)
        assert len(found.notes) == 2
        assert any("linux/arm64 is left out: sha256:" in note and "is not in the archive" in note for note in found.notes)
        assert f"{NAME}: attestations are left out" in found.notes


def test_without_attestations_an_index_is_another_one_of_the_same_platforms(kept: Kept) -> None:
    with read(kept(tar(multi(attested=True)))) as found:
        (image,) = found.images
        entries = json.loads(image.content)["manifests"]
        assert image.is_index and image.reduced and image.digest == digest(image.content)
        assert [one["platform"]["architecture"] for one in entries] == ["amd64", "arm64"]
        assert not any(one.get("annotations") == ATTESTATION for one in entries)


def test_a_platform_of_which_a_layer_is_absent_is_left_out(kept: Kept) -> None:
    files = multi()
    with read(kept(tar(files))) as found:
        gone = found.images[0].manifests[1].blobs[-1].digest
    del files[f"blobs/sha256/{gone[7:]}"]
    with read(kept(tar(files))) as found:
        assert found.images[0].platforms == ("linux/amd64",)
        assert gone[:19] in found.notes[0]


def test_an_image_can_be_had_for_some_platforms_only(kept: Kept) -> None:
    with read(kept(tar(multi()))) as found:
        (image,) = found.images
        assert image.only(["linux/amd64", "linux/arm64", "windows/amd64"]) is image
        arm = image.only(["linux/arm64"])
        assert (arm.platforms, arm.digest) == (("linux/arm64",), image.manifests[1].digest)
        assert image.only(["linux/s390x"]).manifests == ()


def test_what_is_no_image_is_left_out(kept: Kept) -> None:
    files: archives.Files = {}
    image = named(oci_image(files, "app"), NAME)
    chart = text({"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}, "layers": []})
    archives.kept(files, chart)
    with read(kept(tar(layout(files, described(chart, archives.MANIFEST), image)))) as found:
        assert [one.names for one in found.images] == [(NAME,)]
        assert "is no container image" in found.notes[0]


# --- What is refused ------------------------------------------------------------------------------------------------


def changed(files: archives.Files, name: str, content: bytes) -> archives.Files:
    return {**files, name: content}


def blob_name(files: archives.Files, number: int) -> str:
    return [name for name in files if name.startswith("blobs/")][number]


def lying(what: str, value: Any) -> bytes:
    files = single()
    index = json.loads(files["index.json"])
    index["manifests"][0][what] = value
    return tar(changed(files, "index.json", text(index)))


def without(files: archives.Files, *names: str) -> archives.Files:
    return {name: content for name, content in files.items() if name not in names}


def docker_entry(**values: Any) -> bytes:
    files = docker_files("app", NAME)
    (entry,) = json.loads(files["manifest.json"])
    return tar(changed(files, "manifest.json", text([{**entry, **values}])))


DOCKER = docker_files("app", NAME)
CONFIG_NAME = next(name for name in DOCKER if name.endswith(".json"))
REFUSED = {
    "nothing": (b"", "no tar"),
    "a text": (b"not a tar\n" * 200, "no tar"),
    "some tar": (tar({"etc/passwd": "x"}), "no image archive"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "packed with zstd: unpack it first, with `zstd -d`"),
    "xz": (b"\xfd7zXZ\x00" + bytes(100), "packed with xz"),
    "half a gzip": (gzip.compress(tar(single()))[:-200], "damaged or cut off"),
    "a broken gzip": (b"\x1f\x8b" + bytes(100), "damaged or cut off"),
    "half a gzip's header": (b"\x1f\x8b\x08\x00", "damaged or cut off"),
    "gzip of nothing": (gzip.compress(b""), "no tar"),
    "cut off in a blob": (tar(single())[:3000], "cut off"),
    "cut off in a header": (tar(single())[: 512 + 512 + 200], "cut off"),
    "cut off between two": (tar({"oci-layout": "{}", "index.json": "{}"})[:2048], "its tar has no end"),
    "a damaged header": (tar(single())[:1024] + b"x" * 512 + tar(single())[1536:], "damaged"),
    "out of it": (tar({**single(), "../../etc/cron.d/x": b"x"}), "leads out of the archive"),
    "an absolute name": (tar({**single(), "/etc/cron.d/x": b"x"}), "leads out of the archive"),
    "a digest that is a path": (lying("digest", "sha256:../../../etc/passwd"), "is no digest"),
    "no digest": (lying("digest", 7), "is no digest"),
    "another size": (lying("size", 7), "does not have the content"),
    "no size": (lying("size", True), "has no size"),
    "an index that is a list": (tar(changed(single(), "index.json", b"[]")), "index.json is not the JSON"),
    "an index without list": (tar(changed(single(), "index.json", b"{}")), "no list of manifests"),
    "an empty index": (tar(layout({})), "holds no image"),
    "deep JSON": (tar(changed(single(), "index.json", b"[" * 100_000)), "index.json is not the JSON"),
    "a huge index": (tar(changed(single(), "index.json", bytes(5 * 2**20))), "which no such file needs"),
    "no manifest": (tar(layout({}, oci_image({}, "x"))), "holds no image: sha256:"),
    "another config": (tar(changed(single(), blob_name(single(), 2), b"{}")), "does not have the content"),
    "a shorter layer": (tar(changed(single(), blob_name(single(), 0), b"x")), "instead of"),
    "docker: no list": (tar(changed(DOCKER, "manifest.json", b"{}")), "not what docker save writes"),
    "docker: no names": (docker_entry(RepoTags=[7]), "not what docker save writes"),
    "docker: no config": (tar(without(DOCKER, CONFIG_NAME)), "the archive is damaged"),
    "docker: another config": (tar(changed(DOCKER, CONFIG_NAME, b"{}")), "content that its name stands for"),
    "docker: no layer": (tar(without(DOCKER, "b/layer.tar")), "layer b/layer.tar is missing"),
    "docker: fewer layers": (docker_entry(Layers=["a/layer.tar"]), "does not name the layers"),
    "docker: a path out of it": (docker_entry(Config="../../etc/passwd"), "../../etc/passwd is missing"),
    "docker: a link out of it": (
        tar(without(DOCKER, "b/layer.tar"), links={"b/layer.tar": "../../etc/passwd"}),
        "leads out of the archive",
    ),
    "docker: links in a ring": (
        tar(without(DOCKER, "b/layer.tar"), links={"b/layer.tar": "x", "b/x": "layer.tar"}),
        "is missing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_damaged_cut_off_or_hostile_is_refused_in_one_line_with_its_name(case: str, kept: Kept) -> None:
    content, reason = REFUSED[case]
    path = kept(content)
    with pytest.raises(CommandError) as refused:
        read(path)
    assert str(path) in refused.value.text and reason in refused.value.text
    assert "\n" not in refused.value.text and len(refused.value.text) < 600


def test_every_beginning_of_an_archive_is_refused(kept: Kept) -> None:
    """At any place it may be cut off; nothing of it may pass for a whole one with fewer platforms."""
    for files in (multi(attested=True), docker_files("app", NAME)):
        whole = tar(files)
        used = whole.rstrip(b"\0")
        for length in range(0, len(used), 331):
            with pytest.raises(CommandError):
                read(kept(whole[:length]))


def test_a_changed_layer_is_found_before_its_last_byte_is_given(kept: Kept) -> None:
    content = bytearray(tar(DOCKER))
    at = content.index(b"app, more")
    content[at] ^= 1
    with read(kept(bytes(content))) as found, pytest.raises(CommandError, match="the archive is damaged"):
        found.images[0].blobs[2].open().readall()


def test_an_archive_that_becomes_shorter_is_told(kept: Kept) -> None:
    path = kept(tar(single()))
    with read(path) as found:
        os.truncate(path, 1024)
        with pytest.raises(CommandError, match="became shorter"):
            found.images[0].blobs[0].open().readall()


def test_a_folder_may_not_lead_out_of_itself(tmp_path: Path) -> None:
    files = single()
    name = blob_name(files, 0)
    root = as_folder(files, tmp_path / "layout")
    (tmp_path / "secret").write_bytes((root / name).read_bytes())
    (root / name).unlink()
    (root / name).symlink_to(tmp_path / "secret")
    with pytest.raises(CommandError, match="leads out of the folder"):
        read(root)


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandError, match="neither a file nor a folder"):
        read(tmp_path / "pipe")
    with pytest.raises(CommandError, match="no such file"):
        read(tmp_path / "absent")
    with pytest.raises(CommandError, match="null byte"):
        read("a\0b")


def test_too_many_files_or_names_too_long_are_refused(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archivefiles, "MEMBERS", 5)
    with pytest.raises(CommandError, match="more than 5 files"):
        read(kept(tar({str(number): b"" for number in range(9)})))
    monkeypatch.setattr(archivefiles, "MEMBERS", 10_000)
    with pytest.raises(CommandError, match="unreasonable headers"):
        read(kept(tar({"x" * 2_000_000: b""})))


def test_documents_and_layers_beyond_reason_are_refused(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for files in (single(), docker_files("app", NAME)):
        with monkeypatch.context() as patch:
            patch.setattr("repull.archivedocuments.DOCUMENTS", 100)
            with pytest.raises(CommandError, match="MiB of manifests and configs"):
                read(kept(tar(files)))
        with monkeypatch.context() as patch:
            patch.setattr("repull.ocilayout.LAYERS", 1)
            patch.setattr("repull.dockerlayout.LAYERS", 1)
            with pytest.raises(CommandError, match=r"no list of layers that can be read|not what docker save writes"):
                read(kept(tar(files)))


def test_what_is_named_again_and_again_is_read_once(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    files: archives.Files = {}
    one = oci_image(files, "app")
    indexes = [oci_index(files, [one] * times) for times in (2, 200, 300)]
    asked: list[str] = []
    content = archivefiles.content

    def counted(place: archivefiles.Files, name: str, most: int) -> Any:
        asked.append(name)
        return content(place, name, most)

    monkeypatch.setattr("repull.archivedocuments.content", counted)
    with read(kept(tar(layout(files, *indexes)))) as found:
        assert [len(image.manifests) for image in found.images] == [1, 1, 1]
        assert [image.digest for image in found.images] == [index["digest"] for index in indexes]
        assert not any(image.reduced for image in found.images)
    assert len(asked) == len(set(asked))


def test_a_gzip_that_unpacks_beyond_reason_is_stopped(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archivefiles, "LARGEST", 2**20)
    with pytest.raises(CommandError, match="once it is unpacked"):
        read(kept(gzip.compress(bytes(3 * 2**20))))


def test_the_temporary_file_is_in_tmpdir_where_that_is_set(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = tempfile.TemporaryFile

    def made(**given: Any) -> Any:
        asked.append(given)
        return real(**given)

    monkeypatch.setattr(tempfile, "TemporaryFile", made)
    path = kept(gzip.compress(tar(single())))
    monkeypatch.delenv("TMPDIR", raising=False)
    read(path).close()
    (tmp_path / "there").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
    read(path).close()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    read(path).close()
    assert [given.get("dir") for given in asked] == [
        tmp_path, str(tmp_path / "there"), str(tmp_path / "absent"), None
    ]  # fmt: skip


# --- The stream -----------------------------------------------------------------------------------------------------


def streamed(place: Path, names: list[str], *platforms: str) -> bytes:
    with read(place) as found:
        size, pieces = write_stream(found, found.images[0], names, platforms or None)
        content = b"".join(pieces)
    assert len(content) == size
    return content


@pytest.mark.parametrize(
    "files", [docker_files("app", "other:1"), single(), multi(), multi(absent="linux/arm64", attested=True)]
)
def test_a_stream_is_an_archive_of_the_image_under_the_new_names_only(
    files: archives.Files, kept: Kept, tmp_path: Path
) -> None:
    place = kept(tar(files))
    content = streamed(place, [NAME, "app"])
    assert content == streamed(place, [NAME, "app"]), "always the same"
    with read(place) as before:
        expected = before.images[0]
    (tmp_path / "again.tar").write_bytes(content)
    with read(tmp_path / "again.tar") as after:
        (image,) = after.images
        assert (image.names, after.notes) == ((NAME, "docker.io/library/app:latest"), ())
        assert (image.digest, image.content) == (expected.digest, expected.content)
        for blob in image.blobs:
            blob.open().readall()
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        names = members.getnames()
        assert ("manifest.json" in names) == (len(expected.manifests) == 1)
        if "manifest.json" in names:
            file = members.extractfile("manifest.json")
            assert file
            (entry,) = json.load(file)
            assert entry["RepoTags"] == [NAME, "docker.io/library/app:latest"]
            assert {entry["Config"], *entry["Layers"]} <= set(names)


@pytest.mark.parametrize("files", [single(), multi()])
def test_a_stream_that_breaks_off_gives_nothing_a_name(files: archives.Files, kept: Kept) -> None:
    """What names the image comes after all that it consists of; what comes before says that it lacks its names."""
    with tarfile.open(fileobj=io.BytesIO(streamed(kept(tar(files)), [NAME]))) as members:
        names = members.getnames()
    parts = [one for one in names if one.startswith("blobs/")]
    assert parts and names[: len(parts) + 1] == ["oci-layout", *parts]
    assert names[-1] == "index.json"


def test_a_stream_holds_the_chosen_platform_alone(kept: Kept) -> None:
    content = streamed(kept(tar(multi())), [NAME], "linux/arm64")
    with read(kept(content)) as found:
        assert found.images[0].platforms == ("linux/arm64",)
        assert len(found.images[0].blobs) == 3
    with read(kept(tar(multi()))) as found, pytest.raises(CommandError, match="linux/amd64, linux/arm64 only"):
        write_stream(found, found.images[0], [NAME], ["linux/s390x"])


def test_a_name_with_a_digest_is_named_as_runtimes_do(kept: Kept) -> None:
    with read(kept(tar(single()))) as found:
        own = found.images[0].digest
    content = streamed(kept(tar(single())), [f"{NAME}@{own}"])
    with read(kept(content)) as found:
        assert found.images[0].names == (f"registry.example.com/team/app@{own}",)
    with read(kept(tar(single()))) as found, pytest.raises(CommandError, match="no name for an image"):
        write_stream(found, found.images[0], ["Team/App"])


def test_neither_reading_nor_streaming_holds_a_layer_in_memory(tmp_path: Path) -> None:
    size = 48 * 2**20
    layer = os.urandom(1024) * (size // 1024)
    own = archives.config([layer])
    entry = {"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}
    place = tmp_path / "big.tar"
    place.write_bytes(tar({"config.json": own, "layer.tar": layer, "manifest.json": text([entry])}))
    del layer
    tracemalloc.start()
    try:
        with read(place) as found:
            _, pieces = write_stream(found, found.images[0], [NAME])
            total = sum(len(piece) for piece in pieces)
        assert total > size
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


# --- What others make of it -----------------------------------------------------------------------------------------

SKOPEO = shutil.which("skopeo")


@pytest.mark.skipif(not SKOPEO, reason="needs skopeo")
@pytest.mark.parametrize("files", [docker_files("app", "other:1"), single()])
def test_skopeo_reads_a_stream_in_both_layouts(files: archives.Files, kept: Kept, tmp_path: Path) -> None:
    place = kept(streamed(kept(tar(files)), [NAME]))
    with read(place) as found:
        expected = found.images[0]
    for layout_name in ("docker-archive", "oci-archive"):
        told = subprocess.run(
            ["skopeo", "inspect", "--raw", f"{layout_name}:{place}"], capture_output=True, text=True, timeout=60, check=True
        )
        layers = json.loads(told.stdout)["layers"]
        assert len(layers) == len(expected.manifests[0].blobs) - 1
        copied = tmp_path / layout_name
        subprocess.run(
            ["skopeo", "copy", f"{layout_name}:{place}", f"oci:{copied}:x"], capture_output=True, timeout=60, check=True
        )


@pytest.mark.skipif(not SKOPEO, reason="needs skopeo")
def test_what_skopeo_writes_is_read(kept: Kept, tmp_path: Path) -> None:
    source = kept(tar(single()))
    made = tmp_path / "made"
    made.mkdir()
    for name in ("docker-archive:made.tar:" + NAME, "oci-archive:oci.tar:1.0", "oci:folder:1.0"):
        subprocess.run(
            ["skopeo", "copy", f"oci-archive:{source}", name], cwd=made, capture_output=True, timeout=60, check=True
        )
    for name, names in (("made.tar", (NAME,)), ("oci.tar", ()), ("folder", ())):
        with read(made / name) as found:
            (image,) = found.images
            assert (image.names, image.platforms) == (names, ("linux/amd64",))
            assert all(hashlib.sha256(blob.open().readall()).hexdigest() == blob.digest[7:] for blob in image.blobs)
