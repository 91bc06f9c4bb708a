"""Which of the kubelet's words count, and what they tell of the back-off."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import pytest
from pullcore.kubelet import (
    DomainWord,
    KubeletWord,
    as_refused,
    domain_word,
    is_aborted,
    is_pull_reason,
    same_image,
    word,
)
from pullcore.pull import ContainerUse

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
IMAGE = "reg.acme.test/wls/domain1:1.0"
REFUSED = "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"
MISSING = f'failed to resolve reference "{IMAGE}": {IMAGE}: not found'
Dict = dict[str, Any]


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def stamp(seconds: Optional[float]) -> Optional[str]:
    return None if seconds is None else ago(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(
    reason: str,
    message: str,
    last: float,
    count: int = 1,
    first: Optional[float] = None,
    place: str = "spec.containers{main}",
) -> Dict:
    return {
        "reason": reason,
        "message": message,
        "count": count,
        "firstTimestamp": stamp(last if first is None else first),
        "lastTimestamp": stamp(last),
        "involvedObject": {"kind": "Pod", "name": "p", "uid": "u", "fieldPath": place},
    }


def failed(error: str, last: float, count: int = 1, first: Optional[float] = None, image: str = IMAGE, **kw: Any) -> Dict:
    return event("Failed", f'Failed to pull image "{image}": {error}', last, count, first, **kw)


def back_off(last: float, count: int = 1, first: Optional[float] = None, image: str = IMAGE) -> Dict:
    return event("BackOff", f'Back-off pulling image "{image}"', last, count, first)


def pulling(last: float, count: int = 1, first: Optional[float] = None) -> Dict:
    return event("Pulling", f'Pulling image "{IMAGE}"', last, count, first)


def pulled(last: float, image: str = IMAGE) -> Dict:
    return event("Pulled", f'Successfully pulled image "{image}" in 3.2s', last)


POD: Dict = {"metadata": {"name": "p", "uid": "u"}, "status": {"startTime": stamp(4000), "containerStatuses": []}}


def said(
    reason: Optional[str], message: str, *events: Dict, kind: str = "container", pod: Dict = POD
) -> Optional[KubeletWord]:
    use = ContainerUse("p", "u", "main", kind, "n1", "waiting" if reason else "unknown", reason, message)
    return word(use, pod, IMAGE, events, NOW)


def spoken(found: Optional[KubeletWord]) -> tuple[str, str, str]:
    assert found
    return found.reason, found.cause, found.source


def test_the_status_speaks_for_itself() -> None:
    found = said("ErrImagePull", f'failed to pull and unpack image "{IMAGE}": {REFUSED}')
    assert found == KubeletWord(
        "ErrImagePull", "no-credentials", "401 Unauthorized", f'failed to pull and unpack image "{IMAGE}": {REFUSED}',
        since=ago(4000),
    )  # fmt: skip
    assert spoken(said("ImagePullBackOff", f'Back-off pulling image "{IMAGE}": ErrImagePull: {REFUSED}')) == (
        "ImagePullBackOff", "no-credentials", "status",
    )  # fmt: skip


def test_a_plain_back_off_takes_its_cause_from_the_newest_event_of_this_container_and_image() -> None:
    events = [
        failed(REFUSED, 300, 3, 400),
        failed(MISSING, 30),
        back_off(20, 9, 380),
        failed("dial tcp 10.0.0.1:443: i/o timeout", 10, image="other:1"),
        failed("dial tcp 10.0.0.1:443: i/o timeout", 10, place="spec.containers{sidecar}"),
        failed("dial tcp 10.0.0.1:443: i/o timeout", 10, place="spec.initContainers{prepare}"),
        event("Failed", "Error: ErrImagePull", 5),
        event("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (a)", 5, place=""),
    ]
    found = said("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"', *reversed(events))
    assert spoken(found) == ("ImagePullBackOff", "image-not-found", "event")
    assert found
    assert found.since == ago(400)
    assert found.attempts == 4
    assert found.next_try == ago(30 - 80)


def test_a_reason_without_a_message_takes_it_from_events_too() -> None:
    assert spoken(said("ErrImagePull", "", failed(REFUSED, 5))) == ("ErrImagePull", "no-credentials", "event")


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"', "backoff-only"),
        ("InvalidImageName", "", "invalid-name"),
        ("ErrImageNeverPull", f'Container image "{IMAGE}" is not present with pull policy of Never', "never-pull"),
        ("illegal base64 data at input byte 0", "", "secret-malformed"),
        ("ErrImagePull", "the flux capacitor is not charged", "unknown"),
    ],
)
def test_without_events(reason: str, message: str, cause: str) -> None:
    found = said(reason, message)
    assert spoken(found) == (reason, cause, "status")
    assert found
    assert found.message == (message or reason)
    assert (found.next_try, found.attempts) == (None, None)


@pytest.mark.parametrize(
    "reason",
    ["PodInitializing", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ContainerCreating", None],
)
def test_other_reasons_are_no_complaint_about_an_image(reason: Optional[str]) -> None:
    assert said(reason, "", failed(REFUSED, 5)) is None
    assert not is_pull_reason(reason)


def test_a_message_about_an_image_volume_is_not_about_the_container() -> None:
    volumes = [{"name": "data"}, {"name": "files", "image": {"reference": "reg.acme.test/files:1"}}]
    pod = {**POD, "spec": {"volumes": volumes}}
    assert said("ImagePullBackOff", 'Back-off pulling image "reg.acme.test/files:1": ErrImagePull: EOF', pod=pod) is None
    assert said("ErrImagePull", 'failed to pull and unpack image "reg.acme.test/files:1": EOF', pod=pod) is None
    assert said("ErrImagePull", f'failed to pull and unpack image "{IMAGE}": EOF', pod=pod)
    assert said("ErrImagePull", 'failed to pull and unpack image "mirror.test/domain1:1.0": EOF', pod=pod)


def test_an_event_of_an_unnamed_tag_is_about_the_image_with_latest() -> None:
    assert same_image("nginx", "docker.io/library/nginx:latest")
    assert same_image("reg.test:5000/a", "reg.test:5000/a:latest")
    assert same_image("reg.test/a:1@sha256:01", "reg.test/a@sha256:01")
    assert not same_image("nginx:1", "nginx")
    assert not same_image("nginx@sha256:01", "nginx")


# Image volumes and the pod's sandbox


def test_an_image_volume_speaks_by_events_of_the_pod() -> None:
    of_pod = failed(REFUSED, 30, place="")
    found = said(None, "", of_pod, failed(MISSING, 5), kind="volume")
    assert spoken(found) == ("ErrImagePull", "no-credentials", "event")
    by_name = failed(REFUSED, 30, place="spec.volumes{main}")
    assert spoken(said(None, "", by_name, kind="volume"))[1] == "no-credentials"
    assert said(None, "", failed(REFUSED, 30, place="spec.volumes{other}"), kind="volume") is None
    assert said("ContainerCreating", "", of_pod) is None


def test_an_image_volume_speaks_by_the_containers_that_wait_for_it() -> None:
    message = f'Back-off pulling image "{IMAGE}": ErrImagePull: {REFUSED}'
    waiting = {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [waiting]}}
    assert spoken(said(None, "", kind="volume", pod=pod)) == ("ImagePullBackOff", "no-credentials", "status")


def test_the_sandbox_of_a_pod_may_want_an_image() -> None:
    text = (
        'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "pause:3.9": '
        'failed to pull image "pause:3.9": failed to do request: Head "https://r.test/v2/": '
        "dial tcp 10.0.0.1:443: i/o timeout"
    )
    sandbox = event("FailedCreatePodSandBox", text, 30, place="")
    found = said("ContainerCreating", "", sandbox)
    assert spoken(found) == ("FailedCreatePodSandBox", "timeout", "event")
    assert found
    assert found.detail == "pod sandbox: dial tcp 10.0.0.1:443: i/o timeout"
    assert said("ContainerCreating", "", sandbox, pulling(10)) is None
    network = "Failed to create pod sandbox: plugin type=calico failed: connection refused"
    assert said("ContainerCreating", "", event("FailedCreatePodSandBox", network, 30, place="")) is None


# Time


def next_try(*events: Dict) -> Optional[float]:
    found = said("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"', *events)
    assert found
    return None if found.next_try is None else (found.next_try - NOW).total_seconds()


def test_the_back_off_doubles_up_to_five_minutes() -> None:
    for count, delay in ((1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (7, 300), (1000, 300)):
        assert next_try(failed(REFUSED, 4, count, 600)) == delay - 4


def test_different_errors_are_separate_events_of_one_back_off() -> None:
    assert next_try(failed(REFUSED, 60, 2, 90), failed(MISSING, 20)) == 20


def test_a_try_that_is_due_or_under_way_is_now() -> None:
    assert next_try(failed(REFUSED, 15)) == 0
    assert next_try(failed(REFUSED, 400, 9)) == 0
    assert next_try(failed(REFUSED, 30, 5), pulling(3, 6, 900)) == 0


def test_nobody_knows_the_next_try_when_events_were_lost() -> None:
    assert next_try(failed(REFUSED, 700, 9)) is None
    assert next_try(back_off(5, 30, 900)) is None
    assert next_try() is None


def test_what_was_before_a_success_is_over() -> None:
    found = said(
        "ImagePullBackOff", f'Back-off pulling image "{IMAGE}"',
        failed(MISSING, 3000, 5, 3600), pulled(2000), failed(REFUSED, 7, 4, 3500),
    )  # fmt: skip
    assert spoken(found)[1] == "no-credentials"
    assert found
    assert found.since == ago(2000)
    old = said("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"', failed(MISSING, 3000), pulled(2000))
    assert spoken(old)[1] == "backoff-only"
    assert old
    assert old.since is None


def test_a_container_that_ran_before_does_not_fail_since_its_pod_started() -> None:
    ran = {"name": "main", "restartCount": 2}
    pod = {"metadata": {"name": "p"}, "status": {**POD["status"], "containerStatuses": [ran]}}
    found = said("ErrImagePull", REFUSED, pod=pod)
    assert found
    assert found.since is None


def test_series_and_event_time_are_times_too() -> None:
    new = failed(REFUSED, 0)
    new.update(firstTimestamp=None, lastTimestamp=None, count=None, eventTime="2026-03-01T11:50:00.123456Z")
    new["series"] = {"count": 3, "lastObservedTime": "2026-03-01T11:59:50.000000Z"}
    assert next_try(new) == 30


def test_combined_and_timeless_events() -> None:
    combined = event("Failed", f'(combined from similar events): Failed to pull image "{IMAGE}": {REFUSED}', 5, 2)
    assert next_try(combined) == 15
    assert said("ContainerCreating", "", {"reason": "FailedCreatePodSandBox", "message": "pulling image"}) is None
    assert next_try({"message": None, "reason": None}, {}) is None


# WebLogic

PODS = "domain1-introspector-x7k2p"
RETRY = ". Will retry next at {} and approximately every 120 seconds afterward until {} if the failure is not resolved."


def domain(*conditions: Dict, message: str = "", image: str = IMAGE, **status: Any) -> Dict:
    return {
        "kind": "Domain",
        "metadata": {"name": "domain1", "namespace": "default"},
        "spec": {"domainUID": "domain1", "image": image},
        "status": {"conditions": list(conditions), "message": message, **status},
    }


def failure(text: str, reason: str = "ServerPod", pod: Optional[str] = PODS, status: object = "True") -> Dict:
    message = f"Failure on pod '{pod}' in namespace 'default': {text}" if pod else text
    return {
        "type": "Failed", "status": status, "reason": reason, "severity": "Severe", "message": message,
        "lastTransitionTime": stamp(90),
    }  # fmt: skip


def of_introspector(one: Dict, pod: str = PODS) -> Dict:
    return {**one, "involvedObject": {"kind": "Pod", "name": pod, "uid": "gone", "fieldPath": "spec.containers{i}"}}


ABORTED = {
    "type": "Failed", "status": "True", "reason": "Aborted", "severity": "Fatal",
    "message": "The operator failed after retrying for 10 minutes. Please resolve the error and then update "
    "domain.spec.introspectVersion to force another retry.",
}  # fmt: skip
BACK_OFF = f'Back-off pulling image "{IMAGE}"'


def heard(found: Optional[DomainWord]) -> KubeletWord:
    assert found
    assert found.image == IMAGE
    return found.word


def test_a_condition_of_v9_repeats_the_kubelet() -> None:
    retry = RETRY.format("2026-03-01T12:01:30.109997240Z", "2026-03-02T11:00:00Z")
    text = failure(BACK_OFF)["message"] + retry
    found = domain_word(domain(failure(BACK_OFF), message=text, initialFailureTime=stamp(600)), [], NOW)
    assert found
    assert found.pod == PODS
    assert heard(found) == KubeletWord(
        "ImagePullBackOff", "backoff-only", BACK_OFF, BACK_OFF, ago(600), None,
        datetime(2026, 3, 1, 12, 1, 30, 109997, timezone.utc), "domain",
    )  # fmt: skip


def test_the_condition_may_tell_the_cause() -> None:
    found = heard(domain_word(domain(failure(f"{BACK_OFF}: ErrImagePull: {REFUSED}")), [], NOW))
    assert (found.cause, found.source, found.since) == ("no-credentials", "domain", ago(90))
    bare = heard(domain_word(domain(failure(f"rpc error: code = Unknown desc = {MISSING}")), [], NOW))
    assert (bare.reason, bare.cause) == ("ErrImagePull", "image-not-found")


def test_events_of_the_pod_that_is_gone_tell_the_cause() -> None:
    events = [
        of_introspector(failed(MISSING, 60, image="other:1")),
        of_introspector(failed(REFUSED, 100)),
        of_introspector(failed(REFUSED, 80), pod="domain1-introspector-older"),
        of_introspector(failed(MISSING, 10), pod="domain10-introspector-abcde"),
    ]
    found = heard(domain_word(domain(failure(BACK_OFF)), events, NOW))
    assert (found.reason, found.cause, found.source) == ("ImagePullBackOff", "no-credentials", "event")
    of_domain = {
        "reason": "Failed", "lastTimestamp": stamp(5), "involvedObject": {"kind": "Domain", "name": "domain1"},
        "message": f"Domain domain1 failed due to 'Server pod error': {failure(MISSING)['message']}.",
    }  # fmt: skip
    assert heard(domain_word(domain(failure(BACK_OFF)), [*events[1:], of_domain], NOW)).cause == "image-not-found"


def test_a_failed_introspector_job_leaves_the_events() -> None:
    job = failure("Job domain1-introspector failed due to reason: DeadlineExceeded.", "Introspection", pod=None)
    tried = of_introspector(failed(REFUSED, 100))
    assert heard(domain_word(domain(job), [tried], NOW)).cause == "no-credentials"
    assert domain_word(domain(job), [tried, of_introspector(pulled(50))], NOW) is None
    assert domain_word(domain(job), [], NOW) is None
    before = of_introspector(failed(MISSING, 50, image="reg.acme.test/wls/domain1:0.9"))
    assert domain_word(domain(job), [before], NOW) is None


def test_v8_gives_the_waiting_reason_itself() -> None:
    condition = {"type": "Failed", "status": "True", "reason": "ErrImagePull", "message": f"rpc error: desc = {REFUSED}"}
    found = heard(domain_word(domain(condition), [], NOW))
    assert (found.reason, found.cause, found.source, found.next_try) == ("ErrImagePull", "no-credentials", "domain", None)


@pytest.mark.parametrize(
    "value",
    [
        domain(),
        domain(failure(BACK_OFF, status="False")),
        domain({"type": "Available", "status": "True"}),
        domain(failure('secret "runtime-encryption" not found')),
        domain(failure("Domain validation failed", "DomainInvalid", pod=None)),
        domain(failure("back-off 5m0s restarting failed container=main pod=p")),
        {"metadata": {"name": "d"}},
        {"metadata": {"name": "d"}, "status": None},
    ],
)
def test_a_domain_that_does_not_fail_on_an_image(value: Dict) -> None:
    assert domain_word(value, [], NOW) is None


def test_an_aborted_domain_has_no_next_try() -> None:
    text = failure(BACK_OFF)["message"] + RETRY.format("2026-03-01T12:01:30Z", "2026-03-02T11:00:00Z")
    value = domain(ABORTED, {**failure(BACK_OFF), "message": text})
    assert is_aborted(value)
    assert heard(domain_word(value, [], NOW)).next_try is None
    assert not is_aborted(domain(failure(BACK_OFF)))
    assert not is_aborted(domain({**ABORTED, "status": "False"}))
    assert not is_aborted({})


def test_a_retry_that_is_due_is_now_and_one_long_past_unknown() -> None:
    for then, expected in (("2026-03-01T11:59:00Z", NOW), ("2026-03-01T09:00:00Z", None)):
        text = failure(BACK_OFF)["message"] + RETRY.format(then, "2026-03-02T11:00:00Z")
        found = domain_word(domain({**failure(BACK_OFF), "message": text}), [], NOW)
        assert heard(found).next_try == expected


def test_the_image_is_named_as_the_domain_names_it() -> None:
    text = 'failed to pull and unpack image "docker.io/library/wls:1": failed to resolve reference "x": not found'
    found = domain_word(domain(failure(text), image="wls:1"), [], NOW)
    assert found
    assert found.image == "wls:1"
    two = domain(failure("pull access denied for wls"), image="wls:1")
    two["spec"]["configuration"] = {"model": {"auxiliaryImages": [{"image": "aux:1"}]}}
    undecided = domain_word(two, [], NOW)
    assert undecided
    assert undecided.image == ""


# A container that ran before

CRASHED = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


def ran_before(state: Dict) -> Dict:
    return {
        "metadata": {"name": "p", "uid": "u", "namespace": "ns"},
        "spec": {"containers": [{"name": "main", "image": IMAGE}, {"name": "other", "image": "other:1"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "main", "state": state}, {"name": "other", "state": CRASHED}],
        },
    }


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([pulled(60), failed(REFUSED, 5)], "ImagePullBackOff"),
        ([failed(REFUSED, 5)], "ImagePullBackOff"),  # the earlier pull is forgotten
        ([failed(REFUSED, 60), pulled(5)], "CrashLoopBackOff"),  # it has its image, and crashes
        ([pulled(5)], "CrashLoopBackOff"),
        ([pulled(60), failed(REFUSED, 5, image="another:1")], "CrashLoopBackOff"),
        ([pulled(60), failed(REFUSED, 5, place="spec.containers{other}")], "CrashLoopBackOff"),
        ([], "CrashLoopBackOff"),
    ],
)
def test_a_refused_pull_behind_the_back_off_of_an_earlier_run(events: list[Dict], reason: str) -> None:
    pod = ran_before(CRASHED)
    main, other = as_refused(pod, events)["status"]["containerStatuses"]
    assert main["state"]["waiting"]["reason"] == reason
    assert (REFUSED in main["state"]["waiting"]["message"]) is (reason == "ImagePullBackOff")
    assert other["state"] == CRASHED
    assert pod == ran_before(CRASHED), "the pod itself stays as it was"


def test_other_states_are_left() -> None:
    pod = ran_before({"running": {}})
    assert as_refused(pod, [failed(REFUSED, 5)])["status"]["containerStatuses"][0]["state"] == {"running": {}}
