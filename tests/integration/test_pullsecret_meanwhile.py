"""kubectl pullsecret where others write at the same time, and where it stops half way."""

from __future__ import annotations

import io
import threading
from typing import Any, Optional

import pytest
from pullcore.changes import Changes

from tests.unit.builders import Object

from .pullsecret_kit import (
    WRONG,
    Kit,
    deployment,
    domain,
    entry,
    names,
    other,
    secret,
    service_account,
)
from .standin import Answer, Asked, status


def meanwhile(kit: Kit, method: str, change: Any, times: int = 1) -> list[Asked]:
    """Does `change` just before each of the first writes of a method; the requests that it came before."""
    seen: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == method and "selfsubject" not in asked.path and len(seen) < times:
            seen.append(asked)
            answer = change()
            return answer if isinstance(answer, Answer) else None
        return None

    kit.cluster.before = before
    return seen


def test_an_update_keeps_what_somebody_else_wrote_meanwhile(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("bob", WRONG)}))
    meanwhile(kit, "PUT", lambda: kit.put(secret("regcred", {kit.host: entry("bob", WRONG), "ghcr.io": other()})))
    found = kit.add("regcred")
    assert (found.code, found.out) == (0, "secret/regcred updated\n")
    assert kit.cluster.entries("regcred") == {kit.host: entry(), "ghcr.io": other()}


def test_a_secret_that_somebody_else_makes_meanwhile_is_added_to(kit: Kit) -> None:
    meanwhile(kit, "POST", lambda: kit.put(secret("regcred", {"ghcr.io": other()})))
    found = kit.add("regcred")
    assert (found.code, found.out) == (0, "secret/regcred updated\n")
    assert kit.cluster.entries("regcred") == {kit.host: entry(), "ghcr.io": other()}
    assert found.undo() == [], "it is not ours to be deleted"


def test_what_turned_immutable_meanwhile_is_left_alone(kit: Kit) -> None:
    kit.put(secret("regcred", {}))
    meanwhile(kit, "PUT", lambda: kit.put(secret("regcred", {}, immutable=True)))
    found = kit.add("regcred")
    assert found.code == 1
    assert "secret/regcred is immutable: use another name" in found.err


def test_an_endless_conflict_ends(kit: Kit) -> None:
    kit.put(secret("regcred", {}))
    meanwhile(kit, "PUT", lambda: kit.put(secret("regcred", {"ghcr.io": other()})), times=1000)
    found = kit.add("regcred")
    assert found.code == 1
    assert "the object has been modified" in found.err
    assert len(kit.cluster.writes) < 30


LISTS = {
    "serviceaccount/builder": service_account("builder", "a", "b"),
    "domain/domain1": domain(secrets=["a", "b"]),
    "deployment/web": deployment(secrets=["a", "b"]),
    "statefulset/web": deployment(kind="StatefulSet", secrets=["a", "b"]),
    "daemonset/web": deployment(kind="DaemonSet", secrets=["a", "b"]),
    "replicaset/web": deployment(kind="ReplicaSet", secrets=["a", "b"]),
    "replicationcontroller/web": deployment(kind="ReplicationController", secrets=["a", "b"]),
    "cronjob/web": deployment(kind="CronJob", secrets=["a", "b"]),
}


@pytest.mark.parametrize("target", LISTS)
def test_attach_appends_and_detach_takes_out(kit: Kit, target: str) -> None:
    value = LISTS[target]
    kit.put(secret("regcred"), value)
    found = kit.run("attach", "regcred", "--for", target)
    assert found.code == 0
    kind, name = value["kind"], value["metadata"]["name"]
    assert names(kit.cluster.get(kind, name)) == ["a", "b", "regcred"]
    assert found.undo() == [f"kubectl pullsecret detach regcred --for {target} -n ns"]
    undone = kit.run(*found.undo()[0].split()[2:])
    assert undone.code == 0
    assert undone.undo() == [f"kubectl pullsecret attach regcred --for {target} -n ns"]
    assert names(kit.cluster.get(kind, name)) == ["a", "b"]
    again = kit.run("detach", "regcred", "--for", target)
    assert (again.code, again.undo()) == (0, [])
    assert again.out.endswith(" unchanged\n")
    assert [one.method for one in kit.cluster.writes] == ["PATCH", "PATCH"]


@pytest.mark.parametrize("target", ["serviceaccount/builder", "domain/domain1", "cronjob/web"])
def test_a_list_that_changes_meanwhile_loses_nothing(kit: Kit, target: str) -> None:
    kit.put(secret("regcred"), LISTS[target])
    kind, name = LISTS[target]["kind"], LISTS[target]["metadata"]["name"]

    def prepend() -> None:
        value = kit.cluster.snapshot()[kind, "ns", name]
        holder = value if kind == "ServiceAccount" else value["spec"]
        holder = holder["jobTemplate"]["spec"] if "jobTemplate" in holder else holder
        holder = holder["template"]["spec"] if "template" in holder else holder
        holder["imagePullSecrets"].insert(0, {"name": f"new{len(holder['imagePullSecrets'])}"})
        kit.put(value)

    meanwhile(kit, "PATCH", prepend, times=3)
    found = kit.run("attach", "regcred", "--for", target)
    assert found.code == 0, found.err
    assert names(kit.cluster.get(kind, name)) == ["new4", "new3", "new2", "a", "b", "regcred"]
    meanwhile(kit, "PATCH", prepend, times=3)
    assert kit.run("detach", "regcred", "--for", target).code == 0
    assert names(kit.cluster.get(kind, name)) == ["new8", "new7", "new6", "new4", "new3", "new2", "a", "b"]


