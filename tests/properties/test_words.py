"""What kubelets say, in every wrapping and damaged in every way: a cause that is not the right one is worse than none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pullcore.causes import CAUSES
from pullcore.kubelet import PULL_REASONS
from pullcore.pull_errors import classify

DATA = Path(__file__).parents[1] / "data"
SAMPLES: list[dict[str, Any]] = [
    one for name in ("pull_errors.json", "pull_errors_more.json") for one in json.loads((DATA / name).read_text("utf-8"))
]
MESSAGES = sorted({one["message"] for one in SAMPLES if one["message"].strip()})
SAYS_NOTHING = ("unknown", "backoff-only")
# Causes that send a person somewhere: wrong ones cost hours. The others leave open what the matter is.
CONFIDENT = frozenset(
    """
    secret-malformed secret-missing no-credentials bad-credentials expired-credentials forbidden rate-limited tls-untrusted
    dns disk-full platform-mismatch policy never-pull short-name invalid-name http-https-mismatch proxy bad-content throttled
    """.split()
)
# What a whole text means, and what its beginning says truly before the rest takes it back.
TAKEN_BACK = {
    ("expired-credentials", "bad-credentials"),  # "unauthorized: AADSTS70043: ... has expired"
    ("expired-credentials", "forbidden"),  # "error parsing HTTP 403 response body: ... token has expired"
    ("bad-credentials", "no-credentials"),  # "your account must log in with a Personal Access Token"
    ("no-credentials", "bad-credentials"),  # "invalid username/password: unauthorized: Please login"
    ("denied-or-missing", "bad-credentials"),  # Azure's "unauthorized: authentication required" for both
    ("denied-or-missing", "forbidden"),  # Google's "denied on resource ... (or it may not exist)"
    ("secret-missing", "no-credentials"),  # "error getting credentials - err: docker-credential-x: not found"
}

messages = st.sampled_from(MESSAGES)
reasons = st.one_of(st.none(), st.sampled_from(PULL_REASONS), st.text(max_size=20))
prefixes = st.sampled_from(
    [
        'Failed to pull image "reg.test/team/app:1": ',
        'Back-off pulling image "reg.test/team/app:1": ErrImagePull: ',
        "ErrImagePull: ",
        "Error syncing pod, skipping: ",
        "(combined from similar events): ",
        'spec.containers{main}: Failed to pull image "reg.test/team/app:1": ',
        "rpc error: code = Unknown desc = ",
        'Failed to pull image "reg.test/team/app:1": rpc error: code = Unknown desc = ',
    ]
)


@given(st.one_of(st.text(max_size=200), st.text("¤[]():\"' \n,*.abc", max_size=80)), reasons)
def test_no_text_raises(text: str, reason: str | None) -> None:
    found = classify(text, reason)
    assert found.cause in CAUSES
    assert "\n" not in found.detail
    assert len(found.detail) <= 160


@given(
    st.lists(st.one_of(messages, st.text(max_size=10)), max_size=4), st.sampled_from([", ", " ", "] [", "\n", ": [", "* "])
)
def test_no_mixture_raises(parts: list[str], between: str) -> None:
    assert classify(between.join(parts)).cause in CAUSES


@given(messages, prefixes)
def test_the_wrapping_says_nothing(message: str, prefix: str) -> None:
    plain = classify(message).cause
    assume(plain != "secret-malformed" or "rpc error" not in prefix)  # which no runtime says
    wrapped = classify(prefix + message).cause
    assert wrapped == plain or {wrapped, plain} <= set(SAYS_NOTHING)


@settings(max_examples=300)
@given(messages, st.integers(0, 1000), st.sampled_from(["", "...", "…", '"', "\n"]))
def test_what_is_cut_off_is_not_taken_for_something_else(message: str, keep: int, end: str) -> None:
    whole, cut = classify(message).cause, classify(message[: len(message) * keep // 1000] + end).cause
    assert cut == whole or cut not in CONFIDENT or (whole, cut) in TAKEN_BACK


@settings(max_examples=300)
@given(messages, st.integers(0, 1000), st.sampled_from(["\x00", "\x1b[31m", "\u200b", "\u202e", "\x7f", "\x9b"]))
def test_characters_that_nobody_sees_change_nothing(message: str, place: int, char: str) -> None:
    at = len(message) * place // 1000
    assert classify(message[:at] + char + message[at:]) == classify(message)


@pytest.mark.parametrize(
    "text",
    [
        'Back-off pulling image "unauthorized',
        "image pull failed for reg.test/app:1, this may be because there are no credentials o",
        'failed to authorize: failed to fetch anonymous token: Get "',
        "failed to authorize: failed to fetch oauth token: unexpected status from",
        'failed to fetch anonymous token: Get "https://auth.test/token": something new',
    ],
)
def test_what_does_not_tell_is_not_guessed(text: str) -> None:
    assert classify(text).cause in SAYS_NOTHING
