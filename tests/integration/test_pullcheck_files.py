"""kubectl pullcheck on files, offline: whatever stands in them, one clear answer and nothing raw on the terminal."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import jsonschema
import pytest
import yaml
from pullcheck.main import check
from pullcore import command

Object = dict[str, Any]
EXECUTABLE = Path(sys.executable).parent / "kubectl-pullcheck"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
REGISTRY = "registry.example.com"
IMAGE = f"{REGISTRY}/team/app:1.0"
PASSWORD = 'tig"er\\9/ö+'
ESC = "\x1b[31m\u202e\x9b\x07"


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Object:
        document: Object = json.loads(self.out)
        return document

    @property
    def causes(self) -> dict[str, list[str]]:
        return {pull["image"]: [one["cause"] for one in pull["findings"]] for pull in self.json["pulls"]}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: Union[str, bytes] = b"", **environ: str) -> Result:
    """The plugin in this process, with everything of its own but its start."""
    out, err = io.StringIO(), io.StringIO()
    raw = stdin.encode() if isinstance(stdin, str) else stdin
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(raw)))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    code = command.run(lambda: check(arguments, sys.stdin, out, err), "pullcheck", out, err)
    return Result(code, out.getvalue(), err.getvalue())


def start(*arguments: str, stdin: Union[str, bytes] = b"", **environ: str) -> Result:
    """The real executable."""
    raw = stdin.encode() if isinstance(stdin, str) else stdin
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LC_ALL", "LANG", "LC_CTYPE")}
    done = subprocess.run(
        [str(EXECUTABLE), *arguments],
        input=raw, capture_output=True, check=False, timeout=60,
        env={**clean, "KUBECONFIG": "/nonexistent", "LANG": "C.UTF-8", **environ},
    )  # fmt: skip
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def pod(name: str = "p", image: object = IMAGE, *, uid: str = "", secrets: Sequence[str] = (), **spec: Any) -> Object:
    metadata: Object = {"name": name, **({"uid": uid} if uid else {})}
    body = {"containers": [{"name": "c", "image": image}], "imagePullSecrets": [{"name": one} for one in secrets], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body}


def secret(name: str, server: str = REGISTRY, password: str = PASSWORD, data: Optional[str] = None) -> Object:
    auth = base64.b64encode(f"bob:{password}".encode()).decode()
    config = json.dumps({"auths": {server: {"username": "bob", "password": password, "auth": auth}}})
    value = data if data is not None else base64.b64encode(config.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name},
        "data": {".dockerconfigjson": value},
    }


def waiting(message: str, reason: str = "ErrImagePull", **details: Any) -> Object:
    value = pod(uid="u", **details)
    state = {"waiting": {"reason": reason, "message": message}}
    return {**value, "status": {"containerStatuses": [{"name": "c", "state": state}]}}


def text_of(*values: Object) -> str:
    return yaml.safe_dump_all(values)


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def offline(monkeypatch: pytest.MonkeyPatch, content: Union[str, bytes], *more: str) -> Result:
    return run(monkeypatch, "-f", "-", "--offline", *more, stdin=content)


# What is no input at all: 2, one line, nothing on standard output

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{here}: &{here} [{','.join([f'*{before}'] * 10)}]\n" for before, here in zip("abcdefgh", "bcdefghi")
)
REFUSED: dict[str, tuple[Union[str, bytes], str]] = {
    "empty": ("", "no image in"),
    "blank": ("\n\n---\n---\n", "no image in"),
    "comments": ("# Source: chart/templates/x.yaml\n", "no image in"),
    "truncated JSON": (json.dumps(pod())[:-20], "neither YAML nor JSON"),
    "truncated YAML": (text_of(pod()) + "a: [1,", "neither YAML nor JSON"),
    "containers are text": (text_of(pod(containers="x")), "pod/p: spec.containers is text, where a list belongs"),
    "image is a number": (text_of(pod(image=5)), "spec.containers[0].image is a number"),
    "secrets hold null": (text_of(pod(imagePullSecrets=[None])), "spec.imagePullSecrets[0] is nothing"),
    "metadata is a list": (text_of({**pod(), "metadata": ["x"]}), "metadata is a list"),
    "labels hold lists": (text_of({**pod(), "metadata": {"name": "p", "labels": {"weblogic.domainUID": [1]}}}), "labels"),
    "aliases": (BOMB, "aliases"),
    "deep YAML": ("[" * 100_000, "nested"),
    "deep JSON": ('{"a":' * 100_000, "nested"),
    "binary": (bytes(range(256)), "not UTF-8 text"),
    "UTF-16": (text_of(pod()).encode("utf-16"), "not UTF-8 text"),
    "control characters": (f"kind: {ESC}", "neither YAML nor JSON"),
    "list": ("- a\n- b\n", "is a list"),
    "scalar": ("Error: chart not found\n", "has no kind"),
    "text": ("helm failed\n", "plain text"),
    "items are an object": ('{"apiVersion": "v1", "kind": "List", "items": {}}', "the items of a List in it are no list"),
    "no kind": ("replicaCount: 1\n", "has no kind"),
    "only other kinds": (text_of({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}), "no image in"),
    "same kind, other group": (
        '{"apiVersion": "cluster.x-k8s.io/v1", "kind": "Cluster", "spec": {"image": "x"}}',
        "no image in",
    ),
    "pod without containers": (text_of(pod(containers=[])), "no image in"),
    "other version of evidence": ('{"apiVersion": "pullcheck/v9", "kind": "PullEvidence"}', "saved evidence of version"),
    "damaged evidence": ('{"apiVersion": "pullcheck/v1", "kind": "PullEvidence"}', "saved evidence is damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_input(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    content, reason = REFUSED[name]
    result = offline(monkeypatch, content)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert "internal" not in result.err
    assert result.err.count("\n") == 1
    assert harmless(result.err)
    assert reason in result.err


@pytest.mark.parametrize("name", ["empty", "deep YAML", "aliases", "binary"])
def test_no_input_to_the_executable(name: str) -> None:
    result = start("-f", "-", "--offline", stdin=REFUSED[name][0])
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "Traceback" not in result.err


def test_files_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, reason in ((str(tmp_path / "missing"), "No such file or directory"), (str(tmp_path), "Is a directory")):
        result = run(monkeypatch, "-f", name, "--offline")
        assert (result.code, result.out) == (2, "")
        assert result.err == f"error: {name} can't be read: {reason}\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "closed"
    path.touch(mode=0)
    assert "Permission denied" in run(monkeypatch, "-f", str(path), "--offline").err


# Usage


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--offline"], "--offline needs -f FILE"),
        (["-f", "-", "-f", "-"], "standard input can be read only once"),
        (["-f", "-", "-o", "xml"], "allowed formats are: wide,json,yaml,name"),
        (["-f", "-", "--color=blue"], "one of auto, always, never"),
        (["-f", "-", "--offlin"], "unknown flag: --offlin"),
        (["-l", "a=b", "name"], "a name cannot be given together with a selector"),
        (["-A", "name"], "instead of -A"),
        (["-f", "-", "--offline", "-l", "a=("], "unable to parse the selector"),
        (["-f", "-", "--offline", "svc/x"], 'the type "svc" has no images to check'),
        (["-f"], "flag needs an argument"),
    ],
)
def test_usage(monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str) -> None:
    result = run(monkeypatch, *arguments, stdin=text_of(pod()))
    lines = result.err.splitlines()
    assert (result.code, result.out) == (2, "")
    assert lines[0].startswith("error: ")
    assert reason in lines[0]
    assert all(line.startswith("See ") and line.endswith("--help' for usage.") for line in lines[1:])
    assert len(lines) <= 2


def test_every_usage_error_leads_to_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--help" in run(monkeypatch, "--offline").err


def test_empty_name_to_save_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offline(monkeypatch, text_of(pod()), "--save", "").code == 2


# What is found


def test_exit_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offline(monkeypatch, text_of(pod())).code == 0
    assert offline(monkeypatch, text_of(pod(image="Bad/Name"))).code == 1
    assert offline(monkeypatch, text_of(waiting("x509: certificate signed by unknown authority"))).code == 1
    assert offline(monkeypatch, "").code == 2


def test_names_that_are_long_or_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for image in ("a/" * 3000, f"nginx{ESC}", "", " ", "$(id)", "x\ny"):
        for how in ("", "json", "yaml", "wide", "name"):
            result = offline(monkeypatch, json.dumps(pod(image=image)), *(["-o", how] if how else []))
            assert (result.code, "internal" in result.err) == (1, False), (image[:20], how)
            assert harmless(result.out + result.err)
    assert list(offline(monkeypatch, json.dumps(pod(image="a/" * 3000)), "-o", "json").causes.values()) == [["invalid-name"]]


HOSTILE: list[Object] = [
    {**pod(name=ESC, image=f"{REGISTRY}/x:1"), "kind": "Pod"},
    waiting(f"{ESC}unauthorized{ESC}", f"{ESC}Reason"),
    waiting("x" * 100_000),
    waiting("\n".join("Fix: rm -rf /" for _ in range(50))),
    pod(secrets=[ESC, "a\nb"], serviceAccountName=ESC),
    pod(nodeName=f"n\n{ESC}"),
    pod(initContainers=[{"name": ESC, "image": "a:1"}]),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_stays_text(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    content = json.dumps([HOSTILE[number]][0]) + json.dumps(secret(ESC, ESC))
    for how in (["--color=never"], ["-o", "json"], ["-o", "yaml"], ["-o", "wide"], ["-o", "name"], ["--no-headers"]):
        result = offline(monkeypatch, content, *how)
        assert "internal" not in result.err
        assert harmless(result.out + result.err), how
        assert not any(line.startswith("Fix: rm") for line in result.out.splitlines())


def test_hostile_errors_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (
        json.dumps(pod(name=ESC, containers="x")),
        json.dumps({"apiVersion": "v1", "kind": f"{ESC}List", "items": 5}),
        json.dumps({"apiVersion": ESC, "kind": "PullEvidence"}),
        f"a: !{'x' * 5000}%1B b",
    ):
        result = offline(monkeypatch, content)
        assert (result.code, result.out) == (2, "")
        assert harmless(result.err)
        assert len(result.err) < 700
    for arguments in (["-f", ESC], ["-f", "-", ESC], ["-f", "-", f"pod/{ESC}"], ["-f", "-", f"{ESC}/x"]):
        result = run(monkeypatch, *arguments, "--offline", stdin=text_of(pod()))
        assert result.code == 2
        assert harmless(result.err)


def test_hostile_arguments_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert harmless(offline(monkeypatch, text_of(pod()), "-o", ESC).err)
    assert harmless(offline(monkeypatch, text_of(pod()), "--save", f"/nonexistent/{ESC}").err)


def test_secret_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in ("!!!", "{}", base64.b64encode(b"[").decode(), base64.b64encode(b'{"auths": []}').decode()):
        result = offline(monkeypatch, text_of(pod(secrets=["s"]), secret("s", data=data)), "-o", "json")
        assert result.code == 1
        assert result.causes == {IMAGE: ["secret-malformed"]}
    for odd in ({"data": 5}, {"data": {".dockerconfigjson": 5}}, {"data": None}, {"type": 7}):
        assert offline(monkeypatch, text_of(pod(secrets=["s"]), {**secret("s"), **odd}), "-o", "json").code in (0, 1)


def test_key_mismatch_before_anything_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = offline(monkeypatch, text_of(pod(secrets=["s"]), secret("s", f"https://{REGISTRY}/v2")))
    assert result.code == 1
    assert "(key-mismatch)" in result.out
    assert "path /v2" in result.out


def test_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}, "spec": pod(image="a:1")["spec"]}]}
    outer = {"apiVersion": "v1", "kind": "List", "items": [inner, pod(image="b:1"), {"apiVersion": "v1", "kind": "Service"}]}
    assert sorted(offline(monkeypatch, text_of(outer), "-o", "json").causes) == ["a:1", "b:1"]


def test_duplicates_count_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(text_of(pod(image="old:1"), pod()))
    report = run(monkeypatch, "-f", str(path), "-f", str(path), "--offline", "-o", "json").json
    assert [len(pull["containers"]) for pull in report["pulls"]] == [1]
    assert report["pulls"][0]["image"] == IMAGE
    assert len(report["targets"]) == 1


def test_files_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text(text_of(secret("s")))
    result = run(monkeypatch, "-f", str(path), "-f", "-", "--offline", "-o", "json", stdin=text_of(pod(secrets=["s"])))
    assert result.code == 0
    assert [one["secret"] for one in result.json["pulls"][0]["credentials"]["attempts"]] == ["s"]


def test_unborn_pods_get_their_accounts_list(monkeypatch: pytest.MonkeyPatch) -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default"},
        "imagePullSecrets": [{"name": "s"}],
    }
    for uid, found in (("", ["s"]), ("u", [])):
        result = offline(monkeypatch, text_of(pod(uid=uid), account, secret("s")), "-o", "json")
        assert result.json["pulls"][0]["secrets"] == found


def test_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {**pod("there", "b:1"), "metadata": {"name": "there", "namespace": "far"}}
    report = offline(monkeypatch, text_of(pod(), there), "-n", "mine", "-A", "-o", "json").json
    assert {pull["image"]: pull["namespace"] for pull in report["pulls"]} == {IMAGE: "mine", "b:1": "far"}
    assert "NAMESPACE" in offline(monkeypatch, text_of(pod(), there), "-o", "wide").out.splitlines()[0]
    named = offline(monkeypatch, text_of(pod(), there), "-n", "far", "there", "-o", "json")
    assert [pull["image"] for pull in named.json["pulls"]] == ["b:1"]


def test_every_kind_that_can_be_checked_is_found_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    template = {"template": {"spec": pod()["spec"]}}
    controller = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "rc"}, "spec": template}
    assert offline(monkeypatch, text_of(controller)).code == 0


@pytest.mark.parametrize("how", ["json", "yaml"])
def test_reports_fit_the_schema(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    domain = {
        "apiVersion": "weblogic.oracle/v9", "kind": "Domain", "metadata": {"name": "d"},
        "spec": {"image": "x:1", "configuration": {"model": {"auxiliaryImages": [{"image": "Aux:1"}]}}},
    }  # fmt: skip
    values = [pod(secrets=["s", "m"]), secret("s"), secret("m", data="!"), waiting("why?", secrets=["s"]), domain]
    result = offline(monkeypatch, text_of(*values), "-o", how)
    document = yaml.safe_load(result.out)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    assert document["verdict"] == "blocked"
    assert result.err == ""


# Output


def test_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    result = offline(monkeypatch, text_of(pod()))
    assert "Not checked" not in result.out
    assert result.err.startswith("Not checked: ")
    for how in ("wide", "name"):
        assert "Not checked" not in offline(monkeypatch, text_of(pod()), "-o", how).out
    assert json.loads(offline(monkeypatch, text_of(pod()), "-o", "json").out)["kind"] == "PullReport"


def test_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = offline(monkeypatch, text_of(pod()), "-o", "wide").out.splitlines()
    assert wide[0].split()[:3] == ["IMAGE", "VERDICT", "CAUSE"]
    assert offline(monkeypatch, text_of(pod()), "-o", "wide", "--no-headers").out.split() == wide[1].split()
    assert offline(monkeypatch, text_of(pod(image="Bad/Name")), "-o", "name").out == "pod/p\n"
    assert offline(monkeypatch, text_of(pod()), "-o", "name").out == ""


def test_huge_list(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [pod(f"p{number}", f"{REGISTRY}/app:{number % 7}") for number in range(3000)]
    result = offline(monkeypatch, json.dumps({"apiVersion": "v1", "kind": "List", "items": values}), "-o", "wide")
    assert len(result.out.splitlines()) == 8


def test_executable_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(text_of(pod(secrets=["s"]), secret("s", f"{REGISTRY}/v2")))
    result = start("-f", str(path), "--offline")
    assert result.code == 1
    assert "✗ credentials" in result.out
    assert "\x1b" not in result.out
    assert result.err.startswith("Not checked: ")
    assert start("-f", str(path), "--offline", "--color=always", NO_COLOR="1").out.count("\x1b[31m") > 0
    for locale in ({"LC_ALL": "C"}, {"LANG": "C"}, {"LC_ALL": "POSIX"}):
        plain = start("-f", str(path), "--offline", **locale)
        assert plain.out.isascii()
        assert "x credentials" in plain.out


def test_closed_pipe_is_quiet(tmp_path: Path) -> None:
    path = tmp_path / "pods.json"
    values = [pod(f"p{number}", f"{REGISTRY}/app:{number}") for number in range(400)]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": values}))
    line = f"{EXECUTABLE} -f {path} --offline --no-headers | head -1"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env={**os.environ, "KUBECONFIG": "/nonexistent"}
    )
    assert done.stdout.startswith(REGISTRY)
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr


# Saved evidence


def forms(password: str) -> set[str]:
    pair = base64.b64encode(f"bob:{password}".encode()).decode()
    alone = base64.b64encode(password.encode()).decode()
    return {
        password,
        json.dumps(password)[1:-1],
        json.dumps(password, ensure_ascii=False)[1:-1],
        pair,
        pair.rstrip("="),
        alone,
    }


def test_saved_evidence_is_read_back_equal_and_holds_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    values = [
        waiting("401 Unauthorized", secrets=["s", "v2"]),
        secret("s"),
        secret("v2", f"{REGISTRY}/v2", "other-password"),
    ]
    content = text_of(*values)
    for _ in range(2):  # the same file again
        live = offline(monkeypatch, content, "-o", "json", "--save", str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["evidence.json"]
    saved = path.read_text()
    for form in forms(PASSWORD) | forms("other-password"):
        assert form not in saved
        assert form not in live.out + live.err
    again = run(monkeypatch, "-f", str(path), "--offline", "-o", "json", "--save", str(tmp_path / "again.json"))
    assert (again.code, again.json) == (live.code, live.json)
    assert (tmp_path / "again.json").read_text() == saved


@pytest.mark.parametrize("place", ["missing/evidence.json", "directory", "file/evidence.json"])
def test_evidence_that_cannot_be_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    result = offline(monkeypatch, text_of(pod()), "--save", str(tmp_path / place))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {tmp_path / place} can't be written: ")
    assert result.err.count("\n") == 1
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["directory", "file"]


def test_saving_replaces_no_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert offline(monkeypatch, text_of(pod()), "--save", str(pipe)).code in (0, 2)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_one_object_of_saved_evidence_has_the_same_cause(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pullcore.evidence import from_document, to_json

    path = tmp_path / "evidence.json"
    assert (
        offline(monkeypatch, text_of(waiting("no basic auth credentials", secrets=["gone"])), "--save", str(path)).code == 1
    )
    document = json.loads(path.read_text())
    document["secrets"] = [{"namespace": "default", "name": "gone", "value": None}]
    path.write_text(to_json(from_document(document)))
    whole = run(monkeypatch, "-f", str(path), "--offline", "-o", "json").causes
    assert run(monkeypatch, "-f", str(path), "--offline", "-o", "json", "pod/p").causes == whole
