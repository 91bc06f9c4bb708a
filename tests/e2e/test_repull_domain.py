"""kubectl repull for a WebLogic Domain on a real cluster, with a stand-in for its operator."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from .cluster.model import Cluster, Registry
from .conftest import Kubectl, make_secret, wait_for
from .domain_kit import (
    ADMIN,
    IMAGE,
    MANAGED,
    SECRET,
    SERVERS,
    DomainRepull,
    failed,
    introspect_version,
    introspector,
    list_by_account,
    managed_server,
    patch,
    paused_operator,
    pulls_always,
    refused_twice,
    runs,
    slow_domain,
    started,
    stuck_introspector,
    stuck_on_list,
    stuck_on_password,
    stuck_server,
    uids,
)
from .pullsecret_kit import DOMAIN_ADMIN, allow

Object = dict[str, Any]


@pytest.fixture
def repull(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> DomainRepull:
    return DomainRepull(kubectl, registries["htpasswd"], tmp_path / "saved")


def planned(repull: DomainRepull, *arguments: str) -> str:
    """What would be done now, for all that the image is blocked."""
    return repull("--dry-run", "--force", *arguments).err


# The introspector


def test_password_mended(kubectl: Kubectl, repull: DomainRepull) -> None:
    stuck_on_password(kubectl, repull.registry)
    refused_twice(kubectl, introspector(kubectl))
    kubectl.apply(make_secret(SECRET, repull.registry))
    result = repull()
    assert "change introspectVersion of domain/domain1: only to skip the wait" in result.err
    lines = result.out.splitlines()
    assert lines[0] == "domain.weblogic.oracle/domain1 patched"
    assert sum(f": pulled {repull.registry.image(IMAGE)} in " in line for line in lines) == 3, result.out
    assert lines[-1] == f"domain/domain1 in {kubectl.namespace} is back: 2 pods started"
    assert introspect_version(kubectl) == "1"
    assert runs(kubectl)
    assert not failed(kubectl)
    before = uids(kubectl)
    again = repull()
    assert again.out == ""
    assert again.err == "Nothing to do: no pod of domain/domain1 waits for an image.\n"
    assert (uids(kubectl), introspect_version(kubectl)) == (before, "1")


def test_secret_attached_to_the_domain(kubectl: Kubectl, repull: DomainRepull) -> None:
    """The operator does not make a stuck introspector anew for that."""
    stuck_on_list(kubectl, repull.registry, introspectVersion="7")
    result = repull()
    assert "it lists other, one made today other, secret1, and the operator does not make" in result.err
    assert introspect_version(kubectl) == "8"
    assert runs(kubectl)


def test_image_corrected(kubectl: Kubectl, repull: DomainRepull, cluster: Cluster, tmp_path: Path) -> None:
    """For that the operator makes it anew, which is waited for."""
    kubectl.apply(make_secret(SECRET, repull.registry))
    stuck_introspector(kubectl, repull.registry, SECRET, image=repull.registry.image("owner/domain1:9.9"))
    with paused_operator(cluster) as resume:
        patch(kubectl, "domain/domain1", image=repull.registry.image(IMAGE))
        with started(repull, tmp_path / "told", "domain1") as run:
            run.tells("after 30s, change introspectVersion")
            resume()
            run.ends(0)
    assert introspect_version(kubectl) is None
    assert runs(kubectl)


def test_domain_given_up(kubectl: Kubectl, repull: DomainRepull) -> None:
    stuck_on_list(kubectl, repull.registry, failureRetryLimitMinutes=0, introspectVersion="first")
    assert failed(kubectl)[0]["reason"] == "Aborted"
    result = repull("--keep-waiting-pods")
    assert "the operator has given up, and tries again only then" in result.err
    assert introspect_version(kubectl) == "1"
    assert runs(kubectl)


def test_between_two_tries(kubectl: Kubectl, repull: DomainRepull) -> None:
    """No pod is there that waits."""
    stuck_on_password(kubectl, repull.registry)
    kubectl("delete", "job", "domain1-introspector")
    wait_for(lambda: not kubectl.list("pod"), "the introspector to be gone")
    kubectl.apply(make_secret(SECRET, repull.registry))
    repull()
    assert introspect_version(kubectl) == "1"
    assert runs(kubectl)


def test_auxiliary_image_of_the_introspector(
    kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry]
) -> None:
    """What is asked to be left alone is: the kubelet tries again within seconds."""
    auxiliary = {"image": repull.registry.image("owner/aux:1.0"), "imagePullPolicy": "Always"}
    configuration = {"model": {"auxiliaryImages": [auxiliary]}}
    stuck_on_password(kubectl, repull.registry, image=registries["open"].image(IMAGE), configuration=configuration)
    assert "leave domain/domain1: the operator introspects again" in planned(repull, "--keep-waiting-pods")
    kubectl.apply(make_secret(SECRET, repull.registry))
    repull("--keep-waiting-pods")
    assert introspect_version(kubectl) is None
    assert runs(kubectl)


# Servers


def test_stuck_server(kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry]) -> None:
    """Its operator makes it again; where that is not wanted, it is left to the kubelet."""
    spec = managed_server("initContainers", pulls_always("prepare", repull.registry, args=["exit"]))
    kubectl.apply(make_secret(SECRET, repull.registry, password="wrong"))
    before = stuck_server(kubectl, registries, SECRET, **spec)
    assert f"leave pod/{MANAGED}: the kubelet tries again" in planned(repull, "--keep-waiting-pods")
    refused_twice(kubectl, MANAGED)
    kubectl.apply(make_secret(SECRET, repull.registry))
    result = repull()
    assert f"delete pod/{MANAGED}: only to skip its back-off" in result.err
    assert f'pod "{MANAGED}" deleted' in result.out
    assert runs(kubectl)
    after = uids(kubectl)
    assert after[ADMIN] == before[ADMIN]
    assert after[MANAGED] != before[MANAGED]
    assert introspect_version(kubectl) is None


def test_service_account_mended(kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry]) -> None:
    """The operator does not see that its pod got another list."""
    kubectl.apply(make_secret(SECRET, repull.registry))
    spec = managed_server("initContainers", pulls_always("prepare", repull.registry, args=["exit"]))
    before = stuck_server(kubectl, registries, **spec)
    list_by_account(kubectl)
    result = repull("--keep-waiting-pods")
    assert f"  delete pod/{MANAGED}: it lists no pull secret, one made today {SECRET}\n" in result.err
    assert runs(kubectl)
    after = uids(kubectl)
    assert after[ADMIN] == before[ADMIN]
    assert after[MANAGED] != before[MANAGED]


def test_own_list_changed(kubectl: Kubectl, repull: DomainRepull, cluster: Cluster, tmp_path: Path) -> None:
    """The operator would roll its servers for that; one that does not is helped after a while."""
    kubectl.apply(make_secret("other", cluster.registries["token"]), make_secret(SECRET, repull.registry))
    spec = managed_server("initContainers", pulls_always("prepare", repull.registry, args=["exit"]))
    before = stuck_server(kubectl, cluster.registries, "other", **spec)
    with paused_operator(cluster) as resume:
        patch(kubectl, "domain/domain1", imagePullSecrets=[{"name": "other"}, {"name": SECRET}])
        with started(repull, tmp_path / "told", "domain1") as run:
            run.tells(f"after 30s, delete pod/{MANAGED}: it lists other, one made today other, {SECRET}")
            time.sleep(10)
            assert uids(kubectl) == before
            run.tells(f'pod "{MANAGED}" deleted')
            resume()
            run.ends(0)
    assert uids(kubectl)[MANAGED] != before[MANAGED]


def test_running_server_is_left(kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry]) -> None:
    kubectl.apply(make_secret(SECRET, repull.registry, password="wrong"))
    spec = managed_server("containers", pulls_always("logs", repull.registry))
    before = stuck_server(kubectl, registries, SECRET, **spec)
    assert f"leave pod/{MANAGED}: a container of it runs; the kubelet tries again by itself" in planned(repull)
    kubectl.apply(make_secret(SECRET, repull.registry))
    repull()
    assert runs(kubectl)
    assert uids(kubectl) == before


@pytest.mark.parametrize("kind", ["domain", "cluster"])
def test_running_server_is_rolled(
    kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry], kind: str
) -> None:
    """With its whole Domain, or only with its Cluster where there is one."""
    kubectl.apply(make_secret(SECRET, repull.registry))
    spec = managed_server("containers", pulls_always("logs", repull.registry))
    if kind == "cluster":
        of_cluster = {"clusterName": "web", "replicas": 1, "serverPod": spec["managedServers"][0]["serverPod"]}
        version = {"apiVersion": "weblogic.oracle/v1", "kind": "Cluster"}
        kubectl.apply({**version, "metadata": {"name": "domain1-web"}, "spec": of_cluster})
        spec = {"clusters": [{"name": "domain1-web"}]}
    before = stuck_server(kubectl, registries, **spec)
    list_by_account(kubectl)
    name = "domain1" if kind == "domain" else "domain1-web"
    assert "--roll-running rolls domain/domain1" in repull(code=1).err
    asks = repull("--roll-running", code=1)
    assert f"running pods of {kind}/{name} are replaced: give -y" in asks.err
    assert uids(kubectl) == before
    result = repull("--roll-running", "-y")
    assert f"{kind}.weblogic.oracle/{name} patched" in result.out
    assert runs(kubectl)
    after = uids(kubectl)
    assert after[MANAGED] != before[MANAGED]
    assert (after[ADMIN] == before[ADMIN]) == (kind == "cluster")
    versions = {one["kind"]: one["spec"].get("restartVersion") for one in kubectl.list("domain,cluster")}
    assert versions == ({"Domain": "1"} if kind == "domain" else {"Domain": None, "Cluster": "1"})


# Who may do only part of it

READS = (("", "pods secrets events", "get list watch"), ("weblogic.oracle", "domains clusters", "get list watch"))


def test_domain_admin_introspects(kubectl: Kubectl, repull: DomainRepull) -> None:
    """The role of the operator's chart: it may neither delete pods nor see Jobs and service accounts."""
    allow(kubectl, "domain-admin", *DOMAIN_ADMIN)
    stuck_on_list(kubectl, repull.registry)
    result = repull("--as=domain-admin")
    assert "Not checked: " in result.err
    assert introspect_version(kubectl) == "1"
    assert runs(kubectl)


