"""kubectl pullsecret list, against stand-ins."""

from __future__ import annotations

import time

import yaml

from .pullsecret_kit import (
    KEY,
    PASSWORD,
    Kit,
    columns,
    deployment,
    domain,
    entry,
    other,
    owned,
    running,
    secret,
    service_account,
    token,
)


def test_list(kit: Kit) -> None:
    web = deployment("web", secrets=["used"])
    kit.put(
        secret("used", {kit.host: entry(), "https://ghcr.io": other()}),
        secret("unused", {"r.io": entry("bob", token(2**32))}),
        secret("ended", {"r.io": entry("bob", token(1_700_000_000))}), secret("opaque", type="Opaque"),
        secret("broken", data={KEY: "AAAA"}), secret("far", {"r.io": entry()}, namespace="far"),
        service_account("builder", "used"), web, owned(deployment("web-5d", kind="ReplicaSet", secrets=["used"]), web),
        domain(secrets=["used"]), running("pod-1", secrets=["used"]),
    )  # fmt: skip
    found = kit.run("list")
    assert found.code == 0
    shown = columns(found.out)
    assert shown[0] == ["NAME", "REGISTRIES", "USERS", "USED-BY", "EXPIRES", "AGE"]
    assert [row[0] for row in shown[1:]] == ["broken", "ended", "unused", "used"]
    broken, ended, unused, used = shown[1:]
    assert broken[1] == "<cannot be read>"
    assert used[1:3] == [f"{kit.host},https://ghcr.io", "bob,alice"]
    assert used[3].startswith("serviceaccount/builder, domain/domain1, deployment/web")
    assert used[3].endswith("and 1 more")
    assert (unused[3], used[4]) == ("<none>", "<none>")
    assert ended[4].startswith("expired ")
    assert unused[4].startswith("in ")
    assert kit.registry.seen == [], "nothing is asked of registries"


def test_list_in_all_namespaces(kit: Kit) -> None:
    kit.put(secret("a", {"r.io": entry()}), secret("b", {"r.io": entry()}, namespace="far"))
    found = kit.run("list", "-A")
    assert [row[:2] for row in columns(found.out)] == [["NAMESPACE", "NAME"], ["far", "b"], ["ns", "a"]]
    assert [row[0] for row in columns(kit.run("list", "-n", "far").out)] == ["NAME", "b"]


def test_list_in_other_forms(kit: Kit) -> None:
    kit.put(secret("a", {kit.host: entry("bob", token(1_700_000_000))}), service_account("builder", "a"))
    assert kit.run("list", "-o", "name").out == "secret/a\n"
    assert kit.run("list", "--no-headers").out.startswith("a   ")
    found = kit.run("list", "-o", "json")
    (shown,) = found.json["secrets"]
    assert (found.json["apiVersion"], found.json["kind"]) == ("pullsecret/v1", "SecretList")
    assert shown["entries"] == [{"key": kit.host, "username": "bob", "expires": "2023-11-14T22:13:20Z"}]
    assert (shown["usedBy"], shown["namespace"], shown["problem"]) == (["serviceaccount/builder"], "ns", None)
    assert yaml.safe_load(kit.run("list", "-o", "yaml").out) == found.json


def test_list_where_there_is_nothing(kit: Kit) -> None:
    found = kit.run("list")
    assert (found.code, found.out, found.err) == (0, "", "No pull secrets found in ns namespace.\n")
    assert kit.run("list", "-A").err == "No pull secrets found in any namespace.\n"


def test_what_secrets_call_themselves_is_shown_harmlessly(kit: Kit) -> None:
    kit.put(secret("a", {"\x1b[31mr.io\u202e": entry("b\x07ob"), f"https://bob:{PASSWORD}@r.io": entry()}))
    for verb in ("list", "verify"):
        assert kit.run(verb).out.count("\n") >= 2


def test_a_namespace_with_many_objects_is_quick(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), *(running(f"p{number}", secrets=["regcred"]) for number in range(300)))
    began = time.monotonic()
    found = kit.run("list")
    assert "pod/p0, pod/p1, pod/p2 and 297 more" in found.out
    assert kit.run("remove", "regcred", "-y").err.count("pod/") == 10
    assert time.monotonic() - began < 10
