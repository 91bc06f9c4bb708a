"""Sizes: as people read them, and as Kubernetes writes them."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {unit: Fraction(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", *"MGTPE"), -3)}
_UNITS |= {f"{unit}i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", 1)}


def in_bytes(count: int) -> str:
    """A number of bytes as people read it, in powers of ten."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count} B"


def quantity(text: str) -> Fraction:
    """A quantity as Kubernetes writes it: `100m`, `64Mi`, `1.5`, `1e3` (apimachinery pkg/api/resource/quantity.go).

    Raises ValueError for what is none.
    """
    found = re.fullmatch(
        r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", text
    )
    if not found:
        raise ValueError(f"no quantity: {text[:40]}")
    number, exponent, unit = found.groups()
    return Fraction(number.rstrip(".")) * (Fraction(f"1e{exponent}") if exponent else _UNITS[unit or ""])
