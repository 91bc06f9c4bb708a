"""kubectl pullsecret list: pull secrets with their registries, users, end of life and who uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pullcore.errors import few
from pullcore.keyring import SecretFacts, read_secret
from pullcore.printed import printed
from pullcore.pull import Object, Target
from pullcore.store import PULL_SECRET_TYPES
from pullcore.terminal import table
from pullcore.times import age, parse_time

from pullsecret.options import List
from pullsecret.session import Session


@dataclass(frozen=True)
class Row:
    facts: SecretFacts
    created: str
    users: tuple[Target, ...]

    @property
    def expires(self) -> str:
        """The earliest end of a token in it."""
        return min((entry.expires for entry in self.facts.entries if entry.expires), default="")


def listed(options: List, session: Session) -> int:
    """Prints the list; 0."""
    seen = session.everything(all_namespaces=options.all_namespaces)
    namespace = None if options.all_namespaces else session.namespace
    used = session.consumers(seen, all_namespaces=options.all_namespaces)
    rows = [
        _row(secret, used, session)
        for secret in sorted(_secrets(namespace, session), key=lambda one: _place(one["metadata"]))
    ]
    output = session.common.manner.output
    if not rows:
        where = f"{namespace} namespace" if namespace else "any namespace"
        session.say(f"No pull secrets found in {where}.")
    elif output == "name":
        session.stdout.write("".join(f"secret/{row.facts.name}\n" for row in rows))
    elif output:
        session.stdout.write(_document(rows, output))
    else:
        session.stdout.write(_table(rows, options, datetime.now(timezone.utc)) + "\n")
    session.tell_not_checked(seen)
    return 0


def _secrets(namespace: object, session: Session) -> list[Object]:
    path = f"/api/v1/namespaces/{namespace}/secrets" if namespace else "/api/v1/secrets"
    kinds = PULL_SECRET_TYPES
    return [secret for kind in kinds for secret in session.cluster.items(path, fieldSelector=f"type={kind}")]


def _place(metadata: Object) -> tuple[str, str]:
    return metadata.get("namespace", ""), metadata.get("name", "")


def _row(secret: Object, used: dict[tuple[str, str], list[Target]], session: Session) -> Row:
    facts = read_secret(secret, session.vault)
    users = used.get((facts.namespace, facts.name), [])
    return Row(facts, str(secret["metadata"].get("creationTimestamp") or ""), tuple(users))


def _table(rows: Sequence[Row], options: List, now: datetime) -> str:
    titles = ["NAMESPACE"] if options.all_namespaces else []
    titles += ["NAME", "REGISTRIES", "USERS", "USED-BY", "EXPIRES", "AGE"]
    lines = []
    for row in rows:
        facts, created = row.facts, parse_time(row.created)
        problem = "<cannot be read>" if facts.malformed else "<ignored by the kubelet>" if facts.ignored else ""
        line = [facts.namespace] if options.all_namespaces else []
        line += [
            facts.name,
            problem or ",".join(dict.fromkeys(entry.key for entry in facts.entries)),
            ",".join(dict.fromkeys(entry.username or "" for entry in facts.entries)),
            few([user.ref for user in row.users], 3),
            _end(row.expires, now),
            age(now - created) if created else "<unknown>",
        ]
        lines.append(line)
    return table(titles, lines, show_headers=options.headers, width=100)


def _end(expires: str, now: datetime) -> str:
    end = parse_time(expires)
    if end is None:
        return ""
    return f"expired {age(now - end)} ago" if end <= now else f"in {age(end - now)}"


def _document(rows: Sequence[Row], output: str) -> str:
    document: dict[str, Any] = {
        "apiVersion": "pullsecret/v1",
        "kind": "SecretList",
        "secrets": [
            {
                "namespace": row.facts.namespace,
                "name": row.facts.name,
                "type": row.facts.type,
                "problem": row.facts.problem or row.facts.malformed or row.facts.ignored,
                "entries": [
                    {"key": entry.key, "username": entry.username, "expires": entry.expires} for entry in row.facts.entries
                ],
                "usedBy": [user.ref for user in row.users],
                "created": row.created,
            }
            for row in rows
        ],
    }
    return printed(document, output)
