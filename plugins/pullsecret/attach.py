"""kubectl pullsecret attach and detach: a name added to the lists of what makes pods, or taken out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pullcore.errors import CommandError, one_line
from pullcore.permissions import demand
from pullcore.pull import Target
from pullcore.store import PULL_SECRET_TYPES

from pullsecret import attaching
from pullsecret.attaching import Step
from pullsecret.options import Attach
from pullsecret.session import Session


def attach(options: Attach, session: Session) -> int:
    """Adds the secret to every list; 0. Raises CommandError."""
    _check_there(options.name, session)
    seen = session.everything()
    steps = attaching.attach_steps(attaching.resolve(options.targets, session), options.name, seen, session.commands)
    return _changed(steps, attaching.attach, "detach", options.name, session)


def detach(options: Attach, session: Session) -> int:
    """Takes the secret out of every list; 0. Raises CommandError."""
    seen = session.everything()
    steps = attaching.detach_steps(attaching.resolve(options.targets, session), options.name, seen, session.commands)
    return _changed(steps, attaching.detach, "attach", options.name, session)


def _check_there(name: str, session: Session) -> None:
    """Raises CommandError for a secret that is not in the namespace, with the command that helps; says so where it is of a
    type that the kubelet passes over."""
    secret, namespace = session.get("Secret", name), session.namespace
    shown = one_line(name, 100)
    if secret is None:
        raise CommandError(f'secrets "{shown}" not found in namespace {namespace}{_what_helps(name, session)}')
    if secret.get("type") not in PULL_SECRET_TYPES:
        raise CommandError(f"secret/{shown} is of type {one_line(secret.get('type'), 60)}, which the kubelet passes over")


def _what_helps(name: str, session: Session) -> str:
    """The command that brings a missing secret into the namespace."""
    shown = one_line(name, 100)
    try:
        elsewhere = session.store.namespaces_with_secret(name)
    except CommandError:
        elsewhere = []
    if elsewhere:
        return f"; it is in {elsewhere[0]}: {session.commands.copy_secret(shown, elsewhere[0])}"
    return f": {session.commands.kubectl('pullsecret', 'add', shown)} makes it"


def _changed(steps: Sequence[Step], change: Callable[[Step, Session], None], back: str, name: str, session: Session) -> int:
    demand(session.cluster, attaching.actions(steps))
    attaching.announce(steps, session)
    done: Sequence[Target] = ()
    try:
        done = attaching.carry_out(steps, change, session)
    except attaching.HalfWay as error:
        done = error.done
        raise
    finally:
        attaching.say_undo(back, name, done, session)
    return 0
