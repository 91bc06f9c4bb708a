"""Credentials out of a Docker config: its own entries, its credential helpers and store (docker/cli, config/configfile).

A helper is a program `docker-credential-NAME` that gets a registry on its standard input and answers in JSON
(docker/docker-credential-helpers). It runs with a bound on its time, and what it prints is never shown.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from pullcore.authfile import find, registry_of
from pullcore.authkey import FALLBACK_KEY
from pullcore.errors import CommandError, one_line
from pullcore.reference import DOCKER_HUB

TIMEOUT = 30.0
LARGEST = 4 * 1024 * 1024
IDENTITY = "<token>"  # the user name by which helpers say that they give an identity token


@dataclass(frozen=True)
class Login:
    """A user and a password; `source` says where it comes from."""

    username: str
    password: str = field(repr=False)
    source: str = ""


def default_config(environ: Mapping[str, str]) -> Path:
    folder = environ.get("DOCKER_CONFIG")
    return Path(folder, "config.json") if folder else Path(environ.get("HOME", ""), ".docker", "config.json")


def login_from(config: Path, key: str, environ: Mapping[str, str]) -> Login:
    """The login that Docker would use for a registry, by its key in a pull secret. Raises CommandError where there is none,
    or none that the kubelet can use."""
    document = _read(config)
    registry = registry_of(key)
    helper = _helper_for(document, registry)
    if helper:
        return _from_helper(helper, FALLBACK_KEY if registry == DOCKER_HUB else registry, environ)
    entry = find(document, key) or find(document, FALLBACK_KEY if registry == DOCKER_HUB else registry)
    shown = one_line(config, 200)
    if not isinstance(entry, dict):
        raise CommandError(f"{shown} has no login for {registry}: `docker login {registry}` makes one")
    if entry.get("identitytoken"):
        raise CommandError(f"{shown} has an identity token for {registry}, which kubelets ignore: use a user and a password")
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except ValueError:
            raise CommandError(f"the entry for {registry} in {shown} can't be read") from None
        user, _, password = decoded.partition(":")
    if not user or not password:
        raise CommandError(f"the entry for {registry} in {shown} has no user or no password")
    return Login(user, password, shown)


def _read(config: Path) -> dict[str, Any]:
    shown = one_line(config, 200)
    try:
        if config.stat().st_size > LARGEST:
            raise CommandError(f"{shown} is too large for a Docker config")
        document = json.loads(config.read_bytes())
    except OSError as error:
        raise CommandError(f"{shown} can't be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError):
        raise CommandError(f"{shown} is no JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("auths") or {}, dict):
        raise CommandError(f"{shown} is no Docker config")
    return document


def _helper_for(document: Mapping[str, Any], registry: str) -> str:
    """The helper of this registry, else the store of all."""
    helpers = document.get("credHelpers")
    names = (FALLBACK_KEY, "index.docker.io", DOCKER_HUB) if registry == DOCKER_HUB else (registry,)
    own = next((helpers[name] for name in names if name in helpers), None) if isinstance(helpers, dict) else None
    return str(own or document.get("credsStore") or "")


def _from_helper(helper: str, server: str, environ: Mapping[str, str]) -> Login:
    program = _program(helper, environ)
    shown = f"docker-credential-{helper}"
    try:
        run = subprocess.run(
            [program, "get"],
            input=server.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            env=dict(environ),
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"{shown} did not answer within {TIMEOUT:g}s") from None
    except OSError as error:
        raise CommandError(f"{shown} can't be run: {(error.strerror or str(error)).lower()}") from None
    answer = _answer(run.stdout[:LARGEST])
    user, password = answer.get("Username"), answer.get("Secret")
    if run.returncode or not isinstance(user, str) or not isinstance(password, str) or not user or not password:
        raise CommandError(f"{shown} has no login for {one_line(server, 200)} (exit status {run.returncode})")
    if user == IDENTITY:
        raise CommandError(f"{shown} gives an identity token for {one_line(server, 200)}, which kubelets ignore")
    return Login(user, password, shown)


def _program(helper: str, environ: Mapping[str, str]) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", helper):
        raise CommandError(f"the Docker config names a credential helper {one_line(helper, 60)!r}, which is no name")
    found: Optional[str] = shutil.which(f"docker-credential-{helper}", path=environ.get("PATH", os.defpath))
    if not found:
        raise CommandError(f"the Docker config wants docker-credential-{helper}, which is not on PATH")
    return found


def _answer(output: bytes) -> dict[str, Any]:
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
