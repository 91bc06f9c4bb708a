"""When an object is back, when it has failed, and for what it waits in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import pytest
from pullcore.pull import Target
from pullcore.workload import target_of
from repull.domain_goal import Seen
from repull.failures import Failures
from repull.goal import Goal, Outcome, World
from repull.goals import goals, judge
from repull.steps import Step

from .builders import NOW, REFUSED, Object, container, domain, event, evidence, failed_condition, pod, waiting, workload
from .builders import cluster as make_cluster
from .repull_builders import (
    BACK_OFF,
    ENDED_WELL,
    RUNS,
    changed,
    custom,
    deployed,
    failures,
    going,
    introspected,
    owned_by,
    replica_set,
    server,
    step,
)

CREATING = {"waiting": {"reason": "ContainerCreating"}}
LOOPS = waiting("back-off", "CrashLoopBackOff")
REFUSED_NOW = waiting(REFUSED)
CRASH = "its image is there, but container main CrashLoopBackOff: back-off"
WEB, SMALL, _ = deployed(replicas=2)
DEPLOYMENT = Target("Deployment", "default", "web")


def uid(value: Object) -> str:
    return str(value["metadata"]["uid"])


def of_web(name: str, state: Optional[Object] = None, **details: Any) -> Object:
    return pod(name, state=state, owner=SMALL, **details)


def the_goal(steps: Sequence[Step], *seen: Object, **details: Any) -> Goal:
    """The one goal of a plan."""
    (goal,) = goals(evidence(*seen, **details), steps, NOW)
    return goal


def outcome(
    goal: Goal,
    *pods: Object,
    domains: Sequence[Object] = (),
    refusals: Optional[Failures] = None,
    seen: Optional[Seen] = None,
    events: Sequence[Object] = (),
) -> Outcome:
    """How it fares when these are there."""
    told = {events[0]["involvedObject"]["uid"]: list(events)} if events else {}
    world = World({uid(one): one for one in pods}, told, {target_of(one): one for one in domains})
    if refusals is None:
        refusals = Failures()
        for one in pods:
            refusals.note(one)
    own = {uid(one): one for one in pods if goal.owns(one)}
    return judge(goal, own, world, refusals, seen or Seen(), NOW)


def told(found: Outcome) -> tuple[bool, str, str]:
    return (found.done, found.failed, found.waits)


DONE, BUSY = (True, "", ""), (False, "", "")


def wait_for(text: str) -> tuple[bool, str, str]:
    return (False, "", text)


# A Deployment

OLD = of_web("web-5d9-old", BACK_OFF)
FINE = of_web("web-5d9-fine", RUNS)
DELETED = the_goal([step("delete", OLD, OLD, asker=WEB)], WEB, SMALL, OLD, FINE)


def new(state: Optional[Object] = None, name: str = "web-5d9-new") -> Object:
    return of_web(name, state)


class Row(NamedTuple):
    name: str
    pods: Sequence[Object]
    told: tuple[bool, str, str]


OF_DEPLOYMENT = [
    Row("nothing happened yet", [OLD, FINE], wait_for("web-5d9-old is still there")),
    Row("it goes", [going(OLD), FINE], wait_for("web-5d9-old is still there")),
    Row("it goes, the new one runs", [going(OLD), FINE, new(RUNS)], wait_for("web-5d9-old is still there")),
    Row("it is gone", [FINE], wait_for("1 of 2 pods are there")),
    Row("the new one is made", [FINE, new()], BUSY),
    Row("the new one starts", [FINE, new(CREATING)], BUSY),
    Row("the new one runs", [FINE, new(RUNS)], DONE),
    Row("the new one is refused", [FINE, new(REFUSED_NOW)], (False, "ErrImagePull: no basic auth credentials", "")),
    Row("the new one crashes", [FINE, new(LOOPS)], (False, CRASH, "")),
    Row("one that was fine before crashes", [of_web("web-5d9-fine", LOOPS), new(RUNS)], DONE),
    Row("one that was fine before goes", [going(FINE), new(RUNS)], wait_for("1 of 2 pods are there")),
    Row("and is made again", [going(FINE), new(RUNS), new(CREATING, "web-5d9-more")], BUSY),
    Row("more than before", [FINE, new(RUNS), new(RUNS, "web-5d9-more")], DONE),
    Row("other pods", [FINE, new(RUNS), pod("api-1", state=LOOPS, owner=replica_set(workload("Deployment", "api")))], DONE),
    Row("those of another namespace", [FINE, new(RUNS), changed(new(LOOPS, "web-5d9-far"), metadata__namespace="far")],
        DONE),
    Row("those of a new ReplicaSet",
        [FINE, pod("web-77f-1", state=CREATING, owner=replica_set(WEB, "77f"), labels={"pod-template-hash": "77f"})], BUSY),
    Row("those of a ReplicaSet of nobody that is called alike",
        [FINE, new(RUNS), pod("web-77f-1", state=LOOPS, owner=workload("ReplicaSet", "web-77f"))], DONE),
    Row("and of one of a longer name",
        [FINE, new(RUNS), pod("web-api-1", state=LOOPS, owner=replica_set(workload("Deployment", "web-api")))], DONE),
]  # fmt: skip


@pytest.mark.parametrize("row", OF_DEPLOYMENT, ids=[row.name for row in OF_DEPLOYMENT])
def test_a_deployment(row: Row) -> None:
    assert told(outcome(DELETED, *row.pods)) == row.told


def test_the_stages_are_of_the_pods_in_question() -> None:
    found = outcome(DELETED, FINE, new(CREATING), OLD)
    assert {one: stage.name for one, stage in found.stages.items()} == {uid(new()): "starting"}


def test_the_pod_that_failed_is_told() -> None:
    assert outcome(DELETED, FINE, new(LOOPS)).failed_pod == uid(new())
    assert outcome(DELETED, FINE, new(RUNS)).failed_pod == ""


def test_a_refusal_that_was_there_before_is_waited_for() -> None:
    """A pod that is left: its next try counts, not its last."""
    left = the_goal([step("leave", OLD, OLD, asker=WEB)], WEB, SMALL, OLD, FINE)
    refusals = Failures()
    refusals.begin(OLD)
    refusals.note(OLD)
    assert told(outcome(left, OLD, FINE, refusals=refusals)) == BUSY
    again = of_web("web-5d9-old", REFUSED_NOW)
    refusals.note(again)
    assert told(outcome(left, again, FINE, refusals=refusals))[1] == "ErrImagePull: no basic auth credentials"
    assert told(outcome(left, of_web("web-5d9-old", RUNS), FINE, refusals=refusals)) == DONE


def test_a_retry_is_seen_in_the_events() -> None:
    left = the_goal([step("leave", OLD, OLD, asker=WEB)], WEB, SMALL, OLD, FINE)
    pulling = event(OLD, 'Pulling image "registry.example.com/team/app:1.0"', "Pulling")
    found = outcome(left, OLD, FINE, refusals=Failures(), events=[failures(OLD, 1, 50), pulling])
    assert [one.name for one in found.stages.values()] == ["pulling"]


@pytest.mark.parametrize(
    ("replicas", "pods", "count"),
    [(3, 2, 2), (2, 3, 2), (1, 1, 1), (5, 0, 1), (0, 1, 0), (None, 3, 1)],
)
def test_how_many_pods_there_have_to_be(replicas: Optional[int], pods: int, count: int) -> None:
    """As many as there were, or as are wanted where that is fewer; where a quota holds some back, nobody waits for them."""
    value = workload() if replicas is None else workload(replicas=replicas)
    own = [of_web(f"web-5d9-{number}", BACK_OFF) for number in range(pods)]
    goal = the_goal([step("roll", value, *own)], value, SMALL, *own, targets=[value])
    assert goal.count == count


def test_pods_that_go_do_not_count() -> None:
    goal = the_goal(
        [step("delete", OLD, OLD, asker=WEB)], WEB, SMALL, OLD, going(of_web("web-5d9-going", RUNS)), targets=[WEB]
    )
    assert goal.count == 1
    assert uid(of_web("web-5d9-going")) in goal.outdated


def test_a_superseded_pod_has_to_go() -> None:
    goal = the_goal([Step("superseded", target_of(OLD), "", DEPLOYMENT, (uid(OLD),))], WEB, SMALL, OLD)
    assert told(outcome(goal, OLD)) == wait_for("web-5d9-old is still there")


def test_a_roll_replaces_all_pods() -> None:
    goal = the_goal([step("roll", WEB, OLD)], WEB, SMALL, OLD, FINE)
    assert told(outcome(goal, FINE, new(RUNS))) == wait_for("web-5d9-fine is still there")
    assert told(outcome(goal, new(RUNS), new(RUNS, "web-5d9-more"))) == DONE


def test_an_evicted_pod_that_lies_about_is_not_in_question() -> None:
    """A node killed it yesterday; its owner has replaced it since."""
    evicted = changed(of_web("web-5d9-evicted"), status__phase="Failed", status__reason="Evicted")
    assert goals(evidence(WEB, SMALL, FINE, new(RUNS), evicted, targets=[WEB]), [], NOW) == []


@pytest.mark.parametrize(
    ("state", "in_question"),
    [(RUNS, False), (LOOPS, False), (ENDED_WELL, False), (None, True), (CREATING, True), (REFUSED_NOW, True)],
)
def test_pods_that_the_evidence_does_not_hold(state: Optional[Object], in_question: bool) -> None:
    """A scan's has but those that wait; and one may have been made since."""
    other = new(state)
    (goal,) = goals(evidence(SMALL, OLD, WEB, targets=[WEB]), [step("leave", OLD, OLD, asker=WEB)], NOW, [other])
    assert goal.asks_about(other) is in_question
    assert goal.asks_about(OLD)


