"""Talking with whoever runs a plugin: what is said, and what is asked before anything is changed."""

from __future__ import annotations

import getpass
from typing import TextIO

from pullcore.errors import CommandError, one_line, visible


class Conversation:
    """The streams of one run. Results go to standard output; everything that is said or asked, to standard error."""

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    def say(self, line: str) -> None:
        """One line that is no result."""
        self.stderr.write(f"{visible(line)}\n")
        self.stderr.flush()

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to be asked."""
        return self.stdin.isatty() and self.stderr.isatty()

    def ask(self, question: str, default: str = "") -> str:
        """What the user types; the default for an empty line."""
        self.stderr.write(f"{question}{f' [{default}]' if default else ''}: ")
        self.stderr.flush()
        line = self.stdin.readline()
        if not line:
            raise CommandError("nothing was typed: nothing was changed")
        return line.strip() or default

    def ask_secret(self, question: str) -> str:
        """The same, unseen."""
        try:
            return getpass.getpass(f"{question}: ", stream=self.stderr)
        except EOFError:
            raise CommandError("no password was typed: nothing was changed") from None

    def confirm(self, what: str, *, yes: bool) -> None:
        """Asks whether to go on, unless the user has said `yes` already. Raises CommandError for a no, and where nobody can
        be asked."""
        if yes:
            return
        if self.interactive:
            self.say(what)
        else:
            raise CommandError(f"{one_line(what, 300)}: give -y to go on without being asked; nothing was changed")
        if self.ask("Go on? (y/N)").lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")
