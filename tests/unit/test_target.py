"""From what is named to objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import pytest
from pullcore.apierrors import Forbidden
from pullcore.errors import CommandError, UsageError
from pullcore.gather import Gathering, Request
from pullcore.keyring import Credentials
from pullcore.kinds import KINDS, Kind, kind_called
from pullcore.pull import Target
from pullcore.store import FileStore
from pullcore.target import Named, domains_of_cluster, find, owners_of, parse_names, pods_of

from .builders import NOW, cluster, domain, listed, pod, secret_object, server_labels, workload

Object = dict[str, Any]


def store_of(*values: Object) -> FileStore:
    return FileStore(values, "default", Credentials())


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("domain", "Domain"), ("domains", "Domain"), ("dom", "Domain"), ("Domain", "Domain"), ("DOMAINS", "Domain"),
        ("domain.weblogic.oracle", "Domain"), ("domains.v9.weblogic.oracle", "Domain"), ("dom.v8.weblogic.oracle", "Domain"),
        ("domains.v7.weblogic.oracle", None), ("domains.example.com", None), ("deploy", "Deployment"),
        ("deployments.apps", "Deployment"), ("deployments.v1.apps", "Deployment"), ("deployment.extensions", None),
        ("sts", "StatefulSet"), ("ds", "DaemonSet"), ("job", "Job"), ("cj", "CronJob"), ("rs", "ReplicaSet"),
        ("rc", "ReplicationController"), ("po", "Pod"), ("pods.v1.", "Pod"), ("clu", "Cluster"),
        ("cluster.cluster.x-k8s.io", None), ("secret", None), ("node", None), ("", None), ("svc", None),
    ],
)  # fmt: skip
def test_kind_called(word: str, kind: Optional[str]) -> None:
    found = kind_called(word)
    assert (found and found.name) == kind


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["domain1"], [(None, "domain1")]),
        (["a", "b"], [(None, "a"), (None, "b")]),
        (["deploy/web", "pod/a"], [("Deployment", "web"), ("Pod", "a")]),
        (["deploy", "web", "api"], [("Deployment", "web"), ("Deployment", "api")]),
        (["deploy"], [(None, "deploy")]),
        (["deploy", "web", "pod/a"], [(None, "deploy"), (None, "web"), ("Pod", "a")]),
    ],
)
def test_parse_names(words: list[str], found: list[tuple[Optional[str], str]]) -> None:
    assert [(one.kind and one.kind.name, one.name) for one in parse_names(words)] == found


@pytest.mark.parametrize("word", ["svc/web", "pod/", "/web", "a/b/c", "\x1b/x", "secret/s"])
def test_what_cannot_be_named(word: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_names([word])
    assert str(failure.value).isprintable()


def test_find() -> None:
    mine = store_of(domain("one"), workload(name="one"), pod("one"), workload(name="two"), pod("far", namespace="far"))
    found, notes = find(Named(None, "one"), "default", mine)
    assert found["kind"] == "Domain"
    assert notes == ["one is also the name of deployment/one, pod/one: this is domain/one"]
    assert find(Named(KINDS["Pod"], "one"), "default", mine)[0]["kind"] == "Pod"
    assert find(Named(None, "two"), "default", mine)[1] == []
    with pytest.raises(CommandError, match=r'deployments\.apps "far" not found in namespace default'):
        find(Named(KINDS["Deployment"], "far"), "default", mine)
    with pytest.raises(CommandError, match='no object called "far" in namespace default') as failure:
        find(Named(None, "far"), "default", mine)
    assert str(failure.value).isprintable()


def test_what_changes_things_takes_no_name_that_fits_several() -> None:
    mine = store_of(workload(name="web"), workload("Job", "web"), pod("web"), workload(name="two"))
    with pytest.raises(CommandError) as caught:
        find(Named(None, "web"), "default", mine, unambiguous=True)
    assert caught.value.text == '"web" fits deployment/web, job/web, pod/web: write which'
    assert find(Named(KINDS["Job"], "web"), "default", mine, unambiguous=True)[0]["kind"] == "Job"
    assert find(Named(None, "two"), "default", mine, unambiguous=True)[0]["kind"] == "Deployment"
    with pytest.raises(CommandError, match='no object called "far"'):
        find(Named(None, "far"), "default", mine, unambiguous=True)


@pytest.mark.parametrize("unambiguous", [True, False])
def test_a_request_says_whether_names_have_to_be_clear(unambiguous: bool) -> None:
    mine = store_of(workload(name="web"), workload("Job", "web"))
    request = Request("default", ("web",), unambiguous=unambiguous)
    gathering = Gathering(request, mine, (mine,), complete=True)
    if unambiguous:
        with pytest.raises(CommandError, match="fits deployment/web, job/web: write which"):
            gathering.evidence(NOW)
    else:
        seen = gathering.evidence(NOW)
        assert [one.ref for one in seen.targets] == ["deployment/web"]
        assert seen.notes == ("web is also the name of job/web: this is deployment/web",)


class Fenced(FileStore):
    """A store of which the user may read some kinds only."""

    allowed: tuple[str, ...] = ("Domain", "Pod")

    def get(self, kind: Kind, namespace: str, name: str) -> Optional[Object]:
        if kind.name not in self.allowed:
            raise Forbidden(403, "Forbidden", f"{kind.plural} is forbidden")
        return super().get(kind, namespace, name)


def test_find_passes_over_kinds_that_may_not_be_read() -> None:
    """Who administers WebLogic often may read Domains and pods and nothing else."""
    mine = Fenced([domain("one"), workload(name="two")], "default", Credentials())
    assert find(Named(None, "one"), "default", mine)[0]["kind"] == "Domain"
    with pytest.raises(CommandError, match="not allowed to look for Deployment, StatefulSet"):
        find(Named(None, "two"), "default", mine)
    mine.allowed = ()
    with pytest.raises(Forbidden, match="domains is forbidden"):
        find(Named(None, "one"), "default", mine)


def test_clusters_lead_to_their_domains() -> None:
    mine = [domain("a", clusters=[{"name": "c1"}]), domain("b"), domain("c", namespace="far", clusters=[{"name": "c1"}])]
    found = domains_of_cluster(cluster("c1", {}), store_of(*mine))
    assert [one["metadata"]["name"] for one in found] == ["a"]


def controlled(name: str, owner: Object, **labels: str) -> Object:
    return pod(name, owner=owner, labels=labels)


def test_pods_of() -> None:
    selector = {"matchLabels": {"app": "web"}}
    web = workload("Deployment", "web", selector=selector)
    old = {**workload("ReplicaSet", "web-1"), "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web"},
           "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}]}}  # fmt: skip
    foreign = {**old, "metadata": {"name": "other", "namespace": "default", "labels": {"app": "web"}}}
    cron, job = workload("CronJob", "night"), workload("Job", "night-1", selector={"matchLabels": {"job": "1"}})
    job["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "night", "controller": True}]
    mine = domain("d", domainUID="u")
    store = store_of(
        web, old, foreign, cron, job, mine,
        controlled("web-1-a", old, app="web"), controlled("other-a", foreign, app="web"),
        controlled("night-1-a", job, job="1"), pod("alone", labels={"app": "web"}),
        pod("u-admin", labels=server_labels("u")), pod("look-alike", labels={"weblogic.domainUID": "u"}),
    )  # fmt: skip

    def names(value: Object) -> list[str]:
        return [one["metadata"]["name"] for one in pods_of(value, store)[0]]

    assert names(web) == ["web-1-a"]
    assert names(cron) == ["night-1-a"]
    assert names(mine) == ["u-admin"]
    assert names(workload("Job", "unborn")) == []
    assert [one["metadata"]["name"] for one in pods_of(web, store)[1]] == ["web-1"]


def test_pods_of_a_deployment_whose_replica_sets_may_not_be_read() -> None:
    web = workload("Deployment", "web", selector={"matchLabels": {"app": "web"}})
    replicas, foreign = workload("ReplicaSet", "web-5d9c"), workload("ReplicaSet", "web-api-7f6b")
    values = [web, controlled("web-5d9c-a", replicas, app="web"), controlled("web-api-7f6b-a", foreign, app="web")]

    class NoSets(FileStore):
        def select(self, kind: Kind, namespace: Optional[str], **how: Any) -> Any:
            if kind.name == "ReplicaSet":
                raise Forbidden(403, "Forbidden", "replicasets is forbidden")
            return super().select(kind, namespace, **how)

    found, _ = pods_of(web, NoSets(values, "default", Credentials()))
    assert [one["metadata"]["name"] for one in found] == ["web-5d9c-a"]


def getter(store: FileStore) -> Callable[[Target], Optional[Object]]:
    return lambda target: store.get(KINDS[target.kind], target.namespace, target.name)


def test_owners_of() -> None:
    web = workload("Deployment", "web")
    replicas = workload("ReplicaSet", "web-1")
    replicas["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    pods = [
        controlled("a", replicas),
        controlled("b", replicas),
        controlled("c", {"kind": "Rollout", "metadata": {"name": "r"}}),
    ]
    found = owners_of(pods, pods, getter(store_of(web, replicas)))
    assert [one["metadata"]["name"] for one in found] == ["web-1", "web"]
    circle = workload("ReplicaSet", "me")
    circle["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "me", "controller": True}]
    assert owners_of([circle], [], getter(store_of(circle))) == [circle]


# Files as a store


def test_file_store_takes_what_is_ours() -> None:
    def named(api_version: str, kind: str) -> Object:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": f"{kind}-{api_version}"}, "spec": {}}

    foreign = [
        named("cluster.x-k8s.io/v1", "Cluster"), named("pg.cnpg.io/v1", "Cluster"), named("batch.volcano.sh/v1", "Job"),
        named("serving.knative.dev/v1", "Domain"), named("v1", "Deployment"), named("apps/v1", "Pod"), named("v1", "Widget"),
    ]  # fmt: skip
    store = store_of(*foreign)
    assert [value for kind in KINDS.values() for value in store.select(kind, None)] == []


def test_later_of_two_objects_of_one_name_counts_and_unnamed_ones_are_all_kept() -> None:
    unnamed: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "job-"}, "spec": {}}
    store = store_of(
        pod("a"), pod("a", namespace="far"), pod("a", secrets=["x"]), unnamed, unnamed, {**unnamed, "metadata": {}}
    )
    names = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in store.select(KINDS["Pod"], None)]
    assert names == [("default", "a"), ("far", "a"), ("default", "job-"), ("default", "job-2"), ("default", "unnamed-pod")]
    again = store.get(KINDS["Pod"], "default", "a")
    assert again is not None
    assert again["spec"]["imagePullSecrets"] == listed(["x"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"metadata": "x"}, "pod: metadata is text, where an object belongs"),
        ({"metadata": ["x"]}, "pod: metadata is a list, where an object belongs"),
        ({"metadata": {"name": "a\x1b[31m"}, "spec": []}, r"pod/a\^\[\[31m: spec is a list"),
        ({"metadata": {"name": {"a": "b"}}}, "metadata.name is an object"),
        ({"metadata": {"name": "a", "namespace": 7}}, "metadata.namespace is a number"),
    ],
)
def test_file_store_refuses_what_is_no_object(value: Object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as failure:
        store_of({"apiVersion": "v1", "kind": "Pod", **value})
    assert str(failure.value).isprintable()


def test_file_store_selects() -> None:
    store = store_of(pod("a", labels={"x": "1"}), pod("b", namespace="far", account="robot"), secret_object("s"))

    def names(where: Optional[str] = None, **how: Any) -> list[str]:
        return [one["metadata"]["name"] for one in store.select(KINDS["Pod"], where, **how)]

    assert names() == ["a", "b"]
    assert names(where="far") == ["b"]
    assert names(labels="x=1") == ["a"]
    assert names(fields="spec.serviceAccountName=robot,metadata.name=b") == ["b"]
    assert names(wanted=lambda one: one["metadata"]["name"] == "b") == ["b"]
    facts = store.secret("default", "s")
    assert facts is not None
    assert store.pull_secrets("default") == [facts]
    assert store.namespaces_with_secret("s") == ["default"]
    assert store.secret("far", "s") is None
