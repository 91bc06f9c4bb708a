"""Lists of pull secrets: where they are, and patches that lose no name. The patches are applied as an API server does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pullcore.attachment import added, list_path, listed, names_in, removed, with_list
from pullcore.errors import CommandError
from pullcore.kinds import CHECKABLE

from tests.integration.standin import patched

PATHS = {
    "ServiceAccount": "/imagePullSecrets",
    "Domain": "/spec/imagePullSecrets",
    "Deployment": "/spec/template/spec/imagePullSecrets",
    "StatefulSet": "/spec/template/spec/imagePullSecrets",
    "DaemonSet": "/spec/template/spec/imagePullSecrets",
    "ReplicaSet": "/spec/template/spec/imagePullSecrets",
    "ReplicationController": "/spec/template/spec/imagePullSecrets",
    "CronJob": "/spec/jobTemplate/spec/template/spec/imagePullSecrets",
}


def holder(kind: str, *names: str, entries: object = None) -> dict[str, Any]:
    """An object of a kind with a list at its place; entries: the list itself, whatever it is."""
    value: dict[str, Any] = {"kind": kind, "metadata": {"name": "x", "resourceVersion": "7"}, "other": {"stays": True}}
    place = value
    *way, last = PATHS[kind].split("/")[1:]
    for step in way:
        place = place.setdefault(step, {})
        place["beside"] = step
    if names or entries is not None:
        place[last] = [{"name": name} for name in names] if entries is None else entries
    return value


@pytest.mark.parametrize("kind", PATHS)
def test_where_the_list_is(kind: str) -> None:
    assert list_path(kind) == PATHS[kind]
    assert names_in(holder(kind, "a", "b")) == ["a", "b"]
    assert (listed(holder(kind)), names_in(holder(kind))) == ([], [])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Pod", "the list of a pod can't be changed: attach it to what makes the pod, or to its service account"),
        ("Job", "the list of a Job can't be changed: attach it to its service account, and make the Job again"),
        ("Cluster", "a WebLogic Cluster has no list of pull secrets: attach it to its Domain"),
        ("Node", "Node has no list of pull secrets"),
    ],
)
def test_lists_that_cannot_be_changed_are_refused_with_what_helps(kind: str, text: str) -> None:
    with pytest.raises(CommandError) as caught:
        list_path(kind)
    assert caught.value.text == text


def test_every_kind_that_can_be_named_has_a_list_or_a_reason() -> None:
    for kind in CHECKABLE:
        try:
            assert list_path(kind.name) == PATHS[kind.name]
        except CommandError as error:
            assert "attach it to" in error.text


@pytest.mark.parametrize("kind", PATHS)
def test_a_name_is_appended_and_all_else_stays(kind: str) -> None:
    value = holder(kind, "b", "a")
    operations = added(value, ["c"])
    assert operations is not None
    assert operations[0] == {"op": "test", "path": PATHS[kind], "value": [{"name": "b"}, {"name": "a"}]}
    assert patched(value, operations) == holder(kind, "b", "a", "c")
    assert value == holder(kind, "b", "a"), "what was given is not changed"


@pytest.mark.parametrize("entries", [None, []], ids=["no list", "an empty list"])
@pytest.mark.parametrize("kind", PATHS)
def test_the_first_name_makes_the_list(kind: str, entries: object) -> None:
    value = holder(kind, entries=entries)
    operations = added(value, ["a", "b"])
    assert operations is not None
    assert patched(value, operations) == holder(kind, "a", "b")


@pytest.mark.parametrize("kind", PATHS)
def test_a_name_is_taken_out_and_all_else_stays(kind: str) -> None:
    value = holder(kind, "a", "b", "a", "c")
    operations = removed(value, "a")
    assert operations is not None
    assert patched(value, operations) == holder(kind, "b", "c")
    last = removed(holder(kind, "a"), "a")
    assert last is not None
    assert patched(holder(kind, "a"), last) == holder(kind), "the list goes with its last name"


@pytest.mark.parametrize("kind", PATHS)
def test_nothing_to_do_is_no_patch(kind: str) -> None:
    assert added(holder(kind, "a", "b"), ["b", "a"]) is None
    assert removed(holder(kind, "a"), "b") is None
    assert removed(holder(kind), "b") is None


ODD = [{"name": "a"}, {}, {"name": ""}, {"name": None}, {"name": "b", "other": 1}]


def test_entries_without_a_name_are_kept() -> None:
    value = holder("ServiceAccount", entries=ODD)
    assert names_in(value) == ["a", "b"]
    operations = added(value, ["c"])
    assert operations is not None
    assert patched(value, operations)["imagePullSecrets"] == [*ODD, {"name": "c"}]
    operations = removed(value, "a")
    assert operations is not None
    assert patched(value, operations)["imagePullSecrets"] == ODD[1:]


def test_adding_and_taking_out_again_for_every_short_list() -> None:
    for length in range(4):
        for names in itertools.product("ab", repeat=length):
            value = holder("Domain", *names)
            operations = added(value, ["c", "a", "d"])
            assert operations is not None
            after = patched(value, operations)
            missing = [name for name in ("c", "a", "d") if name not in names]
            assert names_in(after) == [*names, *missing]
            for name in missing:
                operations = removed(after, name)
                assert operations is not None
                after = patched(after, operations)
            assert after == (holder("Domain", *names) if names else holder("Domain"))


@pytest.mark.parametrize(
    ("seen", "now"),
    [(("a",), ("a", "x")), (("a", "b"), ("b", "a")), (("a",), ()), ((), ("x",))],
    ids=["one more", "another order", "the list is gone", "somebody was first"],
)
def test_a_patch_does_not_apply_to_a_list_that_was_not_seen(seen: tuple[str, ...], now: tuple[str, ...]) -> None:
    before, meanwhile = holder("ServiceAccount", *seen), holder("ServiceAccount", *now)
    meanwhile["metadata"]["resourceVersion"] = "8"
    patches = [added(before, ["c"]), removed(before, "a")]
    for operations in filter(None, patches):
        with pytest.raises(ValueError, match=r"testing value|there is nothing"):
            patched(meanwhile, operations)


@pytest.mark.parametrize("kind", PATHS)
def test_what_it_would_become(kind: str) -> None:
    assert with_list(holder(kind, "a"), ["a", "b"]) == holder(kind, "a", "b")
    assert with_list(holder(kind), ["b"]) == holder(kind, "b")
    assert with_list(holder(kind, "a"), []) == holder(kind)
