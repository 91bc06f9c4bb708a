"""Times and durations."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pullcore.times import age, parse_time

UTC = timezone.utc


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01t10:00:00z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00.5Z", datetime(2026, 3, 1, 10, 0, 0, 500000, tzinfo=UTC)),
        ("2022-10-11T23:23:53.109997240Z", datetime(2022, 10, 11, 23, 23, 53, 109997, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T10:00:00-0530", datetime(2026, 3, 1, 15, 30, tzinfo=UTC)),
        ("2026-03-01T10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_parse_time(text: str, moment: datetime) -> None:
    parsed = parse_time(text)
    assert parsed == moment
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-13-01T10:00:00Z", "2026-03-01", "0001-01-01T00:00:00+10:00", None, 17, "2026-03-01T10:00:00Zx"],
)
def test_what_is_no_time_is_none(text: object) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"), (-1, "0s"), (-0.5, "0s"), (0, "0s"), (59.9, "59s"), (119, "119s"), (120, "2m"), (370, "6m10s"),
        (599, "9m59s"), (600, "10m"), (179 * 60 + 59, "179m"), (180 * 60, "3h"), (3600 * 7 + 60 * 5, "7h5m"),
        (8 * 3600 + 59 * 60, "8h"), (47 * 3600, "47h"), (48 * 3600, "2d"), (74 * 3600, "3d2h"), (8 * 86400 - 1, "7d23h"),
        (8 * 86400, "8d"), (729 * 86400, "729d"), (730 * 86400, "2y"), (735 * 86400, "2y5d"),
        (8 * 365 * 86400 + 86400, "8y"),
    ],
)  # fmt: skip
def test_age(seconds: float, shown: str) -> None:
    assert age(timedelta(seconds=seconds)) == shown
