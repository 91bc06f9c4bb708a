"""What the tests of kubectl repull share: how it is run, and objects that wait for an image in the ways that matter."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest

from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .conftest import Kubectl, Result, make_pod, make_secret, wait_for

Object = dict[str, Any]
APP = "team/app:1.0"


@dataclass(frozen=True)
class Repull:
    """kubectl repull in the test's namespace. It asks the registry, in plain HTTP, and saves below `folder`."""

    kubectl: Kubectl
    registry: Registry
    folder: Path

    @property
    def words(self) -> list[str]:
        return ["--plain-http", self.registry.address, "--save-dir", str(self.folder)]

    @property
    def image(self) -> str:
        return self.registry.image(APP)

    def __call__(self, *arguments: str, code: int = 0, **how: Any) -> Result:
        """Runs it; it has to end with this status, without a traceback, and to keep the password to itself."""
        return self.judged(self.kubectl.plugin("repull", *arguments, *self.words, **how), code)

    def judged(self, result: Result, code: int) -> Result:
        told = result.out + result.err
        assert result.code == code, told
        assert "Traceback" not in told
        assert self.registry.password not in told
        return result

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """Runs it beside the test."""
        return subprocess.Popen(
            ["kubectl", "repull", *arguments, *self.words, "-n", self.kubectl.namespace],
            env=self.kubectl.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str], code: int = 0) -> Result:
        out, err = process.communicate(timeout=300)
        return self.judged(Result(process.returncode, out, err), code)

    def interrupted(self, number: int, seen: str, *arguments: str, delay: float = 0) -> str:
        """Runs it on a terminal and sends it the signal as soon as it has printed `seen`, and a delay is over; what it
        printed."""
        ours, its = pty.openpty()
        argv = ["kubectl", "repull", *arguments, *self.words, "-n", self.kubectl.namespace]
        process = subprocess.Popen(
            argv,
            env=self.kubectl.env,
            stdin=its,
            stdout=its,
            stderr=its,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where the tests run in the background
        )
        os.close(its)
        text = b""
        try:
            while seen.encode() not in text:
                assert select.select([ours], [], [], 180)[0], f"waited for {seen!r}: {text.decode()}"
                text += os.read(ours, 65536)
            time.sleep(delay)
            process.send_signal(number)
            with contextlib.suppress(OSError):  # EIO: the other side is closed
                while chunk := os.read(ours, 65536):
                    text += chunk
            code = process.wait(30)
            assert code == (-number if number == signal.SIGKILL else 128 + number), text.decode()
        except OSError:
            pytest.fail(f"ended before it printed {seen!r}: {text.decode()}")
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        assert b"Traceback" not in text
        return text.decode().replace("\r\n", "\n")

    # What stands in the namespace

    def break_secret(self, name: str = "pull") -> None:
        """The secret, with a wrong password."""
        self.kubectl.apply(make_secret(name, self.registry, password="wrong"))

    def mend_secret(self, name: str = "pull") -> None:
        """The secret, with the right password."""
        self.kubectl.apply(make_secret(name, self.registry))

    def give_account(self, *names: str, account: str = "default") -> None:
        """Puts secrets into the list of the service account; what is there already is outdated from now on."""
        listed = {"imagePullSecrets": [{"name": name} for name in names]}
        self.kubectl("patch", "serviceaccount", account, "-p", json.dumps(listed))


def workload(kind: str, name: str, *containers: Object, names: tuple[str, ...] = (), **spec: Any) -> Object:
    """Its pods pull anew whenever they start, and are labelled app=NAME. spec: of the workload."""
    pod = pod_spec(*containers, names=names)
    labels = {"app": name}
    made: Object = {"template": {"metadata": {"labels": labels}, "spec": pod}, **spec}
    if kind == "Job":
        pod["restartPolicy"] = "Never"
    else:
        made["selector"] = {"matchLabels": labels}
    if kind == "StatefulSet":
        made["serviceName"] = name
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": made}


def pod_spec(*containers: Object, names: tuple[str, ...] = ()) -> Object:
    spec: Object = make_pod("", "", *names)["spec"]
    made = [{"name": f"c{number}", "imagePullPolicy": "Always", **one} for number, one in enumerate(containers)]
    return {**spec, "containers": made} if names else {"terminationGracePeriodSeconds": 1, "containers": made}


