"""Has the registry hold the image that is waited for, before anything is brought back: `--push`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, TypeVar

from pullcore.diagnosis import Report, diagnose
from pullcore.dockerlogin import login_from
from pullcore.errors import CommandError, one_line
from pullcore.evidence import Evidence
from pullcore.password import obtain
from pullcore.reference import valid
from pullcore.registry import Registry
from pullcore.signin import Refused, SignIn
from pullcore.sizes import in_bytes
from pullcore.wire import WireError
from pullcore.workload import Index

from repull.archive import Archive, read
from repull.archivedimage import ArchivedImage
from repull.destination import Aim, aim, check_platforms, chosen, offered
from repull.engine import find
from repull.intended import key_of, keys_of
from repull.options import PushOptions
from repull.progress import Upload
from repull.session import USER_AGENT, Session
from repull.upload import Uploader

PUSHED, THERE, PLANNED = "pushed", "there", "planned"
NO_MATTER_WHO = ("rate-limited", "registry-error", "proxy")  # causes that another credential does not get over
T = TypeVar("T")


@dataclass(frozen=True)
class Pushed:
    """What became of it: pushed, there already, or planned (a dry run). previous: the digest that the name stood for."""

    source: str
    image: str
    digest: Optional[str]
    previous: Optional[str]
    result: str


def push(session: Session, evidence: Evidence, options: PushOptions) -> Pushed:
    """Pushes what the options name, unless it is there. Raises CommandError; then nothing was changed in the cluster."""
    report = diagnose(evidence, session.context)
    if not _is_there(options.source):
        return _of_engine(session, report, options)
    with read(options.source) as archive:
        for note in archive.notes:
            session.say(f"Note: {one_line(note, 300)}")
        return _of_archive(session, report, options, archive)


def _is_there(source: str) -> bool:
    """Whether it is a file or a folder; what can't be one may be an image yet."""
    try:
        return Path(source).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # not to be looked at; no such user's home; a name with a NUL
        return False


def _of_archive(session: Session, report: Report, options: PushOptions, archive: Archive) -> Pushed:
    goal = aim(report, options.to, {key for image in archive.images for key in keys_of(image)})
    image = chosen(archive, goal.reference)
    _check(session, report, goal, image.platforms, f"{image.shown} of {archive.shown}")
    sources = _sources(goal, image)
    place = _registry(session, goal, sources)
    uploader, previous, who, _ = _signed_in(session, report, goal, place, sources)
    done = Pushed(archive.shown, str(goal.reference), image.digest, previous, PUSHED)
    own = {image.digest} if image.is_index else {image.digest, image.blobs[0].digest}
    if _is_settled(session, options, done, uploader, own):
        return replace(done, digest=previous, result=THERE)
    size = in_bytes(sum(blob.size for blob in image.blobs))
    what = f"{image.shown} ({', '.join(image.platforms)}, {size}, {image.digest[:19]}) as {goal.reference}, as {who}"
    if session.options.dry_run:
        session.say(f"Plan: push {what}")
        return replace(done, result=PLANNED)
    session.say(f"Pushing {what}")
    progress = Upload(session.stderr, image.blobs)
    try:
        _told(session, goal.reference, lambda: uploader.push(image, progress, previous))
    finally:
        progress.close()
    session.tell(f"{goal.reference} pushed, {image.digest}")
    return done


def _of_engine(session: Session, report: Report, options: PushOptions) -> Pushed:
    registries = session.options.registries
    engine, image = find(options.source, session.environ, {*registries.plain_http, *registries.skip_verify}.__contains__)
    goal = aim(report, options.to, {key_of(one) for one in valid([image.name])})
    if goal.reference.digest:
        raise CommandError(f"{goal.reference} names a digest, which {engine.name} makes anew: name a tag with --to")
    _check(session, report, goal, (image.platform,) if image.platform else (), f"{image.name} of {engine.name}")
    place = _registry(session, goal, ())
    uploader, previous, who, credential = _signed_in(session, report, goal, place, ())
    done = Pushed(image.name, str(goal.reference), None, previous, PUSHED)
    own = f"sha256:{image.id.removeprefix('sha256:')}"  # a config's digest, or that of what is pushed
    known = {*image.digests, own}
    if _is_settled(session, options, done, uploader, known):
        return replace(done, digest=previous, result=THERE)
    what = f"{image.name} of {engine.name} ({image.platform}, {image.id[:19]}) as {goal.reference}, as {who}"
    if session.options.dry_run:
        session.say(f"Plan: push {what}")
        return replace(done, result=PLANNED)
    session.say(f"Pushing {what}")
    _told(session, goal.reference, lambda: uploader.still(previous))
    login = session.vault.pair(credential) if credential else None
    told = engine.push(image, goal.reference, login, lambda line: session.say(session.vault.without(line)))
    digest = _told(session, goal.reference, uploader.there)
    if not digest or (told and told != digest):
        raise CommandError(f"{engine.name} pushed {told or image.name}, and {goal.reference} is {digest or 'not there'}")
    if not told and digest not in known and _told(session, goal.reference, uploader.config) not in known:
        if digest == previous:
            raise CommandError(f"{engine.name} pushed {image.name}, and {goal.reference} is {digest} as before")
        session.say(f"Note: {engine.name} tells no digest, so that what {goal.reference} is now could not be compared")
    session.tell(f"{goal.reference} pushed, {digest}")
    return replace(done, digest=digest)


