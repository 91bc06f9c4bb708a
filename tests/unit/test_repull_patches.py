"""The patches that make controllers start something anew, applied as an API server does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import pytest
from repull.patches import Patch, introspect, is_admin, restart, restart_server, rollout_restart

from .builders import NOW, Object
from .repull_builders import Untrue, applied, changed

STAMP = "2026-03-01T12:00:00Z"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def value(spec: Object) -> Object:
    return {"kind": "Domain", "metadata": {"name": "domain1", "resourceVersion": "7"}, "spec": spec}


def template(metadata: Optional[Object]) -> Object:
    return {"template": {"spec": {}, **({"metadata": metadata} if metadata is not None else {})}}


VERSIONS = [(None, "1"), ("", "1"), ("1", "2"), ("41", "42"), ("007", "8"), ("v3", "1"), ("-1", "1"), ("2.5", "1")]
ADMIN: Callable[[str], Patch] = lambda name: restart_server(name, admin=True)  # noqa: E731
MANAGED: Callable[[str], Patch] = lambda name: restart_server(name, admin=False)  # noqa: E731
ROLLOUT = rollout_restart(NOW)

CASES: list[tuple[str, Patch, Object, Object]] = [
    # what, the patch, the spec before, and after
    *((f"introspect {old}", introspect, {"introspectVersion": old} if old is not None else {}, {"introspectVersion": new})
      for old, new in VERSIONS),
    *((f"restart {old}", restart, {"restartVersion": old} if old is not None else {}, {"restartVersion": new})
      for old, new in VERSIONS),
    ("the admin server, nothing there", ADMIN("a"), {}, {"adminServer": {"restartVersion": "1"}}),
    ("the admin server, without a version", ADMIN("a"), {"adminServer": {"serverPod": {"x": 1}}},
     {"adminServer": {"serverPod": {"x": 1}, "restartVersion": "1"}}),
    ("the admin server, empty", ADMIN("a"), {"adminServer": {}}, {"adminServer": {"restartVersion": "1"}}),
    ("the admin server, with one", ADMIN("a"), {"adminServer": {"restartVersion": "3"}},
        {"adminServer": {"restartVersion": "4"}}),
    ("a server, nothing there", MANAGED("m2"), {}, {"managedServers": [{"serverName": "m2", "restartVersion": "1"}]}),
    ("a server, no servers", MANAGED("m2"), {"managedServers": []},
     {"managedServers": [{"serverName": "m2", "restartVersion": "1"}]}),
    ("a server, others", MANAGED("m2"), {"managedServers": [{"serverName": "m1"}]},
     {"managedServers": [{"serverName": "m1"}, {"serverName": "m2", "restartVersion": "1"}]}),
    ("a server, without a version", MANAGED("m2"), {"managedServers": [{"serverName": "m1"}, {"serverName": "m2"}]},
     {"managedServers": [{"serverName": "m1"}, {"serverName": "m2", "restartVersion": "1"}]}),
    ("a server, with one", MANAGED("m2"),
     {"managedServers": [{"serverName": "m1", "restartVersion": "8"}, {"serverName": "m2", "restartVersion": "9"}]},
     {"managedServers": [{"serverName": "m1", "restartVersion": "8"}, {"serverName": "m2", "restartVersion": "10"}]}),
    ("rollout, no metadata", ROLLOUT, template(None), template({"annotations": {RESTARTED: STAMP}})),
    ("rollout, empty metadata", ROLLOUT, template({}), template({"annotations": {RESTARTED: STAMP}})),
    ("rollout, labels", ROLLOUT, template({"labels": {"a": "b"}}),
     template({"labels": {"a": "b"}, "annotations": {RESTARTED: STAMP}})),
    ("rollout, null annotations", ROLLOUT, template({"annotations": None}), template({"annotations": {RESTARTED: STAMP}})),
    ("rollout, others", ROLLOUT, template({"annotations": {"a/b": "c"}}),
     template({"annotations": {"a/b": "c", RESTARTED: STAMP}})),
    ("rollout, again", ROLLOUT, template({"annotations": {RESTARTED: "2020-01-01T00:00:00Z"}}),
     template({"annotations": {RESTARTED: STAMP}})),
]  # fmt: skip


@pytest.mark.parametrize(("what", "patch", "before", "after"), CASES, ids=[case[0] for case in CASES])
def test_patches(what: str, patch: Patch, before: Object, after: Object) -> None:
    there = value({**before, "image": "x:1"})
    as_it_was = copy.deepcopy(there)
    operations = patch(there)
    assert applied(there, operations) == value({**after, "image": "x:1"})
    assert there == as_it_was
    with pytest.raises(Untrue, match="resourceVersion"):
        applied(changed(there, metadata__resourceVersion="8"), operations)


def test_a_null_field_is_one_that_is_not_there() -> None:
    """An API server may give `null` for a field that somebody wrote so."""
    for patch, field in ((ADMIN("a"), "adminServer"), (MANAGED("m"), "managedServers")):
        there = value({field: None})
        assert applied(there, patch(there))["spec"][field]


@pytest.mark.parametrize("hours", [-11, 0, 5.5])
def test_the_time_of_a_rollout_is_in_utc(hours: float) -> None:
    """As kubectl writes it, whatever zone this machine is in."""
    there = value(template(None))
    moment = datetime(2026, 3, 1, 12, tzinfo=timezone.utc).astimezone(timezone(timedelta(hours=hours)))
    made = applied(there, rollout_restart(moment)(there))
    assert made["spec"]["template"]["metadata"]["annotations"] == {RESTARTED: STAMP}


def env(*pairs: tuple[str, Any]) -> Object:
    listed = [{"name": name, **({"value": given} if given is not None else {})} for name, given in pairs]
    return {"spec": {"containers": [{"name": "sidecar"}, {"name": "weblogic-server", "env": listed}]}}


@pytest.mark.parametrize(
    ("pod", "server", "is_so"),
    [
        (env(("DOMAIN", "x"), ("ADMIN_NAME", "boss")), "boss", True),
        (env(("ADMIN_NAME", "boss")), "admin-server", False),
        (env(("ADMIN_NAME", "")), "admin-server", True),
        (env(("ADMIN_NAME", None)), "Admin-Server", True),
        (env(), "adminserver", True),
        (env(), "AdminServer", True),
        (env(), "managed-server1", False),
        ({}, "admin-server", True),
        ({"spec": {"containers": [{"name": "x"}]}}, "m1", False),
    ],
)
def test_which_server_is_the_administration_server(pod: Object, server: str, is_so: bool) -> None:
    assert is_admin(pod, server) is is_so
