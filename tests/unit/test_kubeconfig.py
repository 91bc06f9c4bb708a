"""Kubeconfig files and flags resolved as kubectl resolves them; what kubectl 1.32 did is in the comments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pullcore import kubeconfig, yamltext
from pullcore.command import Connection
from pullcore.errors import CommandError
from pullcore.kubeconfig import Settings, resolve

A = """\
apiVersion: v1
kind: Config
current-context: ca
clusters:
- {name: c1, cluster: {server: "https://a:1/", certificate-authority: pki/ca.crt, tls-server-name: inner}}
contexts:
- {name: ca, context: {cluster: c1, user: u1, namespace: nsa}}
- {name: nocluster, context: {cluster: zzz, user: u1}}
- {name: nouser, context: {cluster: c1, user: zzz}}
- {name: empty, context: {}}
users:
- {name: u1, user: {token: t1, client-certificate: /abs/c.crt, client-key: ../k.key}}
"""
B = """\
current-context: cb
clusters:
- {name: c1, cluster: {server: "http://b:2"}}
- {name: c2, cluster: {server: "http://b:3"}}
contexts:
- {name: cb, context: {cluster: c2, user: u1}}
users:
- {name: u1, user: {token: t2, username: bob}}
- {name: u2, user: {as: alice, as-groups: [g1, g2], as-uid: "7", as-user-extra: {"Sco/pe": [x, y]}}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a").write_text(A)
    (tmp_path / "b").write_text(B)
    (tmp_path / "empty").touch()
    (tmp_path / "comment").write_text("# nothing\n---\n")
    return tmp_path


def env(files: Path, *names: str, **more: str) -> dict[str, str]:
    return {"HOME": str(files), "KUBECONFIG": os.pathsep.join(str(files / name) for name in names), **more}


@pytest.mark.parametrize(
    ("names", "context", "server", "token"),
    [
        (["dir/a"], "ca", "https://a:1", "t1"),
        (["b"], "cb", "http://b:3", "t2"),
        (["dir/a", "b"], "ca", "https://a:1", "t1"),
        (["b", "dir/a"], "cb", "http://b:3", "t2"),
        (["empty", "missing", "comment", "b", "dir/a", "b"], "cb", "http://b:3", "t2"),
    ],
)
def test_the_first_file_wins(files: Path, names: list[str], context: str, server: str, token: str) -> None:
    found = resolve(Connection(), env(files, *names))
    assert (found.context, found.server, found.user["token"]) == (context, server, token)


def test_an_entry_is_taken_whole_from_its_first_file(files: Path) -> None:
    found = resolve(Connection(context="cb"), env(files, "dir/a", "b"))
    assert (found.server, found.user["token"]) == ("http://b:3", "t1")
    assert "username" not in found.user


def test_paths_belong_to_the_file_that_names_them(files: Path) -> None:
    found = resolve(Connection(), env(files, "b", "dir/a") | {"KUBECONFIG": str(files / "dir" / "a")})
    assert found.cluster["certificate-authority"] == str(files / "dir" / "pki/ca.crt")
    assert found.user["client-certificate"] == "/abs/c.crt"
    assert os.path.normpath(found.user["client-key"]) == str(files / "k.key")


def test_the_default_file_and_empty_names(files: Path) -> None:
    (files / ".kube").mkdir()
    (files / ".kube" / "config").write_text(B)
    assert resolve(Connection(), {"HOME": str(files)}).context == "cb"
    assert resolve(Connection(), {"HOME": str(files), "KUBECONFIG": ""}).context == "cb"
    with pytest.raises(CommandError, match="no cluster is configured"):
        resolve(Connection(), {"HOME": str(files), "KUBECONFIG": os.pathsep})


@pytest.mark.parametrize(
    ("names", "connection", "text"),
    [
        (["missing"], Connection(), "no cluster is configured: "),
        (["empty"], Connection(), "no cluster is configured: "),
        (["dir/a"], Connection(kubeconfig="/nope"), "stat /nope: no such file or directory"),
        (["dir/a"], Connection(kubeconfig="/dev"), 'error loading config file "/dev": is a directory'),
        (["dir/a"], Connection(kubeconfig="a\0b"), 'error loading config file "a^@b": '),
        (["dir/a"], Connection(context="no"), 'context "no" does not exist'),
        (["dir/a"], Connection(cluster="no"), 'cluster "no" does not exist'),
        (["dir/a"], Connection(user="no"), 'auth info "no" does not exist'),
        # kubectl goes to localhost:8080 in these two
        (["dir/a"], Connection(context="nocluster"), 'cluster "zzz" of context "nocluster" does not exist'),
        (["dir/a"], Connection(context="empty"), 'context "empty" names no cluster'),
        (["b"], Connection(as_groups=("g",)), "requesting uid, groups or user-extra without impersonating a user"),
        (["b"], Connection(server="ftp://x"), 'the server "ftp://x" is not an http or https URL'),
        (["b"], Connection(server="https://me:word@[::"), 'the server "[::" is not'),
        (["b"], Connection(server="http://x:99999"), "the server "),
        (["b"], Connection(server="http://x y"), "the server "),
        (
            ["b"],
            Connection(certificate_authority="x", insecure_skip_tls_verify=True),
            "specifying a root certificates file with the insecure flag is not allowed",
        ),
    ],
)
def test_what_does_not_add_up_is_one_line(files: Path, names: list[str], connection: Connection, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        resolve(connection, env(files, *names))
    assert caught.value.text.startswith(text)
    assert "\n" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_no_current_context(files: Path) -> None:
    (files / "b").write_text(B.replace("current-context: cb", ""))
    with pytest.raises(CommandError, match=r"use --context \(there are: cb\)"):
        resolve(Connection(), env(files, "b"))
    assert resolve(Connection(cluster="c1"), env(files, "b")).server == "http://b:2"


def test_a_user_that_does_not_exist_is_nobody(files: Path) -> None:
    assert resolve(Connection(context="nouser"), env(files, "dir/a")).user == {}


def test_flags_override_and_drop_what_contradicts_them(files: Path) -> None:
    def found(**flags: Any) -> Settings:
        return resolve(Connection(**flags), env(files, "dir/a", "b"))

    assert found().namespace == "nsa"
    assert found(context="cb").namespace == "default"
    assert found(namespace="x").namespace == "x"
    assert found().cluster["tls-server-name"] == "inner"
    assert "tls-server-name" not in found(server="https://x").cluster
    assert found(server="https://x/base/").server == "https://x/base"
    assert found(server="x:5").server == "https://x:5"  # the cluster has a certificate authority
    assert found(server="x:5", context="cb", user="u2").server == "http://x:5"
    assert found(token="other").user["token"] == "other"
    insecure = found(insecure_skip_tls_verify=True).cluster
    assert insecure["insecure-skip-tls-verify"] is True
    assert "certificate-authority" not in insecure
    assert found(certificate_authority="x.crt").cluster["certificate-authority"] == "x.crt"
    assert found(client_key="x.key").user["client-key"] == "x.key"


def test_a_server_alone_needs_no_kubeconfig(tmp_path: Path) -> None:
    found = resolve(Connection(server="http://x:1", token="t"), {"HOME": str(tmp_path)})
    assert (found.server, found.context, found.namespace, found.user) == ("http://x:1", None, "default", {"token": "t"})


def test_impersonation_of_file_and_flags(files: Path) -> None:
    found = resolve(Connection(user="u2"), env(files, "b"))
    assert found.impersonation == (
        ("Impersonate-User", "alice"), ("Impersonate-Uid", "7"), ("Impersonate-Group", "g1"),
        ("Impersonate-Group", "g2"), ("Impersonate-Extra-sco%2Fpe", "x"), ("Impersonate-Extra-sco%2Fpe", "y"),
    )  # fmt: skip
    found = resolve(Connection(user="u2", as_user="bob", as_groups=("h",)), env(files, "b"))
    assert found.impersonation[:3] == (
        ("Impersonate-User", "bob"), ("Impersonate-Uid", "7"), ("Impersonate-Group", "h"),
    )  # fmt: skip


def test_secrets_are_not_in_the_repr(files: Path) -> None:
    assert "t1" not in repr(resolve(Connection(), env(files, "dir/a")))


def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    pod = {"HOME": "/nonexistent", "KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(CommandError, match="no cluster is configured"):
        resolve(Connection(), pod)
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("mine\n")
    found = resolve(Connection(as_user="bob"), pod)
    assert (found.server, found.namespace, found.context) == ("https://[fd00::1]:443", "mine", None)
    assert found.user["tokenFile"] == str(tmp_path / "token")
    assert found.impersonation == (("Impersonate-User", "bob"),)
    assert resolve(Connection(), {**pod, "POD_NAMESPACE": "other"}).namespace == "other"
    # the pod's token never goes to a server that was named
    assert resolve(Connection(server="https://x"), pod).user == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"- a\n- b\n", "is not a kubeconfig: it holds a list"),
        (b"hello\n", "is not a kubeconfig: it holds text"),
        (b"kind: Pod\n", "is not a kubeconfig: its kind is Pod"),
        (b"\xff\xfe\x00\x01", "is not text"),
        (b"a: \x1b[31m", "characters are not allowed"),
        (b"a: [", "did not find expected node content"),
        (b"\ta: b", "line 1: "),
        (b"clusters: 5\n", "clusters must be a list, not a int"),
        (b"current-context: 5\n", "current-context must be text, not a int"),
        (b"users: [5]\n", "users[0] has no name that is text"),
        (b"users: [{name: 5}]\n", "users[0] has no name that is text"),
        (b"users: [{name: x, user: [1]}]\n", 'user "x" must be a mapping, not a list'),
        (b"users: [{name: x, user: {token: 5}}]\n", 'token of user "x" is a int, not text'),
        (b"users: [{name: x}, {name: x}]\n", 'duplicate name "x" in users'),
        (b"users: [{name: x, user: {exec: {args: [a]}}}]\n", 'exec of user "x" has no command'),
        (b"users: [{name: x, user: {exec: {command: a, args: 5}}}]\n", 'exec.args of user "x" must be'),
        (b"users: [{name: x, user: {exec: {command: a, env: [5]}}}]\n", 'exec.env of user "x" must be'),
        (b"[" * 100000, "is nested deeper than"),
        (b"- " * 100000, "is nested deeper than"),
        (b"&a [*a]", "holds more than"),
        (b"{a: &a [x,x,x,x,x,x,x,x,x,x]," + b",".join(
            b"%c: &%c [%s]" % (i, i, b",".join([b"*%c" % (i - 1)] * 10)) for i in range(98, 108)) + b"}",
         "holds more than"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_kubeconfig_is_one_line(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(CommandError) as caught:
        resolve(Connection(kubeconfig=str(tmp_path / "k")), {})
    assert caught.value.text.startswith(f'error loading config file "{tmp_path}/k": ')
    assert text in caught.value.text
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_huge_file_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "LARGEST", 1024 * 1024)
    with pytest.raises(CommandError, match="is larger than 1 MiB"):
        resolve(Connection(kubeconfig="/dev/zero"), {})


def test_yaml_documents() -> None:
    assert list(yamltext.documents("a: 1\n---\n---\n[x]\n")) == [{"a": 1}, None, ["x"]]
    assert list(yamltext.documents("")) == []
    deep = "[" * 150 + "]" * 150
    assert len(list(yamltext.documents(deep))) == 1
