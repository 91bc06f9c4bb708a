"""The canary: what it asks of a kubelet, and what its end tells."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from pullcore import canary
from pullcore.canary import Canary, manifest, outcome, resources, without_user
from pullcore.diagnosis import diagnose
from pullcore.evidence import from_document, to_json
from pullcore.pull import Pull, Target
from pullcore.workload import pulls

from .builders import (
    DNS,
    IMAGE,
    NOW,
    REFUSED,
    container,
    event,
    evidence,
    node,
    only,
    pod,
    secret,
    waiting,
    workload,
)

Object = dict[str, Any]
PULL = Pull(IMAGE, "IfNotPresent", "default", ("a", "b"), "robot", (Target("Pod", "default", "web"),))
STARTED: Object = {"terminated": {"reason": "StartError", "exitCode": 128}}
DONE = f'Successfully pulled image "{IMAGE}" in 1.2345s (1.3s including waiting). Image size: 306123 bytes.'
THERE = f'Container image "{IMAGE}" already present on machine'


def made(pull: Pull = PULL, policy: str = "Always", **more: Any) -> Object:
    return manifest(pull, node("n1", **more), policy, run="ab12cd", number=3, seconds=90, small={"cpu": "1m"})


def test_it_asks_for_what_the_pull_asks_for() -> None:
    spec = made()["spec"]
    (one,) = spec["containers"]
    assert (one["image"], one["imagePullPolicy"], spec["nodeName"]) == (IMAGE, "Always", "n1")
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert spec["serviceAccountName"] == "robot"
    assert made()["metadata"]["namespace"] == "default"


def test_it_runs_nothing_needs_nothing_and_ends() -> None:
    spec = made()["spec"]
    (one,) = spec["containers"]
    assert one["command"] == [canary.COMMAND] and "args" not in one
    assert spec["restartPolicy"] == "Never" and spec["activeDeadlineSeconds"] == 90
    assert spec["automountServiceAccountToken"] is False
    assert "volumes" not in spec and not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))
    # Pod Security Standards, "restricted"
    secure = one["securityContext"]
    assert secure["runAsNonRoot"] and not secure["allowPrivilegeEscalation"] and secure["capabilities"] == {"drop": ["ALL"]}
    assert secure["seccompProfile"] == {"type": "RuntimeDefault"}
    assert one["resources"] == {"requests": {"cpu": "1m"}, "limits": {"cpu": "1m"}}


def test_it_can_be_found_again_and_is_left_alone_by_injectors() -> None:
    metadata = made()["metadata"]
    assert canary.SELECTOR == "app.kubernetes.io/managed-by=kubectl-pullkit,app.kubernetes.io/component=canary"
    assert all(metadata["labels"][key] == value for key, value in canary.LABELS.items())
    assert metadata["labels"][canary.RUN_LABEL] == "ab12cd" and metadata["name"] == "pull-canary-ab12cd-3"
    for part in ("labels", "annotations"):
        assert metadata[part]["sidecar.istio.io/inject"] == "false"


def test_without_a_user_for_clusters_that_give_one() -> None:
    changed = without_user(made())["spec"]["containers"][0]
    assert "runAsUser" not in changed["securityContext"] and changed["securityContext"]["runAsNonRoot"]
    assert made()["spec"]["containers"][0]["securityContext"]["runAsUser"] == canary.NOBODY


def limit_range(kind: str, **least: str) -> Object:
    return {"spec": {"limits": [{"type": kind, "min": least}]}}


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ([], {"cpu": "10m", "memory": "16Mi"}),
        ([limit_range("Container", memory="64Mi", cpu="5m")], {"cpu": "10m", "memory": "64Mi"}),
        ([limit_range("Pod", cpu="0.1"), limit_range("Container", cpu="50m")], {"cpu": "0.1", "memory": "16Mi"}),
        ([limit_range("PersistentVolumeClaim", storage="1Gi")], {"cpu": "10m", "memory": "16Mi"}),
        ([limit_range("Container", **{"ephemeral-storage": "1Gi"})], {**canary.SMALL, "ephemeral-storage": "1Gi"}),
        ([{"spec": {"limits": [{"type": "Pod"}, {"type": "Pod", "min": 5}]}}, {"spec": None}, {}], canary.SMALL),
        ([limit_range("Pod", cpu="much")], canary.SMALL),
    ],
)
def test_no_smaller_than_the_namespace_allows(ranges: list[Object], found: Object) -> None:
    assert resources(ranges) == found


def tried(
    state: Optional[Object] = None,
    *events: tuple[str, str],
    secrets: tuple[str, ...] = ("a", "b"),
    digest: str = "",
    why: str = "",
    pull: Pull = PULL,
    on: str = "n1",
    **status: Any,
) -> Canary:
    one = pod(f"canary-{on}", container("canary"), state=state, secrets=secrets, digest=digest, account="robot", node=on)
    one["status"] |= status
    said = [event(one, text, reason, place="canary", seconds_ago=9 - at) for at, (reason, text) in enumerate(events)]
    return Canary(pull.key, on, pull.policy, one, tuple(said), why)


@pytest.mark.parametrize(
    ("one", "result", "text"),
    [
        (tried(STARTED, ("Pulling", f'Pulling image "{IMAGE}"'), ("Pulled", DONE)), "pulled", "pulled in 1.2s, 306 kB"),
        (tried(None, ("Pulled", DONE)), "pulled", "pulled in 1.2s, 306 kB"),
        (tried(STARTED, ("Pulled", THERE), ("Failed", "exec: no such file")), "present", "has it already"),
        (tried(STARTED), "pulled", "is there now"),  # who may not read events
        (tried(waiting("x", "CreateContainerConfigError")), "pulled", "is there now"),
        (tried(waiting(DNS), ("Failed", f"Failed to pull image \"{IMAGE}\": {DNS}")), "refused",
         "lookup registry.example.com on 10.0.0.2:53: no such host"),
        (tried(waiting("", "ErrImageNeverPull")), "refused", ""),
        (tried(None), "unknown", "no word of its kubelet"),
        (tried(None, ("Pulling", f'Pulling image "{IMAGE}"')), "unknown", "still pulling"),
        (tried(None, ("FailedCreatePodSandBox", "no network")), "unknown", "FailedCreatePodSandBox: no network"),
        (tried(None, phase="Failed", reason="OutOfcpu", message="no cpu is left"), "unknown",
         "the kubelet did not try: OutOfcpu (no cpu is left)"),
        # its time was over before its kubelet was done
        (tried(STARTED, ("Pulling", f'Pulling image "{IMAGE}"'), phase="Failed", reason="DeadlineExceeded"), "unknown",
         "still pulling"),
        (tried(None, why="no answer within 5s"), "unknown", "no answer within 5s"),
        (Canary(PULL.key, "n1", "Always", why="no canary could be made"), "unknown", "no canary could be made"),
    ],
)  # fmt: skip
def test_outcomes(one: Canary, result: str, text: str) -> None:
    found = outcome(one, NOW)
    assert (found.result, found.node) == (result, "n1")
    assert text in found.text
    assert found.good is (result in ("pulled", "present"))


def test_a_refusal_tells_its_cause_and_a_success_its_figures() -> None:
    assert outcome(tried(waiting(DNS)), NOW).cause == "dns"
    good = outcome(tried(STARTED, ("Pulled", DONE), digest="sha256:" + "a" * 64), NOW)
    assert (good.took, good.size, good.digest) == (1.2, 306123, "sha256:" + "a" * 64)
    assert good.same_list and not outcome(tried(STARTED, secrets=("other",)), NOW).same_list


# In a diagnosis

WEB = workload("Deployment", "web", container(), secrets=("pull",))
SET = workload("ReplicaSet", "web-1", container(), secrets=("pull",), owner=WEB)
NODES = (node("n1"), node("n2"))
GOOD = secret("pull")


def seen(message: str, *canaries: Any, policy: str = "") -> Any:
    """A pod on n1 that was refused, and what canaries of its Pull met: (node, state)."""
    web = pod("web-1-x", container(policy=policy), state=waiting(message), secrets=("pull",), owner=SET)
    found = evidence(web, WEB, SET, *NODES, secrets=[GOOD], targets=[WEB])
    (pull,) = pulls(found)
    tries = tuple(tried(state, secrets=pull.secrets, pull=pull, on=on) for on, state in canaries)
    return evidence(web, WEB, SET, *NODES, secrets=[GOOD], targets=[WEB], canaries=tries)


@pytest.mark.parametrize(
    ("canaries", "verdict", "causes"),
    [
        ([], "blocked", ["no-credentials"]),
        ([("n1", STARTED), ("n2", STARTED)], "pullable", []),
        ([("n1", STARTED), ("n2", waiting(DNS))], "blocked", ["dns"]),
        ([("n2", STARTED)], "blocked", ["no-credentials"]),  # the node that refused has not been asked again
        ([("n1", STARTED), ("n2", None)], "unknown", []),
    ],
)
def test_verdicts(canaries: list[Any], verdict: str, causes: list[str]) -> None:
    found = only(diagnose(seen(REFUSED, *canaries)))
    assert (found.verdict, [one.cause for one in found.findings if one.severity == "error"]) == (verdict, causes)
    assert [one.node for one in found.probes] == [on for on, _ in canaries]


def test_a_node_that_refuses_where_another_does_not_is_named() -> None:
    found = only(diagnose(seen(REFUSED, ("n1", STARTED), ("n2", waiting(DNS)))))
    assert found.findings[0].summary.startswith("on node n2: ")
    assert [one.cause for one in found.probes] == ["", "dns"]
    assert "canary" not in str(found.findings[0].fix)  # which is gone when people read it


def test_a_canary_of_other_pull_secrets_proves_nothing_of_this_pull() -> None:
    before = seen(REFUSED)
    (pull,) = pulls(before)
    other = tried(STARTED, secrets=("other",), pull=pull)
    assert only(diagnose(_with(before, other))).verdict == "blocked"


def _with(before: Any, *canaries: Canary) -> Any:
    from dataclasses import replace

    return replace(before, canaries=canaries)


def test_saved_and_read_back() -> None:
    import json

    before = seen(REFUSED, ("n1", STARTED), ("n2", waiting(DNS)))
    again = from_document(json.loads(to_json(before)))
    assert again.canaries == before.canaries
    assert only(diagnose(again)).probes == only(diagnose(before)).probes
