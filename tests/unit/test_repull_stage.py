"""How far a pod is, from its status and its events; which refusals are new, and how many are too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

import pytest
from pullcore.refusals import AUTHENTICATION
from pullcore.sizes import in_bytes
from repull.failures import PASSING, Failures
from repull.stage import CRASHED, STARTING, Stage, pulled, stage

from .builders import IMAGE, NOW, REFUSED, Object, container, event, pod, waiting
from .repull_builders import BACK_OFF, ENDED_WELL, INVALID, NEVER, NEW_IMAGE, PULL_FAILED, RUNS, changed

CREATING = {"waiting": {"reason": "ContainerCreating"}}
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}
ENDED_BADLY = {"terminated": {"exitCode": 3, "reason": "Error"}}
STOPPED = {"terminated": {"exitCode": 143, "reason": "Error"}}
BACK_OFF_TEXT = "back-off 10s restarting failed container=main pod=web-1"
NO_AUTH = "no basic auth credentials"
LOOPS = waiting(BACK_OFF_TEXT, "CrashLoopBackOff")
CONFIG = waiting('secret "db" not found', "CreateContainerConfigError")
FAILED_NOW = waiting(REFUSED)


class Row(NamedTuple):
    name: str
    pod: Object
    stage: str
    text: str
    container: str = ""
    events: Sequence[tuple[str, str, float]] = ()  # reason, message, seconds ago
    cause: str = ""


def two(first: Optional[Object], second: Optional[Object]) -> Object:
    states = {name: state for name, state in (("init", first), ("main", second)) if state}
    return pod(inits=[container("init")], states=states)


def beside(sidecar: Object, main: Object, **status: str) -> Object:
    """A pod with an init container that runs beside the others."""
    made = pod(inits=[{**container("side"), "restartPolicy": "Always"}], states={"side": sidecar, "main": main})
    return changed(made, **{f"status__{name}": value for name, value in status.items()})


def unscheduled(**condition: str) -> Object:
    parts = {"type": "PodScheduled", "status": "False", **condition}
    return changed(pod(node=None), status__conditions=[parts])


VOLUME = "registry.example.com/team/data:1"
VOLUME_REFUSED = waiting(REFUSED.replace(IMAGE, VOLUME))
PULLING = ("Pulling", f'Pulling image "{IMAGE}"', 5)
FAILED = ("Failed", PULL_FAILED, 30)
PULLED = ("Pulled", f'Successfully pulled image "{IMAGE}" in 2.5s (2.5s including waiting). Image size: 1234567 bytes.', 3)

ROWS = [
    Row("made", pod(), "starting", "starting", "main"),
    Row("no node yet", unscheduled(message="0/3 nodes are available"), "unscheduled",
        "waits for a node: 0/3 nodes are available"),
    Row("no node yet, no message", unscheduled(reason="Unschedulable"), "unscheduled", "waits for a node: Unschedulable"),
    Row("no node yet, no reason", unscheduled(), "unscheduled", "waits for a node: no reason is given"),
    Row("it has a node", changed(pod(), status__conditions=[
        {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]), "starting", "starting", "main"),
    Row("being created", pod(state=CREATING), "starting", "starting", "main"),
    Row("pulling", pod(state=CREATING), "pulling", f"pulling {IMAGE}, 5s so far", "main", [PULLING]),
    Row("pulling just now", pod(state=CREATING), "pulling", f"pulling {IMAGE}", "main", [(*PULLING[:2], 0)]),
    Row("pulled", pod(state=CREATING), "starting", "starting", "main", [PULLING, PULLED]),
    Row("created", pod(state=CREATING), "starting", "starting", "main", [PULLING, ("Created", "Created container main", 1)]),
    Row("pulling again", pod(state=CREATING), "pulling", f"pulling {IMAGE}, 1s so far", "main",
        [(*PULLED[:2], 9), (*PULLING[:2], 1)]),
    Row("another container's pull", pod(state=CREATING), "starting", "starting", "main"),
    Row("refused", pod(state=FAILED_NOW), "refused",
        f"ErrImagePull: {NO_AUTH}", "main", cause="no-credentials"),
    Row("refused, with its next try", pod(state=BACK_OFF), "refused", f"ImagePullBackOff, next try in 6s: {NO_AUTH}", "main",
        [("Failed", PULL_FAILED, 4)], "no-credentials"),
    Row("refused, and tried just now", pod(state=BACK_OFF), "refused", f"ImagePullBackOff: {NO_AUTH}", "main", [FAILED],
        "no-credentials"),
    Row("backed off, and nobody says why", pod(state=BACK_OFF), "refused",
        f'ImagePullBackOff: Back-off pulling image "{IMAGE}"', "main", [], "backoff-only"),
    Row("retry under way", pod(state=BACK_OFF), "pulling", f"pulling {IMAGE}, 5s so far", "main", [FAILED, PULLING]),
    Row("retry under way, ErrImagePull", pod(state=FAILED_NOW), "pulling", f"pulling {IMAGE}, 5s so far", "main",
        [FAILED, PULLING]),
    Row("refused after the retry", pod(state=FAILED_NOW), "refused", f"ErrImagePull, next try in 6s: {NO_AUTH}", "main",
        [PULLING, ("Failed", PULL_FAILED, 4)], "no-credentials"),
    Row("never pulled", pod(state=NEVER), "refused", "ErrImageNeverPull: not present with pull policy of Never", "main",
        cause="never-pull"),
    Row("an invalid name", pod(state=INVALID), "refused", f'InvalidImageName: Failed to apply default image tag "{IMAGE}"',
        "main", cause="invalid-name"),
    Row("an image volume is refused",
        pod(state=VOLUME_REFUSED, volumes=[{"name": "data", "image": {"reference": VOLUME}}]), "refused",
        f"ErrImagePull: {NO_AUTH}",
        "main", cause="no-credentials"),
    Row("an image volume is there", pod(state=RUNS, volumes=[{"name": "data", "image": {"reference": VOLUME}}]), "running",
        "started"),
    Row("started", pod(state=RUNS), "running", "started"),
    Row("init container is refused", two(FAILED_NOW, INITIALIZING), "refused", f"ErrImagePull: {NO_AUTH}", "init",
        cause="no-credentials"),
    Row("init container runs", two(RUNS, INITIALIZING), "starting", "init container init runs", "init"),
    Row("init container ended", two(ENDED_WELL, INITIALIZING), "starting", "starting", "main"),
    Row("init container ended, and all runs", two(ENDED_WELL, RUNS), "running", "started"),
    Row("init container crashed", two(ENDED_BADLY, INITIALIZING), "crashed",
        "its image is there, but container init ended with exit code 3", "init"),
    Row("init container loops", two(LOOPS, INITIALIZING), "crashed",
        f"its image is there, but container init CrashLoopBackOff: {BACK_OFF_TEXT}",
        "init"),
    Row("container crashed", pod(state=ENDED_BADLY), "crashed",
        "its image is there, but container main ended with exit code 3", "main"),
    Row("container loops", pod(state=LOOPS), "crashed",
        f"its image is there, but container main CrashLoopBackOff: {BACK_OFF_TEXT}",
        "main"),
    Row("container loops, without a word", pod(state={"waiting": {"reason": "CrashLoopBackOff"}}), "crashed",
        "its image is there, but container main CrashLoopBackOff", "main"),
    Row("container can't be made", pod(state=CONFIG), "crashed",
        'its image is there, but container main CreateContainerConfigError: secret "db" not found', "main"),
    Row("a crash comes after another's pull",
        pod("p", container("a"), container("main"), states={"a": LOOPS, "main": CREATING}), "pulling",
        f"pulling {IMAGE}, 5s so far", "main", [PULLING]),
    Row("a refusal comes before all", pod("p", container("a"), container("b"), states={"a": LOOPS, "b": FAILED_NOW}),
        "refused", f"ErrImagePull: {NO_AUTH}", "b", cause="no-credentials"),
    Row("sidecar runs, main starts", beside(RUNS, CREATING), "starting", "starting", "main"),
    Row("sidecar and main run", beside(RUNS, RUNS), "running", "started"),
    Row("sidecar crashed", beside(LOOPS, CREATING), "crashed",
        f"its image is there, but container side CrashLoopBackOff: {BACK_OFF_TEXT}",
        "side"),
    Row("a sidecar that was stopped with its pod", beside(STOPPED, ENDED_WELL, phase="Succeeded"), "ended", "ended well"),
    Row("ended", pod(state=ENDED_WELL), "ended", "ended well"),
    Row("ended, its init container, too", two(ENDED_WELL, ENDED_WELL), "ended", "ended well"),
    Row("evicted by its node", changed(pod(), status__phase="Failed", status__reason="Evicted"), "crashed",
        "failed: Evicted"),
    Row("failed, and nobody says why", changed(pod(), status__phase="Failed"), "crashed", "failed: no reason is given"),
    Row("failed, with its container", changed(pod(state=ENDED_BADLY), status__phase="Failed"), "crashed",
        "its image is there, but container main ended with exit code 3", "main"),
    Row("one ended, one runs", pod("p", container("a"), container("b"), states={"a": ENDED_WELL, "b": RUNS}), "running",
        "started"),
    Row("one ended, one crashed", pod("p", container("a"), container("b"), states={"a": ENDED_WELL, "b": ENDED_BADLY}),
        "crashed", "its image is there, but container b ended with exit code 3", "b"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_stages(row: Row) -> None:
    events = [event(row.pod, message, reason, seconds_ago=ago) for reason, message, ago in row.events]
    found = stage(row.pod, events, NOW)
    assert (found.name, found.container, found.cause) == (row.stage, row.container, row.cause)
    assert found.text == row.text


def test_events_of_another_container_do_not_count() -> None:
    value = pod("p", container("a"), container("b"), state=CREATING)
    events = [event(value, f'Pulling image "{IMAGE}"', "Pulling", "b")]
    assert stage(value, events, NOW).container == "b"
    assert stage(value, [event(value, f'Pulling image "{IMAGE}"', "Pulling", "c")], NOW).name == "starting"


def test_the_image_of_a_refusal_is_told() -> None:
    found = stage(pod(state=FAILED_NOW), (), NOW)
    assert (found.image, found.reason) == (IMAGE, "ErrImagePull")


# What was pulled

PULLS = [
    ('Successfully pulled image "{}" in 2.512345678s (2.6s including waiting). Image size: 123456789 bytes.',
     "pulled {} in 2.5s, 123 MB"),
    ('Successfully pulled image "{}" in 1m2.345s (1m5s including waiting). Image size: 1234567890 bytes.',
     "pulled {} in 1m2.3s, 1.2 GB"),
    ('Successfully pulled image "{}" in 87.65ms (90ms including waiting). Image size: 9999 bytes.',
     "pulled {} in 87.6ms, 10.0 kB"),
    ('Successfully pulled image "{}" in 950µs', "pulled {} in 950µs"),
    ('Successfully pulled image "{}" in 12s (12s including waiting)', "pulled {} in 12s"),
    ('Container image "{}" already present on machine', "{} is on its node already"),
    ('Container image "{}" already present on machine and can be accessed by the pod', "{} is on its node already"),
    ("Something else", "got {}"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "text"), PULLS, ids=[row[1] for row in PULLS])
def test_what_was_pulled(message: str, text: str) -> None:
    value = pod(state=RUNS)
    (found,) = pulled(value, [event(value, message.format(IMAGE), "Pulled")])
    assert (found.container, found.image, found.text) == ("main", IMAGE, text.format(IMAGE))


def test_each_container_tells_its_own_pull_and_the_last_one() -> None:
    value = pod("p", container("a"), container("b", NEW_IMAGE), state=RUNS)
    events = [
        event(value, f'Container image "{IMAGE}" already present on machine', "Pulled", "a", 9),
        event(value, f'Successfully pulled image "{IMAGE}" in 3s', "Pulled", "a", 5),
        event(value, f'Successfully pulled image "{NEW_IMAGE}" in 4s', "Pulled", "b", 7),
        event(value, "Started container b", "Started", "b", 6),
    ]
    assert [one.text for one in pulled(value, events)] == [f"pulled {IMAGE} in 3s", f"pulled {NEW_IMAGE} in 4s"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_999_999, "10.0 MB"), (10_000_000, "10 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes(count: int, text: str) -> None:
    assert in_bytes(count) == text


# Which refusals are new

ERR, BACK = waiting(REFUSED), BACK_OFF
MALFORMED = waiting("illegal base64 data at input byte 0", "illegal base64 data at input byte 0")


def counted(states: Sequence[Object], begin: Optional[Object] = None, cause: str = "no-credentials") -> list[bool]:
    """After each state whether it has failed."""
    refusals = Failures()
    if begin:
        refusals.begin(pod(state=begin))
    found = []
    for state in states:
        refusals.note(pod(state=state))
        found.append(refusals.are_too_many("uid-of-default-web-1", Stage("refused", "", "main", cause=cause, image=IMAGE)))
    return found


@pytest.mark.parametrize(
    ("begin", "states", "fails_at"),
    [
        (None, [ERR], 0),
        (None, [BACK], 0),  # seen late
        (None, [CREATING, ERR], 1),
        (BACK, [BACK, BACK], None),
        (ERR, [ERR, BACK], None),  # the same failure, still
        (BACK, [BACK, ERR, BACK], 1),
        (ERR, [BACK, ERR], 1),
        (ERR, [CREATING, BACK], None),
        (MALFORMED, [MALFORMED, BACK], None),
        (BACK, [MALFORMED], 0),
        (NEVER, [NEVER, NEVER], None),
        (BACK, [RUNS], None),
    ],
)
def test_a_refusal_that_is_new(begin: Optional[Object], states: Sequence[Object], fails_at: Optional[int]) -> None:
    found = counted(states, begin)
    assert (found.index(True) if True in found else None) == fails_at


def test_a_failure_counts_once_however_often_it_is_seen() -> None:
    """Four looks, two failures: too many only where none is allowed to follow."""
    refusals = Failures([IMAGE])
    of = Stage("refused", "", "main", cause="bad-credentials", image=IMAGE)
    told = []
    for state in (ERR, ERR, BACK, BACK, ERR, BACK):
        refusals.note(pod(state=state))
        told.append(refusals.are_too_many("uid-of-default-web-1", of))
    assert told == [False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("cause", "image", "allowed"),
    [
        *((cause, IMAGE, 1) for cause in sorted(AUTHENTICATION)),
        *((cause, NEW_IMAGE, 0) for cause in sorted(AUTHENTICATION)),
        ("image-not-found", IMAGE, 0),
        ("throttled", IMAGE, 5),
        ("throttled", NEW_IMAGE, 5),
        ("canceled", IMAGE, 1),
        ("backoff-only", NEW_IMAGE, 0),
    ],
)
def test_how_many_are_too_many(cause: str, image: str, allowed: int) -> None:
    """IMAGE was just given by its registry."""
    refusals = Failures([IMAGE])
    assert PASSING["throttled"] == 5
    for number in range(1, 8):
        refusals.note(pod(state=ERR))
        refusals.note(pod(state=BACK))
        too_many = refusals.are_too_many("uid-of-default-web-1", Stage("refused", "", "main", cause=cause, image=image))
        assert too_many is (number > allowed), number


def test_containers_and_pods_are_counted_apart() -> None:
    refusals = Failures()
    refusals.begin(pod("old", container("a"), container("b"), states={"a": BACK, "b": BACK}))
    refusals.note(pod("old", container("a"), container("b"), states={"a": ERR, "b": BACK}))
    refusals.note(pod("new", container("a"), inits=[container("init")], states={"a": INITIALIZING, "init": ERR}))

    def fails(name: str, of: str) -> bool:
        return refusals.are_too_many(f"uid-of-default-{name}", Stage("refused", "", of))

    assert fails("old", "a")
    assert not fails("old", "b")
    assert fails("new", "init")
    assert not fails("new", "a")
    assert not fails("other", "a")


def crashing(restarts: int) -> Object:
    back_off = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    one = pod(state=back_off)
    one["status"]["containerStatuses"][0]["restartCount"] = restarts
    return one


def test_a_back_off_of_an_earlier_run_is_no_crash() -> None:
    refused = pod(state=waiting(REFUSED))
    refused["status"]["containerStatuses"][0]["restartCount"] = 1
    failures = Failures()
    failures.begin(refused)
    seen = stage(crashing(1), (), NOW)
    assert seen.name == CRASHED
    found = failures.settled(crashing(1), seen)
    assert (found.name, found.pod) == (STARTING, seen.pod)
    assert failures.settled(crashing(2), stage(crashing(2), (), NOW)).name == CRASHED, "it has run since"
    assert Failures().settled(crashing(1), seen).name == CRASHED, "it was never refused"