def test_somebody_else_attaches_the_same_meanwhile(kit: Kit) -> None:
    kit.put(secret("regcred"), service_account("builder", "a"))
    meanwhile(kit, "PATCH", lambda: kit.put(service_account("builder", "a", "regcred")))
    found = kit.run("attach", "regcred", "--for", "sa/builder")
    assert (found.code, found.out) == (0, "serviceaccount/builder unchanged\n")
    assert names(kit.cluster.get("ServiceAccount", "builder")) == ["a", "regcred"]


def test_the_first_name_of_a_list_that_somebody_else_begins_meanwhile(kit: Kit) -> None:
    kit.put(secret("regcred"))
    meanwhile(kit, "PATCH", lambda: kit.put(service_account("default", "theirs")))
    assert kit.run("attach", "regcred", "--for", "sa/default").code == 0
    assert names(kit.cluster.get("ServiceAccount", "default")) == ["theirs", "regcred"]


def test_two_at_once_lose_nothing(kit: Kit) -> None:
    for number in range(5):
        wanted = [f"s{number}-{which}" for which in range(2)]
        kit.put(*(secret(one) for one in wanted), service_account("builder", *(["kept"] if number % 2 else [])))
        codes: list[int] = []
        kit.cluster.before = lambda asked: None

        def attach(name: str, codes: list[int] = codes) -> None:
            out, err = io.StringIO(), io.StringIO()
            from pullsecret import main

            codes.append(main.run(["attach", name, "--for", "sa/builder"], io.StringIO(), out, err))

        threads = [threading.Thread(target=attach, args=(one,)) for one in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert codes == [0, 0]
        assert set(names(kit.cluster.get("ServiceAccount", "builder"))) == {*wanted, *(["kept"] if number % 2 else [])}


def test_what_the_server_itself_does_not_take_is_tried_once(kit: Kit) -> None:
    kit.put(secret("regcred"), service_account("builder", "a"))
    kit.cluster.before = lambda asked: status(422, "Invalid", "a policy says no") if asked.method == "PATCH" else None
    found = kit.run("attach", "regcred", "--for", "sa/builder")
    assert found.code == 1
    assert "a policy says no" in found.err
    assert len(kit.cluster.writes) == 1


# It stops half way


def test_a_target_that_is_deleted_meanwhile_is_told_with_what_was_done(kit: Kit) -> None:
    kit.put(service_account("one"), service_account("two"), service_account("three"))
    meanwhile(kit, "PATCH", lambda: kit.cluster.remove("ServiceAccount", "two"))
    found = kit.add("regcred", "--for=sa/one", "--for=sa/two", "--for=sa/three")
    assert (found.code, found.out) == (1, "secret/regcred created\nserviceaccount/one patched\n")
    last = found.err.splitlines()[-1]
    assert 'serviceaccounts "two" not found' in last
    assert last.endswith("not done: serviceaccount/two, serviceaccount/three")
    assert names(kit.cluster.get("ServiceAccount", "three")) == []


@pytest.mark.parametrize("code", [403, 500])
def test_a_server_that_fails_half_way(kit: Kit, code: int) -> None:
    kit.put(secret("regcred"), service_account("one"), deployment("web"))
    answer = status(code, "Reason", "not now")
    kit.cluster.before = lambda asked: answer if asked.method == "PATCH" and "deployments" in asked.path else None
    found = kit.run("attach", "regcred", "--for=sa/one", "--for=deploy/web")
    assert (found.code, found.out) == (1, "serviceaccount/one patched\n")
    unknown = "; whether deployment/web in namespace ns was patched is not known" if code == 500 else ""
    assert found.err.splitlines()[-1] == (
        f"error: Error from server (Reason): not now{unknown}; done: serviceaccount/one patched; not done: deployment/web"
    )


def test_what_was_done_half_way_can_be_undone(kit: Kit) -> None:
    kit.put(secret("regcred"), service_account("one"), deployment("web"))
    answer = status(500, "InternalError", "not now")
    kit.cluster.before = lambda asked: answer if asked.method == "PATCH" and "deployments" in asked.path else None
    found = kit.run("attach", "regcred", "--for=sa/one", "--for=deploy/web")
    assert found.undo() == ["kubectl pullsecret detach regcred --for serviceaccount/one -n ns"]


def test_a_secret_that_could_not_be_written_attaches_nothing(kit: Kit) -> None:
    kit.cluster.before = lambda asked: (
        status(500, "InternalError", "no") if asked.method == "POST" and "secrets" in asked.path else None
    )
    found = kit.add("regcred", "--for", "sa/default")
    assert (found.code, found.out) == (1, "")
    assert [one.method for one in kit.cluster.writes] == ["POST"]


def test_an_interrupt_between_two_steps_leaves_what_was_done_and_tells_it(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.put(secret("regcred"), service_account("one"), service_account("two"))
    patch = Changes.patch

    def interrupted(self: Changes, kind: Any, value: Object, *more: Any) -> None:
        if value["metadata"]["name"] == "two":
            raise KeyboardInterrupt
        patch(self, kind, value, *more)

    monkeypatch.setattr(Changes, "patch", interrupted)
    found = kit.run("attach", "regcred", "--for=sa/one", "--for=sa/two")
    assert (found.code, found.out) == (130, "serviceaccount/one patched\n")
    assert names(kit.cluster.get("ServiceAccount", "one")) == ["regcred"]
