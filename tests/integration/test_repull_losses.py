"""What must never be lost or stopped, whatever the API server answers: against the stand-in of test_repull."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from ..unit.builders import IMAGE, workload
from ..unit.repull_builders import RUNS, changed
from .standin import Answer, status
from .test_repull import DOMAINS, LAST, PODS, SELECTOR, Kit, bare, kit, put_domain, put_server

__all__ = ["kit"]  # the fixture
QUOTA = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'


def has(kit: Kit, name: str, kind: str = "Pod") -> bool:
    return bool(kit.cluster.has(kind, name, "default"))


def test_a_conflict_that_is_not_about_the_pod(kit: Kit) -> None:
    """A quota that others write to answers a creation with 409, too."""
    bare(kit)
    conflict = status(409, "Conflict", QUOTA)
    kit.intercept("POST", PODS, conflict)
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert (found.code, has(kit, "test"), kit.saved()) == (0, True, [])


def test_a_conflict_that_lasts(kit: Kit) -> None:
    bare(kit)
    kit.intercept("POST", PODS, always=status(409, "Conflict", QUOTA))
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert found.code == 1
    assert len(kit.saved()) == 1
    assert "pod/test was deleted and is not back yet" in found.err


def test_a_deletion_that_is_carried_out_after_its_time_out(kit: Kit) -> None:
    bare(kit)

    def late() -> Answer:
        threading.Timer(0.1, lambda: kit.cluster.remove("Pod", "test", "default")).start()
        return status(504, "Timeout", "request did not complete within requested timeout")

    kit.intercept("DELETE", PODS, late)
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    deadline = time.monotonic() + 10
    while has(kit, "test") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found.code == 1
    assert "Whether pod/test was deleted is not known. Once it is gone: kubectl create -f " in found.err
    assert len(kit.saved()) == 1


def test_a_server_that_runs_by_now_is_not_restarted(kit: Kit) -> None:
    put_server(kit, "managed-1")
    server = kit.cluster.get("Pod", "domain1-managed-1", "default")

    def starts() -> None:
        one: dict[str, Any] = {"name": "weblogic-server", "state": RUNS, "image": IMAGE, "imageID": "x", "ready": True}
        kit.cluster.put(changed(server, status__phase="Running", status__containerStatuses=[{**one, "restartCount": 0}]))

    kit.intercept("GET", f"{PODS}/domain1-managed-1", starts)
    found = kit.run("domain1", "--no-wait")
    assert "a container of pod/domain1-managed-1 runs by now" in found.err
    assert not [one for one in kit.cluster.writes if one.method == "PATCH"]


def test_the_last_resort_is_not_taken_twice(kit: Kit) -> None:
    put_domain(kit)
    kit.cluster.remove("Pod", "domain1-introspector-x1", "default")
    kit.intercept("POST", DOMAINS, status(500, "InternalError", "no"))
    assert kit.run(*LAST, stdin="domain1\n").code == 1
    assert kit.run(*LAST, stdin="domain1\n").code == 0
    assert len([one for one in kit.cluster.writes if one.method == "DELETE"]) == 1
    assert has(kit, "domain1", "Domain")


def test_the_last_resort_where_only_v8_is_served(kit: Kit) -> None:
    value = put_domain(kit)
    kit.cluster.remove("Pod", "domain1-introspector-x1", "default")
    kit.cluster.put({**value, "apiVersion": "weblogic.oracle/v8"})

    def no_v9(asked: Any) -> Any:
        known = "/apis/weblogic.oracle/v9" not in asked.path
        return None if known else status(404, "NotFound", "the server could not find the requested resource")

    kit.cluster.before = no_v9
    found = kit.run(*LAST, stdin="domain1\n")
    assert (found.code, has(kit, "domain1", "Domain"), kit.saved()) == (0, True, [])


@pytest.mark.parametrize(("name", "back"), [("test", False), ("pod/test", True)])
def test_a_bare_name_that_means_something_else_by_now(kit: Kit, name: str, back: bool) -> None:
    bare(kit)
    kit.intercept("POST", PODS, status(500, "InternalError", "no"))
    kit.run("pod/test", "--recreate-pods", "--no-wait")
    kit.cluster.put(workload("Deployment", "test", secrets=["good"], selector=SELECTOR, replicas=0))
    kit.run(name, "--no-wait")
    assert has(kit, "test") is back
