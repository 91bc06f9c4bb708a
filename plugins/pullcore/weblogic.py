"""Where a WebLogic Domain names images, pull policies and pull secrets, and which pods run them.

Sources: the operator's CRDs (weblogic.oracle v8 and v9, Cluster v1) and its code: CommonUtils.getInferredImagePullPolicy,
KubernetesConstants.DEFAULT_IMAGE, SchemaConversionUtils (v8 to v9).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from pullcore.podspec import Ask, container_asks, secret_names, service_account_of, volume_asks
from pullcore.pull import Object, Target

UID_LABEL = "weblogic.domainUID"
CLUSTER_LABEL = "weblogic.clusterName"
INTROSPECT_LABEL = "weblogic.introspectVersion"
OPERATOR_LABEL = "weblogic.createdByOperator"  # "true" on what the operator made
SERVER_LABEL = "weblogic.serverName"  # of server pods; an introspector has none
DEFAULT_IMAGE = "container-registry.oracle.com/middleware/weblogic:12.2.1.4"
# The CRD's default for a monitoring exporter without an image; fluentd and fluent-bit share theirs.
EXPORTER_IMAGE = "ghcr.io/oracle/weblogic-monitoring-exporter:2.2.2"
FLUENT_IMAGE = "fluent/fluentd-kubernetes-daemonset:v1.16.1-debian-elasticsearch7-1.2"


def domain_uid(domain: Object) -> str:
    """The UID that pods carry in their labels; it may differ from the Domain's name."""
    uid = domain.get("spec", {}).get("domainUID") or domain["metadata"]["name"]
    return str(uid)


def pod_selector(domain: Object) -> str:
    """Selects every pod of the Domain, introspector included, and none that only looks like one."""
    return f"{UID_LABEL}={domain_uid(domain)},{OPERATOR_LABEL}=true"


def own_image(domain: Object) -> str:
    """The image of the servers and of the introspector."""
    return str(domain.get("spec", {}).get("image") or DEFAULT_IMAGE)


def operator_policy(image: str) -> str:
    """The pull policy that the operator writes where none is given. An untagged image gets IfNotPresent from it, while
    Kubernetes itself would say Always (CommonUtils.getInferredImagePullPolicy)."""
    return "Always" if image.endswith(":latest") else "IfNotPresent"


def holding(domain: Object) -> list[Object]:
    """The conditions of a Domain that are true."""
    conditions = (domain.get("status") or {}).get("conditions") or ()
    return [one for one in conditions if str(one.get("status")) == "True"]


def failures(domain: Object) -> list[Object]:
    """The conditions by which the operator reports that something failed, and has not been mended yet."""
    return [one for one in holding(domain) if one.get("type") == "Failed"]


def is_failed(domain: Object) -> bool:
    return bool(failures(domain))


def is_stopped(domain: Object) -> bool:
    return str(domain.get("spec", {}).get("serverStartPolicy", "")).lower() == "never"


def clusters_named(domain: Object) -> list[str]:
    """The Clusters that a Domain refers to (v9), or the names in its own list of clusters (v8)."""
    clusters = (domain.get("spec") or {}).get("clusters") or ()
    return [str(one["name"]) for one in clusters if one.get("name")]


def domain_asks(domain: Object, clusters: Sequence[Object] = ()) -> list[Ask]:
    """Every place in a Domain, and in the Clusters that it refers to, that names an image.

    `clusters` may hold any Clusters of the namespace: those that `spec.clusters` names are taken.
    """
    spec = domain.get("spec", {})
    target = Target("Domain", domain["metadata"].get("namespace", ""), domain["metadata"]["name"])
    secrets = secret_names(spec)
    account = service_account_of(spec.get("serverPod", {}))

    def operator_ask(path: str, holder: Object, container: str, kind: str, default: Optional[str] = None) -> Iterator[Ask]:
        image = holder.get("image") or default
        if image:
            policy = holder.get("imagePullPolicy") or operator_policy(image)
            yield Ask(target, f"{path}.image", image, policy, container, kind, secrets, account)

    asks = [*operator_ask("spec", spec, "weblogic-server", "container", DEFAULT_IMAGE)]
    configuration = spec.get("configuration", {})
    for number, auxiliary in enumerate(configuration.get("model", {}).get("auxiliaryImages", [])):
        path = f"spec.configuration.model.auxiliaryImages[{number}]"
        asks += operator_ask(path, auxiliary, f"operator-aux-container{number + 1}", "init")
    creation = configuration.get("initializeDomainOnPV", {}).get("domain", {}).get("domainCreationImages", [])
    for number, image in enumerate(creation):
        path = f"spec.configuration.initializeDomainOnPV.domain.domainCreationImages[{number}]"
        asks += operator_ask(path, image, f"operator-aux-container{number + 1}", "init")
    for field, container, default in (
        ("monitoringExporter", "monitoring-exporter", EXPORTER_IMAGE),
        ("fluentdSpecification", "fluentd", FLUENT_IMAGE),
        ("fluentbitSpecification", "fluent-bit", FLUENT_IMAGE),
    ):
        if field in spec:
            asks += operator_ask(f"spec.{field}", spec[field], container, "container", default)

    def server_pod(owner: Target, path: str, pod: Object, inherited: str) -> Iterator[Ask]:
        own = pod.get("serviceAccountName") or inherited
        # v8 only; the conversion webhook of v9 turns these into compat-operator-aux-containerN.
        for number, auxiliary in enumerate(pod.get("auxiliaryImages", [])):
            yield from operator_ask(
                f"{path}.auxiliaryImages[{number}]", auxiliary, f"operator-aux-container{number + 1}", "init"
            )
        yield from container_asks(owner, path, pod, secrets, own)
        yield from volume_asks(owner, path, pod, secrets, own)

    asks += server_pod(target, "spec.serverPod", spec.get("serverPod", {}), account)
    asks += server_pod(target, "spec.adminServer.serverPod", spec.get("adminServer", {}).get("serverPod", {}), account)
    for number, server in enumerate(spec.get("managedServers", [])):
        asks += server_pod(target, f"spec.managedServers[{number}].serverPod", server.get("serverPod", {}), account)
    for number, cluster in enumerate(spec.get("clusters", [])):  # v8: inline; v9: references by name
        asks += server_pod(target, f"spec.clusters[{number}].serverPod", cluster.get("serverPod", {}), account)
    referred = clusters_named(domain)
    for cluster in clusters:
        if cluster["metadata"]["name"] in referred:
            owner = Target("Cluster", target.namespace, cluster["metadata"]["name"])
            asks += server_pod(owner, "spec.serverPod", cluster.get("spec", {}).get("serverPod", {}), account)
    return asks


def next_version(current: object) -> str:
    """The value that restarts what a restartVersion or introspectVersion governs: a number one up, else "1"
    (as the operator's own lifecycle scripts do)."""
    return str(int(current) + 1) if isinstance(current, str) and current.isdecimal() else "1"
