"""What kubectl pullcheck predicts of a pod that does not exist yet, against what the real kubelet then does with it.

All predictions are made first; then all pods are made together. The table is in `combinations`.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from .cluster import images
from .cluster import node as nodes
from .cluster.model import Cluster, Node
from .combinations import BLOCKED, COPIES, PULLABLE, ROTATED, ROWS, SECRETS, UNKNOWN, Row, Secret
from .conftest import Kubectl, make_pod, wait_for

Object = dict[str, Any]
STARTING = ("", "ContainerCreating", "PodInitializing")
AFTER_THE_PULL = ("CreateContainerError", "RunContainerError", "CrashLoopBackOff", "StartError")


@dataclass(frozen=True)
class Played:
    """One row: what was predicted (a Pull of the report), and the pod that the kubelet made of it."""

    row: Row
    prediction: Object
    pod: Object

    @property
    def pulled(self) -> bool:
        return outcome(self.pod) == "pulled"

    @property
    def cause(self) -> str:
        return next((str(one["cause"]) for one in self.prediction["findings"] if one["severity"] == "error"), "")

    def __str__(self) -> str:
        """The row as a line of the table."""
        told = f"{self.prediction['verdict']} {self.cause}".strip()
        return f"{self.row.name:30} {told:36} {'pulled' if self.pulled else 'refused: ' + word(self.pod)}"


def word(pod: Object) -> str:
    """The kubelet's word on a container that waits; empty for one that does not."""
    state = pod["status"].get("containerStatuses", [{}])[0].get("state", {})
    waiting = state.get("waiting", {})
    return f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip()[:300]


def outcome(pod: Object) -> str:
    """`pulled`, whether or not the container then starts; `refused`; empty as long as neither is known."""
    state = pod.get("status", {}).get("containerStatuses", [{}])[0].get("state", {"waiting": {}})
    if "waiting" not in state:
        return "pulled"
    reason = state["waiting"].get("reason", "")
    return "" if reason in STARTING else "pulled" if reason in AFTER_THE_PULL else "refused"


