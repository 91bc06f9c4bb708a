"""kubectl pullsecret on a real pseudo-terminal: what is asked, what is echoed, and what Ctrl-C and Ctrl-D do."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import server_labels

from .certificates import Authority
from .hostile import StandIn as Registry
from .pullsecret_kit import (
    KEY,
    NEW,
    PASSWORD,
    WRONG,
    domain,
    entry,
    failing,
    kubeconfig,
    names,
    running,
    secret,
    service_account,
)
from .standin import Answer, ClusterStandIn

EXECUTABLE = Path(__file__).parents[2] / "plugins" / "kubectl-pullsecret"
PATIENCE = 20.0  # seconds; a loaded machine takes its time to start a program
CTRL_C, CTRL_D = "\x03", "\x04"


def _takes_the_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # /dev/tty is this terminal, Ctrl-C reaches it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests run in the background


class Person:
    """Somebody at a terminal who starts the plugin, reads and types. Standard output goes to a pipe, or there, too."""

    def __init__(self, environ: dict[str, str], *argv: str, out: bool = False) -> None:
        self.master, slave = pty.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            [sys.executable, str(EXECUTABLE), *argv],
            stdin=slave, stdout=slave if out else subprocess.PIPE, stderr=slave, env=environ, start_new_session=True,
            preexec_fn=_takes_the_terminal,
        )  # fmt: skip
        os.close(slave)

    def reads(self, text: str) -> str:
        """Waits until the text is on the screen, behind what was read before; all that came until then."""
        until = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert self._more(until), f"never saw {text!r}, but {self.screen!r}"
        before, _, self.screen = self.screen.partition(text)
        return before + text

    def types(self, text: str) -> None:
        os.write(self.master, text.encode())

    def hides(self) -> None:
        """Waits until the terminal does not echo any more: what is typed before would be seen."""
        until = time.monotonic() + PATIENCE
        while termios.tcgetattr(self.master)[3] & termios.ECHO:
            assert time.monotonic() < until, "the terminal still echoes"
            time.sleep(0.005)

    def ends(self) -> tuple[int, str, str]:
        """The exit status, what is left on the screen, and standard output."""
        until = time.monotonic() + PATIENCE
        while self._more(until):
            pass
        assert time.monotonic() < until, f"it does not end: {self.screen!r}"
        out = self.process.stdout.read().decode() if self.process.stdout else ""
        return self.process.wait(PATIENCE), self.screen, out

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.master)

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def _more(self, until: float) -> bool:
        """Whether something came; False at the end, or when the patience is."""
        while time.monotonic() < until:
            if select.select([self.master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
                    part = os.read(self.master, 65536)
                    self.screen += part.decode().replace("\r\n", "\n")
                    return bool(part)
                return False
        return False


Start = Callable[..., Person]


@pytest.fixture
def cluster() -> Iterator[ClusterStandIn]:
    stand_in = ClusterStandIn(service_account())
    yield stand_in
    stand_in.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    stand_in = Registry(users={"bob": PASSWORD})
    yield stand_in
    stand_in.close()


@pytest.fixture
def person(cluster: ClusterStandIn, tmp_path: Path, authority: Authority) -> Iterator[Start]:
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig(cluster, tmp_path)),
        "LANG": "C.UTF-8", "TERM": "xterm", "SSL_CERT_FILE": str(authority.ca.certificate_file),
    }  # fmt: skip
    made: list[Person] = []

    def start(*argv: str, **more: Any) -> Person:
        made.append(Person(environ, *argv, **more))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_add_alone_asks_for_all_that_is_missing(cluster: ClusterStandIn, registry: Registry, person: Start) -> None:
    cluster.put(running("healthy", "ghcr.io/x/y:1"))
    cluster.put(failing(registry.image(), secrets=["secret1"]))
    someone = person("add")
    offered = someone.reads("Registry (a number, or its host)")
    assert f"  1  {registry.netloc}\n  2  ghcr.io\n" in offered, "the registry of the failing pod comes first"
    someone.reads(f"[{registry.netloc}]: ")
    someone.types("1\n")
    someone.reads("Username: ")
    someone.types("bob\n")
    someone.reads("Password: ")
    someone.hides()
    someone.types(f"{PASSWORD}\n")
    code, screen, out = someone.ends()
    assert (code, out) == (0, "secret/secret1 created\n"), screen
    assert PASSWORD not in screen
    assert f"proven: {registry.netloc} accepts it" in screen
    assert cluster.entries("secret1") == {registry.netloc: entry()}
    assert someone.echoes, "the terminal is as it was"


def test_an_empty_line_takes_what_is_offered_first_and_a_host_can_be_typed(
    cluster: ClusterStandIn, registry: Registry, person: Start
) -> None:
    cluster.put(failing(registry.image()))
    for typed in ("\n", "other.example.com\n"):
        someone = person("add", "regcred", "--no-verify", "--dry-run=client", "--show-secrets", "-o=json")
        someone.reads("Registry (a number, or its host)")
        someone.types(typed)
        someone.reads("Username: ")
        someone.types("bob\n")
        someone.reads("Password: ")
        someone.hides()
        someone.types(f"{PASSWORD}\n")
        code, screen, out = someone.ends()
        assert code == 0
        assert PASSWORD not in screen
        made = base64.b64decode(json.loads(out)["data"][KEY])
        assert json.loads(made)["auths"] == {typed.strip() or registry.netloc: entry()}


def test_what_is_given_is_not_asked_for(cluster: ClusterStandIn, registry: Registry, person: Start) -> None:
    someone = person("add", "regcred", "--docker-server", registry.netloc, "--docker-username", "bob")
    assert "Registry" not in someone.reads("Password: ")
    someone.hides()
    someone.types(f"{PASSWORD}\n")
    assert someone.ends()[0] == 0


def test_a_refused_password_changes_nothing_and_is_not_shown(
    cluster: ClusterStandIn, registry: Registry, person: Start
) -> None:
    someone = person("add", "regcred", "--docker-server", registry.netloc, "--docker-username", "bob")
    someone.reads("Password: ")
    someone.hides()
    someone.types(f"{WRONG}\n")
    code, screen, _ = someone.ends()
    assert code == 1
    assert "refuses it: 401" in screen
    assert WRONG not in screen
    assert cluster.writes == []


# Where it is interrupted: the question, what is typed before it.
QUESTIONS = {"Registry": "", "Username: ": "r.io\n", "Password: ": "r.io\nbob\n"}


@pytest.mark.parametrize("question", ["Registry", "Password: "])
def test_ctrl_c_gives_130_and_changes_nothing(cluster: ClusterStandIn, person: Start, question: str) -> None:
    someone = person("add", "regcred", "--no-verify")
    for asked, typed in zip(QUESTIONS, QUESTIONS[question].splitlines(keepends=True)):
        someone.reads(asked)
        someone.types(typed)
    someone.reads(question)
    if question.startswith("Password"):
        someone.hides()
    someone.types(CTRL_C)
    code, screen, out = someone.ends()
    assert (code, out) == (130, "")
    assert "Traceback" not in screen
    assert cluster.writes == []
    assert someone.echoes, "the terminal is as it was"


@pytest.mark.parametrize("question", ["Registry", "Password: "])
def test_ctrl_d_changes_nothing_and_says_so(cluster: ClusterStandIn, person: Start, question: str) -> None:
    given = ["--docker-server=r.io", "--docker-username=bob"] if question.startswith("Password") else []
    someone = person("add", "regcred", "--no-verify", *given)
    someone.reads(question)
    if given:
        someone.hides()
    someone.types(CTRL_D)
    code, screen, out = someone.ends()
    assert (code, out) == (1, "")
    assert "nothing was changed" in screen
    assert "Traceback" not in screen
    assert cluster.writes == []
    assert someone.echoes


def test_an_empty_password_or_user_changes_nothing(cluster: ClusterStandIn, person: Start) -> None:
    someone = person("add", "regcred", "--docker-server=r.io", "--no-verify")
    someone.reads("Username: ")
    someone.types("\n")
    code, screen, _ = someone.ends()
    assert (code, cluster.writes) == (1, [])
    assert "no username was given: nothing was changed" in screen


@pytest.mark.parametrize(("typed", "code"), [("Yes\n", 0), ("n\n", 1), ("\n", 1), (CTRL_D, 1)])
def test_a_change_that_replaces_running_pods_is_asked_about(
    cluster: ClusterStandIn, person: Start, typed: str, code: int
) -> None:
    cluster.put(domain())
    cluster.put(running("domain1-admin", labels=server_labels("domain1")))
    cluster.put(secret("regcred"))
    someone = person("attach", "regcred", "--for", "domain/domain1")
    assert "the operator rolls its 1 running server\n" in someone.reads("Go on? (y/N)")
    someone.types(typed)
    status, screen, out = someone.ends()
    assert status == code
    assert names(cluster.get("Domain", "domain1")) == (["regcred"] if code == 0 else [])
    assert ("nothing was changed" in screen) is (code == 1)
    assert out == ("" if code else "domain.weblogic.oracle/domain1 patched\n")


def test_yes_is_not_asked_for_twice(cluster: ClusterStandIn, person: Start) -> None:
    cluster.put(secret("regcred"))
    someone = person("remove", "regcred", "--yes")
    code, screen, out = someone.ends()
    assert (code, out) == (0, 'secret "regcred" deleted\n')
    assert "Go on?" not in screen


def test_before_something_is_deleted_it_says_what(cluster: ClusterStandIn, person: Start) -> None:
    cluster.put(secret("regcred"))
    someone = person("remove", "regcred")
    before = someone.reads("(y/N)")
    assert "secret/regcred is deleted" in before
    assert "passwords are not kept" in before
    someone.types(CTRL_C)
    assert someone.ends()[0] == 130
    assert cluster.has("Secret", "regcred")


def test_rotate_asks_for_the_new_password(cluster: ClusterStandIn, registry: Registry, person: Start) -> None:
    registry.users = {"carol": NEW}
    cluster.put(secret("regcred", {registry.netloc: entry("carol", WRONG)}))
    someone = person("rotate", "regcred")
    assert "Username" not in someone.reads("Password: ")
    someone.hides()
    someone.types(f"{NEW}\n")
    code, screen, out = someone.ends()
    assert (code, out) == (0, "secret/regcred updated in namespace ns\n")
    assert NEW not in screen
    assert cluster.entries("regcred") == {registry.netloc: entry("carol", NEW)}


def test_an_interrupt_while_the_server_is_slow(cluster: ClusterStandIn, person: Start) -> None:
    cluster.before = lambda asked: Answer(wait=10, body={"items": []}) if asked.path.endswith("/pods") else None
    someone = person("list")
    until = time.monotonic() + PATIENCE
    while not any(one.path.endswith("/pods") for one in cluster.asked):
        assert time.monotonic() < until
        time.sleep(0.01)
    began = time.monotonic()
    someone.process.send_signal(signal.SIGINT)
    assert someone.ends()[0] == 130
    assert time.monotonic() - began < 5


def test_nothing_is_coloured_or_moved(cluster: ClusterStandIn, registry: Registry, person: Start) -> None:
    """What others wrote into the cluster does not reach the terminal raw."""
    cluster.put(failing(registry.image()))
    cluster.put(secret("a", {"\x1b[2Jr.io": entry("b\x07ob")}))
    _, screen, _ = person("list", out=True).ends()
    assert re.findall(r"[^\x20-\x7e\n]", screen) == []
    assert "^[[2Jr.io" in screen
