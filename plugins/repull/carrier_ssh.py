"""The user's own ssh as the carrier: what is run, as words. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pullcore.errors import CommandError, one_line
from pullcore.pull import Object

from repull.runtimes import Runtime

# Nobody answers a question there: standard input is the image. No terminal, for it would change bytes.
OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
    "-o", "ConnectTimeout=15", "-o", "ControlPersist=no")  # fmt: skip
AS_ROOT = 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n "$@"; fi'


def command(host: str, user: str, runtime: Runtime, arguments: Sequence[str]) -> list[str]:
    """The words to run; the image goes to its standard input. Root by itself there, or by a sudo that asks nothing.

    Raises CommandError for a host or user that ssh would take for an option or for several words.
    """
    for what, name in (("host", host), ("user", user)):
        if name.startswith("-") or any(not char.isprintable() or char in " @/'\"\\$`;&|<>()" for char in name):
            raise CommandError(f'"{one_line(name, 100)}" is no {what} that ssh can be given')
    words = ["sh", "-c", runtime.script, "sh", *arguments]
    remote = shlex.join(["sh", "-c", AS_ROOT, "sh", *words])
    where = f"{user}@{host}" if user else host
    return ["ssh", *OPTIONS, "--", where, remote]


def shown(words: Sequence[str]) -> str:
    """The command for people: what runs on the other side is told in the plan."""
    return shlex.join([*words[:-1], "..."])


def host_of(node: Object) -> str:
    """What ssh is told to go to: the node's name, so that the user's own ssh configuration can say more of it."""
    return str(node["metadata"]["name"])
