"""What carries an image to a node: the runtime that is found, the pod, the image that it runs, the ssh command."""

from __future__ import annotations

import copy
import json
import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Optional

import pytest
from pullcore.errors import CommandError
from repull import carrier_pod, carrier_ssh, runtimes
from repull.runtimes import CONTAINERD, CRIO, DOCKER, K3S, MICROK8S, RKE2, Runtime, digest_in, runtime_of

from .builders import NOW, Object, container, node, pod
from .repull_builders import RUNS, changed

IMAGE = "some.registry.com/owner/domain1:1.0"
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("runtime", "kubelet", "labels", "found"),
    [
        ("containerd://1.6.20~ds1", "v1.35.1", {}, CONTAINERD),
        ("containerd://2.1.5", "v1.35.1", {}, replace(CONTAINERD, name="containerd 2.1", tested=False)),
        ("containerd://1.7.26-k3s1", "v1.32.3+k3s1", {}, K3S),
        ("containerd://2.0.4-k3s2", "v1.32.3+rke2r1", {}, RKE2),
        ("containerd://1.6.36", "v1.32.3", {"microk8s.io/cluster": "true"}, MICROK8S),
        ("cri-o://1.34.0", "v1.34.1", {}, CRIO),
        ("docker://27.3.1", "v1.30.0", {}, DOCKER),
        ("rkt://1", "v1.10.0", {}, None),
        ("", "", {}, None),
    ],
)
def test_runtime(runtime: str, kubelet: str, labels: dict[str, str], found: Optional[Runtime]) -> None:
    assert runtime_of(node(runtime=runtime, kubelet=kubelet, labels=labels)) == found


def test_only_containerd_is_called_tested() -> None:
    assert runtimes.shown([CONTAINERD, K3S, CRIO, CRIO]) == "CRI-O, k3s"
    assert runtimes.shown([CONTAINERD]) == ""


@pytest.mark.parametrize(
    ("runtime", "does"),
    [
        ("containerd://1.6.36", False),
        ("containerd://1.7.2", True),
        ("containerd://2.1.5-k3s1", True),
        ("cri-o://1.34.0", False),
        ("", False),
    ],
)
def test_pins(runtime: str, does: bool) -> None:
    assert runtimes.pins(node(runtime=runtime)) is does


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (IMAGE, "some.registry.com/owner/domain1"),
        ("r.example.com:5000/a", "r.example.com:5000/a"),
        (f"r.example.com:5000/a@{DIGEST}", "r.example.com:5000/a"),
        ("r.example.com:5000/a:1", "r.example.com:5000/a"),
    ],
)
def test_name_without_tag(image: str, repository: str) -> None:
    assert CONTAINERD.arguments(7, image, pin=True) == ["7", CONTAINERD.socket, image, repository, "pin"]


def test_what_a_node_says_of_a_digest() -> None:
    text = f"unpacking ...\nkubectl-repull: {IMAGE} is {DIGEST}\n"
    assert digest_in(text, IMAGE) == DIGEST
    assert digest_in(text, IMAGE + "2") == ""
    assert digest_in(f"kubectl-repull: {IMAGE} is sha256:12\n", IMAGE) == ""
    assert runtimes.complaint(f"a\nctr: no space\n\nkubectl-repull: {IMAGE} is {DIGEST}\n") == "a; ctr: no space"


# The shell, with a ctr that is none: what it is given, and what comes of its answers


def run_script(
    folder: Path, ctr: str, *, pin: bool = False, there: bool = False
) -> tuple[subprocess.CompletedProcess[bytes], str]:
    """The script with ten bytes, of which it is to take six; and what ctr was called with."""
    tool, log = folder / "ctr", folder / "log"
    tool.write_text(f'#!/bin/sh\necho "$@" >>{shlex.quote(str(log))}\n{ctr}\n')
    tool.chmod(0o755)
    argv = ["sh", "-c", CONTAINERD.script, "sh", *CONTAINERD.arguments(6, IMAGE, pin=pin, there=there)]
    path = f"{folder}:/usr/bin:/bin"
    done = subprocess.run(argv, input=b"0123456789", capture_output=True, env={"PATH": path}, timeout=30)
    return done, log.read_text() if log.exists() else ""


