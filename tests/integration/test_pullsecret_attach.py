"""kubectl pullsecret attach and detach, against stand-ins: to what, and what follows."""

from __future__ import annotations

import pytest

from tests.unit.builders import Object, cluster, server_labels

from .pullsecret_kit import (
    Kit,
    Result,
    deployment,
    domain,
    entry,
    failing,
    names,
    notes,
    owned,
    running,
    secret,
    service_account,
    with_names,
)
from .standin import status


def attach(kit: Kit, *targets: str, more: tuple[str, ...] = ()) -> Result:
    kit.put(secret("regcred"))
    return kit.run("attach", "regcred", *(f"--for={one}" for one in targets), *more)


def test_a_secret_of_another_namespace_is_refused_with_the_command_that_copies_it(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}, namespace="far"))
    found = kit.run("attach", "regcred", "--for", "sa/default")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert found.err == (
        'error: secrets "regcred" not found in namespace ns; it is in far: kubectl pullsecret copy regcred '
        "--to-namespace=ns -n far\n"
    )
    fixed = kit.run(*found.err.partition("kubectl pullsecret ")[2].split())
    assert fixed.out == "secret/regcred created in namespace ns\n"
    assert kit.run("attach", "regcred", "--for", "sa/default").code == 0


def test_a_secret_that_is_nowhere_is_refused_with_the_command_that_makes_it(kit: Kit) -> None:
    found = kit.run("attach", "regcred", "--for", "sa/default")
    assert found.code == 1
    assert 'secrets "regcred" not found in namespace ns: kubectl pullsecret add regcred -n ns makes it' in found.err
    kit.cluster.denied = {("list", "secrets", "*")}
    assert "kubectl pullsecret add regcred -n ns makes it" in kit.run("attach", "regcred", "--for=sa/default").err


def test_a_secret_that_the_kubelet_passes_over_is_refused(kit: Kit) -> None:
    kit.put(secret("regcred", type="Opaque"))
    found = kit.run("attach", "regcred", "--for", "sa/default")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "secret/regcred is of type Opaque, which the kubelet passes over" in found.err


def test_a_missing_secret_can_be_taken_off_a_list(kit: Kit) -> None:
    kit.put(service_account("builder", "gone", "a"))
    assert kit.run("detach", "gone", "--for", "sa/builder").code == 0
    assert names(kit.cluster.get("ServiceAccount", "builder")) == ["a"]


def test_what_has_no_list_that_can_be_changed_is_refused_with_what_helps(kit: Kit) -> None:
    server_pod: Object = {}
    kit.put(failing(kit.image, "p"), deployment("j", kind="Job"), {**cluster("c", server_pod, "ns")})
    for target, text in (
        ("pod/p", "the list of a pod can't be changed: attach it to what makes the pod"),
        ("job/j", "the list of a Job can't be changed: attach it to its service account"),
        ("cluster/c", "a WebLogic Cluster has no list of pull secrets: attach it to its Domain"),
    ):
        found = attach(kit, "sa/default", target)
        assert (found.code, kit.cluster.writes) == (1, [])
        assert text in found.err


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("secret/x", '"secret/x" names nothing that lists pull secrets: write domain/NAME, serviceaccount/NAME'),
        ("node/x", '"node/x" names nothing that lists pull secrets'),
        ("domain/", '"domain/" names nothing that lists pull secrets'),
        ("/x", '"/x" names nothing that lists pull secrets'),
        ("\x1b[31m/x", '"^[[31m/x" names nothing'),
        ("domain/gone", 'domains "gone" not found in namespace ns'),
        ("sa/gone", 'serviceaccounts "gone" not found in namespace ns'),
        ("gone", '"gone" is the name of nothing in namespace ns'),
    ],
)
def test_targets_that_are_none(kit: Kit, target: str, text: str) -> None:
    found = attach(kit, target)
    assert (found.code, kit.cluster.writes) == (1, [])
    assert f"error: {text}" in found.err


@pytest.mark.parametrize("word", ["sa/default", "serviceaccounts/default", "ServiceAccount/default", "default"])
def test_a_service_account_in_every_way_that_kubectl_takes(kit: Kit, word: str) -> None:
    assert attach(kit, word).out == "serviceaccount/default patched\n"


