"""What the report prints behind "Fix:" is pasted into a shell, as a user would, and mends it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from .cluster.model import Registry
from .conftest import Kubectl, make_pod, wait_for

Object = dict[str, Any]
KINDS = ("Pod", "Deployment", "StatefulSet", "ReplicaSet", "Job")
CAUSES = {"nothing": "no-credentials", "v2": "key-mismatch", "upper": "invalid-name"}


def pod_spec(name: str, cause: str, registries: dict[str, Registry]) -> Object:
    image = registries["htpasswd"].image("team/app:1.0")
    if cause == "upper":
        image = registries["open"].image("Team/app:1.0")
    spec: Object = make_pod(name, image, *([f"secret-{name}"] if cause == "v2" else []))["spec"]
    return {**spec, "serviceAccountName": name}


def objects_of(kind: str, name: str, cause: str, registries: dict[str, Registry]) -> list[Object]:
    spec, labels = pod_spec(name, cause, registries), {"app": name}
    made: list[Object] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}]
    if cause == "v2":  # another entry in it, which has to stay
        known = registries["htpasswd"]
        login = {"username": known.user, "password": known.password}
        content = json.dumps({"auths": {f"https://{known.address}/v2": login, "other.example.com": login}})
        made.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"secret-{name}"},
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": content},
            }
        )
    template = {"metadata": {"labels": labels}, "spec": spec}
    if kind == "Pod":
        return [*made, {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}]
    if kind == "Job":
        spec["restartPolicy"] = "Never"
        return [*made, {"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": name}, "spec": {"template": template}}]
    workload: Object = {"selector": {"matchLabels": labels}, "template": template}
    workload |= {"serviceName": name} if kind == "StatefulSet" else {}
    return [*made, {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": workload}]


def printed_commands(page: str) -> list[str]:
    """The lines behind the first "Fix:"."""
    lines = page.split("\nFix:   ", 1)[1].splitlines()
    end = next((number for number, line in enumerate(lines[1:], 1) if not line.startswith("       ")), len(lines))
    return [line.strip() for line in lines[:end]]


def editor_for(name: str, indent: str, known: Registry, folder: Path) -> Path:
    """Stands in for the user's editor: adds the new secret to the list, as the line before it says."""
    new = f"secret-{name}-{known.host.replace('.', '-')}-{known.port}"
    script = folder / f"edit-{name}"
    script.write_text(f"#!/bin/sh\nsed -i 's|^{indent}- name: secret-.*|&\\n{indent}- name: {new}|' \"$1\"\n")
    script.chmod(0o755)
    return script


def test_printed_commands_mend(kubectl: Kubectl, registries: dict[str, Registry], tmp_path: Path) -> None:
    cases = {f"{kind.lower()}-{cause}": (kind, cause) for kind in KINDS for cause in CAUSES}
    kubectl.apply(*(one for name, (kind, cause) in cases.items() for one in objects_of(kind, name, cause, registries)))
    known = registries["htpasswd"]
    for name, (kind, cause) in cases.items():
        target = f"{kind.lower()}/{name}"

        def blocked(target: str = target) -> str:
            result = kubectl.plugin("pullcheck", target)
            return result.out if result.code == 1 and "✗ kubelet" in result.out else ""

        page = wait_for(blocked, f"the kubelet's word on {target}", every=1)
        assert f"({CAUSES[cause]})" in page, page
        login = f"printf %s {known.password} | kubectl pullsecret add --docker-username={known.user} --docker-password-stdin"
        script = "\n".join(printed_commands(page)).replace("kubectl pullsecret add", login)  # what it asks for
        env = kubectl.env | {"EDITOR": str(editor_for(name, "      " if kind == "Job" else "  ", known, tmp_path))}
        run = subprocess.run(
            ["bash", "-euc", f'cd "$(mktemp -d)"\n{script}'], env=env, capture_output=True, text=True, timeout=120
        )
        assert run.returncode == 0, f"{script}\n{run.stderr}"
    for name, (kind, _) in cases.items():

        def runs(target: str = f"{kind.lower()}/{name}") -> bool:
            report = kubectl.plugin("pullcheck", target, "-o", "json").json
            uses = [use for pull in report["pulls"] for use in pull["containers"]]
            return report["verdict"] == "pullable" and bool(uses) and all(use["state"] == "running" for use in uses)

        wait_for(runs, f"{name} to run", timeout=120, every=1)
    for name, (_, cause) in cases.items():
        if cause == "v2":
            secret = kubectl.get("secret", f"secret-{name}") or {}
            assert len(secret["data"][".dockerconfigjson"]) > 100, "the other entry is gone"