def _check(session: Session, report: Report, goal: Aim, platforms: Sequence[str], shown: str) -> None:
    note = check_platforms(goal, platforms, report, shown, force=session.options.force)
    if note:
        session.say(f"Note: {note}")
    if not goal.pulls:
        session.say(f"Note: nothing that was named asks for {goal.reference}")


def _is_settled(session: Session, options: PushOptions, done: Pushed, uploader: Uploader, own: Collection[str]) -> bool:
    """Whether the name stands for this image already, by one of its `own` digests, or with other packing by its config's.
    Raises CommandError where it stands for another one, unless that is to be replaced. With --overwrite nothing is settled:
    a registry may have lost blobs of what it names."""
    if done.previous is None:
        return False
    if options.overwrite:
        same = done.previous in own
        what = "is this image already, and is pushed again" if same else f"was {done.previous} until now, and is replaced"
        session.say(f"Note: {done.image} {what} (--overwrite)")
        return False
    if done.previous in own or _told(session, done.image, uploader.config) in own:
        session.say(f"{done.image} is this image already, {done.previous}: nothing is pushed")
        return True
    raise CommandError(
        f"{done.image} is there with another digest, {done.previous}, not {done.digest or done.source}: "
        "give it a tag of its own, or replace it with --overwrite"
    )


def _sources(goal: Aim, image: ArchivedImage) -> tuple[str, ...]:
    """Other repositories of the registry that have this image by the archive's word: its blobs may be mounted from there."""
    named, own = valid(image.names), goal.reference
    found = [one.repository for one in named if one.registry == own.registry and one.repository != own.repository]
    return tuple(dict.fromkeys(found))[:2]


def _registry(session: Session, goal: Aim, sources: Sequence[str]) -> Registry:
    """The registry, which answers."""
    wanted = session.options
    wire = wanted.registries.wire(wanted.connection, USER_AGENT, session.environ, session.say, endless=True)
    besides = [f"repository:{one}:pull" for one in sources]
    name = goal.reference.registry
    place = Registry(name, wire, SignIn(wire, session.vault), actions="pull,push", besides=besides)
    reach = place.reach()
    if not reach.answers:
        raise CommandError(f"{name} can't be reached from this machine: {one_line(reach.detail, 300)}; nothing was pushed")
    return place


def _signed_in(
    session: Session, report: Report, goal: Aim, place: Registry, sources: Sequence[str]
) -> tuple[Uploader, Optional[str], str, Optional[str]]:
    """Who may push: ready to, with the digest that is there now, what to call them, and their label. Raises CommandError
    where nobody may."""
    refused = ""
    for credential, who in _logins(session, report, goal):
        uploader = Uploader(place, goal.reference, credential, sources)
        try:
            previous = uploader.there()
            if not session.options.dry_run:
                uploader.may_push()
            return uploader, previous, who, credential
        except Refused as error:
            said = session.vault.without(str(error))
            if error.cause in NO_MATTER_WHO:
                raise CommandError(f"{goal.reference}: {one_line(said, 400)}; nothing was pushed") from None
            refused = f"{who}: {said}"
            session.say(f"Note: {goal.reference.registry} does not let one push as {one_line(refused, 400)}")
        except WireError as error:
            raise CommandError(f"{goal.reference}: {session.vault.without(str(error))}; nothing was pushed") from None
    raise CommandError(
        f"{goal.reference} can't be pushed as {one_line(refused, 400)}: "
        "give --docker-username and --docker-password-stdin, or --docker-config"
    )


def _logins(session: Session, report: Report, goal: Aim) -> Iterator[tuple[Optional[str], str]]:
    """Those that may be tried, one after the other: what the options say, else what the kubelet offers, and then what is
    typed."""
    options = session.options.push
    registry = goal.reference.registry
    if options and options.docker_config is not None:
        login = login_from(Path(options.docker_config).expanduser(), registry, session.environ)
        yield session.vault.label(login.username, login.password), f"user {one_line(login.username, 100)} ({login.source})"
        return
    if options and options.username:
        password = obtain(options.password, session)
        yield session.vault.label(options.username, password), f"user {one_line(options.username, 100)}"
        return
    yield from offered(goal, Index(report.evidence)).items()
    if session.interactive:
        user = session.ask(f"User for {registry}")
        if not user:
            raise CommandError("no user was given: nothing was pushed")
        yield session.vault.label(user, session.ask_secret("Password")), f"user {one_line(user, 100)}"


def _told(session: Session, image: object, call: Callable[[], T]) -> T:
    try:
        return call()
    except (Refused, WireError) as error:
        raise CommandError(f"{image} was not pushed: {one_line(session.vault.without(str(error)), 500)}") from None
