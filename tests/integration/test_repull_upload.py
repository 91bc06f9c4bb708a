"""Uploading images of archives: to real registries, and to stand-ins that fail on the way as no real one does when asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from pullcore import wire as wires
from pullcore.dockerconfig import Credentials
from pullcore.errors import CommandError
from pullcore.reference import parse
from pullcore.registry import Registry as Place
from pullcore.signin import Refused, SignIn
from pullcore.wire import Reply, Wire, WireError
from repull import upload
from repull.archive import read
from repull.archivedimage import Blob
from repull.upload import Uploader

from tests.e2e.cluster.images import Pusher
from tests.e2e.cluster.model import Registry
from tests.unit import archives
from tests.unit.test_repull_archive import multi

from .asking import wire_to
from .certificates import Authority
from .hostile import Hostile, Say, Seen, challenge
from .real_registry import Real, running
from .store import Store


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, few_authorities: Callable[[pytest.MonkeyPatch], None]) -> Iterator[Real]:
    with pytest.MonkeyPatch.context() as patch, running(tmp_path_factory.mktemp("registries")) as found:
        few_authorities(patch)
        yield found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PAUSES", (0.0, 0.0))


class Told:
    """What was told of each blob."""

    def __init__(self) -> None:
        self.ways: dict[str, str] = {}
        self.most: dict[str, int] = {}

    def sent(self, blob: Blob, done: int) -> None:
        self.most[blob.digest] = max(done, self.most.get(blob.digest, 0))

    def ended(self, blob: Blob, how: str) -> None:
        self.ways[blob.digest] = how

    @property
    def all(self) -> set[str]:
        return set(self.ways.values())


def wire(real: Real) -> Wire:
    plain = [one.address for one in real.registries.values() if one.scheme == "http"]
    realm = real["token"].realm.split("/")[2]
    return wire_to(*plain, realm, authority=Path(real["tls"].ca_file).read_text())


def uploader(
    wire: Wire, image: str, user: str = "", password: str = "", besides: tuple[str, ...] = (), sources: tuple[str, ...] = ()
) -> Uploader:
    vault = Credentials()
    credential = vault.label(user, password) if user else None
    reference = parse(image)
    place = Place(reference.registry, wire, SignIn(wire, vault), actions="pull,push", besides=besides)
    reach = place.reach()
    assert reach.answers, reach.detail
    return Uploader(place, reference, credential, sources)


def to(real: Real, name: str, image: str, user: str = "", password: str = "", **more: Any) -> Uploader:
    registry = real[name]
    user = user or registry.user
    return uploader(wire(real), registry.image(image), user, password or registry.users.get(user, ""), **more)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    place = tmp_path / "app.tar"
    place.write_bytes(archives.tar(archives.docker_files(str(tmp_path), "x.example.com/app:1")))
    return place


def manifest_of(registry: Registry, name: str) -> str:
    repository, _, tag = name.rpartition(":")
    _, headers = Pusher(registry).call("HEAD", repository, f"/manifests/{tag}")
    return headers.get("docker-content-digest", "")


# --- Real registries ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["open", "htpasswd", "tls", "token"])
def test_an_image_is_uploaded_once_and_found_the_second_time(real: Real, name: str, archive: Path) -> None:
    with read(archive) as found:
        image = found.images[0]
        first, told = to(real, name, "push/app:1.0"), Told()
        assert first.there() is None
        first.may_push()
        first.push(image, told)
        assert told.all == {"uploaded"}
        assert told.most == {blob.digest: blob.size for blob in image.blobs}
        assert to(real, name, "push/app:1.0").there() == image.digest
        again = Told()
        to(real, name, "push/app:again").push(image, again)
        assert again.all == {"there"} and not again.most


@pytest.mark.parametrize("name", ["open", "token"])
def test_blobs_of_another_repository_are_mounted(real: Real, name: str, archive: Path) -> None:
    with read(archive) as found:
        image = found.images[0]
        to(real, name, "mount/source:1.0").push(image, Told())
        told = Told()
        besides = ("repository:mount/source:pull",)
        to(real, name, "mount/target:1.0", besides=besides, sources=("mount/source",)).push(image, told)
        assert told.all == {"mounted"}


def test_an_index_is_uploaded_with_its_manifests(real: Real, tmp_path: Path) -> None:
    place = tmp_path / "multi.tar"
    place.write_bytes(archives.tar(multi()))
    with read(place) as found:
        image = found.images[0]
        to(real, "htpasswd", "push/multi:1.0").push(image, Told())
        assert to(real, "htpasswd", "push/multi:1.0").there() == image.digest
        for one in image.manifests:
            assert to(real, "htpasswd", f"push/multi@{one.digest}").there() == one.digest


@pytest.mark.parametrize("name", ["htpasswd", "token"])
def test_a_wrong_password_and_nobody_are_refused_before_anything_is_sent(real: Real, name: str) -> None:
    for user, password in (("nobody-knows", "wrong-9"), ("", "")):
        registry = real[name]
        with pytest.raises(Refused) as refused:
            made = uploader(wire(real), registry.image("push/never:1.0"), user, password)
            made.may_push()
        assert refused.value.status in (401, 403)
        assert "wrong-9" not in str(refused.value)


# --- Stand-ins ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(keep: Callable[[Hostile], Hostile]) -> tuple[Hostile, Store]:
    store = Store()
    return keep(Hostile(store)), store


def pushed(
    server: Hostile, archive: Path, *, authority: Optional[str] = None, previous: Optional[str] = None, **more: Any
) -> Told:
    told = Told()
    with read(archive) as found:
        made = uploader(wire_to(server.netloc, authority=authority), f"{server.netloc}/team/app:1.0", **more)
        made.push(found.images[0], told, previous)
    return told


Standing = tuple[Hostile, Store]


def is_blob(seen: Seen) -> bool:
    return seen.method == "PUT" and "/blobs/" in seen.path


def test_a_small_registry_gets_all(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    pushed(server, archive)
    with read(archive) as found:
        assert set(store.blobs) == {blob.digest for blob in found.images[0].blobs}
        assert store.manifests == {"1.0": found.images[0].content}


def test_a_connection_that_drops_in_the_middle_of_a_blob_is_tried_again(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    dropped: list[Seen] = []

    def first(seen: Seen, body: bytes) -> Any:
        if is_blob(seen) and len(body) < int(seen.headers["content-length"]):
            dropped.append(seen)
            server.reads = server.reads if len(dropped) < 2 else 1 << 30
            return []  # closed without a word
        return None

    server.reads = 5000
    store.first = first
    assert pushed(server, archive).all == {"uploaded"}
    assert len(dropped) >= 2


def test_one_that_always_drops_is_given_up(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    store.first = lambda seen, body: [] if is_blob(seen) else None
    with pytest.raises(WireError, match="closed the connection"):
        pushed(server, archive)
    assert not store.manifests


def test_what_takes_no_blob_in_one_piece_gets_it_in_chunks(
    stand_in: Standing, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, store = stand_in
    monkeypatch.setattr(upload, "CHUNK", 4000)
    monkeypatch.setattr(upload, "overlapped", lambda call, values: [call(one) for one in values])
    store.first = lambda seen, body: Say(413) if len(body) > 4000 else None
    pushed(server, archive)
    with read(archive) as found:
        assert {digest: len(blob) for digest, blob in store.blobs.items()} == {
            blob.digest: blob.size for blob in found.images[0].blobs
        }
    ranges = [seen.headers["content-range"] for seen in server.seen if seen.method == "PATCH"]
    assert ranges[:3] == ["0-3999", "4000-7999", "8000-10239"]


def test_what_takes_no_chunk_either_is_told(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    store.first = lambda seen, body: Say(413, reason="Request Entity Too Large") if body and "/blobs/" in seen.path else None
    with pytest.raises(Refused, match=r"413 Request Entity Too Large .*takes nothing of that size"):
        pushed(server, archive)


def test_a_registry_that_makes_another_digest_of_it_is_told(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    other = "sha256:" + "0" * 64
    store.first = lambda seen, body: Say(201, headers=[("Docker-Content-Digest", other)]) if is_blob(seen) else None
    with pytest.raises(Refused, match=f"made {other} of"):
        pushed(server, archive)

    def changed(seen: Seen, body: bytes) -> Any:
        return Say(200, b"{}") if seen.method == "GET" and "/manifests/" in seen.path else None

    store.first = changed
    with pytest.raises(Refused, match=r"gives sha256:.* under that name"):
        pushed(server, archive)


def test_a_token_that_expires_at_a_blob_is_asked_for_anew(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    tokens: list[str] = []

    def first(seen: Seen, body: bytes) -> Any:
        if seen.path == "/token":
            tokens.append(f"token-{len(tokens)}")
            return Say(200, json.dumps({"token": tokens[-1]}).encode())
        asked = challenge(f'Bearer realm="http://{server.netloc}/token",service="x"')
        if not seen.authorization:
            return asked
        used = seen.authorization.removeprefix("Bearer ")
        return asked if is_blob(seen) and used == "token-0" else None

    store.first = first
    assert pushed(server, archive).all == {"uploaded"}
    scopes = [seen.query.get("scope") for seen in server.seen if seen.path == "/token"]
    assert scopes[0] == ["repository:team/app:pull,push"]
    assert len(tokens) >= 2


def test_a_401_for_good_at_the_blob_is_told(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    store.first = lambda seen, body: challenge('Basic realm="x"') if is_blob(seen) else None
    with pytest.raises(Refused, match="401"):
        pushed(server, archive)


def test_no_credential_follows_a_place_on_another_host(
    stand_in: Standing, archive: Path, keep: Callable[[Hostile], Hostile], authority: Authority
) -> None:
    server, store = stand_in
    elsewhere = Store()
    other = keep(Hostile(elsewhere, tls=authority.signs()))

    def first(seen: Seen, body: bytes) -> Any:
        if not seen.authorization:
            return challenge('Basic realm="x"')
        if seen.method == "POST" and "/blobs/" in seen.path:
            return Say(202, headers=[("Location", f"{other.url}/v2/team/app/blobs/uploads/one")])
        return None

    store.first = first
    pushed(server, archive, authority=authority.pem, user="bob", password="tiger-9")
    assert elsewhere.blobs
    assert not any(seen.authorization for seen in other.seen)


def test_a_place_on_another_host_without_tls_gets_nothing(
    stand_in: Standing, archive: Path, keep: Callable[[Hostile], Hostile]
) -> None:
    server, store = stand_in
    other = keep(Hostile(Store()))
    place = f"{other.url}/v2/team/app/blobs/uploads/one"
    store.first = lambda seen, body: Say(202, headers=[("Location", place)]) if seen.method == "POST" else None
    made = uploader(wire_to(server.netloc), f"{server.netloc}/team/app:1.0")
    made.may_push()
    with pytest.raises(Refused, match=f"has one send blobs to {other.netloc}, by plain HTTP"):
        pushed(server, archive)
    assert not other.seen


@pytest.mark.parametrize("place", ["http://[", "{other}/x", "/away"])
def test_the_trial_deletes_its_upload_here_only(
    stand_in: Standing, keep: Callable[[Hostile], Hostile], authority: Authority, place: str
) -> None:
    server, store = stand_in
    other = keep(Hostile(Store(), tls=authority.signs()))

    def first(seen: Seen, body: bytes) -> Any:
        if seen.method == "DELETE":
            return Say(307, headers=[("Location", f"{other.url}/x")])
        return Say(202, headers=[("Location", place.format(other=other.url))]) if seen.method == "POST" else None

    store.first = first
    uploader(wire_to(server.netloc, authority=authority.pem), f"{server.netloc}/team/app:1.0").may_push()
    assert not other.seen
    assert [seen.path for seen in server.seen if seen.method == "DELETE"] == (["/away"] if place == "/away" else [])


@pytest.mark.parametrize(("asked", "pause"), [("3", 3.0), ("9999", upload.LONGEST_PAUSE), ("\xb2", 1.0), ("soon", 1.0)])
def test_a_pause_that_a_registry_asks_for_is_a_number_that_can_be_counted(asked: str, pause: float) -> None:
    reply = Reply(503, "", {"retry-after": asked}, (), b"", "http://x.example.com/", False, 1)
    assert upload._pause(reply, 1.0) == pause


def test_what_somebody_else_pushed_meanwhile_is_not_replaced(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    theirs = b'{"schemaVersion": 2}'

    def first(seen: Seen, body: bytes) -> Any:
        if is_blob(seen):
            store.manifests["1.0"] = theirs
        return None

    store.first = first
    with pytest.raises(Refused, match=r"became sha256:[a-f0-9]{64} meanwhile: nothing was replaced"):
        pushed(server, archive)
    assert store.manifests == {"1.0": theirs}
    pushed(server, archive, previous=archives.digest(theirs))
    assert store.manifests["1.0"] != theirs


def test_a_damaged_layer_ends_the_upload_and_no_manifest_is_made(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    content = bytearray(archive.read_bytes())
    content[content.index(b", more")] ^= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(CommandError, match="the archive is damaged"):
        pushed(server, archive)
    assert not store.manifests


def test_a_registry_that_stands_still_is_given_up(
    stand_in: Standing, archive: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[[Hostile], Hostile]
) -> None:
    server, store = stand_in
    monkeypatch.setattr(wires, "PATIENCE", 0.3)
    monkeypatch.setattr(upload, "TRIES", 1)
    store.first = lambda seen, body: server.silence() if is_blob(seen) else None
    with pytest.raises(WireError, match=r"within 0\.3s"):
        pushed(server, archive)


@pytest.mark.parametrize("given", ["", "sha256:short", "\x1b[2Jevil", "x" * 9000])
def test_a_digest_that_is_none_is_not_repeated(stand_in: Standing, given: str) -> None:
    server, store = stand_in
    store.manifests["1.0"] = b"{}"
    store.first = lambda seen, body: Say(200, headers=[("Docker-Content-Digest", given)]) if seen.method == "HEAD" else None
    found = uploader(wire_to(server.netloc), f"{server.netloc}/team/app:1.0").there()
    assert found == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"


def test_of_a_tag_and_a_digest_the_tag_is_never_replaced(stand_in: Standing, archive: Path) -> None:
    server, store = stand_in
    theirs = b'{"schemaVersion": 2}'
    with read(archive) as found:
        image = found.images[0]
        store.manifests["2.0"] = theirs
        for tag in ("1.0", "2.0"):
            made = uploader(wire_to(server.netloc), f"{server.netloc}/team/app:{tag}@{image.digest}")
            assert made.there() is None
            made.push(image, Told())
        assert store.manifests == {"1.0": image.content, "2.0": theirs, image.digest: image.content}
        assert made.there() == image.digest
