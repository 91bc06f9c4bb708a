"""kubectl pullsecret on a real cluster: what it writes is what the kubelet pulls with, and nothing else changes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import yaml
from pullcore import attachment, command
from pullsecret import main

from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .conftest import PROXIES, Kubectl, Result, make_pod, make_secret, wait_for

Object = dict[str, Any]


def pullsecret(kubectl: Kubectl, *arguments: str, password: str = "", code: int = 0) -> Result:
    """Runs the plugin, which has to end with this status and to keep the password to itself."""
    return judged(kubectl.plugin("pullsecret", *arguments, stdin=password), password, code)


def judged(result: Result, password: str, code: Optional[int]) -> Result:
    assert code in (result.code, None), result.out + result.err
    assert not password or password not in result.out + result.err
    return result


@contextlib.contextmanager
def in_process(kubectl: Kubectl) -> Iterator[Callable[..., Result]]:
    """The same in this process, for any number of threads: a start costs ten times what is done after it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower() in PROXIES]:
            patch.delenv(name)
        for name, value in kubectl.env.items():
            patch.setenv(name, value)

        def run(*arguments: str, password: str = "", code: Optional[int] = 0) -> Result:
            out, err = StringIO(), StringIO()
            words = [*arguments, "-n", kubectl.namespace]
            status = command.run(lambda: main.run(words, StringIO(password), out, err), "pullsecret", out, err)
            return judged(Result(status, out.getvalue(), err.getvalue()), password, code)

        yield run


def login(registry: Registry) -> tuple[str, ...]:
    return ("--docker-server", registry.address, "--docker-username", registry.user, "--docker-password-stdin")


def account(name: str, *secret_names: str) -> Object:
    listed = [{"name": secret} for secret in secret_names]
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, "imagePullSecrets": listed}


def deployment(name: str, *images: str, names: tuple[str, ...] = (), replicas: int = 1) -> Object:
    """Each of its containers pulls anew whenever a pod is made."""
    spec = make_pod(name, "", *names)["spec"]
    spec["containers"] = [
        {"name": f"c{number}", "image": image, "imagePullPolicy": "Always"} for number, image in enumerate(images)
    ]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def domain(name: str, image: str, *names: str, **spec: Any) -> Object:
    listed = {"imagePullSecrets": [{"name": secret} for secret in names]} if names else {}
    return {
        "apiVersion": "weblogic.oracle/v9",
        "kind": "Domain",
        "metadata": {"name": name},
        "spec": {"image": image, "replicas": 1, "failureRetryIntervalSeconds": 4, **listed, **spec},
    }


def names_listed(value: Object) -> list[str]:
    """The pull secrets that a service account, Domain or Deployment lists."""
    if value["kind"] == "Domain":
        value = value["spec"]
    elif value["kind"] == "Deployment":
        value = value["spec"]["template"]["spec"]
    return [one["name"] for one in value.get("imagePullSecrets", [])]


def listed_by(kubectl: Kubectl, kind: str, name: str) -> list[str]:
    found = kubectl.get(kind, name)
    assert found
    return names_listed(found)


def lives(kubectl: Kubectl) -> dict[str, tuple[str, int]]:
    """Of every pod its UID and how often its containers were started again."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", [])),
        )
        for pod in kubectl.list("pod")
    }


def pod_of(kubectl: Kubectl, app: str) -> str:
    """The Deployment's only pod."""
    (pod,) = wait_for(lambda: kubectl.list("pod", "-l", f"app={app}"), f"the pod of {app}")
    name: str = pod["metadata"]["name"]
    return name


def waits(kubectl: Kubectl, pod: str) -> None:
    wait_for(lambda: "Image" in kubectl.waiting(pod)[0], f"{pod} to wait for its image")


def runs(kubectl: Kubectl, pod: str) -> None:
    wait_for(lambda: kubectl.phase(pod) == "Running", f"{pod} to run")


def rolled_out(kubectl: Kubectl, name: str) -> None:
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")


def versions(kubectl: Kubectl) -> dict[str, str]:
    """Of every secret and of everything that lists some: what each write changes that is not to the status."""
    found = {}
    for one in kubectl.list("secret,serviceaccount,deployment,domain"):
        metadata = one["metadata"]
        found[f"{one['kind']}/{metadata['name']}"] = str(metadata.get("generation") or metadata["resourceVersion"])
    return found


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


