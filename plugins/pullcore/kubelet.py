"""What the kubelet says about one container, and what is left of its words in a WebLogic Domain. Pure functions.

`classify` (in `pull_errors`) turns one text into a cause; here it is found out which text counts: the waiting state,
or an event where the state only says "Back-off". Sources: pkg/kubelet/images (image_manager.go, types.go), client-go
util/flowcontrol/backoff.go, client-go tools/record/events_cache.go; the operator's IntrospectionStatus and JobHelper.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Optional

from pullcore.image_events import LONGEST_DELAY, Event, Story, quoted_image, read_events, same_image
from pullcore.pull import ContainerUse, Object
from pullcore.pull_errors import Classification, classify
from pullcore.times import parse_time
from pullcore.weblogic import DEFAULT_IMAGE, domain_uid, failures

__all__ = [
    "PULL_REASONS", "Classification", "DomainWord", "KubeletWord", "classify", "domain_word", "is_aborted",
    "is_pull_reason", "quoted_image", "same_image", "word",
]  # fmt: skip

CRASHING = "CrashLoopBackOff"
PULL_REASONS = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
    "RegistryUnavailable", "SignatureValidationFailed",
)  # fmt: skip

# Waiting reasons of a container whose image was there.
AFTER_THE_PULL = frozenset(
    "CrashLoopBackOff CreateContainerConfigError CreateContainerError RunContainerError StartError PreStartHookError "
    "PostStartHookError".split()
)
# Judged anew at every sync of a pod, without a back-off: what is said is of now (pkg/kubelet/images, image_manager.go).
WITHOUT_BACK_OFF = frozenset(("ErrImageNeverPull", "InvalidImageName"))


class KubeletWord(NamedTuple):
    """The kubelet's complaint about one container's image.

    `reason`: the waiting reason, or the event's; `cause`: of the catalogue; `detail`: one line; `message`: verbatim,
    not escaped. `since`: first known failure, `last`: newest; `attempts`: failed pulls, at least; `next_try`: an
    estimate, never before `now`. `source`: where the message was found.
    """

    reason: str
    cause: str
    detail: str
    message: str
    since: Optional[datetime] = None
    attempts: Optional[int] = None
    next_try: Optional[datetime] = None
    source: str = "status"  # "status" | "event" | "domain"
    last: Optional[datetime] = None


class DomainWord(NamedTuple):
    """A kubelet's complaint that a Domain's status repeats: about which image, "" if not told, and which pod."""

    word: KubeletWord
    image: str
    pod: Optional[str]


def is_pull_reason(reason: str | None) -> bool:
    """Whether a waiting reason is about the image. From Kubernetes 1.33 on the error of a malformed pull secret is
    itself the reason, so a reason with blanks is, too; all others are single words."""
    return bool(reason) and (reason in PULL_REASONS or " " in str(reason))


def word(use: ContainerUse, pod: Object, image: str, events: Sequence[Object], now: datetime) -> Optional[KubeletWord]:
    """What the kubelet says about the image of one container, init container or image volume of a pod.

    In: the container and its state, its pod, the image as written in the pod, the pod's events.
    Out: None when the kubelet does not complain about this image.
    """
    reason, message = _waiting(use, pod, image)
    if not is_pull_reason(reason) and use.kind != "volume" and reason != "ContainerCreating":
        return None  # as most containers are: their events need not be read
    story = _story(use, image, events)
    if is_pull_reason(reason):
        if use.kind != "volume" and _is_of_volume(message, pod, image):
            return None
        found, source = classify(message, reason), "status"
        told = story.told if found.cause == "backoff-only" else None
        if told:
            found, message, source = told.found, told.message, "event"
    elif use.kind == "volume" and story.told:
        told = story.told
        reason, found, message, source = "ErrImagePull", told.found, told.message, "event"
    elif reason == "ContainerCreating" and (told := _sandbox(events)):
        found = Classification(told.found.cause, f"pod sandbox: {told.found.detail}")
        return KubeletWord(told.reason, *found, told.message, told.first, None, None, "event")
    else:
        return None
    attempts = story.attempts
    since = story.since or _start(use, pod, story)
    last = story.told.last if story.told else None
    return KubeletWord(str(reason), *found, message or str(reason), since, attempts, story.next_try(now), source, last)


def was_pulled(use: ContainerUse) -> bool:
    """Whether a container's state shows that its image was there: it ran, or waits for something after the pull. A pod that
    was killed before its containers started shows them terminated with ContainerStatusUnknown."""
    if use.state == "terminated":
        return use.reason != "ContainerStatusUnknown"
    return use.state == "running" or (use.state == "waiting" and use.reason in AFTER_THE_PULL)


def is_crashing(pod: Object) -> bool:
    """Whether a container of the pod waits after a run."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return any((one.get("state") or {}).get("waiting", {}).get("reason") == CRASHING for one in statuses)


