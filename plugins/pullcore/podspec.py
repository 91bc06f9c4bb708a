"""The places in a pod (or a template of one) that name an image, and the containers of a pod that ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pullcore.pull import ContainerUse, Object, Target

DEFAULT_SERVICE_ACCOUNT = "default"
# Field of the spec, field of the status, kind in the report.
CONTAINER_LISTS = (
    ("initContainers", "initContainerStatuses", "init"),
    ("containers", "containerStatuses", "container"),
    ("ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"),
)


class Ask(NamedTuple):
    """One place that names an image, with what the kubelet would be told along with it.

    `secrets` is what the object lists itself; admission adds the service account's list where this is empty.
    """

    target: Target
    path: str
    image: str
    policy: str
    container: str
    kind: str
    secrets: tuple[str, ...]
    service_account: str


def secret_names(spec: Object) -> tuple[str, ...]:
    """The names in `imagePullSecrets`, in order; the kubelet skips empty ones (kubelet_pods.go getPullSecretsForPod)."""
    return tuple(secret["name"] for secret in spec.get("imagePullSecrets") or () if secret.get("name"))


def service_account_of(spec: Object) -> str:
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT_SERVICE_ACCOUNT)


def imagined(image: str, namespace: str, service_account: str, secrets: Sequence[str]) -> Object:
    """A pod that nobody has made, as an object of our own kind Image: to ask what would become of it."""
    return {
        "kind": "Image",
        "metadata": {"namespace": namespace, "name": image},
        "spec": {
            "serviceAccountName": service_account,
            "imagePullSecrets": [{"name": name} for name in secrets],
            "containers": [{"name": "image", "image": image}],
        },
    }


def default_policy(image: str) -> str:
    """The pull policy that the API server writes where none is given: Always for `:latest` and for no tag at all,
    unless there is a digest (pkg/apis/core/v1/defaults.go SetDefaults_Container)."""
    name, _, digest = image.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def container_asks(target: Target, path: str, spec: Object, secrets: tuple[str, ...], account: str) -> Iterator[Ask]:
    """The containers of all kinds below `path` (a pod's spec, or a Domain's serverPod)."""
    for field, _, kind in CONTAINER_LISTS:
        for number, container in enumerate(spec.get(field, [])):
            image = container.get("image")
            if image is not None:
                policy = container.get("imagePullPolicy") or default_policy(image)
                name = container.get("name", "")
                yield Ask(target, f"{path}.{field}[{number}].image", image, policy, name, kind, secrets, account)


def volume_asks(target: Target, path: str, spec: Object, secrets: tuple[str, ...], account: str) -> Iterator[Ask]:
    """The image volumes below `path`: pulled with the pod's credentials (KEP-4639)."""
    for number, volume in enumerate(spec.get("volumes", [])):
        reference = volume.get("image", {}).get("reference")
        if reference:
            policy = volume["image"].get("pullPolicy") or default_policy(reference)
            name = volume.get("name", "")
            yield Ask(
                target, f"{path}.volumes[{number}].image.reference", reference, policy, name, "volume", secrets, account
            )


def pod_asks(target: Target, path: str, spec: Object) -> list[Ask]:
    """Every place in a pod's spec, or in a template's, that names an image."""
    secrets, account = secret_names(spec), service_account_of(spec)
    return [*container_asks(target, path, spec, secrets, account), *volume_asks(target, path, spec, secrets, account)]


def container_use(pod: Object, ask: Ask) -> ContainerUse:
    """What the pod's status says of the container that `ask` stands for."""
    status_field = next((status for _, status, kind in CONTAINER_LISTS if kind == ask.kind), None)
    statuses = pod.get("status", {}).get(status_field, []) if status_field else []
    status: Object = next((one for one in statuses if one.get("name") == ask.container), {})
    state = status.get("state", {})
    name = next((one for one in ("waiting", "running", "terminated") if one in state), "unknown")
    return ContainerUse(
        pod=pod["metadata"]["name"],
        pod_uid=pod["metadata"].get("uid", ""),
        container=ask.container,
        kind=ask.kind,
        node=pod.get("spec", {}).get("nodeName"),
        state=name,
        reason=state.get(name, {}).get("reason"),
        message=state.get(name, {}).get("message"),
    )
