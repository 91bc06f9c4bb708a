"""Two who change the same pull secret or the same list at once, on a real API server: nothing is lost."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pullcore import attachment

from .cluster.model import Registry
from .conftest import Kubectl, Result
from .pullsecret_kit import (
    in_process,
    judged,
    login,
    names_listed,
    racer,
)

Object = dict[str, Any]


# Two at once


EMPTY = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths": {}}'}}
RACERS = {"ServiceAccount": 100, "Domain": 6, "Deployment": 10}


def assert_nothing_is_lost(kubectl: Kubectl, kind: str, expected: dict[str, list[str]]) -> None:
    """expected: what was listed before; the two secrets come after that, in any order."""
    found = {one["metadata"]["name"]: names_listed(one) for one in kubectl.list(kind)}
    for name, kept in expected.items():
        assert found[name][: len(kept)] == kept, name
        assert sorted(found[name][len(kept) :]) == ["one", "two"], name


@pytest.mark.parametrize("kind", RACERS)
def test_two_attach_at_once_and_lose_nothing(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Two threads, each with a Session of its own, for a round each object; in every second one nothing is listed before.
    Both have made their patch from the same list before either sends it, so that they collide in every round."""
    added, meeting, mine = attachment.added, threading.Barrier(2), threading.local()

    def held(value: Object, names: list[str]) -> Any:
        operations = added(value, names)
        if not getattr(mine, "has_met", False):
            mine.has_met = True
            meeting.wait(30)
        return operations

    monkeypatch.setattr(attachment, "added", held)
    kept = [["kept-1", "kept-2"], []]
    expected = {f"racer-{number}": kept[number % 2] for number in range(RACERS[kind])}
    kubectl.apply(*({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **EMPTY} for name in ("one", "two")))
    kubectl.apply(*(racer(kind, name, *listed) for name, listed in expected.items()))
    with in_process(kubectl) as run:

        def attach(secret: str, target: str) -> Result:
            result = run("attach", secret, "--for", target, code=None)
            if "alert decode error" in result.err:  # a handshake of hundreds that the API server took amiss, seen once
                result = run("attach", secret, "--for", target, code=None)
            return judged(result, "", 0)

        for name in expected:
            with ThreadPoolExecutor(2) as pool:  # new threads, which have not met
                target = f"{kind.lower()}/{name}"
                results = list(pool.map(lambda secret, on=target: attach(secret, on), ("one", "two")))
            assert all(result.out.endswith(" patched\n") for result in results)
    assert_nothing_is_lost(kubectl, kind, expected)


def test_two_processes_attach_at_once(kubectl: Kubectl) -> None:
    """The same with processes, which meet as they happen to: ten rounds."""
    expected = {f"racer-{number}": [["kept-1", "kept-2"], []][number % 2] for number in range(10)}
    kubectl.apply(*({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **EMPTY} for name in ("one", "two")))
    kubectl.apply(*(racer("ServiceAccount", name, *listed) for name, listed in expected.items()))
    for name in expected:
        words = ["--for", f"serviceaccount/{name}", "-n", kubectl.namespace]
        running = [
            subprocess.Popen(
                ["kubectl", "pullsecret", "attach", secret, *words],
                env=kubectl.env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for secret in ("one", "two")
        ]
        for process in running:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
    assert_nothing_is_lost(kubectl, "ServiceAccount", expected)


def test_two_add_to_one_secret_at_once(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """Both entries are kept, whether the secret is there before or both want to create it."""
    names = [f"both-{number}" for number in range(6)]
    kubectl.apply(*({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **EMPTY} for name in names[:3]))
    both = [registries["htpasswd"], registries["token"]]
    with in_process(kubectl) as run:

        def add(job: tuple[str, Registry]) -> Result:
            name, registry = job
            return run("add", name, *login(registry), "--no-verify", password=registry.password)

        for name in names:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(add, [(name, registry) for registry in both]))
    for secret in kubectl.list("secret"):
        auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        passwords = {key: auth["password"] for key, auth in auths.items()}
        assert passwords == {registry.address: registry.password for registry in both}
