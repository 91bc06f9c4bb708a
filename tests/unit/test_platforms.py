"""On which nodes a Pull may run, and for which of them an image is not built."""

from __future__ import annotations

from typing import Any

import pytest
from pullcore.evidence import Evidence
from pullcore.platforms import fits, may_be_tried_on, may_run_on, misfits, needs_platforms, platform_of
from pullcore.pull import Pull
from pullcore.workload import Index, pulls

from .builders import RUNNING, asked_about, domain, evidence, node, pod, waiting, workload

Object = dict[str, Any]
AMD = node("amd")
ARM = node("arm", platform="arm64", labels={"zone": "b", "cores": "8"})
ONLY_ARM: Object = {"nodeSelector": {"kubernetes.io/arch": "arm64"}}


def required(*terms: Object) -> Object:
    """What a pod's spec says to be let onto nodes that meet any of the terms."""
    node_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": node_affinity}}


def term(key: str, operator: str, *values: str) -> Object:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "let_through"),
    [
        ({}, "amd arm"),
        ({"nodeName": "arm"}, "arm"),
        ({"nodeName": ""}, "amd arm"),
        ({"nodeName": "gone"}, ""),
        ({"nodeSelector": {}}, "amd arm"),
        (ONLY_ARM, "arm"),
        ({"nodeSelector": {"zone": "b", "kubernetes.io/os": "linux"}}, "arm"),
        ({"nodeSelector": {"zone": "b", "kubernetes.io/arch": "amd64"}}, ""),
        (required(term("kubernetes.io/arch", "In", "arm64", "s390x")), "arm"),
        (required(term("kubernetes.io/arch", "NotIn", "arm64")), "amd"),
        (required(term("zone", "Exists")), "arm"),
        (required(term("zone", "DoesNotExist")), "amd"),
        (required(term("cores", "Gt", "4")), "arm"),
        (required(term("cores", "Lt", "4")), ""),
        (required(term("zone", "Sounds", "b")), ""),
        # terms are alternatives, what stands in one is not
        (required(term("zone", "Exists"), term("kubernetes.io/arch", "In", "amd64")), "amd arm"),
        (
            required({"matchExpressions": [*term("zone", "Exists")["matchExpressions"],
                                           *term("zone", "In", "c")["matchExpressions"]]}),
            "",
        ),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["amd"]}]}), "amd"),
        (required({}), ""),  # an empty term matches no node
        ({**ONLY_ARM, **required(term("kubernetes.io/arch", "In", "amd64"))}, ""),
        # what is only preferred keeps no pod away
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}}, "amd arm"),
        ({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}}, "amd arm"),
    ],
)  # fmt: skip
def test_nodes_that_a_spec_lets_through(spec: Object, let_through: str) -> None:
    assert [one["metadata"]["name"] for one in (AMD, ARM) if fits(spec, one)] == let_through.split()


def only_pull(seen: Evidence) -> Pull:
    (found,) = pulls(seen)
    return found


def may_run(*values: Object) -> str:
    seen = evidence(*values, AMD, ARM)
    return " ".join(one["metadata"]["name"] for one in may_run_on(only_pull(seen), seen, Index(seen)))


@pytest.mark.parametrize(
    ("values", "nodes"),
    [
        # of pods: where they are, and where they may still go
        ([pod(node="arm", state=RUNNING)], "arm"),
        ([pod(node="gone", state=RUNNING)], ""),
        ([pod(node=None)], "amd arm"),
        ([pod(node=None, placement=ONLY_ARM)], "arm"),
        ([pod("a", node="amd"), pod("b", node=None, placement=ONLY_ARM)], "amd arm"),
        ([pod("a", node="arm"), pod("b", node=None, placement=ONLY_ARM)], "arm"),
        ([pod(node="amd", placement=ONLY_ARM)], "amd"),  # bound all the same: nodeName was set by hand
        # of what has no pods yet: its template
        ([workload()], "amd arm"),
        ([workload(placement=ONLY_ARM)], "arm"),
        ([workload(placement={"nodeName": "amd"})], "amd"),
        ([workload("CronJob", "c", placement=ONLY_ARM)], "arm"),
        ([pod(live=False, node=None, placement=ONLY_ARM)], "arm"),
        ([domain()], "amd arm"),
        ([domain(serverPod=ONLY_ARM)], "arm"),
        ([domain(serverPod=required(term("kubernetes.io/arch", "In", "arm64")))], "arm"),
        ([asked_about()], "amd arm"),
        ([workload(name="a", placement=ONLY_ARM), workload(name="b", placement={"nodeName": "amd"})], "amd arm"),
    ],
)
def test_nodes_that_may_run_a_pull(values: list[Object], nodes: str) -> None:
    assert may_run(*values) == nodes


