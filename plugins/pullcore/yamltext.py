"""YAML from people's files, guarded: PyYAML's C loader crashes the whole process on deep nesting; and YAML that is written
so that Kubernetes' own reader takes it as it is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

DEPTH = 200
NODES = 2_000_000


# Texts that Go's reader takes for numbers or truth values (yaml.v2, resolve.go), and Python's does not.
READ_OTHERWISE = re.compile(r"[-+]?\.?[0-9]\S*|[yYnN]|[-+]?\.(?:inf|nan)|<<|=", re.I)


class YamlError(ValueError):
    """Text that is not YAML or is built to hurt; str() is one line."""


class NotYaml(YamlError):
    """Text that breaks the grammar of YAML; str() tells the line."""


def documents(text: str) -> Iterator[Any]:
    """The documents of `text` as plain values, empty ones as None.

    Raises YamlError also for nesting deeper than DEPTH (libyaml's loader recurses in C and overflows the stack: a file
    of 100,000 brackets is a segmentation fault) and for aliases that expand to more than NODES values, which cost
    nothing until somebody walks them.
    """
    import yaml

    loader = _loader()
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):  # a flat stream: no recursion
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH:
                    raise YamlError(f"it is nested deeper than {DEPTH} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        for document in yaml.load_all(text, Loader=loader):
            _check_size(document)
            yield document
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):  # PyYAML 6.0.4 has a bound of its own
            raise YamlError("it is nested deeper than can be read") from None
        raise NotYaml(_reason(error)) from None
    except (ValueError, OverflowError, RecursionError) as error:  # impossible dates, numbers of a million digits
        raise error if isinstance(error, YamlError) else YamlError(str(error)) from None


def written(*values: Any, start: bool = False) -> str:
    """One document for each value, keys in their order, in ASCII. start: begin with `---` also where there is but one."""
    import yaml

    options: Any = {"sort_keys": False, "default_flow_style": False, "explicit_start": start or None}
    text: str = yaml.dump_all(values, Dumper=_dumper(), **options)
    return text


@lru_cache(maxsize=1)
def _dumper() -> Any:
    """Puts texts in quotes that would be read as something else."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, '"' if READ_OTHERWISE.fullmatch(value) else None)

    Dumper.add_representer(str, text)
    return Dumper


@lru_cache(maxsize=1)
def _loader() -> Any:
    """YAML as Kubernetes reads it: a time stays text."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in some if tag != "tag:yaml.org,2002:timestamp"]
        for first, some in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    return f"line {mark.line + 1}: {problem}" if mark else problem


def _check_size(document: Any) -> None:
    waiting, seen = [document], 0
    while waiting:
        seen += 1
        if seen + len(waiting) > NODES:
            raise YamlError(f"it holds more than {NODES:,} values, or its aliases expand to that many")
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
