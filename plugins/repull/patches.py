"""The JSON patches that make controllers start something anew. Pure: an object in, its patch out.

Each tests that the object is still the one that was seen. Sources: kubectl's own `rollout restart`; the operator's
documentation "Restarting" and its lifecycle scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from pullcore.pull import Object
from pullcore.weblogic import next_version

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
ADMIN_NAMES = ("admin-server", "adminserver")  # where the pod does not tell

Patch = Callable[[Object], list[Object]]


def introspect(value: Object) -> list[Object]:
    """A new introspectVersion of a Domain."""
    return [_unchanged(value), _put("/spec/introspectVersion", next_version(value.get("spec", {}).get("introspectVersion")))]


def restart(value: Object) -> list[Object]:
    """A new restartVersion of a Domain or of a Cluster: all its servers restart, one by one."""
    return [_unchanged(value), _put("/spec/restartVersion", next_version(value.get("spec", {}).get("restartVersion")))]


def restart_server(server: str, *, admin: bool) -> Patch:
    """A new restartVersion of one server of a Domain."""

    def patch(value: Object) -> list[Object]:
        spec = value.get("spec", {})
        if admin:
            own = spec.get("adminServer")
            version = next_version((own or {}).get("restartVersion"))
            put = _put("/spec/adminServer", {"restartVersion": version})
            return [_unchanged(value), put if own is None else _put("/spec/adminServer/restartVersion", version)]
        servers = spec.get("managedServers")
        for number, one in enumerate(servers or ()):
            if one.get("serverName") == server:
                version = next_version(one.get("restartVersion"))
                return [_unchanged(value), _put(f"/spec/managedServers/{number}/restartVersion", version)]
        new = {"serverName": server, "restartVersion": "1"}
        put = _put("/spec/managedServers", [new]) if servers is None else _put("/spec/managedServers/-", new)
        return [_unchanged(value), put]

    return patch


def is_admin(pod: Object, server: str) -> bool:
    """Whether a server pod is that of the administration server: the operator tells it in the environment."""
    for container in (pod.get("spec") or {}).get("containers") or ():
        for one in container.get("env") or ():
            if one.get("name") == "ADMIN_NAME" and one.get("value"):
                return bool(one["value"] == server)
    return server.lower() in ADMIN_NAMES


def rollout_restart(now: datetime) -> Patch:
    """What `kubectl rollout restart` does: an annotation of the template with the time."""
    stamp = now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def patch(value: Object) -> list[Object]:
        metadata = value.get("spec", {}).get("template", {}).get("metadata")
        path = "/spec/template/metadata"
        if metadata is None:
            put = _put(path, {"annotations": {RESTARTED_AT: stamp}})
        elif metadata.get("annotations") is None:
            put = _put(f"{path}/annotations", {RESTARTED_AT: stamp})
        else:
            put = _put(f"{path}/annotations/{RESTARTED_AT.replace('/', '~1')}", stamp)
        return [_unchanged(value), put]

    return patch


def _put(path: str, value: object) -> Object:
    return {"op": "add", "path": path, "value": value}


def _unchanged(value: Object) -> Object:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": value["metadata"]["resourceVersion"]}
