"""The plugins while the real API server is killed and started again, and behind a proxy that has faults (a stand-in).

What each command makes of each fault is tested systematically in tests/integration (docs/faults.md)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .cluster import binaries, images
from .cluster import node as nodes
from .cluster.model import Cluster, Registry
from .cluster.processes import Processes
from .conftest import Kubectl, Result, wait_for
from .fault_proxy import BROKEN, BUSY, FAILED, LOST, REFUSED, TRUNCATED, FaultProxy
from .load_kit import SOMEWHERE, everywhere, has, nothing_left, sockets
from .repull_kit import Repull, held, let_go, uids, wait_refused, wait_running, workload

API = "kube-apiserver"


@pytest.fixture
def repull(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> Repull:
    return Repull(kubectl, registries["htpasswd"], tmp_path / "saved")


def waits(repull: Repull, kubectl: Kubectl) -> set[str]:
    """A Deployment whose pod was refused its image; its UID."""
    repull.break_secret()
    kubectl.apply(workload("Deployment", "web", {"image": repull.image}, names=("pull",)))
    return wait_refused(kubectl, "web")


def waits_held(repull: Repull, kubectl: Kubectl) -> set[str]:
    """The same, of a pod that does not start until it is let go."""
    repull.break_secret()
    kubectl.apply(held("web", repull.image, secret="pull"))
    return wait_refused(kubectl, "web")


def one_line(result: Result, code: int) -> str:
    """The one line that a command ends with."""
    told = result.out + result.err
    assert result.code == code, told
    assert "Traceback" not in told
    last = result.err.splitlines()[-1]
    starts = ("error: ", "Error from server", "Unable to connect to the server", "The connection to the server")
    assert last.startswith(starts), told
    return last


# A proxy with faults


@pytest.fixture
def proxy(cluster: Cluster, tmp_path: Path) -> Iterator[FaultProxy]:
    folder = tmp_path / "proxy"
    folder.mkdir()
    made = FaultProxy(cluster, folder)
    yield made
    made.close()


@pytest.fixture
def through(proxy: FaultProxy, cluster: Cluster, kubectl: Kubectl) -> Kubectl:
    """kubectl by way of the proxy."""
    return Kubectl({**kubectl.env, "KUBECONFIG": str(proxy.kubeconfig(cluster))}, kubectl.namespace)


@dataclass
class Once:
    """A rule: a request of this method whose address has this part has the fault: the first one, or with `always` each one
    after so many that pass."""

    fault: str
    method: str
    part: str
    always: bool = False
    after: int = 0
    met: list[str] = field(default_factory=list)

    def __call__(self, method: str, address: str) -> str:
        if method != self.method or self.part not in address or "dryRun" in address:
            return ""
        self.met.append(address)
        return self.fault if len(self.met) > self.after and (self.always or len(self.met) == 1) else ""


def test_a_read_with_a_fault(proxy: FaultProxy, through: Kubectl, repull: Repull, kubectl: Kubectl) -> None:
    """What is asked once more is right; of half an answer nothing is made."""
    waits(repull, kubectl)
    words = ("deployment/web", "--plain-http", repull.registry.address, "-o", "json")
    for fault in (BUSY, LOST, BROKEN, TRUNCATED):
        proxy.rule = rule = Once(fault, "GET", "/pods?")
        found = through.plugin("pullcheck", *words)
        assert rule.met
        if fault in (BUSY, LOST):
            assert (found.code, found.json["verdict"]) == (1, "blocked")
        else:
            one_line(found, 2)


def test_a_write_whose_answer_is_lost(proxy: FaultProxy, through: Kubectl, repull: Repull, kubectl: Kubectl) -> None:
    registry = repull.registry
    login = [f"--docker-server={registry.address}", f"--docker-username={registry.user}", "--docker-password-stdin"]
    words = ["add", "new", *login, "--plain-http", registry.address, "--for=serviceaccount/default"]
    proxy.rule = Once(LOST, "POST", "/secrets")
    found = through.plugin("pullsecret", *words, stdin=registry.password)
    assert f"whether secret/new in namespace {kubectl.namespace} was created is not known" in one_line(found, 1)
    assert kubectl.get("secret", "new")
    again = through.plugin("pullsecret", *words, stdin=registry.password)
    assert again.code == 0, again.err
    assert "serviceaccount/default patched" in again.out


def test_a_refusal_in_the_middle_of_a_plan(proxy: FaultProxy, through: Kubectl, repull: Repull, kubectl: Kubectl) -> None:
    """Of two Deployments one pod may not be deleted; the other one's is, and the document tells both."""
    waits(repull, kubectl)
    kubectl.apply(workload("Deployment", "api", {"image": repull.image}, names=("pull",)))
    wait_refused(kubectl, "api")
    proxy.rule = Once(REFUSED, "DELETE", "/pods/")
    words = ("--force", "--no-wait")  # the secret is not mended: a pod that got its image by itself would need nothing
    there = Repull(through, repull.registry, repull.folder)
    found = there("deployment/web", "deployment/api", "-o", "json", *words, code=1)
    assert "not done: delete pod/" in one_line(found, 1)
    assert sorted(one["done"] for one in found.json["steps"]) == [False, True]
    there("deployment/web", "deployment/api", *words)


