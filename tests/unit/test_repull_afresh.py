"""What is known of pods that wait, and what their next tries would come to: yesterday's refusals do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from pullcore.diagnosis import diagnose
from pullcore.evidence import Evidence
from pullcore.keyring import SecretFacts
from pullcore.pull import Target
from pullcore.workload import Index, controller_of, target_of
from repull.afresh import afresh, askers_of, still_blocked
from repull.outdated import superseded
from repull.steps import Step
from repull.waiting import Waiting, waiting_pods

from .builders import (
    IMAGE,
    MALFORMED,
    REFUSED,
    Object,
    account,
    answer,
    answers,
    container,
    domain,
    evidence,
    pod,
    secret,
    workload,
)
from .builders import waiting as waits
from .repull_builders import (
    BACK_OFF,
    INVALID,
    NEVER,
    NEW_IMAGE,
    RUNS,
    Wishes,
    changed,
    custom,
    deployed,
    introspected,
    owned_by,
    planned,
    replica_set,
    server,
    step,
)

GOOD, BAD = secret("good"), secret("bad", **MALFORMED)
REFUSED_NOW = waits(REFUSED)


# What is known of a pod that waits


def waiting(*values: Object, secrets: Sequence[SecretFacts] = ()) -> list[Waiting]:
    seen = evidence(*values, secrets=secrets)
    return waiting_pods(diagnose(seen), Index(seen))


class Words(NamedTuple):
    name: str
    seen: Sequence[Object]
    outdated: str
    by_spec: bool = False


JOB = workload("Job", "import", container())
STATEFUL = workload("StatefulSet", "db", container(), container("side", NEW_IMAGE))
POD_OF_SET = pod("db-0", state=BACK_OFF, owner=STATEFUL)
CUSTOM = custom("JobSet", "sets")
AUXILIARY = {"model": {"auxiliaryImages": [{"image": NEW_IMAGE}]}}
AUX_NOW = {"model": {"auxiliaryImages": [{"image": "registry.example.com/team/aux:2"}]}}
BOTH = [container("operator-aux-container1", NEW_IMAGE)]


def server_with_aux(value: Object) -> Object:
    made = server(domain=value, state=BACK_OFF)
    return changed(made, spec__initContainers=BOTH)


OUTDATED = [
    Words("as today", [deployed()[1], *deployed(BACK_OFF)[2]], ""),
    Words("other image", [workload("StatefulSet", "db", container(image=NEW_IMAGE)), POD_OF_SET],
          f"it asks for {IMAGE}, one made today for {NEW_IMAGE}", True),
    Words("other policy", [workload("StatefulSet", "db", container(policy="Never")), POD_OF_SET],
          f"it asks for {IMAGE}, one made today for another pull policy", True),
    Words("a container that only today's has", [STATEFUL, POD_OF_SET], ""),
    Words("a container that a webhook added",
          [workload("StatefulSet", "db"), pod("db-0", container(), container("proxy", "istio:1"), state=BACK_OFF,
                                              owner=STATEFUL)], ""),
    Words("another list", [workload("StatefulSet", "db", secrets=["a", "b"]), POD_OF_SET],
          "it lists no pull secret, one made today a, b", True),
    Words("the same names in another order",
          [workload("StatefulSet", "db", secrets=["a", "b"]),
          pod("db-0", state=BACK_OFF, secrets=["b", "a"], owner=STATEFUL)],
          "it lists b, a, one made today a, b", True),
    Words("the account's other list", [workload("StatefulSet", "db"), POD_OF_SET, account(secrets=["a"])],
          "it lists no pull secret, one made today a"),
    Words("the list that it had is not there any more",
          [workload("StatefulSet", "db"), pod("db-0", state=BACK_OFF, secrets=["a"], owner=STATEFUL)],
          "it lists a, one made today no pull secret"),
    Words("another account's list does not count",
          [workload("StatefulSet", "db"), POD_OF_SET, account("other", secrets=["a"])], ""),
    Words("an owner of a kind that is not known", [owned_by(pod("sso-0", state=BACK_OFF), custom())], ""),
    Words("an image of a Job is a webhook's doing",
          [JOB, pod("import-0", container(image=f"mirror.test/{IMAGE}"), state=BACK_OFF, owner=JOB)], ""),
    Words("of a CronJob's Job, too",
          [cron := workload("CronJob", "nightly"), owned_by(JOB, cron),
           pod("import-0", container(image=f"mirror.test/{IMAGE}"), state=BACK_OFF, owner=JOB)], ""),
    Words("its list is not", [workload("Job", "import", secrets=["a"]), pod("import-0", state=BACK_OFF, owner=JOB)],
          "it lists no pull secret, one made today a", True),
    Words("an introspector's Job is made anew", [domain(image=NEW_IMAGE), *introspected()[1:]],
          f"it asks for {IMAGE}, one made today for {NEW_IMAGE}", True),
    Words("an introspector as today", introspected(), ""),
    Words("an auxiliary image", [domain(configuration=AUX_NOW), server_with_aux(domain(configuration=AUXILIARY))],
          f"it asks for {NEW_IMAGE}, one made today for registry.example.com/team/aux:2", True),
    Words("an auxiliary image as today",
        [domain(configuration=AUXILIARY), server_with_aux(domain(configuration=AUXILIARY))], ""),
]  # fmt: skip


@pytest.mark.parametrize("row", OUTDATED, ids=[row.name for row in OUTDATED])
def test_how_a_pod_differs_from_one_made_today(row: Words) -> None:
    (one,) = waiting(*row.seen)
    assert (one.outdated, one.by_spec) == (row.outdated, row.by_spec)


def test_a_job_of_a_controller_that_is_not_known_is_a_job_still() -> None:
    """A JobSet's, say: an image that differs is a webhook's doing there, too."""
    job = owned_by(JOB, CUSTOM)
    (one,) = waiting(job, pod("import-0", container(image=f"mirror.test/{IMAGE}"), state=BACK_OFF, owner=job))
    assert one.outdated == ""


def test_what_is_told_of_a_pod() -> None:
    _, small, (healthy, failing) = deployed(RUNS, BACK_OFF)
    (one,) = waiting(deployed()[0], small, healthy, failing)
    assert one.uid == "uid-of-default-web-5d9-1"
    assert [owner.kind for owner in one.owners] == ["ReplicaSet", "Deployment"]
    assert one.asker == Target("Deployment", "default", "web")
    assert one.reasons == {"ImagePullBackOff"}
    assert (one.static, one.going, one.runs, one.ran, one.server) == (False, False, False, False, "")
    assert waiting(changed(failing, status__phase="Running"))[0].ran
    assert waiting(server(domain=domain()))[0].server == "managed-1"


@pytest.mark.parametrize(
    ("states", "is_so"),
    [
        ({"a": NEVER, "b": NEVER}, True),
        ({"a": INVALID, "b": RUNS}, True),
        ({"a": NEVER, "b": BACK_OFF}, False),
        ({"a": BACK_OFF, "b": RUNS}, False),
    ],
)
def test_where_there_is_no_back_off(states: dict[str, Object], is_so: bool) -> None:
    (one,) = waiting(pod("p", container("a"), container("b"), states=states))
    assert one.tried_at_each_sync is is_so


def test_superseded() -> None:
    old, new = workload(), workload("Deployment", "web", container(image=NEW_IMAGE))
    listing = workload(secrets=["good"])
    elsewhere = workload(account="robot")
    for deployment, replaced in ((old, False), (new, True), (listing, True), (elsewhere, True)):
        small = replica_set(old)
        (one,) = waiting(deployment, small, pod("web-5d9-1", state=BACK_OFF, owner=small))
        found = superseded(one.owners, Index(evidence(deployment, small)))
        assert (found is not None) is replaced
    (one,) = waiting(POD_OF_SET, workload("StatefulSet", "db", container(image=NEW_IMAGE)))
    assert superseded(one.owners, Index(evidence(STATEFUL))) is None


# What the next tries would come to


def blocked(seen: Evidence, wishes: Wishes = Wishes(), steps: Sequence[Step] = ()) -> dict[str, list[str]]:  # noqa: B008
    """What would be refused again: the causes, by what asks."""
    after = diagnose(afresh(seen, steps or planned(seen, wishes)))
    found = askers_of(still_blocked(seen, after))
    return {asker.ref: [one.findings[0].cause for one in some] for asker, some in found.items()}


class Case(NamedTuple):
    name: str
    seen: Sequence[Object]
    blocked: dict[str, list[str]]
    wishes: Wishes = Wishes()
    secrets: Sequence[SecretFacts] = (GOOD,)
    missing: Sequence[str] = ()


RECREATE, KEEP = Wishes(recreate_pods=True), Wishes(keep_waiting_pods=True)
WEB, SMALL, REFUSED_PODS = deployed(REFUSED_NOW, secrets=["good"])
OTHER_DOMAIN = domain(image=NEW_IMAGE, secrets=["gone"])

CASES = [
    # What a kubelet said is of yesterday.
    Case("refused yesterday", [WEB, SMALL, *REFUSED_PODS], {}),
    Case("refused yesterday, kept", [WEB, SMALL, *REFUSED_PODS], {}, KEEP),
    Case("bare pod, refused yesterday", [pod("test", state=REFUSED_NOW, secrets=["good"])], {}),
    Case("a Domain's status tells of yesterday",
         introspected(REFUSED_NOW, secrets=["good"], conditions=[
             {"type": "Failed", "status": "True", "reason": "ServerPod",
              "message": f"Failure on pod 'domain1-introspector-x1' in namespace 'default': {REFUSED}"}]), {}),
    # What the objects say is of today.
    Case("its secret is not there",
        deployed(BACK_OFF, secrets=["gone"])[:2] + tuple(deployed(BACK_OFF, secrets=["gone"])[2]),
         {"deployment/web": ["secret-missing"]}, missing=["gone"]),
    Case("its secret is not there, kept",
         deployed(BACK_OFF, secrets=["gone"])[:2] + tuple(deployed(BACK_OFF, secrets=["gone"])[2]),
         {"deployment/web": ["secret-missing"]}, KEEP, missing=["gone"]),
    Case("a malformed secret", [pod("test", state=BACK_OFF, secrets=["bad"])], {"pod/test": ["secret-malformed"]},
         secrets=[BAD]),
    # What is left with a word of the kubelet of today.
    Case("ErrImageNeverPull of a pod that is left", [pod("test", container(policy="Never"), state=NEVER, secrets=["good"])],
         {"pod/test": ["never-pull"]}),
    Case("InvalidImageName of a pod that is left", [pod("test", container(image="Team/App"), state=INVALID)],
         {"pod/test": ["invalid-name"]}),
    Case("ErrImageNeverPull of a pod that is made again",
         [workload("StatefulSet", "db", secrets=["good"]), pod("db-0", container(policy="Never"), state=NEVER,
                                                               secrets=["old"], owner=STATEFUL)], {}),
    # Stale pods that are made again are judged by today's list.
    Case("stale list, mended", [workload("StatefulSet", "db", secrets=["good"]),
                                pod("db-0", state=BACK_OFF, secrets=["gone"], owner=STATEFUL)], {}, missing=["gone"]),
    Case("stale list, today's is wrong", [workload("StatefulSet", "db", secrets=["gone"]),
                                          pod("db-0", state=BACK_OFF, secrets=["good"], owner=STATEFUL)],
         {"statefulset/db": ["secret-missing"]}, missing=["gone"]),
    Case("account's list, mended", [workload("StatefulSet", "db"), account(secrets=["good"]),
                                    pod("db-0", state=BACK_OFF, secrets=["gone"], owner=STATEFUL)], {}, missing=["gone"]),
    Case("account's list is wrong", [workload("StatefulSet", "db"), account(secrets=["gone"]),
                                     pod("db-0", state=BACK_OFF, secrets=["good"], owner=STATEFUL)],
         {"statefulset/db": ["secret-missing"]}, missing=["gone"]),
    Case("a bare pod that is made again lists what its account lists",
         [pod("test", state=BACK_OFF), account(secrets=["good"])], {}, RECREATE),
    Case("and is blocked where that is wrong", [pod("test", state=BACK_OFF), account(secrets=["gone"])],
         {"pod/test": ["secret-missing"]}, RECREATE, missing=["gone"]),
    Case("a bare pod that has a list of its own keeps it",
         [pod("test", state=BACK_OFF, secrets=["gone"]), account(secrets=["good"])], {"pod/test": ["secret-missing"]},
         RECREATE, missing=["gone"]),
    Case("a pod of a kind that is not known", [owned_by(pod("sso-0", state=BACK_OFF, secrets=["gone"]), custom())],
         {"keycloak/sso": ["secret-missing"]}, missing=["gone"]),
    # What only healthy pods ask for is not in question.
    Case("a healthy Deployment whose secret is gone", [workload(secrets=["gone"]), *deployed(RUNS, secrets=["gone"])[1:2],
                                                       *deployed(RUNS, secrets=["gone"])[2]], {}, missing=["gone"]),
    Case("one healthy pod, one that waits",
         [workload(secrets=["gone"]), *deployed(secrets=["gone"])[1:2], *deployed(RUNS, BACK_OFF, secrets=["gone"])[2]],
         {"deployment/web": ["secret-missing"]}, missing=["gone"]),
    # What only a template asks for
    Case("the servers' image while the introspector is stuck",
         [domain(image=IMAGE, secrets=["good"], serverPod={"containers": [container("side", "Team/Side")]}),
          *introspected(secrets=["good"])[1:]], {"domain/domain1": ["invalid-name"]}),
    Case("a Domain without pods", [OTHER_DOMAIN], {"domain/domain1": ["secret-missing"]}, missing=["gone"]),
    # What is stuck is not in question: its steps say so.
    Case("stuck", [pod("test", state=BACK_OFF), account(secrets=["gone"])], {}, missing=["gone"]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_is_blocked_still(case: Case) -> None:
    roots = [value for value in case.seen if value["kind"] != "ServiceAccount" and controller_of(value) is None]
    seen = evidence(*case.seen, targets=roots, secrets=case.secrets, missing=case.missing)
    assert blocked(seen, case.wishes) == case.blocked


def test_every_case_of_yesterday_was_blocked_before() -> None:
    """Else these rows would hold whatever `afresh` does."""
    for case in CASES[:4]:
        assert diagnose(evidence(*case.seen, secrets=case.secrets)).verdict == "blocked", case.name


def test_what_a_registry_says_counts() -> None:
    """The kubelet's word is gone, the registry's is asked anew."""
    seen = evidence(pod("test", state=BACK_OFF, secrets=["good"]), secrets=[GOOD])
    said = answers(answer("no-credentials"), answer("bad-credentials", "credential 1"))
    after = afresh(seen, planned(seen))
    assert still_blocked(seen, diagnose(after)) == []
    (one,) = still_blocked(seen, diagnose(replace(after, registries=said)))
    assert one.findings[0].cause == "bad-credentials"


def test_what_afresh_keeps_and_what_not() -> None:
    both = [container("a"), container("b", NEW_IMAGE)]
    left = pod("left", *both, states={"a": RUNS, "b": REFUSED_NOW})
    made_again, stuck, fine = pod("again", state=BACK_OFF), pod("stuck", state=BACK_OFF), pod("fine", state=RUNS)
    value = domain(conditions=[{"type": "Failed", "status": "True"}])
    before = evidence(left, made_again, stuck, fine, value, targets=[value], waiting_only=True)
    steps = [step("leave", left, left), step("recreate", made_again, made_again), step("leave", stuck, stuck, stuck=True)]
    after = afresh(before, steps)
    assert [one["metadata"]["name"] for one in after.pods] == ["left", "again"]
    assert after.pods[0]["status"]["containerStatuses"] == [{"name": "a", "state": RUNS}]
    assert "uid" not in after.pods[1]["metadata"]
    assert after.pods[1]["status"] == {}
    assert after.events == ()
    assert [one.get("status") for one in after.objects] == [None]
    assert not after.waiting_only
    assert after.targets == (target_of(value), *(one.asker for one in steps))
    assert before.pods[0]["status"]["containerStatuses"][1]["state"] == REFUSED_NOW, "the evidence itself is as it was"


def test_askers_have_all_their_pulls() -> None:
    both = [container("a", "Team/A"), container("b", "Team/B")]
    seen = evidence(pod("test", *both, state=INVALID))
    found = askers_of(still_blocked(seen, diagnose(afresh(seen, planned(seen)))))
    assert {asker.ref: [one.pull.image for one in some] for asker, some in found.items()} == {
        "pod/test": ["Team/A", "Team/B"]
    }
