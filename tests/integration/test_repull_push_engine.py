"""kubectl repull --push of local images, by a stand-in `docker` on PATH that keeps its images in a file; skopeo pushes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from repull import remake, wait
from repull.engine import Engine
from repull.upload import Uploader

from tests.e2e.cluster.images import Pusher, build
from tests.unit import archives
from tests.unit.builders import node, secret_object

from .real_registry import Real, needs, running
from .test_repull_push import PushKit, digest_at

ENGINE = """\
#!{python}
import json, os, pathlib, signal, stat, subprocess, sys, time

root = pathlib.Path({root!r})
words = sys.argv[1:]
with (root / "asked").open("a") as log:
    log.write(json.dumps(words) + "\\n")
images = json.loads((root / "images").read_text())
folder = words.pop(1) if words[0] == "--config" else ""
if folder:
    words.pop(0)
if words[:2] == ["image", "inspect"]:
    if words[2] not in images:
        sys.exit("Error response from daemon: No such image: " + words[2])
    print(json.dumps([images[words[2]]]))
elif words[0] == "tag":
    untagged = json.loads((root / "all").read_text())
    images[words[2]] = next(one for name, one in (*images.items(), *untagged.items()) if words[1] in (name, one["Id"]))
elif words[0] == "rmi":
    del images[words[1]]
elif words[0] == "push":
    config = pathlib.Path(folder, "config.json")
    modes = [oct(stat.S_IMODE(one.stat().st_mode)) for one in (pathlib.Path(folder), config)]
    auths = json.loads(config.read_text())["auths"]
    if (root / "mute").exists():
        sys.exit()
    (root / "pushing").write_text(json.dumps(dict(folder=folder, modes=modes, registries=list(auths))))
    if (root / "hangup").exists():
        os.kill(os.getppid(), signal.SIGHUP)
        (root / "hung-up").touch()
    if (root / "slow").exists():
        time.sleep(60)
    if words[1] not in images:
        sys.exit("An image does not exist locally with the tag: " + words[1])
    copy = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--authfile", str(config),
            "--digestfile", str(root / "digest"), "docker-archive:" + str(root / "app.tar"), "docker://" + words[1]]
    run = subprocess.run(copy, capture_output=True, text=True)
    if run.returncode:
        print(run.stderr.replace("\\n", " "))
        sys.exit(1)
    print("The push refers to repository [x]\\nabc: Preparing\\nabc: Pushed")
    if (root / "quiet").exists():
        sys.exit()
    told = root / "told" if (root / "told").exists() else root / "digest"
    print("1.0: digest: " + told.read_text() + " size: 1")
elif words[:2] != ["context", "inspect"]:
    sys.exit("not known: " + " ".join(words))
