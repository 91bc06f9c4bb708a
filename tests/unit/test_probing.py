"""Which nodes --probe has try which Pull, and what is said of it first."""

from __future__ import annotations

import io
from typing import Any, Optional

import pytest
from pullcheck.options import ProbeOptions
from pullcheck.probing import Plan, entails, plan, probe
from pullcore.conversation import Conversation
from pullcore.errors import CommandError

from .builders import IMAGE, asked_about, container, node, pod, report, workload

Object = dict[str, Any]
WEB = workload("Deployment", "web", container())


def sized(name: str, image: str, size: int) -> Object:
    one = node(name, image)
    one["status"]["images"][0]["sizeBytes"] = size
    return one


def planned(*values: Object, **options: Any) -> Plan:
    return plan(report(*values), ProbeOptions(**options))


def tries(found: Plan) -> list[tuple[str, str, str]]:
    return [(one.pull.image, one.node["metadata"]["name"], one.policy) for one in found.tries]


def test_each_pull_with_each_node_that_may_run_it() -> None:
    found = planned(WEB, node("n1"), node("n2"), {**node("n3"), "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}})
    assert tries(found) == [(IMAGE, "n1", "IfNotPresent"), (IMAGE, "n2", "IfNotPresent")]


def test_only_named_nodes_also_those_that_it_would_not_run_on() -> None:
    tainted = {**node("n3"), "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}}
    assert [one[1] for one in tries(planned(WEB, node("n1"), tainted, nodes=("n3",)))] == ["n3"]
    with pytest.raises(CommandError, match='nodes "gone" not found'):
        planned(WEB, node("n1"), nodes=("gone",))


def test_nodes_that_can_t_be_listed_have_to_be_named() -> None:
    with pytest.raises(CommandError, match="have to be named: --nodes=NAME,NAME"):
        planned(WEB)
    assert tries(planned(WEB, nodes=("n1",))) == [(IMAGE, "n1", "IfNotPresent")]


def test_a_name_that_is_none_is_not_tried() -> None:
    assert not planned(workload("Deployment", "bad", container(image="Upper/Case:1")), node("n1")).tries


@pytest.mark.parametrize(
    ("policy", "pulls", "size"),
    [(None, ["n2"], 700), ("Always", ["n1", "n2"], 1400), ("Never", [], 0)],
)
def test_what_has_to_be_pulled(policy: Optional[str], pulls: list[str], size: int) -> None:
    found = planned(WEB, sized("n1", IMAGE, 700), node("n2"), policy=policy)
    assert [one.node["metadata"]["name"] for one in found.pulls] == pulls
    assert found.bytes == size


def test_a_size_that_no_node_tells_is_not_known() -> None:
    found = planned(WEB, node("n1"))
    assert found.bytes is None
    assert entails(found) == [
        "Probing with 1 short-lived pod that runs nothing, on node n1",
        f"  {IMAGE} (of unknown size) may be pulled by 1 node",
    ]


def test_always_says_what_it_does() -> None:
    assert "moves on the nodes" in entails(planned(WEB, node("n1"), policy="Always"))[-1]
    assert not any("moves on" in line for line in entails(planned(WEB, node("n1"), policy="IfNotPresent")))


def test_nothing_to_probe_is_said() -> None:
    talk = Conversation(io.StringIO(), io.StringIO(), io.StringIO())
    seen = report(asked_about("Upper/Case:1"), node("n1"))
    assert probe(seen, ProbeOptions(), None, talk, scan=False) == seen.evidence  # type: ignore[arg-type]  # no cluster is asked
    assert "Nothing to probe" in talk.stderr.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_where_pods_are_is_tried_too() -> None:
    bound = pod("web", node="n2")
    assert [one[1] for one in tries(planned(bound, node("n1"), node("n2")))] == ["n2"]


def test_nodes_that_are_left_out_are_named() -> None:
    tainted = {**node("n3"), "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}}
    assert "  not tried, for no such pod may run there: n3 (--nodes tries it all the same)" in entails(
        planned(WEB, node("n1"), tainted)
    )
