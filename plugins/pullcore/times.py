"""Times as Kubernetes writes them (RFC 3339), and durations as kubectl shows them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(?:([Zz])|([+-])(\d\d):?(\d\d))?\Z")


@lru_cache(maxsize=4096)  # the same moments stand in the status of many pods, and are read for each container
def parse_time(text: object) -> datetime | None:
    """The moment that `text` names, aware and in UTC; None when it names none.

    Takes any number of fractional digits (Java writes nine) and no zone as UTC. Never raises: times come from
    objects that anybody can write.
    """
    match = _RFC3339.match(text.strip()) if isinstance(text, str) else None
    if not match:
        return None
    day, clock, fraction, _, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6].ljust(6, '0')}")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return moment.replace(tzinfo=timezone.utc) - (offset if sign == "+" else -offset)
    except (ValueError, OverflowError):  # 2024-13-01, or an offset that leaves the calendar
        return None


def age(delta: timedelta) -> str:
    """A duration in kubectl's two or three figures: 45s, 6m10s, 19h, 3d2h, 2y5d.

    The steps are those of HumanDuration (k8s.io/apimachinery/pkg/util/duration): up to 1 s below zero is clock skew
    and shown as 0s, more is <invalid>.
    """
    seconds = int(delta.total_seconds())  # towards zero, as in Go
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours, days, years = seconds // 60, seconds // 3600, seconds // 86400, seconds // 31536000
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if years < 2:
        return f"{days}d"
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"
