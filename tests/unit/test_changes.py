"""Writes to a stand-in API server: what is sent, what is told, and what is only tried."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from pullcore.changes import HIDDEN, Changes, Manner
from pullcore.cluster import ApiError, Cluster, Conflict, Forbidden, NotFound
from pullcore.command import Connection
from pullcore.errors import CommandError
from pullcore.kinds import KINDS

from tests.integration.standin import Answer, Asked, ClusterStandIn, status

from .builders import PASSWORD, secret_object

SECRET, ACCOUNT, DOMAIN = KINDS["Secret"], KINDS["ServiceAccount"], KINDS["Domain"]
APPEND = [{"op": "add", "path": "/imagePullSecrets", "value": [{"name": "regcred"}]}]
Make = Callable[..., Changes]


@pytest.fixture
def server() -> Iterator[ClusterStandIn]:
    stand_in = ClusterStandIn(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
        {"apiVersion": "weblogic.oracle/v8", "kind": "Domain", "metadata": {"name": "domain1"}, "spec": {}},
        secret_object("there", namespace="ns"),
    )
    yield stand_in
    stand_in.close()


@pytest.fixture
def make(server: ClusterStandIn, tmp_path: Path) -> Make:
    cluster = Cluster.connect(Connection(server=server.url), user_agent="test", environ={"HOME": str(tmp_path)})
    return lambda **manner: Changes(cluster, Manner(**manner), io.StringIO())


def told(changes: Changes) -> str:
    assert isinstance(changes.stdout, io.StringIO)
    return changes.stdout.getvalue()


def one_of_each(changes: Changes, server: ClusterStandIn) -> None:
    """Every kind of write, on objects as they were read."""
    account, there = server.get("ServiceAccount", "default"), server.get("Secret", "there")
    changes.create(SECRET, secret_object("regcred", namespace="ns"))
    changes.update(SECRET, {**there, "data": secret_object(password="new")["data"]})
    changes.patch(ACCOUNT, account, APPEND, {**account, "imagePullSecrets": [{"name": "regcred"}]})
    changes.unchanged(SECRET, there)
    changes.delete(SECRET, server.get("Secret", "there") if changes.manner.dry_run == "none" else there)


def lost(answer: Answer) -> Callable[[Asked], Optional[Answer]]:
    return lambda asked: answer if asked.method != "GET" else None


@pytest.mark.parametrize(
    ("answer", "is_known"),
    [
        (status(403, "Forbidden", "no"), True),
        (status(500, "InternalError", "etcdserver: leader changed"), False),
        (status(500, "InternalError", 'Internal error occurred: failed calling webhook "x"'), True),
        (Answer(504, b""), False),
        (Answer(cut=-1), False),
        (Answer(body=b'{"kind":', cut=3), False),
        (Answer(body=b'{"kind":'), False),
    ],
)
def test_a_change_whose_answer_got_lost(make: Make, server: ClusterStandIn, answer: Answer, is_known: bool) -> None:
    server.before = lost(answer)
    with pytest.raises(CommandError) as caught:
        make().create(SECRET, secret_object("regcred", namespace="ns"))
    unknown = "; whether secret/regcred in namespace ns was created is not known"
    assert str(caught.value).endswith(unknown) is not is_known
    with pytest.raises(CommandError) as caught:
        make(dry_run="server").create(SECRET, secret_object("regcred", namespace="ns"))
    assert "is not known" not in str(caught.value)


LINES = """\
secret/regcred created{0}
secret/there updated{0}
serviceaccount/default patched{0}
secret/there unchanged{0}
secret "there" deleted{0}
"""


def test_results_in_kubectls_words(make: Make, server: ClusterStandIn) -> None:
    changes = make()
    one_of_each(changes, server)
    assert told(changes) == LINES.format("")
    assert changes.done == [
        "secret/regcred created", "secret/there updated", "serviceaccount/default patched", 'secret "there" deleted',
    ]  # fmt: skip
    assert server.has("Secret", "regcred")
    assert not server.has("Secret", "there")
    assert server.get("ServiceAccount", "default")["imagePullSecrets"] == [{"name": "regcred"}]


def test_what_is_sent(make: Make, server: ClusterStandIn) -> None:
    version, uid = (server.get("Secret", "there")["metadata"][name] for name in ("resourceVersion", "uid"))
    one_of_each(make(), server)
    create, update, patch, delete = server.writes
    assert [one.query for one in (create, update, patch, delete)] == [*[{"fieldManager": "kubectl-pullsecret"}] * 3, {}]
    assert (create.method, create.path) == ("POST", "/api/v1/namespaces/ns/secrets")
    assert (update.method, update.path) == ("PUT", "/api/v1/namespaces/ns/secrets/there")
    assert json.loads(update.body)["metadata"]["resourceVersion"] == version, "an update says what it was made from"
    assert (patch.method, patch.all("Content-Type")) == ("PATCH", ["application/json-patch+json"])
    preconditions = json.loads(delete.body)["preconditions"]
    assert preconditions["uid"] == uid, "only what was seen is deleted"
    assert preconditions["resourceVersion"] not in ("", version)


def test_the_field_manager(make: Make, server: ClusterStandIn) -> None:
    make(manager="ci").create(SECRET, secret_object("regcred", namespace="ns"))
    assert server.writes[0].query == {"fieldManager": "ci"}
    assert server.get("Secret", "regcred")["metadata"]["managedFields"][0]["manager"] == "ci"


def test_a_client_dry_run_sends_nothing(make: Make, server: ClusterStandIn) -> None:
    changes = make(dry_run="client")
    one_of_each(changes, server)
    assert server.asked == []
    assert told(changes) == LINES.format(" (dry run)")
    assert changes.done == []


def test_a_server_dry_run_keeps_nothing(make: Make, server: ClusterStandIn) -> None:
    before = server.snapshot()
    changes = make(dry_run="server")
    one_of_each(changes, server)
    assert [one.query["dryRun"] for one in server.writes] == ["All"] * 4
    assert server.snapshot() == before
    assert told(changes) == LINES.format(" (server dry run)")
    assert changes.done == []


def test_the_version_of_the_object_is_that_of_the_path(make: Make, server: ClusterStandIn) -> None:
    value = server.get("Domain", "domain1")
    make().patch(DOMAIN, value, [{"op": "add", "path": "/spec/imagePullSecrets", "value": []}], value)
    assert server.writes[0].path == "/apis/weblogic.oracle/v8/namespaces/ns/domains/domain1"


@pytest.mark.parametrize("dry_run", ["none", "client", "server"])
def test_output_name(make: Make, server: ClusterStandIn, dry_run: str) -> None:
    changes = make(output="name", dry_run=dry_run)
    one_of_each(changes, server)
    assert told(changes).splitlines() == [
        "secret/regcred", "secret/there", "serviceaccount/default", "secret/there", "secret/there",
    ]  # fmt: skip
    value = server.get("Domain", "domain1")
    changes.unchanged(DOMAIN, value)
    assert told(changes).endswith("domain.weblogic.oracle/domain1\n")


def objects(text: str, output: str) -> list[dict[str, Any]]:
    if output == "yaml":
        return list(yaml.safe_load_all(text))
    found, decoder = [], json.JSONDecoder()
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        found.append(value)
        text = text.lstrip()[end:]
    return found


@pytest.mark.parametrize("dry_run", ["none", "client", "server"])
@pytest.mark.parametrize("output", ["json", "yaml"])
def test_output_of_objects_hides_passwords(make: Make, server: ClusterStandIn, output: str, dry_run: str) -> None:
    changes = make(output=output, dry_run=dry_run)
    changes.create(SECRET, secret_object("regcred", namespace="ns"))
    account = server.get("ServiceAccount", "default")
    changes.patch(ACCOUNT, account, APPEND, {**account, "imagePullSecrets": [{"name": "regcred"}]})
    secret, patched = objects(told(changes), output)
    assert (secret["apiVersion"], secret["kind"], secret["metadata"]["name"]) == ("v1", "Secret", "regcred")
    assert secret["data"] == {".dockerconfigjson": HIDDEN}
    assert (patched["kind"], patched["imagePullSecrets"]) == ("ServiceAccount", [{"name": "regcred"}])
    assert "managedFields" not in told(changes)
    assert PASSWORD not in told(changes)
    assert base64.b64encode(PASSWORD.encode()).decode().rstrip("=") not in told(changes)


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_show_secrets_shows_them(make: Make, output: str) -> None:
    value = secret_object("regcred", namespace="ns")
    changes = make(output=output, dry_run="client", show_secrets=True)
    changes.create(SECRET, value)
    (shown,) = objects(told(changes), output)
    assert shown["data"] == value["data"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_what_kubectl_apply_left_behind_is_hidden_too(make: Make, server: ClusterStandIn, output: str) -> None:
    """Its annotation holds the whole secret."""
    value = secret_object("applied", namespace="ns")
    value["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps(value), "note": "stays",
    }  # fmt: skip
    changes = make(output=output)
    changes.unchanged(SECRET, server.put(value))
    (shown,) = objects(told(changes), output)
    assert shown["metadata"]["annotations"]["note"] == "stays"
    assert value["data"][".dockerconfigjson"] not in told(changes)


def test_conflicts_and_refusals_reach_the_caller(make: Make, server: ClusterStandIn) -> None:
    changes = make()
    seen = dict(server.get("Secret", "there"))
    server.put({**seen, "metadata": {"name": "there", "uid": seen["metadata"]["uid"]}})
    with pytest.raises(Conflict):
        changes.update(SECRET, seen)
    with pytest.raises(Conflict):
        changes.delete(SECRET, seen)
    with pytest.raises(Conflict):
        changes.create(SECRET, secret_object("there", namespace="ns"))
    with pytest.raises(NotFound):
        changes.create(SECRET, secret_object("there", namespace="nowhere"))
    server.denied = {("create", "secrets", "ns")}
    with pytest.raises(Forbidden):
        changes.create(SECRET, secret_object("regcred", namespace="ns"))
    assert told(changes) == ""
    assert changes.done == []


def test_names_are_shown_harmlessly(make: Make, server: ClusterStandIn) -> None:
    changes = make(dry_run="client")
    value = {
        **server.get("Secret", "there"),
        "metadata": {"name": "\x1b[31m", "namespace": "ns", "uid": "", "resourceVersion": ""},
    }
    changes.unchanged(SECRET, value)
    changes.delete(SECRET, value)
    assert all(line.isprintable() for line in told(changes).splitlines())


def test_a_deleted_and_recreated_object_is_not_deleted(make: Make, server: ClusterStandIn) -> None:
    seen = dict(server.get("Secret", "there"))
    server.remove("Secret", "there")
    again = server.put(secret_object("there", namespace="ns"))
    with pytest.raises(Conflict):
        make().delete(SECRET, seen)
    assert server.get("Secret", "there") == again


# Deleting


def sent(server: ClusterStandIn) -> dict[str, Any]:
    (write,) = server.writes
    body: dict[str, Any] = json.loads(write.body)
    return body


@pytest.mark.parametrize("propagation", ["Foreground", "Background", "Orphan"])
def test_what_becomes_of_what_belongs_to_it(make: Make, server: ClusterStandIn, propagation: str) -> None:
    make().delete(SECRET, server.get("Secret", "there"), propagation=propagation)
    assert sent(server)["propagationPolicy"] == propagation


def test_without_a_word_the_server_decides(make: Make, server: ClusterStandIn) -> None:
    make().delete(SECRET, server.get("Secret", "there"))
    assert set(sent(server)) == {"apiVersion", "kind", "preconditions"}


def test_a_value_without_a_resource_version_is_known_by_its_uid(make: Make, server: ClusterStandIn) -> None:
    """For what changes all the time: a Job that counts its pods."""
    metadata = {name: part for name, part in server.get("Secret", "there")["metadata"].items() if name != "resourceVersion"}
    make().delete(SECRET, {"kind": "Secret", "metadata": metadata})
    assert sent(server)["preconditions"] == {"uid": metadata["uid"]}
    assert not server.has("Secret", "there")


def test_a_tried_deletion_says_so_in_its_options(make: Make, server: ClusterStandIn) -> None:
    """A real server reads the query of a DELETE only where there are no options (apiserver, handlers/delete.go)."""
    make(dry_run="server").delete(SECRET, server.get("Secret", "there"))
    assert sent(server)["dryRun"] == ["All"]


# Evicting


@pytest.fixture
def web(server: ClusterStandIn) -> dict[str, Any]:
    """A pod, on a server that evicts."""
    done = Answer(201, {"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201})
    server.before = lambda asked: done if asked.path.endswith("/eviction") else None
    return server.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"a": "b"}}})


def test_an_eviction(make: Make, server: ClusterStandIn, web: dict[str, Any]) -> None:
    changes = make()
    changes.evict(web)
    (write,) = server.writes
    assert (write.method, write.path) == ("POST", "/api/v1/namespaces/ns/pods/web/eviction")
    assert write.query == {"fieldManager": "kubectl-pullsecret"}
    seen = {name: web["metadata"][name] for name in ("uid", "resourceVersion")}
    assert sent(server) == {
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "ns"},
        "deleteOptions": {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": seen},
    }  # fmt: skip
    assert told(changes) == 'pod "web" evicted\n'
    assert changes.done == ['pod "web" evicted']


def test_a_tried_eviction(make: Make, server: ClusterStandIn, web: dict[str, Any]) -> None:
    """The server takes it from either place, and refuses two that differ."""
    changes = make(dry_run="server")
    changes.evict(web)
    assert server.writes[0].query["dryRun"] == "All"
    assert sent(server)["deleteOptions"]["dryRun"] == ["All"]
    assert told(changes) == 'pod "web" evicted (server dry run)\n'
    assert changes.done == []


def test_an_eviction_that_is_only_shown(make: Make, server: ClusterStandIn, web: dict[str, Any]) -> None:
    changes = make(dry_run="client")
    changes.evict(web)
    assert server.asked == []
    assert told(changes) == 'pod "web" evicted (dry run)\n'


@pytest.mark.parametrize("output", ["name", "json", "yaml"])
def test_an_evicted_pod_as_it_was(make: Make, server: ClusterStandIn, web: dict[str, Any], output: str) -> None:
    changes = make(output=output)
    changes.evict(web)
    if output == "name":
        assert told(changes) == "pod/web\n"
    else:
        (shown,) = objects(told(changes), output)
        assert (shown["kind"], shown["metadata"]["labels"]) == ("Pod", {"a": "b"})


def test_an_eviction_that_a_budget_forbids(make: Make, server: ClusterStandIn, web: dict[str, Any]) -> None:
    said = "Cannot evict pod as it would violate the pod's disruption budget."
    server.before = lambda asked: status(429, "TooManyRequests", said, details={"retryAfterSeconds": 0})
    changes = make()
    with pytest.raises(ApiError, match="disruption budget") as caught:
        changes.evict(web)
    assert caught.value.status == 429
    assert told(changes) == ""
    assert changes.done == []


def test_a_patch_by_another_name(make: Make, server: ClusterStandIn) -> None:
    changes = make()
    account = server.get("ServiceAccount", "default")
    changes.patch(ACCOUNT, account, APPEND, account, "restarted")
    assert told(changes) == "serviceaccount/default restarted\n"
    assert changes.done == ["serviceaccount/default restarted"]


def test_standin_refuses_what_a_real_server_refuses(make: Make, server: ClusterStandIn) -> None:
    """The tests of the plugin lean on it."""
    changes = make()
    there = server.get("Secret", "there")
    with pytest.raises(Exception, match="field is immutable"):
        changes.update(SECRET, {**there, "type": "Opaque"})
    with pytest.raises(Exception, match="it is no JSON"):
        changes.update(SECRET, {**there, "data": {".dockerconfigjson": "AAAA"}})
    with pytest.raises(Exception, match="testing value"):
        changes.patch(ACCOUNT, server.get("ServiceAccount", "default"), [{"op": "test", "path": "/kind", "value": "x"}], {})
    assert [one.method for one in server.writes] == ["PUT", "PUT", "PATCH"]
    assert isinstance(server.asked[0], Asked)
