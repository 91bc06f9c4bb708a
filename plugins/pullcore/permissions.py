"""What the user may do, asked before anything is changed, so that nothing stops half way (SelfSubjectAccessReview)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    sub: str = ""  # a subresource: "eviction"

    def __str__(self) -> str:
        """As `kubectl auth can-i` would be asked, a subresource as in its path."""
        resource = f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural
        path = "/".join(part for part in (resource, self.name, self.sub) if part)
        return f"{self.verb} {path} in namespace {self.namespace}"


class Permissions:
    """What the user may do, each action asked about once. A cluster that does not answer the question is taken for a yes,
    for it will refuse the action itself."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._answers: dict[Action, bool] = {}

    def may(self, action: Action) -> bool:
        self.ask((action,))
        return self._answers[action]

    def ask(self, actions: Iterable[Action]) -> None:
        """Asks side by side what is not known yet, so that `may` has not to wait for one after the other."""
        new = [action for action in dict.fromkeys(actions) if action not in self._answers]
        self._answers.update(zip(new, overlapped(self._is_allowed, new)))

    def _is_allowed(self, action: Action) -> bool:
        attributes = {
            "verb": action.verb,
            "group": action.kind.group,
            "resource": action.kind.plural,
            "subresource": action.sub,
            "namespace": action.namespace,
            "name": action.name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        try:
            status = self.cluster.request("POST", REVIEWS, body=review).get("status") or {}
        except ApiError:
            return True
        return bool(status.get("allowed", True))


def demand(cluster: Cluster, actions: Iterable[Action]) -> None:
    """Raises CommandError with everything that the user may not do."""
    asked = list(dict.fromkeys(actions))
    permissions = Permissions(cluster)
    permissions.ask(asked)
    refused = [action for action in asked if not permissions.may(action)]
    if refused:
        missing = "; ".join(one_line(action, 200) for action in refused)
        raise CommandError(f"you are not allowed to {missing}: nothing was changed")
