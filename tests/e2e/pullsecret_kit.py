"""What the tests of kubectl pullsecret on a real cluster share: how it is run, objects, and what there is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import StringIO
from typing import Any, Callable, Optional

import pytest
from pullcore import command
from pullsecret import main

from .cluster.model import Registry
from .conftest import PROXIES, Kubectl, Result, make_pod, make_secret, wait_for

Object = dict[str, Any]


def pullsecret(kubectl: Kubectl, *arguments: str, password: str = "", code: int = 0) -> Result:
    """Runs the plugin, which has to end with this status and to keep the password to itself."""
    return judged(kubectl.plugin("pullsecret", *arguments, stdin=password), password, code)


def judged(result: Result, password: str, code: Optional[int]) -> Result:
    assert code in (result.code, None), result.out + result.err
    assert not password or password not in result.out + result.err
    return result


@contextlib.contextmanager
def in_process(kubectl: Kubectl) -> Iterator[Callable[..., Result]]:
    """The same in this process, for any number of threads: a start costs ten times what is done after it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower() in PROXIES]:
            patch.delenv(name)
        for name, value in kubectl.env.items():
            patch.setenv(name, value)

        def run(*arguments: str, password: str = "", code: Optional[int] = 0) -> Result:
            out, err = StringIO(), StringIO()
            words = [*arguments, "-n", kubectl.namespace]
            status = command.run(lambda: main.run(words, StringIO(password), out, err), "pullsecret", out, err)
            return judged(Result(status, out.getvalue(), err.getvalue()), password, code)

        yield run


def login(registry: Registry) -> tuple[str, ...]:
    return ("--docker-server", registry.address, "--docker-username", registry.user, "--docker-password-stdin")


def account(name: str, *secret_names: str) -> Object:
    listed = [{"name": secret} for secret in secret_names]
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, "imagePullSecrets": listed}


def deployment(name: str, *images: str, names: tuple[str, ...] = (), replicas: int = 1) -> Object:
    """Each of its containers pulls anew whenever a pod is made."""
    spec = make_pod(name, "", *names)["spec"]
    spec["containers"] = [
        {"name": f"c{number}", "image": image, "imagePullPolicy": "Always"} for number, image in enumerate(images)
    ]
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def domain(name: str, image: str, *names: str, **spec: Any) -> Object:
    listed = {"imagePullSecrets": [{"name": secret} for secret in names]} if names else {}
    return {
        "apiVersion": "weblogic.oracle/v9",
        "kind": "Domain",
        "metadata": {"name": name},
        "spec": {"image": image, "replicas": 1, "failureRetryIntervalSeconds": 4, **listed, **spec},
    }


def racer(kind: str, name: str, *listed: str) -> Object:
    """Something whose list two processes want to change; it costs the cluster little."""
    if kind == "ServiceAccount":
        return account(name, *listed) if listed else {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    if kind == "Domain":
        return domain(name, "localhost/none:1", *listed, serverStartPolicy="Never", failureRetryIntervalSeconds=3600)
    value = deployment(name, "localhost/none:1", names=listed, replicas=0)
    if not listed:
        del value["spec"]["template"]["spec"]["imagePullSecrets"]
    return value


def wrong_content(registry: Registry) -> Object:
    content: Object = make_secret("mine", registry, password="wrong")["stringData"]
    return content


def names_listed(value: Object) -> list[str]:
    """The pull secrets that a service account, Domain or Deployment lists."""
    if value["kind"] == "Domain":
        value = value["spec"]
    elif value["kind"] == "Deployment":
        value = value["spec"]["template"]["spec"]
    return [one["name"] for one in value.get("imagePullSecrets", [])]


def listed_by(kubectl: Kubectl, kind: str, name: str) -> list[str]:
    found = kubectl.get(kind, name)
    assert found
    return names_listed(found)


def lives(kubectl: Kubectl) -> dict[str, tuple[str, int]]:
    """Of every pod its UID and how often its containers were started again."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", [])),
        )
        for pod in kubectl.list("pod")
    }


def pod_of(kubectl: Kubectl, app: str) -> str:
    """The Deployment's only pod."""
    (pod,) = wait_for(lambda: kubectl.list("pod", "-l", f"app={app}"), f"the pod of {app}")
    name: str = pod["metadata"]["name"]
    return name


def waits(kubectl: Kubectl, pod: str) -> None:
    wait_for(lambda: "Image" in kubectl.waiting(pod)[0], f"{pod} to wait for its image")


def runs(kubectl: Kubectl, pod: str) -> None:
    wait_for(lambda: kubectl.phase(pod) == "Running", f"{pod} to run")


def rolled_out(kubectl: Kubectl, name: str) -> None:
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")


def versions(kubectl: Kubectl) -> dict[str, str]:
    """Of every secret and of everything that lists some: what each write changes that is not to the status."""
    found = {}
    for one in kubectl.list("secret,serviceaccount,deployment,domain"):
        metadata = one["metadata"]
        found[f"{one['kind']}/{metadata['name']}"] = str(metadata.get("generation") or metadata["resourceVersion"])
    return found


def allow(kubectl: Kubectl, user: str, *rules: tuple[str, str, str]) -> None:
    """A role for a user that is only impersonated; rules: groups, resources, verbs."""
    split = [
        {"apiGroups": groups.split(","), "resources": resources.split(), "verbs": verbs.split()}
        for groups, resources, verbs in rules
    ]
    api = "rbac.authorization.k8s.io"
    kubectl.apply(
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": {"name": user}, "rules": split},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": user},
            "subjects": [{"kind": "User", "name": user, "apiGroup": api}],
            "roleRef": {"kind": "Role", "name": user, "apiGroup": api},
        },
    )


# The role of the operator's chart for those who look after Domains (_operator-clusterrole-domain-admin.tpl).
DOMAIN_ADMIN = (
    ("", "configmaps", "get list watch create update patch delete deletecollection"),
    ("", "secrets pods events", "get list watch"),
    ("", "pods/log", "get list"),
    ("", "pods/exec", "get create"),
    ("weblogic.oracle", "domains clusters", "get list watch create update patch delete deletecollection"),
    ("weblogic.oracle", "domains/status clusters/status", "get watch"),
)