(root / "images").write_text(json.dumps(images))
"""
OWN = {"Id": "sha256:" + "a" * 64, "Os": "linux", "Architecture": "amd64", "RepoTags": ["web:dev"], "RepoDigests": []}
OTHER = {**OWN, "Id": "sha256:" + "b" * 64}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, few_authorities: Callable[[pytest.MonkeyPatch], None]) -> Iterator[Real]:
    needs("skopeo")
    with pytest.MonkeyPatch.context() as patch, running(tmp_path_factory.mktemp("registries")) as found:
        few_authorities(patch)
        yield found


class EngineKit(PushKit):
    def __init__(self, folder: Path, real: Real) -> None:
        super().__init__(folder, real)
        self.root = folder / "engine"
        (self.root / "bin").mkdir(parents=True)
        program = self.root / "bin" / "docker"
        program.write_text(ENGINE.format(python=sys.executable, root=str(self.root)))
        program.chmod(0o755)
        (self.root / "app.tar").write_bytes(archives.tar(archives.docker_files(str(folder), "web:dev")))
        self.images = {"web:dev": OWN}

    @property
    def images(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "images").read_text()))

    @images.setter
    def images(self, value: dict[str, Any]) -> None:
        for name in ("images", "all"):  # what loses its tag is there all the same
            (self.root / name).write_text(json.dumps(value))

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.root / "asked").read_text().splitlines()]

    @property
    def pushing(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "pushing").read_text()))

    def image(self, name: str, at: str = "htpasswd") -> str:
        """The stand-in is another process, which knows the registry by its address only."""
        return f"127.0.0.1:{self.real[at].port}/{name}"

    def log_in(self, image: str, at: str = "htpasswd") -> None:
        registry = self.real[at]
        key = image.partition("/")[0]
        self.cluster.put(secret_object("regcred", key, username=registry.user, password=registry.password))


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Real) -> Iterator[EngineKit]:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-repull"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(remake, "POLL", 0.01)
    monkeypatch.setattr(wait, "TICK", 0.05)
    made = EngineKit(tmp_path, real)
    monkeypatch.setenv("PATH", f"{made.root / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    made.cluster.put(node("n1"))
    yield made
    made.cluster.close()


def left(kit: EngineKit) -> list[str]:
    return [one.name for one in kit.folder.iterdir() if one.name.startswith("kubectl-repull-")]


def test_a_local_image_is_tagged_pushed_and_the_tag_taken_away(kit: EngineKit, real: Real) -> None:
    image = kit.image("engine/web:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    planned = kit.push("pod/web", "--push=web:dev", "--dry-run")
    assert f"Plan: push web:dev of docker (linux/amd64, sha256:aaaaaaaaaaaa) as {image}, as secret regcred" in planned.err
    assert not any("push" in words for words in kit.asked)
    result = kit.push("pod/web", "--push=web:dev")
    assert result.code == 0, result.err
    digest = digest_at(real["htpasswd"], "engine/web:1.0")
    assert f"{image} pushed, {digest}" in result.out
    assert "  abc: Pushed" in result.err and "Preparing" not in result.err
    assert kit.images == {"web:dev": OWN}, "no tag is left"
    assert kit.pushing["modes"] == ["0o700", "0o600"]
    assert kit.pushing["registries"] == [image.partition("/")[0]]
    assert left(kit) == [] and not Path(kit.pushing["folder"]).exists()
    words = json.dumps(kit.asked)
    assert real["htpasswd"].password not in words


def test_a_tag_that_was_there_is_put_back(kit: EngineKit) -> None:
    image = kit.image("engine/own:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    kit.images = {"web:dev": OWN, image: OTHER}
    assert kit.push("pod/web", "--push=web:dev").code == 0
    assert kit.images == {"web:dev": OWN, image: OTHER}
    same = kit.image("engine/same:1.0")
    kit.waits_for(same)
    kit.images = {same: OWN}
    assert kit.push("pod/web", f"--push={same}").code == 0
    assert kit.images == {same: OWN}
    assert not any(words[0] == "rmi" for words in kit.asked)


def test_an_image_without_a_tag_keeps_the_one_that_it_got(kit: EngineKit) -> None:
    """Without it the engine would delete the image."""
    image = kit.image("engine/bare:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    kit.images = {"aaaaaaaaaaaa": {**OWN, "RepoTags": []}}
    result = kit.push("pod/web", "--push=aaaaaaaaaaaa")
    assert result.code == 0
    assert image in kit.images
    assert f"Note: the tag {image} stays in docker" in result.err


def test_a_tag_is_taken_away_though_making_it_was_interrupted(
    kit: EngineKit, monkeypatch: pytest.MonkeyPatch, real: Real
) -> None:
    image = kit.image("engine/between:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    do = Engine._do

    def interrupted(engine: Engine, words: Sequence[str]) -> None:
        do(engine, words)
        if words[0] == "tag":
            assert words[1] == OWN["Id"]
            raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "_do", interrupted)
    assert kit.push("pod/web", "--push=web:dev").code == 130
    assert kit.images == {"web:dev": OWN}


def test_what_an_engine_tells_no_digest_of_has_to_have_changed(kit: EngineKit, real: Real) -> None:
    old = Pusher(real["htpasswd"]).image("engine/mute:1.0", build(b"old\n", "old"))
    image = kit.image("engine/mute:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    (kit.root / "mute").touch()
    result = kit.push("pod/web", "--push=web:dev", "--overwrite")
    assert result.code == 1
    assert f"error: docker pushed web:dev, and {image} is {old} as before" in result.err
    (kit.root / "mute").unlink()
    (kit.root / "quiet").touch()  # it pushes, and tells no digest
    result = kit.push("pod/web", "--push=web:dev", "--overwrite")
    assert result.code == 0, result.err
    assert f"what {image} is now could not be compared" in result.err


def test_what_is_there_under_that_name_is_not_replaced(kit: EngineKit, real: Real) -> None:
    old = Pusher(real["htpasswd"]).image("engine/old:1.0", build(b"old\n", "old"))
    image = kit.image("engine/old:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    refused = kit.push("pod/web", "--push=web:dev")
    assert refused.code == 1 and f"is there with another digest, {old}, not web:dev" in refused.err
    kit.images = {"web:dev": {**OWN, "RepoDigests": [f"elsewhere.example.com/web@{old}"]}}
    same = kit.push("pod/web", "--push=web:dev")
    assert same.code == 0 and f"is this image already, {old}" in same.err
    assert not any("push" in words for words in kit.asked)


def test_what_somebody_else_pushed_meanwhile_is_not_replaced(kit: EngineKit, real: Real) -> None:
    image = kit.image("engine/race:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    theirs = []

    def may_push(uploader: Uploader) -> None:  # after it was seen that nothing is there
        theirs.append(Pusher(real["htpasswd"]).image("engine/race:1.0", build(b"theirs\n", "race")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Uploader, "may_push", may_push)
        result = kit.push("pod/web", "--push=web:dev")
    assert result.code == 1
    assert f"{image} became {theirs[0]} meanwhile: nothing was replaced" in result.err
    assert digest_at(real["htpasswd"], "engine/race:1.0") == theirs[0]
    assert not any("push" in words for words in kit.asked)


def test_a_push_that_fails_or_pushes_something_else_is_told(kit: EngineKit) -> None:
    image = kit.image("engine/bad:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    (kit.root / "told").write_text("sha256:" + "0" * 64)
    lied = kit.push("pod/web", "--push=web:dev")
    assert lied.code == 1
    assert f"error: docker pushed sha256:{'0' * 64}, and {image} is sha256:" in lied.err
    (kit.root / "app.tar").write_bytes(b"")
    image = kit.image("engine/worse:1.0")
    kit.waits_for(image)
    failed = kit.push("pod/web", "--push=web:dev")
    assert failed.code == 1 and "error: docker push failed: " in failed.err
    assert left(kit) == [] and kit.images == {"web:dev": OWN}


def test_an_image_that_nobody_has_is_said(kit: EngineKit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.waits_for(kit.image("engine/no:1.0"))
    result = kit.push("pod/web", "--push=other:dev")
    assert "error: other:dev: there is no such file or folder, nor an image: docker has no such image" in result.err
    odd = kit.push("pod/web", "--push=--rm")
    assert "no image can be called so" in odd.err
    monkeypatch.setenv("PATH", str(kit.folder))
    assert "none of docker, podman and nerdctl is on PATH" in kit.push("pod/web", "--push=other:dev").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_leaves_neither_folder_nor_tag(kit: EngineKit, number: signal.Signals) -> None:
    image = kit.image("engine/slow:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    (kit.root / "slow").touch()

    def interrupt() -> None:
        while not (kit.root / "pushing").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    before = signal.getsignal(signal.SIGTERM)
    assert kit.push("pod/web", "--push=web:dev").code == 128 + number
    assert signal.getsignal(signal.SIGTERM) == before
    assert left(kit) == [] and kit.images == {"web:dev": OWN}


def test_a_closed_terminal_ends_nothing_that_nohup_started(kit: EngineKit, request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    image = kit.image("engine/nohup:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    (kit.root / "hangup").touch()
    result = kit.push("pod/web", "--push=web:dev")
    assert (kit.root / "hung-up").exists()
    assert result.code == 0, result.err


PODMAN = shutil.which("podman")


@pytest.mark.skipif(not PODMAN or os.geteuid() != 0, reason="needs podman, and root for its simplest storage")
def test_a_real_podman_pushes(kit: EngineKit, real: Real, request: pytest.FixtureRequest) -> None:
    """With a storage of its own. podman needs no tag: it is told where to push to."""
    program = kit.root / "bin" / "podman"
    short = tempfile.mkdtemp(prefix="podman-", dir="/tmp")  # podman takes no longer one than 50 characters
    request.addfinalizer(lambda: shutil.rmtree(short, ignore_errors=True))
    folders = f"--root {short}/storage --runroot {short}/run --storage-driver vfs"
    program.write_text(f'#!/bin/sh\nexec {PODMAN} {folders} "$@"\n')
    program.chmod(0o755)
    (kit.root / "bin" / "docker").unlink()
    subprocess.run([program, "load", "-i", kit.root / "app.tar"], check=True, capture_output=True, timeout=60)
    image = kit.image("podman/web:1.0")
    kit.waits_for(image)
    kit.log_in(image)
    absent = kit.push("pod/web", "--push=other:dev", f"--plain-http={image.partition('/')[0]}")
    assert "podman has no such image" in absent.err
    result = kit.push("pod/web", "--push=web:dev", f"--plain-http={image.partition('/')[0]}")
    assert result.code == 0, result.err
    assert "Pushing web:dev of podman (linux/amd64, " in result.err
    assert f"{image} pushed, {digest_at(real['htpasswd'], 'podman/web:1.0')}" in result.out
    listed = subprocess.run([program, "images", "--format", "{{.Repository}}"], capture_output=True, text=True, timeout=60)
    assert "podman/web" not in listed.stdout
    assert left(kit) == []
    again = kit.push("pod/web", "--push=web:dev", f"--plain-http={image.partition('/')[0]}")
    assert again.code == 0 and "is this image already" in again.err, "its config is the same, though its layers were packed"
