"""Documents as the text of -o json and -o yaml."""

from __future__ import annotations

import json

from pullcore.pull import Object
from pullcore.yamltext import written


def printed(document: Object, output: str) -> str:
    """The document as text, `output` being json or yaml; ASCII, so that nothing in it can act on a terminal."""
    if output == "json":
        return json.dumps(document, indent=4) + "\n"
    return written(document)
