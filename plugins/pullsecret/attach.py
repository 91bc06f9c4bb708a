"""kubectl pullsecret attach and detach: a name added to the lists of what makes pods, or taken out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pullcore.errors import CommandError, one_line
from pullcore.permissions import demand
from pullcore.store import PULL_SECRET_TYPES

from pullsecret import attaching
from pullsecret.attaching import Step
from pullsecret.options import Attach
from pullsecret.session import Session


def attach(options: Attach, session: Session) -> int:
    """Adds the secret to every list; 0. Raises CommandError."""
    _check_there(options.name, session)
    seen = session.everything()
    steps = attaching.attach_steps(attaching.resolve(options.targets, session), options.name, seen)
    return _changed(steps, attaching.attach, "detach", options.name, session)


def detach(options: Attach, session: Session) -> int:
    """Takes the secret out of every list; 0. Raises CommandError."""
    seen = session.everything()
    steps = attaching.detach_steps(attaching.resolve(options.targets, session), options.name, seen)
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
    try:
        elsewhere = session.store.namespaces_with_secret(name)
    except CommandError:
        elsewhere = []
    if elsewhere:
        source, here = elsewhere[0], session.namespace
        return f"; it is in {source}: kubectl pullsecret copy {name} --to-namespace {here} -n {source}"
    return f": kubectl pullsecret add {name} -n {session.namespace} makes it"


def _changed(steps: Sequence[Step], change: Callable[[Step, Session], None], back: str, name: str, session: Session) -> int:
    demand(session.cluster, attaching.actions([step for step in steps if step.follows]))
    attaching.announce(steps, session)
    for number, step in enumerate(steps):
        try:
            change(step, session)
        except CommandError as error:
            left = ", ".join(one.target.ref for one in steps[number:])
            raise CommandError(f"{error.text}; not changed: {left}") from None
    undone = [f"--for {step.target.ref}" for step in steps if step.follows]
    if undone and session.common.manner.dry_run == "none":
        session.say(f"To undo: kubectl pullsecret {back} {name} {' '.join(undone)} -n {session.namespace}")
    return 0
