"""20 broken pods shown to `kubectl pullcheck` and to the tools that others have: what each finds, and what it takes.

Every tool gets what a user who knows it well would give it, and is given the benefit of the doubt (`scoring`).
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from tests.e2e.cluster.model import Cluster
from tests.e2e.conftest import Kubectl

from . import broken, tools
from .broken import Scene
from .measure import BenchError, Command, Comparison, in_turn
from .scoring import Told, score
from .tellings import GOOD, Tellings, read_describe, read_events, read_ours, read_preflight, read_sections

Object = dict[str, Any]

CRANE = """\
kubectl get pods -n {namespace} -o jsonpath='{{range .items[*]}}{{.metadata.name}} {{.spec.containers[0].image}} \
{{.spec.imagePullSecrets[0].name}}{{"\\n"}}{{end}}' >pods
while read pod image secret; do
  echo "== $pod"
  rm -rf login; mkdir login
  [ -z "$secret" ] || kubectl get secret "$secret" -n {namespace} -o jsonpath='{{.data.\\.dockerconfigjson}}' |
    base64 -d >login/config.json
  DOCKER_CONFIG=$PWD/login {crane} manifest "$image" && echo "{good}"
done <pods
true
"""
WAITING = (
    "jsonpath={range .items[*]}== {.metadata.name}\n{.status.containerStatuses[0].state.waiting.reason} "
    "{.status.containerStatuses[0].state.waiting.message}\n{end}"
)


@dataclass(frozen=True)
class Tool:
    """title: of its column. needs: what it reads, and from where. read: what its output says of each pod."""

    title: str
    command: Command
    needs: str
    read: Callable[[str], Tellings]


@dataclass(frozen=True)
class Measured:
    """tools: ours first. told: by the tools' titles; comparisons: ours against each of the others. without: why there are no
    figures of a tool."""

    pods: Mapping[str, str]
    tools: Sequence[Tool]
    told: Mapping[str, Tellings]
    comparisons: Sequence[Comparison]
    without: Sequence[str] = ()

    def score(self, tool: Tool, what: str) -> str:
        return score(what, self.told[tool.title].get(self.pods[what], Told()))


def measure(admin: Kubectl, cluster: Cluster, folder: Path, say: Callable[[str], None], runs: int) -> Measured:
    """Raises BenchError."""
    crane = tools.crane(say)
    preflight, without = _preflight(say)
    say("waiting for the kubelets' word on the broken pods")
    with broken.standing(admin, cluster) as scene:
        found = [_ours(scene), *_preflights(scene, preflight, folder), _crane(scene, crane, folder), *_kubectl(scene)]
        told = {tool.title: tool.read(_run(tool.command, admin.env)) for tool in found}
        say("measuring")
        ours, *theirs = in_turn([tool.command for tool in found], admin.env, folder, runs)
        commands = (tool.command for tool in found[1:])
        comparisons = [Comparison(found[0].command, one, ours, their_runs) for one, their_runs in zip(commands, theirs)]
        return Measured(scene.pods, found, told, comparisons, without)


def _preflight(say: Callable[[str], None]) -> tuple[Optional[Path], Sequence[str]]:
    """The command, or why there is none."""
    try:
        return tools.preflight(say), ()
    except BenchError as error:
        say(str(error))
        return None, (f"preflight is not among them: it could not be built here ({str(error).splitlines()[0]}).",)


def _run(command: Command, env: Mapping[str, str]) -> str:
    """What it prints, warnings and all."""
    return subprocess.run(
        command.argv,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=180,
    ).stdout


# The tools


def _ours(scene: Scene) -> Tool:
    argv = ["kubectl", "pullcheck", "-n", scene.kubectl.namespace, "-o", "json"]
    needs = "may list pods; secrets, accounts, events, nodes as far as it may; the registry if it can be reached from here"
    return Tool("pullcheck", Command("kubectl pullcheck", argv, code=1), needs, read_ours)


def _preflights(scene: Scene, preflight: Optional[Path], folder: Path) -> list[Tool]:
    """One that looks at the registry, and one that is told of the pods' status, too."""
    found: list[Tool] = []
    if not preflight:
        return found
    for title, more in (("preflight, registryImages", False), ("preflight, with clusterPodStatuses", True)):
        own = folder / f"preflight-{more}"
        own.mkdir()
        (own / "spec.yaml").write_text(json.dumps(preflight_spec(scene, more)))
        argv = [str(preflight), "spec.yaml", "--interactive=false", "--format=json", "--output=", "--auto-update=false"]
        needs = "a spec that lists each image with its secret; may read that; the registry reached from here"
        needs += "; may list all that a cluster has" if more else ""
        command = Command(title, _inside(own, argv), code=3, says=tuple(scene.pods.values()))
        found.append(Tool(title, command, needs, lambda text, own=own: read_preflight(text, own)))  # type: ignore[misc]
    return found


def preflight_spec(scene: Scene, statuses: bool) -> Object:
    """A check for the image of each pod, with the first secret that it lists; the collector takes no more than one."""
    collectors: list[Object] = []
    analyzers: list[Object] = []
    for what, pod in scene.pods.items():
        collector: Object = {"collectorName": pod, "namespace": scene.kubectl.namespace, "images": [scene.images[what]]}
        if what in scene.secrets:
            collector["imagePullSecret"] = {"name": scene.secrets[what]}
        outcomes = [
            {"fail": {"when": "missing > 0", "message": "the image is missing"}},
            {"fail": {"when": "errors > 0", "message": "the image could not be checked"}},
            {"pass": {"message": "the image is there"}},
        ]
        collectors.append({"registryImages": collector})
        analyzers.append({"registryImages": {"checkName": pod, "collectorName": pod, "outcomes": outcomes}})
    if statuses:
        namespaces = [scene.kubectl.namespace]
        collectors.append({"clusterResources": {"namespaces": namespaces}})
        analyzers.append({"clusterPodStatuses": {"namespaces": namespaces, "outcomes": [{"fail": {"when": "!= Healthy"}}]}})
    return {
        "apiVersion": "troubleshoot.sh/v1beta2",
        "kind": "Preflight",
        "metadata": {"name": "images"},
        "spec": {"collectors": collectors, "analyzers": analyzers},
    }


def _crane(scene: Scene, crane: Path, folder: Path) -> Tool:
    own = folder / "crane"
    own.mkdir()
    script = CRANE.format(namespace=scene.kubectl.namespace, crane=shlex.quote(str(crane)), good=GOOD)
    (own / "crane.sh").write_text(script)
    needs = "a script; may list pods and read their secrets; the registry reached from here"
    command = Command("crane manifest, a loop", _inside(own, ["sh", "crane.sh"]), says=tuple(scene.pods.values()))
    return Tool("crane manifest", command, needs, read_sections)


def _kubectl(scene: Scene) -> list[Tool]:
    names = tuple(scene.pods.values())

    def tool(title: str, needs: str, read: Callable[[str], Tellings], *arguments: str) -> Tool:
        argv = ["kubectl", *arguments, "-n", scene.kubectl.namespace]
        return Tool(title, Command(f"kubectl {title}", argv, says=names), needs, read)

    return [
        tool("describe", "may read pods and events", read_describe, "describe", "pods"),
        tool("get events", "may list events", read_events, "get", "events"),
        tool("waiting message", "may list pods", read_sections, "get", "pods", "-o", WAITING),
    ]


def _inside(folder: Path, argv: Sequence[str]) -> list[str]:
    """A command that runs in the folder."""
    return ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv]
