"""Each command as a process that is told to stop at every moment: at each request that it sends, at imports, at the end.

Whatever the moment: no traceback, the status of the signal, nothing in TMPDIR, and what it made is gone or told.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from .certificates import Authority
from .plugin_process import PLUGINS, World, environment
from .pullsecret_kit import PASSWORD, names

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 60  # seconds


@dataclass
class Ended:
    code: int
    out: str
    err: str
    world: World
    folder: Path
    moments: int


Check = Callable[[Ended], None]


@dataclass(frozen=True)
class Case:
    """A command line; HOST in it stands for the registry's, FOLDER for a folder. check: what has to hold in any case."""

    words: Sequence[str]
    check: Check
    ends: int = 0  # its status when nobody interrupts it


def no_canary(ended: Ended) -> None:
    left = [name for kind, _, name in ended.world.cluster.objects if kind == "Pod" and name not in ("web-1", "alone")]
    assert all(f"kubectl delete pod {name} -n ns" in ended.err for name in left), (left, ended.err)


def secret_is_told(ended: Ended) -> None:
    cluster = ended.world.cluster
    assert cluster.has("Secret", "regcred") == ("secret/regcred created\n" in ended.out)
    assert (names(cluster.get("Deployment", "web")) == ["regcred"]) == ("deployment.apps/web patched\n" in ended.out)


def pods_are_told(ended: Ended) -> None:
    """The one that a controller makes again is gone or not; the other one is there, or in a file that is told."""
    cluster = ended.world.cluster
    assert cluster.has("Pod", "web-1") == ('pod "web-1" deleted' not in ended.out)
    kept = list((ended.folder / "saved").glob("*"))
    assert all(path.suffix == ".yaml" for path in kept), "a half written file"
    if not cluster.has("Pod", "alone"):
        assert kept and f"kubectl create -f {kept[0]}" in ended.err, ended.err


CASES = {
    "pullcheck": Case(["pullcheck", "deployment/web", "--plain-http=HOST", "--save=FOLDER/e.json"], no_canary, 1),
    "probe": Case(["pullcheck", "deployment/web", "--plain-http=HOST", "--probe", "-y"], no_canary),
    "pullsecret": Case(
        ["pullsecret", "add", "regcred", "--docker-server=HOST", "--docker-username=bob", "--plain-http=HOST",
         "--docker-password-file=FOLDER/password", "--for=deployment/web"], secret_is_told,
    ),
    "repull": Case(
        ["repull", "deployment/web", "pod/alone", "--plain-http=HOST", "--recreate-pods", "--force", "--no-wait",
         "--save-dir=FOLDER/saved"], pods_are_told,
    ),
}  # fmt: skip


class Runner:
    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        self.lock = threading.Lock()
        self.count = 0

    def run(self, case: Case, at: int = 0, told: Sequence[int] = (), before: str = "", **environ: str) -> Ended:
        """Runs it and sends the signals at its request number `at` (from 1). before: what its Python runs first."""
        with self.lock:
            self.count += 1
            folder = self.folder / str(self.count)
        folder.mkdir()
        (folder / "password").write_text(PASSWORD)
        (folder / "sitecustomize.py").write_text(before)
        world = World()
        begun, count, lock = threading.Event(), 0, threading.Lock()

        def moment() -> None:
            nonlocal count
            with lock:
                count += 1
                if count == at and begun.wait(PATIENCE):
                    for number in told:
                        process.send_signal(number)
                        time.sleep(0.01)

        world.moment = moment
        with contextlib.closing(world):
            words = [word.replace("HOST", world.registry.netloc).replace("FOLDER", str(folder)) for word in case.words]
            process = subprocess.Popen(
                [sys.executable, str(PLUGINS / f"kubectl-{words[0]}"), *words[1:]],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**environment(world, folder, self.authority), **environ},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
            )  # fmt: skip
            begun.set()
            out, err = process.communicate(timeout=PATIENCE)
        return Ended(process.returncode, out, err, world, folder, count)

    def check(self, case: Case, ended: Ended, told: Sequence[int]) -> None:
        """told: the signals that it was sent; the last one may have come when it was at its end already."""
        at = f"{ended.code}\n{ended.out}\n{ended.err}"
        assert ended.code in {status for number in told for status in (128 + number, -number)}, at
        assert not re.search("Traceback|Exception|internal", ended.err), at
        assert list((ended.folder / "tmp").iterdir()) == [], at
        assert not list(ended.folder.glob(".e.json*")), at
        case.check(ended)


@pytest.fixture
def runner(tmp_path: Path, authority: Authority) -> Iterator[Runner]:
    yield Runner(tmp_path, authority)


@pytest.mark.parametrize("name", CASES)
def test_at_each_request(runner: Runner, name: str) -> None:
    """By another signal each time, and twice in a row every other time."""
    case = CASES[name]
    whole = runner.run(case)
    assert whole.code == case.ends, whole.err
    case.check(whole)
    assert whole.moments > 4

    def interrupted(at: int) -> None:
        number = SIGNALS[at % 3]
        told = [number, signal.SIGINT] if at % 2 else [number]
        ended = runner.run(case, at, told)
        if ended.moments < at:  # requests are not always as many
            return
        runner.check(case, ended, told)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(interrupted, range(1, whole.moments + 1)))


# Tells this process at import number AT since the plugin's own code is imported; without AT it counts them.
AT_IMPORT = """
import os, sys
count, at, number = 0, int(os.environ.get("AT", "0")), int(os.environ.get("NUMBER", "0"))
def hook(event, arguments):
    global count
    if event == "import" and (count or arguments[0].endswith(".main")):
        count += 1
        if count == at:
            os.kill(os.getpid(), number)
sys.addaudithook(hook)
if not at:
    import atexit
    atexit.register(lambda: print(f"imports: {count}", file=sys.stderr))
"""


@pytest.mark.parametrize("name", CASES)
def test_at_imports(runner: Runner, name: str) -> None:
    """Those of the start, and those of parts that are imported when they are needed: a twelfth of them."""
    case = CASES[name]
    whole = runner.run(case, before=AT_IMPORT)
    found = re.search(r"imports: (\d+)", whole.err)
    assert found and int(found[1]) > 200, whole.err

    def interrupted(at: int) -> None:
        number = SIGNALS[at % 3]
        ended = runner.run(case, before=AT_IMPORT, AT=str(at), NUMBER=str(number))
        runner.check(case, ended, [number])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(interrupted, range(1, int(found[1]), int(found[1]) // 12)))
