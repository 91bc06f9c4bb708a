"""kubectl pullsecret for those who may do only part of it: all that can't be done is said before anything is done."""

from __future__ import annotations

import json
from typing import Any

from .cluster.model import Registry
from .conftest import Kubectl, make_secret
from .pullsecret_kit import (
    DOMAIN_ADMIN,
    allow,
    deployment,
    in_process,
    listed_by,
    login,
    pullsecret,
    racer,
    versions,
    wrong_content,
)

Object = dict[str, Any]


# Who may do only part of it


def test_who_may_not_attach(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    registry, other = registries["htpasswd"], registries["token"]
    allow(
        kubectl,
        "writer",
        ("", "secrets", "get list create update"),
        ("", "pods serviceaccounts", "get list"),
        ("apps", "deployments replicasets", "get list"),
    )
    kubectl.apply(make_secret("there", other), deployment("web", registry.image("team/app:1.0"), replicas=0))
    before = versions(kubectl)
    words = ("--as", "writer", "--for", "deployment/web", "--for", "serviceaccount/default")
    for verb in (("add", "mine", *login(registry)), ("attach", "there")):
        told = pullsecret(kubectl, *verb, *words, password=registry.password, code=1).err
        assert "not allowed to patch deployments.apps/web" in told
        assert f"patch serviceaccounts/default in namespace {kubectl.namespace}" in told
        assert "create secrets" not in told
        assert "nothing was changed" in told
    assert versions(kubectl) == before


def test_who_may_only_write_secrets(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """What can't be looked at stops nothing that can be done without it, and nothing half way."""
    registry = registries["htpasswd"]
    allow(kubectl, "keeper", ("", "secrets", "get list create update"))
    words, password = ("--as", "keeper"), registry.password
    with in_process(kubectl) as run:
        assert run("add", "mine", *login(registry), *words, password=password).out == "secret/mine created\n"
        kubectl("patch", "secret", "mine", "-p", json.dumps({"stringData": wrong_content(registry)}))
        rotated = run("rotate", "mine", "--docker-password-stdin", *words, password=password)
        assert rotated.out == f"secret/mine updated in namespace {kubectl.namespace}\n"
        before = versions(kubectl)
        told = run("attach", "mine", "--for", "serviceaccount/default", *words, code=1).err
        assert 'cannot get resource "serviceaccounts"' in told
        told = run("remove", "mine", "-y", *words, code=1).err
        assert "not allowed to delete secrets/mine" in told
        assert versions(kubectl) == before


def test_remove_by_who_may_not_see_what_uses_it(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """A Deployment without pods lists it: whoever can't list Deployments does not get told that nothing does."""
    allow(kubectl, "sweeper", ("", "secrets", "get list delete"), ("", "pods serviceaccounts", "get list"))
    kubectl.apply(make_secret("used", registries["token"]), racer("Deployment", "asleep", "used"))
    with in_process(kubectl) as run:
        told = run("remove", "used", "-y", "--as", "sweeper", code=1).err
        assert "deployments" in told
        assert kubectl.get("secret", "used")


def test_domain_admin_of_the_operator_s_chart(kubectl: Kubectl, registries: dict[str, Registry]) -> None:
    """May list a secret in a Domain, but not write one."""
    registry = registries["htpasswd"]
    allow(kubectl, "domain-admin", *DOMAIN_ADMIN)
    kubectl.apply(make_secret("there", registry, password="old"), racer("Domain", "domain1", "kept"))
    before, here = versions(kubectl), f"in namespace {kubectl.namespace}: nothing was changed"
    add, words = (*login(registry), "--for", "domain/domain1"), ("--as", "domain-admin")
    with in_process(kubectl) as run:
        for verb, missing in {
            ("add", "mine", *add): f"you are not allowed to create secrets {here}",
            ("add", "there", *add): f"you are not allowed to update secrets/there {here}",
            ("rotate", "there", "--docker-password-stdin"): f"you are not allowed to update secrets/there {here}",
            ("copy", "there", "--to-namespace", "default"): "create secrets in namespace default",
            ("remove", "there", "-y"): f"you are not allowed to delete secrets/there {here}",
        }.items():
            assert missing in run(*verb, *words, password=registry.password, code=1).err
        assert versions(kubectl) == before
        result = run("attach", "there", "--for", "domain/domain1", *words)
        assert result.out == "domain.weblogic.oracle/domain1 patched\n"
        assert listed_by(kubectl, "domain", "domain1") == ["kept", "there"]
        listed = run("list", "--no-headers", *words)
        assert listed.out.split()[0] == "there"
        assert "domain/domain1" in listed.out
        assert "Not checked, for you may not list them: " in listed.err and "service accounts in" in listed.err