class Stage:
    """A namespace with the secrets, the images and the nodes that the rows are about."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl) -> None:
        self.cluster = cluster
        self.kubectl = kubectl
        self.run = secrets.token_hex(3)
        self.node = cluster.nodes[0]  # of the rows that are about what a node has
        self.names: dict[str, str] = {}  # of the rows' images, as their pods write them
        self.made: list[images.Image] = []
        self.heard: dict[str, str] = {}  # what the registries logged while the manifests of pods were judged

    # Images

    def push_copies(self) -> None:
        for name, (registry, folder, by) in COPIES.items():
            # Larger than all others, for a node tells of its 50 largest images.
            image = self._image(name, secrets.token_bytes(1_500_000))
            reference = f"{folder}/{self.run}-{name}:1.0"
            self.names[name] = self.cluster.registries[registry].image(reference)
            if by is None:
                self._load(image, self.names[name])
            else:
                images.Pusher(self.cluster.registries[registry]).image(reference, image)

    def push(self) -> None:
        pushers = {name: images.Pusher(registry) for name, registry in self.cluster.registries.items()}
        for row in ROWS:
            self.names[row.name] = self.names[row.copy] if row.copy else self._pushed(row, pushers[row.registry])

    def _pushed(self, row: Row, pusher: images.Pusher) -> str:
        """Every row has a repository and an image of its own, so that no pod finds what another one has pulled."""
        repository = f"{row.folder}/{self.run}-{row.name}"
        own, other = self._image(row.name), self._image(f"{row.name}, too", architecture="arm64")
        if row.holds in ("index", "index-of-others"):
            digest = pusher.index(f"{repository}:1.0", [own, other] if row.holds == "index" else [other])
        else:
            image = other if row.holds == "other-platform" else oci(own) if row.holds == "oci" else own
            digest = pusher.image(f"{repository}:{'latest' if row.holds == 'latest' else '1.0'}", image)
        registry = self.cluster.registries[row.registry]
        known = {"name": registry.image(repository), "repository": repository, "digest": digest}
        return row.asks.format(**known, address=registry.address, plain=self.cluster.plain_address)

    def _image(self, name: str, program: bytes = b"nothing that runs\n", architecture: str = "amd64") -> images.Image:
        """One that is pulled and does not start; smaller than those of other tests, so as not to push them off the nodes'
        lists."""
        self.made.append(images.build(program, f"{self.run} {name}", architecture))
        return self.made[-1]

    def _load(self, image: images.Image, name: str) -> None:
        archive = Path(self.cluster.folder) / f"{self.run}.tar"
        archive.write_bytes(images.docker_archive(image, name))
        try:
            nodes.ctr(self.node, "images", "import", str(archive))
        finally:
            archive.unlink()

    def remove_images(self) -> None:
        """From the nodes. The runtime keeps them by the digests of their configurations, too."""
        ids = {images.digest(image.config) for image in self.made}
        for node in self.cluster.nodes:
            there = nodes.ctr(node, "images", "ls", "-q").split()
            ours = [name for name in there if f"/{self.run}-" in name or name in ids]
            if ours:
                nodes.ctr(node, "images", "rm", *ours)

    # Objects

    def secret(self, name: str, registry: str, content: Secret) -> Object:
        return content.made(f"{registry}-{name}", self.cluster.registries[registry])

    def set_up(self) -> None:
        used = {(name, row.registry) for row in ROWS for name in (*row.secrets, row.account) if name in SECRETS}
        used |= {(name, registry) for registry, _, by in COPIES.values() for name in by or ()}
        made = [self.secret(name, registry, SECRETS[name]) for name, registry in sorted(used)]
        accounts = {f"{row.registry}-{row.account}" for row in ROWS if row.account}
        self.kubectl.apply(*made, *(account(name) for name in sorted(accounts)))
        self.push_copies()
        self._acquaint([secret["metadata"]["name"] for secret in made])
        self._pull_copies()
        self.push()  # meanwhile: a kubelet looks at its images twice a minute
        wanted = {self.names[name] for name in COPIES}
        wait_for(lambda: wanted <= self.listed(self.node), "the copies in the node's status", timeout=90)
        self.kubectl.apply(self.secret("rotated", "htpasswd", ROTATED))

    def _acquaint(self, names: Iterable[str]) -> None:
        """Has the kubelets read all secrets: one that does not know a secret yet asks without it at its first try."""
        pods = [
            make_pod(f"reader-{node.name}", self.cluster.pause_image, *names, node=node.name, imagePullPolicy="Never")
            for node in self.cluster.nodes
        ]
        self.kubectl.apply(*pods)
        self._wait_for(pods, lambda pod: pod["status"].get("phase") == "Running")

    def _pull_copies(self) -> None:
        pods = []
        for name, (registry, _, by) in COPIES.items():
            if by is not None:
                listed = [f"{registry}-{one}" for one in by]
                pods.append(once(make_pod(f"copy-{name}", self.names[name], *listed, node=self.node.name)))
        self.kubectl.apply(*pods)
        self._wait_for(pods, lambda pod: outcome(pod) == "pulled")

    def _wait_for(self, pods: Iterable[Object], ready: Callable[[Object], bool]) -> None:
        names = [pod["metadata"]["name"] for pod in pods]

        def all_ready() -> bool:
            return all(ready(pod) for pod in self.kubectl.list("pods") if pod["metadata"]["name"] in names)

        wait_for(all_ready, f"pods {', '.join(names)}")

    def listed(self, node: Node) -> set[str]:
        status = (self.kubectl.get("node", node.name) or {})["status"]
        return {name for image in status["images"] for name in image["names"]}

    def pod(self, row: Row) -> Object:
        policy = {"imagePullPolicy": row.policy} if row.policy else {}
        node = self.node.name if row.copy else ""
        pod = once(make_pod(row.name, self.names[row.name], *self.secrets_of(row), node=node, **policy))
        if not row.secrets:
            del pod["spec"]["imagePullSecrets"]
        if row.account:
            pod["spec"]["serviceAccountName"] = f"{row.registry}-{row.account}"
        return pod

    @staticmethod
    def secrets_of(row: Row) -> list[str]:
        return [f"{row.registry}-{name}" for name in row.secrets]

    # Predictions and outcomes

    def predict(self) -> dict[str, Object]:
        """A Pull of the report for each row."""
        rows = [row for row in ROWS if not row.by_image]
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [self.pod(row) for row in rows]})
        logs = {name: Path(self.cluster.folder) / "log" / f"registry-{name}.log" for name in self.cluster.registries}
        before = {name: len(log.read_bytes()) for name, log in logs.items()}
        report = self._pullcheck("-f", "-", *self._access(), stdin=manifest)
        self.heard = {name: log.read_bytes()[before[name] :].decode() for name, log in logs.items()}
        by_pod = {source["object"]: pull for pull in report["pulls"] for source in pull["sources"]}
        with ThreadPoolExecutor(3) as pool:
            alone = [row for row in ROWS if row.by_image]
            found = dict(zip((row.name for row in alone), pool.map(self._predict_alone, alone)))
        return {**{row.name: by_pod[f"pod/{row.name}"] for row in rows}, **found}

    def _predict_alone(self, row: Row) -> Object:
        words = [f"--secret={name}" for name in self.secrets_of(row)]
        words += [f"--serviceaccount={row.registry}-{row.account}"] if row.account else []
        (pull,) = self._pullcheck("--image", self.names[row.name], *words, *self._access(row.trusted_here))["pulls"]
        return dict(pull)

    def _access(self, trusted: bool = True) -> list[str]:
        """The nodes' own ways to the registries, told to pullcheck."""
        registries = self.cluster.registries.values()
        words = [f"--plain-http={registry.host}" for registry in registries if registry.scheme == "http"]
        return [*words, *(f"--registry-ca={registry.ca_file}" for registry in registries if registry.ca_file and trusted)]

    def _pullcheck(self, *arguments: str, stdin: str = "") -> Object:
        result = self.kubectl.plugin("pullcheck", *arguments, "-o", "json", stdin=stdin)
        assert result.out, result.err
        return dict(result.json)

    def play(self) -> dict[str, Object]:
        """Makes all pods; each as it is once the kubelet has spoken."""
        self.kubectl.apply(*(self.pod(row) for row in ROWS))
        names = {row.name for row in ROWS}
        pods: dict[str, Object] = {}

        def open_rows() -> bool:
            pods.update((pod["metadata"]["name"], pod) for pod in self.kubectl.list("pods"))
            return not [name for name in names if not outcome(pods[name])]

        wait_for(open_rows, "an outcome of every pod", timeout=600, every=1)
        return {name: pods[name] for name in names}


