"""Which API server, as whom, in which namespace: kubeconfig files and flags resolved as kubectl resolves them.

Written here rather than taken from the `kubernetes` package, whose loader differs from kubectl's (clientcmd):

| topic | here, as in kubectl | kubernetes 35 to 37 |
| --- | --- | --- |
| several files | the first wins for every name and for current-context | current-context of the last |
| an empty file | counts for nothing | an error |
| KUBECONFIG | read when a connection is made | read at import |
| `as`, `as-groups` and the like | honoured | ignored |
| --server, --token and the like | override, and drop what would contradict them | no such thing |
| tokenFile beside token | the file wins | the token wins |
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote, urlsplit

from pullcore import yamltext
from pullcore.command import Connection
from pullcore.errors import CommandError, one_line

LARGEST = 16 * 1024 * 1024
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# The fields that are read, and their types: anything else in a kubeconfig is left alone, as kubectl does.
_FIELDS: dict[str, dict[str, type]] = {
    "cluster": {
        "server": str, "tls-server-name": str, "insecure-skip-tls-verify": bool, "certificate-authority": str,
        "certificate-authority-data": str, "proxy-url": str, "extensions": list,
    },
    "user": {
        "client-certificate": str, "client-certificate-data": str, "client-key": str, "client-key-data": str,
        "token": str, "tokenFile": str, "username": str, "password": str, "exec": dict, "auth-provider": dict,
        "as": str, "as-uid": str, "as-groups": list, "as-user-extra": dict,
    },
    "context": {"cluster": str, "user": str, "namespace": str},
}  # fmt: skip
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True)
class Config:
    """Kubeconfig files merged: entries by name, file names in them absolute."""

    current_context: str = ""
    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    users: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    contexts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def behind(self, other: Config) -> Config:
        """This one where `other`, which comes first, says nothing. An entry is taken whole, never mixed."""
        return Config(
            other.current_context or self.current_context,
            {**self.clusters, **other.clusters},
            {**self.users, **other.users},
            {**self.contexts, **other.contexts},
        )


@dataclass(frozen=True)
class Settings:
    """One API server and one identity, ready to connect; `cluster` and `user` hold kubeconfig's own fields."""

    context: Optional[str]
    namespace: str
    server: str
    cluster: Mapping[str, Any] = field(repr=False)
    user: Mapping[str, Any] = field(repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()
    """Request headers; several groups are several headers of one name."""


def resolve(connection: Connection, environ: Mapping[str, str]) -> Settings:
    """What the command line, the kubeconfig files, and in a pod its service account, add up to.

    Raises CommandError, in kubectl's words where it has some, for files that are none and names that do not exist.
    """
    config = load(connection.kubeconfig, environ)
    named = connection.server or connection.cluster or connection.context
    if not (config.clusters or config.contexts or named) and _in_pod(environ):
        return _override(_of_pod(environ), connection)
    name = connection.context or config.current_context
    if name and name not in config.contexts:
        raise CommandError(f'context "{one_line(name, 200)}" does not exist')
    context = config.contexts.get(name, {})
    cluster_name = connection.cluster or context.get("cluster") or ""
    user_name = connection.user or context.get("user") or ""
    if connection.cluster and connection.cluster not in config.clusters:
        raise CommandError(f'cluster "{one_line(connection.cluster, 200)}" does not exist')
    if connection.user and connection.user not in config.users:
        raise CommandError(f'auth info "{one_line(connection.user, 200)}" does not exist')
    cluster = config.clusters.get(cluster_name, {})
    if not (connection.server or cluster.get("server")):
        raise CommandError(_no_server(config, name, cluster_name))
    settings = Settings(
        context=name or None,
        namespace=context.get("namespace") or "default",
        server=cluster.get("server") or "",
        cluster=cluster,
        user=config.users.get(user_name, {}),
    )
    return _override(settings, connection)


def load(explicit: Optional[str], environ: Mapping[str, str]) -> Config:
    """The merged files: `explicit` alone, else those of KUBECONFIG, else ~/.kube/config.

    In KUBECONFIG a missing file is passed over; --kubeconfig names a file that must be there.
    """
    if explicit:
        return _read(explicit, must_exist=True)
    listed = environ.get("KUBECONFIG", "")
    if listed:
        names = [name for name in listed.split(os.pathsep) if name]
    else:
        home = environ.get("HOME") or str(Path.home())
        names = [str(Path(home, ".kube", "config"))]
    merged = Config()
    for name in dict.fromkeys(names):
        merged = _read(name, must_exist=False).behind(merged)
    return merged


def _read(name: str, *, must_exist: bool) -> Config:
    shown = one_line(name, 200)
    try:
        with Path(name).open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        if must_exist:
            raise CommandError(f"stat {shown}: no such file or directory") from None
        return Config()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise CommandError(f'error loading config file "{shown}": {reason}') from None
    try:
        if len(content) > LARGEST:
            raise ValueError(f"is larger than {LARGEST // 2**20} MiB")
        found = list(yamltext.documents(content.decode("utf-8-sig")))
        return _config(found[0] if found else None, os.path.abspath(os.path.dirname(name)))  # noqa: PTH100, PTH120
    except UnicodeDecodeError:
        raise CommandError(f'error loading config file "{shown}": is not text') from None
    except ValueError as error:
        raise CommandError(f'error loading config file "{shown}": {one_line(error, 300)}') from None


def _config(document: Any, directory: str) -> Config:
    if document is None:
        return Config()
    if not isinstance(document, dict):
        raise ValueError(f"is not a kubeconfig: it holds {_kind(document)}")
    if document.get("kind") not in (None, "", "Config"):
        raise ValueError(f"is not a kubeconfig: its kind is {one_line(document['kind'], 60)}")
    current = document.get("current-context") or ""
    if not isinstance(current, str):
        raise ValueError(f"current-context must be text, not {_kind(current)}")
    entries = {word: _entries(document.get(word + "s"), word, directory) for word in _FIELDS}
    return Config(current, entries["cluster"], entries["user"], entries["context"])


def _entries(listed: Any, word: str, directory: str) -> dict[str, Mapping[str, Any]]:
    """The entries of `clusters`, `users` or `contexts` by name, with the fields of _FIELDS."""
    if listed is not None and not isinstance(listed, list):
        raise ValueError(f"{word}s must be a list, not {_kind(listed)}")
    entries: dict[str, Mapping[str, Any]] = {}
    for index, item in enumerate(listed or ()):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            raise ValueError(f"{word}s[{index}] has no name that is text")
        if name in entries:
            raise ValueError(f'duplicate name "{name}" in {word}s')
        values = item.get(word) or {}
        if not isinstance(values, dict):
            raise ValueError(f'{word} "{name}" must be a mapping, not {_kind(values)}')
        known: dict[str, Any] = {}
        for key, expected in _FIELDS[word].items():
            value = values.get(key)
            if value is not None and not isinstance(value, expected):
                raise ValueError(f'{key} of {word} "{name}" is {_kind(value)}, not {_TYPES[expected]}')
            if value:
                known[key] = os.path.join(directory, str(value)) if key in _PATHS else value  # noqa: PTH118
        if "exec" in known:
            known["exec"] = _exec(known["exec"], name, directory)
        entries[name] = known
    return entries


def _exec(plugin: Mapping[str, Any], name: str, directory: str) -> Mapping[str, Any]:
    """A user's exec section, checked; a command with a slash is relative to the file that names it."""
    command, arguments, environment = plugin.get("command"), plugin.get("args") or [], plugin.get("env") or []
    if not isinstance(command, str) or not command:
        raise ValueError(f'exec of user "{name}" has no command')
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError(f'exec.args of user "{name}" must be a list of texts')
    pairs = [(item.get("name"), item.get("value")) for item in environment if isinstance(item, dict)]
    if len(pairs) != len(environment) or not all(isinstance(text, str) for pair in pairs for text in pair):
        raise ValueError(f'exec.env of user "{name}" must be a list of names and values that are texts')
    if os.sep in command:
        command = os.path.join(directory, command)  # noqa: PTH118
    return {**plugin, "command": command, "args": arguments, "env": dict(pairs)}


def _override(settings: Settings, connection: Connection) -> Settings:
    """The flags on top; one that contradicts a field of the file also drops it (clientcmd, client_config.go)."""
    cluster, user = dict(settings.cluster), dict(settings.user)
    if connection.server or connection.tls_server_name:
        # A --server drops the file's TLS name, which belongs to the file's server.
        cluster["tls-server-name"] = connection.tls_server_name
    if connection.insecure_skip_tls_verify or connection.certificate_authority:
        cluster.pop("certificate-authority-data", None)
        cluster["certificate-authority"] = connection.certificate_authority
        cluster["insecure-skip-tls-verify"] = connection.insecure_skip_tls_verify
    if connection.token:
        user.pop("tokenFile", None)
        user["token"] = connection.token
    if connection.client_certificate:
        user.pop("client-certificate-data", None)
        user["client-certificate"] = connection.client_certificate
    if connection.client_key:
        user.pop("client-key-data", None)
        user["client-key"] = connection.client_key
    authority = cluster.get("certificate-authority") or cluster.get("certificate-authority-data")
    if authority and cluster.get("insecure-skip-tls-verify"):
        raise CommandError("specifying a root certificates file with the insecure flag is not allowed")
    secured = authority or cluster.get("insecure-skip-tls-verify") or "client-certificate" in " ".join(user)
    return replace(
        settings,
        namespace=connection.namespace or settings.namespace,
        server=_url(connection.server or settings.server, secured=bool(secured)),
        cluster={key: value for key, value in cluster.items() if value},
        user=user,
        impersonation=tuple(_impersonation(user, connection)),
    )


def _impersonation(user: Mapping[str, Any], connection: Connection) -> Iterable[tuple[str, str]]:
    name = connection.as_user or user.get("as")
    uid = connection.as_uid or user.get("as-uid")
    groups = connection.as_groups or tuple(map(str, user.get("as-groups") or ()))
    extra = connection.as_user_extra or tuple(
        (str(key), str(value))
        for key, values in (user.get("as-user-extra") or {}).items()
        for value in (values if isinstance(values, list) else [values])
    )
    if not name:
        if uid or groups or extra:
            raise CommandError("requesting uid, groups or user-extra without impersonating a user (--as)")
        return
    yield "Impersonate-User", name
    if uid:
        yield "Impersonate-Uid", uid
    for group in groups:
        yield "Impersonate-Group", group
    for key, value in extra:  # a header's name takes few characters: client-go escapes the others
        yield "Impersonate-Extra-" + quote(key.lower(), safe="!#$&'*+^`|"), value


def _url(server: str, *, secured: bool) -> str:
    """The base URL: https if nothing is said and TLS is set up, as rest.DefaultServerURL; no user name in it."""
    shown = one_line(server.rpartition("@")[2], 200)
    url = server if "://" in server else f"{'https' if secured else 'http'}://{server}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or any(ord(char) <= 32 or ord(char) == 127 for char in server):
        raise CommandError(f'the server "{shown}" is not an http or https URL')
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _no_server(config: Config, context: str, cluster: str) -> str:
    if not (config.clusters or config.contexts):
        return (
            "no cluster is configured: there is no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config), "
            "and this is not a pod with a service account"
        )
    if not context and not cluster:
        known = one_line(", ".join(config.contexts), 300)
        return f"no cluster is chosen: the kubeconfig has no current-context; use --context (there are: {known})"
    if not cluster:
        return f'context "{one_line(context, 200)}" names no cluster'
    missing = "has no server" if cluster in config.clusters else "does not exist"
    return f'cluster "{one_line(cluster, 200)}" of context "{one_line(context, 200)}" {missing}'


def _in_pod(environ: Mapping[str, str]) -> bool:
    """client-go's test: the service's address in the environment and a mounted token."""
    address = environ.get("KUBERNETES_SERVICE_HOST") and environ.get("KUBERNETES_SERVICE_PORT")
    return bool(address) and (SERVICE_ACCOUNT / "token").is_file()


def _of_pod(environ: Mapping[str, str]) -> Settings:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except (OSError, ValueError):
        namespace = ""
    return Settings(
        context=None,
        namespace=environ.get("POD_NAMESPACE") or namespace or "default",
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        cluster={"certificate-authority": str(SERVICE_ACCOUNT / "ca.crt")},
        user={"tokenFile": str(SERVICE_ACCOUNT / "token")},
    )


_TYPES = {str: "text", bool: "true or false", list: "a list", dict: "a mapping"}


def _kind(value: Any) -> str:
    return _TYPES.get(type(value), f"a {type(value).__name__}")
