"""The files inside an image archive, by name: of a tar that is never unpacked, or of a folder.

Names are only looked up and nothing is written where an archive says so; all the same, whoever made a name that leads out of
the archive meant harm, and it is refused. Only headers are held in memory. Errors are CommandErrors that name the archive.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import posixpath
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Optional, Protocol, cast

from pullcore.errors import CommandError, one_line

MEMBERS = 10_000  # of a tar; images have at most 127 layers
HEADER = 1024 * 1024  # of one member, with its long names
LARGEST = 500 * 2**30  # bytes, unpacked
PIECE = 1024 * 1024
HOPS = 10  # of links
PACKED = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"\xfd7zXZ\x00": ("xz", "xz -d"),
    b"BZh": ("bzip2", "bzip2 -d"),
}
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Piece:
    """Where the bytes of one file are: in an open file (its descriptor), or at a path of its own."""

    size: int
    offset: int = 0
    descriptor: Optional[int] = None
    path: Optional[Path] = None


class Files(Protocol):
    """An open archive. `shown`: its name for messages."""

    shown: str

    def find(self, name: str) -> Optional[Piece]:
        """The regular file of that name, links followed inside the archive; None where there is none."""

    def close(self) -> None: ...


class Reader(io.RawIOBase):
    """The bytes of one file, from `start` to the last. Where a digest is given, the last ones come only after all were
    checked against it. Raises CommandError. Several may read the same archive at once, also from several threads."""

    def __init__(self, piece: Piece, shown: str, digest: str = "", start: int = 0) -> None:
        super().__init__()
        self._piece, self._shown, self._digest = piece, shown, digest
        self._done = start
        self._hash = hashlib.new(digest.partition(":")[0]) if digest else None
        self._own = piece.path is not None
        self._descriptor = _opened(piece.path, shown) if piece.path is not None else piece.descriptor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._piece.size - self._done)
        if not wanted or self._descriptor is None:
            return 0
        try:
            found = os.pread(self._descriptor, wanted, self._piece.offset + self._done)
        except OSError as error:
            raise CommandError(f"{self._shown}: {(error.strerror or str(error)).lower()}") from None
        if not found:
            raise CommandError(f"{self._shown} became shorter while it was read")
        self._done += len(found)
        if self._hash:
            self._hash.update(found)
            if self._done == self._piece.size and f"{self._hash.name}:{self._hash.hexdigest()}" != self._digest:
                raise CommandError(f"{self._shown}: the content of {self._digest[:19]} is another: the archive is damaged")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if self._own and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()


def open_files(path: Path) -> Files:
    """The files of an archive: a folder, a tar, or a tar packed by gzip, which is unpacked to a temporary file first: in
    TMPDIR where that is set, else beside the archive, else in the system's own place. Raises CommandError."""
    shown = one_line(path, 200)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise CommandError(f"{shown}: {one_line(reason, 100)}") from None
    if stat.S_ISDIR(mode):
        return FolderFiles(path, shown)
    if not stat.S_ISREG(mode):
        raise CommandError(f"{shown} is neither a file nor a folder")
    try:
        return _tar(path, shown)
    except OSError as error:
        raise CommandError(f"{shown}: {(error.strerror or str(error)).lower()}") from None


class FolderFiles:
    """A folder; what leads out of it is refused."""

    def __init__(self, root: Path, shown: str) -> None:
        self.shown = shown
        self._root = root.resolve()

    def find(self, name: str) -> Optional[Piece]:
        try:
            place = (self._root / name).resolve(strict=True)
            found = place.stat()
        except (OSError, RuntimeError, ValueError):  # a loop of links is a RuntimeError up to Python 3.12
            return None
        if self._root not in place.parents:
            raise CommandError(f"{self.shown}: {one_line(name, 100)} leads out of the folder")
        return Piece(found.st_size, path=place) if stat.S_ISREG(found.st_mode) else None

    def close(self) -> None:
        """Nothing is kept open."""


