"""kubectl pullsecret add: creates or updates a pull secret, proven first, and attaches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from pullcore import authfile
from pullcore.apierrors import ApiError, Conflict
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.keyring import DOCKERCONFIGJSON, look_up, read_secret
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.pull import Object, Pull, Target
from pullcore.reference import InvalidReference, Reference, parse
from pullcore.workload import pulls, waits_for_image

from pullsecret import attaching
from pullsecret.login import Login, obtain, prove
from pullsecret.options import Add
from pullsecret.session import Session

USUAL_NAME = "regcred"  # the one that the Kubernetes documentation uses
TRIES = 5
SECRET = KINDS["Secret"]


@dataclass(frozen=True)
class Needed:
    """A Pull of the namespace with its reference, and whether it waits for its image."""

    pull: Pull
    reference: Reference
    waits: bool


def add(options: Add, session: Session) -> int:
    """Does it; 0. Raises CommandError, with what was done and what was not where it stops half way."""
    seen = session.everything()
    targets = attaching.resolve(options.targets, session)
    needed = _needed(seen)
    name = options.name or _name(needed, seen)
    there = session.get("Secret", name)
    _check_changeable(there, name)
    steps = attaching.attach_steps(targets, name, seen, session.commands)
    verb = Action("update" if there else "create", SECRET, session.namespace, name if there else "")
    demand(session.cluster, [verb, *attaching.actions(steps)])
    login = obtain(options.login, [one.reference for one in needed], session)
    _prove(login, options, needed, name, session)
    _warn(login, name, there, needed, session)
    attaching.announce(steps, session)
    created = _write(login, name, there, session)
    done: Sequence[Target] = ()
    try:
        done = attaching.carry_out(steps, attaching.attach, session)
        _say_unlisted(name, needed, steps, seen, session)
    except attaching.HalfWay as error:
        done = error.done
        raise
    finally:
        _undo(name, done, session, created=created)
    return 0


def _needed(seen: Evidence) -> list[Needed]:
    """The Pulls of the namespace, those that wait for their image first."""
    found = []
    for pull in pulls(seen):
        try:
            found.append(Needed(pull, parse(pull.image), any(map(waits_for_image, pull.containers))))
        except InvalidReference:
            continue
    return sorted(found, key=lambda one: not one.waits)


def _name(needed: Sequence[Needed], seen: Evidence) -> str:
    """What a failing pod names and lacks, else the usual name."""
    for one in needed:
        for name in one.pull.secrets if one.waits else ():
            if seen.secrets.get((one.pull.namespace, name), seen) is None:
                return name
    return USUAL_NAME


def _check_changeable(there: Optional[Object], name: str) -> None:
    if there is None:
        return
    kind = one_line(there.get("type") or "Opaque", 60)
    other = f"use another name, such as {name}-2"
    if kind != DOCKERCONFIGJSON:
        raise CommandError(f"secret/{name} is of type {kind}, and the type of a secret can't be changed: {other}")
    if there.get("immutable"):
        raise CommandError(f"secret/{name} is immutable: {other}")
    authfile.content_of(there)


def _prove(login: Login, options: Add, needed: Sequence[Needed], name: str, session: Session) -> None:
    """Raises CommandError where the registry refuses the login."""
    images = [one.reference for one in needed if _is_for(login, one.reference) and (one.waits or name in one.pull.secrets)]
    prove(login, images, options.login, session)


def _is_for(login: Login, reference: Reference) -> bool:
    from pullcore.authkey import why

    return why(login.server.key, reference).matches


def _warn(login: Login, name: str, there: Optional[Object], needed: Sequence[Needed], session: Session) -> None:
    session.warn_of_keeper(there or {}, f"secret/{name}")
    try:
        facts = {one.name: one for one in session.store.pull_secrets(session.namespace)}
    except ApiError:  # who may not list secrets can add one all the same
        facts = {}
    mine = _secret(name, session.namespace, _content(login, there)[0])
    facts[name] = read_secret(mine, session.vault)
    waiting = dict.fromkeys(one.reference.registry for one in needed if one.waits)
    if waiting and not any(_is_for(login, one.reference) for one in needed):
        wanted = ", ".join(waiting)
        session.say(f"Warning: no image here comes from {login.server.registry}: those that wait come from {wanted}")
    told = set()
    for one in needed:
        if not _is_for(login, one.reference):
            continue
        names = [*one.pull.secrets, *([] if name in one.pull.secrets else [name])]
        attempts = look_up(one.reference, names, facts).attempts
        if attempts and attempts[0].secret != name and attempts[0].secret not in told:
            told.add(attempts[0].secret)
            session.say(f"Warning: for {one.reference} the kubelet tries secret/{attempts[0].secret} first")


def _content(login: Login, there: Optional[Object]) -> tuple[Object, list[str]]:
    document = authfile.content_of(there) if there else {}
    return authfile.with_entry(document, login.server.key, authfile.entry(login.username, login.password, login.email))


def _secret(name: str, namespace: str, content: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": DOCKERCONFIGJSON,
        "data": authfile.encoded(content),
    }


def _write(login: Login, name: str, there: Optional[Object], session: Session) -> bool:
    """Creates or updates the secret; whether it was created."""
    for attempt in range(TRIES):
        content, gone = _content(login, there)
        try:
            if there is None:
                session.changes.create(SECRET, _secret(name, session.namespace, content))
            elif content == authfile.content_of(there):
                session.changes.unchanged(SECRET, there)
            else:
                session.changes.update(SECRET, {**there, "data": {**(there.get("data") or {}), **authfile.encoded(content)}})
                if login.server.key in (authfile.content_of(there).get("auths") or {}):
                    session.say(f"Note: the old password for {login.server.registry} is not kept")
            for key in gone:
                session.say(f'Note: the entry "{one_line(key, 100)}" is taken out: it was for {login.server.registry}, too')
            return there is None
        except Conflict:
            if attempt == TRIES - 1:
                raise
            there = session.get("Secret", name)  # somebody else wrote it meanwhile: theirs is kept, too
            _check_changeable(there, name)
    raise AssertionError("the last try returns or raises")


def _say_unlisted(
    name: str, needed: Sequence[Needed], steps: Sequence[attaching.Step], seen: Evidence, session: Session
) -> None:
    """A secret that nothing lists is of no use: says so, with what waits for it."""
    if steps or session.consumers(seen).get((session.namespace, name)):
        return
    waiting = dict.fromkeys(asker.ref for one in needed if one.waits for asker in one.pull.askers)
    first = next(iter(waiting), "TYPE/NAME")
    nothing = "nothing that you may list uses it yet" if session.unseen(seen) else "nothing lists it yet"
    session.say(f"Note: {nothing}: {session.commands.kubectl('pullsecret', 'attach', name, f'--for={first}')}")


def _undo(name: str, done: Sequence[Target], session: Session, *, created: bool) -> None:
    """What takes it all back, for pasting."""
    if session.common.manner.dry_run != "none":
        return
    lines = [attaching.taking_back("detach", name, done, session)] if done else []
    lines += [session.commands.delete_secret(name)] if created else []
    for number, line in enumerate(lines):
        session.say(f"{'         ' if number else 'To undo: '}{line}")
