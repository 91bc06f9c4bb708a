"""YAML from people's files, guarded: PyYAML's C loader crashes the whole process on deep nesting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

DEPTH = 200
NODES = 2_000_000


class YamlError(ValueError):
    """Text that is not YAML or is built to hurt; str() is one line."""


def documents(text: str) -> Iterator[Any]:
    """The documents of `text` as plain values, empty ones as None.

    Raises YamlError also for nesting deeper than DEPTH (libyaml's loader recurses in C and overflows the stack: a file
    of 100,000 brackets is a segmentation fault) and for aliases that expand to more than NODES values, which cost
    nothing until somebody walks them.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):  # a flat stream: no recursion
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH:
                    raise YamlError(f"is nested deeper than {DEPTH} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        for document in yaml.load_all(text, Loader=loader):
            _check_size(document)
            yield document
    except yaml.YAMLError as error:
        raise YamlError(_reason(error)) from None
    except (ValueError, OverflowError, RecursionError) as error:  # impossible dates, numbers of a million digits
        raise error if isinstance(error, YamlError) else YamlError(str(error)) from None


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    return f"line {mark.line + 1}: {problem}" if mark else problem


def _check_size(document: Any) -> None:
    waiting, seen = [document], 0
    while waiting:
        seen += 1
        if seen + len(waiting) > NODES:
            raise YamlError(f"holds more than {NODES:,} values")
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
