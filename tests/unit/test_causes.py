"""The catalogue of causes and the page made from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pullcore.causes import CAUSES, Cause, page

DOCS = Path(__file__).parents[2] / "docs"

SAID = """
invalid-name short-name never-pull no-credentials bad-credentials expired-credentials forbidden denied-or-missing
image-not-found repository-not-found dns connection timeout tls-untrusted tls-other http-https-mismatch proxy
rate-limited registry-error platform-mismatch bad-content disk-full throttled canceled runtime policy backoff-only
unknown
""".split()
PROVEN = """
secret-missing secret-malformed secret-ignored key-mismatch service-account-shadowed stale-pod latest-tag
tag-drift always-needs-registry present-not-usable domain-aborted
""".split()


def test_the_names_are_those_of_the_report_format() -> None:
    assert [name for name, cause in CAUSES.items() if not cause.from_objects] == SAID
    assert [name for name, cause in CAUSES.items() if cause.from_objects] == PROVEN


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: str(cause.name))
def test_every_cause_is_told_in_full(cause: Cause) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cause.name)
    assert not cause.title.endswith(".")
    assert re.fullmatch(r"[^.].*\.", cause.meaning)
    assert cause.remedy.endswith(".")
    assert cause.remedy[0].isupper()


def test_remedies_name_only_plugins_that_exist() -> None:
    named = set(re.findall(r"kubectl ((?:re)?pull\w*)", " ".join(cause.remedy for cause in CAUSES.values())))
    assert named
    assert all((DOCS.parent / "plugins" / f"kubectl-{name}").is_file() for name in named)


def test_the_page_is_current() -> None:
    assert (DOCS / "causes.md").read_text(encoding="utf-8") == page(), "python -m pullcore.causes > docs/causes.md"
