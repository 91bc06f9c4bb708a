"""What a cluster takes from the machine: packages, ports, subnets, lines in /etc/hosts, control groups."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from .processes import HarnessError

HOSTS = Path("/etc/hosts")
CGROUPS = Path("/sys/fs/cgroup")
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")

# command -> Debian package
COMMANDS = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "docker-registry": "docker-registry",
    "htpasswd": "apache2-utils",
    "gcc": "gcc",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}


def cni_folder() -> str:
    for folder in CNI_FOLDERS:
        if Path(folder, "ptp").exists() and Path(folder, "host-local").exists():
            return folder
    return ""


def _static_libc() -> bool:
    """gcc answers with a path if it finds the file, with the bare name if not."""
    try:
        return "/" in subprocess.run(["gcc", "-print-file-name=libc.a"], stdout=subprocess.PIPE, text=True).stdout
    except FileNotFoundError:
        return False


def missing_packages() -> list[str]:
    packages = {package for command, package in COMMANDS.items() if not shutil.which(command)}
    if not cni_folder():
        packages.add("containernetworking-plugins")
    if not _static_libc():
        packages.add("libc6-dev")
    return sorted(packages)


def prepare(say: Callable[[str], None]) -> None:
    """Says what stands in the way, or installs what is missing."""
    if os.geteuid() != 0:
        raise HarnessError("a cluster needs root: it mounts, makes network interfaces and starts containers")
    if not missing_packages():
        return
    if not shutil.which("apt-get"):
        raise HarnessError(f"not installed (names of Debian's packages): {' '.join(missing_packages())}")
    with Path("/var/lock/kubectl-pullkit.lock").open("w") as lock:  # another cluster may be at it
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = missing_packages()
        if missing:
            say(f"installing {' '.join(missing)}")
            _apt_get("update")
            _apt_get("install", "-y", "--no-install-recommends", *missing)
    if missing_packages():
        raise HarnessError(f"still missing after the installation: {' '.join(missing_packages())}")


def _apt_get(*arguments: str) -> None:
    """Tries for two minutes while somebody else holds apt's locks."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    deadline = time.monotonic() + 120
    while True:
        run = subprocess.run(
            ["apt-get", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if run.returncode == 0:
            return
        if "Could not get lock" not in run.stdout or time.monotonic() > deadline:
            raise HarnessError(f"apt-get {' '.join(arguments)} failed:\n{run.stdout[-2000:]}")
        time.sleep(2)


class Ports:
    """Free ports of 127.0.0.1, held until close(): another cluster cannot get them, our own processes can.

    They lie outside the range from which the kernel takes ports for outgoing connections.
    """

    def __init__(self) -> None:
        self.held: list[socket.socket] = []

    def take(self) -> int:
        for _ in range(1000):
            port = random.randrange(16000, 32000)
            held = socket.socket()
            try:
                held.bind(("127.0.0.1", port))
            except OSError:
                held.close()
                continue
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after bind: lets our processes in, checks not
            self.held.append(held)
            return port
        raise HarnessError("no free port between 16000 and 32000")

    def close(self) -> None:
        for held in self.held:
            held.close()


def routes() -> set[str]:
    """The IPv4 destinations in the routing table."""
    found = set()
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        found.add(str(ipaddress.ip_address(bytes.fromhex(line.split()[1])[::-1])))
    return found


def free_subnets(count: int) -> list[str]:
    used = {address.rpartition(".")[0] for address in routes()}
    while True:
        picked = {f"10.{random.randrange(64, 250)}.{random.randrange(256)}" for _ in range(count)}
        if len(picked) == count and not picked & used:
            return [f"{prefix}.0/24" for prefix in sorted(picked)]


@contextlib.contextmanager
def _hosts() -> Iterator[list[str]]:
    """The lines of /etc/hosts, written back in place: it may be a mount, so nothing is renamed over it."""
    with HOSTS.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read().splitlines()
        lines = list(before)
        yield lines
        if lines != before:
            file.seek(0)
            file.write("".join(line + "\n" for line in lines))
            file.truncate()


def _tag(cluster_id: str) -> str:
    return f"# kubectl-pullkit test cluster {cluster_id}"


def add_hosts(cluster_id: str, names: list[str]) -> None:
    with _hosts() as lines:
        lines.extend(f"127.0.0.1 {name} {_tag(cluster_id)}" for name in names)


def remove_hosts(cluster_id: str) -> None:
    with _hosts() as lines:
        lines[:] = [line for line in lines if not line.endswith(_tag(cluster_id))]


def hosts_left(cluster_id: str) -> list[str]:
    return [line for line in HOSTS.read_text().splitlines() if line.endswith(_tag(cluster_id))]


def _cgroup_folders(folder: Path) -> list[Path]:
    """The control groups of the containers in this cluster, deepest first: /NAMESPACE/ID in each hierarchy."""
    tasks = folder.glob("nodes/*/containerd/*/io.containerd.runtime.v2.task/*/*")
    names = {f"{task.parent.name}/{task.name}" for task in tasks}
    roots = [root for name in names for root in (*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}"))]
    found = list(roots)
    for root in roots:
        found.extend(Path(parent, child) for parent, children, _ in os.walk(root) for child in children)
    return sorted(found, key=lambda path: -len(path.parts))


def cgroup_processes(folder: Path) -> set[int]:
    found: set[int] = set()
    for group in _cgroup_folders(folder):
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
    return found


def remove_cgroups(folder: Path) -> None:
    """Those of the containers, and what holds them if nobody else has a container in it."""
    groups = _cgroup_folders(folder)
    parents = {group.parent for group in groups} | {*CGROUPS.glob("k8s.io"), *CGROUPS.glob("*/k8s.io")}
    for group in [*groups, *sorted(parents, key=lambda path: -len(path.parts))]:
        with contextlib.suppress(OSError):
            group.rmdir()


def mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/mounts").read_text().splitlines()
    points = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    return [point for point in points if point.startswith(f"{folder}/")]


def routes_into(subnets: list[str]) -> list[str]:
    networks = [ipaddress.ip_network(subnet) for subnet in subnets]
    return [route for route in routes() if any(ipaddress.ip_address(route) in network for network in networks)]


def leftovers(cluster_id: str, folder: Path, subnets: list[str]) -> dict[str, str]:
    """What of a cluster is still on the machine, processes aside."""
    found = {
        "lines in /etc/hosts": hosts_left(cluster_id),
        "mounts": mounts_below(folder),
        "routes": routes_into(subnets),
        "control groups": [str(path) for path in _cgroup_folders(folder)],
    }
    return {what: ", ".join(values) for what, values in found.items() if values}
