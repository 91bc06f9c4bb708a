"""kubectl pullsecret rotate: a new password in a pull secret and its copies, each written in one update, proven first."""

from __future__ import annotations

from collections.abc import Sequence

from pullcore import authfile
from pullcore.apierrors import Conflict, Forbidden, may_be_done
from pullcore.errors import CommandError, one_line
from pullcore.keyring import DOCKERCONFIGJSON
from pullcore.permissions import Action, demand
from pullcore.pull import Object
from pullcore.reference import Reference

from pullsecret.copies import SECRET, copies, is_marked, is_same
from pullsecret.login import Login, obtain, prove
from pullsecret.options import Rotate
from pullsecret.session import Session

TRIES = 5


def rotate(options: Rotate, session: Session) -> int:
    """Does it; 0. Raises CommandError, and says which copies are written where it stops half way."""
    source = _source(options.name, session)
    document = authfile.content_of(source)
    key, entry = _entry(document, options)
    places = [source, *_copies(source, session)]
    demand(session.cluster, [Action("update", SECRET, one["metadata"]["namespace"], options.name) for one in places])
    session.warn_of_keeper(source, f"secret/{options.name}")
    for place in places:
        _tell_consumers(options.name, place["metadata"]["namespace"], session)
    wanted: list[Reference] = [authfile.any_image(key)]
    login = obtain(options.login, wanted, session, username=authfile.user_of(entry), server=key)
    prove(login, (), options.login, session)
    for number, place in enumerate(places):
        try:
            _written(place, entry, login, key, session)
        except CommandError as error:
            left = [str(one["metadata"]["namespace"]) for one in places[number:]]
            still = left[1:] if may_be_done(error) else left
            old = f"; still with the old password in namespace {', '.join(still)}" if still else ""
            # Where the source has the new one already, to rotate again would leave its copies alone.
            then = _copying(options.name, left, session) if number else "run this again" if may_be_done(error) else ""
            raise CommandError(f"{error.text}{old}{then and ': '}{then}") from None
    session.say("Note: kubelets read the new password at their next pull by themselves: nothing has to be restarted")
    return 0


def _written(place: Object, entry: Object, login: Login, key: str, session: Session) -> None:
    """Puts the new login into one secret, beside whatever else was written to it meanwhile."""
    for attempt in range(TRIES):
        document = authfile.content_of(place)
        new = _changed(document, key, entry, login)
        try:
            if new == document:
                session.changes.unchanged(SECRET, place)
            else:
                where = f"updated in namespace {place['metadata']['namespace']}"
                session.changes.update(SECRET, {**place, "data": {**place["data"], **authfile.encoded(new)}}, where)
            return
        except Conflict:
            metadata = place["metadata"]
            fresh = session.get("Secret", metadata["name"], metadata["namespace"])
            if attempt == TRIES - 1 or fresh is None or authfile.find(authfile.content_of(fresh), key) != entry:
                raise
            place = fresh


def _source(name: str, session: Session) -> Object:
    source, shown = session.named("Secret", name), one_line(name, 100)
    if source.get("type") != DOCKERCONFIGJSON:
        raise CommandError(
            f"secret/{shown} is of type {one_line(source.get('type'), 60)}: only {DOCKERCONFIGJSON} is rotated"
        )
    if source.get("immutable"):
        raise CommandError(f"secret/{shown} is immutable: make another one, and list that")
    if is_marked(source):
        origin = source["metadata"]["annotations"]["kubectl-pullsecret/copy-of"]
        raise CommandError(f"secret/{shown} is a copy of {one_line(origin, 200)}: rotate that one")
    return source


def _entry(document: Object, options: Rotate) -> tuple[str, Object]:
    """The entry whose password is changed. Raises CommandError where it is not clear which."""
    auths = document.get("auths") or {}
    if options.login.server:
        key = authfile.server_for(options.login.server, [authfile.any_image(one) for one in auths if _is_key(one)]).key
        entry = authfile.find(document, key)
        if not isinstance(entry, dict):
            raise CommandError(f"secret/{one_line(options.name, 100)} has no entry for {one_line(key, 100)}")
        return key, entry
    if len(auths) != 1:
        several = ", ".join(one_line(key, 60) for key in auths) or "none"
        raise CommandError(f"--docker-server is needed, for the secret has several entries, or none: {several}")
    key, entry = next(iter(auths.items()))
    return key, entry if isinstance(entry, dict) else {}


def _is_key(key: str) -> bool:
    try:
        authfile.registry_of(key)
    except ValueError:
        return False
    return True


def _copies(source: Object, session: Session) -> list[Object]:
    """The copies that hold what the source holds; others are told, and left alone."""
    found = []
    try:
        for value in copies(source, session):
            if is_same(value, source):
                found.append(value)
            else:
                namespace = str(value["metadata"]["namespace"])
                alone = f"the copy in namespace {namespace} differs and is left alone"
                name = source["metadata"]["name"]
                session.say(f"Warning: {alone}: to make it the same: {_copying(name, [namespace], session)}")
    except Forbidden as error:  # any other failure stops it before anything is changed
        session.say(f"Warning: copies in other namespaces can't be looked for: {error.text}")
        session.say(f"Note: to bring one up to date: {_copying(source['metadata']['name'], ['NAMESPACE'], session)}")
    return found


def _copying(name: str, namespaces: Sequence[str], session: Session) -> str:
    return session.commands.kubectl(
        "pullsecret", "copy", name, *(word for one in namespaces for word in ("--to-namespace", one))
    )


def _tell_consumers(name: str, namespace: str, session: Session) -> None:
    seen = session.everything(namespace)
    users = session.consumers(seen, namespace).get((namespace, name), [])
    nothing = "nothing that you may list" if session.unseen(seen) else "nothing"
    shown = ", ".join(user.ref for user in users)
    session.say(f"Note: secret/{name} in namespace {namespace} is used by {shown or nothing}")


def _changed(document: Object, key: str, entry: Object, login: Login) -> Object:
    """The content with the new login in the place of the old: the key stays as it is spelt."""
    auths = document.get("auths") or {}
    spelt = authfile.spelling(document, key) or key
    new = authfile.entry(login.username, login.password, login.email or str(entry.get("email") or ""))
    return {**document, "auths": {**auths, spelt: new}}
