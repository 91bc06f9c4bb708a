"""Failures whose str() is the final text for the user, and the escaping of text that is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional


class CommandError(Exception):
    """What stops a command. `text` is the reason alone, `str()` the whole line as it is printed.

    `exit_status` None means the plugin's own status for a failure (command.run decides).
    """

    prefix = "error: "

    def __init__(self, text: str, *, exit_status: Optional[int] = None) -> None:
        super().__init__(text)
        self.text = text
        self.exit_status = exit_status

    def __str__(self) -> str:
        return self.prefix + self.text.removeprefix(self.prefix)  # which may quote another error


class UsageError(CommandError):
    """A command line that does not fit; `see` is the line that leads to the help, as kubectl adds it."""

    def __init__(self, text: str, *, see: str = "") -> None:
        super().__init__(text)
        self.see = see

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.see}" if self.see else super().__str__()


def one_line(text: object, limit: int = 1000) -> str:
    """`text` from a server, a file or a user as one line without control, bidi or other invisible characters.

    ESC is shown as `^[`, as kubectl does (cli-runtime, terminal.go); longer text is cut and ends in `...`.
    """
    # Cut before the work, so that a hostile text costs no more than a long one; runs of blanks may hide twice as much.
    words = " ".join(str(text)[: limit * 2 + 1].split())
    shown = visible(words)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def few(words: Sequence[str], most: int) -> str:
    """The first of them, and how many more there are: `a, b and 3 more`."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def visible(text: str) -> str:
    """`text` with its control, bidi and other invisible characters escaped, and nothing else changed."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char < " " or char == "\x7f":
        return "^" + chr(ord(char) ^ 64)
    return char.encode("unicode_escape").decode("ascii")
