"""A STAND-IN for the WebLogic Kubernetes Operator, for tests only: it does what matters for pulling images.

    python -m ...operator FOLDER     (the folder of a running cluster)

Once a second it looks at every Domain (as v9): an introspector Job comes first; when that has succeeded, server pods
are made, remade when deleted, and rolled one by one when what they are made of changes. A pull that fails in the
introspector is reported and retried as the real operator does. Its memory is lost with the process: then it
introspects again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from .api import Api, ApiError
from .model import load

Object = dict[str, Any]
DEFAULT_IMAGE = "container-registry.oracle.com/middleware/weblogic:12.2.1.4"
ADMIN = "admin-server"  # the WebLogic name of the administration server
PULL_ERRORS = ("ErrImagePull", "ImagePullBackOff")
SIDECARS = {
    "monitoringExporter": "monitoring-exporter",
    "fluentdSpecification": "fluentd",
    "fluentbitSpecification": "fluent-bit",
}
LABELS = {"ServerPod": "Server pod error", "Introspection": "Introspection error", "Aborted": "Domain aborted"}


@dataclass
class Memory:
    """What is known of one Domain from one look to the next."""

    introspected: str = ""  # what the last successful introspection was made for
    tried: str = ""  # what the present failures are about
    reported: str = ""  # the uid of the job whose failure was reported
    first_failure: float = 0
    failures: int = 0
    retry_at: float = 0
    aborted: str = ""  # the introspectVersion under which everything was given up


def fingerprint(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def stamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(name: str, image: str, policy: Optional[str], **more: Any) -> Object:
    """With the operator's own rule for the policy, which is not that of Kubernetes for an image without a tag."""
    inferred = "Always" if image.endswith(":latest") else "IfNotPresent"
    return {"name": name, "image": image, "imagePullPolicy": policy or inferred, **more}


