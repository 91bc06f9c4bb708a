"""Pulls that nobody has tried yet, each as a real kubelet 1.35 was seen to treat it (tests/e2e/combinations.py)."""

from __future__ import annotations

import pytest
from pullcore.platforms import needs_platforms
from pullcore.workload import pulls

from .builders import IMAGE, MALFORMED, container, errors, evidence, node, only, pod, report, secret

BAD = secret("bad", config=MALFORMED["config"])


@pytest.mark.parametrize(("kubelet", "verdict"), [("v1.32.9", "pullable"), ("v1.35.4", "unknown")])
def test_never_with_a_copy_that_may_be_another_pods(kubelet: str, verdict: str) -> None:
    """From 1.33 on a copy that another pod's credentials got is refused as if it were not there (KEP-2535)."""
    value = pod("p", container(policy="Never"), live=False)
    assert only(report(value, node("n1", IMAGE, kubelet=kubelet))).verdict == verdict


def test_malformed_secret_beside_a_copy() -> None:
    """A kubelet that need not pull does not read the secrets."""
    one = only(report(pod("p", live=False, secrets=["bad"]), node("n1", IMAGE), secrets=[BAD]))
    assert (one.verdict, errors(one)) == ("unknown", [])


def test_malformed_secret_without_a_copy() -> None:
    one = only(report(pod("p", live=False, secrets=["bad"]), node("n1"), secrets=[BAD]))
    assert (one.verdict, errors(one)) == ("blocked", ["secret-malformed"])


def test_platforms_of_an_index_matter_to_a_pod_that_is_not_born() -> None:
    """Its containers have no state yet."""
    seen = evidence(pod("p", live=False, node=None), node("n1"))
    asked = list(pulls(seen))
    assert asked[0].containers
    assert needs_platforms(asked, seen, is_index=True, counted=False)
