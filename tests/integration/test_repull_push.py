"""kubectl repull --push: archives into real registries, for pods of a stand-in API server that wait for them."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

import jsonschema
import pytest
from repull import main, remake, wait

from tests.e2e.cluster.images import Pusher, build
from tests.e2e.cluster.model import Registry
from tests.unit import archives
from tests.unit.builders import container, node, pod, secret_object, waiting
from tests.unit.test_repull_archive import multi

from .hostile import Hostile, Say, Seen, said
from .real_registry import Real, running
from .test_repull import SCHEMA, Kit, Result

PLATFORM = "linux/amd64"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, few_authorities: Callable[[pytest.MonkeyPatch], None]) -> Iterator[Real]:
    with pytest.MonkeyPatch.context() as patch, running(tmp_path_factory.mktemp("registries")) as found:
        few_authorities(patch)
        yield found


class PushKit(Kit):
    """With real registries; their passwords are never told either."""

    def __init__(self, folder: Path, real: Real) -> None:
        super().__init__(folder)
        self.real = real

    def push(self, *argv: str, stdin: str = "") -> Result:
        plain = [one.address for one in self.real.registries.values() if one.scheme == "http"]
        realm = self.real["token"].realm.split("/")[2]
        words = [f"--plain-http={one}" for one in (*plain, realm)]
        result = self.run(
            *argv, *words, f"--registry-ca={self.real['tls'].ca_file}", "--no-wait", "--keep-waiting-pods", stdin=stdin
        )
        for registry in self.real.registries.values():
            for user, password in registry.users.items():
                pair = base64.b64encode(f"{user}:{password}".encode()).decode()
                assert password not in result.out + result.err
                assert pair not in result.out + result.err
        return result

    def waits_for(self, *images: str, name: str = "web", node: Optional[str] = "n1", policy: str = "") -> None:
        """A pod that the kubelet has told that its images are not there."""
        said = waiting(f'failed to pull and unpack image "{images[0]}": not found')
        containers = [container(f"main{number}", image, policy) for number, image in enumerate(images)]
        self.cluster.put(pod(name, *containers, state=said, secrets=["regcred"], node=node))

    def with_login(self, registry: Registry, user: str = "", password: str = "") -> None:
        user = user or registry.user
        made = secret_object("regcred", registry.address, username=user, password=password or registry.users.get(user, ""))
        self.cluster.put(made)

    def archive(self, files: archives.Files, name: str = "app.tar") -> Path:
        place = self.folder / name
        place.write_bytes(archives.tar(files))
        return place


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Real) -> Iterator[PushKit]:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-repull"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(remake, "POLL", 0.01)
    monkeypatch.setattr(wait, "TICK", 0.05)
    made = PushKit(tmp_path, real)
    made.cluster.put(node("n1"))
    made.cluster.put(secret_object("regcred", "other.example.com"))
    yield made
    made.cluster.close()


def digest_at(registry: Registry, image: str) -> str:
    repository, _, tag = image.rpartition(":")
    status, headers = Pusher(registry).call("HEAD", repository, f"/manifests/{tag}")
    return headers["docker-content-digest"] if status == 200 else ""


@pytest.mark.parametrize("name", ["htpasswd", "token", "tls", "open"])
def test_an_archive_is_pushed_as_the_image_that_is_waited_for(kit: PushKit, real: Real, name: str) -> None:
    registry = real[name]
    if registry.user:
        kit.with_login(registry)
    image = registry.image(f"{name}/web:1.0")
    kit.waits_for(image)
    archive = kit.archive(archives.docker_files(name, "anything:1"))
    planned = kit.push("pod/web", f"--push={archive}", "--dry-run")
    assert planned.code == 0, planned.err
    assert f"Plan: push anything:1 ({PLATFORM}, 21 kB, sha256:" in planned.err
    assert digest_at(registry, f"{name}/web:1.0") == ""
    result = kit.push("pod/web", f"--push={archive}")
    assert result.code == 0, result.err
    digest = digest_at(registry, f"{name}/web:1.0")
    assert f"{image} pushed, {digest}" in result.out
    who = f"secret regcred (user {registry.user})" if registry.user else "nobody"
    assert f"as {image}, as {who}" in result.err
    assert result.err.count("  uploaded") == 3
    again = kit.push("pod/web", f"--push={archive}")
    assert f"{image} is this image already, {digest}: nothing is pushed" in again.err
    assert again.code == 0


def test_another_image_of_that_name_is_replaced_only_when_told(kit: PushKit, real: Real) -> None:
    registry = real["open"]
    old = Pusher(registry).image("safe/web:1.0", build(b"old\n", "old"))
    image = registry.image("safe/web:1.0")
    kit.waits_for(image)
    archive = kit.archive(archives.docker_files("new", image))
    refused = kit.push("pod/web", f"--push={archive}")
    assert refused.code == 1
    assert f"error: {image} is there with another digest, {old}, not sha256:" in refused.err
    assert "--overwrite" in refused.err
    assert digest_at(registry, "safe/web:1.0") == old
    result = kit.push("pod/web", f"--push={archive}", "--overwrite", "-o=json")
    assert f"Note: {image} was {old} until now, and is replaced" in result.err
    new = digest_at(registry, "safe/web:1.0")
    assert new not in ("", old)
    document = json.loads(result.out)
    jsonschema.validate(document, SCHEMA)
    assert document["push"] == {
        "source": str(archive), "image": image, "digest": new, "previous": old, "result": "pushed"
    }  # fmt: skip


def test_the_same_image_with_other_packing_is_the_same(kit: PushKit, real: Real) -> None:
    """As `docker push` packs the layers of what `docker save` writes plain."""
    registry = real["open"]
    image = registry.image("packed/web:1.0")
    kit.waits_for(image)
    assert kit.push("pod/web", f"--push={kit.archive(archives.docker_files('packed', image))}").code == 0
    before = digest_at(registry, "packed/web:1.0")
    other = kit.archive(archives.docker_files("packed", image, packed=True), "packed.tar")
    result = kit.push("pod/web", f"--push={other}", "-o=json")
    assert f"{image} is this image already, {before}" in result.err
    assert json.loads(result.out)["push"]["digest"] == before == digest_at(registry, "packed/web:1.0")


def test_a_pull_only_login_is_not_enough_and_another_one_is(kit: PushKit, real: Real) -> None:
    registry = real["htpasswd"]
    kit.with_login(registry, "nobody-knows", "wrong-secret-9")
    image = registry.image("login/web:1.0")
    kit.waits_for(image)
    archive = kit.archive(archives.docker_files("login", image))
    refused = kit.push("pod/web", f"--push={archive}")
    assert refused.code == 1
    assert "does not let one push as secret regcred (user nobody-knows)" in refused.err
    assert "give --docker-username and --docker-password-stdin, or --docker-config" in refused.err
    assert "wrong-secret-9" not in refused.err
    told = [f"--push={archive}", f"--docker-username={registry.user}", "--docker-password-stdin"]
    result = kit.push("pod/web", *told, stdin=registry.password + "\n")
    assert result.code == 0, result.err
    config = kit.folder / "config.json"
    pair = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    config.write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    other = registry.image("login/web:2.0")
    result = kit.push("pod/web", f"--push={archive}", f"--docker-config={config}", f"--to={other}")
    assert f"Note: nothing that was named asks for {other}" in result.err
    assert digest_at(registry, "login/web:2.0")


def test_an_image_for_other_nodes_is_not_pushed(kit: PushKit, real: Real) -> None:
    registry = real["open"]
    image = registry.image("arm/web:1.0")
    kit.waits_for(image)
    archive = kit.archive(archives.docker_files("arm", image, platform="linux/arm64"))
    refused = kit.push("pod/web", f"--push={archive}")
    assert refused.code == 1
    assert "is for linux/arm64, and not for node n1 (linux/amd64): nothing was pushed" in refused.err
    assert digest_at(registry, "arm/web:1.0") == ""
    kit.cluster.put(node("n2", platform="arm64"))
    kit.waits_for(image, node=None)
    result = kit.push("pod/web", f"--push={archive}")
    assert "Note: " in result.err and "not for node n1 (linux/amd64)" in result.err
    assert digest_at(registry, "arm/web:1.0")


def test_a_multi_platform_archive_with_absent_ones_is_pushed_without_them(kit: PushKit, real: Real) -> None:
    registry = real["open"]
    image = registry.image("multi/web:1.0")
    kit.waits_for(image)
    archive = kit.archive(multi(absent="linux/arm64", attested=True))
    result = kit.push("pod/web", f"--push={archive}")
    assert result.code == 0, result.err
    assert "linux/arm64 is left out" in result.err and "attestations are left out" in result.err
    assert digest_at(registry, "multi/web:1.0")


def test_what_is_not_clear_or_of_no_use_is_said(kit: PushKit, real: Real) -> None:
    registry = real["open"]
    one, two = registry.image("two/a:1"), registry.image("two/b:1")
    kit.waits_for(one, two)
    unclear = kit.push("pod/web", f"--push={kit.archive(archives.docker_files('x', 'other:1'))}")
    assert f"several images are asked for: say with --to as which it is pushed: {one}, {two}" in unclear.err
    named = kit.push("pod/web", f"--push={kit.archive(archives.docker_files('x', two))}", "--dry-run")
    assert f" as {two}, as nobody" in named.err, "the archive's own name decides"
    absent = kit.push("pod/web", "--push=/nowhere/app.tar")
    assert absent.code == 1 and "/nowhere/app.tar" in absent.err
    kit.waits_for(one, name="never", policy="Never")
    useless = kit.push("pod/never", f"--push={kit.archive(archives.docker_files('x', one))}")
    assert f"error: the pull policy of {one} is Never" in useless.err


def test_a_registry_that_is_not_there_is_said(kit: PushKit) -> None:
    kit.waits_for("127.0.0.1:1/team/web:1.0")
    result = kit.push("pod/web", f"--push={kit.archive(archives.docker_files('x', 'x:1'))}")
    assert result.code == 1
    assert "error: 127.0.0.1:1 can't be reached from this machine: 127.0.0.1:1: connection refused" in result.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_is_at_a_terminal_is_asked(kit: PushKit, real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = real["htpasswd"]
    kit.with_login(registry, "nobody-knows", "wrong-secret-9")
    image = registry.image("asked/web:1.0")
    kit.waits_for(image)
    archive = kit.archive(archives.docker_files("asked", image))
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream=None: registry.password)
    words = ["pod/web", f"--push={archive}", f"--plain-http={registry.address}", "--no-wait", "--keep-waiting-pods"]
    words += ["-n", "default", f"--kubeconfig={kit.config}", "--no-registry"]
    out, err = io.StringIO(), Terminal()
    assert main.run(words, Terminal(f"{registry.user}\n"), out, err) == 0, err.getvalue()
    assert f"User for {registry.address}: " in err.getvalue()
    assert f"{image} pushed, {digest_at(registry, 'asked/web:1.0')}" in out.getvalue()
    assert registry.password not in out.getvalue() + err.getvalue()


def test_blobs_that_a_registry_has_lost_are_pushed_again_with_overwrite(kit: PushKit, real: Real) -> None:
    registry = real["open"]
    image = registry.image("lost/web:1.0")
    kit.waits_for(image)
    files = archives.docker_files("lost", image)
    archive = kit.archive(files)
    assert kit.push("pod/web", f"--push={archive}").code == 0
    layer = f"/blobs/{archives.digest(files['a/layer.tar'])}"
    pusher = Pusher(registry)
    assert pusher.call("DELETE", "lost/web", layer)[0] == 202
    assert "nothing is pushed" in kit.push("pod/web", f"--push={archive}").err
    assert pusher.call("HEAD", "lost/web", layer)[0] == 404
    result = kit.push("pod/web", f"--push={archive}", "--overwrite")
    assert result.code == 0, result.err
    assert f"Note: {image} is this image already, and is pushed again (--overwrite)" in result.err
    assert pusher.call("HEAD", "lost/web", layer)[0] == 200


@pytest.mark.parametrize("source", ["~nobody-is-called-so/app.tar", "a" * 5000, "app\0.tar"])
def test_what_can_be_no_file_is_no_image_either_and_said(kit: PushKit, source: str) -> None:
    kit.waits_for("r.example.com/team/web:1.0")
    result = kit.push("pod/web", f"--push={source}")
    assert result.code == 1
    assert "there is no such file or folder" in result.err


def test_what_no_other_login_gets_over_is_said_at_once(kit: PushKit, keep: Callable[[Hostile], Hostile]) -> None:
    def answer(seen: Seen) -> Say:
        return said(429, "TOOMANYREQUESTS", "slow down") if "/manifests/" in seen.path else Say()

    server = keep(Hostile(answer))
    kit.waits_for(server.image())
    archive = kit.archive(archives.docker_files("limited", server.image()))
    result = kit.push("pod/web", f"--push={archive}")
    assert result.code == 1
    assert "429" in result.err and "slow down; nothing was pushed" in result.err, result.err
    assert "--docker-username" not in result.err and "does not let one push" not in result.err


def test_the_config_of_an_index_is_not_taken_for_no_config(kit: PushKit, keep: Callable[[Hostile], Hostile]) -> None:
    """A registry that has something with an empty config under that name has not the index that is to be pushed."""
    server = keep(Hostile(lambda seen: Say(200, b'{"config": {"digest": ""}}' if "/manifests/" in seen.path else b"")))
    kit.waits_for(server.image())
    result = kit.push("pod/web", f"--push={kit.archive(multi())}", "--no-registry", "--dry-run")
    assert result.code == 1
    assert "is there with another digest" in result.err
