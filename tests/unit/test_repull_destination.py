"""As what something is pushed, which image of an archive, and for which nodes: pure decisions, by tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest
from pullcore.diagnosis import Report, diagnose
from pullcore.errors import CommandError
from pullcore.keyring import Credentials, read_secret
from pullcore.reference import parse
from pullcore.workload import Index
from repull.archive import read
from repull.destination import Aim, aim, check_platforms, chosen, offered
from repull.intended import key_of

from . import archives
from .builders import Object, container, evidence, node, pod, secret_object, waiting
from .test_repull_archive import multi

ONE, TWO = "r.example.com/team/a:1", "r.example.com/team/b:1"
ABSENT = "failed to pull and unpack image: not found"


def report(
    *images: str, nodes: Sequence[Object] = (), policy: str = "", bound: Optional[str] = "n1", runs: str = ""
) -> Report:
    """A pod whose images are not there, but for the one that runs."""
    containers = [container(f"c{number}", image, policy) for number, image in enumerate((*images, *filter(None, [runs])))]
    states = {one["name"]: waiting(ABSENT) for one in containers if one["image"] != runs}
    if runs:
        states[containers[-1]["name"]] = {"running": {"startedAt": "2026-03-01T12:00:00Z"}}
    own = pod("web", *containers, states=states, secrets=["good", "other"], node=bound)
    objects = [
        secret_object("good", "r.example.com"),
        secret_object("other", "r.example.com", username="alice", password="x9-9"),
    ]
    vault = Credentials()
    return diagnose(evidence(own, *nodes, secrets=[read_secret(one, vault) for one in objects]))


def keys(names: Sequence[str]) -> set[str]:
    return {key_of(parse(name)) for name in names}


CLEAR = [
    ("the one that is waited for", report(ONE), None, (), ONE),
    ("not the one that runs", report(ONE, runs=TWO), None, (), ONE),
    ("of two the one that the archive holds", report(ONE, TWO), None, ("x:1", TWO), TWO),
    ("what the archive holds, though another one is waited for", report(ONE, runs=TWO), None, ("x:1", TWO), TWO),
    ("of several that it holds the one that is waited for", report(ONE, runs=TWO), None, (ONE, TWO), ONE),
    ("what is told", report(ONE, TWO), ONE, (TWO,), ONE),
    ("what is told, though nobody asks for it", report(ONE), "busybox", (), "docker.io/library/busybox:latest"),
]


@pytest.mark.parametrize("case", CLEAR, ids=[row[0] for row in CLEAR])
def test_as_what_it_is_pushed(case: tuple[str, Report, Optional[str], Sequence[str], str]) -> None:
    _, asked, to, names, expected = case
    found = aim(asked, to, keys(names))
    assert str(found.reference) == expected
    assert {pull.image for pull in found.pulls} == ({expected} if expected in (ONE, TWO) else set())


UNCLEAR = [
    (report(ONE, TWO), None, (), f"several images are asked for: say with --to as which it is pushed: {ONE}, {TWO}"),
    (report(ONE, TWO), None, (ONE, TWO), "several images are asked for"),
    (report(ONE), "Team/App", (), "--to: Team/App is no name for an image"),
    (report("Team/App"), None, (), "no image that could be pushed is asked for: name one with --to"),
    (report(ONE, policy="Never"), None, (), f"the pull policy of {ONE} is Never"),
]


@pytest.mark.parametrize("case", UNCLEAR, ids=[row[3][:40] for row in UNCLEAR])
def test_what_is_not_clear_is_refused(case: tuple[Report, Optional[str], Sequence[str], str]) -> None:
    asked, to, names, reason = case
    with pytest.raises(CommandError) as refused:
        aim(asked, to, keys(names))
    assert reason in refused.value.text


def test_which_image_of_an_archive(tmp_path: Path) -> None:
    files: archives.Files = {}
    entries = [archives.named(archives.oci_image(files, name), name) for name in (ONE, TWO)]
    place = tmp_path / "both.tar"
    place.write_bytes(archives.tar(archives.layout(files, *entries)))
    with read(place) as both:
        assert chosen(both, parse(TWO)) is both.images[1]
        with pytest.raises(CommandError, match="holds several images, none as"):
            chosen(both, parse("r.example.com/team/c:1"))
    place.write_bytes(archives.tar(multi()))
    with read(place) as one:
        (image,) = one.images
        assert chosen(one, parse(ONE)) is image
        assert chosen(one, parse(f"{ONE}@{image.digest}")) is image
        second = image.manifests[1]
        assert chosen(one, parse(f"{ONE}@{second.digest}")).digest == second.digest
        with pytest.raises(CommandError, match="holds another one"):
            chosen(one, parse(f"{ONE}@sha256:{'0' * 64}"))


AMD, ARM = node("n1"), node("n2", platform="arm64")
PLATFORMS = [
    ("fits", ("linux/amd64",), [AMD], "n1", "", False),
    ("fits where it is bound", ("linux/amd64",), [AMD, ARM], "n1", "", False),
    ("fits some", ("linux/amd64",), [AMD, ARM], None, "not for node n2 (linux/arm64)", False),
    ("fits none", ("linux/s390x",), [AMD, ARM], None, "not for nodes n1 (linux/amd64), n2 (linux/arm64): nothing", True),
    ("the nodes can't be listed", ("linux/s390x",), [], None, "the nodes can't be listed", False),
    ("the image does not tell", (), [AMD], "n1", "", False),
]


@pytest.mark.parametrize("case", PLATFORMS, ids=[row[0] for row in PLATFORMS])
def test_nodes_that_an_image_is_not_for(case: tuple[str, Sequence[str], Sequence[Object], Optional[str], str, bool]) -> None:
    _, platforms, nodes, bound, said, stops = case
    asked = report(ONE, nodes=nodes, bound=bound)
    goal = aim(asked, None, ())
    if stops:
        with pytest.raises(CommandError) as refused:
            check_platforms(goal, platforms, asked, "x", force=False)
        assert said in refused.value.text
    else:
        found = check_platforms(goal, platforms, asked, "x", force=False)
        assert said in (found or "") and bool(found) == bool(said)
    assert bool(check_platforms(goal, platforms, asked, "x", force=True)) == bool(said)


def test_the_credentials_are_those_of_the_pull_in_its_order() -> None:
    asked = report(ONE)
    goal = aim(asked, None, ())
    assert list(offered(goal, Index(asked.evidence)).values()) == ["secret good (user bob)", "secret other (user alice)"]
    assert offered(Aim(parse("other.example.com/x:1"), ()), Index(asked.evidence)) == {None: "nobody"}
