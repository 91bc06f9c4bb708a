"""python -m tests.fuzz.one TARGET CORPUS RUNS SEED: one target in this process, watched for time and memory."""

from __future__ import annotations

import faulthandler
import importlib.util
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

FOUND = ".fuzz"  # where inputs that fail are kept
LONGEST = 60  # seconds for one input, which takes milliseconds
MEMORY = 2048  # MiB
LARGEST = 32 * 1024  # bytes of an input
TOKENS = (b"\x00", b"\x1b[31m", b"\xe2\x80\xae", b"\xff", b"null", b"{", b"[", b'"', b"9" * 30, b"../", b": ", b"\r\n", b"=")


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def led(name: str, corpus: Path, runs: int, seed: int) -> None:
    """With atheris, which does not come back."""
    import atheris

    with atheris.instrument_imports(include=["pullcore", "pullcheck", "repull"]):
        from .targets import TARGETS
    options = [
        f"-runs={runs}", f"-seed={seed}", f"-timeout={LONGEST}", f"-rss_limit_mb={MEMORY}", f"-max_len={LARGEST}",
        f"-artifact_prefix={FOUND}/{name}-",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


def random_ones(name: str, corpus: Path, runs: int, seed: int) -> None:
    """Without: the examples, and then changed ones."""
    from .targets import TARGETS

    seeds = [path.read_bytes() for path in sorted(corpus.iterdir())]
    chance = random.Random(seed)
    for number in range(runs):
        data = seeds[number] if number < len(seeds) else mutated(seeds, chance)
        tried(TARGETS[name], name, data)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 1024 * 1024)
    if used > MEMORY:
        raise MemoryError(f"{used} MiB")


def tried(target: Callable[[bytes], None], name: str, data: bytes) -> None:
    """Feeds one input; keeps it where that goes wrong, or does not end."""
    kept = Path(FOUND) / f"{name}-input"
    kept.write_bytes(data)
    faulthandler.dump_traceback_later(LONGEST, exit=True, file=2)
    try:
        target(data)
    finally:
        faulthandler.cancel_dump_traceback_later()
    kept.unlink()


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """One of the examples with a few changes."""
    data = bytearray(chance.choice(seeds)[:LARGEST])
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 4, 64)))
        how = chance.randrange(5)
        if how == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif how == 1:
            data[at:at] = chance.choice(TOKENS)
        elif how == 2:
            del data[at:end]
        elif how == 3:
            data[at:at] = data[at:end] * chance.choice((1, 1, 50))
        else:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:end] = other[start : start + 64]
    return bytes(data[: 2 * LARGEST])


if __name__ == "__main__":
    name, corpus, runs, seed = sys.argv[1:]
    Path(FOUND).mkdir(exist_ok=True)
    (led if has_atheris() else random_ones)(name, Path(corpus), int(runs), int(seed))