ANSWERS = f"""case "$6 $7" in
"import -") [ "$(cat)" = 012345 ] || exit 3;;
"ls name=={IMAGE}") echo "REF TYPE DIGEST"; echo "{IMAGE} x {DIGEST} 1 MiB";;
esac"""


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_script_does_not_wait_for_whoever_has_gone(tmp_path: Path, shell: str) -> None:
    """Killed before it attached, a run would leave a pod that is root on its node for as long as its deadline is."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    (tmp_path / "ctr").write_text('#!/bin/sh\n[ "$(cat)" ] || { echo "ctr: no archive" >&2; exit 1; }\n')
    (tmp_path / "ctr").chmod(0o755)
    assert "timeout 90 dd " in CONTAINERD.script
    script = CONTAINERD.script.replace("timeout 90 ", "timeout 0.2 ")
    reads, writes = os.pipe()  # nobody writes to it, and it does not end
    argv = [shell, "-c", script, "sh", *CONTAINERD.arguments(6, IMAGE, pin=False)]
    done = subprocess.run(argv, stdin=reads, capture_output=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout=30)
    os.close(reads)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, b"ctr: no archive\n")


def test_script_without_timeout(tmp_path: Path) -> None:
    """An older busybox has another `timeout`, or none."""
    (tmp_path / "timeout").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "timeout").chmod(0o755)
    done, _ = run_script(tmp_path, ANSWERS)
    assert (done.returncode, digest_in(done.stdout.decode(), IMAGE)) == (0, DIGEST), done.stderr


def test_script(tmp_path: Path) -> None:
    done, log = run_script(tmp_path, ANSWERS, pin=True)
    assert (done.returncode, digest_in(done.stdout.decode(), IMAGE)) == (0, DIGEST), done.stderr
    begin = f"--address {CONTAINERD.socket} --namespace k8s.io images"
    assert log.splitlines() == [
        f"{begin} import -",
        f"{begin} ls name=={IMAGE}",
        f"{begin} tag --force {IMAGE} some.registry.com/owner/domain1@{DIGEST}",
        f"{begin} label {IMAGE} io.cri-containerd.pinned=pinned",
    ]
    _, log = run_script(tmp_path, ANSWERS)
    assert log.count(" label ") == 1  # of the run before


def test_script_for_what_is_there(tmp_path: Path) -> None:
    """It imports nothing, and tells the digest and pins all the same."""
    done, log = run_script(tmp_path, ANSWERS, pin=True, there=True)
    assert (done.returncode, digest_in(done.stdout.decode(), IMAGE)) == (0, DIGEST), done.stderr
    assert "import" not in log and log.count(" label ") == 1


@pytest.mark.parametrize(
    ("ctr", "code", "says"),
    [
        ('echo "ctr: unexpected EOF" >&2; exit 1', 1, "ctr: unexpected EOF"),
        ("true", 9, f"it was taken, but not as {IMAGE}"),
    ],
)
def test_script_that_fails(tmp_path: Path, ctr: str, code: int, says: str) -> None:
    done, _ = run_script(tmp_path, ctr)
    assert (done.returncode, done.stdout) == (code, b"")
    assert says in done.stderr.decode()


def test_a_node_without_the_tool() -> None:
    argv = ["/bin/sh", "-c", CRIO.script.replace("podman", "no-such-tool"), "sh", *CRIO.arguments(1, IMAGE, pin=False)]
    done = subprocess.run(argv, input=b"x", capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (127, b"this node has no no-such-tool\n")


# The pod


def manifest(runtime: Runtime = CONTAINERD, value: Optional[Object] = None) -> Object:
    within = carrier_pod.in_pod(runtime)
    arguments = within.arguments(1_000_000_000, IMAGE, pin=False)
    value = value or node()
    helper, seconds = "registry.k8s.io/pause:3.10", carrier_pod.deadline(1_000_000_000)
    return carrier_pod.manifest("ns", value, runtime, helper, arguments, run="r1", number=1, seconds=seconds)


def test_pod_pulls_nothing_and_goes_to_its_node_whatever_taints_it() -> None:
    found = manifest()
    spec = found["spec"]
    (only,) = spec["containers"]
    assert (only["image"], only["imagePullPolicy"]) == ("registry.k8s.io/pause:3.10", "Never")
    assert (spec["nodeName"], spec["tolerations"]) == ("n1", [{"operator": "Exists"}])
    assert (only["stdin"], only["stdinOnce"], spec["restartPolicy"]) == (True, True, "Never")
    assert spec["automountServiceAccountToken"] is False
    assert spec["activeDeadlineSeconds"] == 600 + 1_000_000_000 // (512 * 1024)
    assert found["metadata"]["namespace"] == "ns"
    assert carrier_pod.LABELS.items() <= found["metadata"]["labels"].items()
    json.dumps(found)


def test_pod_is_not_privileged_where_the_runtime_does_the_work() -> None:
    (only,) = manifest()["spec"]["containers"]
    secure = only["securityContext"]
    assert "privileged" not in secure and secure["capabilities"] == {"drop": ["ALL"]}
    assert secure["runAsUser"] == 0 and secure["readOnlyRootFilesystem"]
    writable = [one["mountPath"] for one in only["volumeMounts"] if not one.get("readOnly")]
    assert writable == [carrier_pod.SOCKET, "/etc"]  # an empty one: nothing of the image's may be loaded by the host's tools
    assert [one["emptyDir"] for one in manifest()["spec"]["volumes"] if one["name"] == "no-etc"] == [{}]


def test_pod_sees_the_socket_at_one_place() -> None:
    found = manifest(K3S)
    paths = {one["hostPath"]["path"]: one["hostPath"].get("type") for one in of_host(found)}
    assert paths[K3S.socket] == "Socket"
    assert "/var/lib/rancher" in paths
    assert carrier_pod.SOCKET in found["spec"]["containers"][0]["command"]


def test_pod_is_privileged_where_a_tool_writes_by_itself() -> None:
    (only,) = manifest(CRIO)["spec"]["containers"]
    assert only["securityContext"]["privileged"]
    writable = {one["mountPath"] for one in only["volumeMounts"] if not one.get("readOnly")}
    assert writable == {*CRIO.writes, "/etc"}


@pytest.mark.parametrize(("machine", "there"), [("amd64", True), ("ppc64le", True), ("arm64", False), ("s390x", False)])
def test_pod_mounts_lib64_where_the_loader_is(machine: str, there: bool) -> None:
    """Elsewhere it may not exist, and a runtime would make it on the node."""
    found = manifest(value=node(platform=machine))
    assert ("/lib64" in {one["hostPath"]["path"] for one in of_host(found)}) is there


def of_host(found: Object) -> list[Object]:
    return [one for one in found["spec"]["volumes"] if "hostPath" in one]


# The image that it runs


def running(name: str, image: str, where: str = "n1", namespace: str = "default", **how: Any) -> Object:
    value = pod(name, container("c", image), node=where, namespace=namespace, **how)
    return changed(value, status__containerStatuses=[{"name": "c", "image": image, "state": RUNS}])


HELPERS: list[tuple[str, Object, list[Object], list[str]]] = [
    ("a pause image first", node("n1", "z.example.com/x:1", "registry.k8s.io/pause:3.10"), [running("p", "a:1")],
     ["registry.k8s.io/pause:3.10", "a:1"]),
    ("the cluster's own pods before others", node("n1"),
     [running("p", "a:1"), running("q", "b:1"), running("proxy", "z:1", namespace="kube-system")], ["z:1", "a:1", "b:1"]),
    ("no pod with pull secrets", node("n1"), [running("p", "a:1", secrets=["pull"])], []),
    ("no pod of another node", node("n1"), [running("p", "a:1", "n2")], []),
    ("no pod that does not run", node("n1"), [pod("p", container("c", "a:1"), node="n1")], []),
    ("a name by digest alone is none", node("n1", f"registry.k8s.io/pause@{DIGEST}"), [], []),
    ("what is only called like it", node("n1", "x/unpaused:1", "pause.example.com/app:1", "x/mirrored-pause:3.6"), [],
     ["x/mirrored-pause:3.6"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "pods", "found"), [row[1:] for row in HELPERS], ids=[row[0] for row in HELPERS])
def test_helper(value: Object, pods: list[Object], found: list[str]) -> None:
    assert carrier_pod.helpers(value, pods) == found
    assert carrier_pod.helpers(value, list(reversed(pods))) == found  # not a matter of chance


# What is left behind


def ended(age: float, *, finished: Optional[float] = None, phase: str = "Failed") -> Object:
    def ago(seconds: float) -> str:
        return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    states = [] if finished is None else [{"state": {"terminated": {"finishedAt": ago(finished)}}}]
    return {
        "metadata": {"name": "x", "creationTimestamp": ago(age)},
        "spec": {"activeDeadlineSeconds": 600},
        "status": {"phase": phase, "containerStatuses": states},
    }


@pytest.mark.parametrize(
    ("value", "is_left"),
    [
        (ended(500, phase="Running"), False),
        (ended(655, phase="Running"), False),
        (ended(665, phase="Running"), True),
        (ended(665, phase="Pending"), True),
        (ended(300, finished=30), False),
        (ended(300, finished=90, phase="Succeeded"), True),
        (ended(30), False),
        (ended(90), True),
    ],
)
def test_leftover(value: Object, is_left: bool) -> None:
    assert carrier_pod.is_leftover(copy.deepcopy(value), NOW.timestamp()) is is_left


# ssh


def test_ssh_takes_the_words_apart_as_they_were() -> None:
    odd = "some.registry.com/it's:1"
    words = carrier_ssh.command("node1", "root", CONTAINERD, CONTAINERD.arguments(6, odd, pin=False))
    assert words[:2] == ["ssh", "-T"] and words[-3:-1] == ["--", "root@node1"]
    outer = shlex.split(words[-1])
    assert outer[:2] == ["sh", "-c"]
    assert outer[-7:] == [CONTAINERD.script, "sh", "6", CONTAINERD.socket, odd, "some.registry.com/it's", ""]
    assert carrier_ssh.shown(words).endswith(" root@node1 ...")


def test_ssh_without_a_user_asks_the_configuration() -> None:
    assert carrier_ssh.command("node1", "", CONTAINERD, [])[-2] == "node1"


@pytest.mark.parametrize(
    ("host", "user"), [("-oProxyCommand=x", ""), ("a b", ""), ("n1", "-lroot"), ("n1", "a@b"), ("n$(x)", "")]
)
def test_ssh_is_given_no_options_in_names(host: str, user: str) -> None:
    with pytest.raises(CommandError):
        carrier_ssh.command(host, user, CONTAINERD, [])
