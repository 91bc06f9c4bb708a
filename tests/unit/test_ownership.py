"""Who keeps an object as it wants it."""

from __future__ import annotations

from typing import Any

import pytest
from pullcore.ownership import keeper_of


def labelled(**labels: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "labels": labels}}


def annotated(**annotations: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "annotations": annotations}}


def owned(kind: str, name: str = "regcred") -> dict[str, Any]:
    return {"metadata": {"name": "x", "ownerReferences": [{"kind": "Other", "name": "y"}, {"kind": kind, "name": name}]}}


@pytest.mark.parametrize(
    ("value", "keeper"),
    [
        (annotated(**{"meta.helm.sh/release-name": "shop"}), "Helm (shop)"),
        (labelled(**{"app.kubernetes.io/managed-by": "Helm"}), "Helm"),
        (labelled(**{"argocd.argoproj.io/instance": "shop"}), "Argo CD (shop)"),
        (annotated(**{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:ns/web"}),
         "Argo CD (shop:apps/Deployment:ns/web)"),
        (labelled(**{"kustomize.toolkit.fluxcd.io/name": "shop"}), "Flux (shop)"),
        (labelled(**{"helm.toolkit.fluxcd.io/name": "shop"}), "Flux (shop)"),
        (labelled(**{"reconcile.external-secrets.io/created-by": "abc"}), "External Secrets (abc)"),
        (owned("ExternalSecret"), "ExternalSecret regcred"),
        (owned("SealedSecret"), "SealedSecret regcred"),
    ],
)  # fmt: skip
def test_who_would_put_a_change_back(value: dict[str, Any], keeper: str) -> None:
    assert keeper_of(value) == keeper


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"metadata": {}},
        {"metadata": {"labels": None, "annotations": None, "ownerReferences": None}},
        labelled(**{"app.kubernetes.io/managed-by": "kustomize", "argocd.argoproj.io/instance": ""}),
        owned("ReplicaSet"),
    ],
)
def test_nobody_is_known(value: dict[str, Any]) -> None:
    assert keeper_of(value) == ""


def test_what_they_call_themselves_is_shown_harmlessly() -> None:
    hostile = keeper_of(annotated(**{"meta.helm.sh/release-name": "\x1b[31m\n" + "x" * 500}))
    assert hostile.isprintable()
    assert len(hostile) < 100
    assert keeper_of(owned("ExternalSecret", "\x1b[2J")).isprintable()
