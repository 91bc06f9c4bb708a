"""Four registries: by password file, with TLS of a private authority, with tokens, and open to everybody."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from . import pki
from .machine import Ports
from .model import Registry
from .processes import Processes

ALL = ["pull", "push"]
ROOT = Path(__file__).resolve().parents[len((__package__ or "").split("."))]


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package as a process."""
    return [sys.executable, "-m", f"{__package__}.{name}", *arguments]


def module_env() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def start(processes: Processes, ports: Ports) -> dict[str, Registry]:
    folder = processes.folder / "registries"
    folder.mkdir()
    registries: dict[str, Registry] = {}
    for name in ("htpasswd", "tls", "token", "open"):
        own = folder / name
        own.mkdir()
        host, port = f"{name}-{processes.id}.test", ports.take()
        http: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)}
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(own / "storage")}, "delete": {"enabled": True}},
            "http": http,
        }
        users: dict[str, str] = {}
        ca_file = realm = ""
        if name == "htpasswd":
            users = {"htuser": secrets.token_hex(8)}
            argv = ["htpasswd", "-B", "-C", "5", "-i", "-n", "htuser"]
            lines = subprocess.run(argv, input=users["htuser"], stdout=subprocess.PIPE, text=True, check=True).stdout
            (own / "htpasswd").write_text(lines)
            config["auth"] = {"htpasswd": {"realm": "pullkit", "path": str(own / "htpasswd")}}
        elif name == "tls":
            ca = pki.make(own, "ca", common_name=f"pullkit registry CA {processes.id}")
            pair = pki.make(own, "server", ca, [host])
            http["tls"] = {"certificate": str(pair.certificate_file), "key": str(pair.key_file)}
            ca_file = str(ca.certificate_file)
        elif name == "token":
            users = {user: secrets.token_hex(8) for user in ("tokenuser", "puller", "teamonly")}
            realm = f"http://{host}:{ports.take()}/token"
            config["auth"] = {"token": _token_server(processes, realm, host, own, users)}
        (own / "config.yml").write_text(yaml.safe_dump(config))
        processes.start(f"registry-{name}", ["docker-registry", "serve", str(own / "config.yml")], own)
        scheme = "https" if ca_file else "http"
        user, password = next(iter(users.items()), ("", ""))
        registries[name] = Registry(name, host, port, scheme, user, password, ca_file, users, realm)
    return registries


def _token_server(processes: Processes, realm: str, host: str, folder: Path, users: dict[str, str]) -> dict[str, str]:
    """Starts it; gives the registry's configuration. The first user may do everything, the others as named here."""
    pair = pki.make(folder, "signer", rsa_key=True)
    main, puller, team = users
    rights = {main: {"*": ALL}, puller: {"*": ["pull"]}, team: {"team/*": ["pull"]}}
    config = {
        "port": urllib.parse.urlsplit(realm).port,
        "service": host,
        "issuer": "pullkit",
        "key_file": str(pair.key_file),
        "certificate_file": str(pair.certificate_file),
        "users": {name: {"password": password, "rights": rights[name]} for name, password in users.items()},
        "anonymous": {"public/*": ["pull"]},
    }
    file = folder / "tokens.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(config, indent=1))
    processes.start("token-server", module("tokenserver", str(file)), folder, module_env())
    return {
        "realm": realm,
        "service": host,
        "issuer": "pullkit",
        "rootcertbundle": str(pair.certificate_file),
    }


def listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


def ports(found: dict[str, Registry]) -> list[int]:
    """The ports of the registries and of the token server."""
    realm = urllib.parse.urlsplit(found["token"].realm)
    return [*(registry.port for registry in found.values()), realm.port or 0]
