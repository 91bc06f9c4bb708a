"""What is looked at: the cluster, files, or evidence that was saved; and saving it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, TextIO

from pullcore import evidence, manifest
from pullcore.cluster import Cluster
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.gather import Gathering, Request
from pullcore.keyring import Credentials
from pullcore.overlap import started
from pullcore.pull import Object
from pullcore.pull_rules import compile_all
from pullcore.store import ClusterStore, FileStore, Store
from pullcore.version import VERSION

from pullcheck.options import Options


def read_files(options: Options, stdin: BinaryIO) -> list[Object]:
    """Every object of the files that were named. Raises CommandError."""
    return [value for name in options.files for value in manifest.read(name, stdin)]


def is_replay(options: Options, objects: Sequence[Object]) -> bool:
    """Whether the files are one saved evidence and nothing else: then it is explained as it is, nothing is gathered."""
    return len(objects) == 1 and objects[0].get("kind") == evidence.KIND and not options.selector


def observe(options: Options, objects: Sequence[Object], stderr: TextIO) -> Evidence:
    """Gathers the evidence: from the cluster, from the objects of files, or from these with the cluster behind them."""
    saved = [evidence.from_document(value) for value in objects if value.get("kind") == evidence.KIND]
    if is_replay(options, objects):
        return saved[0]
    cluster = None if options.offline else connect(options, stderr)
    namespace = options.connection.namespace or (cluster.namespace if cluster else "default")
    vault = Credentials()
    live = ClusterStore(cluster, vault) if cluster else None
    request = Request(
        namespace=namespace,
        names=options.names,
        selector=options.selector,
        all_namespaces=options.all_namespaces,
        files=bool(options.files),
    )
    if live:
        started(compile_all)
    if live and not options.files:
        return Gathering(request, live, (live,), complete=True).evidence(datetime.now(timezone.utc))
    given = file_store(objects, saved, namespace, vault)
    behind: tuple[Store, ...] = (given, live) if live else (given,)
    now = saved[0].observed_at if saved else datetime.now(timezone.utc)
    return Gathering(request, given, behind, complete=live is not None).evidence(now)


def file_store(objects: Sequence[Object], saved: Sequence[Evidence], namespace: str, vault: Credentials) -> FileStore:
    """The objects of the files; raises CommandError for one that is none."""
    try:
        store = FileStore((value for value in objects if value.get("kind") != evidence.KIND), namespace, vault)
    except ValueError as error:
        raise CommandError(str(error)) from error
    for one in saved:
        store.add_evidence(one)
    return store


def connect(options: Options, stderr: TextIO) -> Cluster:
    def tell(line: str) -> None:
        stderr.write(f"{line}\n")

    return Cluster.connect(options.connection, user_agent=f"kubectl-pullcheck/{VERSION}", warn=tell, log=tell)


def save(seen: Evidence, name: str) -> None:
    """Writes the evidence, whole or not at all, readable by its owner only. Raises CommandError."""
    target = Path(name)
    if target.exists() and not target.is_file():  # a device or a pipe must not be replaced by a file
        raise CommandError(f"{one_line(name, 200)} can't be written: it is no regular file")
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(evidence.to_json(seen))
            Path(temporary).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise CommandError(f"{one_line(name, 200)} can't be written: {error.strerror}") from error
