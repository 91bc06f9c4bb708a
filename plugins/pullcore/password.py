"""A password from an option, standard input, a file, or the person at the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from pullcore.conversation import Conversation
from pullcore.errors import CommandError, UsageError, one_line

LARGEST = 64 * 1024  # of a file with a password


@dataclass(frozen=True)
class PasswordOptions:
    """Where it comes from: `given` on the command line, from standard input, or a file. needed: what to say where nothing is
    given and nobody can be asked."""

    given: Optional[str] = field(default=None, repr=False)
    stdin: bool = False
    file: Optional[str] = None
    needed: str = "a password is needed: --docker-password-stdin or --docker-password-file"


def obtain(options: PasswordOptions, talk: Conversation) -> str:
    """The password. Raises CommandError for one that no registry takes, UsageError where there is none."""
    if options.given is not None:
        talk.say("Warning: a password on the command line can be seen by others; --docker-password-stdin can't")
        password = options.given
    elif options.stdin:
        try:
            password = talk.stdin.read(LARGEST + 1)
        except UnicodeDecodeError:
            raise CommandError("standard input is no text in UTF-8, so it can't be a password") from None
    elif options.file is not None:
        password = _of_file(options.file)
    elif talk.interactive:
        password = talk.ask_secret("Password")
    else:
        raise UsageError(options.needed)
    password = password.rstrip("\r\n")
    if any("\ud800" <= char <= "\udfff" for char in password):  # bytes that Python lets through under LANG=C
        raise CommandError("the password is no text in UTF-8: nothing was changed")
    if not password:
        raise CommandError("the password is empty: nothing was changed")
    if len(password) > LARGEST or "\0" in password:
        raise CommandError("the password is too long, or holds characters that no registry takes: nothing was changed")
    return password


def _of_file(name: str) -> str:
    shown = one_line(name, 200)
    try:
        with Path(name).open("rb") as file:
            return file.read(LARGEST + 1).decode()
    except OSError as error:
        raise CommandError(f"{shown} can't be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{shown} is no text in UTF-8, so it can't be a password") from None