def oci(image: images.Image) -> images.Image:
    """The same image with the media types of the OCI."""
    ours = {
        f"{images.TYPE}.v2+json": "application/vnd.oci.image.manifest.v1+json",
        images.CONFIG_TYPE: "application/vnd.oci.image.config.v1+json",
        images.LAYER_TYPE: "application/vnd.oci.image.layer.v1.tar+gzip",
    }
    manifest = image.manifest
    for docker, name in ours.items():
        manifest = manifest.replace(docker.encode(), name.encode())
    return replace(image, manifest=manifest)


def account(name: str) -> Object:
    """A service account that lists the secret of the same name."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name},
        "imagePullSecrets": [{"name": name}],
        "automountServiceAccountToken": False,
    }


def once(pod: Object) -> Object:
    """A container that does not start is not started again."""
    return {**pod, "spec": {**pod["spec"], "restartPolicy": "Never"}}


@contextlib.contextmanager
def trusted(cluster: Cluster) -> Iterator[None]:
    """All nodes trust the authority of the TLS registry, as long as it lasts."""
    tls = cluster.registries["tls"]
    try:
        for node in cluster.nodes:
            nodes.trust_ca(node, tls.address, tls.ca_file)
        yield
    finally:
        for node in cluster.nodes:
            nodes.forget(node, tls.address)


@pytest.fixture(scope="module")
def stage(admin: Kubectl, cluster: Cluster) -> Iterator[Stage]:
    name = f"pullkit-e2e-{secrets.token_hex(4)}"
    admin("create", "namespace", name)
    made = Stage(cluster, Kubectl(admin.env, name))
    try:
        wait_for(lambda: made.kubectl.get("serviceaccount", "default"), "the default service account")
        made.set_up()
        yield made
    finally:
        admin("delete", "namespace", name, "--wait=false")
        made.remove_images()


@pytest.fixture(scope="module")
def table(stage: Stage) -> dict[str, Played]:
    with trusted(stage.cluster):
        predictions = stage.predict()
        pods = stage.play()
    return {row.name: Played(row, predictions[row.name], pods[row.name]) for row in ROWS}


def test_no_disagreement(table: dict[str, Played]) -> None:
    """Nothing that was called pullable is refused, and nothing that was called blocked is pulled."""
    wrong = {PULLABLE: False, BLOCKED: True}
    against = [str(one) for one in table.values() if wrong.get(one.prediction["verdict"]) is one.pulled]
    assert not against, "\n" + "\n".join(against)
    judged = [one for one in table.values() if one.prediction["verdict"] != UNKNOWN]
    assert len(judged) >= 25
    assert len({one.pulled for one in judged}) == 2


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_prediction(table: dict[str, Played], row: Row) -> None:
    """Each row has the verdict and the cause that the table says, and the outcome that belongs to it."""
    played = table[row.name]
    assert (played.prediction["verdict"], played.cause) == (row.verdict, row.cause), played.prediction["findings"]
    expected = row.verdict == PULLABLE if row.verdict != UNKNOWN else row.pulled
    assert played.pulled is expected, str(played)


def test_kubelets_knew_the_secrets(table: dict[str, Played], stage: Stage) -> None:
    """A refusal counts only where the kubelet had read what the pod lists."""
    events = stage.kubectl.list("events", "--field-selector=reason=FailedToRetrieveImagePullSecret")
    without = {event["involvedObject"]["name"] for event in events}
    assert without <= {row.name for row in ROWS if set(row.secrets) - set(SECRETS)}


def test_registries_got_what_the_report_says(table: dict[str, Played], stage: Stage) -> None:
    """An attempt that was accepted is one answered request for the manifest; what a registry was not asked for, it got no
    request for."""
    for played in table.values():
        row = played.row
        if row.by_image or row.copy or not (asked := played.prediction["reference"]):
            continue
        log = stage.heard[row.registry]
        path = re.escape(f"/v2/{asked['repository']}/manifests/{asked['digest'] or asked['tag']}")
        statuses = re.findall(rf'"HEAD {path} HTTP/1.1" (\d+) .*"kubectl-pullcheck/', log)
        registry = played.prediction["registry"]
        if registry is None or not registry["reachable"]:
            assert statuses == [], row.name
            continue
        accepted = [str(one["status"]) for one in registry["attempts"] if one["result"] == "accepted"]
        assert [status for status in statuses if status in ("200", "404")] == accepted, (row.name, statuses)


def test_wrong_password_is_sent_once(table: dict[str, Played], stage: Stage) -> None:
    """Two pods offer it, for two images."""
    failures = re.findall(r'error authenticating user ."stranger.".*useragent="?kubectl-pullcheck', stage.heard["htpasswd"])
    assert sum("stranger" in row.secrets for row in ROWS if not row.by_image) > 1
    assert len(failures) == 1