class Domain:
    def __init__(self, api: Api, resource: Object, memory: Memory) -> None:
        self.api, self.resource, self.memory = api, resource, memory
        self.name, self.namespace = resource["metadata"]["name"], resource["metadata"]["namespace"]
        self.spec: Object = resource.get("spec", {})
        self.status: Object = resource.get("status", {})
        self.uid = self.spec.get("domainUID") or self.name
        self.labels = {"weblogic.domainUID": self.uid, "weblogic.createdByOperator": "true"}
        self.jobs = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        self.pods = f"/api/v1/namespaces/{self.namespace}/pods"

    # What is made

    def aux(self, key: str = "auxiliaryImages", name: str = "operator-aux-container") -> list[Object]:
        configuration = self.spec.get("configuration", {})
        if key == "auxiliaryImages":
            images = configuration.get("model", {}).get(key, [])
        else:
            images = configuration.get("initializeDomainOnPV", {}).get("domain", {}).get(key, [])
        numbered = enumerate(images, 1)
        return [container(f"{name}{n}", i["image"], i.get("imagePullPolicy"), args=["exit"]) for n, i in numbered]

    def weblogic(self, name: str, **more: Any) -> Object:
        return container(name, self.spec.get("image", DEFAULT_IMAGE), self.spec.get("imagePullPolicy"), **more)

    def pod_spec(self, init: list[Object], containers: list[Object], **more: Any) -> Object:
        account = self.spec.get("serverPod", {}).get("serviceAccountName", "default")
        spec: Object = {"containers": containers, "serviceAccountName": account, **more}
        spec["terminationGracePeriodSeconds"] = 2
        if init:
            spec["initContainers"] = init
        if self.spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = self.spec["imagePullSecrets"]
        return spec

    def metadata(self, name: str, labels: Object, **annotations: str) -> Object:
        meta = self.resource["metadata"]
        kind = {"apiVersion": "weblogic.oracle/v9", "kind": "Domain"}
        owner = {**kind, "name": self.name, "uid": meta["uid"], "controller": True}
        dotted = {f"weblogic.{key}": value for key, value in annotations.items()}
        return {"name": name, "labels": {**self.labels, **labels}, "annotations": dotted, "ownerReferences": [owner]}

    def job(self, wanted: str) -> Object:
        name = f"{self.uid}-introspector"
        given = self.spec.get("serverPod", {}).get("initContainers", [])
        compatible = [c for c in given if c["name"].startswith(("compat-", "wls-shared-"))]
        init = compatible + self.aux() + self.aux("domainCreationImages", "operator-domain-creation-container")
        pod = self.pod_spec(init, [self.weblogic(name, args=["exit"])], restartPolicy="Never")
        spec = {"backoffLimit": 0, "template": {"metadata": {"labels": self.labels}, "spec": pod}}
        return {"metadata": self.metadata(name, {}, introspects=wanted), "spec": spec}

    def servers(self) -> dict[str, Object]:
        """The server pods by name, as they should be."""
        wanted: list[tuple[str, Object]] = []  # with the spec of its cluster
        policy = self.spec.get("serverStartPolicy", "IfNeeded")
        if policy != "Never":
            wanted.append((ADMIN, {}))
        if policy == "IfNeeded":
            number, default = 0, int(self.spec.get("replicas", 1))
            for cluster in self.clusters():
                for _ in range(int(cluster.get("replicas", default))):
                    number += 1
                    wanted.append((f"managed-server{number}", cluster))
        return dict(self.server(*each) for each in wanted)

    def clusters(self) -> list[Object]:
        names = [reference["name"] for reference in self.spec.get("clusters", [])]
        base = f"/apis/weblogic.oracle/v1/namespaces/{self.namespace}/clusters"
        specs = [self.api.get(f"{base}/{name}")["spec"] for name in names]
        started = [{"clusterName": name, **spec} for name, spec in zip(names, specs)]
        kept: list[Object] = [spec for spec in started if spec.get("serverStartPolicy") != "Never"]
        return kept if names else [{"clusterName": "cluster-1"}]

    def server(self, server: str, cluster: Object) -> tuple[str, Object]:
        own = [m for m in self.spec.get("managedServers", []) if m.get("serverName") == server]
        levels = [self.spec.get("adminServer", {}) if server == ADMIN else {}, *own]
        server_pods = [level.get("serverPod", {}) for level in (self.spec, cluster, *levels)]
        init = [c for pod in server_pods for c in pod.get("initContainers", [])] + self.aux()
        containers = [c for pod in server_pods for c in pod.get("containers", [])]
        for key, name in SIDECARS.items():
            if self.spec.get(key, {}).get("image"):
                containers.append(container(name, self.spec[key]["image"], self.spec[key].get("imagePullPolicy")))
        env = [{"name": "ADMIN_NAME", "value": ADMIN}, {"name": "SERVER_NAME", "value": server}]
        pod = self.pod_spec(init, [*containers, self.weblogic("weblogic-server", env=env)])
        versions = {
            "weblogic.domainRestartVersion": self.spec.get("restartVersion", ""),
            "weblogic.clusterRestartVersion": str(cluster.get("restartVersion", "")),
            "weblogic.serverRestartVersion": next((v for x in levels if (v := x.get("restartVersion"))), ""),
        }
        labels: Object = {key: value for key, value in versions.items() if value}
        recipe = fingerprint([pod, labels])
        labels["weblogic.serverName"] = server
        labels["weblogic.domainName"] = self.uid
        labels["weblogic.domainObservedGeneration"] = str(self.resource["metadata"]["generation"])
        if cluster:
            labels["weblogic.clusterName"] = cluster["clusterName"]
        if self.spec.get("introspectVersion"):
            labels["weblogic.introspectVersion"] = self.spec["introspectVersion"]
        name = f"{self.uid}-{server}".lower().replace("_", "-").replace(".", "-")
        return name, {"metadata": self.metadata(name, labels, sha256=recipe), "spec": pod}

    # What is done

    def look(self) -> None:
        selector = f"weblogic.domainUID%3D{self.uid},weblogic.createdByOperator%3Dtrue"
        pods: list[Object] = self.api.get(f"{self.pods}?labelSelector={selector}")["items"]
        version = self.spec.get("introspectVersion", "")
        wanted = fingerprint([self.spec.get("image"), self.aux(), self.aux("domainCreationImages"), version])
        memory = self.memory
        if memory.aborted not in ("", f"={version}") or (memory.tried != wanted and not memory.aborted):
            self.memory.__dict__.update(vars(Memory(introspected=memory.introspected, tried=wanted)))
        self.introspect(wanted, pods)
        servers = [pod for pod in pods if "weblogic.serverName" in pod["metadata"]["labels"]]
        if memory.introspected:
            self.serve(servers, roll=memory.introspected == wanted)

    def introspect(self, wanted: str, pods: list[Object]) -> None:
        memory, name = self.memory, f"{self.uid}-introspector"
        try:
            job: Object = self.api.get(f"{self.jobs}/{name}")
        except ApiError as error:
            if error.status != 404:
                raise
            if memory.introspected != wanted and not memory.aborted and time.time() >= memory.retry_at:
                self.api.post(self.jobs, self.job(wanted))
            return
        outdated = job["metadata"].get("annotations", {}).get("weblogic.introspects") != wanted
        conditions = {c["type"] for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"}
        done, failed = "Complete" in conditions, "Failed" in conditions
        if done and not outdated:
            memory.introspected = wanted
            memory.__dict__.update(vars(Memory(introspected=wanted, tried=wanted)))
        elif not outdated and memory.reported != job["metadata"]["uid"]:
            trouble = next(filter(None, (self.trouble(pod, name) for pod in pods)), "")
            if trouble:
                self.fail("ServerPod", trouble, job)
            elif failed:
                self.fail("Introspection", f"Job {name} failed", job)
        retry = memory.reported == job["metadata"]["uid"] and time.time() >= memory.retry_at
        if (done or outdated or retry) and not memory.aborted:
            self.api.delete(f"{self.jobs}/{name}")

    def trouble(self, pod: Object, name: str) -> str:
        """What an introspector pod waits for, where the operator would report it."""
        status = pod.get("status", {})
        waiting = [s["state"].get("waiting", {}) for s in status.get("containerStatuses", []) if s["name"] == name]
        inits = [s["state"].get("waiting", {}) for s in status.get("initContainerStatuses", [])]
        waiting += [w for w in inits if w.get("reason") in PULL_ERRORS]
        message = next((w["message"] for w in waiting if w.get("message")), "")
        meta = pod["metadata"]
        return f"Failure on pod '{meta['name']}' in namespace '{self.namespace}': {message}" if message else ""

    def fail(self, reason: str, text: str, job: Object) -> None:
        memory, now = self.memory, time.time()
        interval = self.spec.get("failureRetryIntervalSeconds", 120)
        limit = self.spec.get("failureRetryLimitMinutes", 1440) * 60
        memory.reported, memory.retry_at = job["metadata"]["uid"], now + interval
        memory.first_failure, memory.failures = memory.first_failure or now, memory.failures + 1
        end = memory.first_failure + limit
        severity = "Severe"
        if now >= end:
            memory.aborted = f"={self.spec.get('introspectVersion', '')}"
            text += ". The retry limit has been reached: update domain.spec.introspectVersion to force another retry."
            reason, severity = "Aborted", "Fatal"
        else:
            text += f". Will retry next at {stamp(memory.retry_at)} and approximately every {interval} seconds"
            text += f" afterward until {stamp(end)} if the failure is not resolved."
        condition = {"type": "Failed", "status": "True", "reason": reason, "severity": severity, "message": text}
        info = {"introspectImage": self.spec.get("image", DEFAULT_IMAGE)}
        times = {"initialFailureTime": stamp(memory.first_failure), "lastFailureTime": stamp(now)}
        more = {"message": text, "reason": reason, "introspectJobFailureCount": memory.failures, **times}
        kept = [c for c in self.status.get("conditions", []) if c["type"] not in ("Failed", "Completed")]
        self.report([{**condition, "failureInfo": info}, *kept, {"type": "Completed", "status": "False"}], more)
        self.event("Failed", f"Domain {self.name} failed due to '{LABELS[reason]}': {text}")

    def serve(self, pods: list[Object], roll: bool) -> None:
        wanted, found = self.servers(), {pod["metadata"]["name"]: pod for pod in pods}
        for name in wanted.keys() - found.keys():
            self.api.post(self.pods, wanted[name])
        ended = ("Failed", "Succeeded")
        stale = [name for name in found if name not in wanted or found[name]["status"]["phase"] in ended]
        going = [name for name, pod in found.items() if "deletionTimestamp" in pod["metadata"]]
        ready = {name for name, pod in found.items() if name not in going and _ready(pod)}
        old = [name for name in sorted(found) if name in wanted and _recipe(found[name]) != _recipe(wanted[name])]
        if roll and not stale and not going and old:  # those that serve nobody at once, the others one by one
            stale = [name for name in old if name not in ready]
            if not stale and wanted.keys() <= ready:
                stale = old[:1]
        for name in stale:
            if name not in going:
                self.api.delete(f"{self.pods}/{name}")
        if self.memory.failures:
            return
        complete = wanted.keys() <= ready
        conditions: list[Object] = [{"type": "Available", "status": "True" if complete and wanted else "False"}]
        conditions.append({"type": "Completed", "status": "True" if complete and not old else "False"})
        if roll and old:
            conditions.append({"type": "Rolling", "status": "True"})
        states = [_server_status(found.get(name), wanted[name], name in ready) for name in sorted(wanted)]
        nothing = dict.fromkeys(("message", "reason", "initialFailureTime", "lastFailureTime"))
        self.report(conditions, {"servers": states, "introspectJobFailureCount": 0, **nothing})

    def report(self, conditions: list[Object], more: Object) -> None:
        """Writes the status if it says something new; a condition's time is when it became what it is."""
        before = {c["type"]: c for c in self.status.get("conditions", [])}
        for condition in conditions:
            old = dict(before.get(condition["type"], {}))
            since = old.pop("lastTransitionTime", None)
            condition["lastTransitionTime"] = since if old == condition and since else stamp(time.time())
        status = {"conditions": conditions, "observedGeneration": self.resource["metadata"]["generation"], **more}
        if any(self.status.get(key) != value for key, value in status.items()):
            path = f"/apis/weblogic.oracle/v9/namespaces/{self.namespace}/domains/{self.name}/status"
            self.api.merge(path, {"status": status})

    def event(self, reason: str, message: str) -> None:
        now, meta = stamp(time.time()), self.resource["metadata"]
        kind = {"apiVersion": "weblogic.oracle/v9", "kind": "Domain", "name": self.name, "namespace": self.namespace}
        event = {
            "metadata": {"generateName": f"{self.uid}.{reason}.", "labels": self.labels},
            "involvedObject": {**kind, "uid": meta["uid"]},
            "type": "Warning",
            "reason": reason,
            "message": message[:1000],
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "weblogic.operator"},
        }
        self.api.post(f"/api/v1/namespaces/{self.namespace}/events", event)


