"""kubectl pullsecret explain: it asks nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pullcore.authkey import FALLBACK, is_docker_hubs

from tests.unit.builders import Object

from .pullsecret_kit import (
    PASSWORD,
    Kit,
)

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "keyring_vectors.json").read_text(encoding="utf-8"))


CASES = [
    (case["image"], key, normalised, case["tried_in_order"] or [])
    for case in VECTORS
    if "error" not in case
    for key, normalised in zip(case["keys"], case["normalized_keys"])
]


def test_explain_says_what_the_kubelet_does(kit: Kit) -> None:
    for image, key, normalised, tried in CASES:
        # Docker Hub's own entry is passed over only where another key in the same look-up matches.
        hidden = bool(normalised == FALLBACK and tried and is_docker_hubs(image))
        offered = key in tried or hidden
        found = kit.run("explain", f"--key={key}", f"--image={image}")
        assert (found.code, found.err) == (0 if offered else 1, ""), (key, image)
        assert found.out.splitlines()[-1 if offered else 4].startswith("offered: " if offered else "not offered: ")
        kept = "nothing: the entry is skipped" if normalised.startswith("<ignored") else normalised
        assert f"  kept as    {kept}\n" in found.out
    assert (kit.cluster.asked, kit.registry.seen) == ([], []), "nothing is asked of anybody"


def test_explain_says_what_would_match(kit: Kit) -> None:
    found = kit.run("explain", "--key", "https://r.io/v2", "--image", "r.io/team/app:1.0")
    assert found.out.splitlines() == [
        "key          https://r.io/v2",
        "  kept as    r.io/v2",
        "image        r.io/team/app:1.0",
        "  looked up  r.io/team/app",
        "not offered: the key never matches: path /v2 without its final slash",
        "would match: r.io",
    ]
    assert kit.run("explain", "--key", "r.io", "--image", "r.io/team/app:1.0").code == 0


@pytest.mark.parametrize("case", [case for case in VECTORS if "error" in case], ids=lambda case: case["image"])
def test_explain_and_an_image_that_is_none(kit: Kit, case: Object) -> None:
    found = kit.run("explain", f"--key={case['keys'][0]}", f"--image={case['image']}")
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith("error: the image name is not valid: ")


def test_explain_as_a_document(kit: Kit) -> None:
    found = kit.run("explain", "--key", f"https://bob:{PASSWORD}@r.io/v2", "--image", "r.io/app", "-o", "json")
    assert found.json == {
        "apiVersion": "pullsecret/v1", "kind": "KeyReport",
        "key": "https://***@r.io/v2", "normalised": "r.io/v2", "image": "r.io/app", "lookedUp": "r.io/app",
        "offered": False, "reason": "never matches: path /v2 without its final slash", "better": "r.io",
    }  # fmt: skip
    shown = kit.run("explain", "--key", "r.io", "--image", "r.io/app", "-o", "yaml")
    assert (shown.code, yaml.safe_load(shown.out)["offered"]) == (0, True)


def test_explain_shows_nothing_raw(kit: Kit) -> None:
    for key in ("\x1b[31m", "a\nb", "\u202er.io", "", " ", "x" * 100_000):
        for output in ([], ["-o", "json"]):
            assert kit.run("explain", f"--key={key}", "--image", "r.io/app", *output).code == 1
