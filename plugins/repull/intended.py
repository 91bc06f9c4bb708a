"""Which of the images that are asked for an archive, or a local image, is meant to be. One rule for --push and --load: pure.

What the source names as it is asked for is that image, whatever waits. Where it names none of them it was built under
another name, and stands for the one that is waited for, or for the only one.

Where they differ: a registry can hold an image that nothing asks for yet, so --push --to takes any name, while what --load
brings is proven by a pod that asks for it, and has to be the target's. And --load takes all that the source names, --push
one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pullcore.diagnosis import BLOCKED, Diagnosis
from pullcore.errors import CommandError, one_line
from pullcore.reference import InvalidReference, Reference, parse, valid
from pullcore.workload import waits_for_image

from repull.archivedimage import ArchivedImage


def intended(asked: Mapping[str, bool], held: Collection[str]) -> list[str]:
    """The keys that may be meant; one of them where it is clear. asked: keys of what is asked for, and whether it is waited
    for; held: those that the source names."""
    named = [key for key in asked if key in held]
    return named or [key for key, waited in asked.items() if waited] or list(asked)


def is_waited_for(one: Diagnosis) -> bool:
    """Whether a Pull fails, or would; its pod may be gone between two tries."""
    return one.verdict == BLOCKED or any(map(waits_for_image, one.pull.containers))


def key_of(reference: Reference) -> str:
    """The name under which runtimes keep what is asked for: with a digest the tag counts for nothing."""
    return f"{reference.name}@{reference.digest}" if reference.digest else str(reference)


def keys_of(image: ArchivedImage) -> set[str]:
    """What an image of an archive may be asked for as."""
    named = valid(image.names)
    return {key_of(one) for one in named} | {f"{one.name}@{image.digest}" for one in named}


def named_by_to(to: str) -> Reference:
    """What --to names. Raises CommandError."""
    try:
        return parse(to)
    except InvalidReference as error:
        raise CommandError(f"--to: {one_line(to, 100)} is no name for an image: {error}") from None
