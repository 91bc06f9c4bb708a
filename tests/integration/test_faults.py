"""Every command with every fault of the Kubernetes API, at some of its calls; docs/faults.md has what came of it at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from .faults.kinds import FAULTS, Fault
from .faults.scenes import SCENES
from .faults.table import FEW, Cell, Tried, every_cell, told, try_all
from .faults.verdict import AGAIN, RIGHT, WITHOUT

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
TOLD = told(PAGE)
WAITING = {scene.name for scene in SCENES if scene.waits}


@pytest.fixture(scope="module")
def found() -> dict[Cell, Tried]:
    return {one.cell: one for one in try_all(every_cell(), FEW)}


def lasting(cell: Cell, words: Iterable[str]) -> set[str]:
    """Without what may be a matter of moments: whether something has to be asked again, or is when all is there already."""
    passing = {AGAIN, WITHOUT} if cell[0] in WAITING else {AGAIN}
    return {RIGHT if word in passing else word for word in words}


def known(cell: Cell) -> set[str]:
    """What may come of a cell by the page. What is waited for may be there before a fault matters."""
    return lasting(cell, TOLD.words[cell]) | ({RIGHT} if cell[0] in WAITING else set())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row)
def test_a_fault(fault: Fault, found: dict[Cell, Tried]) -> None:
    mine = [one for cell, one in found.items() if cell[1] == fault.row]
    assert not [text for one in mine for text in one.faults]
    for one in mine:
        assert lasting(one.cell, one.words) <= known(one.cell), f"{one.cell}: out of date: make faults"
        assert bool(one.cases) == bool(TOLD.words[one.cell]), f"{one.cell}: untested, or out of date: make faults"


def test_no_cell_is_missing_on_the_page(found: dict[Cell, Tried]) -> None:
    assert set(TOLD.words) == set(found)


def test_the_heads_tell_how_many_calls_there_are(found: dict[Cell, Tried]) -> None:
    assert {one.cell[0]: one.calls for one in found.values()} == TOLD.calls, "out of date: make faults"
