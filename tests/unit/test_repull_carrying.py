"""Several nodes at once: the second try, the digest that has to be the right one, an end that leaves nothing."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from pullcore.errors import CommandError
from repull.bars import Bars
from repull.carrying import carry_all
from repull.load_plan import Job
from repull.runtimes import CONTAINERD

from .builders import IMAGE, node
from .test_repull_load_plan import digest, image


def job(name: str) -> Job:
    return Job(node(name), CONTAINERD, image(IMAGE), IMAGE)


def stream(_: Job) -> tuple[int, Iterator[bytes]]:
    return 6, iter((b"abc", b"def"))


@dataclass
class Fake:
    """answers: what each node says at its tries, an error or a digest."""

    answers: dict[str, list[str]]
    tries: list[tuple[str, int]] = field(default_factory=list)
    stopped: int = 0
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry(self, job: Job, size: int, pieces: Iterator[bytes], told: Callable[[int], None], attempt: int) -> str:
        with self._lock:
            self.tries.append((job.node_name, attempt))
            self._now += 1
            self.most = max(self.most, self._now)
        threading.Event().wait(0.02)
        for piece in pieces:
            told(len(piece))
        with self._lock:
            self._now -= 1
        answer = self.answers[job.node_name][attempt]
        if answer == "interrupt":
            raise KeyboardInterrupt
        if not answer.startswith("sha256:"):
            raise CommandError(answer)
        return answer

    def stop(self) -> None:
        self.stopped += 1


def run(fake: Fake, *, parallelism: int = 5) -> tuple[dict[str, str], str]:
    text = io.StringIO()
    found = carry_all(list(map(job, fake.answers)), fake, stream, Bars(text, live=False), parallelism=parallelism)
    assert fake.stopped == 1
    return {one.job.node_name: one.fault for one in found}, text.getvalue()


def test_a_node_that_fails_is_tried_once_more() -> None:
    good = digest("a")
    fake = Fake({"n1": [good], "n2": ["no space", good], "n3": ["no space", "still no space"]})
    found, text = run(fake)
    assert found == {"n1": "", "n2": "", "n3": "still no space"}
    assert sorted(fake.tries) == [("n1", 0), ("n2", 0), ("n2", 1), ("n3", 0), ("n3", 1)]
    assert text.count("n2: no space: trying once more\n") == 1
    assert "n1: loaded, 6 B" in text and "n3: failed" in text


@pytest.mark.parametrize("said", ["", digest("b")])
def test_what_a_node_does_not_prove_is_not_there(said: str) -> None:
    """An exit status of 0 is not enough."""
    fake = Fake({"n1": [said or "sha256:", said or "sha256:"]})
    found, text = run(fake)
    assert f"as {IMAGE} afterwards, not {digest('a')[:19]}" in found["n1"]
    assert ": loaded" not in text


@pytest.mark.parametrize("count", [1, 2])
def test_no_more_at_once_than_wanted(count: int) -> None:
    fake = Fake({f"n{number}": [digest("a")] for number in range(6)})
    run(fake, parallelism=count)
    assert fake.most == count


def test_several_images_for_a_node_are_told_apart() -> None:
    text, other = io.StringIO(), replace(job("n1"), name="registry.example.com/team/aux:2.0")
    carry_all([job("n1"), other], Fake({"n1": [digest("a")]}), stream, Bars(text, live=False), parallelism=2)
    assert sorted(line.partition(": loaded")[0] for line in text.getvalue().splitlines()) == [
        f"n1, {IMAGE}", "n1, registry.example.com/team/aux:2.0"
    ]  # fmt: skip


def test_an_interrupt_stops_the_carrier() -> None:
    fake = Fake({"n1": ["interrupt"], "n2": ["no space", "no space"]})
    with pytest.raises(KeyboardInterrupt):
        run(fake, parallelism=1)
    assert fake.stopped == 1 and fake.tries == [("n1", 0)]


def test_bars_are_drawn_over() -> None:
    text = io.StringIO()
    bars = Bars(text, live=True)
    bars.begin("n1", 1000)
    bars.begin("n2\x1b[1m", 1000)
    bars.went("n1", 500)
    bars.say("n3: gone")
    bars.end("n1", "loaded")
    bars.close()
    last = text.getvalue().rpartition("\033[2A\033[J")[2]
    assert "n1 [############------------]  50% of 1.0 kB, loaded in " in last
    assert "n2^[[1m [" in last
    assert "\033[2A\033[Jn3: gone\n" in text.getvalue()
