"""A node: kubelet and containerd in a mount namespace of their own, which a holder process keeps.

Inside it /run, /var/lib and /var/log are empty, /etc/hosts and /etc/resolv.conf are the node's own files, and the
kernel settings that the kubelet and the CNI plugins write are copies. With the last process every mount is gone, and
with those the pods' network namespaces and their interfaces.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from . import machine, pki
from .images import PAUSE
from .model import Cluster, Node
from .processes import HarnessError, Processes

CONTENT = "io.containerd.content.v1.content"  # containerd's own name for what it pulled
SYSCTLS = (
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)

SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
)

ENTER = """set -eu
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /var/log
mkdir -p /run/lock
cover() {  # FILE PLACE: the place may be a link into what was just covered
  place=$(readlink -m "$2")
  [ -e "$place" ] || { mkdir -p "$(dirname "$place")"; : >"$place"; }
  mount --bind "$1" "$place"
}
cover "$1/hosts" /etc/hosts
cover "$1/resolv.conf" /etc/resolv.conf
cd "$1/sys"
for name in *; do
  place=/proc/sys/$(echo "$name" | tr , /)
  [ ! -e "$place" ] || mount --bind "$name" "$place"
done
: >"$1/entered"
exec sleep 1000000000
"""


def prepare(processes: Processes, name: str, subnet: str, ports: machine.Ports, hosts: list[str], nameserver: str) -> Node:
    """Makes the node's files and starts its holder."""
    folder = processes.folder / "nodes" / name
    for part in ("cni", "certs.d", "containerd", "kubelet", "sys", "pods"):
        (folder / part).mkdir(parents=True)
    (folder / "hosts").write_text("".join(f"127.0.0.1 {host}\n" for host in ["localhost", *hosts]))
    (folder / "resolv.conf").write_text(f"nameserver {nameserver}\noptions timeout:1 attempts:1\n")
    (folder / "enter.sh").write_text(ENTER)
    for setting in SYSCTLS:
        real = Path("/proc/sys", setting)
        if real.exists():
            (folder / "sys" / setting.replace("/", ",")).write_text(real.read_text())
    node = Node(
        name=name,
        folder=str(folder),
        containerd_socket=str(folder / "containerd.sock"),
        certs_folder=str(folder / "certs.d"),
        hosts_file=str(folder / "hosts"),
        kubelet_config=str(folder / "kubelet" / "config.yaml"),
        kubelet_port=ports.take(),
        kubelet_health_port=ports.take(),
        subnet=subnet,
        kubelet=f"kubelet-{name}",
        containerd=f"containerd-{name}",
        holder=f"holder-{name}",
    )
    if len(node.containerd_socket) > 95:
        raise HarnessError(f"the folder's path is too long for a socket in it: {processes.folder}")
    argv = ["unshare", "--mount", "--propagation", "private", "sh", str(folder / "enter.sh"), str(folder)]
    processes.start(node.holder, argv, folder)
    return node


def entered(node: Node) -> bool:
    return Path(node.folder, "entered").exists()


def _inside(processes: Processes, node: Node, argv: list[str]) -> list[str]:
    return ["nsenter", f"--mount=/proc/{processes.running[node.holder].pid}/ns/mnt", "--", *argv]


def trust_plain(node: Node, address: str) -> None:
    """Has the node's containerd speak plain HTTP with the registry."""
    _hosts_toml(node, address, f'server = "http://{address}"\n\n[host."http://{address}"]\n')


def trust_ca(node: Node, address: str, ca_file: str) -> None:
    """Has the node's containerd trust the authority for this registry; forget() takes it back."""
    _hosts_toml(node, address, f'server = "https://{address}"\n\n[host."https://{address}"]\n  ca = "{ca_file}"\n')


def _hosts_toml(node: Node, address: str, content: str) -> None:
    folder = Path(node.certs_folder, address)
    folder.mkdir(exist_ok=True)
    (folder / "hosts.toml").write_text(content + '  capabilities = ["pull", "resolve"]\n')


def forget(node: Node, address: str) -> None:
    """Takes the registry's configuration from the node's containerd."""
    (Path(node.certs_folder, address) / "hosts.toml").unlink(missing_ok=True)


def hide_host(node: Node, host: str) -> None:
    """The node does not resolve the name any more (containerd notices within 5 s)."""
    _edit_hosts(node, host, [])


def show_host(node: Node, host: str, address: str = "127.0.0.1") -> None:
    _edit_hosts(node, host, [f"{address} {host}"])


def _edit_hosts(node: Node, host: str, lines: list[str]) -> None:
    path = Path(node.hosts_file)
    kept = [line for line in path.read_text().splitlines() if line.split()[1:] != [host]]
    path.write_text("".join(f"{line}\n" for line in [*kept, *lines]))


