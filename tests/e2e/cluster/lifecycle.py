"""Bringing a cluster up and taking it down."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import random
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Callable, Optional

from . import binaries, controlplane, images, machine, model, node, registries, weblogic
from .model import Cluster
from .processes import HarnessError, Processes, start_time

NODES = ("node1", "node2")


def running(folder: Path) -> Optional[Cluster]:
    """The cluster in the folder, if it is there and all its processes live."""
    processes = Processes.load(folder)
    if processes is None or not (folder / model.FILE).exists():
        return None
    complete = bool(processes.running) and all(processes.alive(name) for name in processes.running)
    return model.load(folder) if complete else None


def up(folder: Path, say: Callable[[str], None]) -> Cluster:
    """Makes a cluster in the folder, which must not exist or be empty; after a failure only its logs stay."""
    if folder.exists() and [entry.name for entry in folder.iterdir()] == ["log"]:
        shutil.rmtree(folder / "log")  # of an earlier try that failed
    if folder.exists() and any(folder.iterdir()):
        raise HarnessError(f"{folder} is not empty: take that cluster down first")
    machine.prepare(say)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    ports = machine.Ports()
    processes = Processes.create(folder, secrets.token_hex(3), machine.free_subnets(len(NODES)))
    try:
        cluster = _up(processes, ports, say)
    except BaseException:
        with contextlib.suppress(HarnessError):
            down(folder, keep_logs=True)
        raise
    finally:
        ports.close()
    processes.maker_is_done()
    return cluster


def _up(processes: Processes, ports: machine.Ports, say: Callable[[str], None]) -> Cluster:
    folder = processes.folder
    built = binaries.kubernetes(say)
    program = binaries.app()

    say("starting the control plane and the registries")
    names = [f"{name}-{processes.id}" for name in NODES]
    plane = controlplane.start(processes, built, ports, names)
    found = registries.start(processes, ports)
    plain_host = f"plain-{processes.id}.test"
    hosts = [*names, *(registry.host for registry in found.values()), plain_host]
    machine.add_hosts(processes.id, hosts)

    nameserver = f"127.{random.randrange(64, 250)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    processes.start("nameserver", registries.module("nameserver", nameserver), env=registries.module_env())
    nodes = [
        node.prepare(processes, name, subnet, ports, hosts, nameserver)
        for name, subnet in zip(names, processes.state["subnets"])
    ]
    for one in nodes:
        processes.wait(f"the namespace of {one.name}", functools.partial(node.entered, one))
        for registry in found.values():
            if registry.scheme == "http":
                node.trust_plain(one, registry.address)
        node.start_containerd(processes, one)

    say("making and pushing the test images")
    made = images.ImageSet(program)
    processes.wait("the registries", lambda: all(registries.listens(port) for port in registries.ports(found)))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        digests, *_ = pool.map(made.push, found.values())
    public = made.push_public(found["token"])
    pause = folder / "pause.tar"
    pause.write_bytes(images.docker_archive(made.pause, images.PAUSE))
    archive = folder / "app.tar"
    archive.write_bytes(images.docker_archive(made.app, "team/app:1.0"))
    for one in nodes:
        processes.wait(f"containerd of {one.name}", functools.partial(node.containerd_answers, one))
        node.ctr(one, "images", "import", str(pause))

    say("waiting for the API server")
    processes.wait("the API server", lambda: plane.api.get("/readyz")["text"] == "ok")
    controlplane.start_controllers(processes, built, plane)
    for one in nodes:
        kubeconfig = plane.kubeconfigs[f"system:node:{one.name}"]
        node.start_kubelet(processes, one, built / "kubelet", plane.ca, kubeconfig, {})
    weblogic.install(plane.api)
    cluster = Cluster(
        id=processes.id,
        folder=str(folder),
        kubernetes_version=binaries.version(),
        kubeconfig=str(plane.kubeconfigs["admin"]),
        kubectl=str(built / "kubectl"),
        api_url=plane.url,
        etcd_url=plane.etcd_url,
        admin_token=plane.tokens["admin"],
        ca_file=str(plane.ca.certificate_file),
        nodes=nodes,
        registries=found,
        plain_host=plain_host,
        images=digests,
        token_images=public,
        pause_image=images.PAUSE,
        image_archive=str(archive),
    )
    cluster.save()
    processes.wait("the Domain resource", lambda: weblogic.served(plane.api))
    processes.start("operator", registries.module("operator", str(folder)), env=registries.module_env())

    say("waiting for the nodes")
    for one in nodes:
        processes.wait(f"node {one.name}", functools.partial(_ready, plane, one.name))
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    processes.wait("the default service account", lambda: bool(plane.api.get(account)))
    pids = {name: process.pid for name, process in processes.running.items()}
    cluster = dataclasses.replace(cluster, processes=pids)
    cluster.save()
    return cluster


def _ready(plane: controlplane.ControlPlane, name: str) -> bool:
    found = plane.api.get(f"/api/v1/nodes/{name}")
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in found["status"]["conditions"])
    return ready and not found["spec"].get("taints")


def down(folder: Path, keep_logs: bool = False) -> None:
    """Ends every process, takes back what the machine gave and removes the folder; fails with a list of what stays."""
    processes = Processes.load(folder)
    if processes is None:
        raise HarnessError(f"no cluster in {folder}")
    if processes.maker_is_alive() and processes.state["up"]["pid"] != os.getpid():
        raise HarnessError(f"process {processes.state['up']['pid']} is just bringing this cluster up: end it first")
    # Those that would start or restart others go first. Then the containers, which are in groups of their own.
    for name in sorted(processes.running, key=lambda name: not name.startswith(("operator", "kubelet", "containerd"))):
        if processes.alive(name):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(processes.running[name].pid, signal.SIGKILL)
    left: dict[str, str] = {}
    machine.remove_hosts(processes.id)
    deadline = time.monotonic() + 15
    while True:
        for child in list(processes.children.values()):
            child.poll()
        alive = processes.marked() | {pid for pid in machine.cgroup_processes(folder) if start_time(pid)}
        alive |= {process.pid for name, process in processes.running.items() if processes.alive(name)}
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not alive:
            machine.remove_cgroups(folder)
            left = machine.leftovers(processes.id, folder, processes.state["subnets"])
        if time.monotonic() > deadline or not (alive or left):
            break
        time.sleep(0.05)
    if alive:
        left["processes"] = ", ".join(f"{pid} ({_command(pid)})" for pid in sorted(alive))
    if "mounts" not in left:
        _remove(folder, keep_logs)
    if left:
        raise HarnessError("still there: " + "; ".join(f"{what}: {values}" for what, values in left.items()))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80].strip()
    except OSError:
        return "?"


def _remove(folder: Path, keep_logs: bool) -> None:
    """state.json goes last, so that an interrupted `down` can be repeated."""
    kept: list[str] = ["log"] if keep_logs else []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name == "state.json"):
        if entry.name in kept:
            print(f"the logs are in {entry}", file=sys.stderr)
        elif entry.is_dir():
            shutil.rmtree(entry, ignore_errors=entry.name != "nodes")
        else:
            entry.unlink()
    if not kept:
        folder.rmdir()
