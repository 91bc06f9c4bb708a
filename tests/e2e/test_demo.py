"""The README's Domain on a real kubelet. What `make demo` explains was saved here, and still comes out the same.

To save it anew: PULLKIT_SAVE_DEMO=1 make e2e
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .cluster.model import Node, Registry
from .conftest import ROOT, Kubectl, wait_for

Object = dict[str, Any]
MANIFEST = ROOT / "examples" / "domain1.yaml"
EVIDENCE = ROOT / "examples" / "domain1-evidence.json"
# The names of the example, served by the harness's registries.
HOSTS = {"some.registry.com": "htpasswd", "registry.example.com": "open"}


@pytest.fixture
def example_hosts(node_access: list[Node], registries: dict[str, Registry]) -> Iterator[None]:
    folders = {Path(node.certs_folder) / host: registry for node in node_access for host, registry in HOSTS.items()}
    try:
        for folder, registry in folders.items():
            folder.mkdir(exist_ok=True)
            url = registries[registry].url
            (folder / "hosts.toml").write_text(f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n')
        yield
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def causes(report: Object) -> dict[str, str]:
    return {pull["image"]: pull["findings"][0]["cause"] for pull in report["pulls"]}


EXPECTED = {
    "registry.example.com/owner/aux:1.1": "image-not-found",
    "some.registry.com/owner/domain1:1.0": "key-mismatch",
    "docker.io/Fluent/fluentd:v1.16.1": "invalid-name",
}


def test_example_on_a_real_kubelet(kubectl: Kubectl, example_hosts: None, tmp_path: Path) -> None:
    kubectl("apply", "-f", str(MANIFEST))
    path = tmp_path / "evidence.json"

    def seen() -> Object:
        result = kubectl.plugin("pullcheck", "domain1", "-o", "json", "--save", str(path))
        waits = result.code == 1 and any("BackOff" in str(one["reason"]) for one in result.json["pulls"][0]["containers"])
        return result.json if waits else {}

    report = wait_for(seen, "the kubelet's back-off", every=1)
    assert causes(report) == EXPECTED
    text = path.read_text()
    assert "bigSecret" not in text
    if os.environ.get("PULLKIT_SAVE_DEMO"):
        EVIDENCE.write_text(text.replace(kubectl.namespace, "default"))


def test_saved_example(admin: Kubectl) -> None:
    result = admin.run("pullcheck", "-f", str(EVIDENCE), "--offline", "-o", "json")
    assert result.code == 1
    assert causes(json.loads(result.out)) == EXPECTED
