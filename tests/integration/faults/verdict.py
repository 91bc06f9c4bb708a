"""Judges what came of a run with a fault: the right result, or what was said instead. AssertionError for anything else."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable
from typing import Optional

from ..standin import Name, Object
from .runs import Result
from .scenes import NEW, PASSWORD, Scene

# What the page says of them is in `table`.
RIGHT, AGAIN, TERSER, WITHOUT, LINE, PARTLY = "right", "again", "less", "without", "line", "line+"
WORDS = (RIGHT, AGAIN, TERSER, WITHOUT, LINE, PARTLY)
BOUND = 90.0  # seconds, of a machine that does much else, too
FAILURE = {"pullcheck": 2, "pullsecret": 1, "repull": 1}
DONE = (
    "created|patched|updated|deleted|evicted|pushed, sha256|"
    "is not known|could not be removed|made again|gone already|just now"
)


class NotMet(AssertionError):
    """The run came to its end without the call that has the fault."""


def judge(scene: Scene, clean: Result, before: dict[Name, Object], found: Result, again: Optional[Result]) -> str:
    """One of WORDS. clean: the run without a fault; again: one after the fault was over, where that left it half done."""
    _check_text(found)
    if not found.hits:
        raise NotMet("the fault was not met")
    assert found.seconds < BOUND, f"it took {found.seconds:.0f} s"
    _check_told(scene, before, found)
    assert scene.writes or found.state == before, "it changed something"
    if again:
        check_left(clean, again)
        assert again.code == clean.code, f"the next run ends with {again.code}: {again.both}"
    lines = _lines(found.out, operated=scene.operated)
    if (found.code, lines, found.state) == (clean.code, _lines(clean.out, operated=scene.operated), clean.state):
        repeated = Counter(call.what for call in found.calls) - Counter(call.what for call in clean.calls)
        return AGAIN if repeated else RIGHT
    if found.errors:
        assert len(found.errors) == 1, f"{len(found.errors)} lines of errors"
        assert found.err.splitlines()[-1] == found.errors[0], "the error is not the last line"
        assert found.code == FAILURE[scene.plugin], f"exit status {found.code}"
        return LINE if found.state == before else PARTLY
    said = set(plain(found.err).splitlines()) - set(plain(clean.err).splitlines())
    if scene.plugin == "pullcheck":
        assert found.code in (clean.code, 2), f"exit status {found.code} where it is {clean.code}"
    if said:
        return WITHOUT
    assert found.code == clean.code, f"exit status {found.code}, and nothing is said"
    assert not scene.writes or found.state == clean.state or scene.name == "pullcheck --probe", "nothing is said"
    return TERSER


def _check_text(found: Result) -> None:
    assert "Traceback" not in found.both
    assert "internal:" not in found.both
    raw = [line for line in found.both.split("\n") if not line.isprintable()]
    assert not raw, raw
    hidden = [PASSWORD, NEW, "TOKEN-OF-BOB", base64.b64encode(f"bob:{PASSWORD}".encode()).decode().rstrip("=")]
    hidden += [data for (kind, _, _), value in found.state.items() if kind == "Secret" for data in value["data"].values()]
    assert not [one for one in hidden if one in found.both], "a secret is shown"


def _check_told(scene: Scene, before: dict[Name, Object], found: Result) -> None:
    """Each change is told, where the run does not say that all is well."""
    lines = [line for line in found.both.splitlines() if re.search(DONE, line)]
    for kind, _, name in changed(before, found.state):
        if kind == "Event" or name in successors(scene) or (scene.operated and kind in ("Job", "Pod")):
            continue
        assert any(name in line for line in lines), f"nobody says that {kind.lower()}/{name} was changed"


def check_left(clean: Result, again: Result) -> None:
    """A later run leaves what one without a fault does. Raises AssertionError."""
    _check_text(again)
    left = [name for name in changed(clean.state, again.state) if "pull-canary" not in name[2]]
    assert not left, f"the next run leaves {left}: {again.both}"
    assert not again.saved, f"files are left: {again.saved}"


def changed(one: dict[Name, Object], other: dict[Name, Object]) -> list[Name]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def successors(scene: Scene) -> Iterable[str]:
    return [value["metadata"]["name"] for value in scene.replaced.values()]


def _lines(text: str, *, operated: bool) -> list[str]:
    """In an order of their own: which of two pods is seen to start first is a matter of moments. operated: by somebody who
    makes introspectors; without what is said of these, for whether one that is soon gone is seen at all is one, too."""
    return sorted(line for line in plain(text).splitlines() if not (operated and "-introspector-" in line))


def plain(text: str) -> str:
    """Without what is another in each run: folders, ports, times."""
    text = re.sub(r"/tmp/[\w/-]+|127\.0\.0\.1:\d{4,}|pull-canary-[0-9a-f]+", "X", text)
    return re.sub(r"\b\d+(ms|s|m|h|d)\b", "TIME", text)