@pytest.mark.parametrize("word", ["deploy/web", "deployment.apps/web", "web"])
def test_a_deployment_in_every_way_that_kubectl_takes(kit: Kit, word: str) -> None:
    kit.put(deployment())
    assert attach(kit, word).out == "deployment.apps/web patched\n"


def test_a_name_that_fits_several_is_refused_with_all_of_them(kit: Kit) -> None:
    kit.put(deployment("shop"), domain("shop"), service_account("shop"))
    found = attach(kit, "shop")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert '"shop" fits domain/shop, deployment/shop, serviceaccount/shop: write which' in found.err


def test_kinds_that_may_not_be_read_are_passed_over_for_a_bare_name(kit: Kit) -> None:
    """The chart's and Kubernetes' own roles do not cover every kind."""
    kit.put(deployment())
    kit.cluster.denied = {("get", "domains", "*"), ("get", "daemonsets", "*")}
    assert attach(kit, "web").out == "deployment.apps/web patched\n"


def test_a_cluster_without_the_operator(kit: Kit) -> None:
    kit.cluster.unserved = {"Domain", "Cluster"}
    kit.put(deployment())
    assert attach(kit, "web").code == 0
    assert 'domains "web" not found' in attach(kit, "domain/web").err


def test_a_domain_of_the_old_version(kit: Kit) -> None:
    old = {**domain(), "apiVersion": "weblogic.oracle/v8"}
    kit.put(old)
    refused = status(404, "NotFound", "the server could not find the requested resource", details={})
    kit.cluster.before = lambda asked: refused if "/weblogic.oracle/v9/" in asked.path else None
    assert attach(kit, "domain/domain1").code == 0
    assert "/weblogic.oracle/v8/" in kit.cluster.writes[0].path


def test_the_same_target_twice_is_one(kit: Kit) -> None:
    assert attach(kit, "sa/default", "sa/default").out == "serviceaccount/default patched\n"


def test_a_service_account_reaches_only_new_pods(kit: Kit) -> None:
    replicas = deployment("web-5d", kit.image, kind="ReplicaSet")
    kit.put(
        deployment("web", kit.image), owned(replicas, deployment("web")),
        failing(kit.image, "web-5d-1", owner=replicas), failing(kit.image, "bare"), running("healthy"),
        deployment("own", secrets=["mine"]), domain(secrets=["mine"]),
        deployment("other", account="builder", secrets=["mine"]),
    )  # fmt: skip
    found = attach(kit, "sa/default")
    assert found.code == 0
    assert notes(found) == [
        "serviceaccount/default: only pods that are made from now on have it",
        "2 of its pods wait for an image and have to be made again",
        "to have them made again: kubectl repull deployment/web pod/bare --recreate-pods -n ns",
        "domain/domain1 lists pull secrets itself, so this list is not used there",
        "deployment/own lists pull secrets itself, so this list is not used there",
    ]


def server(number: int) -> Object:
    return running(f"domain1-server{number}", labels=server_labels("domain1", f"server{number}"))


def test_a_domain_change_rolls_its_running_servers(kit: Kit) -> None:
    kit.put(domain(), server(1), server(2))
    found = attach(kit, "domain/domain1")
    assert (found.code, kit.cluster.writes) == (1, []), "nobody was asked"
    assert "Note: domain/domain1: the operator rolls its 2 running servers" in found.err
    assert (
        "running pods of domain/domain1 are replaced: give -y to go on without being asked; nothing was changed" in found.err
    )
    found = attach(kit, "domain/domain1", more=("-y",))
    assert (found.code, found.out) == (0, "domain.weblogic.oracle/domain1 patched\n")


def test_a_domain_that_does_not_run_needs_no_yes(kit: Kit) -> None:
    kit.put(domain(), failing(kit.image, "domain1-introspector-x", labels={"weblogic.domainUID": "domain1"}))
    found = attach(kit, "domain/domain1")
    assert found.code == 0
    assert notes(found)[0].startswith("domain/domain1: pods that the operator makes from now on have it")


def test_a_workload_change_rolls_it_out(kit: Kit) -> None:
    replicas = deployment("web-5d", kind="ReplicaSet")
    kit.put(deployment(), owned(replicas, deployment()), running("web-5d-1", owner=replicas))
    found = attach(kit, "deployment/web")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "Note: deployment/web: it rolls out new pods" in found.err
    assert attach(kit, "deployment/web", more=("--yes",)).code == 0