@pytest.mark.parametrize("server", SERVERS)
def test_domain_admin_restarts_one_server(
    kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry], server: str
) -> None:
    """Who may not delete a pod has the operator do it; what the kubelet can mend is left to it."""
    allow(kubectl, "domain-admin", *DOMAIN_ADMIN, ("", "serviceaccounts", "get list"))
    kubectl.apply(make_secret(SECRET, repull.registry))
    list_by_account(kubectl)
    init = pulls_always("prepare", repull.registry, args=["exit"])
    kubectl.apply(slow_domain(image=registries["open"].image(IMAGE), serverPod={"initContainers": [init]}))
    wait_for(lambda: runs(kubectl), "the servers")
    list_by_account(kubectl, "other")
    kubectl("delete", "pod", server)
    wait_for(lambda: "Image" in kubectl.waiting(server)[0], f"{server} to wait")
    list_by_account(kubectl)
    before = uids(kubectl)
    name = server.replace("domain1-", "")
    result = repull("--as=domain-admin")
    assert (
        f"  change restartVersion of server {name} of domain/domain1: it lists other, one made today {SECRET}" in result.err
    )
    assert runs(kubectl)
    after = uids(kubectl)
    assert {one for one in SERVERS if after[one] != before[one]} == {server}
    spec = (kubectl.get("domain", "domain1") or {})["spec"]
    restarted: Object = {"adminServer": {"restartVersion": "1"}}
    if server == MANAGED:
        restarted = {"managedServers": [{"serverName": name, "restartVersion": "1"}]}
    assert {key: spec[key] for key in ("adminServer", "managedServers", "restartVersion") if key in spec} == restarted