def bare(name: str, *containers: Object, names: tuple[str, ...] = (), **metadata: Any) -> Object:
    spec = pod_spec(*containers, names=names)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def held(name: str, image: str, *, secret: str) -> Object:
    """A Deployment whose pod waits for its image, and once it has that for `let_go`: it does not start by itself, however
    soon the kubelet tries again."""
    made = workload("Deployment", name, {"image": image}, names=(secret,))
    made["spec"]["template"]["spec"]["initContainers"] = [{"name": "held", "image": image, "imagePullPolicy": "Always"}]
    return made


def let_go(kubectl: Kubectl, cluster: Cluster, app: str) -> None:
    """Ends what holds the app's pod, once it runs."""

    def container() -> str:
        status = pods_of(kubectl, app)[0].get("status", {}).get("initContainerStatuses", [{}])[0]
        return str(status["containerID"]) if "running" in status.get("state", {}) else ""

    name = wait_for(container, f"{app} to have its image").removeprefix("containerd://")
    where = pods_of(kubectl, app)[0]["spec"]["nodeName"]
    nodes.ctr(next(node for node in cluster.nodes if node.name == where), "tasks", "kill", "--signal", "SIGTERM", name)


def pods_of(kubectl: Kubectl, app: str) -> list[Object]:
    """Those that are not being deleted."""
    return [one for one in kubectl.list("pod", "-l", f"app={app}") if "deletionTimestamp" not in one["metadata"]]


def uids(kubectl: Kubectl, app: str) -> set[str]:
    return {one["metadata"]["uid"] for one in pods_of(kubectl, app)}


def uid(kubectl: Kubectl, kind: str, name: str) -> str:
    found = kubectl.get(kind, name)
    return str(found["metadata"]["uid"]) if found else ""


def reasons(pod: Object) -> list[str]:
    status = pod.get("status", {})
    states = [one["state"] for one in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", []))]
    return [one["waiting"].get("reason", "") for one in states if "waiting" in one]


def refused(pod: Object) -> bool:
    """The kubelet has had a try and waits for the next."""
    return any(reason in ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull") for reason in reasons(pod))


def wait_refused(kubectl: Kubectl, app: str, count: int = 1) -> set[str]:
    """Until all pods of the app have been refused their image; their UIDs."""

    def all_are() -> set[str]:
        pods = pods_of(kubectl, app)
        well = len(pods) == count and all(map(refused, pods))
        return {one["metadata"]["uid"] for one in pods} if well else set()

    return wait_for(all_are, f"{count} pods of {app} to be refused their image")


def wait_pod_refused(kubectl: Kubectl, name: str) -> str:
    """The same for one pod by its name; its UID."""
    wait_for(lambda: refused(kubectl.get("pod", name) or {}), f"{name} to be refused its image")
    return uid(kubectl, "pod", name)


def wait_running(kubectl: Kubectl, app: str, count: int = 1) -> set[str]:
    def all_do() -> set[str]:
        pods = pods_of(kubectl, app)
        well = len(pods) == count and all(map(is_running, pods))
        return {one["metadata"]["uid"] for one in pods} if well else set()

    return wait_for(all_do, f"{count} pods of {app} to run")


def is_running(pod: Object) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return bool(statuses) and all("running" in one["state"] for one in statuses)


def saved_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


class Through:
    """A way to the API server that can be cut: a port that hands connections on. TLS passes it untouched."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.open = True
        self.connections: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.server.accept()
                if not self.open:
                    client.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self.target))
                self.connections += [client, there]
                for one, other in ((client, there), (there, client)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(65536):
                other.sendall(content)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self, seconds: float) -> None:
        """Breaks every connection off, and takes no new one for a time."""
        self.open = False
        for one in self.connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.connections.clear()
        time.sleep(seconds)
        self.open = True

    def close(self) -> None:
        self.server.close()
        self.cut(0)


@contextlib.contextmanager
def silent_registry() -> Iterator[str]:
    """The address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def lines_with(text: str, *words: str) -> list[str]:
    return [line for line in text.splitlines() if all(word in line for word in words)]


def line_with(text: str, *words: str) -> Optional[str]:
    return next(iter(lines_with(text, *words)), None)


def causes(text: str) -> list[str]:
    """The keys of the causes that a report names; its lines may be broken anywhere but within these."""
    return re.findall(r"Cause: (?:(?!Fix: ).)*?\(([a-z]+(?:-[a-z]+)+)\)", text, re.S)