def fill_disk(node: Node, holder: int) -> None:
    """The node's disk has no room for a layer, until free_disk: a file system that is as good as full covers what containerd
    has, with a copy of that on it."""
    _in_place(
        node,
        holder,
        'mkdir -p "$1.small"; mount -t tmpfs -o size=$(($(du -sk "$1" | cut -f1) + 64))k tmpfs "$1.small"; '
        'cp -a "$1/." "$1.small/"; mount --bind "$1.small" "$1"',
    )


def free_disk(node: Node, holder: int) -> None:
    """Gives the room back; what was written meanwhile is kept, for containerd remembers it."""
    _in_place(node, holder, 'umount -l "$1"; cp -an "$1.small/." "$1/"; umount -l "$1.small"')


def _in_place(node: Node, holder: int, script: str) -> None:
    content = str(Path(node.folder, "containerd", "root", CONTENT))
    argv = ["nsenter", f"--mount=/proc/{holder}/ns/mnt", "--", "sh", "-euc", script, "sh", content]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def start_containerd(processes: Processes, node: Node) -> None:
    folder = Path(node.folder)
    config = f"""version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]

[grpc]
  address = "{node.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{machine.cni_folder()}"
  conf_dir = "{folder}/cni"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{node.certs_folder}"
"""
    (folder / "containerd" / "config.toml").write_text(config)
    ipam = {"type": "host-local", "ranges": [[{"subnet": node.subnet}]], "dataDir": f"{folder}/cni/addresses"}
    plugins: list[dict[str, Any]] = [{"type": "ptp", "ipMasq": False, "ipam": ipam}]
    network = {"cniVersion": "0.4.0", "name": f"pullkit-{processes.id}", "plugins": plugins}
    (folder / "cni" / "10-net.conflist").write_text(json.dumps(network, indent=1))
    argv = ["containerd", "-c", str(folder / "containerd" / "config.toml")]
    processes.start(node.containerd, _inside(processes, node, argv), folder)


def ctr(node: Node, *arguments: str) -> str:
    """Runs ctr in the kubelet's namespace of the node's containerd."""
    argv = ["ctr", "-a", node.containerd_socket, "-n", "k8s.io", *arguments]
    run = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode:
        raise HarnessError(f"ctr {' '.join(arguments)} on {node.name}: {run.stderr.strip()}")
    return run.stdout


def containerd_answers(node: Node) -> bool:
    return bool(ctr(node, "version"))


def start_kubelet(
    processes: Processes, node: Node, binary: Path, ca: pki.Pair, kubeconfig: Path, extra: dict[str, Any]
) -> None:
    folder = Path(node.folder)
    pair = pki.make(folder / "kubelet", "serving", ca, [node.name, "127.0.0.1"])
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": node.kubelet_port,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": node.kubelet_health_port,
        "readOnlyPort": 0,
        "tlsCertFile": str(pair.certificate_file),
        "tlsPrivateKeyFile": str(pair.key_file),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(ca.certificate_file)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "resolvConf": str(folder / "resolv.conf"),
        "podLogsDir": str(folder / "pods"),
        # What the machine need not offer: a cgroup tree of the kubelet's own, version 2, no swap, iptables, OOM scores.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "oomScoreAdj": 0,
        # Quick, and nothing thrown away: neither pods nor images for want of space.
        "syncFrequency": "1s",
        "fileCheckFrequency": "0s",
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "10s",
        "registryPullQPS": 50,
        "registryBurst": 50,
        "serializeImagePulls": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(SIGNALS, "0%"),
        **extra,
    }
    Path(node.kubelet_config).write_text(yaml.safe_dump(config, sort_keys=False))
    argv = [
        str(binary),
        f"--config={node.kubelet_config}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={folder}/kubelet/root",
        f"--hostname-override={node.name}",
        f"--cert-dir={folder}/kubelet",
        f"--node-labels=pullkit.test/node={node.name.partition('-')[0]}",
    ]
    processes.start(node.kubelet, _inside(processes, node, argv), folder)


def reconfigure_kubelet(cluster: Cluster, node: Node, **changes: Any) -> dict[str, Any]:
    """Restarts the node's kubelet with these settings changed; gives the values from before (None: not set)."""
    path = Path(node.kubelet_config)
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    before = {name: config.get(name) for name in changes}
    config.update(changes)
    path.write_text(yaml.safe_dump({k: v for k, v in config.items() if v is not None}, sort_keys=False))
    processes = Processes.load(Path(cluster.folder))
    if processes is None:
        raise HarnessError(f"no cluster in {cluster.folder}")
    processes.restart(node.kubelet)
    processes.wait(f"the kubelet of {node.name}", lambda: _healthy(node))
    return before


def _healthy(node: Node) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{node.kubelet_health_port}/healthz", timeout=2) as answer:
        return bool(answer.status == 200)
