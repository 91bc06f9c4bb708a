"""kubectl pullsecret add, against stand-ins: what is stored, where the password comes from, how it is proven."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.unit.builders import Object

from .hostile import closed_port, said
from .pullsecret_kit import (
    KEY,
    PASSWORD,
    WRONG,
    Kit,
    deployment,
    entry,
    failing,
    notes,
    other,
    owned,
    running,
    secret,
    service_account,
)

HUB = "https://index.docker.io/v1/"


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
