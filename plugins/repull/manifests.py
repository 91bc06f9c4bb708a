"""The manifest of an object that is there: what somebody would have written to make it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pullcore.podspec import secret_names
from pullcore.pull import Object

# What the API server writes itself (apimachinery, ObjectMeta: "Populated by the system. Read-only.").
SERVER_SET = (
    "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip
# What the Job controller writes into a Job's template, by the UID that the Job had (pkg/registry/batch/job/strategy.go).
JOB_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")


def manifest_of(value: Object, account_secrets: Sequence[str] = ()) -> Object:
    """The object as somebody would have written it: what servers and controllers added to it is left out.

    account_secrets: what the service account of a pod lists, for where the object does not tell who wrote its list."""
    metadata = {key: part for key, part in value["metadata"].items() if key not in SERVER_SET}
    made = {**{key: part for key, part in value.items() if key not in ("metadata", "status")}, "metadata": metadata}
    if value["kind"] == "Pod":
        made["spec"] = _pod_spec(value, account_secrets)
    if value["kind"] == "Job":
        made["spec"] = _job_spec(value["spec"])
        if metadata.get("labels"):
            metadata["labels"] = _without(metadata["labels"], JOB_LABELS)
    return {"apiVersion": made.pop("apiVersion"), "kind": made.pop("kind"), "metadata": made.pop("metadata"), **made}


def _pod_spec(pod: Object, account_secrets: Sequence[str]) -> Object:
    """Without what was added after it was written: the node that the scheduler chose, the list of its service account."""
    spec = _without(pod["spec"], ("ephemeralContainers",))
    written = [(one.get("fieldsV1") or {}).get("f:spec") or {} for one in pod["metadata"].get("managedFields") or ()]
    # Field owners are noted before admission adds anything (apiserver, endpoints/handlers/create.go).
    known = any(written)
    if not any("f:nodeName" in fields for fields in written):
        spec.pop("nodeName", None)
    own = any("f:imagePullSecrets" in fields for fields in written)
    if not (own if known else secret_names(spec) != tuple(account_secrets)):
        spec.pop("imagePullSecrets", None)
    return spec


def _job_spec(spec: Object) -> Object:
    if spec.get("manualSelector"):
        return spec
    template = spec.get("template") or {}
    metadata = template.get("metadata") or {}
    labels = _without(metadata.get("labels") or {}, JOB_LABELS)
    made = {**spec, "template": {**template, "metadata": {**metadata, "labels": labels}}}
    return _without(made, ("selector",))


def _without(part: Object, names: Sequence[str]) -> Object:
    return {key: value for key, value in part.items() if key not in names}
