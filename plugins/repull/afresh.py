"""The evidence as it would be if every waiting pull were tried now: what a kubelet said before the cause was mended does
not count, what the objects and the registry say today does. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pullcore.diagnosis import BLOCKED, Diagnosis, Report
from pullcore.evidence import Evidence
from pullcore.kubelet import WITHOUT_BACK_OFF, was_pulled
from pullcore.podspec import CONTAINER_LISTS, secret_names, service_account_of
from pullcore.pull import Object, Source, Target
from pullcore.workload import Index, asks_of, pulls, waits_for_image

from repull.steps import Step


def afresh(evidence: Evidence, steps: Sequence[Step]) -> Evidence:
    """What the next tries will ask for, once these steps are done: waiting pods that are left ask for what they have, those
    that are made again for what is made today. Pods that do not wait are not in question, nor are those that are stuck."""
    index = Index(evidence)
    kept = {uid for step in steps if step.do == "leave" and not step.stuck for uid in step.pods}
    anew = {uid for step in steps if step.do != "leave" for uid in step.pods}
    pods = []
    for pod in evidence.pods:
        uid = pod["metadata"].get("uid", "")
        if uid in kept:
            pods.append(_untried(pod))
        elif uid in anew and not any(asks_of(index.by_target.get(one, {})) for one in index.owners(pod)):
            pods.append(_unborn(pod, evidence))
    objects = [{key: part for key, part in one.items() if key != "status"} for one in evidence.objects]
    targets = dict.fromkeys([*evidence.targets, *(step.asker for step in steps)])
    return replace(evidence, waiting_only=False, targets=tuple(targets), objects=tuple(objects), pods=tuple(pods), events=())


def _untried(pod: Object) -> Object:
    """The pod without what its kubelet said of pulls."""
    status = dict(pod.get("status", {}))
    for _, field, _ in CONTAINER_LISTS:
        if field in status:
            status[field] = [one for one in status[field] if not _is_of_yesterday(one)]
    return {**pod, "status": status}


def _is_of_yesterday(status: Object) -> bool:
    waiting = status.get("state", {}).get("waiting")
    return waiting is not None and waiting.get("reason") not in WITHOUT_BACK_OFF


def _unborn(pod: Object, evidence: Evidence) -> Object:
    """The pod as it is made again. A list that is its service account's was given to it by admission, and is given anew."""
    spec = dict(pod.get("spec", {}))
    metadata = {key: part for key, part in pod["metadata"].items() if key != "uid"}
    account = evidence.service_accounts.get((metadata.get("namespace", ""), service_account_of(spec)))
    if secret_names(spec) == secret_names(account or {}):
        spec.pop("imagePullSecrets", None)
    return {**pod, "metadata": metadata, "spec": spec, "status": {}}


def still_blocked(before: Evidence, after: Report) -> list[Diagnosis]:
    """The Pulls that would be refused again. What only pods ask for that have their image is not in question."""
    settled = _settled(before)
    return [
        one
        for one in after.pulls
        if one.verdict == BLOCKED
        and (one.pull.live or not settled.issuperset((one.pull.namespace, source) for source in one.pull.sources))
    ]


def _settled(evidence: Evidence) -> set[tuple[str, Source]]:
    """The places whose images pods have, and no pod waits for."""
    have: set[tuple[str, Source]] = set()
    want: set[tuple[str, Source]] = set()
    for pull in pulls(evidence):
        places = {(pull.namespace, source) for source in pull.sources}
        if any(map(waits_for_image, pull.containers)):
            want |= places
        elif any(map(was_pulled, pull.containers)):
            have |= places
    return have - want


def askers_of(blocked: Sequence[Diagnosis]) -> dict[Target, list[Diagnosis]]:
    """What is blocked, by the objects that ask for it."""
    found: dict[Target, list[Diagnosis]] = {}
    for one in blocked:
        for asker in one.pull.askers:
            found.setdefault(asker, []).append(one)
    return found
