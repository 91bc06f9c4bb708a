"""Credentials from a kubeconfig's exec plugin, by client-go's rules (client-go, plugin/pkg/client/auth/exec).

Not the `kubernetes` package's: that one logs a failure and goes on as nobody, swallows the prompts that a plugin
writes to standard error when output is piped, and starts the plugin in another directory.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from pullcore.errors import CommandError, one_line

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_CLUSTER_FIELDS = (
    "server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url",
)  # fmt: skip


@dataclass(frozen=True)
class Credential:
    """A bearer token, or a client certificate with its key (PEM), or both."""

    token: Optional[str] = field(default=None, repr=False)
    certificate: Optional[str] = field(default=None, repr=False)
    key: Optional[str] = field(default=None, repr=False)


def run(plugin: Mapping[str, Any], cluster: Mapping[str, Any], environ: Mapping[str, str]) -> Credential:
    """Runs the plugin of a user's `exec` section and returns what it answered.

    Raises CommandError with the plugin's own message, or with its installHint when it is not installed.
    """
    command = plugin["command"]
    shown = one_line(command, 200)
    version = plugin.get("apiVersion")
    if version not in _VERSIONS:
        raise CommandError(f'exec plugin {shown}: invalid apiVersion "{one_line(version, 100)}"')
    mode = plugin.get("interactiveMode") or "IfAvailable"
    interactive = mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not interactive:
        raise CommandError(f"exec plugin {shown} cannot support interactive mode: standard input is not a terminal")
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    # A prompt must be seen while the plugin waits; where nobody looks, the text goes into the error instead.
    seen = sys.stderr is not None and sys.stderr.isatty()
    try:
        done = subprocess.run(
            [command, *plugin["args"]],
            env={**environ, **plugin["env"], "KUBERNETES_EXEC_INFO": json.dumps(info, default=str)},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if seen else subprocess.PIPE,
            check=False,
        )
    except FileNotFoundError:
        hint = one_line(plugin.get("installHint") or "", 2000)
        raise CommandError(f"getting credentials: exec: executable {shown} not found{f': {hint}' if hint else ''}") from None
    except (OSError, ValueError) as error:
        raise CommandError(
            f"getting credentials: exec: {shown}: {one_line(getattr(error, 'strerror', None) or error)}"
        ) from None
    if done.returncode != 0:
        said = one_line((done.stderr or b"").decode(errors="replace")[-2000:])
        raise CommandError(
            f"getting credentials: exec: executable {shown} failed with exit code {done.returncode}"
            + (f": {said}" if said else "")
        )
    return _credential(done.stdout, version, shown)


def _credential(answer: bytes, version: str, shown: str) -> Credential:
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        raise CommandError(f"exec plugin {shown}: its output is not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        raise CommandError(f"exec plugin {shown}: its output is not an ExecCredential")
    if document.get("apiVersion") != version:
        found = one_line(document.get("apiVersion"), 100)
        raise CommandError(f"exec plugin {shown} is configured to use API version {version}, it answered {found}")
    status = document.get("status")
    values = [
        status.get(key) if isinstance(status, dict) else None for key in ("token", "clientCertificateData", "clientKeyData")
    ]
    token, certificate, key = (value if isinstance(value, str) and value else None for value in values)
    if not token and not (certificate and key):
        raise CommandError(f"exec plugin {shown} didn't return a token or cert/key pair")
    return Credential(token, certificate if key else None, key if certificate else None)


def _cluster_info(cluster: Mapping[str, Any]) -> dict[str, Any]:
    info = {key: cluster[key] for key in _CLUSTER_FIELDS if key in cluster}
    authority = cluster.get("certificate-authority")
    if authority and "certificate-authority-data" not in info:  # plugins get the content, not a path
        with suppress(OSError):
            info["certificate-authority-data"] = base64.b64encode(Path(authority).read_bytes()).decode()
    for extension in cluster.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info