def test_a_dry_run_asks_nobody(kit: Kit) -> None:
    kit.put(domain(), server(1))
    assert attach(kit, "domain/domain1", more=("--dry-run=server",)).code == 0


@pytest.mark.parametrize("kind", ["CronJob", "ReplicaSet", "ReplicationController"])
def test_a_workload_whose_pods_stay(kit: Kit, kind: str) -> None:
    value = deployment("web", kind=kind)
    kit.put(value, running("web-1", owner=value))
    found = attach(kit, f"{kind.lower()}/web")
    assert found.code == 0
    assert "have it" in notes(found)[0]


def test_a_first_list_of_its_own_gets_the_service_accounts_names_too(kit: Kit) -> None:
    """Its own list switches the service account's off."""
    kit.put(service_account("default", "a", "b"), service_account("builder", "c"), deployment(), domain(),
            deployment("job", account="builder", kind="CronJob"))  # fmt: skip
    found = attach(kit, "deployment/web", "domain/domain1", "cronjob/job")
    assert found.code == 0
    assert names(kit.cluster.get("Deployment", "web")) == ["a", "b", "regcred"]
    assert names(kit.cluster.get("Domain", "domain1")) == ["a", "b", "regcred"]
    assert names(kit.cluster.get("CronJob", "job")) == ["c", "regcred"]
    assert "its own list switches its service account's off, so it gets a, b from there, too" in found.err
    assert attach(kit, "deployment/web").out == "deployment.apps/web unchanged\n"


def test_a_list_that_is_there_gets_no_other_names(kit: Kit) -> None:
    kit.put(service_account("default", "a"), deployment(secrets=["own"]))
    attach(kit, "deployment/web")
    assert names(kit.cluster.get("Deployment", "web")) == ["own", "regcred"]


def test_where_the_service_account_cannot_be_read_it_says_what_may_be_lost(kit: Kit) -> None:
    kit.put(service_account("default", "a"), deployment())
    kit.cluster.denied = {("get", "serviceaccounts", "*")}
    found = attach(kit, "deployment/web")
    assert "service account" in found.err.replace("serviceaccount", "service account")


def test_taking_the_last_name_out_gives_the_service_accounts_list_back(kit: Kit) -> None:
    kit.put(deployment(secrets=["regcred"]))
    found = kit.run("detach", "regcred", "--for", "deploy/web")
    assert (found.code, names(kit.cluster.get("Deployment", "web"))) == (0, [])
    assert "without a list of its own its pods get their service account's again" in found.err


def test_a_change_of_many_is_undone_by_one_command(kit: Kit) -> None:
    kit.put(service_account("builder"), service_account("robot", "new"), deployment())
    found = kit.add("new", "--for=sa/builder", "--for=sa/robot", "--for=deploy/web")
    assert found.code == 0
    assert found.undo() == [
        "kubectl pullsecret detach new --for serviceaccount/builder --for deployment/web -n ns",
        "kubectl delete secret new -n ns",
    ]


def test_printed_commands_act_on_the_cluster_that_was_named(kit: Kit) -> None:
    kit.put(failing(kit.image, "p", owner=deployment("web-5d", kind="ReplicaSet")), secret("far", namespace="far"))
    printed = kit.add("regcred", "--for=sa/default", "--context", "y").err
    printed += kit.run("attach", "far", "--for=sa/default", "--context=y").err
    printed += kit.run("attach", "gone", "--for=sa/default", "--context=y").err
    commands = [line for line in printed.splitlines() if "kubectl " in line]
    assert len(commands) >= 5
    assert [line for line in commands if "--context" not in line] == []


def test_a_service_account_with_a_list_of_somebody_elses_is_left_as_it_is(kit: Kit) -> None:
    odd: list[Object] = [{"name": "a"}, {}, {"name": "b"}]
    kit.put(secret("regcred"), {**with_names(service_account("builder"), "a"), "imagePullSecrets": odd})
    assert kit.run("attach", "regcred", "--for=sa/builder").code == 0
    assert kit.cluster.get("ServiceAccount", "builder")["imagePullSecrets"] == [*odd, {"name": "regcred"}]