# Others


def test_a_job_made_again() -> None:
    job = workload("Job", "import")
    first, second = pod("import-1", state=BACK_OFF, owner=job), pod("import-2", state=ENDED_WELL, owner=job)
    goal = the_goal([step("recreate", job, first)], job, first)
    assert told(outcome(goal)) == wait_for("0 of 1 pods are there")
    assert told(outcome(goal, second)) == DONE
    assert [one.name for one in outcome(goal, second).stages.values()] == ["ended"]


def test_a_job_whose_pod_is_left() -> None:
    job = workload("Job", "import")
    first = pod("import-1", state=BACK_OFF, owner=job)
    goal = the_goal([step("leave", first, first, asker=job)], job, first)
    assert told(outcome(goal, first, refusals=Failures())) == BUSY
    assert told(outcome(goal, pod("import-1", state=ENDED_WELL, owner=job))) == DONE


def test_a_bare_pod() -> None:
    old = pod("test", state=BACK_OFF)
    goal = the_goal([step("recreate", old, old)], old)
    again = changed(pod("test", state=RUNS), metadata__uid="uid-of-the-new-one")
    assert told(outcome(goal, old)) == wait_for("test is still there")
    assert told(outcome(goal)) == wait_for("0 of 1 pods are there")
    assert told(outcome(goal, again)) == DONE
    assert told(outcome(goal, again, pod("other", state=LOOPS))) == DONE


