"""Carries images by short-lived pods: made, streamed into, judged by how they end, and deleted in any case."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from pullcore.apierrors import ApiError, Forbidden, NotFound
from pullcore.attach import Attachment, attach
from pullcore.cluster import Cluster, resource_path
from pullcore.errors import CommandError, one_line
from pullcore.kinds import KINDS
from pullcore.permissions import Action
from pullcore.pull import Object
from pullcore.shortlived import ShortLived

from repull import carrier_pod
from repull.carrying import Told
from repull.load_plan import Job
from repull.runtimes import complaint, digest_in

STARTS = 90.0  # seconds for a pod to start: its image is there
ENDS = 60.0  # seconds for its end to be told once its streams are at an end
LOOK = 0.25
# Reasons of a waiting container that do not pass by themselves.
REFUSED = frozenset(
    "ErrImageNeverPull ErrImagePull ImagePullBackOff ImageInspectError CreateContainerConfigError CreateContainerError "
    "RunContainerError InvalidImageName".split()
)
PODS = KINDS["Pod"]


def actions(namespace: str) -> list[Action]:
    """What the user has to be allowed to do."""
    pod = [Action(verb, PODS, namespace) for verb in ("create", "get", "list", "delete")]
    return [*pod, *(Action(verb, PODS, namespace, sub="attach") for verb in ("get", "create"))]


class PodCarrier:
    """Pods of ours in one namespace. helpers: the images that a node's carrier may run, best first."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        helpers: Callable[[Object], Sequence[str]],
        run: str,
        *,
        pin: bool,
        at_once: int = 1,
    ) -> None:
        self.cluster, self.namespace, self.run, self.pin, self.at_once = cluster, namespace, run, pin, at_once
        self._helpers = helpers
        self._numbers = itertools.count(1)
        self._pods = ShortLived(cluster, grace=1)
        self._stopped = False

    def carry(self, job: Job, size: int, pieces: Iterator[bytes], told: Told, attempt: int) -> str:
        name = str(self._pods.create(self.manifest(job, size, attempt), self._post)["metadata"]["name"])
        try:
            self._until_it_runs(name)
            streams = self._attached(name)
            try:
                whole = streams.send(pieces, told)
                last = time.monotonic() + carrier_pod.deadline(size, self.at_once)
                while not streams.follow(1.0) and time.monotonic() < last and not self._stopped:
                    continue
            finally:
                streams.close()
            ended = self._until_it_ended(name)
            text = f"{streams.text}\n{ended.get('message', '')}"
            said = complaint(text) or streams.failure
            if not whole:
                raise CommandError(f"the stream broke off{f': {said}' if said else ''}")
            if ended.get("exitCode") != 0:
                status = f"it ended with status {ended.get('exitCode', '?')} ({ended.get('reason', 'no reason')})"
                raise CommandError(said or status)
            return digest_in(text, job.name)
        finally:
            self._pods.delete(self.namespace, name)

    @property
    def left(self) -> list[str]:
        """The names of pods that could not be removed."""
        return [name for _, name in self._pods.left]

    def manifest(self, job: Job, size: int, attempt: int) -> Object:
        """The pod for a job. Raises CommandError where the node has no image that it could run."""
        some = self._helpers(job.node)
        if not some:
            raise CommandError(
                "no image is known there that a carrier could run without a pull secret, neither a pause image in the "
                "node's list nor that of a running pod: use --via=ssh"
            )
        runtime = carrier_pod.in_pod(job.runtime)
        arguments = runtime.arguments(size, job.name, pin=self.pin, there=job.there)
        helper = some[min(attempt, len(some) - 1)]
        seconds, number = carrier_pod.deadline(size, self.at_once), next(self._numbers)
        return carrier_pod.manifest(
            self.namespace, job.node, job.runtime, helper, arguments, run=self.run, number=number, seconds=seconds
        )

    def try_out(self, job: Job, size: int) -> None:
        """Has the API server judge the pod without making it. Raises CommandError."""
        self._post(self.manifest(job, size, 0), dryRun="All")

    def stop(self) -> None:
        self._stopped = True
        self._pods.clear()

    def sweep(self) -> list[str]:
        """Deletes what earlier runs left behind, which were killed; the names."""
        now = time.time()
        return self._pods.sweep(self.namespace, carrier_pod.SELECTOR, lambda pod: carrier_pod.is_leftover(pod, now))

    # One pod

    def _attached(self, name: str) -> Attachment:
        """Its streams; where it ended before anybody was attached, what it ended with is told."""
        try:
            return attach(self.cluster, self.namespace, name, carrier_pod.CONTAINER)
        except ApiError:
            ended = _state(self._seen(name)).get("terminated") or {}
            if said := complaint(str(ended.get("message", ""))):
                raise CommandError(said) from None
            raise

    def _post(self, value: Object, **query: str) -> Object:
        try:
            return self.cluster.request("POST", resource_path("v1", "pods", namespace=self.namespace), query, value)
        except Forbidden as error:
            if "PodSecurity" not in error.message and "security context constraint" not in error.message:
                raise
            raise CommandError(
                f"pod security forbids the carrier in namespace {self.namespace}, for it mounts folders of its node: give "
                "--carrier-namespace=NAME of one that allows it (label pod-security.kubernetes.io/enforce=privileged), or "
                f"--via=ssh; the server says: {one_line(error.message, 200)}"
            ) from None

    def _path(self, name: str) -> str:
        return resource_path("v1", "pods", namespace=self.namespace, name=name)

    def _until_it_runs(self, name: str) -> None:
        deadline = time.monotonic() + STARTS
        while True:
            pod = self._seen(name)
            state = _state(pod)
            if "running" in state or "terminated" in state:
                if "terminated" in state:
                    ended = state["terminated"]
                    raise CommandError(complaint(ended.get("message", "")) or f"it ended at once: {ended.get('reason')}")
                return
            waiting = state.get("waiting", {})
            if waiting.get("reason") in REFUSED:
                raise CommandError(f"the carrier does not start: {waiting['reason']}: {waiting.get('message', '')}")
            if pod.get("status", {}).get("phase") == "Failed":
                raise CommandError(
                    f"the node turned the carrier away: {pod['status'].get('message') or pod['status'].get('reason')}"
                )
            if time.monotonic() > deadline:
                raise CommandError(f"the carrier does not start within {STARTS:.0f}s: {self._last_event(name)}")
            if self._stopped:
                raise CommandError("it was stopped")
            time.sleep(LOOK)

    def _until_it_ended(self, name: str) -> Object:
        """The end of its container, as the kubelet tells it."""
        deadline = time.monotonic() + ENDS
        while True:
            state = _state(self._seen(name))
            if "terminated" in state:
                return dict(state["terminated"])
            if time.monotonic() > deadline or self._stopped:
                raise CommandError("the connection to the carrier broke off")
            time.sleep(LOOK)

    def _seen(self, name: str) -> Object:
        try:
            return self.cluster.get(self._path(name))
        except NotFound:
            raise CommandError("somebody deleted the carrier") from None

    def _last_event(self, name: str) -> str:
        path = resource_path("v1", "events", namespace=self.namespace)
        with suppress(ApiError):
            events = list(self.cluster.items(path, fieldSelector=f"involvedObject.name={name}"))
            told = [event for event in events if event.get("type") == "Warning"] or events
            if told:
                return one_line(f"{told[-1].get('reason')}: {told[-1].get('message')}", 300)
        return "its kubelet says nothing"


def _state(pod: Object) -> Object:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return dict(statuses[0].get("state") or {})


def helpers_of(cluster: Cluster, namespace: str, node: Object) -> list[str]:
    """The images that a carrier can run on a node; of its pods only those that the user may see."""
    name = node["metadata"]["name"]
    ask = partial(cluster.items, fieldSelector=f"spec.nodeName={name},status.phase=Running")
    pods: list[Object] = []
    for path in ("/api/v1/pods", resource_path("v1", "pods", namespace=namespace)):
        try:
            pods = list(ask(path))
            break
        except ApiError:
            continue
    return carrier_pod.helpers(node, pods)
