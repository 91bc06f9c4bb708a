"""Local images: found in docker, podman or nerdctl, whichever has them, and pushed by it.

The login is in a file of a folder made for this push (0700, the file 0600) and is gone afterwards, also after an interrupt;
nothing of it is on a command line or in the environment. docker and nerdctl push only what is tagged with the registry's
name: a tag that was not there before is taken away again, one that was for another image is put back.

Sources: `docker push --help`, `podman push --help`, `nerdctl push --help`; docker/cli's config file (auths).
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from pullcore.authkey import FALLBACK_KEY
from pullcore.errors import CommandError, one_line
from pullcore.reference import DOCKER_HUB, Reference
from pullcore.signals import interruptible, shielded

ENGINES = ("docker", "podman", "nerdctl")
TIMEOUT = 30.0  # seconds for everything but the push itself
LARGEST = 4 * 1024 * 1024  # of what one prints
NAME = re.compile(r"[A-Za-z0-9][\w./:@-]{0,500}", re.ASCII)
DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
PASSING = re.compile(r": (Preparing|Waiting)$")  # docker's lines that tell nothing


@dataclass(frozen=True)
class LocalImage:
    """An image that an engine has. digests: those by which registries know it, as far as it was pulled or pushed; tagged:
    whether it has a tag, without which it would go with the last one."""

    engine: str
    name: str
    id: str
    platform: str
    digests: tuple[str, ...]
    tagged: bool = True


class Engine:
    """One of the programs. environ: what it gets; hosts that speak no TLS, or are not verified, are `plain`."""

    def __init__(self, name: str, environ: Mapping[str, str], *, plain: Callable[[str], bool]) -> None:
        self.name = name
        self._environ = dict(environ)
        self._plain = plain

    def inspect(self, image: str) -> Optional[Mapping[str, Any]]:
        """What it knows of an image; None where it has none of that name. Raises CommandError where it does not answer."""
        run = self._run(["image", "inspect", image])
        if run.returncode:
            said = _last_line(run.stderr)
            if re.search("no such|not found|not known", said, re.I):
                return None
            raise CommandError(f"{self.name}: {said or f'exit status {run.returncode}'}")
        try:
            found = json.loads(run.stdout[:LARGEST])
        except (ValueError, RecursionError):
            raise CommandError(f"{self.name} image inspect: no JSON") from None
        first = found[0] if isinstance(found, list) and found else None
        return first if isinstance(first, dict) else None

    def push(self, image: LocalImage, to: Reference, login: Optional[tuple[str, str]], say: Callable[[str], None]) -> str:
        """Pushes; the digest that the engine tells, empty where it tells none. Raises CommandError."""
        with _login_folder(to.registry, login) as folder:
            if self.name == "podman":
                return self._push_of_podman(image, to, folder, say)
            with self._tagged(image, to, say):
                words = [*(["--config", str(folder)] if self.name == "docker" else []), "push"]
                words += ["--insecure-registry"] if self.name == "nerdctl" and self._plain(to.registry) else []
                said = self._watched([*words, str(to)], {"DOCKER_CONFIG": str(folder), **self._host()}, say)
        found = DIGEST.findall(" ".join(line for line in said if "digest:" in line))
        return found[-1] if found else ""

    def _push_of_podman(self, image: LocalImage, to: Reference, folder: Path, say: Callable[[str], None]) -> str:
        kept = folder / "digest"
        words = ["push", f"--authfile={folder / 'config.json'}", f"--digestfile={kept}"]
        words += ["--tls-verify=false"] if self._plain(to.registry) else []
        self._watched([*words, image.id, f"docker://{to}"], {}, say)
        found = DIGEST.search(kept.read_text()) if kept.exists() else None
        return found[0] if found else ""

    def _host(self) -> dict[str, str]:
        """Where docker's own context says that its daemon is: with another config folder it would not know any more."""
        if self.name != "docker" or self._environ.get("DOCKER_HOST"):
            return {}
        run = self._run(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
        host = run.stdout.decode("utf-8", "replace").strip()
        return {"DOCKER_HOST": host} if not run.returncode and re.fullmatch(r"[!-~]{1,500}", host) else {}

    @contextmanager
    def _tagged(self, image: LocalImage, to: Reference, say: Callable[[str], None]) -> Iterator[None]:
        before = self.inspect(str(to))
        was = str(before.get("Id", "")) if before else ""
        if was == image.id:
            yield
            return
        with shielded():
            try:
                self._do(["tag", image.id, str(to)])  # by its ID, for the name may have become another image's meanwhile
                with interruptible():
                    yield
            finally:
                try:
                    self._put_back(image, to, was, say)
                except CommandError as error:
                    say(f"Note: the tag {to} stays in {self.name}: {error.text}")

    def _put_back(self, image: LocalImage, to: Reference, was: str, say: Callable[[str], None]) -> None:
        """The tag as it was: for another image (its ID), or none."""
        if was:
            self._do(["tag", was, str(to)])
        elif not self.inspect(str(to)):
            return  # it was never made
        elif image.tagged:
            self._do(["rmi", str(to)])
        else:
            say(f"Note: the tag {to} stays in {self.name}: the image has no other, and would be deleted with it")

    def _do(self, words: Sequence[str]) -> None:
        run = self._run(words)
        if run.returncode:
            raise CommandError(f"{self.name} {words[0]}: {_last_line(run.stderr)}")

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [self.name, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, env=self._environ
            )
        except subprocess.TimeoutExpired:
            raise CommandError(f"{self.name} {words[0]} did not answer within {TIMEOUT:g}s") from None
        except OSError as error:
            raise CommandError(f"{self.name} can't be run: {(error.strerror or str(error)).lower()}") from None

    def _watched(self, words: Sequence[str], more: Mapping[str, str], say: Callable[[str], None]) -> list[str]:
        """Runs it for as long as it takes, and shows its lines; the last of them. Raises CommandError where it fails."""
        lines: list[str] = []
        process = subprocess.Popen(
            [self.name, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**self._environ, **more},
        )  # fmt: skip
        try:
            assert process.stdout  # noqa: S101 - for mypy
            while line := process.stdout.readline(4096):
                text = one_line(line.decode("utf-8", "replace"), 300)
                if text and not PASSING.search(text):
                    lines = [*lines[-20:], text]
                    say(f"  {text}")
        except BaseException:
            process.terminate()
            raise
        finally:
            status = process.wait()
        if status:
            raise CommandError(f"{self.name} push failed: {lines[-1] if lines else f'exit status {status}'}")
        return lines


def find(name: str, environ: Mapping[str, str], plain: Callable[[str], bool]) -> tuple[Engine, LocalImage]:
    """The engine that has an image, and the image. Raises CommandError where none has it."""
    shown = one_line(name, 200)
    if not NAME.fullmatch(name):
        raise CommandError(f"{shown}: there is no such file or folder, and no image can be called so")
    said = []
    for program in ENGINES:
        if not shutil.which(program, path=environ.get("PATH", os.defpath)):
            continue
        engine = Engine(program, environ, plain=plain)
        try:
            found = engine.inspect(name)
        except CommandError as error:
            said.append(error.text)
            continue
        if found:
            return engine, _image(engine, name, found)
        said.append(f"{program} has no such image")
    raise CommandError(
        f"{shown}: there is no such file or folder, nor an image: "
        f"{one_line('; '.join(said), 400) or 'none of docker, podman and nerdctl is on PATH'}"
    )


def _image(engine: Engine, name: str, found: Mapping[str, Any]) -> LocalImage:
    own, digests = found.get("Id"), found.get("RepoDigests")
    if not isinstance(own, str) or not re.fullmatch(r"(sha256:)?[a-f0-9]{12,64}", own):
        raise CommandError(f"{engine.name} tells no ID of {one_line(name, 200)}")
    known = [one.rpartition("@")[2] for one in digests if isinstance(one, str)] if isinstance(digests, list) else []
    system, machine = found.get("Os"), found.get("Architecture")
    platform = f"{system}/{machine}" if isinstance(system, str) and isinstance(machine, str) else ""
    usable = tuple(one for one in known if DIGEST.fullmatch(one))
    return LocalImage(engine.name, name, own, one_line(platform, 60), usable, bool(found.get("RepoTags")))


@contextmanager
def _login_folder(registry: str, login: Optional[tuple[str, str]]) -> Iterator[Path]:
    """A folder that only we may enter, with a Docker config that holds this login, or none."""
    auths = {}
    if login:
        pair = base64.b64encode(f"{login[0]}:{login[1]}".encode("utf-8", "surrogateescape")).decode()
        auths[FALLBACK_KEY if registry == DOCKER_HUB else registry] = {"auth": pair}
    with shielded(), tempfile.TemporaryDirectory(prefix="kubectl-repull-") as name:
        config = Path(name, "config.json")
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"auths": auths}, file)
        with interruptible():
            yield Path(name)


def _last_line(said: bytes) -> str:
    lines = said[-4000:].decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1], 200) if lines else ""
