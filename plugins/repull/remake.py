"""Deletes what nobody else would make again, and makes it again: saved to a file first, so that nothing is ever lost."""

from __future__ import annotations

import time
from dataclasses import replace

from pullcore.apierrors import ApiError, Conflict, NotFound
from pullcore.errors import CommandError, one_line
from pullcore.kinds import KINDS
from pullcore.podspec import secret_names, service_account_of
from pullcore.pull import Object, Target
from pullcore.selector import from_spec
from pullcore.signals import interruptible, shielded
from pullcore.target import Named, find, parse_names
from pullcore.weblogic import pod_selector
from pullcore.workload import Index, runs, target_of

from repull.manifests import manifest_of
from repull.saved import Saved, left_over, save
from repull.session import Session
from repull.steps import TRIES, Step

LEAST = 60.0  # seconds that a deletion gets, however short --timeout is
POLL = 0.3  # seconds between two looks whether a name is free again


def recreate(step: Step, session: Session, index: Index) -> Step:
    """Makes a pod or a Job again; the step as it turned out. Raises CommandError; the file is then there still."""
    seen = index.by_target.get(step.target, {}).get("metadata", {}).get("uid")
    for _ in range(TRIES):
        value = session.whole(step.target)
        if value is None or value["metadata"]["uid"] != seen:
            session.say(f"{step.target.ref} was made anew already")
            return step
        if "deletionTimestamp" in value["metadata"]:
            if any(one.uid == seen for one in left_over(session.options.save_dir, session.cluster.server)):
                session.say(f"{step.target.ref} is being made again by another run")
                return step
            raise CommandError(f"{step.target.ref} is being deleted by somebody else")
        if any(map(runs, _pods_of(value, session))):
            session.say(f"left {step.target.ref}: a container of it runs by now")
            # A Job stays as outdated as it was; a pod that runs has its image.
            return replace(step, do="leave", reason="a container of it runs by now", stuck=value["kind"] == "Job")
        if session.options.dry_run:
            session.changes.delete(KINDS[step.target.kind], value, propagation="Background")
            return step
        manifest = manifest_of(value, _of_account(value, session))
        with shielded():
            saved = save(session.options.save_dir, session.cluster.server, seen, [manifest])
            session.say(f"{step.target.ref} is saved in {saved.path}")
            try:
                session.changes.delete(KINDS[step.target.kind], value, propagation="Background")
            except (Conflict, NotFound):
                forget(saved, session)
                continue
            except BaseException as error:
                not_deleted(error, saved, session)
                raise
            make_again(saved, session)
        return step
    raise CommandError(f"{step.target.ref} changes faster than it can be deleted: run this again")


def _pods_of(value: Object, session: Session) -> list[Object]:
    """What a deletion would end: a pod itself, the pods of a Job."""
    if value["kind"] == "Pod":
        return [value]
    labels = from_spec(value["spec"].get("selector") or {})
    return list(session.store.select(KINDS["Pod"], value["metadata"]["namespace"], labels=labels))


def forget(saved: Saved, session: Session) -> None:
    """Removes the file of something that was not deleted, or is back. One that another run has deleted needs it still."""
    there = session.whole(saved.target)
    if there is not None and "deletionTimestamp" not in there["metadata"]:
        saved.remove()


def not_deleted(error: BaseException, saved: Saved, session: Session) -> None:
    """After a deletion that failed: the file goes only where the server refused it. Where no answer came, or a time-out, it
    may still be carried out."""
    if isinstance(error, ApiError) and 400 <= error.status < 500:
        forget(saved, session)
    else:
        session.say(
            f"Whether {saved.target.ref} was deleted is not known. Once it is gone: {restore_command(saved, session)}"
        )


def _of_account(value: Object, session: Session) -> tuple[str, ...]:
    if value["kind"] != "Pod":
        return ()
    account = Target("ServiceAccount", value["metadata"]["namespace"], service_account_of(value.get("spec", {})))
    try:
        return secret_names(session.whole(account) or {})
    except ApiError:  # then the object's own word on its list has to do
        return ()