def of_cron(name: str, job: str, state: Optional[Object]) -> list[Object]:
    cron = workload("CronJob", name)
    own = owned_by(workload("Job", job), cron)
    return [cron, own, pod(f"{job}-1", state=state, owner=own)]


def test_a_cron_job_has_the_pods_of_its_jobs() -> None:
    cron, job, one = of_cron("nightly", "nightly-7", BACK_OFF)
    goal = the_goal([step("recreate", job, one, asker=cron)], cron, job, one)
    again = changed(pod("nightly-7-2", state=RUNS, owner=job))
    assert told(outcome(goal, again)) == DONE
    assert told(outcome(goal, again, pod("hourly-1", state=LOOPS, owner=workload("Job", "hourly")))) == DONE


def test_a_job_that_has_no_pod_just_now_is_its_cron_jobs_all_the_same() -> None:
    cron, job, one = of_cron("nightly", "nightly-7", CREATING)
    goal = the_goal([step("recreate", job, asker=cron)], cron, job, targets=[cron])
    assert goal.owns(one)


def test_another_cron_jobs_jobs_are_not_its_own() -> None:
    """In a scan the evidence holds the Jobs of both."""
    mine, job, one = of_cron("nightly", "nightly-7", BACK_OFF)
    others = of_cron("hourly", "hourly-3", BACK_OFF)
    goal = the_goal([step("leave", one, one, asker=mine)], mine, job, one, *others, targets=[])
    assert goal.count == 1
    assert told(outcome(goal, pod("nightly-7-1", state=RUNS, owner=job), others[2])) == DONE


