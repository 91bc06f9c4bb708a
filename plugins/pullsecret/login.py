"""Registry, user and password from options, files, a Docker config, or the person at the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pullcore import password
from pullcore.authfile import Server, server_for
from pullcore.dockerlogin import default_config, login_from
from pullcore.errors import CommandError, UsageError, one_line
from pullcore.reference import Reference

from pullsecret.options import LoginOptions
from pullsecret.session import Session


@dataclass(frozen=True)
class Login:
    server: Server
    username: str
    password: str = field(repr=False)
    email: str = ""


def obtain(
    options: LoginOptions, wanted: Sequence[Reference], session: Session, *, username: str = "", server: str = ""
) -> Login:
    """What the options give, and of the rest what a terminal answers. wanted: images of the namespace, those that fail
    first; username, server: what to take where nothing else is given. Raises CommandError where something is missing."""
    found = server_for(options.server or server or _asked_server(wanted, session), wanted)
    if found.mended and not server:  # what is spelt so already stays so
        session.say(f"Note: {found.mended}")
    if options.from_docker_config:
        path = Path(options.docker_config) if options.docker_config else default_config(session.environ)
        login = login_from(path, found.key, session.environ)
        session.say(f"Note: user {one_line(login.username, 100)} for {found.registry} comes from {login.source}")
        return Login(found, login.username, login.password, options.email)
    user = options.username or username or _asked("Username", "--docker-username", session)
    return Login(found, user, _password(options, session), options.email)


def prove(login: Login, images: Sequence[Reference], options: LoginOptions, session: Session) -> None:
    """Tries a login at its registry, with images that need it. Raises CommandError where the registry refuses it."""
    if not options.verify:
        session.say("Note: not tried at the registry (--no-verify)")
        return
    label = session.vault.label(login.username, login.password)
    proof = session.prover.prove(login.server.registry, label, dict.fromkeys(images))
    for note in proof.notes:
        session.say(f"Note: {one_line(note, 300)}")
    if proof.good is False:
        raise CommandError(f"{one_line(proof.said, 300)}; nothing was changed (--no-verify writes it all the same)")
    session.say(f"Note: {'proven' if proof.good else 'not proven'}: {one_line(proof.said, 300)}")


def _asked_server(wanted: Sequence[Reference], session: Session) -> str:
    registries = list(dict.fromkeys(reference.registry for reference in wanted))
    if not session.interactive:
        if len(registries) == 1:
            session.say(f"Note: no --docker-server is given; {registries[0]} is the only registry that is needed here")
            return registries[0]
        needed = f"; images here come from {', '.join(registries[:5])}" if registries else ""
        raise UsageError(f"--docker-server is needed: the registry as images name it{needed}")
    for number, registry in enumerate(registries[:9], 1):
        session.say(f"  {number}  {one_line(registry, 100)}")
    first = registries[0] if registries else ""
    answer = session.ask("Registry (a number, or its host)" if registries else "Registry (its host)", first)
    if re.fullmatch(r"[1-9]", answer) and int(answer) <= len(registries):
        return registries[int(answer) - 1]
    return answer


def _asked(question: str, option: str, session: Session) -> str:
    if not session.interactive:
        raise UsageError(f"{option} is needed")
    answer = session.ask(question)
    if not answer:
        raise CommandError(f"no {question.lower()} was given: nothing was changed")
    return answer


def _password(options: LoginOptions, session: Session) -> str:
    needed = "a password is needed: --docker-password-stdin, --docker-password-file or --from-docker-config"
    return password.obtain(
        password.PasswordOptions(options.password, options.password_stdin, options.password_file, needed), session
    )
