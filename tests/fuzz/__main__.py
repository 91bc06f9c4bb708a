"""python -m tests.fuzz [--runs N] [--seed N] [TARGET...]: each target in a process of its own. --file X: one input again."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from .one import FOUND, has_atheris
from .seeds import SEEDS
from .targets import TARGETS


def main() -> int:
    reader = argparse.ArgumentParser(prog="python -m tests.fuzz")
    reader.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all of them where none is named")
    reader.add_argument("--runs", type=int, default=1000, help="inputs for each target")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--file", type=Path, help="feed just this")
    given = reader.parse_args()
    chosen = given.targets or list(TARGETS)
    if given.file:
        for name in chosen:
            TARGETS[name](given.file.read_bytes())
        return 0
    print("led by coverage (atheris)" if has_atheris() else "atheris is not here: the examples, changed at random")
    failed = [name for name in chosen if not fuzzed(name, given.runs, given.seed)]
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def fuzzed(name: str, runs: int, seed: int) -> bool:
    """Whether a target stood it."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, log = Path(folder) / "corpus", Path(folder) / "log"
        corpus.mkdir()
        for number, content in enumerate(SEEDS[name]()):
            (corpus / f"{number:03}").write_bytes(content)
        command = [sys.executable, "-m", "tests.fuzz.one", name, str(corpus), str(runs), str(seed)]
        with log.open("wb") as out:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        told = log.read_text(errors="replace")
    if done.returncode == 0:
        print(f"{name}: {runs} inputs")
        return True
    print(
        f"{told[-6000:]}\n{name}: failed; the input is in {FOUND}/, to be tried with: python -m tests.fuzz {name} --file X"
    )
    return False


if __name__ == "__main__":
    sys.exit(main())
