"""kubectl pullsecret remove, against stand-ins."""

from __future__ import annotations

from typing import Optional

import pytest

from tests.unit.builders import Object

from .pullsecret_kit import (
    Kit,
    deployment,
    domain,
    entry,
    failing,
    names,
    other,
    owned,
    running,
    secret,
    service_account,
)
from .standin import Answer, Asked, status


def test_remove_deletes_what_nothing_uses(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), secret("other"))
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, found.out) == (0, 'secret "regcred" deleted\n')
    assert not kit.cluster.has("Secret", "regcred")
    assert kit.cluster.has("Secret", "other")
    found = kit.run("remove", "regcred", "-y")
    assert found.code == 1
    assert 'error: secrets "regcred" not found in namespace ns' in found.err


def test_remove_needs_a_yes_where_nobody_can_be_asked(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("remove", "regcred")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "secret/regcred is deleted, and its passwords are not kept: give -y to go on without being asked" in found.err


USERS = {
    "serviceaccount/builder": service_account("builder", "a", "regcred"),
    "domain/domain1": domain(secrets=["regcred"]),
    "deployment/web": deployment(secrets=["regcred", "b"]),
    "cronjob/web": deployment(kind="CronJob", secrets=["regcred"]),
    "pod/web-1": running("web-1", secrets=["regcred"]),
}


@pytest.mark.parametrize("user", USERS)
def test_remove_refuses_while_something_uses_it(kit: Kit, user: str) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), USERS[user])
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert f"error: secret/regcred is used by {user}: --detach takes it out of their lists first" in found.err


def test_remove_takes_it_out_of_every_list_first(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), *USERS.values())
    found = kit.run("remove", "regcred", "--detach", "-y")
    assert found.code == 0
    assert [one.method for one in kit.cluster.writes] == ["PATCH"] * 4 + ["DELETE"]
    assert found.out.splitlines()[-1] == 'secret "regcred" deleted'
    assert names(kit.cluster.get("ServiceAccount", "builder")) == ["a"]
    assert names(kit.cluster.get("Deployment", "web")) == ["b"]
    assert names(kit.cluster.get("Domain", "domain1")) == []
    assert names(kit.cluster.get("Pod", "web-1")) == ["regcred"], "a pod's list can't be changed"
    assert "Note: pods keep their lists, and go on without it: web-1" in found.err


def test_remove_after_a_deployment_went_on_to_another_secret(kit: Kit) -> None:
    web = deployment("web", secrets=["new"])
    kit.put(secret("regcred", {kit.host: entry()}), web,
            owned(deployment("web-4c", kind="ReplicaSet", secrets=["regcred"], replicas=0), web))  # fmt: skip
    assert kit.run("remove", "regcred", "-y").code == 0


def test_remove_does_not_delete_what_it_did_not_see(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "DELETE":
            kit.put(secret("regcred", {kit.host: entry(), "ghcr.io": other()}))
        return None

    kit.cluster.before = before
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, found.out) == (1, "")
    assert "Conflict" in found.err
    assert kit.cluster.has("Secret", "regcred")


@pytest.mark.parametrize("code", [404, 500])
def test_remove_that_stops_half_way_says_what_was_done_and_what_not(kit: Kit, code: int) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), service_account("builder", "regcred"), deployment(secrets=["regcred"]),
            service_account("robot", "regcred"))  # fmt: skip
    answer = status(code, "Reason", "not now", details={"name": "web"})
    kit.cluster.before = lambda asked: answer if asked.method == "PATCH" and "deployments" in asked.path else None
    found = kit.run("remove", "regcred", "--detach", "-y")
    assert found.code == 1
    assert kit.cluster.has("Secret", "regcred")
    last = found.err.splitlines()[-1]
    assert "deployment/web" in last
    assert "secret/regcred" in last


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_remove_that_stops_half_way_can_be_undone(kit: Kit, method: str) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), service_account("builder", "regcred"), deployment(secrets=["regcred"]))
    answer, place = status(500, "InternalError", "not now"), "deployments" if method == "PATCH" else "secrets"
    kit.cluster.before = lambda asked: answer if asked.method == method and place in asked.path else None
    found = kit.run("remove", "regcred", "--detach", "-y")
    assert found.code == 1
    assert found.err.count("not now") == 1
    assert "secret/regcred" in found.err.splitlines()[-1]
    (undo,) = found.undo()
    assert names(kit.cluster.get("ServiceAccount", "builder")) == []
    kit.cluster.before = lambda asked: None
    assert kit.run(*undo.split()[2:]).code == 0
    assert names(kit.cluster.get("ServiceAccount", "builder")) == ["regcred"]
    assert names(kit.cluster.get("Deployment", "web")) == ["regcred"]


