"""Did you mean: which names are offered for one that is not there."""

from __future__ import annotations

import pytest
from pullcore.nearest import nearest


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        # tags: another spelling first, then what is longer or shorter, then typing errors
        ("1.0", ["1.0.1", "latest"], ("1.0.1",)),
        ("1.0", ["1.0-slim", "v1.0"], ("v1.0", "1.0-slim")),
        ("v1.0", ["1.0", "1.0.1"], ("1.0", "1.0.1")),
        ("1.0-SNAPSHOT", ["1.0-snapshot"], ("1.0-snapshot",)),
        ("lastest", ["latest", "1.0"], ("latest",)),
        ("14.1.2.0", ["14.1.2.0-generic", "14.1.1.0", "12.2.1.4"], ("14.1.2.0-generic", "14.1.1.0")),
        # of equals the newest version comes first
        ("1.0", ["1.0.2", "1.0.10", "1.0.9", "1.0.1"], ("1.0.10", "1.0.9", "1.0.2")),
        ("1.0", ["1.0-slim", "1.0.1"], ("1.0.1", "1.0-slim")),
        ("1.0.1", ["1", "1.0"], ("1.0", "1")),
        # no guess is better than a wild one
        ("1.0", ["latest", "nightly", "abc123"], ()),
        ("1.0", [], ()),
        ("", ["1.0", "latest"], ()),
        # repositories: what both have in common does not make them alike
        ("team/domian1", ["team/domain1", "team/frontend"], ("team/domain1",)),
        ("owner/domain1", ["owner/backend"], ()),
        ("a-very-long-organisation/app", ["a-very-long-organisation/web"], ()),
        ("onwer/domain1", ["owner/domain1"], ("owner/domain1",)),
        ("team/app", ["team/apps"], ("team/apps",)),
        ("app", ["apps"], ("apps",)),
    ],
)
def test_nearest(wanted: str, there: list[str], expected: tuple[str, ...]) -> None:
    assert nearest(wanted, there) == expected
    assert nearest(wanted, reversed(there)) == expected


def test_1_1_is_not_called_nearer_to_1_10_than_to_1_1_0() -> None:
    """A longer number is another number, not the same with more behind it."""
    assert nearest("1.1", ["1.10", "1.1.0"])[0] == "1.1.0"


def test_at_most_three_and_each_once() -> None:
    found = nearest("1.0", [f"1.0.{number}" for number in range(50)] * 2)
    assert found == ("1.0.49", "1.0.48", "1.0.47")


def test_ten_thousand_tags_take_no_second() -> None:
    """A registry may hold very many; the page waits for this."""
    import time

    there = [f"{number // 100}.{number % 100}.0-build{number}" for number in range(10_000)]
    began = time.process_time()
    nearest("57.3.1-build", there)
    assert time.process_time() - began < 3
