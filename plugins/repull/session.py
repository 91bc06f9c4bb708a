"""One run of kubectl repull: its cluster, its streams and its clock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from typing import TextIO

from pullcore.changes import Changes
from pullcore.cluster import Cluster
from pullcore.command import pasteable
from pullcore.conversation import Conversation
from pullcore.errors import visible
from pullcore.fixes import Commands
from pullcore.keyring import Credentials
from pullcore.kinds import KINDS
from pullcore.permissions import Permissions
from pullcore.pull import Object, Target
from pullcore.store import ClusterStore
from pullcore.terminal import Style, style_for
from pullcore.version import VERSION

from repull.options import Options

USER_AGENT = f"kubectl-repull/{VERSION}"


class Steady:
    """A stream whose reader may go away, or whose disk is full: what is half done is finished then. What was not written is
    told when the stream is flushed at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


class Session(Conversation):
    """What every part works with. Nothing is connected before it is needed."""

    def __init__(
        self, options: Options, stdin: TextIO, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str] = os.environ
    ) -> None:
        super().__init__(stdin, stdout, stderr)
        self.results = Steady(stdout)
        self.options = options
        self.environ = environ
        self.vault = Credentials()

    @cached_property
    def cluster(self) -> Cluster:
        return Cluster.connect(self.options.connection, user_agent=USER_AGENT, warn=self.say, log=self.say)

    @cached_property
    def store(self) -> ClusterStore:
        return ClusterStore(self.cluster, self.vault)

    @cached_property
    def permissions(self) -> Permissions:
        return Permissions(self.cluster)

    @cached_property
    def changes(self) -> Changes:
        # One document is all that standard output gets of -o json and yaml.
        out = self.stderr if self.options.output in ("json", "yaml") else self.results
        return Changes(self.cluster, self.options.manner, out)

    @cached_property
    def style(self) -> Style:
        return style_for(self.stderr, self.environ, self.options.color)

    @property
    def namespace(self) -> str:
        return self.options.connection.namespace or self.cluster.namespace

    @property
    def context(self) -> list[str]:
        """What reaches the same cluster in a printed command, but for the namespace."""
        return pasteable(replace(self.options.connection, namespace=None))

    def commands_in(self, namespace: str) -> Commands:
        """Words commands for pasting, which reach the same cluster."""
        return Commands(namespace, tuple(self.context))

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def whole(self, target: Target) -> Object | None:
        """The object as it is now with all its fields, its kind among them; None if it is not there."""
        value = self.store.whole(KINDS[target.kind], target.namespace, target.name)
        return value and {**value, "kind": target.kind}

    def tell(self, line: str) -> None:
        """One line of what happens: a result, but where standard output is for a document or names."""
        if self.options.output:
            self.say(line)
        else:
            self.results.write(f"{visible(line)}\n")
