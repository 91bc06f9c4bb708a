"""What a test must know of a running cluster: the content of cluster.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = "cluster.json"


@dataclass(frozen=True)
class Registry:
    """One registry; `user` may pull and push everything in it, both empty where it asks for nothing."""

    name: str
    host: str
    port: int
    scheme: str
    user: str = ""
    password: str = ""
    ca_file: str = ""  # PEM; empty unless scheme is https
    users: dict[str, str] = field(default_factory=dict)  # every user with the password, `user` among them
    realm: str = ""  # the token server's address

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def image(self, reference: str) -> str:
        return f"{self.address}/{reference}"


@dataclass(frozen=True)
class Node:
    """One node and its files. Edit `hosts_file` in place only: it is mounted over the node's /etc/hosts."""

    name: str
    folder: str
    containerd_socket: str
    certs_folder: str  # containerd's registry configuration, read at each pull: HOST:PORT/hosts.toml
    hosts_file: str
    kubelet_config: str
    kubelet_port: int
    kubelet_health_port: int
    subnet: str
    kubelet: str  # the names of its processes
    containerd: str
    holder: str


@dataclass(frozen=True)
class Cluster:
    id: str
    folder: str
    kubernetes_version: str
    kubeconfig: str
    kubectl: str
    api_url: str
    etcd_url: str
    admin_token: str
    ca_file: str
    nodes: list[Node]
    registries: dict[str, Registry]
    plain_host: str  # a second name of the open registry that the nodes take for HTTPS
    images: dict[str, str]  # what every registry holds: repository:tag and its digest
    token_images: dict[str, str]  # what the token registry holds besides: anybody may pull it
    pause_image: str
    image_archive: str  # team/app:1.0 as a docker archive, named team/app:1.0
    processes: dict[str, int] = field(default_factory=dict)  # at the end of `up`; state.json is kept up to date

    @property
    def plain_address(self) -> str:
        return f"{self.plain_host}:{self.registries['open'].port}"

    def save(self) -> Path:
        path = Path(self.folder) / FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return path


def load(folder: Path) -> Cluster:
    values: dict[str, Any] = json.loads((folder / FILE).read_text())
    values["nodes"] = [Node(**node) for node in values["nodes"]]
    values["registries"] = {name: Registry(**registry) for name, registry in values["registries"].items()}
    return Cluster(**values)