# Two at once


EMPTY = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": '{"auths": {}}'}}
RACERS = {"ServiceAccount": 100, "Domain": 6, "Deployment": 10}


def racer(kind: str, name: str, *listed: str) -> Object:
    """Something whose list two processes want to change; it costs the cluster little."""
    if kind == "ServiceAccount":
        return account(name, *listed) if listed else {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    if kind == "Domain":
        return domain(name, "localhost/none:1", *listed, serverStartPolicy="Never", failureRetryIntervalSeconds=3600)
    value = deployment(name, "localhost/none:1", names=listed, replicas=0)
    if not listed:
        del value["spec"]["template"]["spec"]["imagePullSecrets"]
    return value


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


# Who may do only part of it


def allow(kubectl: Kubectl, user: str, *rules: tuple[str, str, str]) -> None:
    """A role for a user that is only impersonated; rules: groups, resources, verbs."""
    split = [
        {"apiGroups": groups.split(","), "resources": resources.split(), "verbs": verbs.split()}
        for groups, resources, verbs in rules
    ]
    api = "rbac.authorization.k8s.io"
    kubectl.apply(
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": {"name": user}, "rules": split},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": user},
            "subjects": [{"kind": "User", "name": user, "apiGroup": api}],
            "roleRef": {"kind": "Role", "name": user, "apiGroup": api},
        },
    )


