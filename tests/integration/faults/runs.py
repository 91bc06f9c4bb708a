"""Runs commands in this process against a server with a fault."""

from __future__ import annotations

import copy
import io
import json
import re
import ssl
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

from pullcheck import main as pullcheck
from pullcore import cluster, command, probe, watching
from pullsecret import main as pullsecret
from repull import main as repull
from repull import remake, wait

from tests.e2e.cluster.pki import make
from tests.unit import archives

from ..hostile import Hostile, challenge
from ..standin import Name, Object
from ..store import Store
from .kinds import Fault
from .scenes import PASSWORD, Scene
from .server import Call, FaultyStandIn

MAINS: dict[str, Any] = {"pullcheck": pullcheck.check, "pullsecret": pullsecret.run, "repull": repull.run}
# What each run writes anew: versions, times, names of fields' managers.
BEGIN = re.compile(r"error: |Error from server|Unable to connect to the server|The connection to the server")
FLEETING = ("resourceVersion", "uid", "creationTimestamp", "managedFields")


@dataclass(frozen=True)
class Certificates:
    """Of the stand-in, and of another server that its CA does not know."""

    authority: Path
    own: ssl.SSLContext
    other: ssl.SSLContext


@lru_cache(maxsize=1)
def certificates() -> Certificates:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        contexts = []
        for name in ("own", "other"):
            authority = make(folder, f"{name}-ca", common_name=f"CA of {name}")
            pair = make(folder, name, authority, ["127.0.0.1"])
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate_file, pair.key_file)
            contexts.append(context)
        kept = Path(tempfile.mkdtemp()) / "ca.crt"
        kept.write_bytes((folder / "own-ca.crt").read_bytes())
    return Certificates(kept, *contexts)


@dataclass(frozen=True)
class Result:
    """What a run left. state: the objects afterwards, without what is another in each run; saved: files of repull."""

    code: int
    out: str
    err: str
    state: dict[Name, Object]
    calls: tuple[Call, ...]
    saved: tuple[str, ...]
    seconds: float
    hits: int = 0

    @property
    def both(self) -> str:
        return self.out + self.err

    @property
    def errors(self) -> list[str]:
        """The lines that a command ends with when it stops."""
        return [line for line in self.err.splitlines() if BEGIN.match(line) and not line.endswith("; trying again")]


def hurry() -> None:
    """Has this process wait less than people do, and read lists in pages of one object."""
    cluster.PAGE = vars(watching)["PAGE"] = 1
    cluster.LONGEST_PAUSE = 0.02
    probe.PAUSES = (0.05,)  # type: ignore[assignment]
    remake.POLL, remake.LEAST, wait.TICK, wait.SETTLED = 0.01, 0.0, 0.05, 0.0
    certificates()  # not by several threads at once
    following: Any = watching.Following.__init__
    following.__kwdefaults__["pauses"] = (0.05, 0.1, 0.2)


class Run:
    """One command with one server, which may be run again."""

    def __init__(self, scene: Scene, fault: Optional[Fault] = None, call: Optional[Call] = None) -> None:
        context = certificates().own if fault and fault.tls else None
        self.folder = tempfile.TemporaryDirectory()
        self.saves = Path(self.folder.name) / "saved"
        self.pushed = Store()
        self.pushed.first = lambda seen, body: None if seen.pair == f"bob:{PASSWORD}" else challenge('Basic realm="x"')
        self.registry = Hostile(self.pushed) if scene.pushes else None
        self.scene, self.fault = self._placed(scene), fault
        self.server = FaultyStandIn(self.scene, fault, call, context)
        self.before = self._state()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        if self.registry:
            self.registry.close()
        self.folder.cleanup()

    def _placed(self, scene: Scene) -> Scene:
        if not self.registry:
            return scene
        archive = Path(self.folder.name) / "app.tar"
        archive.write_bytes(archives.tar(archives.docker_files("pushed", "any:1")))
        return scene.at(self.registry.netloc, str(archive))

    def _state(self) -> dict[Name, Object]:
        """The objects without what each run makes anew, and what the registry holds."""
        found = _lasting(self.server.snapshot())
        if self.registry:
            at = self.registry.netloc
            found = {name: json.loads(json.dumps(value).replace(at, "REGISTRY")) for name, value in found.items()}
            found |= {("Image", "", f"team/app:{tag}"): json.loads(text) for tag, text in self.pushed.manifests.items()}
        return found

    def once(self, *argv: str, options: Sequence[str] = ()) -> Result:
        """Runs it, or another command line of the same plugin; the result."""
        scene = self.scene
        config = _kubeconfig(self.server, Path(self.folder.name))
        argv = (*(argv or scene.argv[1:]), *options, f"--kubeconfig={config}")
        if scene.plugin == "repull":
            argv = (*argv, f"--save-dir={self.saves}", "--timeout=10s")
        out, err = io.StringIO(), io.StringIO()
        stdin = io.TextIOWrapper(io.BytesIO(scene.stdin.encode()))
        began, first = time.monotonic(), len(self.server.calls)
        code = command.run(lambda: MAINS[scene.plugin](argv, stdin, out, err), scene.plugin, out, err)
        took = time.monotonic() - began
        saved = tuple(path.name for path in self.saves.glob("*")) if self.saves.exists() else ()
        calls = tuple(self.server.calls[first:])
        state = self._state()
        return Result(code, out.getvalue(), err.getvalue(), state, calls, saved, took, self.server.hits)


def _kubeconfig(server: FaultyStandIn, folder: Path) -> Path:
    path = folder / "kubeconfig"
    cluster = {"server": server.url}
    if server.context:
        cluster["certificate-authority"] = str(certificates().authority)
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": cluster}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "default"}}],
        "users": [{"name": "x", "user": {"token": "TOKEN-OF-BOB"}}],
    }
    path.write_text(json.dumps(document))
    return path


def _lasting(objects: dict[Name, Object]) -> dict[Name, Object]:
    """The objects without what each run makes anew."""
    found = {}
    for name, value in objects.items():
        kept = copy.deepcopy(value)
        for key in FLEETING:
            kept["metadata"].pop(key, None)
        if name[0] == "Domain" and "introspectVersion" in kept["spec"]:
            kept["spec"]["introspectVersion"] = "another"
        found[name] = kept
    return found