@pytest.mark.parametrize("kind", ["StatefulSet", "Job", "ReplicaSet"])
def test_what_an_object_of_a_kind_that_is_not_known_owns(kind: str) -> None:
    """An operator's StatefulSet, say: what is brought back has the StatefulSet's pods."""
    top = custom()
    middle = owned_by(workload(kind, "sso"), top)
    one = pod("sso-0", state=BACK_OFF, owner=middle)
    goal = the_goal([step("delete", one, one, asker=top)], middle, one, targets=[])
    assert goal.count == 1
    assert told(outcome(goal, one)) == wait_for("sso-0 is still there")
    again = changed(pod("sso-0", state=CREATING, owner=middle), metadata__uid="uid-of-the-new-one")
    assert told(outcome(goal, again)) == BUSY
    assert told(outcome(goal, changed(again, status__containerStatuses=[{"name": "main", "state": RUNS}]))) == DONE


def test_what_is_owned_by_a_kind_that_is_not_known() -> None:
    one = owned_by(pod("sso-0", state=BACK_OFF), custom())
    goal = the_goal([step("delete", one, one, asker=custom())], one, targets=[])
    assert told(outcome(goal, one)) == wait_for("sso-0 is still there")


# What is waited for at all


@pytest.mark.parametrize(
    ("name", "seen", "waited_for"),
    [
        ("a pod that starts", [WEB, SMALL, FINE, new(CREATING)], True),
        ("a pod without a node", [WEB, SMALL, FINE, new()], True),
        ("a pod that goes", [WEB, SMALL, going(OLD), FINE, new(RUNS)], True),
        ("too few pods", [WEB, SMALL], True),
        ("all run", [WEB, SMALL, FINE, new(RUNS)], False),
        ("one crashes", [WEB, SMALL, FINE, new(LOOPS)], False),
        ("stopped", [workload(replicas=0), SMALL], False),
        ("stopped, its last pod goes", [workload(replicas=0), SMALL, going(OLD)], False),
        ("a Domain that starts", [domain(), server(state=CREATING, domain=domain())], True),
        ("a Domain that runs", [domain(), server(state=RUNS, domain=domain())], False),
        ("a stopped Domain", [domain(serverStartPolicy="Never")], False),
        ("a Domain that failed",
         [value := domain(conditions=[failed_condition("no")]), server(state=CREATING, domain=value)], False),
        ("a suspended CronJob", [workload("CronJob", "nightly", suspend=True)], False),
        ("a CronJob without pods", [workload("CronJob", "nightly")], False),
        ("a bare pod that starts", [pod("test", state=CREATING)], True),
        ("a bare pod that runs", [pod("test", state=RUNS)], False),
    ],
)  # fmt: skip
def test_what_is_named_and_on_its_way_is_waited_for(name: str, seen: Sequence[Object], waited_for: bool) -> None:
    found = goals(evidence(*seen, targets=[seen[0]]), [], NOW)
    assert [goal.target for goal in found] == ([target_of(seen[0])] if waited_for else [])
    scanned = evidence(*seen, targets=[], waiting_only=True)
    assert goals(scanned, [], NOW) == [], "a scan is about what waits for an image"