@dataclass(frozen=True)
class Loading:
    """repull --load through the proxy, for a DaemonSet on both nodes."""

    there: Repull
    cluster: Cluster
    archive: Path
    image: str

    def __call__(self, code: int = 0) -> Result:
        """Runs it; no pod of its own may be left."""
        words = ("--load", str(self.archive), "--containerd-socket", sockets(self.cluster), "-y")
        result = self.there("daemonset/web", *words, code=code)
        nothing_left(self.there.kubectl)
        return result

    @property
    def loaded(self) -> list[bool]:
        return [has(node, self.image) for node in self.cluster.nodes]


@pytest.fixture
def loading(through: Kubectl, repull: Repull, kubectl: Kubectl, cluster: Cluster, tmp_path: Path) -> Iterator[Loading]:
    image = f"{SOMEWHERE}/{kubectl.namespace}:1"
    kubectl.apply(everywhere("web", image))
    wait_refused(kubectl, "web", 2)
    archive = tmp_path / "image.tar"
    archive.write_bytes(images.docker_archive(images.build(binaries.app().read_bytes(), image), image))
    made = Loading(Repull(through, repull.registry, repull.folder), cluster, archive, image)
    yield made
    for node in (one for one in cluster.nodes if has(one, image)):
        nodes.ctr(node, "images", "rm", image)


CREATE, ATTACH = ("POST", "/pods"), ("GET", "/attach")


def test_carriers_with_a_fault(loading: Loading, proxy: FaultProxy) -> None:
    """repull --load: carriers that can't be made or attached to, or whose stream breaks off. None of them is left, and no
    node has the name of an image that it got in part."""
    for fault, call, says in (
        (REFUSED, CREATE, "the proxy says no"),
        (BUSY, CREATE, "too many requests"),
        (FAILED, CREATE, "the proxy fails"),
        (LOST, CREATE, "closed the connection without an answer"),
        (REFUSED, ATTACH, "the proxy says no"),
        (FAILED, ATTACH, "the proxy fails"),
        (BROKEN, ATTACH, "broke off"),
    ):
        proxy.rule = rule = Once(fault, *call, always=True)
        told = one_line(loading(code=1), 1)
        assert rule.met
        assert "2 of 2 nodes did not get the image, and nothing was started again" in told
        assert says in told
        assert loading.loaded == [False, False]


def test_carriers_with_a_fault_once(loading: Loading, proxy: FaultProxy) -> None:
    """One is asked for again, the other one's stream is begun anew."""
    made, attached = Once(BUSY, *CREATE), Once(BROKEN, *ATTACH)
    proxy.rule = lambda method, address: made(method, address) or attached(method, address)
    assert "trying once more" in loading().err
    assert made.met and attached.met
    assert loading.loaded == [True, True]


def test_loaded_but_not_proven(loading: Loading, proxy: FaultProxy) -> None:
    """The pods that are to prove it can't be made: what is on the nodes is told, and the next run has it."""
    proxy.rule = Once(FAILED, *CREATE, always=True, after=2)
    assert "2 of 2 nodes have the image, but their kubelets do not prove that they would use it" in one_line(loading(1), 1)
    assert loading.loaded == [True, True]
    proxy.rule = Once("", *CREATE)
    loading()
    wait_running(loading.there.kubectl, "web", 2)


