"""A stand-in API server that has one fault, at one call or from there on."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from pullcore import canary

from tests.unit.builders import IMAGE, REFUSED, Object, waiting

from ..standin import REVIEWS, Answer, Asked, ClusterStandIn, Name
from .operator import Operator
from .scenes import Scene

if TYPE_CHECKING:
    from .kinds import Fault

# What is another one in each run.
RANDOM = ((re.compile(r"pull-canary-[0-9a-f]+"), "pull-canary"), (re.compile(r"uid-\d+"), "uid"))
TOLD_APART = ("labelSelector", "fieldSelector", "watch", "dryRun")


@dataclass(frozen=True, order=True)
class Call:
    """One request of a run: which one, and the how-manieth of its like."""

    what: str
    number: int = 1

    @property
    def method(self) -> str:
        return self.what.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.what.partition(" ")[2]

    @property
    def writes(self) -> bool:
        return self.method != "GET" and "selfsubjectaccessreviews" not in self.what

    @property
    def watches(self) -> bool:
        return "watch=true" in self.what


def is_of_crd(call: Call) -> bool:
    return "weblogic.oracle" in call.path.partition("?")[0]


def named(asked: Asked) -> str:
    """`GET /api/v1/pods?labelSelector=app=web`, the same in each run."""
    more = [f"{key}={asked.query[key]}" for key in TOLD_APART if key in asked.query]
    more += ["continue"] if "continue" in asked.query else []
    more += ["metadata"] if "as=Partial" in "".join(asked.all("Accept")) else []
    if asked.path == REVIEWS:
        attributes = json.loads(asked.body)["spec"]["resourceAttributes"]
        more += [" ".join(str(attributes.get(key, "")) for key in ("verb", "resource", "namespace", "name", "subresource"))]
    text = f"{asked.method} {asked.path}{'?' if more else ''}{'&'.join(more)}"
    for pattern, word in RANDOM:
        text = pattern.sub(word, text)
    return text


class FaultyStandIn(ClusterStandIn):
    """calls: what came, in order; hits: how often the fault was met."""

    def __init__(
        self, scene: Scene, fault: Optional[Fault] = None, call: Optional[Call] = None,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:  # fmt: skip
        self.scene, self.fault, self.call = scene, fault, call
        self.calls: list[Call] = []
        self.hits = 0
        self._context = context
        self._met = False
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        self.operator = Operator(self) if scene.operated else None
        super().__init__(*scene.objects(), context=context)
        self.answer = self._faulty
        if fault:
            fault.prepare(self)

    def heal(self) -> None:
        """From now on it works."""
        self.fault = None
        self.unserved.clear()
        self.refused.clear()
        self.context = self._context
        self.is_up.wait()

    def _faulty(self, asked: Asked) -> Answer:
        what = named(asked)
        with self._counting:
            self._counts[what] += 1
            call = Call(what, self._counts[what])
            self.calls.append(call)
            fault = self.fault
            hit = fault is not None and self.call is not None and fault.is_met(call, self.call, met=self._met)
            self._met |= hit
            self.hits += hit or self._is_meant(call)
        if not hit or fault is None:
            return self._answer(asked)
        honest: Callable[[], Answer] = lambda: self._answer(asked)  # noqa: E731
        return fault.spoil(self, asked, honest)

    def _is_meant(self, call: Call) -> bool:
        """Whether a request meets a fault that is none of single requests."""
        return bool(self.unserved and is_of_crd(call)) or any(number <= self.connections for number in self.refused)

    # Controllers and kubelets

    def put(self, value: Object) -> Object:
        if value["kind"] == "Pod" and value["metadata"].get("labels", {}).get(canary.MANAGED) and "status" not in value:
            name = canary.CONTAINER
            statuses = [{"name": name, "state": waiting(REFUSED), "image": IMAGE, "imageID": "", "restartCount": 0}]
            value = {**value, "status": {"phase": "Pending", "startTime": "2026-03-01T12:00:00Z",
                                         "containerStatuses": statuses}}  # fmt: skip
        if self.operator and value["kind"] == "Domain" and self._asks_for_introspection(value):
            self.operator.introspect()
        return super().put(value)

    def _asks_for_introspection(self, value: Object) -> bool:
        there = self.objects.get(("Domain", "default", value["metadata"]["name"]), value)
        return bool(value["spec"].get("introspectVersion") != there["spec"].get("introspectVersion"))

    def snapshot(self) -> dict[Name, Object]:
        """Once nobody is at work on them."""
        if self.operator:
            self.operator.finish()
        return super().snapshot()

    def remove(self, kind: str, name: str, namespace: str = "default") -> None:
        super().remove(kind, name, namespace)
        if successor := self.scene.replaced.get(name):
            self.put(successor)
