"""The licences of what the project depends on."""

from __future__ import annotations

from email.message import Message

import pytest

from krew.licences import allowed, installed, licence_of


def told(**fields: str) -> Message:
    message = Message()
    message["Name"] = "x"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("MIT", True), ("Apache-2.0 AND MIT", True), ("GPL-3.0-only OR MIT", True), ("(MIT) OR (GPL-2.0-only)", True),
        ("GPL-3.0-only", False), ("MIT AND GPL-3.0-only", False), ("LGPL-2.1-or-later", False), ("", False),
        ("a word", False),
    ],
)  # fmt: skip
def test_allowed(expression: str, good: bool) -> None:
    assert allowed(expression) is good


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"License_Expression": "MIT-0"}, "MIT-0"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"License": "a long\ntext", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "GPLv3"}, "GPLv3"),
        ({"Classifier": "Programming Language :: Python"}, ""),
    ],
)
def test_licence(fields: dict[str, str], found: str) -> None:
    assert licence_of(told(**fields)) == found


def test_all_that_is_installed_is_allowed() -> None:
    wrong = {str(one["Name"]): licence_of(one) for one in installed() if not allowed(licence_of(one))}
    assert wrong == {}
