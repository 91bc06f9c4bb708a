"""Sizes as people read them, and quantities as Kubernetes writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pullcore.sizes import in_bytes, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("10", 10), ("1.5", Fraction(3, 2)), (".5", Fraction(1, 2)), ("5.", 5), ("100m", Fraction(1, 10)),
        ("1n", Fraction(1, 10**9)), ("3u", Fraction(3, 10**6)), ("2k", 2000), ("2Ki", 2048), ("64Mi", 64 * 2**20),
        ("1.5Gi", 3 * 2**29), ("1G", 10**9), ("1Ti", 2**40), ("1e3", 1000), ("1E3", 1000), ("2E", 2 * 10**18),
        ("5e-1", Fraction(1, 2)),
        ("-1Mi", -(2**20)), ("+1", 1),
    ],
)  # fmt: skip
def test_quantities(text: str, value: Fraction) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "x", "1 Mi", "1Kb", "1mi", "Mi", "1e", "--1", "1e3Mi", "1\n", "9" * 31, "1e999"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (306_000, "306 kB"), (1_500_000, "1.5 MB"), (5 * 10**9, "5.0 GB")],
)
def test_bytes(count: int, text: str) -> None:
    assert in_bytes(count) == text