@shielded()
def make_again(saved: Saved, session: Session) -> None:
    """Waits until the name is free, and creates what was saved. Whatever stops it, the file stays, and how to go on is
    said."""
    target = saved.target
    deadline = time.monotonic() + max(session.options.timeout, LEAST)
    try:
        with interruptible():
            while (there := session.whole(target)) is not None:
                if there["metadata"]["uid"] != saved.uid:
                    session.say(f"{target.ref} was made again by somebody else")
                    saved.remove()
                    return
                if time.monotonic() > deadline:
                    held = ", ".join(there["metadata"].get("finalizers") or ()) or "containers that take long to stop"
                    raise CommandError(f"{target.ref} is still being deleted, held by {one_line(held, 200)}")
                time.sleep(POLL)
            if target.kind == "Domain":
                _wait_for_pods(saved, session, deadline)
        for one in saved.documents:
            if one is saved.documents[0] or session.whole(target_of(one)) is None:  # what went with it
                _create(one, session)
    except BaseException:
        restore = restore_command(saved, session)
        session.say(f"{target.ref} was deleted and is not back yet. Run this again, or once it is gone: {restore}")
        raise
    saved.remove()


def _create(value: Object, session: Session) -> None:
    """Creates what is not there. A 409 may also be a quota that others wrote to (admission/plugin/resourcequota)."""
    target = target_of(value)
    for number in range(TRIES):
        try:
            session.changes.create(KINDS[target.kind], value)
            return
        except Conflict:
            if session.whole(target) is not None:
                session.say(f"{target.ref} was made again by somebody else")
                return
            if number == TRIES - 1:
                raise
            time.sleep(POLL)


def _wait_for_pods(saved: Saved, session: Session, deadline: float) -> None:
    """Until the servers of a Domain have stopped: a new one would take them for its own."""
    labels, said = pod_selector(saved.documents[0]), False
    while pods := list(session.store.select(KINDS["Pod"], saved.target.namespace, labels=labels)):
        if time.monotonic() > deadline:
            names = ", ".join(pod["metadata"]["name"] for pod in pods[:3])
            raise CommandError(f"{names} has not stopped within the time of --timeout")
        if not said:
            session.say(f"waiting until {len(pods)} pods of {saved.target.ref} have stopped")
            said = True
        time.sleep(POLL)


def restore_command(saved: Saved, session: Session) -> str:
    return session.commands_in("").kubectl("create", "-f", str(saved.path))


def _means(named: Named, target: Target, session: Session) -> bool:
    """Whether this name is that object's: a bare name is, unless something of another kind has it."""
    if named.name != target.name or named.kind not in (None, KINDS[target.kind]):
        return False
    try:
        return named.kind is not None or find(named, target.namespace, session.store)[0]["kind"] == target.kind
    except CommandError:  # nothing has it
        return True


def finish_earlier(session: Session) -> list[Target]:
    """Makes again what an earlier run deleted and did not get to make again, if it is named; what it was. A scan only tells
    how to bring it back."""
    options = session.options
    named = parse_names(options.names)
    again = []
    for saved in left_over(options.save_dir, session.cluster.server):
        target = saved.target
        here = options.all_namespaces or target.namespace == session.namespace
        if not here or (named and not any(_means(one, target, session) for one in named)):
            continue
        there = session.whole(target)
        if there is not None and there["metadata"]["uid"] != saved.uid:
            session.say(f"Note: {target.ref} is there again, so {saved.path} of an earlier run is removed")
            saved.remove()
            continue
        if there is not None and "deletionTimestamp" not in there["metadata"]:
            continue  # it was never deleted
        if not named:  # it may have been brought back by hand, and deleted on purpose since
            session.say(
                f"Note: {target.ref} was deleted by an earlier run and is not back: {restore_command(saved, session)}"
            )
            continue
        session.say(f"{target.ref} was deleted by an earlier run and is not back: it is made again from {saved.path}")
        if options.dry_run:
            session.changes.create(KINDS[target.kind], saved.documents[0])
        else:
            make_again(saved, session)
        again.append(target)
    return again
