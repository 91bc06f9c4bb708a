"""kubectl pullsecret explain: does the kubelet offer this key for this image. Pure and offline."""

from __future__ import annotations

from typing import Any, TextIO

from pullcore.authkey import masked, why
from pullcore.errors import CommandError
from pullcore.printed import printed
from pullcore.reference import InvalidReference, parse
from pullcore.terminal import clean

from pullsecret.options import Explain


def explain(options: Explain, stdout: TextIO) -> int:
    """Prints the verdict; 0 if the credential is offered, 1 if not. Raises CommandError for an image that is none."""
    try:
        reference = parse(options.image)
    except InvalidReference as error:
        hint = f"; did you mean {error.suggestion}?" if error.suggestion else ""
        raise CommandError(f"the image name is not valid: {error}{hint}") from None
    verdict = why(options.key, reference)
    document: dict[str, Any] = {
        "apiVersion": "pullsecret/v1",
        "kind": "KeyReport",
        "key": masked(options.key),
        "normalised": verdict.normalised,
        "image": options.image,
        "lookedUp": reference.name,
        "offered": verdict.matches,
        "reason": verdict.reason,
        "better": verdict.better,
    }
    stdout.write(printed(document, options.output) if options.output else _text(document))
    return 0 if verdict.matches else 1


def _text(document: dict[str, Any]) -> str:
    kept = "nothing: the entry is skipped" if document["normalised"] is None else clean(document["normalised"])
    lines = [
        f"key          {clean(document['key'])}",
        f"  kept as    {kept}",
        f"image        {clean(document['image'])}",
        f"  looked up  {clean(document['lookedUp'])}",
        f"{'offered' if document['offered'] else 'not offered'}: the key {clean(document['reason'])}",
    ]
    if document["better"] and not document["offered"]:
        lines.append(f"would match: {clean(document['better'])}")
    return "\n".join(lines) + "\n"
