"""As which image something is pushed, which image of an archive, and whether the nodes can run it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from pullcore.diagnosis import Diagnosis, Report
from pullcore.errors import CommandError, few, one_line
from pullcore.inquiry import asked_with
from pullcore.platforms import may_run_on, platform_of
from pullcore.pull import Pull
from pullcore.reference import Reference
from pullcore.workload import Index

from repull.archive import Archive
from repull.archivedimage import ArchivedImage
from repull.intended import intended, is_waited_for, key_of, keys_of, named_by_to

SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Aim:
    """The image that is to be there, and the Pulls that ask for it; none where --to names another one."""

    reference: Reference
    pulls: tuple[Pull, ...]


def aim(report: Report, to: Optional[str], held: Collection[str]) -> Aim:
    """What to push as: `to`; else the one that is meant (see `intended`); of several that the source holds, the one that is
    waited for. held: the keys of what it holds. Raises CommandError where that is not clear, or pushing is of no use."""
    asked: dict[str, list[Diagnosis]] = {}
    for one in report.pulls:
        if one.reference:
            asked.setdefault(key_of(one.reference), []).append(one)
    reference = named_by_to(to) if to is not None else _only(asked, held)
    pulls = tuple(one.pull for one in asked.get(key_of(reference), ()))
    if pulls and all(pull.policy == "Never" for pull in pulls):
        raise CommandError(f"the pull policy of {reference} is Never: no kubelet pulls it, so pushing it is of no use")
    return Aim(reference, pulls)


def _only(asked: Mapping[str, Sequence[Diagnosis]], held: Collection[str]) -> Reference:
    waited = {key: any(map(is_waited_for, some)) for key, some in asked.items()}
    found = intended(waited, held)
    if len(found) > 1:
        found = [key for key in found if waited[key]] or found
    if not found:
        raise CommandError("no image that could be pushed is asked for: name one with --to")
    references = [one.reference for key in found for one in asked[key][:1] if one.reference]
    if len(references) > 1:
        shown = few([one_line(one, 150) for one in references], SHOWN)
        raise CommandError(f"several images are asked for: say with --to as which it is pushed: {shown}")
    return references[0]


def chosen(archive: Archive, reference: Reference) -> ArchivedImage:
    """The image of an archive that is meant: the one of that name, or the only one. Raises CommandError."""
    named = [image for image in archive.images if key_of(reference) in keys_of(image)]
    if len(named) != 1 and len(archive.images) != 1:
        shown = few([image.shown for image in archive.images], SHOWN)
        raise CommandError(f"{archive.shown} holds several images, none as {reference}: {shown}")
    image = named[0] if len(named) == 1 else archive.images[0]
    if reference.digest in (None, image.digest):
        return image
    for one in image.manifests:
        if one.digest == reference.digest:
            return image.only([one.platform])
    raise CommandError(f"{reference} names a digest, and {archive.shown} holds another one: {image.digest}")


def check_platforms(aim: Aim, platforms: Sequence[str], report: Report, shown: str, *, force: bool) -> Optional[str]:
    """A line about nodes that the image does not run on, where others do, or that can't be listed. Raises CommandError where
    it runs on none."""
    if report.evidence.nodes is None and aim.pulls:
        return "the nodes can't be listed: whether the image is for their platform is not known"
    index = Index(report.evidence)
    nodes = {
        node["metadata"]["name"]: platform_of(node)
        for pull in aim.pulls
        for node in may_run_on(pull, report.evidence, index)
    }
    known = {name: platform for name, platform in nodes.items() if platform}
    misfits = sorted(name for name, platform in known.items() if platform not in platforms)
    if not misfits or not platforms:
        return None
    listed = few([f"{name} ({known[name]})" for name in misfits], SHOWN)
    what = (
        f"{shown} is for {', '.join(platforms)}, and not for node{'' if len(misfits) == 1 else 's'} {one_line(listed, 300)}"
    )
    if len(misfits) == len(known) and not force:
        raise CommandError(f"{what}: nothing was pushed (--force does it anyway)")
    return what


def offered(aim: Aim, index: Index) -> dict[Optional[str], str]:
    """The credentials that the kubelet would offer, by their labels, in its order, with what to call them; None: nobody."""
    found: dict[Optional[str], str] = {}
    for pull in aim.pulls:
        lookup = asked_with(pull, index.secrets.get(pull.namespace, {}))
        for attempt in lookup.attempts if lookup else ():
            if attempt.credential:
                user = one_line(attempt.username or "", 60)
                found.setdefault(attempt.credential, f"secret {one_line(attempt.secret, 100)} (user {user})")
    return found or {None: "nobody"}
