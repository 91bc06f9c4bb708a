"""Puts an image of an archive into a registry, over the distribution API, without any container engine.

A blob that the registry has is not sent, one that another repository of it has is mounted from there where it can be; else
it is sent in one piece, or in chunks where the registry (or a proxy in front of it) does not take it in one. Then the
manifests, the one with the tag last, which is read back. What breaks is tried again, from the beginning of the blob.

Source: the OCI distribution spec ("Pushing a blob", "Mounting a blob from another repository", "Pushing Manifests").
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Optional, Protocol
from urllib.parse import quote, urlencode, urlsplit

from pullcore.errors import one_line
from pullcore.overlap import overlapped
from pullcore.reference import Reference
from pullcore.registry import ACCEPT, DIGEST, MANIFEST_SIZE, Registry
from pullcore.signin import Refused, origin, parsed
from pullcore.wire import Content, Reply, WireError, followed

from repull.archivedimage import ArchivedImage, Blob

PIECE = 256 * 1024
CHUNK = 16 * 1024 * 1024  # of a blob that is not taken in one piece
LARGEST_CHUNK = 512 * 1024 * 1024
TRIES = 3
PAUSES = (1.0, 4.0)  # seconds between them
NOT_WHOLE = (404, 405, 411, 413, 501)  # answers of registries that take no blob in one piece
PASSING = (408, 429, 500, 502, 503, 504)
LONGEST_PAUSE = 30.0  # that a registry may ask for
NUMBER = re.compile("[0-9]{1,12}")  # of a header


class Progress(Protocol):
    """What is told of each blob: `sent` bytes of it so far; at the end `how`: uploaded, mounted, there."""

    def sent(self, blob: Blob, done: int) -> None: ...

    def ended(self, blob: Blob, how: str) -> None: ...


class Uploader:
    """Uploads to one repository with one credential (its label, None for nobody). Its errors are Refused and WireError of
    the registry, CommandError of the archive. sources: other repositories of the registry that may have the blobs."""

    def __init__(
        self, registry: Registry, reference: Reference, credential: Optional[str], sources: Sequence[str] = ()
    ) -> None:
        self.registry = registry
        self.reference = reference
        self.credential = credential
        self.sources = sources
        self._base = f"{registry.url}/v2/{reference.repository}"
        self._name = reference.digest or reference.tag or ""
        self._authorization: Optional[str] = None

    def there(self) -> Optional[str]:
        """The digest that the reference has now; None where there is nothing of that name. Of a tag with a digest the latter
        counts, as it does for who pulls."""
        return self._digest_of(self._name)

    def _digest_of(self, name: str) -> Optional[str]:
        reply = self._send("HEAD", f"{self._base}/manifests/{name}")
        if reply.status == 404:
            return None
        given = reply.headers.get("docker-content-digest", "")
        if reply.status == 200 and DIGEST.fullmatch(given):
            return given
        return self._read_back(name)

    def config(self) -> Optional[str]:
        """The digest of the config of what is there: which image it is, however its layers are packed; None for an index."""
        reply = self._send("GET", f"{self._base}/manifests/{self._name}", limit=MANIFEST_SIZE)
        found = parsed(reply).get("config") if reply.status == 200 else None
        digest = found.get("digest") if isinstance(found, dict) else None
        return digest if isinstance(digest, str) else None

    def may_push(self) -> None:
        """Sees that the credential lets one push, before anything is sent. Raises Refused."""
        reply = self._send("POST", f"{self._base}/blobs/uploads/")
        if reply.status != 202:
            raise self._refused(reply)
        with suppress(WireError, Refused):  # an upload that is left open does no harm
            place = self._place(reply)
            if place and self._is_own(place):
                self._send("DELETE", place)

    def still(self, *known: Optional[str]) -> None:
        """Sees that nobody has the reference stand for anything else than one of the digests known. Raises Refused."""
        now = self.there()
        if now and now not in known:
            raise Refused("registry-error", f"{self.reference} became {now} meanwhile: nothing was replaced")

    def push(self, image: ArchivedImage, progress: Progress, previous: Optional[str] = None) -> None:
        """Uploads what is missing, and has the reference stand for the image; previous: the digest that may be replaced."""
        overlapped(lambda blob: self._blob(blob, progress), image.blobs)
        if image.is_index:
            for one in image.manifests:
                self._manifest(one.digest, one.content, one.media_type, one.digest)
        self.still(previous, image.digest)
        name = self._name
        if self.reference.digest and self.reference.tag and self._digest_of(self.reference.tag) is None:
            name = self.reference.tag  # a tag that stands for something is left alone: who pulls goes by the digest
        self._manifest(name, image.content, image.media_type, image.digest)
        found = self._read_back(name)
        if found != image.digest:
            raise Refused("registry-error", f"{self.registry.name} gives {found} under that name, not {image.digest}")

    # Blobs

    def _blob(self, blob: Blob, progress: Progress) -> None:
        for number in range(TRIES):
            try:
                progress.ended(blob, self._once(blob, progress))
                return
            except WireError as error:
                if number == TRIES - 1 or error.cause not in ("connection", "timeout"):
                    raise
                time.sleep(PAUSES[number])
            except _Passing as error:
                if number == TRIES - 1:
                    raise self._refused(error.reply, blob) from None
                if error.reply.status == 401:
                    self._renew(error.reply)
                else:
                    time.sleep(_pause(error.reply, PAUSES[number]))

    def _once(self, blob: Blob, progress: Progress) -> str:
        """One try; how it came there. Raises _Passing for what another try may get over."""
        reply = self._send("HEAD", f"{self._base}/blobs/{blob.digest}")
        if reply.status == 200:
            return "there"
        place, mounted = self._begun(blob)
        if mounted:
            return "mounted"
        reply = self._part("PUT", _with_digest(place, blob), blob, (0, blob.size), progress)
        if reply.status in NOT_WHOLE and blob.size:
            reply = self._in_chunks(blob, progress, reply)
        self._took(reply, blob, 201, 204)
        given = reply.headers.get("docker-content-digest")
        if given and given != blob.digest:
            raise Refused("registry-error", f"{self.registry.name} made {one_line(given, 80)} of {blob.digest}")
        return "uploaded"

    def _begun(self, blob: Blob) -> tuple[str, bool]:
        """Where to send a blob; and whether it is mounted instead."""
        for source in self.sources:
            query = urlencode({"mount": blob.digest, "from": source})
            reply = self._send("POST", f"{self._base}/blobs/uploads/?{query}")
            if reply.status == 201:
                return "", True
            if reply.status == 202:
                return self._place(reply) or self._nowhere(), False
        reply = self._took(self._send("POST", f"{self._base}/blobs/uploads/"), blob, 202)
        return self._place(reply) or self._nowhere(), False

    def _in_chunks(self, blob: Blob, progress: Progress, whole: Reply) -> Reply:
        """For those that do not take it in one piece; whole: what they said to that."""
        reply = self._took(self._send("POST", f"{self._base}/blobs/uploads/"), blob, 202)
        least = reply.headers.get("oci-chunk-min-length", "")
        size = min(max(CHUNK, int(least) if NUMBER.fullmatch(least) else 0), LARGEST_CHUNK)
        place = self._place(reply) or self._nowhere()
        for start in range(0, blob.size, size):
            end = min(start + size, blob.size)
            reply = self._part("PATCH", place, blob, (start, end), progress)
            if reply.status in NOT_WHOLE:
                return whole if start == 0 else reply
            self._took(reply, blob, 202, 201, 204)
            place = self._place(reply) or place
        return self._send("PUT", _with_digest(place, blob))

    def _part(self, method: str, place: str, blob: Blob, span: tuple[int, int], progress: Progress) -> Reply:
        """Sends the bytes of a blob from the first to before the second of `span`."""
        start, end = span

        def pieces() -> Iterator[bytes]:
            done = start
            progress.sent(blob, done)
            with blob.open(start) as reader:
                while done < end and (piece := reader.read(min(PIECE, end - done))):
                    yield piece
                    done += len(piece)
                    progress.sent(blob, done)

        more = {"Content-Range": f"{start}-{end - 1}"} if method == "PATCH" else {}
        return self._send(method, place, Content(pieces, end - start, more=more))

    def _took(self, reply: Reply, blob: Blob, *good: int) -> Reply:
        if reply.status in good:
            return reply
        if reply.status == 401 or reply.status in PASSING:
            raise _Passing(reply)
        raise self._refused(reply, blob)

    def _place(self, reply: Reply) -> Optional[str]:
        """Where it sends one. Raises Refused for another host by plain HTTP: that may be anything on this network."""
        given = reply.headers.get("location")
        if not given:
            return None
        place = followed(reply.url, given, self.registry.wire.clean(_netloc(given)))
        if not self._is_own(place) and not place.startswith("https:"):
            shown = one_line(self.registry.wire.clean(_netloc(place)), 100)
            raise Refused("registry-error", f"{self.registry.name} has one send blobs to {shown}, by plain HTTP")
        return place

    def _is_own(self, url: str) -> bool:
        return origin(url) == origin(self._base)

    def _nowhere(self) -> str:
        raise Refused("registry-error", f"{self.registry.name} does not say where to send blobs")

    # Manifests

    def _manifest(self, name: str, content: bytes, media_type: str, digest: str) -> None:
        place = f"{self._base}/manifests/{name}"
        reply = self._send("PUT", place, Content(lambda: iter((content,)), len(content), media_type), resend=True)
        if reply.status not in (200, 201, 202):
            raise self._refused(reply)
        given = reply.headers.get("docker-content-digest")
        if given and given != digest:
            raise Refused("registry-error", f"{self.registry.name} made {one_line(given, 80)} of manifest {digest}")

    def _read_back(self, name: str) -> str:
        """The digest of what the registry gives under a name."""
        reply = self._send("GET", f"{self._base}/manifests/{name}", limit=MANIFEST_SIZE)
        if reply.status != 200 or not reply.whole:
            raise self._refused(reply)
        return f"sha256:{hashlib.sha256(reply.body).hexdigest()}"

    # Requests

    def _send(
        self, method: str, url: str, content: Optional[Content] = None, *, limit: int = 64 * 1024, resend: bool = False
    ) -> Reply:
        """One request, authorized at the registry itself only. After a 401 once more with another token, as far as nothing
        was sent that can't be sent again."""
        own = self._is_own(url)
        if own and self._authorization is None:
            self._authorization = self.registry.header(self.reference, self.credential)
        before = (self._authorization or "") if own else ""
        carries = content or (Content(lambda: iter(()), 0) if method in ("POST", "PUT", "DELETE") else None)

        def send(authorization: str) -> Reply:
            return self.registry.wire.send(
                method,
                url,
                authorization=authorization,
                accept=ACCEPT,
                limit=limit,
                again=resend or not content,
                content=carries,
            )

        reply = send(before)
        if reply.status != 401 or reply.redirected or not own or (content and not resend):
            return reply
        return send(self._authorization or "") if self._renew(reply) else reply

    def _renew(self, reply: Reply) -> bool:
        """Another header after a 401; whether there is one."""
        before = self._authorization
        self._authorization = self.registry.header(self.reference, self.credential, reply)
        return self._authorization != before

    def _refused(self, reply: Reply, blob: Optional[Blob] = None) -> Refused:
        error = self.registry.signs.refusal(reply, "forbidden")
        text = str(error)
        if reply.status == 413:
            text += " (the registry, or a proxy in front of it, takes nothing of that size)"
        what = f"{blob.digest[:19]} ({blob.size} bytes): " if blob else ""
        return Refused(error.cause, what + text, error.status, error.code)


class _Passing(Exception):
    """An answer that may be another one the next time."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def _with_digest(place: str, blob: Blob) -> str:
    return f"{place}{'&' if '?' in place else '?'}digest={quote(blob.digest, safe=':')}"


def _netloc(place: str) -> str:
    try:
        return urlsplit(place).netloc
    except ValueError:
        return "what is no address"


def _pause(reply: Reply, usual: float) -> float:
    asked = reply.headers.get("retry-after", "")
    return min(float(asked), LONGEST_PAUSE) if NUMBER.fullmatch(asked) else usual
