"""What keeps an object as it wants it, so that a change of ours would not last."""

from __future__ import annotations

from pullcore.errors import one_line
from pullcore.pull import Object

_LABELS = {
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "reconcile.external-secrets.io/created-by": "External Secrets",
}
_ANNOTATIONS = {"argocd.argoproj.io/tracking-id": "Argo CD", "meta.helm.sh/release-name": "Helm"}
_OWNERS = ("ExternalSecret", "ClusterExternalSecret", "SealedSecret")


def keeper_of(value: Object) -> str:
    """Who would put a change back: `Helm`, `Argo CD`, `ExternalSecret secret1`; empty where nobody is known."""
    metadata = value.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for known, given in ((_LABELS, labels), (_ANNOTATIONS, annotations)):
        for key, who in known.items():
            if given.get(key):
                return f"{who} ({one_line(given[key], 60)})"
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("kind") in _OWNERS:
            return f"{owner['kind']} {one_line(owner.get('name'), 60)}"
    return "Helm" if labels.get("app.kubernetes.io/managed-by") == "Helm" else ""
