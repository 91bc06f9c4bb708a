"""What a plan does with each pod that waits, and why: the least that brings it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from pullcore.pull import Target
from repull.steps import WORDS, Step, acting, merged

from .builders import (
    IMAGE,
    Object,
    account,
    cluster,
    container,
    domain,
    evidence,
    failed_condition,
    node,
    pod,
    secret,
    workload,
)
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
    failures,
    going,
    introspected,
    owned_by,
    plan,
    planned,
    replica_set,
    server,
    step,
)

KEEP, RECREATE, ROLL = Wishes(keep_waiting_pods=True), Wishes(recreate_pods=True), Wishes(roll_running=True)
SOON = "the kubelet tries again by itself, at most 5 minutes later"
AT_ONCE = "the kubelet looks at it again every few seconds, without a back-off"
NO_DELETE = "you are not allowed to delete pods in namespace default"
NO_EVICT = "you are not allowed to create pods/eviction in namespace default"


class Row(NamedTuple):
    """What is seen, and the lines of the plan. stuck: which of them say that nothing brings the pod back by itself."""

    name: str
    seen: Sequence[Object]
    lines: Sequence[str]
    wishes: Wishes = Wishes()
    denied: Sequence[str] = ()
    stuck: Sequence[int] = ()


def check(row: Row) -> None:
    steps = plan(*row.seen, wishes=row.wishes, denied=row.denied, secrets=[secret("good")])
    assert [one.line for one in steps] == list(row.lines)
    assert [number for number, one in enumerate(steps) if one.stuck] == list(row.stuck)
    assert all(one.do in WORDS for one in steps)


def of_deployment(*states: Object, **details: Any) -> list[Object]:
    deployment, small, pods = deployed(*states, **details)
    return [deployment, small, *pods]


def of_stateful_set() -> list[Object]:
    """One whose template asks for another image than its pod."""
    value = workload("StatefulSet", "db", container(image=NEW_IMAGE))
    return [value, pod("db-0", state=BACK_OFF, owner=value)]


def of_job(*states: Object, secrets: Sequence[str] = (), listed: Sequence[str] = (), image: str = IMAGE) -> list[Object]:
    job = workload("Job", "import", secrets=secrets)
    pods = [
        pod(f"import-{number}", container(image=image), state=state, secrets=listed or secrets, owner=job)
        for number, state in enumerate(states)
    ]
    return [job, *pods]


def of_cron_job(listed: str = "") -> list[Object]:
    cron = workload("CronJob", "nightly", secrets=["good"])
    job, *pods = of_job(BACK_OFF, secrets=["good"], listed=[listed] if listed else ())
    return [cron, owned_by(job, cron), *pods]


def superseded(**spec: Any) -> list[Object]:
    """A Deployment whose template was changed, while the pods of its old ReplicaSet wait still."""
    deployment = workload("Deployment", "web", container(image=NEW_IMAGE), **spec)
    old = replica_set(deployment)
    return [deployment, old, pod("web-5d9-0", state=BACK_OFF, owner=old)]


BARE = pod("test", state=BACK_OFF)
OLD_BARE = pod("test", state=BACK_OFF, secrets=["old"])
STATIC = changed(BARE, metadata__ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "n1", "controller": True}])
LISTS_NOTHING = "it lists old, one made today no pull secret"
LISTS_GOOD = "it lists old, one made today good"
LISTS_NONE = "it lists no pull secret, one made today good"
OTHER_IMAGE = f"it asks for {IMAGE}, one made today for {NEW_IMAGE}"
RUNS_BESIDE = {"main": BACK_OFF, "side": RUNS}
BROKEN_SIDE = pod("web-5d9-0", container(), container("side"), states=RUNS_BESIDE, owner=deployed()[1])


def running_in(kind: str, secrets: Sequence[str] = (), listed: Sequence[str] = ()) -> list[Object]:
    """A workload with a pod in which one container runs and the other waits."""
    owner = workload(kind, "web", container(), container("side"), secrets=secrets)
    one = pod("web-1", container(), container("side"), states=RUNS_BESIDE, secrets=listed or secrets, owner=owner)
    return [owner, one]


ROWS = [
    # A secret's content was mended, the list is the same: it would come by itself.
    Row("secret mended", of_deployment(BACK_OFF), ["delete pod/web-5d9-0: only to skip its back-off"]),
    Row("its next try is told",
        [*of_deployment(BACK_OFF), failures(deployed(BACK_OFF)[2][0], count=4)],
        ["delete pod/web-5d9-0: only to skip its back-off (next try in 76s)"]),
    Row("it is told where it is left, too",
        [*of_deployment(BACK_OFF), failures(deployed(BACK_OFF)[2][0], count=4)],
        ["leave pod/web-5d9-0: the kubelet tries again by itself (next try in 76s)"], KEEP),
    Row("keep", of_deployment(BACK_OFF), [f"leave pod/web-5d9-0: {SOON}"], KEEP),
    Row("healthy pods beside it are left out", of_deployment(RUNS, BACK_OFF, RUNS),
        ["delete pod/web-5d9-1: only to skip its back-off"]),
    Row("each pod", of_deployment(BACK_OFF, BACK_OFF),
        [f"delete pod/web-5d9-{number}: only to skip its back-off" for number in (0, 1)]),
    Row("no permission to delete", of_deployment(BACK_OFF), [f"leave pod/web-5d9-0: {NO_DELETE}; {SOON}"],
        denied=["delete pods"]),
    # The list of pull secrets was changed.
    Row("stale list", of_deployment(BACK_OFF, secrets=["good"], listed=["old"]), [f"delete pod/web-5d9-0: {LISTS_GOOD}"]),
    Row("stale list, keep", of_deployment(BACK_OFF, secrets=["good"], listed=["old"]),
        [f"delete pod/web-5d9-0: {LISTS_GOOD}"], KEEP),
    Row("stale list of the account", [*of_deployment(BACK_OFF, listed=["old"]), account(secrets=["good"])],
        [f"delete pod/web-5d9-0: {LISTS_GOOD}"]),
    Row("stale list, no permission", of_deployment(BACK_OFF, secrets=["good"], listed=["old"]),
        [f"leave pod/web-5d9-0: {NO_DELETE}"], denied=["delete pods"], stuck=[0]),
    # The image was changed.
    Row("stale image of a StatefulSet", of_stateful_set(), [f"delete pod/db-0: {OTHER_IMAGE}"]),
    Row("stale image of a StatefulSet, keep", of_stateful_set(), [f"delete pod/db-0: {OTHER_IMAGE}"], KEEP),
    Row("stale policy of a StatefulSet",
        [value := workload("StatefulSet", "db", container(policy="Always")), pod("db-0", state=BACK_OFF, owner=value)],
        [f"delete pod/db-0: it asks for {IMAGE}, one made today for another pull policy"]),
    Row("superseded ReplicaSet", superseded(),
        ["leave pod/web-5d9-0: deployment/web was changed, and replaces it by itself"]),
    Row("paused Deployment", superseded(paused=True),
        ["leave pod/web-5d9-0: deployment/web would replace it, but is paused: kubectl rollout resume deployment/web "
         "-n default"], stuck=[0]),
    # A pod that ran.
    Row("a pod that ran is evicted",
        [*of_deployment()[:2], changed(of_deployment(BACK_OFF)[2], status__phase="Running")],
        ["evict pod/web-5d9-0: only to skip its back-off"]),
    Row("to evict is another permission",
        [*of_deployment()[:2], changed(of_deployment(BACK_OFF)[2], status__phase="Running")],
        [f"leave pod/web-5d9-0: {NO_EVICT}; {SOON}"], denied=["create pods/eviction"]),
    Row("and to delete is not needed for it",
        [*of_deployment()[:2], changed(of_deployment(BACK_OFF)[2], status__phase="Running")],
        ["evict pod/web-5d9-0: only to skip its back-off"], denied=["delete pods"]),
    # A pod that runs.
    Row("running container", [*of_deployment()[:2], BROKEN_SIDE], [f"leave pod/web-5d9-0: a container of it runs; {SOON}"]),
    Row("running container, stale list", running_in("DaemonSet", ["good"], ["old"]),
        [f"leave pod/web-1: a container of it runs, and {LISTS_GOOD}: --roll-running rolls daemonset/web"], stuck=[0]),
    Row("roll", running_in("DaemonSet"),
        ["roll daemonset/web: a container of web-1 runs, and --roll-running was given: all its pods are replaced"], ROLL),
    Row("a StatefulSet does not roll past a broken pod", running_in("StatefulSet"),
        ["evict pod/web-1: a container of it runs, and --roll-running was given"], ROLL),
    Row("no permission to evict it", running_in("StatefulSet"), [f"leave pod/web-1: {NO_EVICT}"], ROLL,
        ["create pods/eviction"]),
    Row("roll a Deployment", [*of_deployment()[:2], BROKEN_SIDE],
        ["roll deployment/web: a container of web-5d9-0 runs, and --roll-running was given: all its pods are replaced"],
        ROLL),
    Row("nothing rolls a ReplicaSet", running_in("ReplicaSet"),
        ["leave pod/web-1: a container of it runs, and nothing rolls replicaset/web"], ROLL),
    Row("nothing rolls a ReplicaSet, stale list", running_in("ReplicaSet", ["good"], ["old"]),
        ["leave pod/web-1: a container of it runs, and nothing rolls replicaset/web"], ROLL, stuck=[0]),
    Row("no permission to roll", running_in("DaemonSet"), ["leave pod/web-1: you may not patch daemonset/web"], ROLL,
        ["patch daemonsets"]),
    Row("no permission to roll, stale list", running_in("DaemonSet", ["good"], ["old"]),
        ["leave pod/web-1: you may not patch daemonset/web"], ROLL, ["patch daemonsets"], [0]),
    # Pods that nobody makes again.
    Row("static pod", [STATIC], ["leave pod/test: its node makes it from a file: nobody can restart it from here"]),
    Row("static pod, recreate", [STATIC],
        ["leave pod/test: its node makes it from a file: nobody can restart it from here"], RECREATE),
    Row("bare pod", [BARE], [f"leave pod/test: nobody would make it again; {SOON}"]),
    Row("bare pod, recreate", [BARE], ["save, delete and make again pod/test: only to skip its back-off"], RECREATE),
    Row("bare pod, recreate, its next try is told", [BARE, failures(BARE, 2)],
        ["save, delete and make again pod/test: only to skip its back-off (next try in 16s)"], RECREATE),
    Row("bare pod, recreate, no permission to delete", [BARE], [f"leave pod/test: {NO_DELETE}"], RECREATE, ["delete pods"]),
    Row("bare pod, recreate, no permission to create", [BARE],
        ["leave pod/test: you are not allowed to create pods in namespace default"], RECREATE, ["create pods"]),
    Row("a list of a bare pod may be its own", [OLD_BARE, account(secrets=["good"])],
        [f"leave pod/test: nobody would make it again; {SOON}"]),
    Row("bare pod without a list, its account has one now", [BARE, account(secrets=["good"])],
        ["leave pod/test: nobody would make it again, and it lists no pull secret, one made today good: "
         "--recreate-pods saves it first"], stuck=[0]),
    Row("and is recreated", [BARE, account(secrets=["good"])],
        ["save, delete and make again pod/test: it lists no pull secret, one made today good"], RECREATE),
    Row("and may not be", [BARE, account(secrets=["good"])], [f"leave pod/test: {NO_DELETE}"], RECREATE, ["delete pods"],
        [0]),
    Row("one that is outdated is recreated even where there is no back-off",
        [pod("test", state=NEVER), account(secrets=["good"])],
        ["save, delete and make again pod/test: it lists no pull secret, one made today good"], RECREATE),
    # Jobs
    Row("Job", of_job(BACK_OFF), [f"leave pod/import-0: to job/import a deleted pod counts as a failure; {SOON}"]),
    Row("Job, recreate", of_job(BACK_OFF),
        [f"leave pod/import-0: to job/import a deleted pod counts as a failure; {SOON}"], RECREATE),
    Row("Job, stale list", of_job(BACK_OFF, secrets=["good"], listed=["old"]),
        [f"leave pod/import-0: {LISTS_GOOD}: --recreate-pods saves job/import and makes it again"], stuck=[0]),
    Row("Job, stale list, recreate", of_job(BACK_OFF, BACK_OFF, secrets=["good"], listed=["old"]),
        [f"save, delete and make again job/import: {LISTS_GOOD}"], RECREATE),
    Row("Job of which another pod runs", of_job(BACK_OFF, RUNS, secrets=["good"], listed=["old"]),
        [f"leave pod/import-0: {LISTS_GOOD}, but a container of job/import runs (import-1)"], RECREATE, stuck=[0]),
    Row("Job, no permission", of_job(BACK_OFF, secrets=["good"], listed=["old"]),
        ["leave pod/import-0: you are not allowed to create jobs.batch in namespace default"], RECREATE, ["create jobs"],
        [0]),
    Row("an image of a Job's pod that differs is a webhook's doing", of_job(BACK_OFF, image=f"mirror.test/{IMAGE}"),
        [f"leave pod/import-0: to job/import a deleted pod counts as a failure; {SOON}"], RECREATE),
    Row("CronJob's Job", of_cron_job(), [f"leave pod/import-0: to job/import a deleted pod counts as a failure; {SOON}"]),
    Row("CronJob's Job, stale list", of_cron_job("old"),
        [f"leave pod/import-0: {LISTS_GOOD}: --recreate-pods saves job/import and makes it again"], stuck=[0]),
    Row("CronJob's Job, recreate", of_cron_job("old"), [f"save, delete and make again job/import: {LISTS_GOOD}"], RECREATE),
    # Controllers
    Row("controller not found or not readable", of_deployment(BACK_OFF)[2:],
        ["leave pod/web-5d9-0: replicaset/web-5d9, which made it, was not found or may not be read: nobody may make it "
         "again"]),
    Row("the same, stale list", [pod("web-1", state=BACK_OFF, owner=workload("StatefulSet")), account(secrets=["good"])],
        ["leave pod/web-1: statefulset/web, which made it, was not found or may not be read: nobody may make it again"],
        stuck=[0]),
    Row("an owner of a kind that is not known", [owned_by(pod("sso-0", state=BACK_OFF), custom())],
        [f"leave pod/sso-0: {SOON}"]),
    Row("an owner that is no controller", [changed(owned_by(pod("sso-0", state=BACK_OFF), custom()),
        metadata__ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": "u"}])],
        [f"leave pod/sso-0: nobody would make it again; {SOON}"]),
    Row("the same, keep", [owned_by(pod("sso-0", state=BACK_OFF), custom())], [f"leave pod/sso-0: {SOON}"], KEEP),
    # No back-off
    Row("ErrImageNeverPull", of_deployment(NEVER), [f"leave pod/web-5d9-0: {AT_ONCE}"]),
    Row("InvalidImageName", of_deployment(INVALID), [f"leave pod/web-5d9-0: {AT_ONCE}"]),
    Row("ErrImageNeverPull of a stale pod", of_deployment(NEVER, secrets=["good"], listed=["old"]),
        [f"delete pod/web-5d9-0: {LISTS_GOOD}"]),
    Row("a bare pod is not recreated for it", [pod("test", state=NEVER)],
        [f"leave pod/test: nobody would make it again; {AT_ONCE}"], RECREATE),
    Row("another container has a back-off",
        [*of_deployment()[:2], pod("web-5d9-0", container(), container("b"), states={"main": NEVER, "b": BACK_OFF},
                                   owner=of_deployment()[1])],
        ["delete pod/web-5d9-0: only to skip its back-off"]),
    # Nothing to do
    Row("pods that are being deleted", [*of_deployment()[:2], going(of_deployment(BACK_OFF)[2])], []),
    Row("a healthy Deployment", of_deployment(RUNS, RUNS), []),
    Row("a healthy pod", [pod(state=RUNS)], []),
    Row("a pod that starts", of_deployment({"waiting": {"reason": "ContainerCreating"}}), []),
    Row("a pod that crashes", of_deployment({"waiting": {"reason": "CrashLoopBackOff"}}), []),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_pods_of_workloads(row: Row) -> None:
    check(row)


# WebLogic Domains

ABORTED = [failed_condition("The operator gave up", "Aborted")]
BETWEEN = [failed_condition(f"Failure on pod 'domain1-introspector-x0' in namespace 'default': Back-off pulling image "
                            f'"{IMAGE}"')]  # fmt: skip
INTROSPECT = "change introspectVersion of domain/domain1"
BY_ITSELF = "the operator introspects again by itself, every 2 minutes by default"
NO_PATCH = "you are not allowed to patch domain/domain1"
MINUTES = "the operator introspects again by itself, every 2 minutes by default"
GIVEN_UP = "the operator has given up, and tries again only then"
STUCK = "and the operator does not make a stuck introspector anew for that"
DOMAIN = domain()
LISTS = domain(secrets=["good"])


def with_other_list() -> list[Object]:
    """A Domain whose list was changed after its introspector was made."""
    return [domain(secrets=["good"]), *introspected(secrets=["old"])[1:]]


def with_other_image() -> list[Object]:
    _, job, one = introspected()
    return [domain(image=NEW_IMAGE), job, one]


def aborted() -> list[Object]:
    return list(introspected(conditions=ABORTED))


def beside(value: Object, **details: Any) -> Object:
    """A server in which one container runs and another waits."""
    both = [container("weblogic-server"), container("exporter")]
    made = server(domain=value, **details)
    states = [{"name": "weblogic-server", "state": RUNS}, {"name": "exporter", "state": BACK_OFF}]
    return changed(made, spec__containers=both, status__containerStatuses=states)


DOMAIN_ROWS = [
    Row("introspector, secret mended", introspected(), [f"{INTROSPECT}: only to skip the wait for the next introspection"]),
    Row("introspector, keep", introspected(), [f"leave domain/domain1: {BY_ITSELF}"], KEEP),
    Row("introspector, list changed", with_other_list(), [f"{INTROSPECT}: {LISTS_GOOD}, {STUCK}"]),
    Row("introspector, list changed, keep", with_other_list(), [f"{INTROSPECT}: {LISTS_GOOD}, {STUCK}"], KEEP),
    Row("introspector, list of the account changed", [*introspected(), account(secrets=["good"])],
        [f"{INTROSPECT}: it lists no pull secret, one made today good, {STUCK}"]),
    Row("introspector, image changed", with_other_image(),
        [f"after 30s, {INTROSPECT}: {OTHER_IMAGE}, and the operator has not made it anew"]),
    Row("introspector, given up", aborted(), [f"{INTROSPECT}: {GIVEN_UP}"]),
    Row("introspector, given up, keep", aborted(), [f"{INTROSPECT}: {GIVEN_UP}"], KEEP),
    Row("given up, no pod", aborted()[:1], [f"{INTROSPECT}: {GIVEN_UP}"]),
    Row("given up, no permission", aborted(), [f"leave domain/domain1: {NO_PATCH}"], denied=["patch domains"], stuck=[0]),
    Row("between two tries", [domain(conditions=BETWEEN)],
        [f"{INTROSPECT}: only to skip the wait for the next introspection"]),
    Row("the next try is under way", introspected({"waiting": {"reason": "ContainerCreating"}}, conditions=BETWEEN), []),
    Row("servers start while its status tells of an introspector",
        [domain(conditions=BETWEEN), server(state={"waiting": {"reason": "ContainerCreating"}}, domain=DOMAIN)],
        [f"{INTROSPECT}: only to skip the wait for the next introspection"]),
    Row("between two tries, keep", [domain(conditions=BETWEEN)], [f"leave domain/domain1: {BY_ITSELF}"], KEEP),
    Row("between two tries, no permission", [domain(conditions=BETWEEN)],
        [f"leave domain/domain1: {NO_PATCH}; {MINUTES}"], denied=["patch domains"]),
    Row("no permission: its Job", introspected(),
        ["delete job/domain1-introspector: only to skip the wait for the next introspection; the operator makes it again"],
        denied=["patch domains"]),
    Row("no permission: its Job, image changed", with_other_image(),
        [f"after 30s, delete job/domain1-introspector: {OTHER_IMAGE}, and the operator has not made it anew; the operator "
         "makes it again"], denied=["patch domains"]),
    Row("no permission at all", introspected(),
        [f"leave domain/domain1: {NO_PATCH}, or to delete jobs in default; {MINUTES}"],
        denied=["patch domains", "delete jobs"]),
    Row("introspector, ErrImageNeverPull", introspected(NEVER), [f"leave pod/domain1-introspector-x1: {AT_ONCE}"]),
    Row("introspector and servers", [*introspected(), server(domain=DOMAIN)],
        [f"{INTROSPECT}: only to skip the wait for the next introspection",
         "delete pod/domain1-managed-1: only to skip its back-off"]),
    Row("its introspector is going", [*introspected()[:2], going(introspected()[2])], []),
    # Servers
    Row("server, secret mended", [DOMAIN, server(domain=DOMAIN)],
        ["delete pod/domain1-managed-1: only to skip its back-off"]),
    Row("server, keep", [DOMAIN, server(domain=DOMAIN)], [f"leave pod/domain1-managed-1: {SOON}"], KEEP),
    Row("server, ErrImageNeverPull", [DOMAIN, server(state=NEVER, domain=DOMAIN)],
        [f"leave pod/domain1-managed-1: {AT_ONCE}"]),
    Row("server, list of the account changed", [DOMAIN, server(domain=DOMAIN), account(secrets=["good"])],
        ["delete pod/domain1-managed-1: it lists no pull secret, one made today good"]),
    Row("server, the Domain's list changed", [LISTS, server(domain=LISTS, secrets=["old"])],
        [f"after 30s, delete pod/domain1-managed-1: {LISTS_GOOD}, and the operator has not rolled it"]),
    Row("server, image changed", [domain(image=NEW_IMAGE), server(domain=DOMAIN)],
        [f"after 30s, delete pod/domain1-managed-1: {OTHER_IMAGE}, and the operator has not rolled it"]),
    Row("server that ran", [DOMAIN, changed(server(domain=DOMAIN), status__phase="Running")],
        ["evict pod/domain1-managed-1: only to skip its back-off"]),
    Row("no permission on pods, secret mended", [DOMAIN, server(domain=DOMAIN)],
        [f"leave pod/domain1-managed-1: {NO_DELETE}; {SOON}"], denied=["delete pods"]),
    Row("no permission on pods, list changed", [DOMAIN, server(domain=DOMAIN), account(secrets=["good"])],
        ["change restartVersion of server managed-1 of domain/domain1: it lists no pull secret, one made today good; you "
         "may not delete the pod, the operator may"], denied=["delete pods"]),
    Row("no permission on pods, the Domain's list changed", [LISTS, server(domain=LISTS, secrets=["old"])],
        [f"after 30s, change restartVersion of server managed-1 of domain/domain1: {LISTS_GOOD}, and the operator has not "
         "rolled it; you may not delete the pod, the operator may"], denied=["delete pods"]),
    Row("nor on the Domain, whose list changed", [LISTS, server(domain=LISTS, secrets=["old"])],
        [f"leave pod/domain1-managed-1: {LISTS_GOOD}, and the operator rolls it by itself"],
        denied=["delete pods", "patch domains"]),
    Row("no permission at all, list changed", with_other_list(),
        [f"leave domain/domain1: {NO_PATCH}, or to delete jobs in default; {MINUTES}"],
        denied=["patch domains", "delete jobs"]),
    Row("nor on the Domain", [DOMAIN, server(domain=DOMAIN), account(secrets=["good"])],
        [f"leave pod/domain1-managed-1: {NO_DELETE}"], denied=["delete pods", "patch domains"], stuck=[0]),
    Row("running server", [DOMAIN, beside(DOMAIN)], [f"leave pod/domain1-managed-1: a container of it runs; {SOON}"]),
    Row("running server, list changed", [LISTS, beside(LISTS)],
        [f"leave pod/domain1-managed-1: {LISTS_NONE}, and the operator rolls it by itself"]),
    Row("running server, account changed", [DOMAIN, beside(DOMAIN), account(secrets=["good"])],
        [f"leave pod/domain1-managed-1: a container of it runs, and {LISTS_NONE}: --roll-running rolls domain/domain1"],
        stuck=[0]),
    Row("roll the Domain", [DOMAIN, beside(DOMAIN)],
        ["roll domain/domain1: a container of domain1-managed-1 runs, and --roll-running was given: its servers restart one "
         "by one"], ROLL),
    Row("no permission to roll the Domain", [DOMAIN, beside(DOMAIN), account(secrets=["good"])],
        ["leave pod/domain1-managed-1: you may not patch domain/domain1"], ROLL, ["patch domains"], [0]),
    # Nothing to do
    Row("a healthy Domain", [DOMAIN, server(state=RUNS, domain=DOMAIN)], []),
    Row("a Domain without pods", [DOMAIN], []),
    Row("failed for another reason",
        [domain(conditions=[failed_condition("no such secret: weblogic-credentials", "DomainInvalid")]),
         server(state=RUNS, domain=DOMAIN)], []),
    Row("a server that waits does not have it introspected",
        [DOMAIN, server(domain=DOMAIN), server("admin", RUNS, domain=DOMAIN)],
        ["delete pod/domain1-managed-1: only to skip its back-off"]),
]  # fmt: skip


@pytest.mark.parametrize("row", DOMAIN_ROWS, ids=[row.name for row in DOMAIN_ROWS])
def test_domains(row: Row) -> None:
    check(row)


def of_clusters(refers: bool = True) -> list[Object]:
    value = domain(clusters=[{"name": "domain1-c1"}] if refers else [])
    one = changed(cluster("domain1-c1", {}), spec__clusterName="c1")
    return [value, one, *(beside(value, name=name, cluster="c1") for name in ("managed-1", "managed-2"))]


def test_a_cluster_is_rolled_alone() -> None:
    """Its two servers are one step; the reason is the first one's."""
    first, *others = plan(*of_clusters(), wishes=ROLL)
    assert others == []
    assert (first.do, first.target) == ("roll", Target("Cluster", "default", "domain1-c1"))
    assert first.asker == Target("Domain", "default", "domain1")
    assert first.pods == ("uid-of-default-domain1-managed-1", "uid-of-default-domain1-managed-2")


