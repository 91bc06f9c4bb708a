"""Every document that a plugin prints in any test is held against its schema in docs/.

`watch` is called once by tests/conftest.py: it looks at what is made in this process, and at what others print into pipes,
so that no test has to remember. Tests take the schemas strictly: no field that is not described, no cause that is not in the
catalogue. For others the schemas allow more, since fields and causes are added.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional, TypeVar, cast

import jsonschema
import yaml
from pullcheck import document as pullcheck_document
from pullcore import printed as printing
from pullcore.causes import CAUSES
from repull import report as repull_report

DOCS = Path(__file__).parents[1] / "docs"
SCHEMAS = {
    "pullcheck/v1": "report.schema.json",
    "pullsecret/v1": "pullsecret.schema.json",
    "repull/v1": "repull.schema.json",
}
EVIDENCE = "PullEvidence"  # the other document of pullcheck/v1: pullcheck reads it back, nobody else does
CONDITIONS = ("if", "then", "else", "allOf", "not")  # say something of some fields, and nothing of the others
ENDED = (0, 1, 2)  # what a plugin that was killed has printed is cut off
CAUSE = "^[a-z]+(-[a-z]+)*$"

Object = dict[str, Any]
M = TypeVar("M", bound=Callable[[Any], dict[str, Any]])
wrong: list[str] = []  # what the test that runs has printed and should not have


def strict(schema: Any) -> Any:
    """The schema without room for what is not described."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("pattern") == CAUSE:
        return {**schema, "enum": list(CAUSES)}
    made = {key: value if key in CONDITIONS else strict(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if "properties" in schema else made


def _validator(name: str) -> Any:
    schema = json.loads((DOCS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(strict(schema))


VALIDATORS = {version: _validator(name) for version, name in SCHEMAS.items()}


def fault(document: Any) -> Optional[str]:
    """What is wrong with a document; None for one that is as its schema says, and for what is no document of ours."""
    if not isinstance(document, dict) or document.get("kind") == EVIDENCE:
        return None
    validator = VALIDATORS.get(str(document.get("apiVersion")))
    if validator is None:
        return None
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    return None if error is None else f"{document.get('kind')}: {error.json_path}: {error.message[:500]}"


def look(document: Any) -> None:
    found = fault(document)
    if found:
        wrong.append(found)


def read(text: str) -> None:
    """Looks at what a command printed, if it is a document of ours, in JSON or in YAML."""
    if not text.startswith(("{", "apiVersion:")) or not any(version in text[:200] for version in SCHEMAS):
        return
    try:
        look(json.loads(text) if text.startswith("{") else yaml.safe_load(text))
    except (ValueError, yaml.YAMLError) as error:
        wrong.append(f"no document: {str(error)[:300]}: {text[:200]}")


def watch() -> None:
    """Begins to look. To be called before the plugins are imported: they import by name what is replaced here."""
    pullcheck_document.document = _looked_at(pullcheck_document.document)
    repull_report.document = _looked_at(repull_report.document)
    real = printing.printed

    def printed(document: Object, output: str) -> str:
        text = real(document, output)
        read(text)
        return text

    printing.printed = printed
    communicate = subprocess.Popen.communicate

    def communicated(self: Any, *arguments: Any, **more: Any) -> Any:
        out, err = communicate(self, *arguments, **more)
        if out and self.returncode in ENDED:
            read(out.decode(errors="replace") if isinstance(out, bytes) else out)
        return out, err

    subprocess.Popen.communicate = communicated  # type: ignore[method-assign]


def _looked_at(make: M) -> M:
    def made(of: Any) -> Object:
        document = make(of)
        look(json.loads(json.dumps(document)))
        return document

    return cast(M, made)
