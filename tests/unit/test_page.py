"""The page that stands for a scan which finds too much for a screen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pullcheck import report as pages
from pullcheck.main import _again
from pullcheck.options import parse
from pullcheck.page import LINES, by_cause
from pullcore.diagnosis import Report
from pullcore.terminal import Style

from .builders import DNS, NOT_FOUND, REFUSED, REGISTRY, UNTRUSTED, Object, container, pod, report, waiting, workload

NASTY = "a\x1b[31m\u202eb\x9b\r\nc\x00"
SAID = (
    DNS,
    NOT_FOUND,
    UNTRUSTED,
    "context canceled",
    "429 Too Many Requests",
    "no space left on device",
)


def crowd(images: int, pods: int, said: Sequence[str] = SAID) -> Report:
    """So many images, each of so many pods; the texts take turns."""
    values: list[Object] = []
    for number in range(images):
        owner = workload(name=f"web-{number}")
        asked = container(image=f"{REGISTRY}/team/web-{number}:1.0")
        state = waiting(said[number % len(said)])
        values += [
            owner,
            *(pod(f"web-{number}-{one}", asked, owner=owner, state=state) for one in range(pods)),
        ]
    return report(*values, targets=[], waiting_only=True)


def page(found: Report, again: Sequence[str] = ("-A",)) -> list[str]:
    return pages.summary(found, Style(), namespaces=True, again=again).splitlines()


@pytest.mark.parametrize(("images", "pods"), [(60, 17), (300, 3), (1000, 1)])
@pytest.mark.parametrize("causes", [1, 3, len(SAID)])
def test_whatever_fails_is_told_on_a_page(images: int, pods: int, causes: int) -> None:
    found = crowd(images, pods, SAID[:causes])
    lines = page(found)
    assert len(found.pulls) == images
    assert LINES // 4 < len(lines) <= LINES
    assert lines[0] == f"{images:,} images ({images * pods:,} pods) cannot be pulled, in 1 namespace"
    groups = by_cause(found.pulls)
    assert len(groups) == causes
    for group in groups:
        assert any(line.startswith(f"Cause: {len(group):,} images ({len(group) * pods:,} pods): ") for line in lines)
    assert lines[-2] == "Every image:      kubectl pullcheck -A -o wide"


def test_more_causes_than_a_page_takes_are_counted() -> None:
    many = [f"{DNS}: nobody knows of it, number {number}, " + "said at great length " * 12 for number in range(40)]
    found = crowd(80, 2, many)
    lines = page(found)
    assert len(lines) <= LINES
    shown = [line for line in lines if line.startswith("Cause: ")]
    (left,) = [line for line in lines if " more cause" in line]
    assert int(left.split()[1]) == len(by_cause(found.pulls)) - len(shown) > 0


def test_what_most_pods_wait_for_comes_first() -> None:
    few = crowd(30, 1, [NOT_FOUND])
    found = report(
        *few.evidence.objects, *few.evidence.pods,
        *(pod(f"more-{n}", container(image=f"{REGISTRY}/{n % 30}:2"), state=waiting(DNS)) for n in range(90)),
        targets=[], waiting_only=True,
    )  # fmt: skip
    causes = [line for line in page(found) if line.startswith("Cause: ")]
    assert "(90 pods)" in causes[0]
    assert "(30 pods)" in causes[1]


def test_what_fits_a_page_is_a_table_with_its_causes() -> None:
    lines = page(crowd(3, 400))
    assert lines[0].split()[:2] == ["NAMESPACE", "IMAGE"]
    assert sum("400/400" in line for line in lines) == 3
    assert len(lines) <= LINES


def test_wide_shows_every_image_and_every_object() -> None:
    asked = container(image=f"{REGISTRY}/team/app:1.0")
    found = report(*(pod(f"web-{n}", asked, state=waiting(REFUSED)) for n in range(70)), targets=[])
    wide = pages.listing(found, wide=True, headers=False, namespaces=True)
    assert all(f"pod/web-{n}" in wide for n in range(70))
    assert "and 69 more" in pages.listing(found, wide=False, headers=False, namespaces=True)
    assert len(pages.listing(crowd(300, 2), wide=True, headers=False, namespaces=True).splitlines()) == 300


def test_nothing_of_a_cluster_reaches_the_terminal_as_it_is() -> None:
    found = report(
        *(pod(f"{NASTY}{n}", container(image=f"r.test/{n}:1"), state=waiting(NASTY, "ErrImagePull")) for n in range(70)),
        targets=[], waiting_only=True,
    )  # fmt: skip
    text = pages.summary(found, Style(), namespaces=True, again=[f"--context={NASTY}"])
    assert text.startswith("70 images")
    assert all(char == "\n" or char.isprintable() for char in text)


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (["-A"], "-A"),
        (["-A", "-n", "here"], "-A"),
        (["-n", "here"], "-n here"),
        (["-l", "app in (a, b)", "--context", "test"], "-l 'app in (a, b)' --context test"),
    ],
)
def test_the_command_for_all_of_it_scans_the_same(words: list[str], again: str) -> None:
    assert " ".join(_again(parse(words))) == again
