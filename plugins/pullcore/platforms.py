"""On which nodes a Pull may run, and for which platforms its image is built. Pure.

Sources: kubernetes staging/src/k8s.io/component-helpers/scheduling/corev1 (nodeaffinity: nodeSelector and required node
affinity; helpers.go: taints), core/v1 toleration.go; containerd platforms/compare.go, which compares operating system and
architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pullcore.evidence import Evidence
from pullcore.pull import ContainerUse, Object, Pull, Target
from pullcore.selector import meets
from pullcore.workload import Index, template_of

# What the DaemonSet controller lets its pods tolerate (pkg/controller/daemon/util, AddOrUpdateDaemonPodTolerations).
OF_DAEMONS: list[Object] = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists"}
    for name in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
]


def platform_of(node: Object) -> str:
    """`linux/amd64`; empty where the node does not tell."""
    info = node.get("status", {}).get("nodeInfo", {})
    system, machine = info.get("operatingSystem"), info.get("architecture")
    return f"{system}/{machine}" if system and machine else ""


def may_run_on(pull: Pull, evidence: Evidence, index: Index) -> list[Object]:
    """The nodes that may run what asks for this Pull: those that its pods are bound to, and for what is not bound yet those
    that its selectors let through."""
    nodes = {node["metadata"]["name"]: node for node in evidence.nodes or ()}
    bound = {use.node for use in pull.containers if use.node}
    chosen = {name for name in bound if name in nodes}
    unbound = not pull.containers or any(not use.node for use in pull.containers)
    if unbound:
        specs = list(_specs(pull, index)) or [{}]
        chosen |= {name for name, node in nodes.items() if any(fits(spec, node) for spec in specs)}
    return [node for name, node in nodes.items() if name in chosen]


def may_be_tried_on(pull: Pull, evidence: Evidence, index: Index) -> list[Object]:
    """The nodes on which pods of a Pull are or may come to be: a pod that somebody controls can be made again on another."""

    def is_free(use: ContainerUse) -> bool:
        return not use.node or use.asker not in (None, Target("Pod", pull.namespace, use.pod))

    freed = tuple(use._replace(node=None) if is_free(use) else use for use in pull.containers)
    there = {use.node for use in pull.containers}
    names = {node["metadata"]["name"] for node in may_run_on(pull._replace(containers=freed), evidence, index)} | there
    return [node for node in evidence.nodes or () if node["metadata"]["name"] in names]


def _specs(pull: Pull, index: Index) -> Iterator[Object]:
    """What says where pods of a Pull may be: of unbound pods their own spec, else the templates."""
    for use in pull.containers:
        pod = index.pods.get(use.pod_uid) or index.by_target.get(Target("Pod", pull.namespace, use.pod))
        if not use.node and pod:
            yield {**pod.get("spec", {}), "nodeName": None}
    if pull.containers:
        return
    for source in pull.sources:
        value = index.by_target.get(source.target)
        if value and value["kind"] == "Domain":
            yield from _server_pods(value, index.clusters)
        elif value and value["kind"] == "DaemonSet":
            spec = template_of(value)[1]
            yield {**spec, "tolerations": [*spec.get("tolerations", []), *OF_DAEMONS]}
        elif value:
            yield value.get("spec", {}) if value["kind"] in ("Pod", "Image") else template_of(value)[1]


def _server_pods(domain: Object, clusters: Sequence[Object]) -> Iterator[Object]:
    """What a Domain says of its pods' places: for all of them, and for some besides (serverPod of the admin server, of
    managed servers, of clusters)."""
    spec = domain.get("spec", {})
    names = {one.get("name") for one in spec.get("clusters", [])}
    own = [one for one in clusters if one["metadata"]["name"] in names]
    parts = [spec.get("adminServer"), *spec.get("managedServers", []), *spec.get("clusters", [])]
    common = spec.get("serverPod", {})
    yield common
    for part in (*parts, *(one.get("spec") for one in own)):
        more = (part or {}).get("serverPod", {})
        if any(more.get(field) for field in ("nodeSelector", "affinity", "tolerations")):
            yield {
                **common,
                **({"affinity": more["affinity"]} if more.get("affinity") else {}),
                "nodeSelector": {**common.get("nodeSelector", {}), **more.get("nodeSelector", {})},
                "tolerations": [*common.get("tolerations", []), *more.get("tolerations", [])],
            }


def fits(spec: Object, node: Object) -> bool:
    """Whether a pod's nodeName, nodeSelector, required node affinity and tolerations let it onto a node."""
    name, labels = node["metadata"]["name"], node["metadata"].get("labels", {})
    if spec.get("nodeName") not in (None, "", name):
        return False
    if any(labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    if any(not _tolerates(spec, taint) for taint in node.get("spec", {}).get("taints", [])):
        return False
    required = spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_meets_term(term, name, labels) for term in required.get("nodeSelectorTerms", []))


def _tolerates(spec: Object, taint: Object) -> bool:
    """Whether a pod may be put where this taint is; PreferNoSchedule only asks for another place."""
    if taint.get("effect") not in ("NoSchedule", "NoExecute"):
        return True
    for one in spec.get("tolerations", []):
        if one.get("effect") not in (None, "", taint["effect"]):
            continue
        any_key = not one.get("key") and one.get("operator") == "Exists"
        same_value = one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", "")
        if same_value and (any_key or one.get("key") == taint.get("key")):
            return True
    return False


def _meets_term(term: Object, name: str, labels: dict[str, str]) -> bool:
    expressions, of_fields = term.get("matchExpressions", []), term.get("matchFields", [])
    if not expressions and not of_fields:
        return False  # an empty term matches no node
    own = {"metadata.name": name}
    return all(meets(one, labels) for one in expressions) and all(meets(one, own) for one in of_fields)


def needs_platforms(asked: Sequence[Pull], evidence: Evidence, *, is_index: bool, counted: bool) -> bool:
    """Whether to look into an image for its platforms, which costs a GET that registries may count as a pull: where nodes
    differ, or a kubelet's words point there; and for a list of platforms that nobody has tried, where nothing is counted."""
    platforms = {platform for node in evidence.nodes or () if (platform := platform_of(node))}
    if any(_speaks_of_platforms(use.message or "") for pull in asked for use in pull.containers):
        return True
    if len(platforms) > 1:
        return True
    untried = any(
        not pull.containers or any(use.state in ("waiting", "unknown") for use in pull.containers) for pull in asked
    )
    return bool(platforms) and is_index and untried and not counted


def _speaks_of_platforms(message: str) -> bool:
    return "platform" in message or "exec format" in message or "manifest list" in message


def misfits(platforms: Sequence[str], nodes: Iterable[Object]) -> list[Object]:
    """The nodes that none of an image's platforms is for."""
    return [node for node in nodes if platform_of(node) and platform_of(node) not in platforms]
