"""kubectl pullsecret rotate, against stand-ins."""

from __future__ import annotations

from typing import Optional

import pytest

from tests.unit.builders import Object

from .pullsecret_kit import (
    KEY,
    NEW,
    WRONG,
    Kit,
    Result,
    auth,
    copy_in,
    deployment,
    domain,
    entry,
    other,
    secret,
    service_account,
)
from .standin import Answer, Asked, status


def rotate(kit: Kit, *more: str, password: str = NEW, username: str = "carol") -> Result:
    given = ["--docker-username", username] if username else []
    return kit.run("rotate", "regcred", *given, "--docker-password-stdin", *more, stdin=password)


def test_rotate_writes_the_proven_password_into_every_copy_in_one_update(kit: Kit) -> None:
    entries = {kit.host: {**entry("carol", WRONG), "email": "c@x"}, "ghcr.io": other()}
    kit.put(secret("regcred", entries), copy_in("a", entries), copy_in("b", entries), service_account("builder", "regcred"))
    found = rotate(kit, "--docker-server", kit.host)
    assert found.code == 0
    assert found.out.splitlines() == [f"secret/regcred updated in namespace {one}" for one in ("ns", "a", "b")]
    assert f"Note: proven: {kit.host} accepts it" in found.err
    assert "kubelets read the new password at their next pull by themselves: nothing has to be restarted" in found.err
    for place in ("ns", "a", "b"):
        assert kit.cluster.entries("regcred", place) == {
            kit.host: {**entry("carol", NEW), "email": "c@x"},
            "ghcr.io": other(),
        }
    assert [one.method for one in kit.cluster.writes] == ["PUT"] * 3
    assert kit.registry.passwords == {f"carol:{NEW}": 1}


def test_rotate_lists_every_consumer_before(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    many = [deployment(f"web-{number}", secrets=["regcred"]) for number in range(12)]
    kit.put(secret("regcred", entries), *many, service_account("builder", "regcred"), domain(secrets=["regcred"]))
    found = rotate(kit)
    told = next(line for line in found.err.splitlines() if "is used by" in line)
    assert [one for one in ("serviceaccount/builder", "domain/domain1", *(f"deployment/web-{n}" for n in range(12)))
            if one not in told] == []  # fmt: skip
    assert found.err.index("is used by") < found.err.index("proven")


def test_rotate_tells_the_consumers_of_copies_too(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("far", entries),
            {**service_account("robot", "regcred"), "metadata": {"name": "robot", "namespace": "far"}})  # fmt: skip
    assert "serviceaccount/robot" in rotate(kit).err


def test_rotate_and_a_refused_password(kit: Kit) -> None:
    entries = {kit.host: entry("carol", NEW)}
    kit.put(secret("regcred", entries), copy_in("a", entries))
    before = kit.cluster.snapshot()
    found = rotate(kit, password=WRONG)
    assert (found.code, found.out) == (1, "")
    assert "refuses it: 401" in found.err
    assert (kit.cluster.writes, kit.cluster.snapshot()) == ([], before)
    assert kit.registry.passwords == {f"carol:{WRONG}": 1}
    assert rotate(kit, "--no-verify", password=WRONG).code == 0
    assert kit.cluster.entries("regcred", "a") == {kit.host: entry("carol", WRONG)}


def test_rotate_leaves_a_copy_that_differs_alone(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}), copy_in("a", {kit.host: other()}),
            secret("regcred", {kit.host: entry("carol", WRONG)}, namespace="b"))  # fmt: skip
    found = rotate(kit)
    assert (found.code, found.out) == (0, "secret/regcred updated in namespace ns\n")
    assert "Warning: the copy in namespace a differs and is left alone" in found.err
    assert kit.cluster.entries("regcred", "a") == {kit.host: other()}
    assert kit.cluster.entries("regcred", "b") == {kit.host: entry("carol", WRONG)}, "it is no copy"


