"""What is fed with odd bytes, and what has to hold: a result or a CommandError, and nothing raw on a terminal.

Each target takes bytes and raises whatever goes wrong. That it ends, and in bounded memory, is watched from outside.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import urllib3
from pullcheck import document, report
from pullcheck.main import check
from pullcore import challenge
from pullcore.diagnosis import Report, diagnose
from pullcore.errors import CommandError
from pullcore.evidence import from_document, to_json
from pullcore.inquiry import inquire
from pullcore.keyring import Credentials, read_secret
from pullcore.pull_errors import classify
from pullcore.terminal import Style
from pullcore.wire import Access, Wire
from repull.archive import read
from repull.archivestream import write_stream

from tests.unit import builders

OUTPUTS = ("", "wide", "json", "yaml", "name")
PASSWORD = "tiger-9-in-the-tank"
NEXT = b"\n\x00\n"  # between the parts of an input that has several
EACH_BLOB = 1 << 20


def files(data: bytes) -> None:
    """`-f -` with --offline: manifests, helm's output, saved evidence. The first byte says how the report is printed."""
    output = OUTPUTS[data[0] % len(OUTPUTS)] if data else ""
    argv = ["-f", "-", "--offline", *(["-o", output] if output else [])]
    out, err = io.StringIO(), io.StringIO()
    try:
        check(argv, io.TextIOWrapper(io.BytesIO(data[1:])), out, err)
    except CommandError as error:
        err.write(f"{error}\n")
    _clean(out.getvalue(), err.getvalue())
    if output == "json" and out.getvalue():
        json.loads(out.getvalue())


def registries(data: bytes) -> None:
    """A registry and its token service, answering with the parts of the input one after the other, asked by pullcheck."""
    vault = Credentials()
    given = builders.secret_object(password=PASSWORD)
    pod = builders.pod(secrets=["regcred"])
    seen = builders.evidence(pod, builders.node(), secrets=[read_secret(given, vault)])
    wire = _Scripted(data.split(NEXT))
    found = diagnose(inquire(seen, vault, wire))
    _shown(found)
    read_back = diagnose(from_document(json.loads(to_json(found.evidence))))
    assert document.document(read_back) == document.document(found), "saved evidence says something else"
    for header in data.decode("latin-1").splitlines():
        challenge.choose(challenge.parse([header]))


def archives(data: bytes) -> None:
    """An archive of images. The first byte says whether it is the file as it is, or the members of a tar."""
    if data[:1] == b"m":
        data = _tar(data[1:].split(NEXT))
    elif data[:1] == b"r":
        data = data[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive"
        path.write_bytes(data)
        try:
            with read(path) as archive:
                _clean(archive.shown, *archive.notes, *(image.shown for image in archive.images))
                for image in archive.images[:3]:
                    for blob in image.blobs[:5]:
                        with blob.open() as reader:
                            reader.read(EACH_BLOB)
                    size, pieces = write_stream(archive, image, ["reg.test/app:1"])
                    assert sum(map(len, pieces)) == size, "another size than was told"
        except CommandError as error:
            _clean(str(error))


def words(data: bytes) -> None:
    """What kubelets, runtimes and operators say: waiting states, events, a Domain's status."""
    said = [part.decode("utf-8", "replace") for part in data.split(NEXT)]
    message, reason, told = (*said, "", "", "")[:3]
    for one in said:
        assert "\n" not in classify(one, reason).detail
    pod = builders.pod(state={"waiting": {"reason": reason or "ImagePullBackOff", "message": message}}, secrets=["regcred"])
    failed = builders.domain(conditions=[builders.failed_condition(told or message)])
    _shown(builders.report(pod, failed, builders.event(pod, told or message), secrets=[builders.secret()]))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "files": files, "registries": registries, "archives": archives, "words": words,
}  # fmt: skip


def _shown(found: Report) -> None:
    """A report in every form: clean, as its schema says, and without the password."""
    texts = [
        report.explained(found, Style()),
        report.summary(found, Style(), namespaces=True),
        report.listing(found, wide=True, headers=True, namespaces=True),
        document.render(found, "json"),
        document.render(found, "yaml"),
        *report.remarks(found),
        to_json(found.evidence),
    ]
    _clean(*texts)
    assert not any(PASSWORD in text for text in texts), "a password is shown"


def _clean(*texts: str) -> None:
    for text in texts:
        raw = [line for line in text.split("\n") if not line.isprintable()]
        assert not raw, f"raw text would reach a terminal: {raw[0]!r}"


def _tar(parts: list[bytes]) -> bytes:
    """A tar of members whose first line is their name; an empty name followed by `>` and a target is a link."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for part in parts:
            name, _, content = part.partition(b"\n")
            info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
            if content[:1] == b">":
                info.type, info.linkname = tarfile.SYMTYPE, content[1:100].decode("utf-8", "surrogateescape")
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


class _Scripted(Wire):
    """A wire at whose other end somebody reads from a script. All but the sockets is what registries get."""

    def __init__(self, script: list[bytes]) -> None:
        super().__init__(Access(total_timeout=30), user_agent="test", environ={})
        self._script = iter(script)

    def _pool(self, url: str) -> Any:
        return mock.Mock(request=self._answer)

    def _answer(self, method: str, url: str, **_: Any) -> urllib3.HTTPResponse:
        raw = HTTPResponse(_Socket(next(self._script, b"")), method=method)  # type: ignore[arg-type]
        raw.begin()
        headers = urllib3.HTTPHeaderDict(raw.msg.items())
        return urllib3.HTTPResponse(
            raw, headers, raw.status, reason=raw.reason, preload_content=False, decode_content=False, original_response=raw,
            request_method=method,
        )  # fmt: skip


class _Socket:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str, size: Optional[int] = None) -> io.BytesIO:
        return io.BytesIO(self._content)
