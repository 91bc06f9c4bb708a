"""The README's tour from beginning to end: find out, mend, bring back, look again."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from .cluster import node as nodes
from .cluster.model import Node
from .conftest import Kubectl, Result, wait_for
from .pullsecret_kit import deployment, domain
from .test_demo import PASSWORD, Example, example  # noqa: F401 - a fixture

HOST = "some.registry.com"
IMAGE = f"{HOST}/owner/domain1:1.0"
SERVING = "registry.example.com/owner/domain1:1.0"


def pulls_from(node: Node, url: str) -> None:
    """The node goes there for some.registry.com; the harness's own registry, where the example leads it, has no bob."""
    text = f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n'
    Path(node.certs_folder, HOST, "hosts.toml").write_text(text)


README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


class Told:
    """Runs the commands of the tour, and keeps all that they told."""

    def __init__(self, kubectl: Kubectl, example: Example, folder: Path) -> None:  # noqa: F811
        self.kubectl, self.example, self.folder, self.text = kubectl, example, folder, ""

    def run(self, line: str) -> Result:
        assert f"$ {line}\n" in README, "the README tells another tour"
        more = ["-n", self.kubectl.namespace, "--registry-ca", str(self.example.ca.certificate_file)]
        words = ["nsenter", f"--mount=/proc/{self.example.holder}/ns/mnt", f"--wd={self.folder}", *shlex.split(line), *more]
        run = subprocess.run(words, capture_output=True, text=True, timeout=700, env=self.kubectl.env)
        told = f"$ {line}\n{run.stderr}{run.stdout}(exit status {run.returncode})\n\n"
        self.text += told.replace(self.kubectl.namespace, "default")
        return Result(run.returncode, run.stdout, run.stderr)


def test_the_tour(kubectl: Kubectl, example: Example, node_access: list[Node], tmp_path: Path) -> None:  # noqa: F811
    told = Told(kubectl, example, tmp_path)
    (tmp_path / "pw.txt").write_text(PASSWORD)
    known = map(str.split, Path(example.node.hosts_file).read_text().splitlines())
    address = next(names[0] for names in known if HOST in names)
    for one in node_access:
        nodes.ctr(one, "images", "rm", IMAGE)
        pulls_from(one, f"https://{address}")
    other = domain("domain2", SERVING)
    kubectl.apply(other, deployment("web", SERVING), domain("domain1", IMAGE, failureRetryIntervalSeconds=600))

    def serving() -> dict[str, str]:
        """Of every pod that is none of domain1's its UID, once all run."""
        pods = [one for one in kubectl.list("pod") if not one["metadata"]["name"].startswith("domain1-")]
        running = [one["metadata"] for one in pods if one["status"]["phase"] == "Running"]
        return {one["name"]: one["uid"] for one in running} if len(running) == len(pods) == 3 else {}

    neighbours = wait_for(serving, "domain2 and web")

    def backs_off() -> bool:
        names = [one["metadata"]["name"] for one in kubectl.list("pod", "-l", "job-name=domain1-introspector")]
        return any(kubectl.waiting(name)[0] == "ImagePullBackOff" for name in names)

    wait_for(backs_off, "the introspector's back-off")

    blocked = told.run("kubectl pullcheck domain1")
    assert blocked.code == 1, told.text
    assert "(no-credentials)" in blocked.out, told.text

    login = "--docker-server some.registry.com --docker-username bob --docker-password-file pw.txt"
    added = told.run(f"kubectl pullsecret add secret1 {login} --for domain/domain1")
    assert added.code == 0, told.text
    assert added.out == "secret/secret1 created\ndomain.weblogic.oracle/domain1 patched\n", told.text

    back = told.run("kubectl repull domain1")
    assert back.code == 0, told.text
    assert back.out.endswith(f"domain/domain1 in {kubectl.namespace} is back: 2 pods started\n"), told.text

    pullable = told.run("kubectl pullcheck domain1")
    assert pullable.code == 0, told.text
    assert ": 1 image, nothing speaks against pulling\n" in pullable.out, told.text

    assert serving() == neighbours, told.text
    assert PASSWORD not in told.text
