"""Which images' credentials are believed, so that one more refusal is no failure yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Optional

import pytest
from pullcore.diagnosis import diagnose
from repull.check import believed

from .builders import IMAGE, NOW, evidence, pod, secret


@pytest.mark.parametrize(
    ("ago", "found"),
    [(timedelta(seconds=5), {IMAGE}), (timedelta(seconds=-5), {IMAGE}), (timedelta(minutes=5), set()), (None, set())],
)
def test_a_credential_that_was_written_just_now(ago: Optional[timedelta], found: set[str]) -> None:
    seen = evidence(pod(secrets=["good"]), secrets=[secret("good")])
    time = (NOW - ago).isoformat() if ago is not None else None
    facts = {name: one and replace(one, changed_at=time) for name, one in seen.secrets.items()}
    assert believed(diagnose(replace(seen, secrets=facts))) == found


def test_a_secret_that_is_not_offered_does_not_count() -> None:
    seen = evidence(pod(secrets=["other"]), secrets=[secret("other", "elsewhere.example.com")])
    facts = {name: one and replace(one, changed_at=NOW.isoformat()) for name, one in seen.secrets.items()}
    assert believed(diagnose(replace(seen, secrets=facts))) == set()