def test_server_is_left_by_domain_admin(kubectl: Kubectl, repull: DomainRepull, registries: dict[str, Registry]) -> None:
    """A new pod would pull with the same: the kubelet does it, too."""
    allow(kubectl, "domain-admin", *DOMAIN_ADMIN)
    kubectl.apply(make_secret(SECRET, repull.registry, password="wrong"))
    spec = managed_server("initContainers", pulls_always("prepare", repull.registry, args=["exit"]))
    before = stuck_server(kubectl, registries, SECRET, **spec)
    line = f"leave pod/{MANAGED}: you are not allowed to delete pods in namespace {kubectl.namespace}; the kubelet tries"
    assert line in planned(repull, "--as=domain-admin")
    kubectl.apply(make_secret(SECRET, repull.registry))
    repull("--as=domain-admin")
    assert runs(kubectl)
    assert uids(kubectl) == before


def test_who_may_only_delete_jobs(kubectl: Kubectl, repull: DomainRepull) -> None:
    """The operator makes the Job again at its next try, which is soon here."""
    allow(kubectl, "worker", *READS, ("batch", "jobs", "get list watch delete"))
    stuck_on_list(kubectl, repull.registry, failureRetryIntervalSeconds=15)
    result = repull("--as=worker")
    assert "delete job/domain1-introspector: " in result.err
    assert '"domain1-introspector" deleted' in result.out
    assert introspect_version(kubectl) is None
    assert runs(kubectl)


