"""The bench's own parts that need no cluster: what it fills a cluster with, and the document that it writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pullcore.podspec import pod_asks
from pullcore.pull import Target

from tests.bench import pods
from tests.bench.filling import First
from tests.bench.measure import Ratio
from tests.bench.table import HEAD, Part, keep, section, sections

ALL = [pods.Pod(number) for number in range(pods.PODS)]


@pytest.mark.parametrize("count", [pods.FEW, pods.PODS])
def test_as_many_pods_fail_for_as_many_pulls_in_the_small_cluster_as_in_the_large_one(count: int) -> None:
    """Else the growth of a scan would be that of what it finds."""
    some = ALL[:count]
    asked = {
        (pod.namespace, ask.image)
        for pod in some
        for ask in pod_asks(Target("Pod", pod.namespace, pod.name), "spec", pods.pod_spec(pod))
    }
    assert len(asked) == pods.PULLS == 300
    assert sum(pod.waits for pod in some) == count // 10
    assert len({pod.image for pod in some if pod.waits}) == pods.FAILING_WORKLOADS
    assert len(pods.nodes(range(count))) == count // 20


def test_no_two_pods_have_the_same_name() -> None:
    assert Counter((pod.namespace, pod.name) for pod in ALL).most_common(1)[0][1] == 1


def test_a_copied_pod_differs_from_the_first_of_its_group_in_all_that_is_its_own() -> None:
    first = ALL[0]
    other = next(pod for pod in ALL[1:] if pod.group == first.group)
    uid = "6b8f2c1e-0000-4000-8000-000000000001"
    stored = " ".join((*pods.differing(first), uid, "what is common")).encode()
    ((key, value),) = First(first, [uid], [(f"/registry/pods/{first.namespace}/{first.name}", stored)]).copied(other)
    assert key == f"/registry/pods/{other.namespace}/{other.name}"
    words = value.decode().split()
    assert words[:4] == list(pods.differing(other))
    assert words[4] != uid
    assert len(value) == len(stored)


def test_a_part_that_is_measured_leaves_the_others_figures_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    order = ["first", "second"]
    slow = Part("What it takes.", [Ratio("time", "s", "ours", "a | b", [2.0, 4.0, 9.0], [1.0, 2.0, 3.0], 1.5)], ["A note."])
    keep(file, "second", section(slow, "Measured then."), order)
    before = sections(file.read_text())["second"]
    keep(file, "first", section(Part("Nothing.", []), "Measured now."), order)
    found = sections(file.read_text())
    assert list(found) == order
    assert found["second"] == before
    assert r"| ours | a \| b | time | 4.000 s | 2.000 s | 2.00 | 2.00-3.00 | 3 | <= 1.5 | MISSED |" in before
    assert "Measured then." in before
    assert before.endswith("\n\nA note.")
    keep(file, "second", section(Part("Nothing.", []), "Measured now."), ["second"])
    assert file.read_text() == HEAD + "\n## second\n\nNothing.\n\nMeasured now.\n"
