"""Selectors as kubectl's -l takes them."""

from __future__ import annotations

import pytest
from pullcore.errors import CommandError, UsageError
from pullcore.selector import from_spec, matches

ABSENT = "DoesNotExist"
LABELS = {"app": "web", "tier": "front", "example.com/part": "a.b-c"}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("", True), ("app", True), ("!app", False), ("gone", False), ("!gone", True), ("! gone", True),
        ("app=web", True), ("app==web", True), ("app = web", True), ("app=db", False), ("gone=x", False),
        ("app!=web", False), ("app!=db", True), ("gone!=x", True),
        ("app in (web)", True), ("app in (db, web)", True), ("app in (db)", False), ("gone in (x)", False),
        ("app notin (web)", False), ("app notin (db)", True), ("gone notin (x)", True),
        ("app=web,tier=front", True), ("app=web,tier=back", False), ("app in (web,db),!gone,tier!=back", True),
        ("example.com/part=a.b-c", True), ("app=", False), ("  app = web , tier ", True),
    ],
)  # fmt: skip
def test_matches(selector: str, found: bool) -> None:
    assert matches(LABELS, selector) == found


@pytest.mark.parametrize(
    "selector", ["=", "app=(", "app in web", "app in (a", "(a)", "a=b=c", "a b", ",", "a,,b", "a=b c", "\x1b"]
)
def test_what_is_no_selector(selector: str) -> None:
    with pytest.raises(UsageError) as failure:
        matches(LABELS, selector)
    assert str(failure.value).isprintable()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, ""),
        ({"app": "web", "tier": "x"}, "app=web,tier=x"),  # a ReplicationController
        ({"matchLabels": {"app": "web"}}, "app=web"),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}, {"key": "b", "operator": "Exists"}]},
            "a in (x,y),b",
        ),
        (
            {
                "matchExpressions": [
                    {"key": "a", "operator": "NotIn", "values": ["x"]},
                    {"key": "b", "operator": "DoesNotExist"},
                ]
            },
            "a notin (x),!b",
        ),
    ],
)
def test_from_spec(spec: dict[str, object], text: str) -> None:
    assert from_spec(spec) == text


@pytest.mark.parametrize("one", [{}, {"key": "a"}, {"key": "a", "operator": "Like"}, {"operator": "In"}])
def test_from_spec_of_a_hand_written_file(one: dict[str, object]) -> None:
    with pytest.raises(CommandError, match="a selector has no key or an unknown operator"):
        from_spec({"matchExpressions": [one]})
