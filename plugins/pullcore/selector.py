"""Label selectors, for objects that come from files; for those in a cluster the API server applies them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional

from pullcore.errors import CommandError, UsageError, one_line
from pullcore.pull import Object

TERM = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<no>[\w./-]+)|(?P<key>[\w./-]+)\s*"
    r"(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)|\s(?P<set>in|notin)\s*\((?P<values>[\w., -]*)\))?)\s*(?:,|$)",
    re.ASCII,
)


def matches(labels: Mapping[str, str], selector: str) -> bool:
    """Whether `labels` satisfy a selector as kubectl's -l takes it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

    Raises UsageError for what is none (documentation "Labels and Selectors").
    """
    position = 0
    satisfied = True
    while position < len(selector):
        term = TERM.match(selector, position)
        if not term or term.end() == position:
            raise UsageError(f"unable to parse the selector {one_line(selector, 200)!r}")
        position = term.end()
        satisfied = satisfied and _holds(term, labels)
    return satisfied


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    if term["absent"]:
        return term["no"] not in labels
    value = labels.get(term["key"])
    if term["op"] == "!=":
        return value != term["value"]
    if term["op"]:
        return value == term["value"]
    if term["set"]:
        among = value in [one.strip() for one in term["values"].split(",")]
        return among if term["set"] == "in" else not among
    return value is not None


def meets(expression: Object, labels: Mapping[str, str]) -> bool:
    """Whether labels meet one requirement of a node selector: `{key, operator, values}` (core/v1, NodeSelectorOperator)."""
    value: Optional[str] = labels.get(expression.get("key", ""))
    values: list[str] = expression.get("values", [])
    operator = expression.get("operator")
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) is (operator == "Exists")
    if operator in ("Gt", "Lt") and value is not None and value.isdigit() and len(values) == 1 and values[0].isdigit():
        return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return False


def from_spec(selector: Object) -> str:
    """A workload's `spec.selector` as one string; an empty selector selects nothing here. Raises CommandError."""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in selector.items())  # a ReplicationController's
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        key, operator, values = one.get("key", ""), one.get("operator", ""), ",".join(one.get("values") or [])
        shapes = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        if not key or operator not in shapes:
            raise CommandError(f"a selector has no key or an unknown operator: {one_line(one, 100)}")
        terms.append(shapes[operator])
    return ",".join(terms)
