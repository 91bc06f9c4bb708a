"""kubectl pullsecret copy, against stand-ins."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from tests.unit.builders import Object

from .pullsecret_kit import (
    WRONG,
    Kit,
    columns,
    copy_in,
    entry,
    other,
    secret,
)
from .standin import Answer, Asked


def namespace(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}


def test_copy_makes_a_marked_copy(kit: Kit) -> None:
    source = secret("regcred", {kit.host: entry()}, metadata={"labels": {"app": "x"}, "annotations": {"y": "z"}})
    kit.put(source, namespace("far"), namespace("near"))
    found = kit.run("copy", "regcred", "--to-namespace=far", "--to-namespace=near")
    assert found.code == 0
    assert found.out == "secret/regcred created in namespace far\nsecret/regcred created in namespace near\n"
    made = kit.cluster.get("Secret", "regcred", "far")
    assert (made["data"], made["type"]) == (source["data"], source["type"])
    assert made["metadata"]["labels"] == {"kubectl-pullsecret/copy": "true"}
    assert made["metadata"]["annotations"] == {"kubectl-pullsecret/copy-of": "ns/regcred"}


def test_copy_again_says_unchanged_and_later_updated(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("bob", WRONG)}), namespace("far"))
    kit.run("copy", "regcred", "--to-namespace=far")
    kit.cluster.get("Secret", "regcred", "far")["metadata"]["labels"]["theirs"] = "stays"
    del kit.cluster.asked[:]
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, found.out) == (0, "secret/regcred unchanged\n")
    assert kit.cluster.writes == []
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, found.out) == (0, "secret/regcred updated in namespace far\n")
    assert kit.cluster.entries("regcred", "far") == {kit.host: entry()}
    assert kit.cluster.get("Secret", "regcred", "far")["metadata"]["labels"]["theirs"] == "stays"


NO_COPY: dict[str, tuple[Object, str]] = {
    "foreign": (secret("regcred", {"r.io": other()}, namespace="far"), "a secret regcred is there, and is no copy"),
    "of another source": (copy_in("far", {}, "elsewhere/regcred"), "is no copy of this one"),
    "immutable": (copy_in("far", {}, immutable=True), "the copy is immutable"),
    "of another type": (copy_in("far", {}, type="Opaque"), "the copy is of type Opaque, which can't be changed"),
    "no such namespace": (namespace("other"), 'namespaces "far" not found'),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_COPY)
def test_copy_refuses_one_namespace_and_goes_on_with_the_others(kit: Kit, case: str) -> None:
    value, text = NO_COPY[case]
    kit.put(secret("regcred", {kit.host: entry()}), value, namespace("near"))
    before = kit.cluster.snapshot().get(("Secret", "far", "regcred"))
    found = kit.run("copy", "regcred", "--to-namespace=far", "--to-namespace=near")
    assert (found.code, found.out) == (1, "secret/regcred created in namespace near\n")
    assert "Not copied to far: " in found.err
    assert text in found.err
    assert found.err.splitlines()[-1] == "error: not copied to 1 of 2 namespaces: far"
    assert kit.cluster.snapshot().get(("Secret", "far", "regcred")) == before


def test_copy_to_all_namespaces_but_some(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), namespace("a"), namespace("kube-system"), namespace("b"),
            namespace("going", deletionTimestamp="2026-03-01T12:00:00Z"))  # fmt: skip
    line = ("copy", "regcred", "--all-namespaces", "--except", "kube-system")
    found = kit.run(*line)
    assert (found.code, kit.cluster.writes) == (1, []), "so many need a yes"
    found = kit.run(*line, "-y")
    assert (found.code, found.out.count("created in namespace")) == (0, 2)
    assert {name[1] for name in kit.cluster.objects if name[0] == "Secret"} == {"ns", "a", "b"}


def test_copy_to_where_it_is_says_so(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("copy", "regcred", "--to-namespace=ns")
    assert kit.cluster.writes == []
    assert found.both != ""


def test_copy_of_what_is_no_pull_secret(kit: Kit) -> None:
    kit.put(secret("regcred", type="Opaque"), namespace("far"))
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, kit.cluster.writes) == (1, [])
    assert "secret/regcred is of type Opaque: it is no pull secret" in found.err
    found = kit.run("copy", "gone", "--to-namespace=far")
    assert 'secrets "gone" not found in namespace ns' in found.err


def test_copy_retries_where_somebody_else_writes(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), copy_in("far", {}))
    done: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "PUT" and not done:
            done.append(asked)
            kit.put(copy_in("far", {"r.io": other()}))
        return None

    kit.cluster.before = before
    found = kit.run("copy", "regcred", "--to-namespace=far")
    assert (found.code, found.out) == (0, "secret/regcred updated in namespace far\n")
    assert kit.cluster.entries("regcred", "far") == {kit.host: entry()}


def test_copy_check_tells_drift_and_changes_nothing(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}), copy_in("a", {kit.host: entry()}), copy_in("b", {kit.host: other()}),
            secret("regcred", {kit.host: entry()}, namespace="c"), namespace("d"))  # fmt: skip
    found = kit.run("copy", "regcred", "--check")
    assert found.code == 1
    assert columns(found.out) == [["NAMESPACE", "NAME", "COPY"], ["a", "regcred", "same"], ["b", "regcred", "differs"]]
    found = kit.run("copy", "regcred", "--check", *(f"--to-namespace={one}" for one in "abcd"))
    assert [row[2] for row in columns(found.out)[1:]] == ["same", "differs", "no copy", "missing"]
    assert kit.cluster.writes == []
    assert kit.run("copy", "regcred", "--check", "--to-namespace=a").code == 0
    found = kit.run("copy", "regcred", "--check", "--all-namespaces", "--except=d", "--except=c", "--except=b")
    assert (found.code, [row[0] for row in columns(found.out)[1:]]) == (0, ["a"])


def test_copy_check_without_copies(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry()}))
    found = kit.run("copy", "regcred", "--check")
    assert (found.code, found.out, found.err) == (0, "", "No copies of secret/regcred found.\n")
