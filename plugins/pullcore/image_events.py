"""The kubelet's events about images, read into plain values, and what they tell of a back-off.

Sources: pkg/kubelet/images/image_manager.go, client-go util/flowcontrol/backoff.go and tools/record/events_cache.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from pullcore.pull import Object
from pullcore.pull_errors import Classification, classify
from pullcore.times import parse_time

# The kubelet's image back-off (kubelet.go: MaxContainerBackOff, backOffPeriod): per pod and image, no jitter. It starts
# again at the first delay once nothing was tried for twice the longest, and a new pod starts afresh.
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(seconds=300)


class Event(NamedTuple):
    """A v1 Event as it is needed here."""

    reason: str
    message: str
    kind: str  # of the object that it is about
    name: str
    place: str  # the fieldPath, such as spec.containers{main}
    first: datetime
    last: datetime
    times: int

    @property
    def found(self) -> Classification:
        return classify(self.message, self.reason)


def _first_time(*texts: object) -> datetime | None:
    return next(filter(None, map(parse_time, texts)), None)


def read_events(events: Iterable[Object]) -> Iterator[Event]:
    """Those events that have a time, oldest first."""
    read = []
    for event in events:
        about, series = event.get("involvedObject") or {}, event.get("series") or {}
        created = (event.get("metadata") or {}).get("creationTimestamp")
        first = _first_time(event.get("firstTimestamp"), event.get("eventTime"), created)
        last = _first_time(series.get("lastObservedTime"), event.get("lastTimestamp")) or first
        if last:
            read.append(
                Event(
                    event.get("reason") or "",
                    (event.get("message") or "").removeprefix("(combined from similar events): "),
                    about.get("kind") or "",
                    about.get("name") or "",
                    about.get("fieldPath") or "",
                    first or last,
                    last,
                    series.get("count") or event.get("count") or 1,
                )
            )
    return iter(sorted(read, key=lambda event: event.last))


class Story(NamedTuple):
    """The events of one container about one image since it was last there."""

    failed: tuple[Event, ...]  # those that tell a reason, oldest first
    backed_off: tuple[Event, ...]
    pulling: Event | None
    pulled: Event | None

    @property
    def told(self) -> Event | None:
        return self.failed[-1] if self.failed else None

    @property
    def since(self) -> datetime | None:
        # An event that is counted keeps its first time, which may be before a success in between.
        times = [event.first for event in (*self.failed, *self.backed_off)]
        return max(min(times), self.pulled.last if self.pulled else min(times)) if times else None

    @property
    def pulls(self) -> tuple[Event, ...]:
        """The failures that set the back-off: of pulls, not of names or policies."""
        return tuple(event for event in self.failed if event.message.startswith("Failed to pull image "))

    @property
    def attempts(self) -> int | None:
        """Failed pulls, at least: the kubelet's events are limited (25, then one in 5 minutes, for a pod)."""
        return sum(event.times for event in self.pulls) or None

    def next_try(self, now: datetime) -> datetime | None:
        """When the back-off ends; `now` if it has ended or a try is under way, None if it can't be told."""
        if not self.pulls or not self.attempts:
            return None
        last = self.pulls[-1].last
        if self.pulling and self.pulling.last > last:
            return now
        if now - last > 2 * LONGEST_DELAY:
            return None  # later events got lost
        delay: timedelta = min(FIRST_DELAY * 2 ** min(self.attempts - 1, 10), LONGEST_DELAY)
        return max(last + delay, now)


_TOOK = re.compile(r'Successfully pulled image "[^"]*" in ([0-9.hmµsn]+)')
_SIZE = re.compile(r"Image size: (\d+) bytes")


class Got(NamedTuple):
    """What a `Pulled` event tells. took: how long the pull took, as Go writes durations, "" where it is not told; size: in
    bytes, as the runtime counts; present: the image was there already."""

    took: str
    size: int | None
    present: bool


def got(message: str) -> Got:
    """Reads the message of a `Pulled` event (image_manager.go: EnsureImageExists, pullImage)."""
    took, size = _TOOK.search(message), _SIZE.search(message)
    return Got(_rounded(took[1]) if took else "", int(size[1]) if size else None, "already present" in message)


def _rounded(duration: str) -> str:
    """Go's duration with one digit after the point: `1m2.345s` -> `1m2.3s`."""
    return re.sub(r"(\.\d)\d+", r"\1", duration)


# The places where kubelets and containerd quote the image; old kubelets wrote "pulling image".
_QUOTED = re.compile(
    r"(?:(?:Back-off )?pulling image|Failed to (?:pull|inspect) image|Failed to apply default image tag"
    r"|(?:Successfully pulled|Container) image|failed to (?:pull and unpack image|resolve reference))"
    r" \\?\"([^\"]*?)\\?\"",
    re.I,
)


def quoted_image(message: str) -> str:
    """The image that a kubelet's message is about, as it is quoted there; "" if none is."""
    match = _QUOTED.search(message)
    return match.group(1) if match else ""


def same_image(one: str, other: str) -> bool:
    """Whether two references name the same image, written as in a pod or completed as runtimes do."""
    return _completed(one) == _completed(other)


def _completed(image: str) -> str:
    """The reference with its tag, or with its digest only: runtimes drop the tag beside one."""
    name, _, digest = re.sub(r"\A(?:index\.)?docker\.io/", "", image.strip()).removeprefix("library/").partition("@")
    tag = re.search(r":[^/]*\Z", name)
    if digest:
        return f"{name[: tag.start()] if tag else name}@{digest}"
    return name if tag else f"{name}:latest"
