"""Completion through a real kubectl's own `__complete`, with a stand-in API server behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

import pytest
from pullcore.kinds import KINDS, Kind

from .standin import Answer, Asked, StandIn, status

PLUGINS = Path(__file__).parents[2] / "plugins"
Complete = Callable[..., "tuple[list[str], str]"]

NAMES = {
    "deployments": ["web", "api"],
    "pods": ["web-1", "$(touch x)", "a\tb"],
    "namespaces": ["default", "sample-ns"],
    "secrets": ["regcred"],
}


def kubectl() -> str:
    """A kubectl that asks plugins (since 1.26)."""
    found = shutil.which("kubectl")
    if not found:
        pytest.skip("needs a kubectl on PATH")
    told = subprocess.run([found, "version", "--client", "-o", "json"], capture_output=True, text=True, timeout=60)
    try:
        version = json.loads(told.stdout)["clientVersion"]
    except (ValueError, KeyError):
        pytest.skip(f"{found} tells no version: {told.stderr}")
    if (int(version["major"]), int(version["minor"].rstrip("+"))) < (1, 26):
        pytest.skip(f"{found} is {version['gitVersion']}, and asks no plugin for completion")
    return found


def discovery(path: str) -> Optional[Answer]:
    """What kubectl asks before it knows a type."""
    kinds = [kind for kind in KINDS.values() if kind.group != "weblogic.oracle"]  # a cluster without WebLogic
    groups = {kind.group: kind.versions[0] for kind in kinds if kind.group}
    if path == "/api":
        return said({"kind": "APIVersions", "versions": ["v1"]})
    if path == "/apis":
        versions = {group: {"groupVersion": f"{group}/{one}", "version": one} for group, one in groups.items()}
        listed = [{"name": group, "versions": [one], "preferredVersion": one} for group, one in versions.items()]
        return said({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
    for group in ("", *groups):
        version = f"{group}/{groups[group]}" if group else "v1"
        if path == (f"/apis/{version}" if group else "/api/v1"):
            resources = [resource(kind) for kind in kinds if kind.group == group]
            return said({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
    return None


def resource(kind: Kind) -> dict[str, object]:
    return {
        "name": kind.plural, "singularName": kind.name.lower(), "namespaced": kind.namespaced, "kind": kind.name,
        "verbs": ["get", "list"], "shortNames": list(kind.short),
    }  # fmt: skip


def said(body: dict[str, object]) -> Answer:
    return Answer(body=body, headers=(("Content-Type", "application/json"),))


def answer(asked: Asked) -> Answer:
    found = discovery(asked.path)
    if found:
        return found
    plural = asked.path.rpartition("/")[2]
    kind = next((kind for kind in KINDS.values() if kind.plural == plural), None)
    if kind is None:
        return status(404, "NotFound", "the server could not find the requested resource")
    about = {"apiVersion": kind.group_version(), "kind": kind.name}
    items = [{**about, "metadata": {"name": name, "namespace": "sample-ns"}} for name in NAMES.get(plural, [])]
    return said({"kind": f"{kind.name}List", "apiVersion": kind.group_version(), "metadata": {}, "items": items})


@pytest.fixture
def server() -> Iterator[StandIn]:
    server = StandIn()
    server.answer = answer
    yield server
    server.close()


@pytest.fixture
def complete(server: StandIn, tmp_path: Path) -> Complete:
    """Runs `kubectl __complete`: the lines that it gives the shell, and its `:NUMBER`."""
    command = kubectl()
    user = {"name": "bob", "user": {"token": "t"}}
    there = {"name": "there", "cluster": {"server": server.url}}
    gone = {"name": "gone", "cluster": {"server": "http://127.0.0.1:1"}}
    contexts = [{"name": name, "context": {"cluster": name, "user": "bob"}} for name in ("there", "gone")]
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [there, gone], "users": [user], "contexts": contexts}
    (tmp_path / "config").write_text(json.dumps({**config, "current-context": "there"}))
    env = {
        "PATH": os.pathsep.join([str(PLUGINS), str(Path(command).parent), os.environ.get("PATH", "")]),
        "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config"), "NO_PROXY": "*", "KUBECTL_PATH": command,
    }  # fmt: skip

    def run(*words: str) -> tuple[list[str], str]:
        line = [command, "__complete", *words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        *candidates, directive = done.stdout.splitlines()
        return candidates, directive

    return run


def test_options_verbs_and_values(complete: Complete) -> None:
    assert complete("pullcheck", "--off") == (
        ["--offline\tContact neither cluster nor registry: judge by the files alone"],
        ":4",
    )
    assert complete("pullcheck", "-o", "") == (["wide", "json", "yaml", "name"], ":4")
    assert complete("repull", "--dry-run=") == (["none", "client", "server"], ":4")
    assert complete("pullsecret", "ver")[0] == ["verify\tTry every entry of the namespace's pull secrets at its registry"]
    assert complete("pullcheck", "-f", "") == ([], ":0")


def test_names_of_the_cluster(complete: Complete, server: StandIn) -> None:
    assert complete("pullcheck", "deployment/") == (["deployment/web", "deployment/api"], ":4")
    assert complete("repull", "w") == (["web\tdeployment", "web-1\tpod"], ":4")
    assert complete("pullcheck", "pod/") == (["pod/web-1"], ":4"), "names that a shell would run are left out"
    assert complete("pullcheck", "-n", "s") == (["sample-ns"], ":4")
    server.asked.clear()
    assert complete("pullsecret", "verify", "-n", "sample-ns", "") == (["regcred"], ":4")
    (asked,) = [one for one in server.asked if one.path.endswith("/secrets")]
    assert asked.path == "/api/v1/namespaces/sample-ns/secrets"
    assert asked.query["fieldSelector"] == "type=kubernetes.io/dockerconfigjson"


def test_the_kubeconfig(complete: Complete) -> None:
    assert complete("pullcheck", "--context", "") == (["gone", "there"], ":4")
    assert complete("pullcheck", "--cluster=t") == (["there"], ":4")
    assert complete("pullsecret", "list", "--user", "") == (["bob"], ":4")


def test_nothing_is_said_of_a_cluster_that_is_not_there(complete: Complete) -> None:
    assert complete("pullcheck", "--context=gone", "deployment/") == ([], ":4")
    assert complete("pullcheck", "--context=nonsense", "-n", "") == ([], ":4")
    assert complete("pullcheck", "--kubeconfig=nonsense", "dep") == (["deployment/"], ":6")
