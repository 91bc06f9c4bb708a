"""kubectl pullcheck from its arguments to its exit status: options, evidence, diagnosis, report."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from pullcore import command, evidence, manifest
from pullcore.cluster import Cluster
from pullcore.diagnosis import BLOCKED, PULLABLE, Report, diagnose
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.gather import Gathering, Request
from pullcore.keyring import Credentials
from pullcore.pull import Object
from pullcore.store import ClusterStore, FileStore, Store
from pullcore.terminal import style_for
from pullcore.version import VERSION

from pullcheck import document, report
from pullcheck import options as command_line
from pullcheck.options import Options

STATUS = {PULLABLE: 0, BLOCKED: 1}


def main(argv: Sequence[str]) -> int:
    """Runs the plugin; the exit status is 0 (nothing blocked), 1 (blocked) or 2 (not checked)."""
    return command.run(lambda: check(argv, sys.stdout, sys.stderr), "pullcheck", sys.stdout, sys.stderr)


def check(argv: Sequence[str], stdout: TextIO, stderr: TextIO) -> int:
    """Does what `argv` asks for. Raises CommandError."""
    options = command_line.parse(argv)
    if options.version:
        stdout.write(f"kubectl pullcheck {VERSION}\n")
        return 0
    seen = observe(options, stderr)
    if options.save:
        save(seen, options.save)
    result = diagnose(seen, _context(options))
    if not result.pulls and options.files:
        raise CommandError(f"no image in {', '.join(options.files)}: nothing was checked")
    _print(result, options, stdout, stderr)
    return STATUS.get(result.verdict, 2)


def observe(options: Options, stderr: TextIO) -> Evidence:
    """Gathers the evidence: from the cluster, from files, or from files with the cluster behind them."""
    objects = [value for name in options.files for value in manifest.read(name, sys.stdin.buffer)]
    saved = [evidence.from_document(value) for value in objects if value.get("kind") == evidence.KIND]
    if saved and len(saved) == len(objects) == 1 and not options.names and not options.selector:
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


def _context(options: Options) -> list[str]:
    """What reaches the same cluster in a pasted command; the namespace is written by each command itself."""
    return command.pasteable(replace(options.connection, namespace=None))


def _print(result: Report, options: Options, stdout: TextIO, stderr: TextIO) -> None:
    if options.output in ("json", "yaml"):
        stdout.write(document.render(result, options.output))
        return
    style = style_for(stdout, os.environ, options.color)
    namespaces = options.all_namespaces or len({one.pull.namespace for one in result.pulls}) > 1
    wide = options.output == "wide"
    if options.output == "name":
        stdout.write(report.names(result))
    elif not result.pulls:
        where = "any namespace" if options.all_namespaces else "this namespace"
        print(f"No pod waits for an image in {where}.", file=stderr)
    elif wide or not options.headers:
        stdout.write(report.listing(result, wide=wide, headers=options.headers, namespaces=namespaces) + "\n")
    elif options.scan:
        stdout.write(report.summary(result, style, namespaces=namespaces))
    else:
        stdout.write(report.explained(result, style))
    for line in report.remarks(result):
        print(line, file=stderr)
