"""kubectl pullsecret in this process: a stand-in API server, a small registry, and what holds for every run."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, TextIO, Union

import pytest
from pullcore import command
from pullsecret import main

from tests.unit.builders import Object, account, kept, listed, pod, waiting, workload
from tests.unit.builders import domain as plain_domain

from .certificates import Authority
from .hostile import StandIn as Registry
from .standin import ClusterStandIn

PASSWORD = "tiger-9-in-the-tank"
WRONG = "lion-8-in-the-den"
NEW = "puma-7-on-the-prowl"
OTHERS = "lynx-6-in-the-lane"  # of other entries, that nobody has to know
PASSWORDS = (PASSWORD, WRONG, NEW, OTHERS)
KEY = ".dockerconfigjson"


def auth(username: str = "bob", password: str = PASSWORD) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def entry(username: str = "bob", password: str = PASSWORD) -> Object:
    return {"username": username, "password": password, "auth": auth(username, password)}


def other() -> Object:
    return entry("alice", OTHERS)


def secret(name: str = "regcred", entries: Optional[Object] = None, *, namespace: str = "ns", **fields: Any) -> Object:
    """A pull secret as `kubectl create secret docker-registry` makes it; fields: of metadata, type, data, immutable."""
    content = base64.b64encode(json.dumps({"auths": entries or {}}).encode()).decode()
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    body = {"type": "kubernetes.io/dockerconfigjson", "data": {KEY: content}, **fields}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **body}


def failing(image: str, name: str = "web-1", **details: Any) -> Object:
    """A pod that waits for its image."""
    return pod(name, {"name": "main", "image": image}, state=waiting("401 Unauthorized"), namespace="ns", **details)


def running(name: str = "web-1", image: str = "ghcr.io/x/y:1", **details: Any) -> Object:
    return pod(name, {"name": "main", "image": image}, state={"running": {"startedAt": "2026-03-01T12:00:00Z"}},
               namespace="ns", **details)  # fmt: skip


def deployment(name: str = "web", image: str = "ghcr.io/x/y:1", kind: str = "Deployment", **details: Any) -> Object:
    return workload(kind, name, {"name": "main", "image": image}, namespace="ns", **details)


def domain(name: str = "domain1", image: str = "ghcr.io/x/y:1", **details: Any) -> Object:
    return plain_domain(name, image, namespace="ns", **details)


def service_account(name: str = "default", *secrets: str) -> Object:
    return account(name, secrets, "ns")


def owned(value: Object, owner: Object) -> Object:
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return kept({**value, "metadata": {**value["metadata"], "ownerReferences": [{**reference, "controller": True}]}})


def names(value: Object) -> list[str]:
    """The list of pull secrets of an object, wherever it is."""
    spec: Object = value if value["kind"] == "ServiceAccount" else value["spec"]
    spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
    spec = spec["template"]["spec"] if "template" in spec else spec
    return [one["name"] for one in spec.get("imagePullSecrets", [])]


def with_names(value: Object, *given: str) -> Object:
    """A service account with another list."""
    return {**value, "imagePullSecrets": listed(given)}


def token(expires: int) -> str:
    """A JWT that ends then."""
    parts: tuple[Object, ...] = ({"alg": "none"}, {"exp": expires}, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


# --- What a run must not do ----------------------------------------------------------------------------------------


@dataclass
class Watch:
    """What this process starts and writes, while it is watched."""

    active: bool = False
    started: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "subprocess.Popen":
            program, argv, _, environ = arguments
            self.started.append(repr((program, argv, sorted((environ or os.environ).items()))))
        elif event == "open" and isinstance(arguments[0], (str, bytes)):
            path = os.fsdecode(arguments[0])
            writes = bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
            if writes and not path.startswith("/dev/") and "__pycache__" not in path:
                self.written.append(path)


WATCH = Watch()
sys.addaudithook(WATCH.hook)  # for as long as the process lives; does nothing unless it is active


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def both(self) -> str:
        return self.out + self.err

    def undo(self) -> list[str]:
        """The commands that take it back."""
        lines = self.err.splitlines()
        start = next((number for number, line in enumerate(lines) if line.startswith("To undo: ")), len(lines))
        return [line.removeprefix("To undo: ").strip() for line in lines[start:] if line.startswith(("To undo: ", "   "))]


class Kit:
    """The plugin with its surroundings. Every run is watched: no password, and nothing computed from one, may be seen, be
    written to a file, or reach another process; nothing raw may reach a terminal."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
        self.folder = folder
        self.cluster = ClusterStandIn(service_account())
        self.registry = Registry(users={"bob": PASSWORD, "carol": NEW}, images=("team/app:1.0", "team/app:2.0"))
        self.host = self.registry.netloc
        self.image = self.registry.image()
        self.seen: list[Result] = []
        for name in ("home", "cwd", "tmp", "bin"):
            (folder / name).mkdir()
        monkeypatch.setenv("HOME", str(folder / "home"))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        monkeypatch.delenv("DOCKER_CONFIG", raising=False)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(self.cluster, folder)))
        monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-pullsecret"])
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca.certificate_file))  # those of a system take a while to read
        monkeypatch.chdir(folder / "cwd")

    def close(self) -> None:
        self.cluster.close()
        self.registry.close()

    def put(self, *values: Object) -> None:
        for value in values:
            self.cluster.put(value)

    def run(self, *argv: str, stdin: Union[str, TextIO] = "", shows: bool = False) -> Result:
        """The plugin's exit status and what it said; shows: passwords may be seen in it."""
        out, err = io.StringIO(), io.StringIO()
        given = io.StringIO(stdin) if isinstance(stdin, str) else stdin
        WATCH.active, WATCH.started, WATCH.written = True, [], []
        try:
            code = command.run(lambda: main.run(argv, given, out, err), "pullsecret", out, err)
        finally:
            WATCH.active = False
        result = Result(code, out.getvalue(), err.getvalue())
        self._check(result, argv, shows=shows)
        self.seen.append(result)
        return result

    def _check(self, result: Result, argv: Sequence[str], *, shows: bool) -> None:
        hidden = self.hidden()
        assert "internal:" not in result.err
        for text in (result.err,) if shows else (result.out, result.err):
            told = [one for one in hidden if one in text]
            assert not told, f"a credential is shown by {argv}: {told}"
            raw = [line for line in text.split("\n") if not line.isprintable()]
            assert not raw, f"raw text is shown by {argv}: {raw}"
        for started in WATCH.started:
            assert not [one for one in hidden if one in started], f"a credential reaches another process: {started}"
        assert WATCH.written == [], "nothing is written to files"

    def hidden(self) -> list[str]:
        """Passwords, what is made of them for HTTP and for entries, and the data of every secret that there is."""
        found = list(PASSWORDS)
        found += [auth(user, one).rstrip("=") for user in ("bob", "carol", "alice") for one in PASSWORDS]
        for (kind, _, _), value in list(self.cluster.objects.items()):
            data = (value.get("data") or {}) if kind == "Secret" else {}
            found += [one for one in data.values() if len(one) > 40]
        return list(dict.fromkeys(found))

    def add(self, *argv: str, password: str = PASSWORD, shows: bool = False) -> Result:
        """`add` for the registry, with the password on standard input."""
        given = ["--docker-server", self.host, "--docker-username", "bob", "--docker-password-stdin"]
        return self.run("add", *given, *argv, stdin=password, shows=shows)

    def docker_config(self, content: Object) -> Path:
        path = self.folder / "home" / ".docker" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def helper(self, name: str, script: str) -> None:
        path = self.folder / "bin" / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def files(self) -> str:
        """The content of every file that somebody could have written to."""
        found = [path for name in ("home", "cwd", "tmp") for path in (self.folder / name).rglob("*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in found)


def kubeconfig(cluster: ClusterStandIn, folder: Path) -> Path:
    """A kubeconfig for a stand-in, with contexts `x` and `y`, in JSON, which is YAML."""
    path = folder / "kubeconfig"
    context = {"cluster": "x", "user": "x", "namespace": "ns"}
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": cluster.url}}],
        "contexts": [{"name": name, "context": context} for name in "xy"],
        "users": [{"name": "x", "user": {}}],
    }
    path.write_text(json.dumps(document))
    return path


def columns(text: str) -> list[list[str]]:
    """The cells of a table as kubectl prints it."""
    return [re.split(r"   +", line) for line in text.splitlines()]


def notes(found: Result) -> list[str]:
    return [line.removeprefix("Note: ") for line in found.err.splitlines() if line.startswith("Note: ")]


def copy_in(place: str, entries: Object, source: str = "ns/regcred", **fields: Any) -> Object:
    """A secret that is marked as a copy, as `copy` makes them."""
    mark = {"labels": {"kubectl-pullsecret/copy": "true"}, "annotations": {"kubectl-pullsecret/copy-of": source}}
    return secret("regcred", entries, namespace=place, metadata=mark, **fields)
