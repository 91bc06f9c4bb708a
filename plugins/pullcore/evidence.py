"""All that was observed, as one plain value: what a diagnosis is made from, and what `--save` writes.

It holds pruned objects and parsed facts of secrets; no credential, and nothing computed from one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from pullcore import answers
from pullcore.answers import Answers
from pullcore.canary import Canary
from pullcore.errors import CommandError, one_line
from pullcore.keyring import Entry, SecretFacts
from pullcore.prune import EVENT as EVENT_SHAPE
from pullcore.prune import WrongType, prune, prune_object
from pullcore.pull import Object, Target
from pullcore.times import parse_time

API_VERSION = "pullcheck/v1"
KIND = "PullEvidence"

Name = tuple[str, str]  # namespace, name


class NotChecked(NamedTuple):
    """Something that would have been looked at, and why it was not. `excused` is True where the user asked for it
    (`--offline`): it is said, and makes nothing unknown."""

    what: str
    why: str
    excused: bool = False


@dataclass(frozen=True)
class Evidence:
    """What was seen, and when. A mapping from names holds None for what does not exist, and lacks what was not read."""

    observed_at: datetime
    targets: tuple[Target, ...] = ()
    place: str = ""  # where was looked, in words: "namespace default"
    waiting_only: bool = False  # nothing was named: only what waits is wanted
    notes: tuple[str, ...] = ()
    objects: tuple[Object, ...] = ()  # Domains, Clusters, workloads: targets and owners
    pods: tuple[Object, ...] = ()
    service_accounts: Mapping[Name, Optional[Object]] = field(default_factory=dict)
    secrets: Mapping[Name, Optional[SecretFacts]] = field(default_factory=dict)
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # a missing secret's name -> other namespaces
    earlier_lists: Mapping[Name, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # account -> its pods' lists
    anonymous_registries: tuple[str, ...] = ()  # registries from which pods without any pull secret run an image
    nodes: Optional[tuple[Object, ...]] = None
    events: tuple[Object, ...] = ()
    what_if: tuple[str, ...] = ()  # secrets that every Pull is taken to name besides its own
    registries: Optional[Answers] = None  # what they answered; None where none was asked
    canaries: tuple[Canary, ...] = ()  # what kubelets made of trying (--probe)
    not_checked: tuple[NotChecked, ...] = ()


def to_json(evidence: Evidence) -> str:
    """The document that `--save` writes; `from_document` reads it back."""

    def named(mapping: Mapping[Name, Any]) -> list[Object]:
        return [{"namespace": ns, "name": name, "value": value} for (ns, name), value in sorted(mapping.items())]

    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "observedAt": evidence.observed_at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
        "targets": [target._asdict() for target in evidence.targets],
        "place": evidence.place,
        "waitingOnly": evidence.waiting_only,
        "notes": evidence.notes,
        "objects": evidence.objects,
        "pods": evidence.pods,
        "serviceAccounts": named(evidence.service_accounts),
        "secrets": named({name: facts and asdict(facts) for name, facts in evidence.secrets.items()}),
        "elsewhere": evidence.elsewhere,
        "earlierLists": named(evidence.earlier_lists),
        "anonymousRegistries": evidence.anonymous_registries,
        "nodes": evidence.nodes,
        "events": evidence.events,
        "whatIf": evidence.what_if,
        "registries": evidence.registries and answers.to_document(evidence.registries),
        "canaries": [asdict(one) for one in evidence.canaries],
        "notChecked": [one._asdict() for one in evidence.not_checked],
    }
    return json.dumps(document, indent=1, sort_keys=False) + "\n"


def from_document(document: Object) -> Evidence:
    """Reads what `to_json` wrote. Raises CommandError for a document that is damaged or of another version."""
    if document.get("apiVersion") != API_VERSION:
        raise CommandError(
            f"saved evidence of version {one_line(document.get('apiVersion'), 60)} can't be read, only {API_VERSION}"
        )
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, AttributeError, WrongType) as error:
        raise CommandError(f"saved evidence is damaged: {type(error).__name__}: {one_line(error, 300)}") from error


def _read(document: Object) -> Evidence:
    observed_at = parse_time(document["observedAt"])
    if observed_at is None:
        raise ValueError("observedAt is not a time")

    def named(field_name: str) -> dict[Name, Any]:
        return {(str(one["namespace"]), str(one["name"])): one["value"] for one in document[field_name]}

    nodes = document["nodes"]
    return Evidence(
        observed_at=observed_at,
        targets=tuple(Target(str(t["kind"]), str(t["namespace"]), str(t["name"])) for t in document["targets"]),
        place=_text(document["place"]),
        waiting_only=bool(document["waitingOnly"]),
        notes=tuple(map(str, document["notes"])),
        objects=tuple(_object(value) for value in document["objects"]),
        pods=tuple(_object({**value, "kind": "Pod"}) for value in document["pods"]),
        service_accounts={
            name: value and _object({**value, "kind": "ServiceAccount"}) for name, value in named("serviceAccounts").items()
        },
        secrets={name: value and _facts(value) for name, value in named("secrets").items()},
        elsewhere={str(name): tuple(map(str, where)) for name, where in document["elsewhere"].items()},
        earlier_lists={name: tuple(tuple(map(str, one)) for one in value) for name, value in named("earlierLists").items()},
        anonymous_registries=tuple(map(str, document["anonymousRegistries"])),
        nodes=None if nodes is None else tuple(_object({**node, "kind": "Node"}) for node in nodes),
        events=tuple(prune(event, EVENT_SHAPE) for event in document["events"]),
        what_if=tuple(map(str, document.get("whatIf") or ())),
        registries=_registries(document.get("registries")),
        canaries=tuple(map(_canary, document.get("canaries") or ())),
        not_checked=tuple(NotChecked(str(n["what"]), str(n["why"]), bool(n["excused"])) for n in document["notChecked"]),
    )


def _registries(document: Optional[Object]) -> Optional[Answers]:
    return None if document is None else answers.from_document(document)


def _canary(value: Object) -> Canary:
    image, policy, namespace, secrets, account = value["asked"]
    asked = (_text(image), _text(policy), _text(namespace), tuple(map(_text, secrets)), _text(account))
    pod = None if value["pod"] is None else _object({**value["pod"], "kind": "Pod"})
    events = tuple(prune(event, EVENT_SHAPE) for event in value["events"])
    return Canary(asked, _text(value["node"]), _text(value["policy"]), pod, events, _text(value["why"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is none")
    return value


def _object(value: Object) -> Object:
    kept = prune_object(value)
    if not kept.get("kind") or not kept.get("metadata", {}).get("name"):
        raise ValueError("an object has no kind or no name")
    return kept


def _facts(value: Object) -> SecretFacts:
    entries = tuple(Entry(**_texts(entry, "key"), empty=bool(entry["empty"])) for entry in value["entries"])
    return SecretFacts(**_texts(value, "namespace", "name", "type"), entries=entries)


def _texts(value: Object, *needed: str) -> dict[str, Any]:
    """The fields of facts that hold text, checked: damaged evidence must not reach the rules."""
    kept: dict[str, Any] = {}
    for name, field_value in value.items():
        if name == "ignored_fields":
            kept[name] = tuple(map(str, field_value))
        elif name not in ("entries", "empty"):
            if not isinstance(field_value, str) and (field_value is not None or name in needed):
                raise ValueError(f"{name} of a secret is no text")
            kept[name] = field_value
    return kept