def test_a_cluster_and_a_server_of_none() -> None:
    found = of_clusters()
    steps = plan(*found, beside(found[0], name="admin"), wishes=ROLL)
    assert [one.target.ref for one in steps] == ["cluster/domain1-c1", "domain/domain1"]


def test_a_cluster_that_the_domain_does_not_refer_to_is_not_its_own() -> None:
    assert [one.target.ref for one in plan(*of_clusters(refers=False), wishes=ROLL)] == ["domain/domain1"]


def test_no_permission_to_roll_a_cluster() -> None:
    steps = plan(*of_clusters(), wishes=ROLL, denied=["patch clusters"])
    assert {one.line.partition(": ")[2] for one in steps} == {"you may not patch cluster/domain1-c1"}


NOTHING_ALLOWED = ["patch domains", "delete jobs", "delete pods"]


@pytest.mark.parametrize(
    ("seen", "do"),
    [
        (superseded(), "superseded"),
        (superseded(paused=True), "leave"),
        (of_deployment(BACK_OFF), "leave"),
        (with_other_list(), "superseded"),
        (with_other_image(), "superseded"),
        (list(introspected()), "leave"),
        ([domain(secrets=["good"], conditions=ABORTED), *introspected(secrets=["old"])[1:]], "leave"),
        ([LISTS, server(domain=LISTS, secrets=["old"])], "superseded"),
        ([DOMAIN, server(domain=DOMAIN), account(secrets=["good"])], "leave"),
    ],
)
def test_whose_owner_replaces_it_by_itself(seen: Sequence[Object], do: str) -> None:
    """Such a pod has to go; one that is left has to run. Both are "leave" in words."""
    assert [one.do for one in plan(*seen, denied=NOTHING_ALLOWED)] == [do]


