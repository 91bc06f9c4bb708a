"""What a registry asks for: the WWW-Authenticate headers of a 401, read into values (RFC 9110 section 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional

_LONGEST = 16 * 1024  # characters of a header that are looked at
_MOST = 20  # schemes, and parameters of each
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's word for a word
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t]|,|\Z)")
_BLANKS = re.compile(r"[ \t,]*")
_WORD = re.compile(_TOKEN)
_TOKEN68 = re.compile(r"[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|\Z)")


@dataclass(frozen=True)
class Challenge:
    """One way of signing in: the scheme in lower case, and its parameters by lower-case name."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return self.parameters.get(name, "")


def parse(headers: Iterable[str]) -> list[Challenge]:
    """The challenges of all headers, in order. Never fails: what is no challenge is passed over."""
    return [challenge for header in headers for challenge in _of_header(header[:_LONGEST])]


def choose(challenges: Iterable[Challenge]) -> Optional[Challenge]:
    """The one that a container runtime answers: a token where it can have one, else user and password."""
    known = [one for one in challenges if one.scheme in ("bearer", "basic")]
    return next((one for one in known if one.scheme == "bearer"), known[0] if known else None)


def _of_header(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = _end(_BLANKS, header, 0)
    while at < len(header) and len(found) < _MOST:
        parameter = _PARAMETER.match(header, at)
        if parameter and found:  # a scheme is never followed by =
            quoted, plain = parameter[2], parameter[3]
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            if len(found[-1].parameters) < _MOST:
                found[-1].parameters.setdefault(parameter[1].lower(), value)
            at = parameter.end()
        elif not parameter and (scheme := _SCHEME.match(header, at)):
            found.append(Challenge(scheme[1].lower()))
            at = _end(_TOKEN68, header, scheme.end())
        else:
            at = max(_end(_WORD, header, at), at + 1)  # a whole word at once, or a long one takes long
        at = _end(_BLANKS, header, at)
    return found


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a match of the pattern ends; `at` itself if there is none."""
    match = pattern.match(text, at)
    return match.end() if match else at
