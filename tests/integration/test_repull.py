"""kubectl repull against an API server that refuses, conflicts and fails, as a real one can't easily be made to do."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import jsonschema
import pytest
from pullcore import command
from repull import domain_plan, main, remake, steps, wait

from tests.unit.builders import IMAGE, PASSWORD, REFUSED, Object, account, domain, pod, secret_object, waiting, workload
from tests.unit.repull_builders import BACK_OFF, RUNS, changed, going, introspected, owned_by, server

from .pullsecret_kit import kubeconfig
from .standin import Answer, Asked, ClusterStandIn, status

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "repull.schema.json").read_text())
PODS = "/api/v1/namespaces/default/pods"
DOMAINS = "/apis/weblogic.oracle/v9/namespaces/default/domains"
LABELS = {"app": "web"}
SELECTOR = {"matchLabels": LABELS}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return [*self.out.splitlines(), *self.err.splitlines()]


class Cluster(ClusterStandIn):
    """A stand-in whose controllers replace pods. replaced: by the name of the pod that was removed, what is made for it."""

    def __init__(self, *objects: Object) -> None:
        self.replaced: dict[str, Object] = {}
        super().__init__(*objects)

    def remove(self, kind: str, name: str, namespace: str = "default") -> None:
        super().remove(kind, name, namespace)
        if name in self.replaced:
            threading.Timer(0.02, self.put, [self.replaced[name]]).start()


class Kit:
    """kubectl repull in this process. Every run is looked at: no traceback, no credential, nothing raw."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(account(), secret_object("good"))
        self.folder = folder
        self.saves = folder / "saved"
        self.config = kubeconfig(self.cluster, folder)

    def run(self, *argv: str, stdin: str = "") -> Result:
        out, err = io.StringIO(), io.StringIO()
        words = [*argv, f"--kubeconfig={self.config}", f"--save-dir={self.saves}", "--no-registry"]
        words += [] if "-A" in argv else ["-n", "default"]
        code = command.run(lambda: main.run(words, io.StringIO(stdin), out, err), "repull", out, err)
        data = self.cluster.get("Secret", "good", "default")["data"][".dockerconfigjson"]
        files = "".join(path.read_text() for path in self.saves.glob("*")) if self.saves.is_dir() else ""
        for text in (out.getvalue(), err.getvalue(), files):
            assert PASSWORD not in text
            assert data not in text
        assert "internal:" not in err.getvalue()
        assert "Traceback" not in err.getvalue()
        assert all(line.isprintable() for line in (out.getvalue() + err.getvalue()).split("\n"))
        return Result(code, out.getvalue(), err.getvalue())

    def saved(self) -> list[Path]:
        return sorted(self.saves.glob("*")) if self.saves.exists() else []

    def intercept(self, method: str, path: str, *does: Any, always: Any = None) -> list[int]:
        """What happens before requests of this kind, one after the other: None, a function, or an answer in its place."""
        rest, count = list(does), [0]

        def before(asked: Asked) -> Optional[Answer]:
            if asked.method != method or not asked.path.startswith(path):
                return None
            count[0] += 1
            action = rest.pop(0) if rest else always
            found = action() if callable(action) else action
            return found if isinstance(found, Answer) else None

        self.cluster.before = before
        return count


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-repull"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(remake, "POLL", 0.01)
    monkeypatch.setattr(remake, "LEAST", 0.0)
    monkeypatch.setattr(wait, "TICK", 0.05)
    monkeypatch.setattr(wait, "SETTLED", 0.0)
    made = Kit(tmp_path)
    yield made
    made.cluster.close()


# A Deployment

WEB = workload("Deployment", "web", secrets=["good"], selector=SELECTOR, replicas=1)
SMALL = changed(
    owned_by(workload("ReplicaSet", "web-5d9", secrets=["good"], selector=SELECTOR), WEB), metadata__labels=LABELS
)


def of_web(number: int = 0, state: Optional[Object] = BACK_OFF, **more: Any) -> Object:
    made = pod(f"web-5d9-{number}", state=state, owner=SMALL, labels=LABELS, secrets=["good"])
    return changed(made, **more)


def deploy(kit: Kit, *pods: Object) -> None:
    for value in (WEB, SMALL, *pods):
        kit.cluster.put(value)