def test_who_may_only_look(kubectl: Kubectl, repull: DomainRepull) -> None:
    """The operator's next try mends it, or nothing does where it has given up."""
    allow(kubectl, "reader", *READS)
    stuck_on_list(kubectl, repull.registry, failureRetryIntervalSeconds=15)
    result = repull("--as=reader")
    assert f"not allowed to patch domain/domain1, or to delete jobs in {kubectl.namespace}" in result.err
    assert runs(kubectl)
    kubectl("delete", "domain", "domain1", "--wait")
    wait_for(lambda: not kubectl.list("pod"), "its pods to be gone")
    stuck_on_list(kubectl, repull.registry, failureRetryLimitMinutes=0)
    assert "domain/domain1 is not back: you are not allowed to patch" in repull("--as=reader", code=1).err


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        (DOMAIN_ADMIN, "after 30s, change restartVersion of server managed-server1 of domain/domain1: it lists other, "),
        (READS, f"leave pod/{MANAGED}: it lists other, one made today other, {SECRET}, and the operator rolls it by itself"),
    ],
)
def test_own_list_changed_and_may_not_delete(
    kubectl: Kubectl,
    repull: DomainRepull,
    cluster: Cluster,
    tmp_path: Path,
    rules: tuple[tuple[str, str, str], ...],
    line: str,
) -> None:
    """The operator rolls it by itself, which is waited for."""
    allow(kubectl, "limited", *rules)
    kubectl.apply(make_secret("other", cluster.registries["token"]), make_secret(SECRET, repull.registry))
    spec = managed_server("initContainers", pulls_always("prepare", repull.registry, args=["exit"]))
    before = stuck_server(kubectl, cluster.registries, "other", **spec)
    with paused_operator(cluster) as resume:
        patch(kubectl, "domain/domain1", imagePullSecrets=[{"name": "other"}, {"name": SECRET}])
        with started(repull, tmp_path / "told", "domain1", "--as=limited") as run:
            run.tells(line)
            resume()
            run.ends(0)
    assert uids(kubectl)[MANAGED] != before[MANAGED]
    found = kubectl.get("domain", "domain1")
    assert found and found["spec"]["managedServers"] == spec["managedServers"]