def test_rotate_where_copies_cannot_be_looked_for(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    # Lists of the namespace are allowed, those of all namespaces are not.
    kit.cluster.before = lambda asked: (
        status(403, "Forbidden", "secrets is forbidden") if asked.path == "/api/v1/secrets" else None
    )
    found = rotate(kit)
    assert found.code == 0
    assert "Warning: copies in other namespaces can't be looked for: " in found.err


def test_rotate_again_says_unchanged(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("a", entries))
    assert rotate(kit).code == 0
    del kit.cluster.asked[:]
    found = rotate(kit)
    assert (found.code, kit.cluster.writes) == (0, [])
    assert [line.endswith("unchanged") for line in found.out.splitlines()] == [True, True]


def test_rotate_takes_the_user_of_the_entry(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    assert rotate(kit, username="").code == 0
    assert kit.cluster.entries("regcred") == {kit.host: entry("carol", NEW)}


def test_rotate_takes_the_user_of_an_entry_that_has_only_auth(kit: Kit) -> None:
    """As `docker login` writes them."""
    kit.put(secret("regcred", {kit.host: {"auth": auth("carol", WRONG)}}))
    assert rotate(kit, username="").code == 0
    assert kit.cluster.entries("regcred")[kit.host]["auth"] == auth("carol", NEW)


def test_rotate_from_the_docker_config(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    kit.docker_config({"auths": {kit.host: {"auth": auth("carol", NEW)}}})
    assert kit.run("rotate", "regcred", "--from-docker-config").code == 0
    assert kit.cluster.entries("regcred") == {kit.host: entry("carol", NEW)}


def test_rotate_keeps_the_key_as_it_is_spelt_and_does_not_say_otherwise(kit: Kit) -> None:
    key = f"https://{kit.host}/v1/"
    kit.put(secret("regcred", {key: entry("carol", WRONG)}))
    found = rotate(kit)
    assert (found.code, kit.cluster.entries("regcred")) == (0, {key: entry("carol", NEW)})
    assert "is stored as" not in found.err


def test_rotate_needs_to_know_which_of_several(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG), "ghcr.io": other()}))
    found = rotate(kit)
    assert (found.code, kit.cluster.writes) == (1, [])
    assert f"--docker-server is needed, for the secret has several entries, or none: {kit.host}, ghcr.io" in found.err
    assert rotate(kit, "--docker-server", f"https://{kit.host}/v2/").code == 0
    found = rotate(kit, "--docker-server", "quay.io")
    assert "secret/regcred has no entry for quay.io" in found.err


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "Opaque"}, "secret/regcred is of type Opaque: only kubernetes.io/dockerconfigjson is rotated"),
        ({"immutable": True}, "secret/regcred is immutable: make another one, and list that"),
        ({"metadata": {"annotations": {"kubectl-pullsecret/copy-of": "far/regcred"}}},
         "secret/regcred is a copy of far/regcred: rotate that one"),
        ({"data": {KEY: "AAAA"}}, "the content of secret/regcred can't be read"),
    ],
)  # fmt: skip
def test_rotate_and_what_cannot_be_rotated(kit: Kit, fields: Object, text: str) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}, **fields))
    found = rotate(kit)
    assert (found.code, kit.cluster.writes, kit.registry.seen) == (1, [], [])
    assert text in found.err
    assert 'secrets "gone" not found in namespace ns' in kit.run("rotate", "gone").err


def test_rotate_that_stops_half_way_says_where_the_old_password_still_is(kit: Kit) -> None:
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("a", entries), copy_in("b", entries))
    answer = status(500, "InternalError", "not now")
    kit.cluster.before = lambda asked: answer if asked.method == "PUT" and "/a/" in asked.path else None
    found = rotate(kit)
    assert (found.code, found.out) == (1, "secret/regcred updated in namespace ns\n")
    last = found.err.splitlines()[-1]
    assert "; whether secret/regcred in namespace a was updated is not known; " in last
    assert "; still with the old password in namespace b: kubectl pullsecret copy regcred --to-namespace a " in last


def test_rotate_that_stopped_half_way_says_how_it_is_finished(kit: Kit) -> None:
    """The copies differ from their source then: to rotate again would leave them alone."""
    entries = {kit.host: entry("carol", WRONG)}
    kit.put(secret("regcred", entries), copy_in("a", entries), copy_in("b", entries))
    answer = status(500, "InternalError", "not now")
    kit.cluster.before = lambda asked: answer if asked.method == "PUT" and "/a/" in asked.path else None
    told = rotate(kit).err.splitlines()[-1]
    kit.cluster.before = lambda asked: None
    assert "kubectl pullsecret copy regcred " in told
    assert kit.run(*told.partition("kubectl pullsecret ")[2].split()).code == 0
    assert [kit.cluster.entries("regcred", place) for place in "ab"] == [{kit.host: entry("carol", NEW)}] * 2


def test_rotate_changes_the_right_one_of_two_with_the_same_login(kit: Kit) -> None:
    same = entry("carol", WRONG)
    kit.put(secret("regcred", {"ghcr.io": same, f"https://{kit.host}": same, "quay.io": same}))
    assert rotate(kit, "--docker-server", kit.host).code == 0
    assert kit.cluster.entries("regcred") == {"ghcr.io": same, f"https://{kit.host}": entry("carol", NEW), "quay.io": same}


def test_rotate_keeps_what_somebody_else_wrote_meanwhile(kit: Kit) -> None:
    kit.put(secret("regcred", {kit.host: entry("carol", WRONG)}))
    done: list[Asked] = []

    def before(asked: Asked) -> Optional[Answer]:
        if asked.method == "PUT" and not done:
            done.append(asked)
            kit.put(secret("regcred", {kit.host: entry("carol", WRONG), "ghcr.io": other()}))
        return None

    kit.cluster.before = before
    found = rotate(kit)
    assert kit.cluster.entries("regcred")["ghcr.io"] == other()
    assert found.code == 0, "what does not touch this entry is no reason to stop"
    assert kit.cluster.entries("regcred")[kit.host] == entry("carol", NEW)
