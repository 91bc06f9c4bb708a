"""README, help and the demo say the same."""

from __future__ import annotations

import io
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from pullcheck.main import check
from pullcheck.usage import HELP
from pullsecret.usage import HELP as SECRET_HELP
from pullsecret.usage import VERBS
from repull.usage import HELP as REPULL_HELP

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    return re.findall(r"^```\n(.*?)^```$", README, re.S | re.M)


def test_demo_is_what_the_readme_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    assert check(["-f", "examples/domain1-evidence.json", "--offline"], sys.stdin, out, err) == 1
    assert err.getvalue() == ""
    out.flush()
    shown = out.buffer.getvalue().decode()
    assert blocks()[0] == "$ kubectl pullcheck domain1\n" + shown


@pytest.mark.parametrize("text", [HELP, VERBS["add"], REPULL_HELP], ids=["pullcheck", "pullsecret add", "repull"])
def test_options_of_the_readme_are_those_of_the_help(text: str) -> None:
    options = text.split("Options:\n", 1)[1].split("\n\n", 1)[0]
    assert options + "\n" in blocks()


def test_commands_of_the_readme_are_those_of_the_help() -> None:
    commands = SECRET_HELP.split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    assert commands + "\n" in blocks()


def examples(plugin: str, *texts: str) -> list[str]:
    """The command lines of a plugin in these texts, those that go on in the next line put together."""
    joined = "\n".join(texts).replace("\\\n", " ")
    found = re.findall(rf"^ *(?:\$ )?(kubectl {plugin} .*)$", joined, re.M)
    return [line.split("#")[0] for line in found if "[options]" not in line and "--help" not in line]


@pytest.mark.parametrize("line", examples("pullsecret", README, SECRET_HELP, VERBS["explain"]))
def test_examples_of_pullsecret_parse(line: str) -> None:
    from pullsecret.options import parse

    parse(shlex.split(line)[2:])


@pytest.mark.parametrize("line", examples("repull", README, REPULL_HELP))
def test_examples_of_repull_parse(line: str) -> None:
    from repull.options import parse

    parse(shlex.split(line)[2:])


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith("    kubectl pullcheck")])
def test_examples_of_the_readme_parse(line: str) -> None:
    from pullcheck.options import parse

    words = line.split("#")[0].split()[2:]
    if "--help" not in words:
        parse(words)


@pytest.mark.parametrize("line", re.findall(r"kubectl pullcheck .*", HELP.split("Examples:")[1].split("Options:")[0]))
def test_examples_of_the_help_parse(line: str) -> None:
    from pullcheck.options import parse

    parse(line.split()[2:])


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^ {4}|`)make ([a-z0-9-]+)", README + CONTRIBUTING, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_modules_that_the_tables_name_exist() -> None:
    known = {path.name for folder in ("plugins", "tests", "krew") for path in (ROOT / folder).rglob("*.py")}
    named = re.findall(r"`(?:\w+/)*(\w+\.py)`", CONTRIBUTING)
    assert len(named) > 50
    assert set(named) <= known


def test_the_picture_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "picture.py"))
    current = made["picture"](made["output"]())
    assert (ROOT / "docs" / "pullcheck.svg").read_text(encoding="utf-8") == current, "python docs/picture.py"
