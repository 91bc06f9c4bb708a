"""A stand-in for a registry that keeps what is pushed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Optional

from .hostile import Say, Seen, said


class Store:
    """A small registry that keeps what is pushed; `first` may answer in its place."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.chunks = b""
        self.first: Callable[[Seen, bytes], Optional[Any]] = lambda seen, body: None

    def __call__(self, seen: Seen) -> Any:
        body = seen.body
        found = self.first(seen, body)
        if found is not None:
            return found
        digest = f"sha256:{hashlib.sha256(self.chunks + body).hexdigest()}"
        if "/blobs/uploads/" in seen.path:
            if seen.method == "POST":
                self.chunks = b""
                return Say(202, headers=[("Location", "/v2/team/app/blobs/uploads/one?state=x")])
            if seen.method == "PATCH":
                self.chunks += body
                return Say(202, headers=[("Location", "/v2/team/app/blobs/uploads/one?state=y")])
            if seen.method == "PUT":
                if seen.query["digest"] != [digest]:
                    return said(400, "DIGEST_INVALID")
                self.blobs[digest], self.chunks = self.chunks + body, b""
                return Say(201)
            return Say(204)
        name = seen.path.rpartition("/")[2]
        if "/blobs/" in seen.path:
            return Say(200 if name in self.blobs else 404)
        if "/manifests/" in seen.path:
            if seen.method == "PUT":
                self.manifests[name] = body
                return Say(201)
            return Say(200, self.manifests[name]) if name in self.manifests else said(404, "MANIFEST_UNKNOWN")
        return Say(200)