def as_refused(pod: Object, events: Sequence[Object]) -> Object:
    """A pod with its kubelet's word on images where it tells only of the back-off after an earlier run: of a container that
    ran before, and whose image can't be had again, it tells of the pull for seconds and of that back-off for minutes
    (pkg/kubelet/kuberuntime, doBackOff). The events tell whether a pull failed since."""
    if not is_crashing(pod):
        return pod
    images = {one.get("name"): one.get("image", "") for one in pod.get("spec", {}).get("containers", [])}
    statuses = []
    for status in pod["status"]["containerStatuses"]:
        if status.get("state", {}).get("waiting", {}).get("reason") == CRASHING:
            name = status.get("name", "")
            use = ContainerUse(pod["metadata"]["name"], pod["metadata"].get("uid", ""), name, "container", None, "waiting")
            told = _story(use, images.get(name, ""), events).told
            began = parse_time(status.get("lastState", {}).get("terminated", {}).get("startedAt"))
            if told and not (began and began > told.last):  # it has run since: later events are limited
                status = {**status, "state": {"waiting": {"reason": "ImagePullBackOff", "message": told.message}}}
        statuses.append(status)
    return {**pod, "status": {**pod["status"], "containerStatuses": statuses}}


def _waiting(use: ContainerUse, pod: Object, image: str) -> tuple[Optional[str], str]:
    """The waiting state that speaks of `image`: the container's own; for an image volume that of any container."""
    if use.kind != "volume":
        return (use.reason, use.message or "") if use.state == "waiting" else (None, "")
    status = pod.get("status", {})
    for one in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = one.get("state", {}).get("waiting", {})
        about = quoted_image(waiting.get("message", ""))
        if about and waiting.get("reason") in PULL_REASONS and same_image(about, image):
            return waiting["reason"], waiting["message"]
    return None, ""


def _is_of_volume(message: str, pod: Object, image: str) -> bool:
    """Whether a container's message is about an image volume: 1.35 shows it at the containers that wait for that."""
    about = quoted_image(message)
    volumes = (one.get("image", {}).get("reference", "") for one in pod.get("spec", {}).get("volumes", []))
    return bool(about) and not same_image(about, image) and any(same_image(about, one) for one in volumes)


def _start(use: ContainerUse, pod: Object, story: Story) -> Optional[datetime]:
    """A pod's start, where no event is left and its container has not started before."""
    status = pod.get("status", {})
    restarts = [one.get("restartCount") for one in status.get("containerStatuses", []) if one["name"] == use.container]
    return None if story.pulled or any(restarts) else parse_time(status.get("startTime"))


def _story(use: ContainerUse, image: str, events: Iterable[Object]) -> Story:
    """What the events tell of this container and this image; those of others are left out."""
    failed: list[Event] = []
    backed_off: list[Event] = []
    pulling = pulled = None
    for event in read_events(events):
        about = quoted_image(event.message)
        if not about or not same_image(about, image) or not _is_of(event, use):
            continue
        if event.reason == "Pulled":
            pulled, pulling, failed, backed_off = event, None, [], []
        elif event.reason == "Pulling":
            pulling = event
        elif event.reason == "BackOff" or event.found.cause == "backoff-only":
            backed_off.append(event)
        else:
            failed.append(event)
    return Story(tuple(failed), tuple(backed_off), pulling, pulled)


def _is_of(event: Event, use: ContainerUse) -> bool:
    field, _, name = event.place.rstrip("}").partition("{")
    if use.kind == "volume":
        return not event.place or (field == "spec.volumes" and name == use.container)
    return name == use.container and field != "spec.volumes"


_SANDBOX = re.compile(r"sandbox image|pull(?:ing)? image|unpack(?:ing)?\b[^\n]*image", re.I)


def _sandbox(events: Iterable[Object]) -> Optional[Event]:
    """The newest event that the image of the pod's sandbox can't be had, if no container got further since."""
    latest = None
    for event in read_events(events):
        if event.reason == "FailedCreatePodSandBox" and _SANDBOX.search(event.message):
            latest = event
        elif event.reason in ("Pulling", "Pulled", "Created", "Started"):
            latest = None
    return latest


# WebLogic

_FAILURE = re.compile(r"Failure on pod '(?P<pod>[^']*)' in namespace '[^']*': (?P<said>.*)", re.S)
_RETRY = re.compile(r"\.* Will retry next at (\S+) and approximately every .*", re.S)
# The operator repeats any waiting message; these words are in those that are about images.
_OF_PULLS = re.compile(
    r"\bpull|\bimage (?:name|tag|reference)\b|inspect image|resolve reference|initializing source|docker://"
    r"|\bmanifests?\b|/v2/|\bregistry\b|illegal base64|JSON",
    re.I,
)


class _Report(NamedTuple):
    """One text of a Domain's status, or of an event, in which the words of a kubelet are."""

    reason: Optional[str]  # v8 gives the waiting reason itself
    said: str
    pod: Optional[str]
    retry: Optional[datetime]
    time: Optional[datetime]


def without_retry(message: str) -> str:
    return _RETRY.sub("", message)


