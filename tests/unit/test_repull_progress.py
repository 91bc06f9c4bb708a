"""How far an upload is, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from repull import progress
from repull.archivedimage import Blob
from repull.archivefiles import Piece
from repull.progress import Upload


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def blob(letter: str, size: int) -> Blob:
    return Blob("sha256:" + letter * 64, size, "x", Piece(size), "app.tar")


ONE, TWO = blob("a", 1_000_000), blob("b", 3_000_000)


def test_elsewhere_each_blob_is_a_line_when_it_is_done() -> None:
    out = io.StringIO()
    upload = Upload(out, (ONE, TWO))
    upload.sent(ONE, 500)
    upload.ended(TWO, "there")
    upload.ended(ONE, "uploaded")
    upload.close()
    assert out.getvalue() == f"  sha256:{'b' * 12}  3.0 MB  is there already\n  sha256:{'a' * 12}  1.0 MB  uploaded\n"


def test_on_a_terminal_one_line_changes_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    out = Terminal()
    upload = Upload(out, (ONE, TWO))
    upload.sent(ONE, 500_000)
    upload.ended(ONE, "uploaded")
    upload.sent(TWO, 1_000_000)
    upload.ended(TWO, "mounted")
    upload.close()
    shown = [text.rstrip() for text in out.getvalue().split("\r")]
    assert shown[1:] == [
        "  0 of 2 blobs, 500 kB of 4.0 MB",
        "  1 of 2 blobs, 1.0 MB of 4.0 MB",
        "  1 of 2 blobs, 2.0 MB of 4.0 MB",
        "  2 of 2 blobs, 4.0 MB of 4.0 MB",
    ]
    assert out.getvalue().endswith("\n")
