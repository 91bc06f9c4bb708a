"""kubectl pullcheck from its arguments to its exit status: options, evidence, diagnosis, report."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional, TextIO

from pullcore import command, version
from pullcore.cluster import Cluster
from pullcore.conversation import Conversation
from pullcore.diagnosis import BLOCKED, PULLABLE, Diagnosis, Report, diagnose, worst
from pullcore.errors import CommandError, one_line
from pullcore.pull import Target
from pullcore.target import parse_names
from pullcore.terminal import style_for

from pullcheck import document, report
from pullcheck import options as command_line
from pullcheck.observation import connect, is_replay, observe, read_files, save
from pullcheck.options import Options

STATUS = {PULLABLE: 0, BLOCKED: 1}


def main(argv: Sequence[str]) -> int:
    """Runs the plugin; the exit status is 0 (nothing blocked), 1 (blocked) or 2 (not checked)."""
    return command.run(lambda: check(argv, sys.stdin, sys.stdout, sys.stderr), "pullcheck", sys.stdout, sys.stderr)


def check(argv: Sequence[str], stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Does what `argv` asks for. Raises CommandError."""
    options = command_line.parse(argv)
    if options.version:
        stdout.write(f"kubectl pullcheck {version.described()}\n")
        return 0
    talk = Conversation(stdin, stdout, stderr)
    objects = read_files(options, stdin.buffer)
    cluster = connect(options, objects, talk.say)
    seen = observe(options, objects, cluster, talk.say)
    result = diagnose(seen, _context(options))
    if options.save:  # before anybody is asked: what was seen is not lost with a no
        save(result.evidence, options.save)
    if options.probe:
        result = _probed(result, options, cluster, talk)
        if options.save:
            save(result.evidence, options.save)
    if is_replay(options, objects):
        result = narrowed(result, options.names)
    if not result.pulls and options.files:
        raise CommandError(f"no image in {', '.join(options.files)}: nothing was checked")
    _print(result, options, stdout, stderr)
    return STATUS.get(result.verdict, 2)


def _probed(result: Report, options: Options, cluster: Optional[Cluster], talk: Conversation) -> Report:
    """The report with what the nodes make of trying."""
    if cluster is None or options.probe is None:
        raise CommandError("--probe needs the cluster: saved evidence is explained as it was")
    from pullcheck import probing

    seen = probing.probe(result, options.probe, cluster, talk, scan=options.scan)
    return diagnose(seen, _context(options))


def narrowed(result: Report, words: Sequence[str]) -> Report:
    """The part of a report that is about the named objects; all of it without names. Raises CommandError for a name that
    it does not hold."""
    if not words:
        return result
    kept: dict[int, Diagnosis] = {}
    targets: list[Target] = []
    for named in parse_names(words):
        found = False
        for number, one in enumerate(result.pulls):
            pods = (Target("Pod", one.pull.namespace, use.pod) for use in one.pull.containers)
            for target in (*one.pull.askers, *pods):
                if target.name == named.name and (named.kind is None or target.kind == named.kind.name):
                    found, kept[number] = True, one
                    targets.append(target)
        if not found:
            raise CommandError(f'the saved evidence holds nothing called "{one_line(named.name, 100)}"')
    pulls = tuple(one for number, one in sorted(kept.items()))
    return replace(result, verdict=worst(pulls), targets=tuple(dict.fromkeys(targets)), pulls=pulls)


def _context(options: Options) -> list[str]:
    """What reaches the same cluster in a pasted command; the namespace is written by each command itself."""
    return command.pasteable(replace(options.connection, namespace=None))


def _again(options: Options) -> list[str]:
    """The words that scan the same once more."""
    everywhere = ["-A"] if options.all_namespaces else []
    labels = ["-l", shlex.quote(options.selector)] if options.selector else []
    connection = replace(options.connection, namespace=None) if options.all_namespaces else options.connection
    return [*everywhere, *labels, *command.pasteable(connection)]


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
        print(f"No pod waits for an image in {one_line(result.evidence.place, 100)}.", file=stderr)
    elif wide or not options.headers:
        stdout.write(report.listing(result, wide=wide, headers=options.headers, namespaces=namespaces) + "\n")
    elif options.scan:
        stdout.write(report.summary(result, style, namespaces=namespaces, again=_again(options)))
    else:
        stdout.write(report.explained(result, style))
    for line in report.remarks(result):
        print(line, file=stderr)