# Who is asked about, and what steps are about


def test_the_asker_is_what_is_brought_back() -> None:
    for values, asker in (
        (of_deployment(BACK_OFF), Target("Deployment", "default", "web")),
        (of_cron_job("old"), Target("CronJob", "default", "nightly")),
        (list(introspected()), Target("Domain", "default", "domain1")),
        ([BARE], Target("Pod", "default", "test")),
    ):
        assert {one.asker for one in plan(*values)} == {asker}


def test_a_given_up_domain_that_was_not_named_is_left_out() -> None:
    """A scan is about images; what a Domain was given up for may be anything."""
    value = domain(conditions=ABORTED)
    assert planned(evidence(value, targets=[], waiting_only=True)) == []
    assert [one.do for one in planned(evidence(value, targets=[value]))] == ["introspect"]


def test_a_scan_finds_a_domain_between_two_tries() -> None:
    value = domain(conditions=BETWEEN)
    assert [one.do for one in planned(evidence(value, targets=[], waiting_only=True))] == ["introspect"]


def test_a_pod_with_two_waiting_containers_is_one_step() -> None:
    _, small, _ = deployed()
    both = pod("web-5d9-0", container(), container("b", NEW_IMAGE), state=BACK_OFF, owner=small)
    assert [one.pods for one in plan(deployed()[0], small, both)] == [("uid-of-default-web-5d9-0",)]


