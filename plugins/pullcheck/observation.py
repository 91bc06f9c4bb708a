"""What is looked at: the cluster, files, or evidence that was saved; and saving it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, Optional

from pullcore import evidence, manifest
from pullcore.cluster import Cluster
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence, NotChecked
from pullcore.gather import Gathering, Request
from pullcore.keyring import Credentials
from pullcore.overlap import started
from pullcore.podspec import DEFAULT_SERVICE_ACCOUNT, imagined
from pullcore.pull import Object
from pullcore.pull_rules import compile_all
from pullcore.store import ClusterStore, FileStore, Store
from pullcore.version import VERSION
from pullcore.wholefile import write_whole

from pullcheck.options import Options

USER_AGENT = f"kubectl-pullcheck/{VERSION}"


def read_files(options: Options, stdin: BinaryIO) -> list[Object]:
    """Every object of the files that were named. Raises CommandError."""
    return [value for name in options.files for value in manifest.read(name, stdin)]


def is_replay(options: Options, objects: Sequence[Object]) -> bool:
    """Whether the files are one saved evidence and nothing else: then it is explained as it is, nothing is gathered."""
    return len(objects) == 1 and objects[0].get("kind") == evidence.KIND and not options.selector


def observe(
    options: Options, objects: Sequence[Object], cluster: Optional[Cluster], tell: Callable[[str], None]
) -> Evidence:
    """Gathers the evidence, from the cluster, from the objects of files, or from these with the cluster behind them; then
    asks the registries what it leaves open. cluster: None with --offline, and for saved evidence; tell: gets lines for
    standard error."""
    saved = [evidence.from_document(value) for value in objects if value.get("kind") == evidence.KIND]
    if is_replay(options, objects):
        return replace(saved[0], what_if=options.what_if or saved[0].what_if)
    wire = None
    if options.registry and not options.offline:
        wire = options.registries.wire(options.connection, USER_AGENT, os.environ, tell)
    namespace = options.connection.namespace or (cluster.namespace if cluster else "default")
    vault = Credentials()
    live = ClusterStore(cluster, vault) if cluster else None
    account = options.service_account or DEFAULT_SERVICE_ACCOUNT
    request = Request(
        namespace=namespace,
        names=options.names,
        selector=options.selector,
        all_namespaces=options.all_namespaces,
        files=bool(options.files),
        images=tuple(imagined(image, namespace, account, options.secrets) for image in options.images),
        what_if=options.what_if,
    )
    if live:
        started(compile_all)
    if wire:
        started(wire.prepare)
    gathering = _gathering(request, live, objects, saved, vault)
    now = saved[0].observed_at if saved else datetime.now(timezone.utc)
    seen = gathering.evidence(now)
    if options.images and seen.service_accounts.get((namespace, account), seen) is None:
        raise CommandError(f'serviceaccounts "{account}" not found in namespace {namespace}: no pod can be made with it')
    if wire:
        from pullcore.inquiry import inquire

        return inquire(seen, vault, wire)
    why = "--offline" if options.offline else "--no-registry"
    return replace(seen, not_checked=(*seen.not_checked, NotChecked("registries", f"not asked: {why}", excused=True)))


def _gathering(
    request: Request,
    live: Optional[ClusterStore],
    objects: Sequence[Object],
    saved: Sequence[Evidence],
    vault: Credentials,
) -> Gathering:
    if live and not request.files:
        return Gathering(request, live, (live,), complete=True)
    given = file_store(objects, saved, request.namespace, vault)
    behind: tuple[Store, ...] = (given, live) if live else (given,)
    return Gathering(request, given, behind, complete=live is not None)


def file_store(objects: Sequence[Object], saved: Sequence[Evidence], namespace: str, vault: Credentials) -> FileStore:
    """The objects of the files; raises CommandError for one that is none."""
    try:
        store = FileStore((value for value in objects if value.get("kind") != evidence.KIND), namespace, vault)
    except ValueError as error:
        raise CommandError(str(error)) from error
    for one in saved:
        store.add_evidence(one)
    return store


def connect(options: Options, objects: Sequence[Object], tell: Callable[[str], None]) -> Optional[Cluster]:
    """The cluster that is looked at; None where nothing is gathered, or only from files."""
    if options.offline or is_replay(options, objects):
        return None
    return Cluster.connect(options.connection, user_agent=USER_AGENT, warn=tell, log=tell)


def save(seen: Evidence, name: str) -> None:
    """Writes the evidence, whole or not at all, readable by its owner only. Raises CommandError."""
    target = Path(name)
    if target.exists() and not target.is_file():  # a device or a pipe must not be replaced by a file
        raise CommandError(f"{one_line(name, 200)} can't be written: it is no regular file")
    try:
        write_whole(target, evidence.to_json(seen))
    except OSError as error:
        raise CommandError(f"{one_line(name, 200)} can't be written: {error.strerror}") from error
