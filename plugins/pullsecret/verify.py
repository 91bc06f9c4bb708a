"""kubectl pullsecret verify: tries every entry of the namespace's pull secrets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from pullcore.errors import CommandError, few, one_line
from pullcore.keyring import SecretFacts, read_secret
from pullcore.printed import printed
from pullcore.terminal import table

from pullsecret.entries import Checked, checked
from pullsecret.options import Verify
from pullsecret.session import Session

RESULTS = {True: "ok", False: "FAILS", None: "unknown"}


def verify(options: Verify, session: Session) -> int:
    """Prints a line for each entry; 1 if one fails. Raises CommandError."""
    seen = session.everything()
    secrets = _named(options.names, session) if options.names else session.store.pull_secrets(session.namespace)
    if not secrets:
        session.say(f"No pull secrets found in {session.namespace} namespace.")
        return 0
    found = checked(sorted(secrets, key=lambda one: one.name), seen, session.prover, datetime.now(timezone.utc))
    output = session.common.manner.output
    if output is None:
        session.stdout.write(_table(found, headers=options.headers) + "\n")
    else:
        session.stdout.write(_document(found, output))
    session.tell_not_checked(seen)
    return 1 if any(one.works is False for one in found) else 0


def _named(names: Sequence[str], session: Session) -> list[SecretFacts]:
    found = []
    for name in dict.fromkeys(names):
        secret = session.get("Secret", name.rpartition("/")[2])
        if secret is None:
            raise CommandError(f'secrets "{one_line(name, 100)}" not found in namespace {session.namespace}')
        found.append(read_secret(secret, session.vault))
    return found


def _table(found: Sequence[Checked], *, headers: bool) -> str:
    rows = []
    for one in found:
        images = list(dict.fromkeys(pull.image for pull in one.users))
        used = few(images, 1)
        key, user = (one.entry.key, one.entry.username or "") if one.entry else ("", "")
        rows.append([one.secret.name, key, user, used, RESULTS[one.works], one.said])
    return table(["NAME", "KEY", "USER", "USED-FOR", "RESULT", "REASON"], rows, show_headers=headers, width=120)


def _document(found: Sequence[Checked], output: str) -> str:
    document: dict[str, Any] = {
        "apiVersion": "pullsecret/v1",
        "kind": "SecretReport",
        "entries": [
            {
                "namespace": one.secret.namespace,
                "secret": one.secret.name,
                "key": one.entry.key if one.entry else None,
                "keptAs": one.entry.normalised if one.entry else None,
                "username": one.entry.username if one.entry else None,
                "expires": one.entry.expires if one.entry else None,
                "images": list(dict.fromkeys(pull.image for pull in one.users)),
                "works": one.works,
                "reason": one.said,
            }
            for one in found
        ],
    }
    return printed(document, output)
