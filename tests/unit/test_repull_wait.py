"""The wait until all is back, on a clock of its own; and what of a cluster is followed meanwhile."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional, cast

import pytest
from pullcore.apierrors import Forbidden, Unreachable
from pullcore.cluster import Cluster
from pullcore.kinds import KINDS
from pullcore.pull import Target
from pullcore.store import ClusterStore
from pullcore.watching import Change
from pullcore.workload import target_of
from repull import feeds as feeds_module
from repull import wait as wait_module
from repull.failures import Failures
from repull.feeds import Feeds, as_target
from repull.goal import Goal, Outcome, World
from repull.options import parse
from repull.session import Session
from repull.steps import Step
from repull.wait import Wait

from .builders import IMAGE, REFUSED, Object, domain, event, pod, waiting, workload
from .repull_builders import BACK_OFF, RUNS, changed, going, step

SET = workload("StatefulSet", "db", replicas=1)
OLD = pod("db-0", state=BACK_OFF, owner=SET)
CREATING = {"waiting": {"reason": "ContainerCreating"}}
TARGET = target_of(SET)
ON_ITS_WAY = Goal(TARGET, known=frozenset(["uid-of-default-db-0"]), kept=frozenset(["uid-of-default-db-0"]), value=SET)
REPLACED = replace(ON_ITS_WAY, kept=frozenset(), outdated=ON_ITS_WAY.kept)


def new(state: Optional[Object]) -> Object:
    return changed(pod("db-0", state=state, owner=SET), metadata__uid="uid-of-the-new-one")


class Followed:
    """Feeds that tell what a test says: the pods that are there, second after second."""

    def __init__(self, *moments: Sequence[Object], events: Sequence[Object] = (), lost_at: int = 10**9) -> None:
        self.moments, self.now, self.lost_at, self.lost = moments, 0, lost_at, ""
        self.world = World()
        for one in events:
            self.world.events.setdefault(one["involvedObject"]["uid"], []).append(one)
        self._show()

    def _show(self) -> None:
        there = self.moments[min(self.now, len(self.moments) - 1)]
        self.world.pods = {one["metadata"]["uid"]: one for one in there}
        if self.now >= self.lost_at:
            self.lost = "pods may not be read any more"

    def take(self, seconds: float) -> bool:
        assert 0 < seconds <= wait_module.TICK
        self.now += 1
        self._show()
        return True


@dataclass
class Waited:
    outcomes: dict[Target, Outcome]
    lines: list[str]
    acted: list[tuple[int, Step]] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return self.outcomes[TARGET]


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Waited]:
    """Waits, one second for each moment."""

    def run(
        followed: Followed,
        goal: Goal = ON_ITS_WAY,
        *,
        timeout: float = 100,
        delayed: Sequence[Step] = (),
        turns_out: Callable[[Step], Step] = lambda one: one,
        begin: Sequence[Object] = (),
    ) -> Waited:
        monkeypatch.setattr("time.monotonic", lambda: 1000.0 + followed.now)
        out = io.StringIO()
        session = Session(parse([]), io.StringIO(), out, io.StringIO(), {})
        acted: list[tuple[int, Step]] = []

        def act(one: Step) -> Step:
            acted.append((followed.now, one))
            return turns_out(one)

        refusals = Failures()
        for one in begin:
            refusals.begin(one)
        found = Wait(session, cast(Feeds, followed), refusals, act, delayed).until([goal], timeout)
        return Waited(found, out.getvalue().splitlines(), acted)

    return run


def test_what_crashes_at_once_is_not_back(waited: Callable[..., Waited]) -> None:
    crashed = new({"terminated": {"exitCode": 3, "reason": "Error"}})
    found = waited(Followed([OLD], [new(RUNS)], [crashed]), REPLACED)
    assert not found.outcome.done
    assert "ended with exit code 3" in found.outcome.failed


def test_until_it_runs(waited: Callable[..., Waited]) -> None:
    followed = Followed([OLD], [], [new(CREATING)], [new(CREATING)], [new(RUNS)])
    found = waited(followed, REPLACED)
    assert found.outcome.done
    assert followed.now == 4 + wait_module.SETTLED
    assert found.lines == ["pod/db-0: starting", "pod/db-0: started"]


def test_until_it_fails(waited: Callable[..., Waited]) -> None:
    followed = Followed([OLD], [new(waiting(REFUSED))], [new(RUNS)])
    found = waited(followed, REPLACED)
    assert found.outcome.failed == "ErrImagePull: no basic auth credentials"
    assert followed.now == 1


def test_until_time_is_up(waited: Callable[..., Waited]) -> None:
    followed = Followed([OLD])
    found = waited(followed, begin=[OLD], timeout=7)
    assert (found.outcome.done, found.outcome.failed) == (False, "")
    assert followed.now == 7


def test_no_time_is_one_look(waited: Callable[..., Waited]) -> None:
    assert waited(Followed([new(RUNS)]), timeout=0).outcome.done
    assert not waited(Followed([OLD]), begin=[OLD], timeout=0).outcome.done


def test_pods_that_may_not_be_read_any_more(waited: Callable[..., Waited]) -> None:
    followed = Followed([OLD], lost_at=3)
    found = waited(followed, begin=[OLD])
    assert found.outcome.failed == "pods may not be read any more"
    assert followed.now == 3


def test_a_pull_is_told_once(waited: Callable[..., Waited]) -> None:
    told = event(new(RUNS), f'Successfully pulled image "{IMAGE}" in 2.5s', "Pulled")
    found = waited(Followed([OLD], [new(CREATING)], [new(CREATING)], [new(RUNS)], events=[told]), REPLACED)
    assert found.lines == [f"pod/db-0: pulled {IMAGE} in 2.5s", "pod/db-0: starting", "pod/db-0: started"]


def test_between_a_pull_and_the_start_nothing_is_told(waited: Callable[..., Waited]) -> None:
    refused = waiting(REFUSED)
    left = pod("db-0", state=CREATING, owner=SET)
    running = pod("db-0", state=RUNS, owner=SET)
    found = waited(Followed([OLD], [left], [left], [running]), begin=[pod("db-0", state=refused, owner=SET)])
    assert found.lines == [
        f'pod/db-0: ImagePullBackOff: Back-off pulling image "{IMAGE}"',
        "pod/db-0: started",
    ]


def test_what_takes_long_is_told_again(waited: Callable[..., Waited]) -> None:
    found = waited(Followed(*[[new(CREATING)]] * 70), REPLACED, timeout=70)
    assert found.lines == ["pod/db-0: starting"] * 3


def test_a_hostile_message_is_escaped(waited: Callable[..., Waited]) -> None:
    found = waited(Followed([new(waiting("\x1b[31mred", "ErrImagePull"))]), REPLACED)
    assert all(line.isprintable() for line in found.lines)


# Steps that were put off

LATER = step("delete", OLD, OLD, asker=SET, after=30.0)


def test_a_late_step_is_done_when_its_time_has_come(waited: Callable[..., Waited]) -> None:
    found = waited(Followed([OLD]), REPLACED, timeout=40, delayed=[LATER])
    assert found.acted == [(30, replace(LATER, after=0.0))]


@pytest.mark.parametrize("there", [[], [going(OLD)], [new(CREATING)]])
def test_a_late_step_is_not_done_where_its_pod_went_by_itself(
    waited: Callable[..., Waited], there: Sequence[Object]
) -> None:
    assert waited(Followed([OLD], there), REPLACED, timeout=40, delayed=[LATER]).acted == []


def test_a_late_step_is_not_done_where_all_is_back(waited: Callable[..., Waited]) -> None:
    followed = Followed([OLD], [new(RUNS)])
    assert waited(followed, REPLACED, timeout=40, delayed=[LATER]).acted == []
    assert followed.now == 1 + wait_module.SETTLED


def test_a_late_step_is_about_the_pods_that_are_there_still(waited: Callable[..., Waited]) -> None:
    other = pod("db-1", state=BACK_OFF, owner=SET)
    both = step("roll", SET, OLD, other, after=30.0)
    goal = replace(REPLACED, outdated=frozenset([OLD["metadata"]["uid"], other["metadata"]["uid"]]))
    ((_, done),) = waited(Followed([OLD, other], [other]), goal, timeout=40, delayed=[both]).acted
    assert done.pods == (other["metadata"]["uid"],)


def test_a_late_step_that_is_about_no_pod(waited: Callable[..., Waited]) -> None:
    assert len(waited(Followed([OLD]), REPLACED, timeout=40, delayed=[step("roll", SET, after=30.0)]).acted) == 1


def test_a_pod_that_was_better_left_is_in_question_again(waited: Callable[..., Waited]) -> None:
    """It runs by then: the object is back with it, not without it."""
    running = pod("db-0", state=RUNS, owner=SET)
    moments = [[OLD]] * 29 + [[running]]
    found = waited(Followed(*moments), REPLACED, timeout=40, delayed=[LATER], turns_out=lambda one: replace(one, do="leave"))
    assert found.outcome.done
    assert list(found.outcome.stages) == [OLD["metadata"]["uid"]]


# What is followed


class Recorder:
    """A Following that does nothing but tell what it was made for."""

    made: list[Recorder] = []  # noqa: RUF012

    def __init__(
        self,
        _: Cluster,
        path: str,
        query: dict[str, str],
        tell: Callable[[Change], None],
        name: str,
        *,
        keep: Callable[[Object], Optional[Object]],
    ) -> None:
        self.path, self.query, self.name, self.keep = path, query, name, keep
        self._tell = tell
        self.begins: Sequence[Object] = ()
        self.runs = False
        Recorder.made.append(self)

    def start(self) -> None:
        self.runs = True
        self.tell(Change(self.name, "listed", tuple(self.begins)))

    def tell(self, change: Change) -> None:
        kept = (one.keep(value) for one in Recorder.made if one.name == change.name for value in change.objects)
        self._tell(replace(change, objects=tuple(value for value in kept if value is not None)))

    def stop(self) -> None:
        self.runs = False


class Served:
    served: dict[str, str] = {"Domain": "v8"}  # noqa: RUF012


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Feeds, list[Recorder], list[str]]]:
    monkeypatch.setattr(feeds_module, "Following", Recorder)

    def made(*targets: Object) -> tuple[Feeds, list[Recorder], list[str]]:
        Recorder.made = []
        said: list[str] = []
        found = Feeds(cast(Cluster, None), cast(ClusterStore, Served()), targets, said.append)
        return found, Recorder.made, said

    return made


Follow = Callable[..., tuple[Feeds, list[Recorder], list[str]]]
EVENTS = {"fieldSelector": "involvedObject.kind=Pod"}
SELECTED = workload("StatefulSet", "db", selector={"matchLabels": {"app": "db"}})
DOMAIN_PODS = {"labelSelector": "weblogic.domainUID=domain1,weblogic.createdByOperator=true"}
OF_DEFAULT = ("/api/v1/namespaces/default/events", EVENTS)


@pytest.mark.parametrize(
    ("targets", "followed"),
    [
        ([SELECTED], [("/api/v1/namespaces/default/pods", {"labelSelector": "app=db"}), OF_DEFAULT]),
        ([pod("test")], [("/api/v1/namespaces/default/pods", {"fieldSelector": "metadata.name=test"}), OF_DEFAULT]),
        ([workload("Job", "import", selector={"matchLabels": {"controller-uid": "u"}})],
         [("/api/v1/namespaces/default/pods", {"labelSelector": "job-name=import"}), OF_DEFAULT]),
        ([workload("CronJob", "nightly")], [("/api/v1/namespaces/default/pods", {}), OF_DEFAULT]),
        ([as_target(Target("Keycloak", "default", "sso"), None)], [("/api/v1/namespaces/default/pods", {}), OF_DEFAULT]),
        ([SELECTED, pod("test")], [("/api/v1/namespaces/default/pods", {}), OF_DEFAULT]),
        ([domain()], [("/api/v1/namespaces/default/pods", DOMAIN_PODS), OF_DEFAULT,
                      ("/apis/weblogic.oracle/v8/namespaces/default/domains", {})]),
        ([domain(), pod("test", namespace="x")],
         [("/api/v1/namespaces/default/pods", DOMAIN_PODS), OF_DEFAULT,
          ("/apis/weblogic.oracle/v8/namespaces/default/domains", {}),
          ("/api/v1/namespaces/x/pods", {"fieldSelector": "metadata.name=test"}), ("/api/v1/namespaces/x/events", EVENTS)]),
        ([pod("test", namespace=f"n{number}") for number in range(5)],
         [("/api/v1/pods", {}), ("/api/v1/events", EVENTS)]),
        ([domain(namespace=f"n{number}") for number in range(5)],
         [("/api/v1/pods", {}), ("/api/v1/events", EVENTS), ("/apis/weblogic.oracle/v8/domains", {})]),
    ],
)  # fmt: skip
def test_what_is_followed(follow: Follow, targets: Sequence[Object], followed: Sequence[Any]) -> None:
    _, recorders, _ = follow(*targets)
    assert [(one.path, one.query) for one in recorders] == list(followed)


def plain(value: Object) -> Object:
    """As lists have it: without its type."""
    return {key: part for key, part in value.items() if key not in ("kind", "apiVersion")}


def test_the_world_as_it_changes(follow: Follow) -> None:
    followed, (pods, events, domains), _ = follow(domain())
    one, other = pod("a", state=BACK_OFF), pod("b", state=RUNS)
    pods.begins, domains.begins = [plain(one)], [plain(domain())]
    followed.start(5)
    assert all(recorder.runs for recorder in (pods, events, domains))
    assert followed.world.pods == {"uid-of-default-a": changed(one, apiVersion=None)}
    assert [target.ref for target in followed.world.domains] == ["domain/domain1"]
    assert followed.world.events == {}
    changes = [
        Change(pods.name, "changed", (other,)),
        Change(pods.name, "gone", (one,)),
        Change(events.name, "changed", (changed(event(other, "x", "Pulled"), metadata__uid="e1"),)),
        Change(domains.name, "gone", (domain(),)),
    ]
    for change in changes:
        pods.tell(change)
    assert followed.take(1)
    assert followed.world.pods == {"uid-of-default-b": other}
    assert [one["reason"] for one in followed.world.events["uid-of-default-b"]] == ["Pulled"]
    assert followed.world.domains == {}
    pods.tell(Change(pods.name, "listed", (plain(one),)))
    assert followed.take(1)
    assert list(followed.world.pods) == ["uid-of-default-a"], "a list is all there is"
    pods.tell(Change(events.name, "listed"))
    assert followed.take(1)
    assert followed.world.events == {}
    assert not followed.take(0)
    followed.stop()
    assert not any(recorder.runs for recorder in (pods, events, domains))


def test_what_has_not_changed_is_not_looked_at_again(follow: Follow) -> None:
    """In a cluster of thousands of pods each event would cost as much as all of them."""
    followed, (pods, events), _ = follow(pod("test"))
    values = [pod(name, state=BACK_OFF) for name in "abc"]
    pods.begins = [plain(one) for one in values]
    followed.start(5)
    before = dict(followed.world.pods)
    crashing = pod("b", state={"waiting": {"reason": "CrashLoopBackOff"}})
    pods.tell(Change(pods.name, "changed", (crashing,)))
    failed = [changed(event(one, REFUSED), metadata__uid=f"e-{one['metadata']['name']}") for one in values[1:]]
    events.tell(Change(events.name, "changed", tuple(failed)))
    assert followed.take(1)
    same = {uid for uid, value in followed.world.pods.items() if value is before[uid]}
    assert {"uid-of-default-a"} <= same
    assert "uid-of-default-b" not in same
    assert set(followed.world.events) == {"uid-of-default-b", "uid-of-default-c"}
    events.tell(Change(events.name, "gone", tuple(failed[:1])))
    assert followed.take(1)
    assert set(followed.world.events) == {"uid-of-default-c"}


def test_what_is_no_pod_is_passed_over(follow: Follow) -> None:
    followed, (pods, _), _ = follow(pod("test"))
    pods.tell(Change(pods.name, "listed", ({"metadata": {"uid": "x", "name": 5}}, plain(pod("test")))))
    assert followed.take(1)
    assert list(followed.world.pods) == ["uid-of-default-test"]


def test_trouble(follow: Follow) -> None:
    followed, (pods, events), said = follow(pod("test"))
    events.tell(Change(events.name, "trouble", error=Unreachable("no answer"), final=False))
    events.tell(Change(events.name, "trouble", error=Forbidden(403, "Forbidden", "no events"), final=True))
    assert followed.take(1)
    assert followed.lost == ""
    assert said == [
        "no answer; trying again",
        f"Not followed: {events.name}: Error from server (Forbidden): no events",
    ]
    pods.tell(Change(pods.name, "trouble", error=Forbidden(403, "Forbidden", "no pods"), final=True))
    assert followed.take(1)
    assert followed.lost == "Error from server (Forbidden): no pods"


def test_the_start_does_not_wait_for_what_can_not_be_listed(follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    followed, (_, events), _ = follow(pod("test"))
    refused = Change(events.name, "trouble", error=Forbidden(403, "Forbidden", "no"), final=True)
    monkeypatch.setattr(events, "start", lambda: events.tell(refused))
    followed.start(60)
    assert followed.world.pods == {}


def test_what_stands_for_an_object_that_could_not_be_read() -> None:
    value = as_target(Target("Keycloak", "ns", "sso"), None)
    assert target_of(value) == Target("Keycloak", "ns", "sso")
    assert as_target(TARGET, SET) is SET
    assert "Keycloak" not in KINDS