def failed_pods(domain: Object) -> set[str]:
    """The names of the pods that a failed Domain's status speaks of; they may be gone, their events are not."""
    return {report.pod for report in _reports(domain) if report.pod} if failures(domain) else set()


def is_aborted(domain: Object) -> bool:
    """Whether the operator has given up: condition Failed, reason Aborted (v9; v8 never gives up so)."""
    return any(condition.get("reason") == "Aborted" for condition in failures(domain))


def domain_word(domain: Object, events: Sequence[Object], now: datetime) -> Optional[DomainWord]:
    """What the kubelet said about an introspector pod that may be gone: between two tries there is none.

    In: a Domain (v8 or v9) and events of its namespace. Out: None when the Domain does not fail on an image.
    """
    if not failures(domain):
        return None
    reports = [report for report in _reports(domain) if _is_pull(report)]
    image = next(filter(None, (_about(domain, report) for report in reports)), "")
    report, source = (reports[0], "domain") if reports else (None, "event")
    found = classify(report.said, report.reason) if report else None
    if not found or found.cause == "backoff-only":
        told = _told(domain, image, events, {one.pod for one in reports if one.pod})
        if told:
            image = image or _about(domain, told)
            report = told._replace(reason=report.reason) if report else told
            found, source = classify(told.said), "event"
    if not report or not found:
        return None
    status = domain.get("status", {})
    since = parse_time(status.get("initialFailureTime")) or next((one.time for one in reports), report.time)
    waits = (reports or [report])[0].said.startswith("Back-off")
    reason = report.reason or ("ImagePullBackOff" if waits else "ErrImagePull")
    retry = None if is_aborted(domain) else next(filter(None, (one.retry for one in _reports(domain))), None)
    if retry and retry < now:
        retry = now if now - retry < 2 * LONGEST_DELAY else None  # long past: the operator is not at work
    return DomainWord(KubeletWord(reason, *found, report.said, since, None, retry, source), image, report.pod)


def _reports(domain: Object) -> Iterator[_Report]:
    for one in failures(domain):
        yield _report(one.get("message") or "", one.get("reason"), one.get("lastTransitionTime"))
    status = domain.get("status", {})
    yield _report(status.get("message") or "", status.get("reason"), status.get("lastFailureTime"))


def _report(message: str, reason: Optional[str], time: object) -> _Report:
    retry = _RETRY.search(message)
    said = _RETRY.sub("", message)
    failure = _FAILURE.search(said)
    return _Report(
        reason if is_pull_reason(reason) else None,
        (failure["said"] if failure else said).strip(),
        failure["pod"] if failure else None,
        parse_time(retry.group(1)) if retry else None,
        parse_time(time),
    )


def _is_pull(report: _Report) -> bool:
    return bool(report.reason or (report.pod and _OF_PULLS.search(report.said)))


def _told(domain: Object, image: str, events: Iterable[Object], pods: Container[str]) -> Optional[_Report]:
    """The newest event in which a reason was given for an introspector pod of this Domain, unless it got its image.

    `image`: only about this one, if any; `pods`: introspector pods whatever their names.
    """
    name, uid = domain["metadata"]["name"], domain_uid(domain)
    wanted = [image] if image else list(_images(domain))  # not those that it named before it was corrected
    told: Optional[_Report] = None
    for event in read_events(events):
        about = quoted_image(event.message)
        if about and not any(same_image(about, one) for one in wanted):
            continue
        if event.kind == "Pod" and about and (event.name in pods or event.name.startswith(f"{uid}-introspect")):
            report = _Report(None, event.message, event.name, None, event.last)
        elif event.kind == "Domain" and event.name == name and _FAILURE.search(event.message):
            report = _report(event.message, None, None)._replace(time=event.last)
        else:
            continue
        if event.reason == "Pulled":
            told = None if told and same_image(quoted_image(told.said), about) else told
        elif event.reason != "Pulling" and _is_pull(report) and event.found.cause not in ("backoff-only", "unknown"):
            told = report
    return told


def _about(domain: Object, report: _Report) -> str:
    """The image that a report is about, as the Domain writes it; its only image if the report names none."""
    about, images = quoted_image(report.said), list(dict.fromkeys(_images(domain)))
    if not about:
        return images[0] if len(images) == 1 else ""
    return next((image for image in images if same_image(image, about)), about)


def _images(domain: Object) -> Iterator[str]:
    """What the introspector pulls: the Domain's own image, and auxiliary ones (v8 and v9)."""
    spec = domain.get("spec") or {}
    configuration = spec.get("configuration") or {}
    creation = ((configuration.get("initializeDomainOnPV") or {}).get("domain") or {}).get("domainCreationImages")
    model = (configuration.get("model") or {}).get("auxiliaryImages")
    yield spec.get("image") or DEFAULT_IMAGE
    for one in (*(model or ()), *(creation or ()), *((spec.get("serverPod") or {}).get("auxiliaryImages") or ())):
        yield one.get("image") or ""
