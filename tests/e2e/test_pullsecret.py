"""kubectl pullsecret on a real cluster: what it writes is what the kubelet pulls with, and nothing else changes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from .cluster.model import Registry
from .conftest import Kubectl, make_pod, make_secret, wait_for
from .pullsecret_kit import (
    account,
    deployment,
    domain,
    in_process,
    listed_by,
    lives,
    login,
    names_listed,
    pod_of,
    pullsecret,
    rolled_out,
    runs,
    versions,
    waits,
)

Object = dict[str, Any]


# add, and what the kubelet makes of it


def test_add_for_a_failing_domain(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    registry = registries["htpasswd"]
    image = registry.image("owner/domain1:1.0")
    kubectl.apply(make_secret("other", registries["token"]), domain("domain1", image, "other"))

    def failed() -> bool:
        conditions = (kubectl.get("domain", "domain1") or {}).get("status", {}).get("conditions", [])
        return any(one["type"] == "Failed" and one["status"] == "True" for one in conditions)

    wait_for(failed, "the Domain's Failed condition")
    words = ("add", "secret1", *login(registry), "--for", "domain/domain1")
    result = pullsecret(kubectl, *words, password=registry.password)
    assert result.out == "secret/secret1 created\ndomain.weblogic.oracle/domain1 patched\n"
    assert f"{image} is given to it" in result.err
    assert "waiting introspector" in result.err
    assert listed_by(kubectl, "domain", "domain1") == ["other", "secret1"]

    def servers() -> bool:
        pods = kubectl.list("pod", "-l", "weblogic.serverName")
        return len(pods) == 2 and all(pod["status"]["phase"] == "Running" for pod in pods)

    wait_for(servers, "the Domain's servers")
    before, serving = versions(kubectl), lives(kubectl)
    again = pullsecret(kubectl, *words, password=registry.password)
    assert again.out == "secret/secret1 unchanged\ndomain.weblogic.oracle/domain1 unchanged\n"
    # Another list would roll the servers now: nobody is there to agree.
    refused = pullsecret(kubectl, "attach", "other", "--for", "domain/domain1", code=0)
    assert refused.out == "domain.weblogic.oracle/domain1 unchanged\n"
    other = registries["token"]
    asks = pullsecret(kubectl, "add", "secret2", *login(other), "--for", "domain/domain1", password=other.password, code=1)
    assert "the operator rolls its 2 running servers" in asks.err
    assert "give -y" in asks.err
    assert versions(kubectl) == before
    assert {name: serving[name] for name in lives(kubectl)} == serving


def test_add_for_a_failing_deployment(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """What its service account gave it goes into its own list, too: the container that pulled with that still pulls."""
    mine, other = registries["htpasswd"], registries["token"]
    kubectl.apply(make_secret("other", other))
    kubectl("patch", "serviceaccount", "default", "-p", '{"imagePullSecrets": [{"name": "other"}]}')
    kubectl.apply(deployment("web", mine.image("team/app:1.0"), other.image("team/app:1.0.1")))
    waits(kubectl, pod_of(kubectl, "web"))
    words = ("add", "mine", *login(mine), "--for", "deploy/web")
    before = versions(kubectl)
    asks = pullsecret(kubectl, *words, password=mine.password, code=1)  # the other container runs
    assert "running pods of deployment/web are replaced: give -y" in asks.err
    assert versions(kubectl) == before
    result = pullsecret(kubectl, *words, "-y", password=mine.password)
    assert result.out == "secret/mine created\ndeployment.apps/web patched\n"
    assert "switches its service account's off, so it gets other from there" in result.err
    assert listed_by(kubectl, "deployment", "web") == ["other", "mine"]
    rolled_out(kubectl, "web")


def test_add_for_a_service_account(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """It says that pods which wait have to be made again, and how; the one that runs goes on."""
    registry = registries["htpasswd"]
    kubectl.apply(make_secret("other", registries["token"]), account("builder", "other"))
    early = deployment("early", registries["open"].image("team/app:1.0"))
    late = deployment("late", registry.image("team/app:1.0"))
    for value in (early, late):
        value["spec"]["template"]["spec"]["serviceAccountName"] = "builder"
    kubectl.apply(early, late)
    going, stuck = pod_of(kubectl, "early"), pod_of(kubectl, "late")
    runs(kubectl, going)
    waits(kubectl, stuck)
    before = lives(kubectl)
    result = pullsecret(kubectl, "add", "mine", *login(registry), "--for", "sa/builder", password=registry.password)
    assert result.out == "secret/mine created\nserviceaccount/builder patched\n"
    assert listed_by(kubectl, "serviceaccount", "builder") == ["other", "mine"]
    (line,) = [line for line in result.err.splitlines() if "kubectl repull" in line]
    assert lives(kubectl) == before
    assert kubectl.run(*line.partition("kubectl ")[2].split()).code == 0
    rolled_out(kubectl, "late")
    after = lives(kubectl)
    assert stuck not in after
    assert after[going] == before[going]


def test_wrong_content_is_mended_and_nothing_restarts(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """The pods that wait run with their old UIDs, and a pod that pulls with another entry of the secret is left alone."""
    mine, other = registries["htpasswd"], registries["token"]
    dead = make_secret("dead-key", mine, server=f"https://{mine.address}/v2")
    auths = json.loads(dead["stringData"][".dockerconfigjson"])["auths"]
    auths[other.address] = {"username": other.user, "password": other.password}
    dead["stringData"][".dockerconfigjson"] = json.dumps({"auths": auths})
    image = mine.image("team/app:1.0")
    kubectl.apply(dead, make_secret("wrong-password", mine, password="wrong"))
    kubectl.apply(
        deployment("fine", other.image("team/app:1.0.1"), names=("dead-key",)),
        *(deployment(name, image, names=(name,)) for name in ("dead-key", "wrong-password", "missing")),
    )
    runs(kubectl, pod_of(kubectl, "fine"))
    for name in ("dead-key", "wrong-password", "missing"):
        waits(kubectl, pod_of(kubectl, name))
    before = lives(kubectl)
    assert len(before) == 4
    for name in ("dead-key", "wrong-password", "missing"):
        result = pullsecret(kubectl, "add", name, *login(mine), password=mine.password)
        assert result.out == f"secret/{name} {'created' if name == 'missing' else 'updated'}\n"
        assert ("is taken out" in result.err) == (name == "dead-key")
        assert ("the old password" in result.err) == (name == "wrong-password")
    for name in ("dead-key", "wrong-password", "missing"):
        runs(kubectl, pod_of(kubectl, name))
    assert lives(kubectl) == before


# Interrupted between two steps


def interrupted(kubectl: Kubectl, words: list[str], number: int, seen: str, delay: float) -> tuple[int, str]:
    """Runs the plugin on a terminal and sends it a signal as soon as it has printed `seen`, and a delay is over; its exit
    status and what it printed."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        ["kubectl", "pullsecret", *words, "-n", kubectl.namespace], env=kubectl.env, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    text = b""
    try:
        while seen.encode() not in text:
            text += os.read(ours, 65536)
        time.sleep(delay)
        process.send_signal(number)
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while chunk := os.read(ours, 65536):
                text += chunk
        return process.wait(30), text.decode()
    except OSError:
        pytest.fail(f"ended before it printed {seen!r}: {text.decode()}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


MOMENTS = (
    (signal.SIGINT, "proven", 0.0),
    (signal.SIGINT, "proven", 0.02),
    (signal.SIGINT, "secret/NAME created", 0.0),
    (signal.SIGKILL, "secret/NAME created", 0.0),
    (signal.SIGINT, "account-05 patched", 0.0),
    (signal.SIGKILL, "account-09 patched", 0.0),
)


def test_interrupted_between_steps(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> None:
    """Whatever was done is whole, and a second run does the rest."""
    registry = registries["htpasswd"]
    password = tmp_path / "password"
    password.write_text(registry.password)
    accounts = [f"account-{number:02}" for number in range(20)]
    kubectl.apply(*(account(name, "kept") for name in accounts))
    before, between = ["kept"], 0
    for number, (signalled, seen, delay) in enumerate(MOMENTS):
        name = f"secret-{number}"
        words = ["add", name, *login(registry)[:-1], "--docker-password-file", str(password)]
        words += [f"--for=serviceaccount/{one}" for one in accounts]
        code, told = interrupted(kubectl, words, signalled, seen.replace("NAME", name), delay)
        assert code in (0, 130, -signalled), told
        assert "Traceback" not in told
        secret = kubectl.get("secret", name)
        lists = {one["metadata"]["name"]: names_listed(one) for one in kubectl.list("serviceaccount")}
        attached = [one for one in accounts if lists[one] == [*before, name]]
        assert all(lists[one] == before for one in accounts if one not in attached)
        assert attached == accounts[: len(attached)]  # in the order in which they are given
        assert secret or not attached
        between += bool(secret) and len(attached) < len(accounts)
        with in_process(kubectl) as run:
            again = run(*words)
        results = [f"secret/{name} {'unchanged' if secret else 'created'}"]
        results += [f"serviceaccount/{one} {'unchanged' if one in attached else 'patched'}" for one in accounts]
        assert again.out.splitlines() == results
        before = [*before, name]
        assert all(listed_by(kubectl, "serviceaccount", one) == before for one in (accounts[0], accounts[-1]))
    assert between >= 2, "no signal came between two steps: the test has shown nothing"


# verify, list, explain


def test_verify_list_and_explain(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    registry = registries["token"]
    image, dead = registry.image("team/app:1.0"), f"https://{registry.address}/v2"
    secrets_here = [make_secret("good", registry), make_secret("wrong", registry, password="wrong")]
    kubectl.apply(*secrets_here, make_secret("dead", registry, server=dead), account("builder", "wrong"))
    kubectl.apply(deployment("web", image, names=("good",)), make_pod("stuck", image, "dead"))
    rolled_out(kubectl, "web")
    waits(kubectl, "stuck")
    report = pullsecret(kubectl, "verify", "-o", "json", code=1).json
    entries = {one["secret"]: one for one in report["entries"]}
    assert {name: one["works"] for name, one in entries.items()} == {"good": True, "wrong": False, "dead": False}
    assert entries["good"]["images"] == [image]
    table = pullsecret(kubectl, "verify", "good").out.splitlines()
    assert table[0].split() == ["NAME", "KEY", "USER", "USED-FOR", "RESULT", "REASON"]
    assert table[1].split()[:5] == ["good", registry.address, registry.user, image, "ok"]
    listed = {line.split()[0]: line for line in pullsecret(kubectl, "list", "--no-headers").out.splitlines()}
    used_by = {"good": ["deployment/web"], "wrong": ["serviceaccount/builder"], "dead": ["pod/stuck"]}
    assert all(targets[0] in listed[name] for name, targets in used_by.items())
    documents = pullsecret(kubectl, "list", "-o", "json").json["secrets"]
    assert {one["name"]: one["usedBy"] for one in documents} == used_by
    assert registry.password not in json.dumps([report, documents])
    for key, code in ((registry.address, 0), (dead, 1)):  # as the two pods have shown
        words = ("explain", "--key", key, "--image", image)
        told = kubectl.run("pullsecret", *words, env={"KUBECONFIG": "/nonexistent"})
        assert told.code == code, told.err
        assert told.out.splitlines()[-1].startswith("would match: " if code else "offered: ")
