"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pullcore.signals import shielded


def write_whole(path: Path, text: str) -> None:
    """Puts the text in the place of what is there, readable by its owner only; an interrupt comes afterwards. Raises
    OSError, and leaves the file then as it was."""
    with shielded():
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
