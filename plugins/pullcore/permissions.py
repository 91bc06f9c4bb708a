"""What the user may do, asked before anything is changed, so that nothing stops half way (SelfSubjectAccessReview)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from pullcore.apierrors import ApiError
from pullcore.cluster import Cluster
from pullcore.errors import CommandError, one_line
from pullcore.kinds import Kind
from pullcore.overlap import overlapped

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Action:
    """Something that is about to be done: `Action("patch", KINDS["ServiceAccount"], "default", "builder")`."""

    verb: str
    kind: Kind
    namespace: str
    name: str = ""

    def __str__(self) -> str:
        """As `kubectl auth can-i` would be asked."""
        resource = f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural
        return f"{self.verb} {resource}{f'/{self.name}' if self.name else ''} in namespace {self.namespace}"


def demand(cluster: Cluster, actions: Iterable[Action]) -> None:
    """Raises CommandError with everything that the user may not do; a cluster that does not answer the question lets it
    pass, for it will refuse the action itself."""
    asked = list(dict.fromkeys(actions))
    refused = [action for action, reason in zip(asked, overlapped(lambda one: _refusal(cluster, one), asked)) if reason]
    if refused:
        missing = "; ".join(one_line(action, 200) for action in refused)
        raise CommandError(f"you are not allowed to {missing}: nothing was changed")


def _refusal(cluster: Cluster, action: Action) -> Optional[str]:
    attributes = {
        "verb": action.verb,
        "group": action.kind.group,
        "resource": action.kind.plural,
        "namespace": action.namespace,
        "name": action.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    try:
        status = cluster.request("POST", REVIEWS, body=review).get("status") or {}
    except ApiError:
        return None
    return None if status.get("allowed", True) else str(status.get("reason") or "not allowed")
