"""Did you mean: the names that are nearest to one that is not there. Pure."""

from __future__ import annotations

import difflib
import heapq
import re
from collections.abc import Iterable

MOST = 3
_ALIKE = 0.6  # of 1: less is a wild guess
_FAR_BEHIND = 0.2  # what is so much less alike than the best is none beside it
_COMPARED, _LONGEST = 100, 64  # names that are compared to the end, and characters of them: a registry may have very many


def nearest(wanted: str, there: Iterable[str]) -> tuple[str, ...]:
    """Up to three of `there`, the most alike first: other spellings, longer or shorter versions, typing errors. Of paths
    only what differs is compared."""
    likely = heapq.nlargest(_COMPARED, ((_likeness(wanted, name, quick=True), name) for name in set(there)))
    scored = [(score, name) for _, name in likely if (score := _likeness(wanted, name)) >= _ALIKE]
    best = max((score for score, _ in scored), default=0)
    close = [one for one in scored if one[0] > best - _FAR_BEHIND]
    return tuple(name for _, name in sorted(close, key=lambda one: (-one[0], _version(one[1]), one[1]))[:MOST])


def _likeness(wanted: str, name: str, *, quick: bool = False) -> float:
    """From 0 to 1; quick: at most too much."""
    ours, theirs = _plain(_apart(wanted, name)), _plain(_apart(name, wanted))
    if ours == theirs:
        return 1.0  # v1.0 and 1.0, or another case
    shorter, longer = sorted((ours, theirs), key=len)
    if shorter and longer.startswith(shorter):
        rest = longer[len(shorter) :]
        if rest and not (rest[0].isdigit() and shorter[-1].isdigit()):  # 1.0 and 1.0.1; not 1.1 and 1.10
            return 0.95 - 0.01 * len(re.findall(r"\w+", rest)) - (0.02 if re.search("[a-z]", rest) else 0)
    matcher = difflib.SequenceMatcher(None, ours[:_LONGEST], theirs[:_LONGEST], autojunk=False)
    return matcher.quick_ratio() if quick else matcher.ratio()


def _apart(path: str, other: str) -> str:
    """What of a path is not in the folders that it shares with another."""
    parts, others = path.split("/"), other.split("/")
    shared = next((number for number, pair in enumerate(zip(parts[:-1], others[:-1])) if pair[0] != pair[1]), None)
    return "/".join(parts[min(len(parts), len(others)) - 1 if shared is None else shared :])


def _plain(name: str) -> str:
    lowered = name.lower()
    return lowered[1:] if re.match(r"v\d", lowered) else lowered


def _version(name: str) -> tuple[int, ...]:
    """For order among equals: the newest first."""
    return tuple(-int(number[:9]) for number in re.findall(r"\d+", name)[:6])
