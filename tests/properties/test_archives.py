"""Archives of images: their names, and what is in them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pullcore.errors import CommandError
from pullcore.reference import parse
from repull.archive import read
from repull.archivefiles import Reader, open_files
from repull.archivestream import write_stream
from repull.destination import chosen

from tests.unit import archives

valid = st.tuples(
    st.sampled_from(["", "reg.io/", "Reg.io:5000/", "localhost/", "docker.io/", "[::1]:5000/"]),
    st.sampled_from(["app", "team/app", "a__b/c-d"]),
    st.sampled_from(["", ":1.0", ":_", ":latest", f"@sha256:{'a' * 64}"]),
).map("".join)
members = st.text("ab./\\ \x00\u00e4", min_size=1, max_size=12)


@settings(max_examples=30)
@given(st.lists(valid, min_size=1, max_size=3, unique=True))
def test_an_image_keeps_its_names_and_its_content(names: list[str]) -> None:
    """docker's layout, read; written as a stream; read as an OCI layout: the same image under the same names."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.tar", Path(folder) / "second.tar"
        first.write_bytes(archives.tar(archives.docker_files("content", *names)))
        with read(first) as archive:
            (image,) = archive.images
            assert image.names == tuple(names)
            for name in names:
                plain = parse(name)
                if plain.digest is None:
                    assert chosen(archive, plain) == image
            size, pieces = write_stream(archive, image, names)
            second.write_bytes(b"".join(pieces))
            assert second.stat().st_size == size
        with read(second) as again:
            (found,) = again.images
            assert found.digest == image.digest
            assert {parse(name).name for name in found.names} == {parse(name).name for name in names}
            assert [blob.open().readall() for blob in found.blobs]


@settings(max_examples=30)
@given(st.one_of(st.none(), st.text(max_size=30), st.lists(st.one_of(st.text(max_size=30), st.none()), max_size=3)))
def test_names_that_are_none_are_a_line(names: object) -> None:
    files = archives.docker_files("content", "a:1")
    (entry,) = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps([{**entry, "RepoTags": names}]).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        path.write_bytes(archives.tar(files))
        try:
            with read(path) as archive:
                for image in archive.images:
                    assert image.shown.isprintable()
                    assert image.names == tuple(dict.fromkeys(names or ()))  # type: ignore[call-overload]
        except CommandError as error:
            assert str(error).isprintable()


@given(members, members, st.sampled_from(["../", "/", "a/../../", ""]), members)
def test_no_member_leads_out(name: str, target: str, out: str, wanted: str) -> None:
    """Whatever its members and links are called, what is found in a tar is a part of the tar."""
    content = archives.tar({name: b"inside"}, links={f"link{target}": out + target})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        path.write_bytes(content)
        (Path(folder) / "a").write_bytes(b"outside")
        try:
            files = open_files(path)
        except CommandError as error:
            assert str(error).isprintable()
            return
        try:
            for one in (name, f"link{target}", out + target, wanted):
                piece = files.find(one)
                assert piece is None or Reader(piece, files.shown).readall() == b"inside"
        except CommandError as error:
            assert "leads out of the archive" in str(error)
        finally:
            files.close()
