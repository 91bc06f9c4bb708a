"""A pull secret put onto lists, or taken off: what would follow, and doing it without losing what others write meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional

from pullcore import attachment
from pullcore.apierrors import ApiError, Forbidden
from pullcore.errors import CommandError, UsageError, one_line
from pullcore.evidence import Evidence
from pullcore.fixes import Commands
from pullcore.kinds import KINDS, TARGETS, kind_called
from pullcore.overlap import overlapped
from pullcore.ownership import keeper_of
from pullcore.permissions import Action
from pullcore.podspec import secret_names, service_account_of
from pullcore.prune import prune_object
from pullcore.pull import Object, Target
from pullcore.workload import Index, asks_of, controller_of, runs, target_of, waits_for_image
from pullcore.workload import pulls as pulls_of

from pullsecret.session import Session

TRIES = 20
ACCOUNT_WORDS = ("serviceaccount", "serviceaccounts", "sa")


@dataclass(frozen=True)
class Step:
    """One list that is changed: the object as it was read, the names that are added or taken out, and what follows.
    disruptive: pods that run are replaced."""

    value: Object
    names: tuple[str, ...]
    follows: tuple[str, ...]
    disruptive: bool

    @property
    def target(self) -> Target:
        return target_of(self.value)


def resolve(words: Sequence[str], session: Session) -> list[Object]:
    """The objects that --for names, whole. Raises CommandError for one that is not there, has no list that can be changed,
    or whose name fits several kinds."""
    found = [_resolved(word, session) for word in dict.fromkeys(words)]
    for value in found:
        attachment.list_path(value["kind"])
    return found


def _resolved(word: str, session: Session) -> Object:
    kind_word, slash, name = word.rpartition("/")
    shown = one_line(word, 100)
    if slash:
        kind = KINDS["ServiceAccount"] if kind_word.lower() in ACCOUNT_WORDS else kind_called(kind_word)
        if not kind or not name:
            raise UsageError(f'"{shown}" names nothing that lists pull secrets: write domain/NAME, serviceaccount/NAME, ...')
        return {**session.named(kind.name, name), "kind": kind.name}

    def look(kind: str) -> Optional[Object]:
        try:
            value = session.get(kind, name)
        except Forbidden:  # roles do not cover every kind
            return None
        return value and {**value, "kind": kind}

    there = [value for value in overlapped(look, [kind.name for kind in (*TARGETS, KINDS["ServiceAccount"])]) if value]
    if len(there) != 1:
        several = ", ".join(target_of(value).ref for value in there)
        reason = f"fits {several}: write which" if there else f"is the name of nothing in namespace {session.namespace}"
        raise CommandError(f'"{shown}" {reason}')
    return there[0]


def attach_steps(values: Sequence[Object], name: str, seen: Evidence, commands: Commands) -> list[Step]:
    """What attaching a secret to these objects changes; commands: words those that are told."""
    return [_attach_step(value, name, seen, commands) for value in values]


def _attach_step(value: Object, name: str, seen: Evidence, commands: Commands) -> Step:
    there = attachment.names_in(value)
    names: tuple[str, ...] = (name,)
    more: tuple[str, ...] = ()
    if not there and value["kind"] != "ServiceAccount":
        inherited, unread = _inherited(value, seen)
        # A first list of its own switches the account's off: those names go into it, too.
        names = (*inherited, *(one for one in (name,) if one not in inherited))
        if inherited:
            more = (f"its own list switches its service account's off, so it gets {', '.join(inherited)} from there, too",)
        if unread:
            more = (
                *more,
                f"service account {', '.join(unread)} could not be read: what it lists is switched off by this list",
            )
    if name in there:
        return Step(value, names, (), False)
    follows, disruptive = _follows(value, seen, commands)
    return Step(value, names, (*follows, *more), disruptive)


def _inherited(value: Object, seen: Evidence) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that the service accounts of an object's pods list, and the accounts that could not be read."""
    namespace = value["metadata"].get("namespace", "")
    accounts = dict.fromkeys(ask.service_account for ask in asks_of(prune_object(value)))
    listed = (secret_names(seen.service_accounts.get((namespace, account)) or {}) for account in accounts)
    unread = tuple(account for account in accounts if (namespace, account) not in seen.service_accounts)
    return tuple(dict.fromkeys(name for names in listed for name in names)), unread


def detach_steps(values: Sequence[Object], name: str, seen: Evidence, commands: Commands) -> list[Step]:
    """What taking a secret off these objects' lists changes."""
    steps = []
    for value in values:
        if name not in attachment.names_in(value):
            steps.append(Step(value, (name,), (), False))
            continue
        follows, disruptive = _follows(value, seen, commands, "are without it")
        if attachment.names_in(value) == [name] and value["kind"] != "ServiceAccount":
            follows = (*follows, "without a list of its own its pods get their service account's again")
        steps.append(Step(value, (name,), follows, disruptive))
    return steps


def _follows(value: Object, seen: Evidence, commands: Commands, have: str = "have it") -> tuple[tuple[str, ...], bool]:
    """What a change of an object's list entails, and whether pods that run are replaced; have: what its new pods do then."""
    target, index = target_of(value), Index(seen)
    keeper = keeper_of(value)
    kept = (f"{keeper} keeps {target.ref} and may put its list back: change it there, too",) if keeper else ()
    if target.kind == "ServiceAccount":
        return (*_of_account(target, seen, commands, have), *kept), False
    if target.kind == "CronJob":
        return (f"{target.ref}: pods of its next Job {have}", *kept), False
    running = [pod for pod in seen.pods if target in index.owners(pod) and runs(pod)]
    if target.kind == "Domain":
        count = len(running)
        servers = f"the operator rolls its {count} running server{'' if count == 1 else 's'}"
        if running:
            return (f"{target.ref}: {servers}", *kept), True
        at_once = f"to have a waiting introspector made anew at once: {commands.repull(target)}"
        return (f"{target.ref}: pods that the operator makes from now on {have}", at_once, *kept), False
    if target.kind in ("ReplicaSet", "ReplicationController"):
        return (f"{target.ref}: only pods that it makes from now on {have}", *kept), False
    return (f"{target.ref}: it rolls out new pods", *kept), bool(running)


