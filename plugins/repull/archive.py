"""Image archives: what `docker save`, podman, skopeo, buildx and others write, as images, manifests and blobs.

Two layouts, each as a tar, a tar packed by gzip, or a folder: the OCI image layout (`ocilayout`), and docker's
(`dockerlayout`). `docker save` since 25 writes both in one; then the OCI one counts. Of layers no more is read here than has
to be; each is checked against its digest while it is read later.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from types import TracebackType
from typing import Optional, Union

from pullcore.errors import CommandError

from repull import dockerlayout, ocilayout
from repull.archivedimage import ArchivedImage
from repull.archivedocuments import Documents
from repull.archivefiles import Files, open_files


class Archive:
    """An open archive; to be closed, which ends the reading of its blobs. notes: one line each, of what was left out."""

    def __init__(self, files: Files, images: tuple[ArchivedImage, ...], notes: tuple[str, ...]) -> None:
        self.shown = files.shown
        self.images = images
        self.notes = notes
        self._files = files

    def close(self) -> None:
        self._files.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def read(path: Union[str, PurePath]) -> Archive:
    """The images of an archive, which stays open. A tar packed by gzip is unpacked first, into a temporary file in TMPDIR
    or beside it (see archivefiles). Raises CommandError where it is no image archive, is damaged or cut off, or holds no
    image whole."""
    files = open_files(Path(path).expanduser())
    try:
        images, notes = _contents(files)
        if not images:
            missing = "; ".join(notes)
            raise CommandError(f"{files.shown} holds no image" + (f": {missing}" if missing else ""))
        return Archive(files, images, tuple(dict.fromkeys(notes)))
    except BaseException:
        files.close()
        raise


def _contents(files: Files) -> tuple[tuple[ArchivedImage, ...], list[str]]:
    """The images of one layout or the other, and notes of what was left out."""
    documents = Documents(files)
    if (index := documents.read("index.json")) is not None:
        return ocilayout.images_of(index, documents)
    if (listed := documents.read("manifest.json")) is not None:
        return dockerlayout.images_of(listed, documents), []
    raise CommandError(
        f"{files.shown} is no image archive: it has neither index.json (OCI layout) nor manifest.json (docker save)"
    )
