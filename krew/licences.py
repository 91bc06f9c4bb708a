"""The licences of what is installed for development, and of the wheels that the archive for krew is made of.

    python -m krew.licences [WHEEL...]

Prints each package with its licence, and fails where one is not allowed or not told.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any

# What may be passed on under the Apache License 2.0, or beside it: MPL-2.0 is for its own files alone.
ALLOWED = frozenset(
    "Apache-2.0 MIT MIT-0 BSD-2-Clause BSD-3-Clause 0BSD ISC PSF-2.0 Python-2.0 MPL-2.0 Unlicense Zlib".split()
)
# How packages call them that do not use the names of SPDX.
SPELLINGS = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "mit license": "MIT",
    "bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "dual license": "Apache-2.0 OR BSD-3-Clause",  # python-dateutil 2.9
}
# Their metadata tells nothing; looked up in their licence file.
UNTOLD = {"atheris": "Apache-2.0"}
OURS = "kubectl-pullkit"


def licence_of(told: Message) -> str:
    """The licence of a package by its metadata, as SPDX has it; as it is written where that is not known, empty where
    nothing is told."""
    name = str(told["Name"]).lower()
    classifiers = [
        str(one).rpartition(" :: ")[2] for one in told.get_all("Classifier") or [] if one.startswith("License ::")
    ]
    written = [told.get("License-Expression"), told.get("License"), *classifiers, UNTOLD.get(name)]
    candidates = [SPELLINGS.get(str(one).lower(), str(one)) for one in written if one and "\n" not in str(one)]
    return next((one for one in candidates if allowed(one)), candidates[0] if candidates else "")


def allowed(expression: str) -> bool:
    """Whether an SPDX expression (AND, OR, brackets) leaves a choice that is allowed."""
    terms = re.sub(r"[()]", " ", expression)
    return any(all(one.strip() in ALLOWED for one in re.split(r"\bAND\b", choice)) for choice in re.split(r"\bOR\b", terms))


def installed() -> Iterator[Message]:
    for one in metadata.distributions():
        told: Any = one.metadata
        if str(told["Name"]) != OURS:
            yield told


def of_wheels(paths: Iterable[Path]) -> Iterator[Message]:
    for path in paths:
        with zipfile.ZipFile(path) as wheel:
            (name,) = (name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            yield message_from_bytes(wheel.read(name))


def main(wheels: Sequence[str]) -> int:
    wrong = 0
    packages = of_wheels(map(Path, wheels)) if wheels else installed()
    for told in sorted(packages, key=lambda one: str(one["Name"]).lower()):
        licence = licence_of(told)
        mark = "" if allowed(licence) else "   <- not allowed (krew/licences.py)"
        wrong += bool(mark)
        sys.stdout.write(f"{told['Name']} {told['Version']}: {licence or 'not told'}{mark}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
