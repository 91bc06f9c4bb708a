"""The JSON documents of an image archive: read whole, but never more of them than can be held. Errors are CommandErrors that
name the archive."""

from __future__ import annotations

import json
from typing import Optional

from pullcore.errors import CommandError

from repull.archivedimage import Object
from repull.archivefiles import Files, content

DOCUMENT = 4 * 1024 * 1024  # bytes of an index, a manifest or a config: what registries have to take (distribution spec)
DOCUMENTS = 64 * 1024 * 1024  # bytes of all of them together, for they are held in memory
IMAGES = 500  # of one archive
LAYERS = 500  # of one image


class Documents:
    """Those of one open archive."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._held = 0

    def damaged(self, text: str) -> CommandError:
        return CommandError(f"{self.files.shown}: {text}")

    def read(self, name: str) -> Optional[bytes]:
        """The file of that name; None where there is none."""
        return content(self.files, name, DOCUMENT)

    def hold(self, text: bytes) -> None:
        """Counts what stays in memory."""
        self._held += len(text)
        if self._held > DOCUMENTS:
            raise self.damaged(f"more than {DOCUMENTS >> 20} MiB of manifests and configs")

    def parsed(self, text: bytes, what: str) -> Object:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise self.damaged(f"{what} is not the JSON that it should be")
        return document

    def listed(self, document: Object, name: str, what: str, most: int = IMAGES) -> list[Object]:
        """A list of objects in a document that is called `what` in messages."""
        listed = document.get(name)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed) or len(listed) > most:
            raise self.damaged(f"{what} has no list of {name} that can be read")
        return listed
