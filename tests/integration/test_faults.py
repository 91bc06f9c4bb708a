"""Every command with every fault of the Kubernetes API, at some of its calls; docs/faults.md has what came of it at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults.kinds import FAULTS, Fault
from .faults.table import FEW, Cell, Tried, every_cell, told, try_all
from .faults.verdict import AGAIN, RIGHT

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
TOLD = told(PAGE)


@pytest.fixture(scope="module")
def found() -> dict[Cell, Tried]:
    return {one.cell: one for one in try_all(every_cell(), FEW)}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_a_fault(fault: Fault, found: dict[Cell, Tried]) -> None:
    mine = [one for cell, one in found.items() if cell[1] == fault.row]
    assert not [text for one in mine for text in one.faults]
    for one in mine:  # whether something has to be asked again may be a matter of moments
        page = {RIGHT if word == AGAIN else word for word in TOLD.words[one.cell]}
        assert {RIGHT if word == AGAIN else word for word in one.words} <= page, f"{one.cell}: out of date: make faults"
        assert bool(one.cases) == bool(TOLD.words[one.cell]), f"{one.cell}: untested, or out of date: make faults"


def test_no_cell_is_missing_on_the_page(found: dict[Cell, Tried]) -> None:
    assert set(TOLD.words) == set(found)


def test_the_heads_tell_how_many_calls_there_are(found: dict[Cell, Tried]) -> None:
    assert {one.cell[0]: one.calls for one in found.values()} == TOLD.calls, "out of date: make faults"
