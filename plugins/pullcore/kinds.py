"""The kinds of object the suite knows: how kubectl's users name them, and where the API serves them."""

from __future__ import annotations

from typing import NamedTuple, Optional


class Kind(NamedTuple):
    """A kind of object. `versions` is in order of preference."""

    name: str
    plural: str
    group: str
    versions: tuple[str, ...]
    short: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def may_be_unserved(self) -> bool:
        """Whether an API server may not know it: all others are part of every Kubernetes."""
        return "." in self.group

    def group_version(self, version: Optional[str] = None) -> str:
        """`apps/v1`, as objects write it; the preferred version unless another is named."""
        version = version or self.versions[0]
        return f"{self.group}/{version}" if self.group else version

    def ref(self, name: str) -> str:
        """The object as `-o name` writes it: `domain.weblogic.oracle/domain1`."""
        return f"{self.name.lower()}{'.' + self.group if self.group else ''}/{name}"


# In the order in which a bare NAME is looked for.
TARGETS = (
    Kind("Domain", "domains", "weblogic.oracle", ("v9", "v8"), ("dom",)),
    Kind("Deployment", "deployments", "apps", ("v1",), ("deploy",)),
    Kind("StatefulSet", "statefulsets", "apps", ("v1",), ("sts",)),
    Kind("DaemonSet", "daemonsets", "apps", ("v1",), ("ds",)),
    Kind("Job", "jobs", "batch", ("v1",)),
    Kind("CronJob", "cronjobs", "batch", ("v1",), ("cj",)),
    Kind("ReplicaSet", "replicasets", "apps", ("v1",), ("rs",)),
    Kind("Pod", "pods", "", ("v1",), ("po",)),
)
OTHERS = (
    Kind("Cluster", "clusters", "weblogic.oracle", ("v1",), ("clu",)),
    Kind("ReplicationController", "replicationcontrollers", "", ("v1",), ("rc",)),
    Kind("ServiceAccount", "serviceaccounts", "", ("v1",), ("sa",)),
    Kind("Secret", "secrets", "", ("v1",)),
    Kind("Event", "events", "", ("v1",), ("ev",)),
    Kind("Namespace", "namespaces", "", ("v1",), ("ns",), namespaced=False),
    Kind("Node", "nodes", "", ("v1",), ("no",), namespaced=False),
)
KINDS = {kind.name: kind for kind in (*TARGETS, *OTHERS)}
CHECKABLE = (*TARGETS, KINDS["Cluster"], KINDS["ReplicationController"])


def kind_called(word: str) -> Optional[Kind]:
    """The kind that a user means by `deploy`, `Deployment`, `deployments.apps` or `domains.v9.weblogic.oracle`; None for a
    word that names none that can be checked."""
    name, _, rest = word.lower().partition(".")
    for kind in CHECKABLE:
        if name in (kind.name.lower(), kind.plural, *kind.short):
            groups = ("", kind.group, *(f"{version}.{kind.group}" for version in kind.versions))
            return kind if rest in groups else None
    return None