# WebLogic Domains

INTROSPECTOR_GONE: list[Object] = []
SERVERS = [{"serverName": "admin", "stateGoal": "RUNNING"}, {"serverName": "managed-1", "stateGoal": "RUNNING"}]


def after(
    *, servers: Optional[Sequence[Object]] = None, conditions: Sequence[Object] = (), behind: bool = False, **details: Any
) -> Object:
    """The Domain with another status."""
    value = changed(domain(**details), metadata__generation=4, status__observedGeneration=3 if behind else 4)
    return changed(value, status__servers=list(SERVERS if servers is None else servers), status__conditions=list(conditions))


DOMAIN, JOB, STUCK_ONE = introspected()
INTROSPECTED = the_goal([step("introspect", DOMAIN, STUCK_ONE)], DOMAIN, JOB, STUCK_ONE)
COMPLETED = {"type": "Completed", "status": "True"}
INVALID = failed_condition("The Domain is\nbroken", "DomainInvalid")


def introspector(state: Optional[Object]) -> Object:
    made = introspected(state)[2]
    return changed(made, metadata__name="domain1-introspector-x2", metadata__uid="uid-of-x2")


def running(name: str, state: Object = RUNS) -> Object:
    return server(name, state, domain=DOMAIN)


class Of(NamedTuple):
    name: str
    pods: Sequence[Object]
    domain: Object
    told: tuple[bool, str, str]
    saw: bool = True  # an introspector before


ADMIN, MANAGED = running("admin"), running("managed-1")
OF_DOMAIN = [
    Of("nothing happened yet", [STUCK_ONE], after(servers=[]), wait_for("the operator has not introspected it yet"), False),
    Of("the stuck one is gone", [], after(servers=[]), wait_for("the operator has not introspected it yet"), False),
    Of("a new one starts", [introspector(CREATING)], after(servers=[]), BUSY, False),
    Of("the new one is refused", [introspector(REFUSED_NOW)], after(servers=[]),
       (False, "ErrImagePull: no basic auth credentials", ""), False),
    Of("the new one runs", [introspector(RUNS)], after(), wait_for("its introspector runs"), False),
    Of("the new one has ended", [introspector(ENDED_WELL)], after(behind=True),
        wait_for("its operator has not looked at it yet"),
       False),
    Of("its operator is behind", [], after(behind=True), wait_for("its operator has not looked at it yet")),
    Of("its operator still tells the failure", [], after(conditions=[failed_condition("x")]),
       wait_for("its operator still reports the failure")),
    Of("both servers are missing", [], after(), wait_for("server admin, managed-1 has not started")),
    Of("one is missing", [ADMIN], after(), wait_for("server managed-1 has not started")),
    Of("one starts", [ADMIN, running("managed-1", CREATING)], after(), wait_for("server managed-1 has not started")),
    Of("one goes", [ADMIN, going(MANAGED)], after(), wait_for("server managed-1 has not started")),
    Of("one crashes", [ADMIN, changed(MANAGED, status__containerStatuses=[{"name": "weblogic-server", "state": LOOPS}])],
        after(),
       (False, CRASH.replace("main", "weblogic-server"), "")),
    Of("both run", [ADMIN, MANAGED], after(), DONE),
    Of("both run, and nobody saw the introspector", [ADMIN, MANAGED], after(), DONE, False),
    Of("both run, the introspector is there still", [ADMIN, MANAGED, introspector(ENDED_WELL)], after(), DONE),
    Of("before 4.0", [ADMIN, MANAGED],
       after(servers=[{"serverName": "admin", "desiredState": "RUNNING"}, {"serverName": "b", "desiredState": "SHUTDOWN"}]),
       DONE),
    Of("before 4.0, one is missing", [ADMIN], after(servers=[{"serverName": "b", "desiredState": "RUNNING"}]),
       wait_for("server b has not started")),
    Of("a server that is to be down", [ADMIN], after(servers=[SERVERS[0], {"serverName": "b", "stateGoal": "SHUTDOWN"}]),
        DONE),
    Of("no server is told yet", [], after(servers=[]), wait_for("its operator has started no server yet")),
    Of("none is wanted", [], after(servers=[], conditions=[COMPLETED]), DONE),
    Of("none is available", [], after(servers=[], conditions=[{"type": "Available", "status": "False"}]),
       wait_for("its operator has started no server yet")),
    Of("something is under way", [], after(servers=[], conditions=[{"type": "Rolling", "status": "True"}]),
       wait_for("its operator has started no server yet")),
    Of("stopped", [], after(servers=[], serverStartPolicy="Never"), DONE),
    Of("more than three are missing", [], after(servers=[{"serverName": f"m{n}", "stateGoal": "RUNNING"} for n in range(5)]),
       wait_for("server m0, m1, m2 has not started")),
    Of("its operator reports a new failure", [], after(conditions=[INVALID]),
       (False, "its operator reports DomainInvalid: The Domain is broken", "")),
    Of("pods tell theirs themselves", [], after(conditions=[failed_condition("Failure on pod 'x'", "ServerPod")]),
       wait_for("its operator still reports the failure")),
    Of("a failure that is over", [ADMIN, MANAGED], after(conditions=[{**INVALID, "status": "False"}]), DONE),
]  # fmt: skip


