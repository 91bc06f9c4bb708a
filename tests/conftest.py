"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import reports

reports.watch()


@pytest.fixture(autouse=True)
def _reports_fit_their_schemas() -> Iterator[None]:
    reports.wrong.clear()
    yield
    assert not reports.wrong, "printed, and not as docs/*.schema.json say"
