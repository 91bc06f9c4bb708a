"""The private key of a kubeconfig reaches no disk: not while it is read, and not after any way to end a process."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .certificates import Authority
from .standin import Answer, StandIn

PLUGINS = Path(__file__).parents[2] / "plugins"
DRIVER = """
import os, signal, ssl, sys, threading
from pullcore import command
from pullcore.cluster import Cluster
from pullcore.errors import CommandError

made = []
sys.addaudithook(lambda event, arguments: made.append(event) if event.startswith(("tempfile.", "os.mkdir")) else None)

def work():
    before()
    cluster = Cluster.connect(command.Connection(), user_agent="x")
    assert cluster.get("/x") == {"kind": "bob"}, "the server does not see the client's certificate"
    assert made == [], made
    after()
    return 0

def before():
    %s

def after():
    %s

def at_load(do):
    real = ssl.SSLContext.load_cert_chain
    def load(self, certificate, key, **more):
        do()
        assert open(key).read() == open(os.environ["KEY"]).read()
        return real(self, certificate, key, **more)
    ssl.SSLContext.load_cert_chain = load

def close_pipe():
    reads, writes = os.pipe()
    os.close(reads)
    os.dup2(writes, 1)
    print("x" * 100000, flush=True)

sys.exit(command.run(work, "repull", sys.stdout, sys.stderr))
"""


@pytest.fixture
def server(authority: Authority) -> Iterator[StandIn]:
    """It takes who we are from a client's certificate."""
    stand_in, pair = StandIn(), authority.signs(name="api-server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    context.load_verify_locations(authority.ca.certificate_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    stand_in.server.socket = context.wrap_socket(stand_in.server.socket, server_side=True)
    stand_in.url = stand_in.url.replace("http:", "https:")
    stand_in.answer = lambda asked: Answer(body={"kind": asked.peer})
    yield stand_in
    stand_in.close()


def ran(server: StandIn, authority: Authority, folder: Path, before: str, after: str) -> tuple[int, str, list[str]]:
    """The status and the words of a process that loads a key from a kubeconfig, and the files that are there afterwards."""
    client = authority.signs(name="client", common_name="bob")

    def data(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    user = {"client-certificate-data": data(client.certificate_file), "client-key-data": data(client.key_file)}
    cluster = {"server": server.url, "certificate-authority-data": data(authority.ca.certificate_file)}
    (folder / "tmp").mkdir()
    (folder / "kubeconfig").write_text(json.dumps({
        "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": cluster}], "users": [{"name": "x", "user": user}],
    }))  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", DRIVER % (before, after)], capture_output=True, text=True, timeout=60, cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(PLUGINS),
             "KUBECONFIG": str(folder / "kubeconfig"), "KEY": str(client.key_file)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr, sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("after", "status"),
    [
        ("pass", 0),
        ("raise CommandError('no')", 1),
        ("raise ValueError", 1),
        ("sys.exit(7)", 7),
        ("os._exit(7)", 7),
        ("one = threading.Thread(target=sys.exit); one.start(); one.join()", 0),
        ("close_pipe()", 141),
        ("signal.signal(signal.SIGPIPE, signal.SIG_DFL); close_pipe()", -signal.SIGPIPE),
        *((f"os.kill(os.getpid(), {number})", 128 + number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_whatever_ends_it(server: StandIn, authority: Authority, tmp_path: Path, after: str, status: int) -> None:
    code, said, left = ran(server, authority, tmp_path, "pass", after)
    assert (code, left) == (status, ["kubeconfig", "tmp"]), said


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_killed_in_the_moment_in_which_it_is_read(server: StandIn, authority: Authority, tmp_path: Path) -> None:
    code, said, left = ran(server, authority, tmp_path, "at_load(lambda: os.kill(os.getpid(), signal.SIGKILL))", "pass")
    assert (code, left) == (-signal.SIGKILL, ["kubeconfig", "tmp"]), said


@pytest.mark.parametrize("number", [0, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_without_files_in_memory(server: StandIn, authority: Authority, tmp_path: Path, number: int) -> None:
    """As on macOS: there it lies in a folder for a moment, which goes whatever comes in that moment."""
    tell = f"os.kill(os.getpid(), {number})"
    before = f"os.__dict__.pop('memfd_create', None); at_load(lambda: {tell})"
    code, said, left = ran(server, authority, tmp_path, before, "pass")
    assert left == ["kubeconfig", "tmp"]
    if number:
        assert (code, said) == (128 + number, "")
    else:
        assert code == 1 and "tempfile.mkdtemp" in said, "else this test shows nothing"
