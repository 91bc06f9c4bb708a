"""Which of the images that are asked for is meant: one rule for --push and --load, by tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest
from pullcore.diagnosis import diagnose
from repull.intended import intended, is_waited_for

from .builders import container, evidence, pod, waiting

INIT, MAIN = "r.example.com/team/init:1", "r.example.com/team/main:1"


@pytest.mark.parametrize(
    ("asked", "held", "expected"),
    [
        ({"a": False, "b": True}, ["a"], ["a"]),  # its name counts for more than that another one is waited for
        ({"a": False, "b": True}, ["c"], ["b"]),
        ({"a": False, "b": False}, ["c"], ["a", "b"]),
        ({"a": True, "b": True}, ["b", "a"], ["a", "b"]),
        ({"a": True, "b": True}, [], ["a", "b"]),
        ({}, ["a"], []),
    ],
)
def test_what_is_meant(asked: Mapping[str, bool], held: Collection[str], expected: Sequence[str]) -> None:
    assert intended(asked, held) == expected


def test_what_only_has_to_wait_for_another_image_is_not_waited_for() -> None:
    """While an init container has no image, the others are waiting, too."""
    own = pod(
        "web", container("main", MAIN), inits=[container("init", INIT)],
        states={"init": waiting("not found"), "main": waiting("", "PodInitializing")},
    )  # fmt: skip
    assert {one.pull.image: is_waited_for(one) for one in diagnose(evidence(own)).pulls} == {INIT: True, MAIN: False}