def test_remove_where_nobody_can_know_who_uses_it(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    for kind in ("pods", "deployments", "domains", "serviceaccounts"):
        kit.cluster.denied = {("list", kind, "*")}
        found = kit.run("remove", "regcred", "-y")
        assert (found.code, kit.cluster.writes) == (1, []), kind
        assert f"you may not list {kind} in namespace ns" in found.err


def test_remove_where_there_is_no_operator(kit: Kit) -> None:
    """A server refuses those who may not ask before it says that it knows no such kind: the roles `admin` and `edit` of a
    cluster without WebLogic let nobody list Domains, and there are none."""
    kit.put(secret("regcred", {kit.host: entry()}))
    kit.cluster.unserved = {"Domain", "Cluster"}
    kit.cluster.denied = {("*", "domains", "*"), ("*", "clusters", "*")}
    found = kit.run("remove", "regcred", "-y")
    assert (found.code, found.out) == (0, 'secret "regcred" deleted\n')


def test_remove_one_entry_keeps_the_others(kit: Kit) -> None:
    kit.put(secret("regcred", {f"https://{kit.host}/v1/": entry(), "ghcr.io": other(), f"{kit.host}/team": other()},
                   metadata={"labels": {"a": "b"}}))  # fmt: skip
    found = kit.run("remove", "regcred", "--docker-server", f"https://{kit.host}")
    assert (found.code, found.out) == (0, "secret/regcred updated\n")
    assert kit.cluster.entries("regcred") == {"ghcr.io": other(), f"{kit.host}/team": other()}
    assert kit.cluster.get("Secret", "regcred")["metadata"]["labels"] == {"a": "b"}


def test_remove_one_entry_that_is_used_needs_a_yes(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry(), "ghcr.io": other()}), failing(kit.image, secrets=["regcred"]))
    found = kit.run("remove", "regcred", "--docker-server", kit.host)
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "it is what pod/web-1 pulls with" in found.err
    assert kit.run("remove", "regcred", "--docker-server", kit.host, "-y").code == 0
    assert kit.cluster.entries("regcred") == {"ghcr.io": other()}


@pytest.mark.parametrize(
    ("entries", "server", "text"),
    [
        ({"r.io": other()}, "r.io", "that is the only entry of secret/regcred"),
        ({"r.io": other(), "ghcr.io": other()}, "quay.io", "secret/regcred has no entry for quay.io"),
        ({"r.io": other()}, "a b", '"a b" is no registry'),
    ],
)
def test_remove_and_entries_that_it_leaves(kit: Kit, entries: Object, server: str, text: str) -> None:
    kit.put(secret("regcred", entries))
    found = kit.run("remove", "regcred", "--docker-server", server, "-y")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert text in found.err


def test_remove_one_entry_of_a_secret_that_cannot_be_changed(kit: Kit) -> None:
    kit.put(secret("regcred", {"r.io": other(), "ghcr.io": other()}, immutable=True))
    found = kit.run("remove", "regcred", "--docker-server", "r.io", "-y")
    assert (found.code, kit.cluster.writes) == (1, []), "it is known before that it can't be done"
    assert "immutable" in found.err


def test_remove_one_entry_while_somebody_else_writes(kit: Kit) -> None:
    kit.put(secret("regcred", {"r.io": other(), "ghcr.io": other()}))
    done: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "PUT" and not done:
            done.append(asked)
            kit.put(secret("regcred", {"r.io": other(), "ghcr.io": other(), "quay.io": other()}))
        return None

    kit.cluster.before = before
    found = kit.run("remove", "regcred", "--docker-server", "r.io", "-y")
    assert kit.cluster.entries("regcred")["quay.io"] == other()
    assert found.code == 0
    assert kit.cluster.entries("regcred") == {"ghcr.io": other(), "quay.io": other()}