def test_a_pod_is_deleted_and_its_successor_waited_for(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    found = kit.run("web")
    assert (found.code, found.out.splitlines()) == (
        0,
        [
            'pod "web-5d9-0" deleted',
            "pod/web-5d9-1: started",
            "deployment/web in default is back: 1 pod started",
        ],
    )
    assert "delete pod/web-5d9-0: only to skip its back-off" in found.err


def test_a_successor_that_is_refused(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.replaced["web-5d9-0"] = of_web(1, waiting(REFUSED))
    found = kit.run("web")
    assert found.code == 1
    assert (
        "deployment/web in default is not back: pod/web-5d9-1: ErrImagePull: no basic auth credentials"
        in found.out.splitlines()
    )


def test_a_pod_that_runs_by_now_is_left(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.intercept("DELETE", PODS, lambda: kit.cluster.put(of_web(0, RUNS)))
    found = kit.run("web")
    assert found.code == 0
    assert "left pod/web-5d9-0: a container of it runs by now" in found.err
    assert "deployment/web in default is back: 1 pod started" in found.out
    assert kit.cluster.has("Pod", "web-5d9-0", "default")


def test_a_pod_that_was_changed_is_looked_at_again_and_deleted(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    count = kit.intercept("DELETE", PODS, lambda: kit.cluster.put(of_web(0, waiting(REFUSED))))
    assert kit.run("web").code == 0
    assert count == [2]


def test_a_pod_that_never_stands_still(kit: Kit) -> None:
    deploy(kit, of_web())
    count = kit.intercept("DELETE", PODS, always=lambda: kit.cluster.put(of_web()))
    found = kit.run("web")
    assert found.code == 1
    assert found.err.splitlines()[-1] == (
        "error: pod/web-5d9-0 changes faster than it can be deleted: run this again; not done: delete pod/web-5d9-0"
    )
    assert count == [steps.TRIES]


def test_a_pod_that_somebody_else_deleted(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    kit.intercept("DELETE", PODS, lambda: kit.cluster.remove("Pod", "web-5d9-0"))
    found = kit.run("web")
    assert found.code == 0
    assert "pod/web-5d9-0 is gone already" in found.err
    assert "deleted" not in found.out


def test_a_new_pod_of_the_same_name_is_not_deleted(kit: Kit) -> None:
    """A StatefulSet's, which somebody else had made again in the meantime."""
    owner = workload("StatefulSet", "db", secrets=["good"], selector=SELECTOR)
    old = pod("db-0", state=BACK_OFF, owner=owner, labels=LABELS, secrets=["good"])
    new = changed(pod("db-0", state=RUNS, owner=owner, labels=LABELS, secrets=["good"]), metadata__uid="uid-of-the-new-one")
    kit.cluster.put(owner)
    kit.cluster.put(old)

    def made_again() -> None:
        ClusterStandIn.remove(kit.cluster, "Pod", "db-0", "default")
        kit.cluster.put(new)

    kit.intercept("DELETE", PODS, made_again)
    found = kit.run("sts/db")
    assert found.code == 0
    assert kit.cluster.get("Pod", "db-0", "default")["metadata"]["uid"] == "uid-of-the-new-one"
    assert "pod/db-0 is gone already" in found.err


def test_a_pod_that_is_being_deleted(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.intercept("DELETE", PODS, lambda: kit.cluster.put(going(of_web())))
    found = kit.run("web", "--no-wait")
    assert found.code == 0
    assert "pod/web-5d9-0 is being deleted already" in found.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (status(403, "Forbidden", 'pods "web-5d9-1" is forbidden'), 'Error from server (Forbidden): pods "web-5d9-1" is'),
        (status(500, "InternalError", "etcd is\x1b[31m gone"), "Error from server (InternalError): etcd is^[[31m gone"),
        (Answer(502, b"<html>bad gateway</html>"), "Error from server"),
    ],
)
def test_what_is_refused_in_the_middle(kit: Kit, answer: Answer, said: str) -> None:
    deploy(kit, of_web(0), of_web(1), of_web(2))
    kit.intercept("DELETE", PODS, None, answer)
    found = kit.run("web")
    assert found.code == 1
    last = found.err.splitlines()[-1]
    assert last.startswith(f"error: {said}")
    assert last.endswith('; not done: delete pod/web-5d9-1; done: pod "web-5d9-0" deleted, pod "web-5d9-2" deleted')
    assert [kit.cluster.has("Pod", f"web-5d9-{number}", "default") for number in range(3)] == [False, True, False]


@pytest.mark.parametrize("more", [["--no-wait"], ["--timeout=5s"]])
def test_what_is_refused_in_a_scan_stops_nothing_else(kit: Kit, more: list[str]) -> None:
    """The others are done, all is told at the end, and the document is there."""
    deploy(kit, of_web(0))
    put_domain(kit)
    refused = 'admission webhook "no.example.com" denied the request'
    kit.intercept("DELETE", PODS, always=status(403, "Forbidden", refused))
    found = kit.run("-A", "-y", "-o=json", "--timeout=1s", *more)
    assert found.code == 1
    assert version(kit) == "1"
    document = json.loads(found.out)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    assert document["result"] == "failed"
    assert {one["name"]: one["result"] for one in document["targets"]}["web"] == "stuck"
    assert {one["object"]: one["done"] for one in document["steps"]} == {"pod/web-5d9-0": False, "domain/domain1": True}
    assert found.err.splitlines()[-1] == (
        f"error: Error from server (Forbidden): {refused}; not done: delete pod/web-5d9-0; "
        "done: domain.weblogic.oracle/domain1 patched"
    )


def test_what_fails_once_its_time_has_come(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that the operator does not make anew is deleted later; that this is refused ends nothing."""
    monkeypatch.setattr(domain_plan, "GRACE", 0.05)
    value = put_domain(kit)
    kit.cluster.put(changed(server("managed-1", domain=value), spec__imagePullSecrets=[{"name": "gone"}]))
    kit.intercept("DELETE", PODS, always=status(403, "Forbidden", "no"))
    found = kit.run("domain1", "--timeout=1s", "-o=json")
    assert found.code == 1
    assert json.loads(found.out)["result"] == "failed"
    assert "not done: delete pod/domain1-managed-1" in found.err.splitlines()[-1]


def test_once_nobody_answers_the_rest_is_not_tried(kit: Kit) -> None:
    deploy(kit, of_web(0), of_web(1))
    count = kit.intercept("DELETE", PODS, Answer(cut=-1))
    found = kit.run("web", "--no-wait")
    assert (found.code, count) == (1, [1])
    assert "not done: delete pod/web-5d9-0, delete pod/web-5d9-1" in found.err.splitlines()[-1]


def test_a_busy_server_is_no_disruption_budget(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullcore.cluster.LONGEST_PAUSE", 0.01)
    deploy(kit, of_web(status__phase="Running"))
    kit.intercept("POST", f"{PODS}/web-5d9-0/eviction", always=Answer(429, b"busy"))
    found = kit.run("web", "--no-wait")
    assert found.code == 1
    assert "budget" not in found.err
    assert "too many requests" in found.err.splitlines()[-1]


BUDGET = {"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2"}]}


def test_a_disruption_budget_forbids_an_eviction(kit: Kit) -> None:
    deploy(kit, of_web(status__phase="Running"))
    told = status(
        429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", details=BUDGET
    )
    kit.intercept("POST", f"{PODS}/web-5d9-0/eviction", always=told)
    found = kit.run("web", "--timeout=1")
    assert found.code == 1
    assert "left pod/web-5d9-0: a disruption budget forbids" in found.err
    assert "The disruption budget web needs 2 healthy pods and has 2" in found.err
    assert "deployment/web in default is not back within 1s" in found.out
    assert kit.cluster.has("Pod", "web-5d9-0", "default")


def test_an_eviction_carries_what_was_seen(kit: Kit) -> None:
    deploy(kit, of_web(status__phase="Running"))
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    assert kit.run("web").code == 0
    (sent,) = [json.loads(one.body) for one in kit.cluster.writes]
    assert sent["kind"] == "Eviction"
    assert sent["deleteOptions"]["preconditions"]["uid"] == "uid-of-default-web-5d9-0"
    assert sent["deleteOptions"]["preconditions"]["resourceVersion"]


def test_no_permission_is_known_before_anything_is_done(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.denied.add(("delete", "pods", "*"))
    found = kit.run("web", "--no-wait")
    assert "leave pod/web-5d9-0: you are not allowed to delete pods in namespace default" in found.err
    assert kit.cluster.writes == []


@pytest.mark.parametrize("how", ["client", "server"])
def test_a_dry_run_changes_nothing(kit: Kit, how: str) -> None:
    deploy(kit, of_web(0), of_web(1, status__phase="Running"))
    before = kit.cluster.snapshot()
    found = kit.run("web", f"--dry-run={how}")
    assert found.code == 0
    told = " (dry run)" if how == "client" else " (server dry run)"
    assert found.out.splitlines() == [f'pod "web-5d9-0" deleted{told}', f'pod "web-5d9-1" evicted{told}']
    assert kit.cluster.snapshot() == before
    assert len(kit.cluster.writes) == (2 if how == "server" else 0)


@pytest.mark.parametrize("what", ["events", "nodes", "secrets", "serviceaccounts"])
def test_what_may_not_be_read_is_done_without(kit: Kit, what: str) -> None:
    deploy(kit, of_web())
    kit.cluster.denied.add(("*", what, "*"))
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    assert kit.run("web").code == 0


def test_pods_may_not_be_watched(kit: Kit) -> None:
    """Then they are listed again and again."""
    deploy(kit, of_web())
    kit.cluster.denied.add(("watch", "*", "*"))
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    assert kit.run("web").code == 0


def test_a_scan_asks_first(kit: Kit) -> None:
    deploy(kit, of_web())
    found = kit.run()
    assert found.code == 1
    assert "1 step of this plan changes the cluster: give -y to go on without being asked; nothing was changed" in found.err
    assert kit.cluster.writes == []
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    assert kit.run("-y").code == 0


def test_the_document(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.replaced["web-5d9-0"] = of_web(1, RUNS)
    found = kit.run("web", "-o", "json")
    document = json.loads(found.out)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    assert document["result"] == "done"
    assert [one["result"] for one in document["targets"]] == ["back"]


def test_what_is_blocked_is_not_touched(kit: Kit) -> None:
    deploy(kit, of_web())
    kit.cluster.remove("Secret", "good")
    kit.cluster.put(changed(secret_object("good"), type="Opaque", data={"x": "eA=="}))
    kit.cluster.put(secret_object("unused"))
    kit.cluster.objects["Secret", "default", "good"]["data"][".dockerconfigjson"] = "e30="
    found = kit.run("web", "--no-wait")
    assert found.code == 1
    assert "deployment/web in default is still blocked, so nothing was done for it (--force does it anyway):" in found.err
    assert kit.cluster.writes == []
    assert kit.run("web", "--no-wait", "--force").out.splitlines() == ['pod "web-5d9-0" deleted']


# A Domain, which its operator writes to all the time


def put_domain(kit: Kit, **details: Any) -> Object:
    value, *others = introspected(secrets=["good"], **details)
    for one in (value, *others):
        kit.cluster.put(one)
    return value


def version(kit: Kit) -> Optional[str]:
    found: Optional[str] = kit.cluster.get("Domain", "domain1", "default")["spec"].get("introspectVersion")
    return found


def written(kit: Kit, value: Object, **more: Any) -> Any:
    """What somebody else writes to it."""
    return lambda: kit.cluster.put(changed(value, **more))


def test_a_domain_that_was_changed_is_patched_all_the_same(kit: Kit) -> None:
    value = put_domain(kit, introspectVersion="3")
    by_operator = written(kit, value, status__message="busy")
    count = kit.intercept("PATCH", DOMAINS, by_operator, by_operator)
    found = kit.run("domain1", "--no-wait")
    assert (found.code, found.out.splitlines()) == (0, ["domain.weblogic.oracle/domain1 patched"])
    assert count == [3]
    assert version(kit) == "4"


def test_a_conflict_is_tried_again(kit: Kit) -> None:
    put_domain(kit)
    kit.intercept("PATCH", DOMAINS, status(409, "Conflict", "the object has been modified"))
    assert kit.run("domain1", "--no-wait").code == 0
    assert version(kit) == "1"


def test_somebody_else_had_it_introspected(kit: Kit) -> None:
    value = put_domain(kit, introspectVersion="3")
    count = kit.intercept("PATCH", DOMAINS, written(kit, value, spec__introspectVersion="9"))
    found = kit.run("domain1", "--no-wait")
    assert found.code == 0
    assert "somebody changed spec.introspectVersion of domain/domain1 just now: that does it" in found.err
    assert version(kit) == "9"
    assert count == [1]


def test_a_change_that_the_server_does_not_take(kit: Kit) -> None:
    put_domain(kit)
    count = kit.intercept("PATCH", DOMAINS, always=status(422, "Invalid", "spec.introspectVersion: Invalid value"))
    found = kit.run("domain1", "--no-wait")
    assert found.code == 1
    assert found.err.splitlines()[-1] == (
        "error: Error from server (Invalid): spec.introspectVersion: Invalid value; not done: introspect domain/domain1"
    )
    assert count == [1]


def test_a_domain_that_never_stands_still(kit: Kit) -> None:
    value = put_domain(kit)
    count = kit.intercept("PATCH", DOMAINS, always=written(kit, value))
    found = kit.run("domain1", "--no-wait")
    assert found.code == 1
    assert "domain/domain1 changes faster than it can be patched: run this again" in found.err
    assert count == [steps.TRIES]


def test_a_domain_that_is_gone_meanwhile(kit: Kit) -> None:
    put_domain(kit)
    kit.intercept("PATCH", DOMAINS, lambda: kit.cluster.remove("Domain", "domain1"))
    found = kit.run("domain1", "--no-wait")
    assert found.code == 1
    assert "not done: introspect domain/domain1" in found.err


def test_who_keeps_a_domain_is_told(kit: Kit) -> None:
    value = put_domain(kit)
    kit.cluster.put(changed(value, metadata__labels={"argocd.argoproj.io/instance": "prod"}))
    found = kit.run("domain1", "--no-wait")
    assert "Warning: Argo CD (prod) keeps domain/domain1, and may undo this: change it there, too" in found.err


def put_server(kit: Kit, name: str) -> Object:
    """A server that lists no secret, which its service account does by now; the user may not delete it."""
    value = domain()
    main_container = {"name": "weblogic-server", "env": [{"name": "ADMIN_NAME", "value": "boss"}], "image": IMAGE}
    kit.cluster.put(value)
    kit.cluster.put(changed(server(name, domain=value), spec__containers=[main_container]))
    kit.cluster.put(account(secrets=["good"]))
    kit.cluster.denied.add(("delete", "pods", "*"))
    return value


@pytest.mark.parametrize(
    ("name", "part", "wanted"),
    [
        ("boss", "adminServer", {"restartVersion": "1"}),
        ("managed-1", "managedServers", [{"serverName": "managed-1", "restartVersion": "1"}]),
    ],
)
def test_a_server_that_its_operator_restarts(kit: Kit, name: str, part: str, wanted: object) -> None:
    put_server(kit, name)
    assert kit.run("domain1", "--no-wait").code == 0
    assert kit.cluster.get("Domain", "domain1", "default")["spec"][part] == wanted


@pytest.mark.parametrize(
    ("name", "part", "other"),
    [
        ("boss", "adminServer", {"restartVersion": "7"}),
        ("managed-1", "managedServers", [{"serverName": "managed-1", "restartVersion": "7"}]),
    ],
)
def test_somebody_else_restarts_the_server(kit: Kit, name: str, part: str, other: object) -> None:
    value = put_server(kit, name)
    count = kit.intercept("PATCH", DOMAINS, written(kit, value, **{f"spec__{part}": other}))
    found = kit.run("domain1", "--no-wait")
    assert f"somebody changed restartVersion of {name} of domain/domain1 just now: that does it" in found.err
    assert kit.cluster.get("Domain", "domain1", "default")["spec"][part] == other
    assert count == [1]


def test_a_server_that_is_gone_meanwhile(kit: Kit) -> None:
    put_server(kit, "managed-1")
    kit.intercept("GET", f"{PODS}/domain1-managed-1", lambda: kit.cluster.remove("Pod", "domain1-managed-1"))
    found = kit.run("domain1", "--no-wait")
    assert "pod/domain1-managed-1 is gone already" in found.err
    assert kit.cluster.writes == []


# What is deleted to be made again

BARE = changed(pod("test", state=BACK_OFF, secrets=["good"]), spec__imagePullSecrets=[{"name": "good"}])
NEVER_BACK = "pod/test was deleted and is not back yet. Run this again, or once it is gone: kubectl create -f "


def bare(kit: Kit) -> None:
    kit.cluster.put(BARE)


def test_a_bare_pod_is_made_again(kit: Kit) -> None:
    bare(kit)
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert (found.code, found.out.splitlines()) == (0, ['pod "test" deleted', "pod/test created"])
    assert kit.cluster.get("Pod", "test", "default")["metadata"]["uid"] != "uid-of-default-test"
    assert kit.saved() == []


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "Forbidden", 'pods "test" is forbidden: exceeded quota'),
        status(500, "InternalError", "an admission webhook failed"),
        status(422, "Invalid", "spec.x: Invalid value"),
    ],
)
def test_what_could_not_be_made_again_is_kept(kit: Kit, answer: Answer) -> None:
    bare(kit)
    kit.intercept("POST", PODS, answer)
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert found.code == 1
    (path,) = kit.saved()
    assert any(line.startswith(f"{NEVER_BACK}{path}") for line in found.err.splitlines())
    assert found.err.splitlines()[-1].startswith("error: Error from server")
    assert 'done: pod "test" deleted' in found.err
    assert not kit.cluster.has("Pod", "test", "default")
    again = kit.run("pod/test", "--no-wait")
    assert kit.cluster.has("Pod", "test", "default")
    assert "pod/test was deleted by an earlier run and is not back: it is made again from" in again.err
    assert kit.saved() == []


def test_what_could_not_be_deleted_is_not_kept(kit: Kit) -> None:
    bare(kit)
    kit.intercept("DELETE", PODS, status(403, "Forbidden", "no"))
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert found.code == 1
    assert "not done: recreate pod/test" in found.err
    assert kit.saved() == []
    assert kit.cluster.has("Pod", "test", "default")


def test_a_bare_pod_that_runs_by_now_is_left(kit: Kit) -> None:
    bare(kit)
    kit.intercept("DELETE", PODS, lambda: kit.cluster.put(pod("test", state=RUNS, secrets=["good"])))
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert found.code == 0
    assert "left pod/test: a container of it runs by now" in found.err
    assert kit.saved() == []
    assert kit.cluster.get("Pod", "test", "default")["metadata"]["uid"] == "uid-of-default-test"


def test_somebody_was_quicker(kit: Kit) -> None:
    bare(kit)
    other = changed(BARE, metadata__uid="uid-of-somebody")
    kit.intercept("POST", PODS, lambda: kit.cluster.put(other))
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert found.code == 0
    assert "pod/test was made again by somebody else" in found.err
    assert kit.saved() == []


def test_a_folder_that_cannot_be_written_to(kit: Kit) -> None:
    bare(kit)
    kit.saves.write_text("x")
    found = kit.run("pod/test", "--recreate-pods", "--no-wait")
    assert found.code == 1
    assert "can't be written: " in found.err
    assert "nothing was deleted" in found.err
    assert kit.cluster.writes == []


def test_an_object_that_does_not_go(kit: Kit) -> None:
    """Finalizers hold it; the next run makes it again once it is gone."""
    bare(kit)
    held = going(changed(BARE, metadata__finalizers=["example.com/hold"]))

    def begins_to_go() -> Answer:
        kit.cluster.put(held)
        return Answer(body=held)

    kit.intercept("DELETE", PODS, begins_to_go)
    found = kit.run("pod/test", "--recreate-pods", "--no-wait", "--timeout=0")
    assert found.code == 1
    assert "error: pod/test is still being deleted, held by example.com/hold" in found.err
    assert NEVER_BACK in found.err
    assert len(kit.saved()) == 1
    ClusterStandIn.remove(kit.cluster, "Pod", "test", "default")
    kit.run("pod/test", "--no-wait")
    assert kit.cluster.has("Pod", "test", "default")
    assert kit.saved() == []


def test_a_file_of_an_earlier_run_that_is_not_needed_any_more(kit: Kit) -> None:
    bare(kit)
    kit.intercept("POST", PODS, status(500, "InternalError", "no"))
    kit.run("pod/test", "--recreate-pods", "--no-wait")
    kit.cluster.put(changed(BARE, metadata__uid="uid-of-somebody"))
    (saved,) = kit.saved()
    found = kit.run("pod/test", "--no-wait")
    assert f"Note: pod/test is there again, so {saved} of an earlier run is removed" in found.err
    assert kit.saved() == []
    assert kit.cluster.get("Pod", "test", "default")["metadata"]["uid"] == "uid-of-somebody"


def test_a_scan_only_tells_of_an_earlier_run(kit: Kit) -> None:
    """It may have been brought back by hand, and deleted on purpose since."""
    bare(kit)
    kit.intercept("POST", PODS, status(500, "InternalError", "no"))
    kit.run("pod/test", "--recreate-pods", "--no-wait")
    (saved,) = kit.saved()
    found = kit.run("-y", "--no-wait")
    assert f"Note: pod/test was deleted by an earlier run and is not back: kubectl create -f {saved}" in found.err
    assert not kit.cluster.has("Pod", "test", "default")


def test_a_file_of_something_else_is_passed_over(kit: Kit) -> None:
    bare(kit)
    kit.intercept("POST", PODS, status(500, "InternalError", "no"))
    kit.run("pod/test", "--recreate-pods", "--no-wait")
    deploy(kit, of_web(0, RUNS))
    assert kit.run("web", "--no-wait").code == 0
    assert len(kit.saved()) == 1
    assert not kit.cluster.has("Pod", "test", "default")


def test_a_dry_run_does_not_finish_an_earlier_run(kit: Kit) -> None:
    bare(kit)
    kit.intercept("POST", PODS, status(500, "InternalError", "no"))
    kit.run("pod/test", "--recreate-pods", "--no-wait")
    found = kit.run("pod/test", "--dry-run")
    assert (found.code, found.out.splitlines()) == (0, ["pod/test created (dry run)"])
    assert len(kit.saved()) == 1
    assert not kit.cluster.has("Pod", "test", "default")


# The last resort

LAST = ("--recreate-domain=domain1", "--no-wait")


def test_a_domain_is_made_again(kit: Kit) -> None:
    put_domain(kit, introspectVersion="3")
    ClusterStandIn.remove(kit.cluster, "Pod", "domain1-introspector-x1", "default")
    found = kit.run(*LAST, stdin="domain1\n")
    assert found.code == 0
    made = kit.cluster.get("Domain", "domain1", "default")
    assert made["metadata"]["uid"] != "uid-of-domain1"
    assert made["spec"]["introspectVersion"] == "3"
    assert kit.saved() == []
    assert "Last resort: domain/domain1 in namespace default is deleted and made again." in found.err


def test_the_outage_is_told(kit: Kit) -> None:
    value = put_domain(kit)
    kit.cluster.put(server("managed-1", RUNS, domain=value))
    found = kit.run(*LAST, stdin="domain2\n")
    assert "All its servers stop now, and what they hold in memory is lost: managed-1." in found.err
    assert found.err.splitlines()[-1].endswith("error: that is not domain1: nothing was changed")
    assert found.code == 1
    assert kit.cluster.writes == []


@pytest.mark.parametrize(
    ("argv", "stdin", "denied", "said"),
    [
        ((), "", None, "nothing was typed: nothing was changed"),
        (("-y",), "", None, "nothing was typed: nothing was changed"),
        (
            (),
            "domain1\n",
            "create",
            "you are not allowed to create domains.weblogic.oracle in namespace default: nothing was",
        ),
        ((), "domain1\n", "delete", "you are not allowed to delete domains.weblogic.oracle/domain1 in namespace default"),
    ],
)
def test_the_last_resort_is_refused(kit: Kit, argv: tuple[str, ...], stdin: str, denied: Optional[str], said: str) -> None:
    put_domain(kit)
    if denied:
        kit.cluster.denied.add((denied, "domains", "*"))
    found = kit.run(*LAST, *argv, stdin=stdin)
    assert found.code == 1
    assert said in found.err
    assert kit.cluster.writes == []


def test_servers_that_do_not_stop(kit: Kit) -> None:
    put_domain(kit)
    found = kit.run(*LAST, "--timeout=0", stdin="domain1\n")
    assert found.code == 1
    assert "domain1-introspector-x1 has not stopped within the time of --timeout" in found.err
    assert "domain/domain1 was deleted and is not back yet." in found.err
    assert len(kit.saved()) == 1
    ClusterStandIn.remove(kit.cluster, "Pod", "domain1-introspector-x1", "default")
    kit.run("domain1", "--no-wait")
    assert kit.cluster.has("Domain", "domain1", "default")
    assert kit.saved() == []


@pytest.mark.parametrize("how", ["client", "server"])
def test_a_dry_run_of_the_last_resort(kit: Kit, how: str) -> None:
    put_domain(kit)
    before = kit.cluster.snapshot()
    found = kit.run(*LAST, f"--dry-run={how}")
    assert found.code == 0
    assert found.out.startswith('domain "domain1" deleted (')
    assert kit.cluster.snapshot() == before
    assert kit.saved() == []