def test_who_may_not_attach(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    registry, other = registries["htpasswd"], registries["token"]
    allow(
        kubectl,
        "writer",
        ("", "secrets", "get list create update"),
        ("", "pods serviceaccounts", "get list"),
        ("apps", "deployments replicasets", "get list"),
    )
    kubectl.apply(make_secret("there", other), deployment("web", registry.image("team/app:1.0"), replicas=0))
    before = versions(kubectl)
    words = ("--as", "writer", "--for", "deployment/web", "--for", "serviceaccount/default")
    for verb in (("add", "mine", *login(registry)), ("attach", "there")):
        told = pullsecret(kubectl, *verb, *words, password=registry.password, code=1).err
        assert "not allowed to patch deployments.apps/web" in told
        assert f"patch serviceaccounts/default in namespace {kubectl.namespace}" in told
        assert "create secrets" not in told
        assert "nothing was changed" in told
    assert versions(kubectl) == before


def test_who_may_only_write_secrets(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """What can't be looked at stops nothing that can be done without it, and nothing half way."""
    registry = registries["htpasswd"]
    allow(kubectl, "keeper", ("", "secrets", "get list create update"))
    words, password = ("--as", "keeper"), registry.password
    with in_process(kubectl) as run:
        assert run("add", "mine", *login(registry), *words, password=password).out == "secret/mine created\n"
        kubectl("patch", "secret", "mine", "-p", json.dumps({"stringData": wrong_content(registry)}))
        rotated = run("rotate", "mine", "--docker-password-stdin", *words, password=password)
        assert rotated.out == f"secret/mine updated in namespace {kubectl.namespace}\n"
        before = versions(kubectl)
        told = run("attach", "mine", "--for", "serviceaccount/default", *words, code=1).err
        assert 'cannot get resource "serviceaccounts"' in told
        told = run("remove", "mine", "-y", *words, code=1).err
        assert "not allowed to delete secrets/mine" in told
        assert versions(kubectl) == before


def test_remove_by_who_may_not_see_what_uses_it(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """A Deployment without pods lists it: whoever can't list Deployments does not get told that nothing does."""
    allow(kubectl, "sweeper", ("", "secrets", "get list delete"), ("", "pods serviceaccounts", "get list"))
    kubectl.apply(make_secret("used", registries["token"]), racer("Deployment", "asleep", "used"))
    with in_process(kubectl) as run:
        told = run("remove", "used", "-y", "--as", "sweeper", code=1).err
        assert "deployments" in told
        assert kubectl.get("secret", "used")


def wrong_content(registry: Registry) -> Object:
    content: Object = make_secret("mine", registry, password="wrong")["stringData"]
    return content


# The role of the operator's chart for those who look after Domains (_operator-clusterrole-domain-admin.tpl).
DOMAIN_ADMIN = (
    ("", "configmaps", "get list watch create update patch delete deletecollection"),
    ("", "secrets pods events", "get list watch"),
    ("", "pods/log", "get list"),
    ("", "pods/exec", "get create"),
    ("weblogic.oracle", "domains clusters", "get list watch create update patch delete deletecollection"),
    ("weblogic.oracle", "domains/status clusters/status", "get watch"),
)


def test_domain_admin_of_the_operator_s_chart(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """May list a secret in a Domain, but not write one."""
    registry = registries["htpasswd"]
    allow(kubectl, "domain-admin", *DOMAIN_ADMIN)
    kubectl.apply(make_secret("there", registry, password="old"), racer("Domain", "domain1", "kept"))
    before, here = versions(kubectl), f"in namespace {kubectl.namespace}: nothing was changed"
    add, words = (*login(registry), "--for", "domain/domain1"), ("--as", "domain-admin")
    with in_process(kubectl) as run:
        for verb, missing in {
            ("add", "mine", *add): f"you are not allowed to create secrets {here}",
            ("add", "there", *add): f"you are not allowed to update secrets/there {here}",
            ("rotate", "there", "--docker-password-stdin"): f"you are not allowed to update secrets/there {here}",
            ("copy", "there", "--to-namespace", "default"): "create secrets in namespace default",
            ("remove", "there", "-y"): f"you are not allowed to delete secrets/there {here}",
        }.items():
            assert missing in run(*verb, *words, password=registry.password, code=1).err
        assert versions(kubectl) == before
        result = run("attach", "there", "--for", "domain/domain1", *words)
        assert result.out == "domain.weblogic.oracle/domain1 patched\n"
        assert listed_by(kubectl, "domain", "domain1") == ["kept", "there"]
        listed = run("list", "--no-headers", *words)
        assert listed.out.split()[0] == "there"
        assert "domain/domain1" in listed.out
        assert "Not checked, for you may not list them: " in listed.err and "service accounts in" in listed.err


# copy, rotate, remove while there are consumers


class Changing:
    """A registry of the test's own whose password can be changed."""

    def __init__(self, address: str, file: Path) -> None:
        self.address, self.file = address, file
        host, _, port = address.partition(":")
        self.registry = Registry("changing", host, int(port), "http", "bob")

    def set_password(self, password: str) -> None:
        argv = ["htpasswd", "-B", "-C", "5", "-i", "-n", "bob"]
        line = subprocess.run(argv, input=password, stdout=subprocess.PIPE, text=True, check=True).stdout
        new = self.file.with_suffix(".new")
        new.write_text(line)
        new.replace(self.file)


@pytest.fixture
def changing(cluster: Cluster, tmp_path: Path) -> Iterator[Changing]:
    """It serves what the harness's registry with a password has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Changing(f"127.0.0.1:{port}", tmp_path / "htpasswd")
    made.set_password(secrets.token_hex(8))
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": f"{cluster.folder}/registries/htpasswd/storage"}},
        "http": {"addr": made.address, "secret": "changing"},
        "auth": {"htpasswd": {"realm": "changing", "path": str(made.file)}},
    }
    (tmp_path / "registry.yml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "registry.yml")], stderr=subprocess.DEVNULL)
    try:
        for node in cluster.nodes:
            nodes.trust_plain(node, made.address)

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        wait_for(listens, made.address)
        yield made
    finally:
        process.kill()
        process.wait()
        for node in cluster.nodes:
            shutil.rmtree(Path(node.certs_folder, made.address), ignore_errors=True)


@pytest.fixture
def elsewhere(admin: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a second namespace."""
    kubectl = Kubectl(admin.env, f"pullkit-e2e-{secrets.token_hex(4)}")
    admin("create", "namespace", kubectl.namespace)
    try:
        wait_for(lambda: kubectl.get("serviceaccount", "default"), "the default service account")
        yield kubectl
    finally:
        admin("delete", "namespace", kubectl.namespace, "--wait=false")


def test_copy_and_rotate_while_in_use(kubectl: Kubectl, elsewhere: Kubectl, changing: Changing) -> None:
    """The registry's password changes. What runs goes on; what waits pulls once the secret and its copy have the new one."""
    image, registry = changing.registry.image("team/app:1.0"), changing.registry
    old, new = secrets.token_hex(8), secrets.token_hex(8)
    changing.set_password(old)
    pullsecret(kubectl, "add", "pull", *login(registry), password=old)
    copied = pullsecret(kubectl, "copy", "pull", "--to-namespace", elsewhere.namespace)
    assert copied.out == f"secret/pull created in namespace {elsewhere.namespace}\n"
    kubectl.apply(deployment("web", image, names=("pull",)))
    elsewhere.apply(make_pod("guest", image, "pull", imagePullPolicy="Always"))
    runs(kubectl, pod_of(kubectl, "web"))
    runs(elsewhere, "guest")

    changing.set_password(new)
    kubectl.apply(make_pod("late", image, "pull", imagePullPolicy="Always"))
    waits(kubectl, "late")
    before = lives(kubectl), lives(elsewhere), versions(kubectl), versions(elsewhere)
    wrong = pullsecret(kubectl, "rotate", "pull", "--docker-password-stdin", password="wrong", code=1)
    assert f"{changing.address} refuses it" in wrong.err
    assert "nothing was changed" in wrong.err
    assert (versions(kubectl), versions(elsewhere)) == before[2:]
    rotated = pullsecret(kubectl, "rotate", "pull", "--docker-password-stdin", password=new)
    places = (kubectl.namespace, elsewhere.namespace)
    assert rotated.out == "".join(f"secret/pull updated in namespace {place}\n" for place in places)
    assert "is used by deployment/web, pod/late" in rotated.err
    assert "is used by pod/guest" in rotated.err
    assert "nothing has to be restarted" in rotated.err
    runs(kubectl, "late")
    elsewhere.apply(make_pod("second-guest", image, "pull", imagePullPolicy="Always"))
    runs(elsewhere, "second-guest")
    assert lives(kubectl) == before[0]
    assert lives(elsewhere)["guest"] == before[1]["guest"]


def test_copies_that_differ(kubectl: Kubectl, elsewhere: Kubectl, registries: dict[str, Registry]) -> None:
    kubectl.apply(make_secret("pull", registries["token"]), make_secret("own", registries["token"]))
    elsewhere.apply(make_secret("own", registries["htpasswd"]))
    where = ("--to-namespace", elsewhere.namespace)
    with in_process(kubectl) as run:
        assert "missing" in run("copy", "pull", *where, "--check", code=1).out
        run("copy", "pull", *where)
        assert run("copy", "pull", *where).out == "secret/pull unchanged\n"
        assert "same" in run("copy", "pull", "--check").out
        kubectl("patch", "secret", "pull", "-p", json.dumps({"stringData": wrong_content(registries["token"])}))
        assert "differs" in run("copy", "pull", "--check", code=1).out
        assert run("copy", "pull", *where).out == f"secret/pull updated in namespace {elsewhere.namespace}\n"
        assert "same" in run("copy", "pull", "--check").out
        before = versions(elsewhere)
        assert "is no copy of this one" in run("copy", "own", *where, code=1).err
        assert versions(elsewhere) == before


def test_remove_is_refused_while_in_use(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    image = registries["open"].image("team/app:1.0")
    kubectl.apply(make_secret("gone", registries["token"]), account("builder", "gone", "kept"))
    kubectl.apply(deployment("web", image, names=("kept", "gone")), make_pod("bare", image, "gone"))
    rolled_out(kubectl, "web")
    runs(kubectl, "bare")
    before, running = versions(kubectl), lives(kubectl)
    told = pullsecret(kubectl, "remove", "gone", "-y", code=1).err
    assert all(one in told for one in ("deployment/web", "serviceaccount/builder", "pod/bare", "--detach"))
    assert "give -y" in pullsecret(kubectl, "remove", "gone", "--detach", code=1).err
    assert versions(kubectl) == before
    removed = pullsecret(kubectl, "remove", "gone", "--detach", "-y")
    changes = ['secret "gone" deleted', "deployment.apps/web patched", "serviceaccount/builder patched"]
    assert sorted(removed.out.splitlines()) == sorted(changes)
    assert removed.out.splitlines()[-1] == changes[0]
    assert kubectl.get("secret", "gone") is None
    assert listed_by(kubectl, "deployment", "web") == ["kept"]
    assert listed_by(kubectl, "serviceaccount", "builder") == ["kept"]
    assert lives(kubectl)["bare"] == running["bare"]
    rolled_out(kubectl, "web")


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
