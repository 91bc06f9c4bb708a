"""Commands for pasting: right, whole, and harmless whatever is in them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from pullcore.fixes import Commands, literal, pointer, server_key
from pullcore.pull import Source, Target
from pullcore.reference import parse
from pullsecret import options as pullsecret_options

COMMANDS = Commands("ns", ("--context", "'my ctx'"))
HOSTILE = ["$(touch x)", "`id`", "a;b", "a b", "it's", '"', "\\", "|id|e", "-n", "&& rm", "\n", "*"]


def patch_of(line: str) -> Any:
    words = shlex.split(line)
    return json.loads(words[words.index("-p") + 1])


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("nginx", "https://index.docker.io/v1/"),
        ("docker.io/me/x", "https://index.docker.io/v1/"),
        ("registry.example.com/x", "registry.example.com"),
        ("localhost:5000/x", "localhost:5000"),
    ],
)
def test_server_key(image: str, key: str) -> None:
    assert server_key(parse(image)) == key


@pytest.mark.parametrize(
    ("path", "pointed"),
    [
        ("spec.image", "/spec/image"),
        ("spec.containers[0].image", "/spec/containers/0/image"),
        ("spec.managedServers[12].serverPod.containers[3].image", "/spec/managedServers/12/serverPod/containers/3/image"),
        ("spec.volumes[1].image.reference", "/spec/volumes/1/image/reference"),
    ],
)
def test_pointer(path: str, pointed: str) -> None:
    assert pointer(path) == pointed


def test_namespace_and_context_are_in_every_command() -> None:
    domain = Target("Domain", "ns", "d")
    source = Source(domain, "spec.image", "old:1")
    lines = [
        COMMANDS.add_secret("s", "h"), *COMMANDS.edited(domain, "x"), COMMANDS.attach_secret(domain, "s"),
        COMMANDS.repull(domain), *COMMANDS.set_image(source, "x:1"),
        *COMMANDS.set_policy(source, "Never"),
        *COMMANDS.set_image(Source(Target("Job", "ns", "j"), "spec.template.spec.containers[0].image", "old:1"), "new:1"),
    ]  # fmt: skip
    for line in lines:
        for part in line.split(" | "):
            if part.startswith("kubectl") and "--dry-run=client" not in part:
                assert "-n ns" in part or "-n far" in part
            if part.startswith("kubectl"):
                assert "--context 'my ctx'" in part
    assert "-n" not in COMMANDS.unscoped("get", "nodes")


def test_patches() -> None:
    source = Source(Target("Domain", "ns", "d"), "spec.configuration.model.auxiliaryImages[0].image", "old:1")
    (line,) = COMMANDS.set_image(source, "new:1")
    assert shlex.split(line)[:4] == ["kubectl", "patch", "domain", "d"]
    assert patch_of(line)[-1] == {"op": "add", "path": "/spec/configuration/model/auxiliaryImages/0/image", "value": "new:1"}
    (line,) = COMMANDS.set_policy(source, "IfNotPresent")
    assert patch_of(line)[-1]["path"] == "/spec/configuration/model/auxiliaryImages/0/imagePullPolicy"
    volume = Source(Target("Deployment", "ns", "d"), "spec.template.spec.volumes[0].image.reference", "old:1")
    (line,) = COMMANDS.set_policy(volume, "IfNotPresent")
    assert patch_of(line)[-1]["path"] == "/spec/template/spec/volumes/0/image/pullPolicy"


def test_a_field_that_was_left_to_its_default_can_be_set() -> None:
    """JSON patch: `replace` fails where nothing is, `add` sets either way."""
    source = Source(Target("Domain", "ns", "d"), "spec.image", "default:1")
    for line in (*COMMANDS.set_image(source, "x:1"), *COMMANDS.set_policy(source, "Never")):
        assert {one["op"] for one in patch_of(line)} == {"add"}


def test_clusters_of_other_projects_are_not_patched() -> None:
    (line,) = COMMANDS.set_image(Source(Target("Cluster", "ns", "c"), "spec.serverPod.containers[0].image", "x:1"), "y:1")
    assert "patch cluster.weblogic.oracle c" in line


def test_what_cannot_be_changed_in_a_pod_is_made_again() -> None:
    """The API server lets nobody change more of a pod than the images of its containers and init containers."""
    mine = Target("Pod", "ns", "p")
    for path in ("spec.containers[0].image", "spec.initContainers[0].image"):
        assert "patch pod p" in " ".join(COMMANDS.set_image(Source(mine, path, "a:1"), "b:1"))
    for path in ("spec.volumes[0].image.reference", "spec.ephemeralContainers[0].image"):
        assert "replace --force" in " ".join(COMMANDS.set_image(Source(mine, path, "a:1"), "b:1"))
    assert "replace --force" in " ".join(COMMANDS.set_policy(Source(mine, "spec.containers[0].image", "a:1"), "Never"))


@pytest.mark.parametrize("kind", ["Domain", "ServiceAccount", "CronJob", "ReplicationController"])
def test_commands_for_secrets_are_those_of_pullsecret(kind: str) -> None:
    for line in (
        COMMANDS.attach_secret(Target(kind, "ns", "d"), "s"),
        COMMANDS.add_secret("s", "https://index.docker.io/v1/"),
        COMMANDS.copy_secret("s", "far"),
    ):
        words = shlex.split(line)
        assert words[:2] == ["kubectl", "pullsecret"]
        pullsecret_options.parse(words[2:])
    assert "-n far" in COMMANDS.copy_secret("s", "far")


def test_a_job_is_made_again_without_what_names_the_old_one() -> None:
    lines = COMMANDS.set_image(Source(Target("Job", "ns", "j"), "spec.template.spec.containers[0].image", "old:1"), "new:1")
    assert "controller-uid:" in " ".join(lines)
    assert "patch" not in " ".join(lines)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_single_words(name: str) -> None:
    target = Target("Domain", "ns", name)
    words = shlex.split(Commands(name).add_secret(name, name))
    assert name in words
    assert f"--docker-server={name}" in words
    assert words[-2:] == ["-n", name]
    for line in (
        COMMANDS.json_patch(target),
        COMMANDS.copy_secret(name, name),
        *COMMANDS.set_image(Source(target, "spec.image", name), name),
        *COMMANDS.set_image(Source(Target("Job", "ns", name), "x[0].image", name), "new:1"),
    ):
        assert name in shlex.split(line) or f"{name}.yaml" in shlex.split(line)


@pytest.mark.parametrize("image", [*HOSTILE, "a|e;s|x", "s/Name:1", "a\\|b", "[", "]", "^", "é", "a.b/c:1"])
def test_an_image_is_no_command_of_sed(image: str) -> None:
    pattern = literal(image)
    assert not set(pattern.replace("[.]", "")) & set("|\\;\n'\"$`[]*^&")


def test_no_password_is_asked_for_on_a_command_line() -> None:
    assert "password" not in COMMANDS.add_secret("s", "h")