@pytest.mark.parametrize("row", OF_DOMAIN, ids=[row.name for row in OF_DOMAIN])
def test_a_domain(row: Of) -> None:
    seen = Seen({"uid-of-x2": "running"} if row.saw else {})
    assert told(outcome(INTROSPECTED, *row.pods, domains=[row.domain], seen=seen)) == row.told


def test_a_domain_that_is_gone() -> None:
    assert told(outcome(INTROSPECTED)) == (False, "domain/domain1 is not there any more", "")


def test_a_failure_that_was_there_before_is_waited_for() -> None:
    before = after(conditions=[INVALID])
    goal = dataclasses.replace(INTROSPECTED, value=before)
    assert told(outcome(goal, domains=[before], seen=Seen({"x": "ended"}))) == wait_for(
        "its operator still reports the failure"
    )
    other = after(conditions=[{**INVALID, "message": "another"}])
    assert (
        told(outcome(goal, domains=[other], seen=Seen({"x": "ended"})))[1] == "its operator reports DomainInvalid: another"
    )


def test_introspectors_are_remembered() -> None:
    """They are gone soon after they ended."""
    seen = Seen()
    outcome(INTROSPECTED, introspector(CREATING), domains=[after(servers=[])], seen=seen)
    assert seen.introspectors == {"uid-of-x2": "starting"}
    assert told(outcome(INTROSPECTED, ADMIN, MANAGED, domains=[after()], seen=seen)) == DONE


def test_a_domain_that_runs_while_its_introspector_is_stuck() -> None:
    """The introspector is gone in the end: nobody waits for as many pods as there were."""
    goal = the_goal([step("introspect", DOMAIN, STUCK_ONE)], DOMAIN, JOB, STUCK_ONE, ADMIN, MANAGED)
    seen = Seen({"uid-of-x2": "ended"})
    assert told(outcome(goal, ADMIN, MANAGED, domains=[after()], seen=seen)) == DONE
    one_less = after(servers=SERVERS[:1])
    assert told(outcome(goal, ADMIN, domains=[one_less], seen=seen)) == DONE


