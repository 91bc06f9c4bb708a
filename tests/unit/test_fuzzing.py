"""The fuzz targets with the examples that they begin with, and with what they have found so far."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import one, targets
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import NEXT, PASSWORD, TARGETS

MENDED = {
    "registries": [
        # What is no HTTP was told without the credentials cut out.
        b"\x15\x03 " + PASSWORD.encode(),
        NEXT.join(
            [b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="r"\r\nContent-Length: 0\r\n\r\n', PASSWORD.encode() * 20]
        ),
    ],
}


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_stands_its_examples(name: str) -> None:
    for data in (*SEEDS[name](), *MENDED.get(name, ())):
        TARGETS[name](data)


@pytest.mark.parametrize("text", ["\x1b[31m", "a\rb", "\u202e", "one\ntwo\x00"])
def test_what_is_raw_is_found(text: str) -> None:
    with pytest.raises(AssertionError, match="raw text"):
        targets._clean("fine\nand clean", text)


def test_what_fails_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one, "FOUND", str(tmp_path))

    def target(data: bytes) -> None:
        assert b"\xff" not in data

    one.tried(target, "x", b"good")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AssertionError):
        one.tried(target, "x", b"\xff")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"\xff"]


def test_the_same_seed_makes_the_same_inputs() -> None:
    seeds = SEEDS["words"]()
    first, again, other = ([one.mutated(seeds, chance) for _ in range(50)] for chance in map(random.Random, (1, 1, 2)))
    assert first == again != other
    assert len(set(first)) > 40
