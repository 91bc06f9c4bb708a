"""A kubeconfig's user and certificates as an Authorization header and a TLS context."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from pullcore import execplugin
from pullcore.errors import CommandError, one_line
from pullcore.kubeconfig import Settings
from pullcore.signals import shielded
from pullcore.trust import verifying_context

OPENED = "/proc/self/fd"  # where Linux names the files that a process has open


@dataclass(frozen=True)
class Credential:
    """Who we are: the Authorization header, and a client certificate with its key (PEM)."""

    authorization: str = field(default="", repr=False)
    certificate: Optional[bytes] = field(default=None, repr=False)
    key: Optional[bytes] = field(default=None, repr=False)


def credential(
    settings: Settings, environ: Mapping[str, str], of_provider: Callable[[Mapping[str, Any], str], str]
) -> Credential:
    """What proves who we are; a token beats an exec plugin, and a token file beats a token (client-go).

    of_provider: makes a header of kubeconfig's old auth-provider. Raises CommandError for files that cannot be read,
    and with the message of an exec plugin that fails.
    """
    user = settings.user
    certificate = _pem(user, "client-certificate", "client-cert")
    key = _pem(user, "client-key", "client-key")
    if bool(certificate) != bool(key):
        raise CommandError("client-certificate and client-key must be given together")
    token = str(user.get("token") or "")
    if "tokenFile" in user:
        try:
            token = Path(user["tokenFile"]).read_text().strip() or token
        except (OSError, ValueError) as error:
            if not token:
                raise CommandError(f"unable to read tokenFile {_failed(user['tokenFile'], error)}") from None
    if token:
        return Credential(f"Bearer {token}", certificate, key)
    if "exec" in user:
        answer = execplugin.run(user["exec"], {**settings.cluster, "server": settings.server}, environ)
        if answer.certificate and answer.key:
            certificate, key = answer.certificate.encode(), answer.key.encode()
        return Credential(f"Bearer {answer.token}" if answer.token else "", certificate, key)
    if "auth-provider" in user:
        return Credential(of_provider(user["auth-provider"], settings.server), certificate, key)
    if "username" in user or "password" in user:
        pair = f"{user.get('username', '')}:{user.get('password', '')}"
        return Credential("Basic " + base64.b64encode(pair.encode()).decode(), certificate, key)
    return Credential("", certificate, key)


def tls_context(settings: Settings, credential: Credential) -> ssl.SSLContext:
    """TLS as this cluster wants it; CommandError for certificates and keys that are none. Leaves no key on disk, whatever
    ends the process."""
    cluster = settings.cluster
    authority = _pem(cluster, "certificate-authority", "certificate-authority")
    try:
        context = verifying_context(authority.decode("latin-1") if authority else None)
    except (ssl.SSLError, ValueError):
        raise CommandError("unable to load root certificates: unable to parse bytes as PEM block") from None
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credential.certificate and credential.key:
        with _as_files(credential.certificate, credential.key) as (certificate, key):
            try:
                context.load_cert_chain(certificate, key, password=b"")  # never asks on the terminal
            except (ssl.SSLError, ValueError, OSError) as error:
                reason = one_line(getattr(error, "reason", None) or "not a PEM key pair", 100)
                raise CommandError(f"the client certificate and key cannot be used: {reason}") from None
    return context


@contextmanager
def _as_files(*contents: bytes) -> Iterator[list[str]]:
    """Paths of the contents, for OpenSSL reads only files: in memory where the system has such (Linux), so that not even a
    kill leaves a key; else for a moment in a folder that nobody else can enter."""
    with ExitStack() as stack:
        try:
            Path(OPENED).stat()  # not there in some sandboxes
            numbers = [os.memfd_create("kubectl-pullkit") for _ in contents]
            paths = [f"{OPENED}/{number}" for number in numbers]
        except (AttributeError, OSError):
            stack.enter_context(shielded())
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kubectl-pullkit-"))
            paths = [str(Path(folder, str(number))) for number in range(len(contents))]
            numbers = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) for path in paths]
        for number, content in zip(numbers, contents):
            stack.enter_context(os.fdopen(number, "wb", buffering=0)).write(content)
        yield paths


def _pem(entry: Mapping[str, Any], key: str, shown: str) -> Optional[bytes]:
    """The content of a kubeconfig field: `KEY-data` in base64, else the file that KEY names; None for neither."""
    data, path = entry.get(key + "-data"), entry.get(key)
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError:
            raise CommandError(f"{key}-data in the kubeconfig is not base64") from None
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CommandError(f"unable to read {shown} {_failed(path, error)}") from None


def _failed(path: str, error: Exception) -> str:
    return f"{one_line(path, 200)}: {(getattr(error, 'strerror', None) or str(error)).lower()}"
