"""A STAND-IN for the WebLogic Kubernetes Operator: what repull waits for, and no more."""

from __future__ import annotations

import threading
import time

from tests.unit.repull_builders import ENDED_WELL, RUNS, changed, introspected, server

from ..standin import ClusterStandIn

PAUSE = 0.05  # seconds between two of its steps
COMPLETED = {
    "conditions": [{"type": "Completed", "status": "True"}],
    "servers": [{"serverName": "managed-1", "stateGoal": "RUNNING"}],
}


class Operator:
    """Has domain1 introspected anew: the waiting pod goes, another one runs and ends, and then the only server starts."""

    def __init__(self, cluster: ClusterStandIn) -> None:
        self.cluster = cluster
        self.at_work: list[threading.Thread] = []

    def introspect(self) -> None:
        self.at_work.append(threading.Thread(target=self._introspect, daemon=True))
        self.at_work[-1].start()

    def finish(self) -> None:
        for one in self.at_work:
            one.join(30)

    def _introspect(self) -> None:
        cluster = self.cluster
        _, job, old = introspected(RUNS, secrets=["good"])
        name = "domain1-introspector-x2"
        new = changed(old, metadata__name=name, metadata__uid=f"uid-of-{name}")
        time.sleep(PAUSE)
        cluster.remove("Pod", old["metadata"]["name"], "default")
        cluster.put(new)
        time.sleep(PAUSE)
        ended = {**new["status"]["containerStatuses"][0], "state": ENDED_WELL}
        cluster.put(changed(new, status__phase="Succeeded", status__containerStatuses=[ended]))
        time.sleep(PAUSE)
        cluster.remove("Pod", name, "default")
        cluster.remove("Job", job["metadata"]["name"], "default")
        with cluster.lock:
            domain = changed(cluster.get("Domain", "domain1", "default"), status=COMPLETED)
            cluster.put(server(state=RUNS, domain=domain))
            cluster.put(domain)