def test_a_workload_with_pods_is_where_they_are() -> None:
    web = workload(placement=ONLY_ARM)
    assert may_run(web, pod(owner=web, node="amd", state=RUNNING)) == "amd"


def test_nodes_that_could_not_be_read_are_none() -> None:
    seen = evidence(pod(state=RUNNING))
    assert may_run_on(only_pull(seen), seen, Index(seen)) == []


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [
        (["linux/amd64"], "arm"),
        (["linux/amd64", "linux/arm64"], ""),
        (["linux/s390x"], "amd arm"),
        (["windows/amd64"], "amd arm"),
    ],
)
def test_misfits(platforms: list[str], expected: str) -> None:
    assert (
        " ".join(one["metadata"]["name"] for one in misfits(platforms, [AMD, ARM, {"metadata": {"name": "mute"}}]))
        == expected
    )


def test_platform_of_a_node() -> None:
    assert platform_of(ARM) == "linux/arm64"
    assert platform_of({"metadata": {"name": "x"}}) == ""
    assert platform_of({"status": {"nodeInfo": {"architecture": "amd64"}}}) == ""


@pytest.mark.parametrize(
    ("values", "is_index", "counted", "needed"),
    [
        # nodes that differ: it matters for whatever is pulled
        ([pod(state=RUNNING), AMD, ARM], False, True, True),
        ([workload(), AMD, ARM], True, False, True),
        # words of a kubelet that point there
        ([pod(state=waiting("no match for platform in manifest")), AMD], False, True, True),
        ([pod(state=waiting("exec /bin/sh: exec format error", "CrashLoopBackOff")), AMD], False, True, True),
        ([pod(state=waiting("pull access denied")), AMD], False, True, False),
        # nodes that are alike: a list that nobody has tried is worth a look where that costs nothing
        ([workload(), AMD], True, False, True),
        ([workload(), AMD], True, True, False),
        ([workload(), AMD], False, False, False),
        ([pod(state=waiting("", "ContainerCreating")), AMD], True, False, True),
        ([pod(state=RUNNING), AMD], True, False, False),
        ([workload()], True, False, False),
    ],
)
def test_when_an_image_is_looked_into(values: list[Object], is_index: bool, counted: bool, needed: bool) -> None:
    """Looking costs a GET, which registries may count as a pull."""
    seen = evidence(*values)
    assert needs_platforms(pulls(seen), seen, is_index=is_index, counted=counted) == needed


def test_an_image_that_is_only_asked_about_is_looked_into() -> None:
    seen = evidence(asked_about(), AMD)
    assert needs_platforms(pulls(seen), seen, is_index=True, counted=False)


def tainted(name: str, *taints: Object) -> Object:
    return {**node(name), "spec": {"taints": list(taints)}}


DEDICATED: Object = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
DOWN: Object = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("tolerations", "taints", "let_through"),
    [
        ([], [DEDICATED], False),
        ([], [{**DEDICATED, "effect": "PreferNoSchedule"}], True),
        ([{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}], [DEDICATED], True),
        ([{"key": "dedicated", "value": "db"}], [DEDICATED], True),  # Equal, any effect
        ([{"key": "dedicated", "value": "web"}], [DEDICATED], False),
        ([{"key": "dedicated", "operator": "Exists"}], [DEDICATED], True),
        ([{"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}], [DEDICATED], False),
        ([{"operator": "Exists"}], [DEDICATED, DOWN], True),
        ([{"operator": "Exists", "effect": "NoSchedule"}], [DEDICATED, DOWN], False),
        ([{"key": "dedicated", "operator": "Exists"}], [DEDICATED, DOWN], False),
        ([{"key": DOWN["key"], "operator": "Exists", "effect": "NoExecute"}], [DOWN], True),
    ],
)
def test_taints(tolerations: list[Object], taints: list[Object], let_through: bool) -> None:
    assert fits({"tolerations": tolerations}, tainted("n", *taints)) is let_through


OWNER = workload("ReplicaSet", "web-1")


@pytest.mark.parametrize(
    ("one", "names"),
    [
        (pod(node="amd"), "amd"),  # nobody would make it again
        (pod(node="amd", owner=OWNER), "amd arm"),  # it may be made again on any
        (pod(node="amd", owner=OWNER, placement=ONLY_ARM), "amd arm"),  # and it is where it is
        (pod(node=None, placement=ONLY_ARM), "arm"),
        (pod(node=None, owner=OWNER), "amd arm"),
        (pod(node="gone", owner=OWNER, placement=ONLY_ARM), "arm"),
    ],
)
def test_where_a_pull_may_be_tried(one: Object, names: str) -> None:
    found = evidence(one, OWNER, AMD, ARM, tainted("control", DEDICATED))
    (pull,) = pulls(found)[:1]
    tried = may_be_tried_on(pull, found, Index(found))
    assert " ".join(node["metadata"]["name"] for node in tried) == names