def test_a_watch_that_breaks_off_and_a_certificate_that_changes(
    proxy: FaultProxy, through: Kubectl, repull: Repull, kubectl: Kubectl, cluster: Cluster
) -> None:
    before = waits_held(repull, kubectl)
    repull.mend_secret()
    proxy.rule = rule = Once(BROKEN, "GET", "watch=true")
    running = Repull(through, repull.registry, repull.folder).started("deployment/web", "--keep-waiting-pods")
    wait_for(lambda: rule.met, "a watch")
    proxy.shows_another_certificate()
    refused = through.plugin("pullcheck", "-A")
    assert "tls: failed to verify certificate: x509: " in one_line(refused, 2)
    proxy.shows_its_own()
    let_go(kubectl, cluster, "web")
    result = repull.ended(running)
    assert " is back: 1 pod started" in result.out
    assert uids(kubectl, "web") == before


# The real one, killed and started again; at the end, for its controllers need a while to come back


class ApiServer:
    """The real API server of our cluster."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl) -> None:
        self.kubectl = kubectl
        found = Processes.load(Path(cluster.folder))
        assert found
        self.processes = found
        self.process = found.running[API]

    def kill(self) -> None:
        self.processes.stop(API)

    def start(self) -> None:
        if not self.processes.alive(API):
            one = self.process
            self.processes.start(API, one.argv, Path(one.folder), one.env)
        wait_for(lambda: self.kubectl.run("get", "--raw", "/readyz").code == 0, "the API server")

    def restart(self, seconds: float) -> None:
        self.kill()
        time.sleep(seconds)
        self.start()


@pytest.fixture
def api_server(cluster: Cluster, kubectl: Kubectl) -> Iterator[ApiServer]:
    server = ApiServer(cluster, kubectl)
    try:
        yield server
    finally:
        server.start()


def until(running: subprocess.Popen[str], *words: str) -> str:
    """What a command says on standard error, until a line has these words."""
    assert running.stderr
    said = ""
    for line in running.stderr:
        said += line
        if all(word in line for word in words):
            return said
    pytest.fail(f"it never said {words}: {said}")


def ended(running: subprocess.Popen[str], said: str) -> Result:
    out, err = running.communicate(timeout=300)
    return Result(running.returncode, out, said + err)


def begun(kubectl: Kubectl, *words: str) -> subprocess.Popen[str]:
    """A command beside the test, which logs its requests as they are answered."""
    argv = ["kubectl", *words, "-v=6"]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, env=kubectl.env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def test_restarted_while_repull_waits_and_pullcheck_looks(
    repull: Repull, kubectl: Kubectl, api_server: ApiServer, cluster: Cluster
) -> None:
    """repull goes on; pullcheck is right, or says in one line why not."""
    before = waits_held(repull, kubectl)
    repull.mend_secret()
    running = repull.started("deployment/web", "--keep-waiting-pods", "-v=6")
    until(running, "watch=true", " 200 ")
    words = ("pullcheck", "-A", "--plain-http", repull.registry.address)
    looking = begun(kubectl, *words)
    said = until(looking, "/api/v1/pods", " 200 ")
    api_server.kill()
    found = ended(looking, said)
    if found.code not in (0, 1):  # else it had what it needed
        one_line(found, 2)
    assert "was refused" in one_line(kubectl.run(*words), 2)
    api_server.start()
    assert kubectl.run(*words).code in (0, 1)
    let_go(kubectl, cluster, "web")
    result = repull.ended(running)
    assert "trying again" in result.err
    assert " is back: 1 pod started" in result.out
    assert uids(kubectl, "web") == before


def test_restarted_while_pullsecret_adds(repull: Repull, kubectl: Kubectl, api_server: ApiServer, tmp_path: Path) -> None:
    """What is done is told, and the next run finishes it."""
    registry = repull.registry
    (tmp_path / "password").write_text(registry.password)
    login = [f"--docker-server={registry.address}", f"--docker-username={registry.user}"]
    login += [f"--docker-password-file={tmp_path / 'password'}", "--plain-http", registry.address]
    words = ("pullsecret", "add", "new", *login, "--for=serviceaccount/default", "-n", kubectl.namespace)
    running = begun(kubectl, *words)
    said = until(running, "POST", "/secrets?fieldManager")
    api_server.kill()
    found = ended(running, said)
    api_server.start()
    if found.code:  # else it was quicker
        last = one_line(found, 1)
        assert "secret/new created" in found.out
        assert "not done: serviceaccount/default" in last
    again = kubectl.run(*words)
    assert again.code == 0, again.err
    account = kubectl.get("serviceaccount", "default")
    assert account and {"name": "new"} in account["imagePullSecrets"]
    assert registry.password not in found.out + found.err + again.out + again.err
