"""What is learnt from pods that are not diagnosed themselves: they are looked at once, as they come, and not kept."""

from __future__ import annotations

import re

from pullcore.evidence import Name
from pullcore.kubelet import is_crashing, is_pull_reason
from pullcore.podspec import CONTAINER_LISTS, service_account_of
from pullcore.pull import Object
from pullcore.reference import InvalidReference, parse

_WAITING = b'"waiting"'  # in managedFields it is "f:waiting"
_IMAGE = re.compile(rb'"image":"([^"]*)"')
_STATE = re.compile(rb'"state":\{(?:"(\w+)")?')


class Census:
    """What pods that are not looked at themselves tell: which lists of pull secrets the pods of each service account have,
    and which registries serve pods that have none."""

    def __init__(self) -> None:
        self._alike: set[tuple[bytes, ...]] = set()
        self.images: set[str] = set()
        self.lists: dict[Name, set[tuple[str, ...]]] = {}

    def look(self, pod: Object) -> None:
        spec = pod.get("spec") or {}
        listed = tuple(one["name"] for one in spec.get("imagePullSecrets") or () if one.get("name"))
        self.lists.setdefault((pod["metadata"].get("namespace", ""), service_account_of(spec)), set()).add(listed)
        if listed:
            return
        # The status may show another name of the same image: what was asked for stands in the spec.
        images = {one.get("name"): one.get("image", "") for one in spec.get("containers") or ()}
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            if "running" in (status.get("state") or {}):
                self.images.add(images.get(status.get("name"), ""))

    def wanted(self, pod: Object) -> bool:
        """Whether a pod waits for an image, or may do so; every pod is looked at on the way."""
        self.look(pod)
        return waits(pod) or is_crashing(pod)

    def text_wanted(self, text: bytes) -> bool:
        """Whether a pod has to be parsed to know what it tells: it waits for something, or it is the first of its
        owner's that are alike. text: its JSON, compact, as API servers write it."""
        if _WAITING in text:
            return True
        owner = _part(text, b'"ownerReferences":[', b"]")
        if not owner:
            return True
        # The owner's template may have changed, and admission may have given them other accounts, secrets and images.
        given = (_part(text, b'"serviceAccountName":"', b'"'), _part(text, b'"imagePullSecrets":[', b"]"))
        status = max(text.find(b'"status":{"'), 0)
        alike = (owner, *given, *_IMAGE.findall(text, 0, status), *_STATE.findall(text, status))
        is_new = alike not in self._alike
        self._alike.add(alike)
        return is_new

    def registries(self) -> tuple[str, ...]:
        return tuple(sorted({registry for image in self.images if (registry := registry_of(image))}))


def _part(text: bytes, begin: bytes, end: bytes) -> bytes:
    at = text.find(begin)
    return text[at : text.find(end, at + len(begin))] if at >= 0 else b""


def waits(pod: Object) -> bool:
    status = pod.get("status") or {}
    for _, field_name, _ in CONTAINER_LISTS:
        for one in status.get(field_name) or ():
            waiting = (one.get("state") or {}).get("waiting")
            if waiting and is_pull_reason(waiting.get("reason")):
                return True
    return False


def registry_of(image: str) -> str:
    try:
        return parse(image).registry
    except InvalidReference:
        return ""