def _ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def _recipe(pod: Object) -> str:
    return str(pod["metadata"].get("annotations", {}).get("weblogic.sha256", ""))


def _server_status(pod: Optional[Object], wanted: Object, ready: bool) -> Object:
    labels = wanted["metadata"]["labels"]
    status: Object = {"serverName": labels["weblogic.serverName"], "stateGoal": "RUNNING"}
    status["state"] = "RUNNING" if ready else "STARTING"
    if "weblogic.clusterName" in labels:
        status["clusterName"] = labels["weblogic.clusterName"]
    if pod:
        status.update(podPhase=pod["status"]["phase"], podReady="True" if ready else "False")
        if pod["spec"].get("nodeName"):
            status["nodeName"] = pod["spec"]["nodeName"]
    return status


def main() -> None:
    cluster = load(Path(sys.argv[1]))
    api = Api(cluster.api_url, cluster.admin_token, cluster.ca_file)
    memories: dict[str, Memory] = {}
    while True:
        try:
            domains = api.get("/apis/weblogic.oracle/v9/domains")["items"]
            for resource in domains:
                if "deletionTimestamp" in resource["metadata"]:
                    continue
                try:
                    Domain(api, resource, memories.setdefault(resource["metadata"]["uid"], Memory())).look()
                except (ApiError, KeyError, TypeError, AttributeError) as error:
                    print(f"{resource['metadata']['namespace']}/{resource['metadata']['name']}: {error!r}", flush=True)
        except (ApiError, OSError) as error:
            print(repr(error), flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