def _of_account(target: Target, seen: Evidence, commands: Commands, have: str) -> list[str]:
    lines = [f"{target.ref}: only pods that are made from now on {have}"]
    own = [pod for pod in seen.pods if service_account_of(pod.get("spec", {})) == target.name]
    waiting = {use.pod for pull in pulls_of(seen) for use in pull.containers if waits_for_image(use)}
    stuck = [pod for pod in own if pod["metadata"]["name"] in waiting]
    if stuck:
        lines.append(f"{len(stuck)} of its pods wait for an image and have to be made again")
        lines.append(f"to have them made again: {commands.kubectl('repull', *_named(stuck, Index(seen)))}")
    for value in seen.objects:
        asks = asks_of(value) if value["kind"] != "Pod" and not controller_of(value) else []
        if any(ask.secrets and ask.service_account == target.name for ask in asks):
            lines.append(f"{target_of(value).ref} lists pull secrets itself, so this list is not used there")
    return lines


def _named(pods: Sequence[Object], index: Index) -> list[str]:
    """What to name for bringing pods back, with the option that those need which nobody makes again."""
    targets = list(dict.fromkeys(index.restarter(pod).ref for pod in pods))
    alone = [] if all(map(index.is_remade, pods)) else ["--recreate-pods"]
    return [*targets[:10], *alone]


def actions(steps: Sequence[Step]) -> list[Action]:
    """What the user has to be allowed to do for these steps."""
    targets = [step.target for step in steps if step.follows]  # nothing follows where nothing is changed
    return [Action("patch", KINDS[one.kind], one.namespace, one.name) for one in targets]


def announce(steps: Sequence[Step], session: Session) -> None:
    """Says what follows, and asks where pods that run are replaced. Raises CommandError for a no."""
    for step in steps:
        for line in step.follows:
            session.say(f"Note: {line}")
    disruptive = [step.target.ref for step in steps if step.disruptive]
    if disruptive:
        session.confirm(f"running pods of {', '.join(disruptive)} are replaced")


def attach(step: Step, session: Session) -> None:
    """Appends the names to the object's list, whatever else is written to it at the same time."""

    def patched(value: Object) -> tuple[Optional[list[Object]], Object]:
        names = attachment.names_in(value)
        wanted = [*names, *(name for name in step.names if name not in names)]
        return attachment.added(value, step.names), attachment.with_list(value, wanted)

    _change(step.value, patched, session)


def detach(step: Step, session: Session) -> None:
    """Takes the names out of the object's list."""
    (name,) = step.names

    def patched(value: Object) -> tuple[Optional[list[Object]], Object]:
        kept = [one for one in attachment.names_in(value) if one != name]
        return attachment.removed(value, name), attachment.with_list(value, kept)

    _change(step.value, patched, session)


def _change(value: Object, patched: Callable[[Object], tuple[Optional[list[Object]], Object]], session: Session) -> None:
    kind, name = KINDS[value["kind"]], value["metadata"]["name"]
    for attempt in range(TRIES):
        operations, result = patched(value)
        if operations is None:
            session.changes.unchanged(kind, value)
            return
        try:
            session.changes.patch(kind, value, operations, result)
            return
        except ApiError as error:
            if error.status not in (409, 422) or attempt == TRIES - 1:
                raise
            fresh = session.get(kind.name, name)
            if fresh is None:
                raise CommandError(f"{kind.ref(name)} was deleted in the meantime") from None
            if error.status == 422 and fresh["metadata"]["resourceVersion"] == value["metadata"]["resourceVersion"]:
                raise  # nobody else wrote to it: the server does not take the change itself
            value = {**fresh, "kind": kind.name}
            time.sleep(random.uniform(0, 0.02 * (attempt + 1)))  # noqa: S311 - two who collide must not do so again


def carry_out(steps: Sequence[Step], change: Callable[[Step, Session], None], session: Session, *more: str) -> list[Target]:
    """Makes the changes one after the other; what was changed. more: what would come after them, in words. Raises
    CommandError, with what was done and what was not."""
    done: list[Target] = []
    for number, step in enumerate(steps):
        try:
            change(step, session)
        except CommandError as error:
            raise half_way(error, done, [*(one.target.ref for one in steps[number:]), *more], session) from None
        done += [step.target] if step.follows else []
    return done


def half_way(error: CommandError, done: Sequence[Target], left: Sequence[str], session: Session) -> HalfWay:
    """The error that stopped several changes, with what was done and what was not."""
    had = f"; done: {', '.join(session.changes.done)}" if session.changes.done else ""
    return HalfWay(f"{error.text}{had}; not done: {', '.join(left)}", done)


def say_undo(verb: str, name: str, done: Sequence[Target], session: Session) -> None:
    """The command that takes these changes back."""
    if done and session.common.manner.dry_run == "none":
        session.say(f"To undo: {taking_back(verb, name, done, session)}")


def taking_back(verb: str, name: str, done: Sequence[Target], session: Session) -> str:
    """The same for pasting."""
    return session.commands.kubectl("pullsecret", verb, name, *(word for one in done for word in ("--for", one.ref)))


class HalfWay(CommandError):
    """Some of several changes are made; `done` says which."""

    def __init__(self, text: str, done: Sequence[Target]) -> None:
        super().__init__(text)
        self.done = tuple(done)
