"""What the integration tests share: authorities, stand-ins that are closed again, names that lead elsewhere."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union

import pytest

from tests.e2e.cluster.pki import make

from .certificates import Authority
from .hostile import Hostile
from .pullsecret_kit import Kit

H = TypeVar("H", bound=Hostile)
Resolve = Callable[[Mapping[str, Union[str, OSError]]], None]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that this machine does not know."""
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[pytest.MonkeyPatch], None]]:
    """Has this machine know one authority, which nobody uses: those of a system take 20 ms to read, each time."""
    unused = make(tmp_path_factory.mktemp("unused"), "unused").certificate_file
    yield lambda monkeypatch: monkeypatch.setenv("SSL_CERT_FILE", str(unused))


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Iterator[Kit]:
    """kubectl pullsecret with its stand-ins; tests of other commands have a kit of their own."""
    made = Kit(tmp_path, monkeypatch, authority)
    yield made
    made.close()


@pytest.fixture
def keep(
    monkeypatch: pytest.MonkeyPatch, few_authorities: Callable[[pytest.MonkeyPatch], None]
) -> Iterator[Callable[[H], H]]:
    """Closes a server when the test is over."""
    few_authorities(monkeypatch)
    with contextlib.ExitStack() as stack:

        def kept(server: H) -> H:
            stack.callback(server.close)
            return server

        yield kept


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Names that lead to an address of this machine, or to an error, in this process alone."""
    known: dict[str, Union[str, OSError]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **more: Any) -> Any:
        found = known.get(host, host)
        if isinstance(found, OSError):
            raise found
        return real(found, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known.update
