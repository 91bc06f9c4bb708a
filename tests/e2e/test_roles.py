"""docs/roles.yaml grants what the plugins need, and nothing is missing."""

from __future__ import annotations

from pathlib import Path

import yaml

from .cluster.model import Registry
from .conftest import ROOT, Kubectl, wait_for
from .pullsecret_kit import deployment, login

ROLES = [one for one in yaml.safe_load_all(Path(ROOT, "docs", "roles.yaml").read_text()) if one]


def test_the_tour_with_the_roles_of_the_docs(
    kubectl: Kubectl, admin: Kubectl, namespace: str, registries: dict[str, Registry]
) -> None:
    """As somebody who may do in one namespace what the roles say, and in others nothing."""
    registry, user = registries["htpasswd"], f"{namespace}-user"
    made = []
    for role in ROLES:  # under names of our own: other tests may run on this cluster
        name = f"{namespace}-{role['metadata']['name']}"
        admin.apply({**role, "metadata": {"name": name}})
        made.append(name)
        kubectl("create", "rolebinding", role["metadata"]["name"], f"--clusterrole={name}", f"--user={user}")
    try:
        kubectl.apply(deployment("web", registry.image("team/app:1.0")))
        asked = ("--as", user, "--plain-http", registry.address)

        def blocked() -> bool:
            result = kubectl.plugin("pullcheck", "web", *asked)
            return result.code == 1 and "✗ kubelet" in result.out

        wait_for(blocked, "the kubelet's refusal", every=1)
        told = kubectl.plugin("pullcheck", "web", *asked)
        missing = [line for line in told.err.splitlines() if line.startswith("Not checked: ") and "nodes" not in line]
        assert not missing, "the roles lack it"
        given = ("--for", "serviceaccount/default", *asked)
        added = kubectl.plugin("pullsecret", "add", "mine", *login(registry), *given, stdin=registry.password)
        assert added.code == 0, added.err
        back = kubectl.plugin("repull", "web", *asked)
        assert back.code == 0, back.out + back.err
        assert "Not followed" not in back.err
        assert kubectl.plugin("pullcheck", "web", *asked).code == 0
        node = kubectl.list("pods")[0]["spec"]["nodeName"]  # whoever may not list nodes has to name them
        probed = kubectl.plugin("pullcheck", "web", "--probe", "-y", "--nodes", node, *asked)
        assert probed.code == 0 and "1 of 1 node got it" in probed.out, probed.out + probed.err
        assert not kubectl.list("pods", "-l", "app.kubernetes.io/component=canary")
    finally:
        admin("delete", "clusterrole", *made)
