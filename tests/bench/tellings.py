"""What each tool's output says of each pod. Pure, but for the bundle that preflight leaves behind."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from .scoring import Told

Tellings = Mapping[str, Told]  # by the pods' names
GOOD = "the registry gives it"  # our script's word for a command that ends with 0


def read_ours(text: str) -> Tellings:
    """The first finding of each pod's Pull, as the report prints it."""
    found: dict[str, Told] = {}
    for pull in json.loads(text)["pulls"]:
        first = pull["findings"][0] if pull["findings"] else {}
        words = [first.get("summary", ""), f"({first.get('cause', '')})", *first.get("evidence", [])]
        told = Told("\n".join(words) if first else "", pull["verdict"] == "pullable")
        found.update((container["pod"], told) for container in pull["containers"])
    return found


def read_preflight(text: str, folder: Path) -> Tellings:
    """What it prints of each pod, and what the bundle that it leaves in the folder has of the pod's image."""
    answers = {}
    for bundle in folder.glob("*.tar.gz"):
        with tarfile.open(bundle) as archive:
            for member in archive:
                if Path(member.name).parent.name == "registry" and (file := archive.extractfile(member)):
                    answers[Path(member.name).stem] = file.read().decode()
    report, _ = json.JSONDecoder().raw_decode(text[re.search(r"^\{", text, re.M).start() :])  # type: ignore[union-attr]
    lines: dict[str, list[str]] = {pod: [answer] for pod, answer in answers.items()}
    for one in (*report.get("fail", ()), *report.get("warn", ()), *report.get("pass", ())):
        for pod in lines:
            if re.search(rf"\b{re.escape(pod)}\b", one["title"]):
                lines[pod].append(f"{one['title']}: {one['message']}")
    return {pod: Told("\n".join(some), '"exists": true' in some[0]) for pod, some in lines.items()}


def read_sections(text: str) -> Tellings:
    """Of an output with `== POD` over what is of a pod."""
    parts = re.split(r"^== (\S+)$", text, flags=re.M)[1:]
    return {pod: Told(words.strip(), GOOD in words) for pod, words in zip(parts[::2], parts[1::2])}


def read_describe(text: str) -> Tellings:
    parts = re.split(r"^Name: +(\S+)$", text, flags=re.M)[1:]
    return {pod: Told(words) for pod, words in zip(parts[::2], parts[1::2])}


def read_events(text: str) -> Tellings:
    found: dict[str, str] = {}
    for line in text.splitlines():
        if match := re.search(r"\bpod/(\S+)", line):
            found[match.group(1)] = found.get(match.group(1), "") + f"{line}\n"
    return {pod: Told(words) for pod, words in found.items()}
