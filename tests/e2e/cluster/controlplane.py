"""etcd, API server, controller manager and scheduler, all on 127.0.0.1."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import pki
from .api import Api
from .machine import Ports
from .processes import Processes


@dataclass(frozen=True)
class ControlPlane:
    url: str
    ca: pki.Pair
    tokens: dict[str, str]  # by user
    kubeconfigs: dict[str, Path]
    api: Api
    etcd_url: str


def _kubeconfig(path: Path, url: str, ca_file: Path, user: str, token: str, context: str) -> Path:
    path.touch(mode=0o600)
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user, "namespace": "default"}}],
        "current-context": context,
    }
    path.write_text(yaml.safe_dump(content))
    return path


def start(processes: Processes, binaries: Path, ports: Ports, nodes: list[str]) -> ControlPlane:
    """Starts etcd and the API server and prepares everybody's credentials."""
    folder = processes.folder / "control-plane"
    folder.mkdir()
    ca = pki.make(folder, "ca", common_name=f"pullkit cluster CA {processes.id}")
    serving = pki.make(folder, "serving", ca, ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"])
    client = pki.make(folder, "kubelet-client", ca, common_name="kube-apiserver", organization="system:masters")
    accounts = pki.make(folder, "service-accounts", rsa_key=True)
    pki.write_public_key(folder / "service-accounts.pub", accounts.key)

    groups = {"admin": "system:masters", "system:kube-controller-manager": "", "system:kube-scheduler": ""}
    groups.update({f"system:node:{node}": "system:nodes" for node in nodes})
    tokens = {user: secrets.token_hex(16) for user in groups}
    token_file = folder / "tokens.csv"
    token_file.touch(mode=0o600)
    token_file.write_text("".join(f'{tokens[user]},{user},{user},"{group}"\n' for user, group in groups.items()))
    port = ports.take()
    url = f"https://127.0.0.1:{port}"
    kubeconfigs = {}
    for user, token in tokens.items():
        path = folder / f"{user.rpartition(':')[2]}.kubeconfig"
        kubeconfigs[user] = _kubeconfig(path, url, ca.certificate_file, user, token, f"pullkit-{processes.id}")

    etcd = f"http://127.0.0.1:{ports.take()}"
    peers = f"http://127.0.0.1:{ports.take()}"
    argv = ["etcd", "--name=one", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    argv += ["--listen-client-urls", etcd, "--advertise-client-urls", etcd]
    argv += ["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"one={peers}"]
    processes.start("etcd", argv)
    issuer = "https://kubernetes.default.svc.cluster.local"
    argv = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--tls-cert-file={serving.certificate_file}",
        f"--tls-private-key-file={serving.key_file}",
        f"--client-ca-file={ca.certificate_file}",
        f"--token-auth-file={token_file}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,ServiceAccount",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--service-account-issuer={issuer}",
        f"--service-account-key-file={folder / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={accounts.key_file}",
        "--kubelet-preferred-address-types=Hostname",
        f"--kubelet-certificate-authority={ca.certificate_file}",
        f"--kubelet-client-certificate={client.certificate_file}",
        f"--kubelet-client-key={client.key_file}",
        "--profiling=false",
    ]
    processes.start("kube-apiserver", argv)
    return ControlPlane(url, ca, tokens, kubeconfigs, Api(url, tokens["admin"], str(ca.certificate_file)), etcd)


def start_controllers(processes: Processes, binaries: Path, plane: ControlPlane) -> None:
    """The API server must be ready by now: they give up otherwise."""
    folder = processes.folder / "control-plane"
    argv = [
        str(binaries / "kube-controller-manager"),
        f"--kubeconfig={plane.kubeconfigs['system:kube-controller-manager']}",
        f"--service-account-private-key-file={folder / 'service-accounts.key'}",
        f"--root-ca-file={plane.ca.certificate_file}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    processes.start("kube-controller-manager", argv)
    argv = [
        str(binaries / "kube-scheduler"),
        f"--kubeconfig={plane.kubeconfigs['system:kube-scheduler']}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    processes.start("kube-scheduler", argv)
