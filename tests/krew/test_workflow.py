"""The workflow runs targets that there are, and hands over templates that there are."""

from __future__ import annotations

import re

import yaml

from krew.build import PLUGINS, ROOT

WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


def test_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", makefile, re.MULTILINE))
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    lines = re.findall(r"\bmake ([a-z -]+?)(?: [A-Z_]+=\S+)*$", WORKFLOW, re.MULTILINE)
    run = {word for words in lines for word in words.split()}
    run |= set(jobs["cluster"]["strategy"]["matrix"]["target"])
    assert run <= targets
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(re.findall(r"^make (.*)$", gate, re.MULTILINE)[0].split()) <= run
    assert set(jobs["release"]["needs"]) == set(jobs) - {"release"}


def test_each_plugin_is_handed_over_once() -> None:
    handed_over = re.findall(r"krew_template_file: (\S+?)\}", WORKFLOW)
    assert handed_over == [f"krew/templates/{name}.yaml" for name in PLUGINS]
    for name in PLUGINS:
        assert f"\n  name: {name}\n" in (ROOT / handed_over[PLUGINS.index(name)]).read_text(encoding="utf-8")
