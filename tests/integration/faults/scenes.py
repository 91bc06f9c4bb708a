"""The commands of the table, each with the objects that it finds and what controllers make of its changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.unit.builders import (
    IMAGE,
    Object,
    account,
    container,
    event,
    failed_condition,
    node,
    pod,
    secret_object,
    workload,
)
from tests.unit.repull_builders import BACK_OFF, PULL_FAILED, RUNS, changed, introspected, owned_by

PASSWORD = "tiger-9-in-the-tank"
LABELS = {"app": "web"}
SELECTOR = {"matchLabels": LABELS}
NOWHERE = "127.0.0.1:1"  # a registry that refuses every connection at once


PUSH, PUSHED = "--push=ARCHIVE", "team/app:1.0"
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Scene:
    """A command and where it is run. name: its column; argv: without what reaches the cluster; replaced: what controllers
    make once a pod of this name is removed; writes: whether it changes anything; operated: whether an operator is there.
    REGISTRY and ARCHIVE in argv and objects stand for those of a run (`at`)."""

    name: str
    argv: tuple[str, ...]
    objects: Callable[[], list[Object]]
    stdin: str = ""
    replaced: Mapping[str, Object] = field(default_factory=dict)
    writes: bool = True
    operated: bool = False

    @property
    def plugin(self) -> str:
        return self.argv[0]

    @property
    def waits(self) -> bool:
        """Whether it stays until all is back."""
        return self.plugin == "repull" and "--no-wait" not in self.argv

    @property
    def pushes(self) -> bool:
        return PUSH in self.argv

    def at(self, registry: str, archive: str) -> Scene:
        """With the address of a registry, and the path of an archive."""

        def placed(value: T) -> T:
            found: T = json.loads(json.dumps(value).replace("REGISTRY", registry))
            return found

        argv = tuple(word.replace("REGISTRY", registry).replace("ARCHIVE", archive) for word in self.argv)
        objects = placed(self.objects())
        return replace(self, argv=argv, objects=lambda: objects, replaced=placed(dict(self.replaced)))


def secret(name: str, **details: str) -> Object:
    entry = {"username": "bob", "password": PASSWORD}
    return secret_object(name, config=json.dumps({"auths": {"registry.example.com": entry}}), **details)


def namespaces() -> list[Object]:
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("default", "ns2", "ns3")]


def deployment(name: str = "web", namespace: str = "default", image: str = IMAGE) -> tuple[Object, Object]:
    labels = {"app": name}
    details: Object = {"secrets": ["good"], "selector": {"matchLabels": labels}, "namespace": namespace}
    value = workload("Deployment", name, container(image=image), replicas=2, **details)
    small = owned_by(workload("ReplicaSet", f"{name}-5d9", container(image=image), **details), value)
    return value, changed(small, metadata__labels=labels)


def pod_of(small: Object, number: int, state: Object) -> Object:
    name, namespace = small["metadata"]["name"], small["metadata"]["namespace"]
    image = small["spec"]["template"]["spec"]["containers"][0]["image"]
    made = pod(f"{name}-{number}", container(image=image), state=state, owner=small, labels=small["metadata"]["labels"],
               secrets=["good"], namespace=namespace)  # fmt: skip
    return changed(made, metadata__uid=f"uid-of-{name}-{number}-{'new' if state is RUNS else 'old'}")


def told(value: Object, message: str = PULL_FAILED) -> Object:
    """An event about a pod."""
    return {"apiVersion": "v1", "kind": "Event", **event(value, message)}


def waits(*objects: Object, image: str = IMAGE) -> list[Object]:
    """A Deployment with two pods that wait for their image."""
    value, small = deployment(image=image)
    pods = [pod_of(small, number, BACK_OFF) for number in range(2)]
    secrets = [secret("good"), secret("other")]
    return [*namespaces(), account(secrets=["other"]), *secrets, node(), value, small, *pods, told(pods[0]), *objects]


def domain(*objects: Object) -> list[Object]:
    """A Domain whose introspector waits for its image."""
    value, job, introspector = introspected(secrets=["good"], conditions=[failed_condition("ErrImagePull")])
    found = [value, job, introspector, told(introspector)]
    return [*namespaces(), account(secrets=["other"]), secret("good"), secret("other"), node(), *found, *objects]


def both() -> list[Object]:
    """In one namespace a Deployment, in another one, too, and a Domain."""
    value, small = deployment("api", "ns2")
    pods = [pod_of(small, number, BACK_OFF) for number in range(2)]
    known = waits(value, small, *pods, account(namespace="ns2"), secret("good", namespace="ns2"))
    known += [one for one in domain() if one["kind"] in ("Domain", "Job", "Pod", "Event")]
    return list({(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]): one for one in known}.values())


def bare() -> list[Object]:
    alone = changed(pod("test", state=BACK_OFF, secrets=["good"]), spec__imagePullSecrets=[{"name": "good"}])
    return [*namespaces(), account(), secret("good"), node(), alone]


def copied() -> list[Object]:
    """A secret with a copy in another namespace."""
    mark = {"labels": {"kubectl-pullsecret/copy": "true"}, "annotations": {"kubectl-pullsecret/copy-of": "default/good"}}
    copy = secret("good", namespace="ns2")
    return domain({**copy, "metadata": {**copy["metadata"], **mark}})


def successors(*names: str, image: str = IMAGE) -> dict[str, Object]:
    """What is made for the pods of these Deployments, once they are removed."""
    found = {}
    for name, namespace in (("web", "default"), ("api", "ns2")):
        small = deployment(name, namespace, image)[1]
        for number in range(2) if name in names else ():
            found[f"{name}-5d9-{number}"] = pod_of(small, number + 2, RUNS)
    return found


SIGN_IN = ("--docker-username=bob", "--docker-password-stdin")
LOGIN = (*SIGN_IN, "--no-verify", "--docker-server=registry.example.com")
FOR = ("--for=domain/domain1", "--for=serviceaccount/default")
QUIET = "--no-registry"
NEW = "puma-7-on-the-prowl"
SCENES = (
    Scene("pullcheck NAME", ("pullcheck", "domain1", QUIET), domain, writes=False),
    Scene("pullcheck -A", ("pullcheck", "-A", QUIET), both, writes=False),
    Scene("pullcheck --probe", ("pullcheck", "deploy/web", "--probe", "-y", QUIET), waits),
    Scene("pullsecret add", ("pullsecret", "add", "new", *LOGIN, *FOR), domain, PASSWORD),
    Scene("pullsecret attach", ("pullsecret", "attach", "other", "--for=domain/domain1", "--for=deploy/web"),
          lambda: domain(*deployment())),
    Scene("pullsecret detach", ("pullsecret", "detach", "good", "--for=domain/domain1", "--for=deploy/web"),
          lambda: domain(*deployment())),
    Scene("pullsecret list", ("pullsecret", "list"), domain, writes=False),
    Scene("pullsecret verify", ("pullsecret", "verify"),
          lambda: waits(secret_object("far", NOWHERE), image=f"{NOWHERE}/team/app:1.0"), writes=False),
    Scene("pullsecret copy", ("pullsecret", "copy", "good", "--to-namespace=ns2", "--to-namespace=ns3"), domain),
    Scene("pullsecret rotate", ("pullsecret", "rotate", "good", "--docker-password-stdin", "--no-verify", "-y"),
          copied, NEW),
    Scene("pullsecret remove", ("pullsecret", "remove", "other", "--detach", "-y"),
          lambda: domain(*deployment("api"), account("builder", secrets=["other"]))),
    Scene("repull Deployment", ("repull", "deploy/web", QUIET), waits, replaced=successors("web")),
    Scene("repull Domain", ("repull", "domain1", QUIET), domain, operated=True),
    Scene("repull Domain --no-wait", ("repull", "domain1", "--no-wait", QUIET), domain),
    Scene("repull -A", ("repull", "-A", "-y", "-o=json", "--no-wait", QUIET), both, replaced=successors("web", "api")),
    Scene("repull --push", ("repull", "deploy/web", PUSH, *SIGN_IN, "--no-wait", QUIET),
          lambda: waits(image=f"REGISTRY/{PUSHED}"), PASSWORD, successors("web", image=f"REGISTRY/{PUSHED}")),
    Scene("repull --recreate-pods", ("repull", "pod/test", "--recreate-pods", "--no-wait", QUIET), bare),
)  # fmt: skip
