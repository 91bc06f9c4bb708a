"""What is promised of every verb of kubectl pullsecret that writes: dry runs, output, permissions, no password anywhere."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from pullcore.changes import HIDDEN

from .pullsecret_kit import (
    KEY,
    NEW,
    PASSWORD,
    Kit,
    Result,
    deployment,
    domain,
    entry,
    other,
    secret,
    service_account,
)
from .standin import Answer


def everywhere(kit: Kit) -> None:
    """A namespace where each of the writing verbs has something to do."""
    kit.put(
        secret("regcred", {kit.host: entry(), "ghcr.io": other()}),
        secret("unused", {kit.host: entry()}),
        service_account("builder", "other"),
        service_account("robot", "other", "regcred"),
        deployment("web", kit.image, secrets=["regcred"]),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "far"}},
    )
    copied = {"labels": {"kubectl-pullsecret/copy": "true"}, "annotations": {"kubectl-pullsecret/copy-of": "ns/regcred"}}
    kit.put(secret("regcred", {kit.host: entry(), "ghcr.io": other()}, namespace="near", metadata=copied))


# Each with the number of its writes.
WRITING: dict[str, tuple[list[str], int]] = {
    "add": (["add", "new", "--for", "sa/builder"], 2),
    "add to one that is there": (["add", "unused", "--docker-email", "b@x"], 1),
    "attach": (["attach", "regcred", "--for", "sa/builder", "--for=domain/domain1"], 2),
    "detach": (["detach", "regcred", "--for", "sa/robot", "--for", "deployment/web"], 2),
    "copy": (["copy", "regcred", "--to-namespace", "far"], 1),
    "rotate": (["rotate", "regcred", "--docker-username", "carol"], 2),
    "remove": (["remove", "unused", "-y"], 1),
    "remove and detach": (["remove", "regcred", "--detach", "-y"], 3),
    "remove an entry": (["remove", "regcred", "-y"], 1),
}


def write(kit: Kit, verb: str, *more: str, shows: bool = False) -> Result:
    argv, _ = WRITING[verb]
    kit.put(domain("domain1"))
    stdin = ""
    if argv[0] == "add":
        argv, stdin = [*argv, "--docker-server", kit.host, "--docker-username=bob", "--docker-password-stdin"], PASSWORD
    if argv[0] == "rotate":
        argv, stdin = [*argv, "--docker-server", kit.host, "--docker-password-stdin"], NEW
    if verb == "remove an entry":
        argv = [*argv, "--docker-server", kit.host]
    return kit.run(*argv, *more, stdin=stdin, shows=shows)


@pytest.mark.parametrize("verb", WRITING)
def test_it_writes_as_often_as_it_has_to(kit: Kit, verb: str) -> None:
    everywhere(kit)
    found = write(kit, verb)
    assert (found.code, len(kit.cluster.writes)) == (0, WRITING[verb][1]), found.err
    assert len(found.out.splitlines()) == WRITING[verb][1]
    assert "dry run" not in found.out
    managers = {one.query.get("fieldManager") for one in kit.cluster.writes if one.method != "DELETE"}
    assert managers <= {"kubectl-pullsecret"}


@pytest.mark.parametrize("verb", WRITING)
def test_a_client_dry_run_sends_no_write_at_all(kit: Kit, verb: str) -> None:
    everywhere(kit)
    found = write(kit, verb, "--dry-run=client")
    assert (found.code, kit.cluster.writes) == (0, []), found.err
    assert [line.endswith(" (dry run)") for line in found.out.splitlines()] == [True] * WRITING[verb][1]
    assert found.undo() == []


@pytest.mark.parametrize("verb", WRITING)
def test_a_server_dry_run_is_one_on_every_write(kit: Kit, verb: str) -> None:
    everywhere(kit)
    kit.put(domain("domain1"))
    before = kit.cluster.snapshot()
    found = write(kit, verb, "--dry-run=server")
    assert found.code == 0, found.err
    assert [one.query.get("dryRun") for one in kit.cluster.writes] == ["All"] * WRITING[verb][1]
    assert [line.endswith(" (server dry run)") for line in found.out.splitlines()] == [True] * WRITING[verb][1]
    assert {name: value for name, value in kit.cluster.snapshot().items() if name[2] != "domain1"} == {
        name: value for name, value in before.items() if name[2] != "domain1"
    }
    assert found.undo() == []


@pytest.mark.parametrize("verb", WRITING)
def test_output_name(kit: Kit, verb: str) -> None:
    everywhere(kit)
    found = write(kit, verb, "-o", "name")
    assert found.code == 0
    for line in found.out.splitlines():
        assert line.partition("/")[0] in ("secret", "serviceaccount", "deployment.apps", "domain.weblogic.oracle")
    assert len(found.out.splitlines()) == WRITING[verb][1]


@pytest.mark.parametrize("verb", [verb for verb in WRITING if not verb.startswith("remove")])
def test_objects_are_shown_without_passwords(kit: Kit, verb: str) -> None:
    everywhere(kit)
    found = write(kit, verb, "-o", "yaml")
    assert found.code == 0, found.err
    shown = list(yaml.safe_load_all(found.out))
    assert len(shown) == WRITING[verb][1]
    for one in shown:
        assert "managedFields" not in one["metadata"]
        if one["kind"] == "Secret":
            assert one["data"] == {KEY: HIDDEN}


@pytest.mark.parametrize("verb", ["remove", "remove and detach"])
def test_objects_and_lines_are_not_mixed(kit: Kit, verb: str) -> None:
    """kubectl delete takes only -o name."""
    everywhere(kit)
    found = write(kit, verb, "-o", "json")
    if found.code == 0:
        text, decoder = found.out, json.JSONDecoder()
        while text.strip():
            text = text[decoder.raw_decode(text.lstrip())[1] :].lstrip()
    else:
        assert "allowed formats are: name" in found.err
        assert kit.cluster.writes == []


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_show_secrets_shows_what_is_written(kit: Kit, output: str) -> None:
    found = kit.add("regcred", "-o", output, "--dry-run=client", "--show-secrets", shows=True)
    (shown,) = yaml.safe_load_all(found.out)
    assert json.loads(base64.b64decode(shown["data"][KEY])) == {"auths": {kit.host: entry()}}
    assert (shown["type"], shown["metadata"]["namespace"]) == ("kubernetes.io/dockerconfigjson", "ns")


def test_the_field_manager_is_that_of_the_user(kit: Kit) -> None:
    assert kit.add("regcred", "--for", "sa/default", "--field-manager", "ci").code == 0
    assert [one.query["fieldManager"] for one in kit.cluster.writes] == ["ci", "ci"]


# What each needs, of which the user may do all but one thing.
STEPS: list[tuple[str, tuple[str, str, str], str]] = [
    ("add", ("create", "secrets", "ns"), "create secrets in namespace ns"),
    ("add", ("patch", "serviceaccounts", "ns"), "patch serviceaccounts/builder in namespace ns"),
    ("add to one that is there", ("update", "secrets", "ns"), "update secrets/unused in namespace ns"),
    ("attach", ("patch", "domains", "ns"), "patch domains.weblogic.oracle/domain1 in namespace ns"),
    ("attach", ("patch", "serviceaccounts", "ns"), "patch serviceaccounts/builder in namespace ns"),
    ("detach", ("patch", "deployments", "ns"), "patch deployments.apps/web in namespace ns"),
    ("copy", ("create", "secrets", "far"), "create secrets in namespace far"),
    ("rotate", ("update", "secrets", "near"), "update secrets/regcred in namespace near"),
    ("remove", ("delete", "secrets", "ns"), "delete secrets/unused in namespace ns"),
    ("remove and detach", ("delete", "secrets", "ns"), "delete secrets/regcred in namespace ns"),
    ("remove and detach", ("patch", "deployments", "ns"), "patch deployments.apps/web in namespace ns"),
    ("remove an entry", ("update", "secrets", "ns"), "update secrets/regcred in namespace ns"),
]


@pytest.mark.parametrize(("verb", "denied", "text"), STEPS)
def test_where_one_step_is_forbidden_nothing_is_changed_at_all(
    kit: Kit, verb: str, denied: tuple[str, str, str], text: str
) -> None:
    everywhere(kit)
    kit.cluster.denied = {denied}
    found = write(kit, verb)
    assert (found.code, found.out) == (1, "")
    assert f"error: you are not allowed to {text}: nothing was changed" in found.err
    assert kit.cluster.writes == []


def test_who_may_not_list_secrets_can_still_add_one(kit: Kit) -> None:
    """Looking at the others only adds a warning."""
    kit.cluster.denied = {("list", "secrets", "*")}
    assert kit.add("regcred").out == "secret/regcred created\n"


def test_who_may_not_look_at_pods_can_still_add_one(kit: Kit) -> None:
    kit.cluster.denied = {("list", one, "*") for one in ("pods", "deployments", "domains", "events", "nodes", "jobs")}
    assert kit.add("regcred", "--for", "sa/default").out == "secret/regcred created\nserviceaccount/default patched\n"


def test_what_is_there_already_needs_no_permission(kit: Kit) -> None:
    everywhere(kit)
    kit.cluster.denied = {("patch", "*", "*")}
    assert kit.run("attach", "regcred", "--for=sa/robot").out == "serviceaccount/robot unchanged\n"
    assert kit.add("unused", "--for", "sa/builder", "--dry-run=client").code == 1
    kit.put(service_account("robot", "unused"))
    assert kit.add("unused", "--for", "sa/robot").code == 0


def test_no_password_is_left_in_any_file(kit: Kit) -> None:
    everywhere(kit)
    for verb in WRITING:
        write(kit, verb)
    assert kit.files() == ""


def test_the_log_of_requests_holds_no_password(kit: Kit) -> None:
    found = kit.add("regcred", "-v", "9")
    assert "POST http://127.0.0.1" in found.err
    assert "GET http://127.0.0.1" in found.err


def test_warnings_of_the_server_are_passed_on(kit: Kit) -> None:
    answer = Answer(headers=(("Warning", '299 - "think twice"'),), body={"items": []})
    kit.cluster.before = lambda asked: answer if asked.path.endswith("/pods") else None
    assert "Warning: think twice" in kit.add("regcred").err


def test_a_wrong_context_is_one_line(kit: Kit) -> None:
    found = kit.run("list", "--context", "nope")
    assert (found.code, found.out, found.err) == (1, "", 'error: context "nope" does not exist\n')


NAMELESS = (
    "add {} --docker-server=r.io --docker-username=b --docker-password=x --no-verify --dry-run=client",
    "attach {} --for=sa/default", "detach {} --for=sa/default", "remove {}", "copy {} --check", "rotate {}", "verify {}",
)  # fmt: skip


@pytest.mark.parametrize("line", NAMELESS)
def test_names_that_are_none(kit: Kit, line: str) -> None:
    for name in ("a/b", "..", "\x1b[31m"):
        argv = [word.format(name) for word in line.split()]
        assert kit.run(*argv).code in ((0, 1) if argv[0] in ("add", "detach") else (1,))
        assert kit.cluster.writes == []


@pytest.mark.parametrize("line", ["remove regcred -y", "rotate regcred --docker-username=carol --docker-password-stdin"])
def test_what_keeps_the_secret_is_warned_of(kit: Kit, line: str) -> None:
    kit.put(secret("regcred", {kit.host: other()}, metadata={"annotations": {"meta.helm.sh/release-name": "shop"}}))
    found = kit.run(*line.split(), stdin=NEW)
    assert found.code == 0
    assert "Warning: Helm (shop) keeps secret/regcred" in found.err