def test_servers_that_ran_before_do_not_tell_that_it_was_introspected() -> None:
    goal = the_goal([step("introspect", DOMAIN, STUCK_ONE)], DOMAIN, JOB, STUCK_ONE, ADMIN, MANAGED)
    assert told(outcome(goal, ADMIN, MANAGED, domains=[after()])) == wait_for("the operator has not introspected it yet")
    again = changed(MANAGED, metadata__uid="uid-of-the-new-one")
    assert told(outcome(goal, ADMIN, again, domains=[after()])) == DONE


def test_servers_without_an_introspection() -> None:
    stuck = running("managed-1", BACK_OFF)
    goal = the_goal([step("delete", stuck, stuck, asker=DOMAIN)], DOMAIN, ADMIN, stuck)
    assert not goal.introspect
    assert told(outcome(goal, ADMIN, domains=[after()])) == wait_for("server managed-1 has not started")
    again = changed(MANAGED, metadata__uid="uid-of-the-new-one")
    assert told(outcome(goal, ADMIN, again, domains=[after()])) == DONE


def test_a_server_that_was_fine_before_is_not_in_question() -> None:
    """Its crash is none of ours, and it counts as started."""
    crashed = changed(ADMIN, status__containerStatuses=[{"name": "weblogic-server", "state": LOOPS}])
    goal = the_goal([step("introspect", DOMAIN, STUCK_ONE)], DOMAIN, JOB, STUCK_ONE, ADMIN)
    assert told(outcome(goal, crashed, MANAGED, domains=[after()], seen=Seen({"x": "ended"}))) == DONE


@pytest.mark.parametrize("do", ["introspect", "delete-job", "recreate-domain"])
def test_what_has_a_domain_introspected(do: str) -> None:
    assert the_goal([step(do, DOMAIN, STUCK_ONE)], DOMAIN, JOB, STUCK_ONE).introspect


def test_which_servers_are_rolled() -> None:
    value = domain(clusters=[{"name": "domain1-c1"}])
    one = changed(make_cluster("domain1-c1", {}), spec__clusterName="c1")
    inside, outside = server("managed-1", domain=value, cluster="c1"), server("admin", domain=value)
    of_cluster = the_goal([step("roll", one, inside, asker=value)], value, one, inside, outside, targets=[value])
    assert of_cluster.outdated == {uid(inside)}
    named_so = changed(one, metadata__name="c1", spec__clusterName=None)
    of_name = the_goal([step("roll", named_so, inside, asker=value)], value, named_so, inside, outside, targets=[value])
    assert of_name.outdated == {uid(inside)}
    other = changed(one, spec__clusterName="c2")
    of_other = the_goal([step("roll", other, asker=value)], value, other, inside, outside, targets=[value])
    assert of_other.outdated == frozenset()
    of_domain = the_goal([step("roll", value, inside)], value, one, inside, outside, STUCK_ONE, targets=[value])
    assert of_domain.outdated == {uid(inside), uid(outside)}


def test_pods_that_only_look_like_those_of_a_domain() -> None:
    foreign = changed(pod("x", container(), state=LOOPS), metadata__labels={"weblogic.domainUID": "domain1"})
    assert not INTROSPECTED.owns(foreign)
    assert INTROSPECTED.owns(ADMIN)


def test_an_introspector_whose_job_is_made_later_is_the_domains_own() -> None:
    """Between two tries there is no Job: the labels tell."""
    goal = the_goal([step("introspect", DOMAIN)], DOMAIN)
    assert goal.owns(introspector(CREATING))
    assert told(outcome(goal, introspector(REFUSED_NOW), domains=[after()]))[1] == "ErrImagePull: no basic auth credentials"


def test_what_is_open() -> None:
    assert Outcome(False).is_open
    assert not Outcome(True).is_open
    assert not Outcome(False, "it crashed").is_open
