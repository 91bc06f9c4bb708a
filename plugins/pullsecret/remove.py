"""kubectl pullsecret remove: a pull secret, or one entry of it, that nothing uses."""

from __future__ import annotations

from collections.abc import Sequence

from pullcore import authfile
from pullcore.apierrors import Conflict
from pullcore.authkey import why
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.kinds import KINDS
from pullcore.permissions import Action, demand
from pullcore.pull import Object, Target
from pullcore.reference import InvalidReference, parse
from pullcore.workload import pulls

from pullsecret import attaching
from pullsecret.options import Remove
from pullsecret.session import Session

SECRET = KINDS["Secret"]
TRIES = 5


def remove(options: Remove, session: Session) -> int:
    """Does it; 0. Raises CommandError where something uses it."""
    secret, shown = session.named("Secret", options.name), one_line(options.name, 100)
    session.warn_of_keeper(secret, f"secret/{shown}")
    seen = session.everything()
    if options.server is not None:
        return _entry(secret, options.server, seen, session)
    users = session.consumers(seen).get((session.namespace, options.name), [])
    lists = [user for user in users if user.kind != "Pod"]
    if users and not options.detach:
        named = ", ".join(user.ref for user in users[:10])
        raise CommandError(f"secret/{shown} is used by {named}: --detach takes it out of their lists first")
    steps = attaching.detach_steps(
        attaching.resolve([user.ref for user in lists], session), options.name, seen, session.commands
    )
    demand(session.cluster, [*attaching.actions(steps), Action("delete", SECRET, session.namespace, options.name)])
    unseen = session.unseen(seen)
    if unseen:
        raise CommandError(
            f"it can't be known that nothing uses secret/{shown}: you may not list {', '.join(unseen)} "
            f"in namespace {session.namespace}: nothing was changed; without looking: "
            f"{session.commands.delete_secret(shown)}"
        )
    pods = [user.name for user in users if user.kind == "Pod"]
    if pods:
        session.say(f"Note: pods keep their lists, and go on without it: {', '.join(pods[:10])}")
    attaching.announce(steps, session)
    session.confirm(f"secret/{shown} is deleted, and its passwords are not kept")
    try:
        done = attaching.carry_out(steps, attaching.detach, session, f"secret/{shown}")
        try:
            session.changes.delete(SECRET, secret)
        except CommandError as error:
            raise attaching.half_way(error, done, [f"secret/{shown}"], session) from None
    except attaching.HalfWay as error:
        attaching.say_undo("attach", options.name, error.done, session)
        raise
    return 0


def _entry(secret: Object, server: str, seen: Evidence, session: Session) -> int:
    name = secret["metadata"]["name"]
    if secret.get("immutable"):
        raise CommandError(f"secret/{name} is immutable: make another one, and list that")
    key = authfile.server_for(server, []).key
    content, gone = _without(secret, key)
    users = _users(name, gone, seen)
    demand(session.cluster, [Action("update", SECRET, session.namespace, name)])
    if users:
        session.say(f"Note: it is what {', '.join(user.ref for user in users[:10])} pulls with")
        session.confirm(f"the entry for {one_line(key, 100)} is used")
    for attempt in range(TRIES):
        try:
            session.changes.update(SECRET, {**secret, "data": {**secret["data"], **authfile.encoded(content)}})
            return 0
        except Conflict:  # somebody else wrote it meanwhile: what they wrote stays
            fresh = session.get("Secret", name)
            if fresh is None or attempt == TRIES - 1:
                raise
            secret, (content, _) = fresh, _without(fresh, key)
    raise AssertionError("the last try returns or raises")


def _without(secret: Object, key: str) -> tuple[Object, list[str]]:
    """The content without the entry, and the keys that go. Raises CommandError where there is none, or no other."""
    name = secret["metadata"]["name"]
    content, gone = authfile.without_entry(authfile.content_of(secret), key)
    if not gone:
        raise CommandError(f"secret/{name} has no entry for {one_line(key, 100)}")
    if not content["auths"]:
        raise CommandError(f"that is the only entry of secret/{name}: without --docker-server the secret itself is removed")
    return content, gone


def _users(name: str, keys: Sequence[str], seen: Evidence) -> list[Target]:
    found: dict[Target, None] = {}
    for pull in pulls(seen):
        try:
            reference = parse(pull.image)
        except InvalidReference:
            continue
        if name in pull.secrets and any(why(key, reference).matches for key in keys):
            found.update(dict.fromkeys(pull.askers))
    return list(found)
