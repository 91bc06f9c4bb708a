"""Asking registries in tests: evidence of Pulls and secrets, the inquiry, the diagnosis; and what holds for each of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import jsonschema
from pullcheck import document, report
from pullcore.answers import Answer, Answers, Reach
from pullcore.diagnosis import Diagnosis, Report, diagnose
from pullcore.evidence import Evidence, from_document, to_json
from pullcore.inquiry import inquire
from pullcore.keyring import Credentials, read_secret
from pullcore.terminal import Style
from pullcore.wire import Access, Wire

from tests.unit.builders import Object, container, evidence, only, pod, secret_object

from .hostile import Hostile

SCHEMA = jsonschema.Draft202012Validator(json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text()))
PASSWORD = "tiger-9-in-the-tank"
WRONG = "lion-8-in-the-den"
ESC = "\x1b[31m\x07\x9b\u202e\x00\x7f"  # what no terminal may get


def wire_to(
    *plain: Union[Hostile, str],
    authority: Optional[str] = None,
    environ: Optional[Mapping[str, str]] = None,
    timeout: float = 3,
    total: float = 20,
    skip: Sequence[str] = (),
) -> Wire:
    """The way to registries; `plain`: those that are named as speaking plain HTTP."""
    hosts = frozenset(one if isinstance(one, str) else one.netloc for one in plain)
    access = Access(authority, hosts, frozenset(skip), timeout, total)
    return Wire(access, user_agent="test", environ=environ or {})


def login(
    server: Union[Hostile, str], name: str = "regcred", password: str = PASSWORD, username: str = "bob", **details: Any
) -> Object:
    """A pull secret for a registry."""
    key = server if isinstance(server, str) else server.netloc
    return secret_object(name, key, username=username, password=password, **details)


@dataclass(frozen=True)
class Outcome:
    """What came of it; `shown` is everything that a person or a file gets to see."""

    evidence: Evidence
    report: Report
    wire: Wire
    vault: Credentials
    seconds: float

    @property
    def answers(self) -> Answers:
        assert self.evidence.registries is not None
        return self.evidence.registries

    @property
    def reach(self) -> Reach:
        assert len(self.answers.reaches) == 1
        return self.answers.reaches[0]

    @property
    def answer(self) -> Answer:
        assert len(self.answers.answers) == 1, self.answers.answers
        return self.answers.answers[0]

    @property
    def one(self) -> Diagnosis:
        return only(self.report)

    @property
    def text(self) -> str:
        return report.explained(self.report, Style())

    @property
    def shown(self) -> dict[str, str]:
        return {
            "json": document.render(self.report, "json"),
            "text": self.text,
            "saved": to_json(self.evidence),
            "remarks": remarks(self.report),
        }

    def causes(self) -> list[str]:
        return [finding.cause for finding in self.one.findings]


def remarks(of: Report) -> str:
    return "\n".join(report.remarks(of))


def ask(
    images: Union[str, Sequence[str]],
    *secrets: Object,
    wire: Wire,
    objects: Sequence[Object] = (),
    vault: Optional[Credentials] = None,
    shows_words: bool = False,
    **details: Any,
) -> Outcome:
    """One pod for each image, all with all the secrets; asked, diagnosed, and checked for what always holds. shows_words:
    passwords may be seen, for they are words that stand in names anyway."""
    vault = vault or Credentials()
    names = [one["metadata"]["name"] for one in secrets]
    several = [images] if isinstance(images, str) else images
    pods = [pod(f"p{number}", container(image=image), secrets=names) for number, image in enumerate(several)]
    facts = [read_secret(one, vault) for one in secrets]
    began = time.monotonic()
    seen = inquire(evidence(*pods, *objects, secrets=facts, **details), vault, wire)
    outcome = Outcome(seen, diagnose(seen), wire, vault, time.monotonic() - began)
    check(outcome, [] if shows_words else [one for secret in secrets for one in hidden(secret)])
    return outcome


def hidden(secret: Object) -> list[str]:
    """What of a secret must not be seen: the password, `auth` with and without its padding."""
    vault = Credentials()
    labels = {entry.label for entry in read_secret(secret, vault).entries if entry.label}
    found = []
    for label in labels:
        found += [vault.pair(label)[1].strip(), vault.basic(label).rstrip("=")]
    return [one for one in found if len(one) > 3]


def check(outcome: Outcome, secrets: Sequence[str]) -> None:
    """What holds for whatever registries answer: nothing raw is shown, no credential is shown or saved, the report is as its
    schema says, and the saved evidence gives the same one."""
    for where, text in outcome.shown.items():
        raw = [line for line in text.split("\n") if not line.isprintable()]
        assert not raw, f"raw in {where}: {raw}"
        told = [one for one in secrets if one in text]
        assert not told, f"a credential in {where}: {told}"
    found = document.document(outcome.report)
    SCHEMA.validate(found)
    read_back = diagnose(from_document(json.loads(to_json(outcome.evidence))))
    assert document.document(read_back) == found