class TarFiles:
    """A tar, as an index of its members; the last one of a name counts, as tar has it."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self.shown = shown
        self._file = file
        self._pieces: dict[str, Piece] = {}
        self._links: dict[str, str] = {}
        for member in _members(file, shown):
            name = self._name(member.name)
            self._pieces.pop(name, None)
            self._links.pop(name, None)
            if member.issym():
                self._links[name] = posixpath.join(posixpath.dirname(name), member.linkname)
            elif member.islnk():
                self._links[name] = member.linkname
            elif member.isreg() and not member.issparse():
                self._pieces[name] = Piece(member.size, member.offset_data, file.fileno())

    def find(self, name: str) -> Optional[Piece]:
        for _ in range(HOPS):
            if name not in self._links:
                return self._pieces.get(name)
            name = self._name(self._links[name])
        return None

    def _name(self, written: str) -> str:
        name = posixpath.normpath(written)
        if name.startswith(("/", "../")) or name == "..":
            raise CommandError(f"{self.shown}: {one_line(written, 100)!r} leads out of the archive")
        return name

    def close(self) -> None:
        self._file.close()


def content(files: Files, name: str, limit: int) -> Optional[bytes]:
    """A small file whole; None where there is none. Raises CommandError where it is larger than `limit` bytes."""
    piece = files.find(name)
    if piece is None:
        return None
    if piece.size > limit:
        raise CommandError(f"{files.shown}: {one_line(name, 100)} has {piece.size} bytes, which no such file needs")
    with Reader(piece, files.shown) as reader:
        return reader.readall() or b""


def _opened(path: Path, shown: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise CommandError(f"{shown}: {one_line(path.name, 100)}: {(error.strerror or str(error)).lower()}") from None


def _tar(path: Path, shown: str) -> TarFiles:
    file: BinaryIO = path.open("rb")
    try:
        start = file.read(6)
        for magic, (name, command) in PACKED.items():
            if start.startswith(magic):
                raise CommandError(f"{shown} is packed with {name}: unpack it first, with `{command}`")
        if start.startswith(GZIP):
            with file:
                file = _unpacked(file, path, shown)
        return TarFiles(file, shown)
    except BaseException:
        file.close()
        raise


def _unpacked(file: BinaryIO, path: Path, shown: str) -> BinaryIO:
    """The tar in a temporary file that has no name, so that nothing is left whatever happens."""
    file.seek(0)
    made = _temporary(path)
    size = 0
    try:
        with gzip.open(file) as source:
            while piece := source.read(PIECE):
                size += len(piece)
                if size > LARGEST:
                    raise CommandError(f"{shown}: more than {LARGEST // 2**30} GiB once it is unpacked")
                made.write(piece)
        made.flush()
        return made
    except BaseException as error:
        made.close()
        if isinstance(error, (EOFError, gzip.BadGzipFile, zlib.error)):
            raise CommandError(f"{shown} is damaged or cut off: {one_line(error, 100)}") from None
        if isinstance(error, OSError):
            raise CommandError(f"{shown} cannot be unpacked: {(error.strerror or str(error)).lower()}") from None
        raise


def _temporary(path: Path) -> BinaryIO:
    try:
        return cast(BinaryIO, tempfile.TemporaryFile(dir=os.environ.get("TMPDIR") or path.parent))
    except OSError:
        return cast(BinaryIO, tempfile.TemporaryFile())


class _Bounded:
    """What tarfile reads headers through: in pieces that no long name needs to exceed, and not for ever (CVE-2019-20907,
    CVE-2025-8194 are endless loops in Pythons that are still about)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        self._reads += 1
        if not 0 <= size <= HEADER or self._reads > 8 * MEMBERS:
            raise tarfile.ReadError("unreasonable headers")
        return self._file.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()


def _members(file: BinaryIO, shown: str) -> Iterator[tarfile.TarInfo]:
    with _told(shown):
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        bounded: Any = _Bounded(file)
        tar: Any = tarfile.open(fileobj=bounded, mode="r:", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
        count = 0
        while (member := tar.next()) is not None:
            tar.members = []  # it would keep all of them
            count += 1
            if count > MEMBERS:
                raise CommandError(f"{shown}: more than {MEMBERS} files, which no image archive has")
            if member.size < 0 or member.offset_data + member.size > length:
                raise CommandError(f"{shown} is cut off: {one_line(member.name, 100)} is not whole in it")
            yield member
        file.seek(tar.offset)
        end = file.read(tarfile.BLOCKSIZE)
        if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
            raise CommandError(f"{shown} is {'cut off' if len(end) < tarfile.BLOCKSIZE else 'damaged'}: its tar has no end")


@contextmanager
def _told(shown: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
        text = one_line(error, 100) if str(error) else type(error).__name__
        raise CommandError(f"{shown} is no tar that can be read: {text}") from None
