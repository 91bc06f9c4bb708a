"""What the tests of kubectl repull for WebLogic Domains share.

The operator's own next try is 10 minutes away, so that it is not what brings a Domain back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

from .cluster.model import Cluster, Registry
from .cluster.processes import Processes
from .conftest import Kubectl, Result, make_secret, wait_for
from .pullsecret_kit import domain
from .repull_kit import Repull

Object = dict[str, Any]
SECRET, IMAGE = "secret1", "owner/domain1:1.0"
ADMIN, MANAGED = SERVERS = ("domain1-admin-server", "domain1-managed-server1")


class DomainRepull(Repull):
    """kubectl repull domain1"""

    def __call__(self, *arguments: str, code: int = 0, **how: Any) -> Result:
        return super().__call__("domain1", *arguments, code=code, timeout=700, **how)


class Background:
    """repull while it goes on."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self.process, self.file = process, file

    @property
    def told(self) -> str:
        return self.file.read_text()

    def tells(self, text: str) -> None:
        wait_for(lambda: text in self.told or self.process.poll() is not None, f"{text!r}", every=0.05)
        assert text in self.told, self.told

    def ends(self, code: int) -> None:
        status = self.process.wait(200)
        assert status == code, f"exit status {status}\n{self.told}"


@contextmanager
def started(repull: Repull, file: Path, *arguments: str) -> Iterator[Background]:
    """Starts it; all that it tells goes into the file."""
    words = ["kubectl", "repull", *arguments, *repull.words, "-n", repull.kubectl.namespace]
    with file.open("wb") as out:
        process = subprocess.Popen(words, env=repull.kubectl.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield Background(process, file)
    finally:
        process.kill()
        process.wait()


@contextmanager
def paused_operator(cluster: Cluster) -> Iterator[Callable[[], None]]:
    """The operator sees nothing until what this gives is called."""
    processes = Processes.load(Path(cluster.folder))
    assert processes and processes.alive("operator")
    pid = processes.running["operator"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)


def slow_domain(*names: str, image: str, **spec: Any) -> Object:
    """A Domain whose operator tries again in 10 minutes, and whose image is pulled for each of its pods."""
    more = {"imagePullPolicy": "Always", "failureRetryIntervalSeconds": 600, **spec}
    return domain("domain1", image, *names, **more)


def introspect_version(kubectl: Kubectl) -> Optional[str]:
    found = kubectl.get("domain", "domain1")
    assert found
    version: Optional[str] = found["spec"].get("introspectVersion")
    return version


def patch(kubectl: Kubectl, target: str, **spec: Any) -> None:
    kubectl("patch", target, "--type=merge", "-p", json.dumps({"spec": spec}))


def failed(kubectl: Kubectl) -> list[Object]:
    conditions = (kubectl.get("domain", "domain1") or {}).get("status", {}).get("conditions", [])
    return [one for one in conditions if one["type"] == "Failed" and one["status"] == "True"]


def uids(kubectl: Kubectl) -> dict[str, str]:
    """Of every server pod its UID."""
    pods = kubectl.list("pod", "-l", "weblogic.serverName")
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


def runs(kubectl: Kubectl) -> bool:
    """Whether all containers of both servers run."""
    statuses = {pod["metadata"]["name"]: pod["status"] for pod in kubectl.list("pod", "-l", "weblogic.serverName")}
    containers: list[Object] = [one for status in statuses.values() for one in status.get("containerStatuses", [])]
    running: bool = bool(containers) and all("running" in one["state"] for one in containers)
    return running and set(statuses) == set(SERVERS)


def stuck_introspector(kubectl: Kubectl, registry: Registry, *names: str, **spec: Any) -> None:
    """Makes a Domain whose introspector is refused, and waits for its operator's word."""
    kubectl.apply(slow_domain(*names, **{"image": registry.image(IMAGE), **spec}))
    wait_for(lambda: failed(kubectl), "the Domain's Failed condition")


def stuck_on_password(kubectl: Kubectl, registry: Registry, **spec: Any) -> None:
    """The same, for its secret has a wrong password."""
    kubectl.apply(make_secret(SECRET, registry, password="wrong"))
    stuck_introspector(kubectl, registry, SECRET, **spec)


def stuck_on_list(kubectl: Kubectl, registry: Registry, **spec: Any) -> None:
    """The same, for the Domain did not list the right secret, as it does now: the kubelet can't mend this."""
    kubectl.apply(make_secret(SECRET, registry))
    stuck_introspector(kubectl, registry, "other", **spec)
    patch(kubectl, "domain/domain1", imagePullSecrets=[{"name": "other"}, {"name": SECRET}])


def introspector(kubectl: Kubectl) -> str:
    (pod,) = kubectl.list("pod", "-l", "job-name=domain1-introspector")
    name: str = pod["metadata"]["name"]
    return name


def refused_twice(kubectl: Kubectl, pod: str) -> None:
    """Waits until the kubelet's next try is 20 seconds away: long enough for a test to be quicker."""
    field = f"--field-selector=involvedObject.name={pod},reason=Failed"

    def refused() -> bool:
        counts: list[int] = [one["count"] for one in kubectl.list("event", field) if "Failed to pull" in one["message"]]
        return sum(counts) >= 2

    wait_for(refused, f"the second refusal of {pod}")


def list_by_account(kubectl: Kubectl, name: str = SECRET) -> None:
    kubectl("patch", "serviceaccount", "default", "-p", json.dumps({"imagePullSecrets": [{"name": name}]}))


def pulls_always(name: str, registry: Registry, **more: Any) -> Object:
    return {"name": name, "image": registry.image("owner/aux:1.0"), "imagePullPolicy": "Always", **more}


def managed_server(field: str, container: Object) -> Object:
    """The part of a Domain by which only the managed server has this container."""
    return {"managedServers": [{"serverName": "managed-server1", "serverPod": {field: [container]}}]}


def stuck_server(kubectl: Kubectl, registries: dict[str, Registry], *names: str, **spec: Any) -> dict[str, str]:
    """Makes a Domain whose managed server waits for an image while its admin server runs; the UIDs of both."""
    kubectl.apply(slow_domain(*names, image=registries["open"].image(IMAGE), **spec))
    wait_for(lambda: "Image" in kubectl.waiting(MANAGED)[0], "the managed server to wait")
    wait_for(lambda: kubectl.phase(ADMIN) == "Running", "the admin server")
    return uids(kubectl)