def test_the_nearest_try_of_two_containers_counts() -> None:
    other = "registry.example.com/team/other:1"
    both = pod("test", container(), container("b", other), state=BACK_OFF)
    later = {**failures(both, 5), "message": failures(both)["message"].replace(IMAGE, other)}
    later = changed(later, involvedObject__fieldPath="spec.containers{b}", metadata__name="later")
    only = plan(both, failures(both, 2), later)[0]
    assert only.reason.endswith("(next try in 16s)")


# Steps


def test_steps_on_the_same_object_are_merged() -> None:
    one, two, other = pod("a"), pod("b"), pod("c")
    value = domain()
    steps = [
        step("roll", value, one, reason="first"),
        step("restart-server", value, other, server="s1"),
        step("roll", value, two, reason="second"),
        step("restart-server", value, other, server="s2"),
    ]
    assert [(found.do, found.reason, len(found.pods)) for found in merged(steps)] == [
        ("roll", "first", 2),
        ("restart-server", "because", 1),
        ("restart-server", "because", 1),
    ]


@pytest.mark.parametrize("do", WORDS)
def test_which_steps_act(do: str) -> None:
    one = step(do, domain(), server="s1")
    assert (acting([one]) == []) is (do in ("leave", "superseded"))
    assert one.target.ref in one.line
    assert one.line.endswith(": because")
    assert dataclasses.replace(one, after=30.0).line == f"after 30s, {one.line}"


def test_the_words_of_steps_tell_them_apart() -> None:
    lines = [step(do, domain(), server="s1").line for do in WORDS]
    alike = {("superseded", "leave"), ("delete-job", "delete"), ("recreate-domain", "recreate"), ("evict-running", "evict")}
    assert len(set(lines)) == len(lines) - len(alike)


@pytest.mark.parametrize("nodes", [[], [node("n1", IMAGE)]])
def test_nodes_do_not_matter(nodes: list[Object]) -> None:
    assert [one.do for one in plan(*of_deployment(BACK_OFF), *nodes)] == ["delete"]


def test_a_step_is_a_plain_value() -> None:
    assert Step("leave", Target("Pod", "ns", "a"), "b", Target("Pod", "ns", "a")) == Step(
        "leave", Target("Pod", "ns", "a"), "b", Target("Pod", "ns", "a"), (), 0.0, "", False
    )
