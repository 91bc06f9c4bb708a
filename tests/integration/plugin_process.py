"""The plugins as processes, each with a small cluster and a registry of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Callable, Optional

from pullcore import canary

from .certificates import Authority
from .hostile import Answer as Said
from .hostile import Seen
from .hostile import StandIn as Registry
from .pullsecret_kit import PASSWORD, deployment, entry, failing, kubeconfig, owned, secret, service_account
from .standin import Answer, Asked, ClusterStandIn

PLUGINS = Path(__file__).parents[2] / "plugins"


class World:
    """A cluster and a registry, which call `moment` with each request. Its kubelet has the image of every canary at once."""

    def __init__(self) -> None:
        self.moment: Callable[[], None] = lambda: None
        world = self

        class Watched(Registry):
            def answer(self, seen: Seen) -> Said:
                world.moment()
                return super().answer(seen)

        self.registry = Watched(users={"bob": PASSWORD})
        self.cluster = ClusterStandIn(service_account())
        self.cluster.before = self._before
        image = self.registry.image()
        self.cluster.put(secret("there", {self.registry.netloc: entry()}))
        self.cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {}})
        labels = {"app": "web"}
        web = self.cluster.put(deployment("web", image, selector={"matchLabels": labels}))
        of_web = owned(deployment("web-5d", image, "ReplicaSet", selector={"matchLabels": labels}), web)
        of_web["metadata"]["labels"] = labels
        self.cluster.put(of_web)
        self.cluster.put(owned(failing(image, "web-1", secrets=["there"], labels=labels), of_web))
        self.cluster.put(failing(image, "alone", secrets=["there"]))

    def _before(self, asked: Asked) -> Optional[Answer]:
        self.moment()
        if asked.method == "POST" and asked.path.endswith("/pods"):
            value = json.loads(asked.body)
            if canary.is_ours(value):
                name, image = value["spec"]["containers"][0]["name"], f"x@sha256:{'a' * 64}"
                failed = {"terminated": {"exitCode": 128, "reason": "StartError"}}
                value["status"] = {"containerStatuses": [{"name": name, "imageID": image, "state": failed}]}
                asked.body = json.dumps(value).encode()
        return None

    def close(self) -> None:
        self.cluster.close()
        self.registry.close()


def environment(world: World, folder: Path, authority: Authority) -> dict[str, str]:
    """Temporary files go to the folder's own `tmp`, Python modules of a test come from the folder itself."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(folder),
        "LANG": "C.UTF-8",
        "KUBECONFIG": str(kubeconfig(world.cluster, folder)),
        "SSL_CERT_FILE": str(authority.ca.certificate_file),  # those of a system take a while to read
    }
