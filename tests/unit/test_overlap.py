"""Calls in lanes: several queues side by side, bounded in each and in all, within a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
from pullcore.overlap import in_lanes


class Crowd:
    """Counts who is in at once. Calls wait until as many are in as are expected, so that no sleeping is needed."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.most: dict[str, int] = {}
        self.order: list[str] = []
        self._in: dict[str, int] = {}
        self._changed = threading.Condition()

    def call(self, name: str) -> Callable[[], None]:
        def come_in() -> None:
            with self._changed:
                self.order.append(name)
                for lane in (name, "all"):
                    self._in[lane] = self._in.get(lane, 0) + 1
                    self.most[lane] = max(self.most.get(lane, 0), self._in[lane])
                self._changed.notify_all()
                self._changed.wait_for(lambda: self.most["all"] >= self.expected, timeout=5)
            with self._changed:
                for lane in (name, "all"):
                    self._in[lane] -= 1

        return come_in

    def lane(self, name: str, count: int) -> dict[str, list[Callable[[], None]]]:
        return {name: [self.call(name)] * count}


def test_everything_is_done_once() -> None:
    done: list[int] = []
    queues = {f"q{lane}": [partial(done.append, lane * 10 + number) for number in range(10)] for lane in range(5)}
    assert in_lanes(queues, each=3, total=7, seconds=10)
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize("queues", [{}, {"a": []}, {"a": [], "b": []}])
def test_nothing_to_do_is_done(queues: dict[str, list[Callable[[], None]]]) -> None:
    assert in_lanes(queues, each=1, total=1, seconds=10)
    assert in_lanes(queues, each=1, total=1, seconds=0)


def test_lanes_run_side_by_side_within_both_bounds() -> None:
    crowd = Crowd(expected=6)
    queues = {**crowd.lane("a", 20), **crowd.lane("b", 20), **crowd.lane("c", 20)}
    assert in_lanes(queues, each=2, total=16, seconds=10)
    assert crowd.most == {"a": 2, "b": 2, "c": 2, "all": 6}


def test_the_bound_of_all_holds_where_lanes_would_allow_more() -> None:
    crowd = Crowd(expected=4)
    queues = {name: calls for lane in "abcdef" for name, calls in crowd.lane(lane, 10).items()}
    assert in_lanes(queues, each=8, total=4, seconds=10)
    assert crowd.most["all"] == 4


def test_one_lane_alone_is_bounded_by_each() -> None:
    crowd = Crowd(expected=3)
    assert in_lanes(crowd.lane("a", 30), each=3, total=16, seconds=10)
    assert crowd.most == {"a": 3, "all": 3}


def test_a_short_lane_does_not_wait_behind_a_long_one() -> None:
    """With two in all, one of the long and one of the short lane are on their way first."""
    crowd = Crowd(expected=2)
    assert in_lanes({**crowd.lane("long", 20), **crowd.lane("short", 1)}, each=2, total=2, seconds=10)
    assert sorted(crowd.order[:2]) == ["long", "short"]


def test_calls_of_one_lane_start_in_their_order() -> None:
    order: list[int] = []
    assert in_lanes({"a": [partial(order.append, number) for number in range(20)]}, each=1, total=4, seconds=10)
    assert order == list(range(20))


def test_time_ends_the_wait_and_starts_nothing_more() -> None:
    release, started = threading.Event(), []

    def slow() -> None:
        started.append(1)
        release.wait(10)

    began = time.monotonic()
    try:
        assert not in_lanes({"a": [slow] * 10, "b": [slow] * 10}, each=1, total=2, seconds=0.1)
        assert time.monotonic() - began < 3
        assert len(started) == 2
    finally:
        release.set()
    time.sleep(0.05)  # whoever waited for a turn would start now
    assert len(started) == 2


def test_done_just_in_time_is_done() -> None:
    assert in_lanes({"a": [lambda: time.sleep(0.02)] * 3}, each=3, total=3, seconds=5)


@pytest.mark.parametrize("failure", [KeyError("no"), SystemExit(3)])
def test_the_first_failure_is_raised(failure: BaseException) -> None:
    def fail() -> None:
        raise failure

    with pytest.raises(type(failure)):
        in_lanes({"a": [fail], "b": [lambda: time.sleep(0.01)] * 5}, each=1, total=2, seconds=10)


def test_after_a_failure_nothing_more_is_started() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        in_lanes({"a": [fail, *[lambda: done.append(1)] * 50]}, each=1, total=1, seconds=10)
    assert not done


def test_a_job_may_bring_more_for_its_lane() -> None:
    done: list[int] = []

    def brings(number: int) -> list[Callable[[], None]]:
        done.append(number)
        return [partial(done.append, number * 10), partial(done.append, number * 10 + 1)]

    assert in_lanes({"a": [partial(brings, 1)], "b": [partial(brings, 2)]}, each=1, total=2, seconds=10)
    assert sorted(done) == [1, 2, 10, 11, 20, 21]


def test_what_is_brought_is_bounded_as_the_rest() -> None:
    crowd = Crowd(expected=3)
    assert in_lanes({"a": [lambda: [crowd.call("a")] * 20]}, each=3, total=16, seconds=10)
    assert crowd.most == {"a": 3, "all": 3}


def test_what_is_brought_too_late_is_not_begun_and_not_called_done() -> None:
    release, late = threading.Event(), threading.Event()
    done: list[int] = []

    def slow() -> list[Callable[[], None]]:
        release.wait(10)
        late.set()
        return [partial(done.append, 1)]

    assert not in_lanes({"a": [slow]}, each=1, total=1, seconds=0.05)
    release.set()
    assert late.wait(5)
    time.sleep(0.05)  # it would begin now
    assert not done
