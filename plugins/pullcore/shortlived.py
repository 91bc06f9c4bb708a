"""Pods of ours that are made for a moment: whatever happens, they go again, and none of somebody else's does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Optional

from pullcore.apierrors import Conflict, NotFound, may_be_done
from pullcore.cluster import Cluster, resource_path
from pullcore.errors import CommandError
from pullcore.overlap import overlapped
from pullcore.pull import Object

PAUSES = (0.5, 1.0, 0.0)  # seconds after each try to delete one
Name = tuple[str, str]  # namespace, name


class ShortLived:
    """Makes pods under names that are known before, and takes them away by UID. grace: seconds that they get to end."""

    def __init__(self, cluster: Cluster, grace: int) -> None:
        self.cluster, self.grace = cluster, grace
        self.left: list[Name] = []  # what `clear` could not remove
        self._there: dict[Name, Optional[str]] = {}  # with their UIDs, as far as known: of all that may be there
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def any(self) -> bool:
        """Whether one may be there."""
        return bool(self._there)

    def create(self, value: Object, post: Callable[[Object], Object]) -> Object:
        """Has `post` make the pod, and gives what it answers. Raises what `post` raises, or CommandError; after an error
        that leaves open whether it was made it is deleted."""
        metadata = value["metadata"]
        name = (metadata["namespace"], metadata["name"])
        with self._lock:  # so that none is made after the others were deleted
            if self._stopped:
                raise CommandError("it was stopped")
            self._there[name] = None  # an interrupt may come, an answer may get lost, and the pod be there all the same
        try:
            made = post(value)
            uid = str(made["metadata"]["uid"])
        except CommandError as error:
            if may_be_done(error):
                self.delete(*name)
            else:
                self._forget(name)
            raise
        except (KeyError, TypeError):
            self.delete(*name)
            raise CommandError("the server's answer is no pod") from None
        with self._lock:
            self._there[name] = uid
            late = self._stopped
        if late:  # whoever took the others away may have come too early for this one
            self.delete(*name)
            raise CommandError("it was stopped")
        return made

    def delete(self, namespace: str, name: str, uid: Optional[str] = None) -> bool:
        """Whether a pod is gone, or going. uid: of one that this object did not make. Raises nothing."""
        uid = uid or self._there.get((namespace, name))
        path = resource_path("v1", "pods", namespace=namespace, name=name)
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": self.grace}
        body |= {"preconditions": {"uid": uid}} if uid else {}
        for pause in PAUSES:
            try:
                self.cluster.request("DELETE", path, body=body)
            except CommandError as error:
                if not _is_absent(error) and not (isinstance(error, Conflict) and self._is_another(path, uid)):
                    time.sleep(pause)
                    continue
            self._forget((namespace, name))
            return True
        return False

    def stop(self) -> None:
        """Nothing more is made."""
        with self._lock:
            self._stopped = True

    def clear(self) -> None:
        """Deletes all that may still be there, and keeps in `left` what could not be, also while it is interrupted."""
        self.stop()
        names = self.left = list(self._there)
        gone = overlapped(lambda name: self.delete(*name), names)
        self.left = [name for name, is_gone in zip(names, gone) if not is_gone]

    def sweep(self, namespace: str, selector: str, is_leftover: Callable[[Object], bool]) -> list[str]:
        """Deletes what runs left behind that were killed; the names. Raises what `Cluster` raises."""
        path = resource_path("v1", "pods", namespace=namespace)
        some: Iterable[Object] = self.cluster.items(path, labelSelector=selector)
        left = [pod["metadata"] for pod in some if is_leftover(pod)]
        return [str(one["name"]) for one in left if self.delete(namespace, one["name"], one["uid"])]

    def _forget(self, name: Name) -> None:
        with self._lock:
            self._there.pop(name, None)

    def _is_another(self, path: str, uid: Optional[str]) -> bool:
        """Whether the pod is gone, after a deletion that met a conflict; another of that name may be there."""
        try:
            return uid is not None and bool(self.cluster.get(path)["metadata"]["uid"] != uid)
        except CommandError as error:
            return _is_absent(error)


def _is_absent(error: CommandError) -> bool:
    """Whether the server says that there is no such pod, and not something before it that it knows no such path."""
    return isinstance(error, NotFound) and error.names_object
