"""kubectl pullsecret from its arguments to its exit status."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TextIO

from pullcore import command

from pullsecret import options as command_line
from pullsecret.options import Explain, Show

# The module and the function of each verb; one is imported when it is asked for.
VERBS = {
    "add": ("add", "add"),
    "attach": ("attach", "attach"),
    "detach": ("attach", "detach"),
    "verify": ("verify", "verify"),
    "list": ("listing", "listed"),
    "copy": ("copying", "copy"),
    "rotate": ("rotate", "rotate"),
    "remove": ("remove", "remove"),
}


def main(argv: Sequence[str]) -> int:
    """Runs the plugin; the exit status is 0 (done, or nothing to do) or 1."""
    return command.run(lambda: run(argv, sys.stdin, sys.stdout, sys.stderr), "pullsecret", sys.stdout, sys.stderr)


def run(argv: Sequence[str], stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Does what `argv` asks for. Raises CommandError."""
    verb, options = command_line.parse(argv)
    if isinstance(options, Show):
        stdout.write(options.text)
        return 0
    if isinstance(options, Explain):
        from pullsecret.explain import explain

        return explain(options, stdout)
    from pullsecret.session import Session

    module, function = VERBS[verb]
    does = getattr(importlib.import_module(f"pullsecret.{module}"), function)
    status: int = does(options, Session(options.common, stdin, stdout, stderr))
    return status
