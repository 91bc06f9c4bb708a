"""How a node's own container runtime takes an image out of a stream: which runtime it is, where its socket is, and the few
lines of shell that do it there. Pure; the same lines run in a carrier pod and over ssh.

Sources: the runtimes' own documentation of `ctr images import`, `podman load`, `docker load`; k3s, RKE2 and MicroK8s
document where their containerd's socket and `ctr` are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

from pullcore.errors import one_line
from pullcore.pull import Object

LOADED = re.compile(r"^kubectl-repull: (\S+) is (sha256:[0-9a-f]{64})\s*$", re.M)
TESTED = "1.6"  # the containerd on which our tests ran
PINS_FROM = (1, 7)  # containerd looks at the label io.cri-containerd.pinned from then on
PINNED = "io.cri-containerd.pinned"

# In all of them: $1 bytes of standard input, $2 the socket, $3 the image's name, $4 its name without tag, $5 "pin" to
# pin it, "only" to do nothing else: then standard input is one byte, which says that somebody is there to hear the rest.
_BEGIN = """\
set -eu
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin:/var/lib/rancher/rke2/bin:/snap/microk8s/current/bin"
export PATH
needs() { command -v "$1" >/dev/null || { echo "this node has no $1" >&2; exit 127; }; }
# Where the first byte does not come in time, nobody is there any more. dd takes no more than that byte.
archive() {
  if timeout 9 true 2>/dev/null; then timeout 90 dd bs=1 count=1 2>/dev/null || return; head -c "$(($1 - 1))"
  else head -c "$1"; fi
}
"""
_END = """\
[ -n "$found" ] || { echo "it was taken, but not as $3" >&2; exit 9; }
echo "kubectl-repull: $3 is $found"
if [ -w /dev/termination-log ]; then echo "kubectl-repull: $3 is $found" >/dev/termination-log; fi
"""
_CONTAINERD = (
    _BEGIN
    + """\
if command -v ctr >/dev/null; then c() { ctr --address "$s" --namespace k8s.io "$@"; }
else needs k3s; c() { k3s ctr --address "$s" --namespace k8s.io "$@"; }; fi
s=$2
if [ "$5" = only ]; then archive "$1" >/dev/null; else archive "$1" | c images import - >&2; fi
found=$(c images ls "name==$3" | grep -o 'sha256:[0-9a-f]*' | head -n 1)
if [ -n "$found" ]; then
  c images tag --force "$3" "$4@$found" >/dev/null || echo "it has no name by digest: nodes will not list that" >&2
  if [ "$5" ]; then c images label "$3" io.cri-containerd.pinned=pinned >/dev/null; fi
fi
"""
    + _END
)
_PODMAN = (
    _BEGIN
    + """\
needs podman
archive "$1" | podman load >&2
found=$(podman image inspect --format '{{.Digest}}' "$3")
"""
    + _END
)
_DOCKER = (
    _BEGIN
    + """\
needs docker
archive "$1" | docker --host "unix://$2" load >&2
found=$(docker --host "unix://$2" image inspect --format '{{.Id}}' "$3")
"""
    + _END
)


@dataclass(frozen=True)
class Runtime:
    """A way to load. folders: of the host, that its tool needs besides /usr, /bin and the libraries. writes: those of them
    that it writes to itself, for which it has to be privileged. tested: that a test of ours runs on it."""

    name: str
    socket: str
    script: str
    folders: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    tested: bool = False
    by_config: bool = False  # it tells the digest of the image's configuration, not of its manifest

    def arguments(self, size: int, image: str, *, pin: bool, there: bool = False) -> list[str]:
        """What follows `sh -c SCRIPT sh`. there: the image is on the node already."""
        return [str(size), self.socket, image, repository_of(image), "only" if there else "pin" if pin else ""]

    @property
    def marks_pins(self) -> bool:
        """Whether the script can mark an image as pinned; whether the runtime heeds that, `pins` tells."""
        return self.script is _CONTAINERD


def repository_of(image: str) -> str:
    """A full reference without tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


CONTAINERD = Runtime("containerd", "/run/containerd/containerd.sock", _CONTAINERD, tested=True)
K3S = Runtime("k3s", "/run/k3s/containerd/containerd.sock", _CONTAINERD, ("/var/lib/rancher",))
RKE2 = Runtime("RKE2", "/run/k3s/containerd/containerd.sock", _CONTAINERD, ("/var/lib/rancher",))
MICROK8S = Runtime("MicroK8s", "/var/snap/microk8s/common/run/containerd.sock", _CONTAINERD, ("/snap",))
CRIO = Runtime(
    "CRI-O",
    "/var/run/crio/crio.sock",
    _PODMAN,
    ("/etc/containers",),
    ("/var/lib/containers", "/run/containers", "/var/tmp"),  # noqa: S108 - the node's
)
DOCKER = Runtime("Docker", "/var/run/docker.sock", _DOCKER, by_config=True)


def runtime_of(node: Object) -> Optional[Runtime]:
    """What the node says of its runtime and its kubelet; None for a runtime that nothing is known of."""
    info = node.get("status", {}).get("nodeInfo", {})
    runtime, kubelet = str(info.get("containerRuntimeVersion", "")), str(info.get("kubeletVersion", ""))
    kind = runtime.partition(":")[0]
    if kind == "containerd":
        if "+rke2" in kubelet:
            return RKE2
        if "+k3s" in kubelet or "-k3s" in runtime:
            return K3S
        if "microk8s.io/cluster" in node["metadata"].get("labels", {}):
            return MICROK8S
        version = re.match(r"containerd://(\d+\.\d+)", runtime)
        if version and version[1] != TESTED:
            return replace(CONTAINERD, name=f"containerd {version[1]}", tested=False)
        return CONTAINERD
    return {"cri-o": CRIO, "docker": DOCKER}.get(kind)


def pins(node: Object) -> bool:
    """Whether the node's runtime can keep an image from garbage collection by a label on it."""
    text = str(node.get("status", {}).get("nodeInfo", {}).get("containerRuntimeVersion", ""))
    found = re.match(r"containerd://(\d+)\.(\d+)", text)
    return found is not None and (int(found[1]), int(found[2])) >= PINS_FROM


def unpin(runtime: Runtime, image: str) -> str:
    """The command that lets garbage collection have the image again, to be run on a node."""
    import shlex

    return f"ctr --address {shlex.quote(runtime.socket)} --namespace k8s.io images label {shlex.quote(image)} {PINNED}="


def digest_in(text: str, image: str) -> str:
    """Which digest the node says the image has; empty where it does not say so."""
    return next((digest for name, digest in LOADED.findall(text) if name == image), "")


def complaint(text: str) -> str:
    """The last thing that the commands said, for a failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not LOADED.match(line)]
    return one_line("; ".join(lines[-2:]), 300)


def shown(runtimes: Sequence[Runtime]) -> str:
    """The runtimes that no test ran on, in words; empty for none."""
    return ", ".join(sorted({one.name for one in runtimes if not one.tested}))
