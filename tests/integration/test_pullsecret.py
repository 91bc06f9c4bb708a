"""kubectl pullsecret add, attach and detach, and what is promised of every verb that writes, against stand-ins.

test_pullsecret_verbs has the other verbs, test_pullsecret_terminal what is asked on a terminal.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from pullcore.changes import HIDDEN, Changes

from tests.unit.builders import Object, cluster, server_labels

from .certificates import Authority
from .hostile import closed_port, said
from .pullsecret_kit import (
    KEY,
    NEW,
    OTHERS,
    PASSWORD,
    WRONG,
    Kit,
    Result,
    deployment,
    domain,
    entry,
    failing,
    names,
    owned,
    running,
    secret,
    service_account,
    with_names,
)
from .standin import Answer, Asked, status

HUB = "https://index.docker.io/v1/"


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Iterator[Kit]:
    made = Kit(tmp_path, monkeypatch, authority)
    yield made
    made.close()


def other() -> Object:
    return entry("alice", OTHERS)


# --- add -----------------------------------------------------------------------------------------------------------


def test_add_makes_a_secret_that_was_proven(kit: Kit) -> None:
    found = kit.add("regcred")
    assert (found.code, found.out) == (0, "secret/regcred created\n")
    assert f"Note: proven: {kit.host} accepts it" in found.err
    assert found.undo() == ["kubectl delete secret regcred -n ns"]
    made = kit.cluster.get("Secret", "regcred")
    assert (made["type"], list(made["data"])) == ("kubernetes.io/dockerconfigjson", [KEY])
    assert kit.cluster.entries("regcred") == {kit.host: entry()}
    assert kit.registry.passwords == {f"bob:{PASSWORD}": 1}
    assert [one.method for one in kit.cluster.writes] == ["POST"]


def test_a_second_run_says_unchanged_and_writes_nothing(kit: Kit) -> None:
    kit.put(service_account("builder"))
    first = kit.add("regcred", "--for", "sa/builder")
    assert first.out == "secret/regcred created\nserviceaccount/builder patched\n"
    before = kit.cluster.snapshot()
    del kit.cluster.asked[:]
    second = kit.add("regcred", "--for", "sa/builder")
    assert (second.code, second.out) == (0, "secret/regcred unchanged\nserviceaccount/builder unchanged\n")
    assert second.undo() == []
    assert kit.cluster.writes == []
    assert kit.cluster.snapshot() == before


def test_without_a_name_it_is_called_as_a_failing_pod_names_it(kit: Kit) -> None:
    kit.put(secret("there", {}), running(secrets=["healthy"]), failing(kit.image, "web-2", secrets=["there", "secret1"]))
    assert kit.add().out == "secret/secret1 created\n"


def test_without_a_name_and_without_a_failing_pod_it_has_the_usual_name(kit: Kit) -> None:
    kit.put(running(secrets=["missing-but-not-needed"]))
    assert kit.add().out == "secret/regcred created\n"


AROUND: dict[str, Any] = {
    "metadata": {"labels": {"team": "a"}, "annotations": {"note": "x"}, "finalizers": ["example.com/f"]},
}


def test_other_entries_and_all_else_of_the_secret_stay(kit: Kit) -> None:
    broken = {"auth": "!!!", "identitytoken": "t", "unknown": [1.0, None, {"a": "b"}]}
    entries = {"ghcr.io": other(), "broken.example.com": broken, f"{kit.host}1": other(), f"{kit.host}/team": other()}
    kit.put(secret("regcred", entries, **AROUND))
    kit.cluster.get("Secret", "regcred")["data"]["extra"] = "QQ=="
    before = kit.cluster.snapshot()["Secret", "ns", "regcred"]
    found = kit.add("regcred")
    assert (found.code, found.out, found.undo()) == (0, "secret/regcred updated\n", [])
    after = kit.cluster.get("Secret", "regcred")
    assert kit.cluster.entries("regcred") == {**entries, kit.host: entry()}
    assert list(kit.cluster.entries("regcred")) == [*entries, kit.host]
    assert after["data"]["extra"] == "QQ=="
    for value in (before["metadata"], after["metadata"]):
        for name in ("resourceVersion", "managedFields"):
            value.pop(name, None)
    assert after["metadata"] == before["metadata"]


@pytest.mark.parametrize(
    "spelling", ["https://{}", "http://{}/", "https://{}/v1/", "{}/v2/", "https://{}/v2", "{}/v1", "{} "]
)
def test_other_spellings_and_the_dead_key_go_and_are_named(kit: Kit, spelling: str) -> None:
    old = spelling.format(kit.host)
    kit.put(secret("regcred", {old: other(), "ghcr.io": other()}))
    found = kit.add("regcred")
    assert kit.cluster.entries("regcred") == {"ghcr.io": other(), kit.host: entry()}
    assert any(f'the entry "{old.strip()}"' in note for note in notes(found)), found.err


@pytest.mark.parametrize("spelling", ["HTTPS://{}/v2", " {}/v1/ ", "https://bob:x@{}"])
def test_the_server_is_mended_and_the_user_is_told(kit: Kit, spelling: str) -> None:
    kit.put(failing(kit.image))
    found = kit.run(
        "add", "regcred", "--docker-server", spelling.format(kit.host), "--docker-username=bob",
        "--docker-password-stdin", stdin=PASSWORD,
    )  # fmt: skip
    assert found.code == 0
    assert list(kit.cluster.entries("regcred")) == [kit.host]
    assert "is stored as " in found.err
    assert "bob:x" not in found.err


@pytest.mark.parametrize("name", ["docker.io", "https://registry-1.docker.io/v2/"])
def test_docker_hub_gets_the_key_where_the_kubelet_looks(kit: Kit, name: str) -> None:
    kit.put(secret("regcred", {"docker.io": other()}))
    found = kit.run(
        "add", "regcred", "--docker-server", name, "--docker-username=bob", "--docker-password-stdin", "--no-verify",
        stdin=PASSWORD,
    )  # fmt: skip
    assert (found.code, kit.cluster.entries("regcred")) == (0, {HUB: entry()})


def test_a_replaced_password_is_said_not_to_be_kept(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("bob", WRONG)}))
    found = kit.add("regcred")
    assert f"Note: the old password for {kit.host} is not kept" in found.err
    assert kit.cluster.entries("regcred") == {kit.host: entry()}


def test_an_email_is_kept_with_its_entry(kit: Kit) -> None:
    found = kit.add("regcred", "--docker-email", "bob@example.com")
    assert found.code == 0
    assert kit.cluster.entries("regcred")[kit.host]["email"] == "bob@example.com"


def test_it_warns_where_another_secret_is_tried_first(kit: Kit) -> None:
    kit.put(secret("old", {f"https://{kit.host}": entry("bob", WRONG)}), failing(kit.image, secrets=["old", "regcred"]))
    found = kit.add("regcred")
    assert f"Warning: for {kit.image} the kubelet tries secret/old first" in found.err
    kit.put(failing(kit.image, secrets=["regcred", "old"]))
    assert "first" not in kit.add("regcred").err


def test_a_longer_key_of_another_secret_is_tried_first_whatever_the_order(kit: Kit) -> None:
    kit.put(secret("old", {f"{kit.host}/team": entry("bob", WRONG)}), failing(kit.image, secrets=["regcred", "old"]))
    assert "the kubelet tries secret/old first" in kit.add("regcred").err


def test_it_warns_where_nothing_that_waits_comes_from_that_registry(kit: Kit) -> None:
    kit.put(failing("ghcr.io/x/y"))
    found = kit.add("regcred")
    assert f"Warning: no image here comes from {kit.host}: those that wait come from ghcr.io" in found.err
    kit.put(failing(kit.image, "web-2"))
    assert "no image here comes from" not in kit.add("regcred").err


def test_a_secret_that_nothing_lists_is_told_with_the_command_that_attaches_it(kit: Kit) -> None:
    replicas = deployment("web-5d", kit.image, kind="ReplicaSet")
    kit.put(deployment("web", kit.image), owned(replicas, deployment()), failing(kit.image, "web-5d-1", owner=replicas))
    found = kit.add("regcred")
    told = next(line for line in found.err.splitlines() if "nothing lists it yet" in line)
    assert told.endswith("kubectl pullsecret attach regcred --for=deployment/web -n ns")
    assert kit.run(*told.partition("kubectl pullsecret ")[2].split()).code == 0
    assert "lists it yet" not in kit.add("regcred").err


# Where the password comes from


@pytest.mark.parametrize("text", [PASSWORD, f"{PASSWORD}\r\n"])
def test_a_password_from_standard_input_or_a_file(kit: Kit, text: str, tmp_path: Path) -> None:
    assert kit.add("a", password=text).code == 0
    (tmp_path / "pw").write_bytes(text.encode())
    given = ["--docker-server", kit.host, "--docker-username=bob", "--docker-password-file", str(tmp_path / "pw")]
    assert kit.run("add", "b", *given).code == 0
    assert kit.cluster.entries("a") == kit.cluster.entries("b") == {kit.host: entry()}


def test_blanks_within_a_password_stay(kit: Kit) -> None:
    kit.registry.users = {"bob": f" {PASSWORD} "}
    assert kit.add("regcred", password=f" {PASSWORD} \n").code == 0
    assert kit.cluster.entries("regcred")[kit.host]["password"] == f" {PASSWORD} "


def test_a_password_on_the_command_line_is_taken_with_a_warning(kit: Kit) -> None:
    found = kit.run("add", "a", "--docker-server", kit.host, "--docker-username=bob", "--docker-password", PASSWORD)
    assert found.code == 0
    assert "Warning: a password on the command line can be seen by others; --docker-password-stdin can't" in found.err
    assert "can be seen by others" not in kit.add("b").err


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("", "the password is empty: nothing was changed"),
        ("\n", "the password is empty: nothing was changed"),
        ("a\0b", "the password is too long, or holds characters that no registry takes: nothing was changed"),
        ("x" * 70_000, "the password is too long, or holds characters that no registry takes: nothing was changed"),
    ],
    ids=["empty", "a line end", "NUL", "long"],
)
def test_passwords_that_are_none(kit: Kit, password: str, text: str) -> None:
    found = kit.add("regcred", password=password)
    assert (found.code, found.out) == (1, "")
    assert found.err.endswith(f"error: {text}\n")
    assert kit.cluster.writes == []


@pytest.mark.parametrize("content", [None, b"p\xe4ss", b""], ids=["no file", "Latin-1", "empty"])
def test_password_files_that_are_none(kit: Kit, tmp_path: Path, content: Optional[bytes]) -> None:
    path = tmp_path / "pw"
    if content is not None:
        path.write_bytes(content)
    found = kit.run("add", "a", "--docker-server", kit.host, "--docker-username=bob", f"--docker-password-file={path}")
    assert found.code == 1
    reasons = {None: f"{path} can't be read: no such file or directory", b"": "the password is empty"}
    assert reasons.get(content, f"{path} is no text in UTF-8") in found.err
    assert kit.cluster.writes == []


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_password_on_standard_input_that_is_no_text(kit: Kit, errors: str) -> None:
    """Under LANG=C Python lets such bytes through, as surrogates."""
    stdin = io.TextIOWrapper(io.BytesIO(b"p\xe4ss-in-Latin-1\n"), encoding="utf-8", errors=errors)
    given = ["--docker-server", kit.host, "--docker-username=bob", "--docker-password-stdin", "--no-verify"]
    found = kit.run("add", "a", *given, stdin=stdin)
    assert found.code == 1
    assert "UTF-8" in found.err
    assert kit.cluster.writes == []


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "--docker-server is needed: the registry as images name it"),
        (["--docker-server=r.io"], "--docker-username is needed"),
        (
            ["--docker-server=r.io", "--docker-username=bob"],
            "a password is needed: --docker-password-stdin, --docker-password-file or --from-docker-config",
        ),
        (["--docker-server=", "--docker-username=bob"], "--docker-server is needed"),
        (["--docker-server=a b", "--docker-username=bob"], '"a b" is no registry: write its host as images do'),
    ],
)
def test_what_is_missing_is_named_where_nobody_can_be_asked(kit: Kit, argv: list[str], text: str) -> None:
    found = kit.run("add", "regcred", *argv)
    assert found.code == 1
    assert f"error: {text}" in found.err
    assert kit.cluster.writes == []


def test_the_only_registry_that_is_needed_is_taken_and_told(kit: Kit) -> None:
    kit.put(failing(kit.image), failing(kit.registry.image("team/app:2.0"), "web-2"))
    found = kit.run("add", "--docker-username=bob", "--docker-password-stdin", stdin=PASSWORD)
    assert found.code == 0
    assert f"Note: no --docker-server is given; {kit.host} is the only registry that is needed here" in found.err
    kit.put(failing("ghcr.io/x/y", "web-3"))
    found = kit.run("add", "--docker-username=bob", "--docker-password-stdin", stdin=PASSWORD)
    assert found.code == 1
    assert f"; images here come from {kit.host}, ghcr.io" in found.err


def test_a_login_from_the_docker_config(kit: Kit) -> None:
    path = kit.docker_config({"auths": {f"https://{kit.host}/v1/": {"auth": entry()["auth"]}}})
    found = kit.run("add", "regcred", "--docker-server", kit.host, "--from-docker-config")
    assert found.code == 0
    assert f"Note: user bob for {kit.host} comes from {path}" in found.err
    assert kit.cluster.entries("regcred") == {kit.host: entry()}
    assert kit.run("add", "b", "--docker-server", kit.host, "--docker-config", str(path)).code == 0


def test_a_login_from_a_helper_tells_it_nothing_but_the_registry(kit: Kit, tmp_path: Path) -> None:
    kit.docker_config({"credsStore": "vault"})
    noted = tmp_path / "noted"
    answer = json.dumps({"Username": "bob", "Secret": PASSWORD})
    kit.helper("vault", f"{{ echo \"$@\"; cat; echo; env; }} >{noted}; echo '{answer}'")
    found = kit.run("add", "regcred", "--docker-server", kit.host, "--from-docker-config")
    assert found.code == 0
    assert f"Note: user bob for {kit.host} comes from docker-credential-vault" in found.err
    assert kit.cluster.entries("regcred") == {kit.host: entry()}
    assert noted.read_text().splitlines()[:2] == ["get", kit.host]
    assert not [one for one in kit.hidden() if one in noted.read_text()]


def test_an_identity_token_is_refused_and_nothing_is_written(kit: Kit) -> None:
    kit.docker_config({"credHelpers": {kit.host: "acr"}})
    kit.helper("acr", f"""echo '{{"Username": "<token>", "Secret": "{PASSWORD}"}}'""")
    found = kit.run("add", "regcred", "--docker-server", kit.host, "--from-docker-config")
    assert (found.code, found.out) == (1, "")
    assert f"docker-credential-acr gives an identity token for {kit.host}, which kubelets ignore" in found.err
    assert kit.cluster.writes == []


# Proven before it is written


def test_a_refused_password_stops_the_write(kit: Kit) -> None:
    kit.put(secret("regcred", {"ghcr.io": other()}))
    before = kit.cluster.snapshot()
    found = kit.add("regcred", "--for", "sa/default", password=WRONG)
    assert (found.code, found.out) == (1, "")
    assert f"error: {kit.host} refuses it: 401" in found.err
    assert "nothing was changed (--no-verify writes it all the same)" in found.err
    assert kit.registry.passwords == {f"bob:{WRONG}": 1}, "a wrong password is sent once: accounts get locked"
    assert (kit.cluster.writes, kit.cluster.snapshot()) == ([], before)


def test_no_verify_writes_it_all_the_same_and_says_so(kit: Kit) -> None:
    found = kit.add("regcred", "--no-verify", password=WRONG)
    assert (found.code, found.out) == (0, "secret/regcred created\n")
    assert "Note: not tried at the registry (--no-verify)" in found.err
    assert kit.registry.seen == []


def test_a_registry_that_cannot_be_reached_is_said_and_does_not_stop_it(kit: Kit) -> None:
    host = f"127.0.0.1:{closed_port()}"
    found = kit.run(
        "add", "regcred", "--docker-server", host, "--docker-username=bob", "--docker-password-stdin", stdin=PASSWORD
    )
    assert (found.code, found.out) == (0, "secret/regcred created\n")
    assert f"Note: not proven: {host} could not be asked from this machine: " in found.err


def test_a_broken_registry_does_not_stop_it_either(kit: Kit) -> None:
    kit.registry.on("/v2/", said(503, "UNAVAILABLE", "sorry"))
    found = kit.add("regcred")
    assert found.code == 0
    assert "Note: not proven: " in found.err


def test_the_manifest_that_a_pull_waits_for_is_tried(kit: Kit) -> None:
    kit.put(failing(kit.image, secrets=["regcred"]), running(image=kit.registry.image("team/app:2.0"), name="other"))
    found = kit.add("regcred")
    assert found.code == 0
    assert f"Note: {kit.image} is given to it" in found.err
    assert [one.path for one in kit.registry.at("/v2/.*/manifests/.*")] == ["/v2/team/app/manifests/1.0"]


def test_a_user_who_may_sign_in_but_not_pull_stops_the_write(kit: Kit) -> None:
    kit.registry.on("/v2/.*/manifests/.*", said(403, "DENIED", "bob may not"))
    kit.put(failing(kit.image))
    found = kit.add("regcred")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert f"error: {kit.host} does not give {kit.image} to it: 403" in found.err


def test_an_image_that_is_not_there_is_no_fault_of_the_credential(kit: Kit) -> None:
    kit.put(failing(kit.registry.image("team/app:9")))
    found = kit.add("regcred")
    assert found.code == 0
    assert "404" in found.err


def test_a_registry_that_repeats_the_password_shows_nobody(kit: Kit) -> None:
    kit.registry.on("/v2/", said(401, "UNAUTHORIZED", f"no such password: {WRONG}", [("WWW-Authenticate", "Basic")]))
    assert "no such password: ***" in kit.add("regcred", password=WRONG).err


# What can't be changed, and what others keep


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "Opaque"}, "secret/regcred is of type Opaque, and the type of a secret can't be changed"),
        ({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": "e30="}}, "is of type kubernetes.io/dockercfg, and"),
        ({"immutable": True}, "secret/regcred is immutable"),
        ({"data": {KEY: "AAAA"}}, "the content of secret/regcred can't be read, so its entries can't be kept"),
    ],
)
def test_a_secret_that_cannot_be_changed_is_said_with_another_name(kit: Kit, fields: Object, text: str) -> None:
    kit.put(secret("regcred", {"ghcr.io": other()}, **fields))
    found = kit.add("regcred")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert text in found.err
    assert "use another name" in found.err
    assert kit.registry.seen == [], "the password is not even tried"


KEEPERS: dict[str, Object] = {
    "Helm (shop)": {"annotations": {"meta.helm.sh/release-name": "shop"}},
    "Argo CD (shop)": {"labels": {"argocd.argoproj.io/instance": "shop"}},
    "Flux (shop)": {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
    "ExternalSecret regcred": {"ownerReferences": [{"kind": "ExternalSecret", "name": "regcred"}]},
}


@pytest.mark.parametrize("keeper", KEEPERS)
def test_it_warns_of_what_keeps_the_secret_as_it_wants_it(kit: Kit, keeper: str) -> None:
    kit.put(secret("regcred", {kit.host: entry("bob", WRONG)}, metadata=KEEPERS[keeper]))
    found = kit.add("regcred")
    assert found.code == 0
    assert f"Warning: {keeper} keeps secret/regcred" in found.err


@pytest.mark.parametrize(
    ("keeper", "target"), [("Helm (shop)", "deployment/web"), ("Argo CD (shop)", "serviceaccount/builder")]
)
def test_it_warns_of_what_keeps_a_list_as_it_wants_it(kit: Kit, keeper: str, target: str) -> None:
    value = deployment() if target == "deployment/web" else service_account("builder")
    kit.put(secret("regcred", {kit.host: entry()}), {**value, "metadata": {**value["metadata"], **KEEPERS[keeper]}})
    found = kit.run("attach", "regcred", "--for", target)
    assert found.code == 0
    assert f"{keeper} keeps {target} and may put its list back" in found.err


# --- What is promised of every verb that writes --------------------------------------------------------------------


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


# --- Others write at the same time ---------------------------------------------------------------------------------


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


# --- It stops half way ---------------------------------------------------------------------------------------------


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


# --- attach: to what, and what follows -----------------------------------------------------------------------------


def notes(found: Result) -> list[str]:
    return [line.removeprefix("Note: ") for line in found.err.splitlines() if line.startswith("Note: ")]


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
