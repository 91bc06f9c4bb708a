"""Which answers belong to a Pull, in the kubelet's order, and what they come to."""

from __future__ import annotations

from typing import Optional

import pytest
from pullcore.answers import Answer, Answers, Content, Tags
from pullcore.keyring import Credentials, LookUp, SecretFacts, look_up
from pullcore.reference import parse
from pullcore.registry_view import View, view

from .builders import DIGEST, IMAGE, MALFORMED, REGISTRY, answer, answers, reach, secret

REFERENCE = parse(IMAGE)
OPEN = reach(signs_in="none")
VAULT = Credentials()
A, B = secret("a", vault=VAULT, password="one"), secret("b", vault=VAULT, password="two")
EMPTY = secret("empty", config=f'{{"auths": {{"{REGISTRY}": {{"username": "bob"}}}}}}')
FIRST, SECOND = "credential 1", "credential 2"


def offered(*secrets: SecretFacts, unread: tuple[str, ...] = ()) -> LookUp:
    return look_up(REFERENCE, [*(one.name for one in secrets), *unread], {one.name: one for one in secrets})


def seen(lookup: LookUp, registries: Optional[Answers], policy: str = "IfNotPresent", *, unsure: bool = False) -> View:
    found = view(REFERENCE, lookup, policy, registries, unsure=unsure)
    assert found is not None
    return found


def nothing(lookup: LookUp, registries: Optional[Answers], policy: str = "IfNotPresent") -> bool:
    return view(REFERENCE, lookup, policy, registries, unsure=False) is None


# Not asked


@pytest.mark.parametrize("registries", [None, Answers(), answers(reach("other.test")), answers(answer(image="nginx"))])
def test_another_registrys_answers_are_none(registries: Optional[Answers]) -> None:
    assert nothing(offered(), registries)


def test_what_the_kubelet_would_not_ask_either() -> None:
    assert nothing(offered(), answers(answer()), policy="Never")
    assert nothing(offered(secret("m", **MALFORMED)), answers(answer()))


# Attempts


def test_nobody_asks_only_where_nothing_is_offered() -> None:
    """An answer to nobody says nothing of a pod that offers a credential."""
    both = answers(answer(), answer("bad-credentials", FIRST))
    assert seen(offered(), both).manifest == "present"
    assert (seen(offered(A), both).manifest, seen(offered(A), both).cause) == ("denied", "bad-credentials")


def test_the_first_that_gets_it_decides() -> None:
    found = seen(offered(A, B), answers(answer("bad-credentials", FIRST), answer("", SECOND)))
    assert (found.manifest, found.cause) == ("present", "")
    assert [said.result for _, said in found.attempts] == ["refused", "accepted"]
    assert found.by is not None
    assert found.by.secret == "b"
    assert found.answer is found.given
    assert found.asker is found.by


def test_no_attempt_after_one_that_gets_it() -> None:
    """The kubelet stops there: what became of a later one is of no interest."""
    found = seen(offered(A, B), answers(answer("", FIRST), answer("bad-credentials", SECOND)))
    assert len(found.attempts) == 1
    assert (found.manifest, found.cause) == ("present", "")


def test_an_entry_without_a_password_asks_as_nobody() -> None:
    found = seen(offered(EMPTY), answers(answer()))
    assert found.manifest == "present"
    assert found.attempts[0][0] is not None
    assert found.attempts[0][1].credential is None


def test_answers_for_another_tag_are_not_taken() -> None:
    found = seen(offered(), answers(answer(image=f"{REGISTRY}/team/app:2.0")))
    assert (found.manifest, found.cause, found.attempts, found.answer) == ("unknown", "", (), None)


@pytest.mark.parametrize("late", [0, 1])
def test_an_answer_that_did_not_come_leaves_it_open(late: int) -> None:
    """There was no time for one credential: neither refused by all, nor given."""
    said = [answer("bad-credentials", FIRST), answer("bad-credentials", SECOND)]
    found = seen(offered(A, B), answers(said[1 - late]))
    assert (found.manifest, found.cause) == ("unknown", "")


# Several answers that do not give it


@pytest.mark.parametrize(
    ("first", "second", "manifest", "cause", "whose"),
    [
        ("bad-credentials", "bad-credentials", "denied", "bad-credentials", "a"),
        ("bad-credentials", "forbidden", "denied", "forbidden", "b"),
        ("forbidden", "bad-credentials", "denied", "forbidden", "a"),
        ("denied-or-missing", "bad-credentials", "denied", "bad-credentials", "b"),
        ("bad-credentials", "image-not-found", "absent", "image-not-found", "b"),
        ("image-not-found", "bad-credentials", "absent", "image-not-found", "a"),
        # one that could not be asked might have got it
        ("registry-error", "bad-credentials", "unknown", "bad-credentials", "b"),
        ("rate-limited", "bad-credentials", "unknown", "rate-limited", "a"),
        ("image-not-found", "timeout", "unknown", "image-not-found", "a"),
        ("timeout", "registry-error", "unknown", "registry-error", "b"),
    ],
)
def test_the_one_that_came_furthest_decides(first: str, second: str, manifest: str, cause: str, whose: str) -> None:
    found = seen(offered(A, B), answers(answer(first, FIRST), answer(second, SECOND)))
    assert (found.manifest, found.cause) == (manifest, cause)
    assert found.asker is not None
    assert found.asker.secret == whose
    assert found.detail == (found.answer.detail if found.answer else "")
    assert found.given is None


# Not known for certain who asks


@pytest.mark.parametrize("cause", ["no-credentials", "denied-or-missing", "image-not-found"])
def test_secrets_that_were_not_read_may_be_the_right_ones(cause: str) -> None:
    found = seen(offered(unread=("x",)), answers(answer(cause)))
    assert (found.manifest, found.cause) == ("unknown", cause)
    assert seen(offered(), answers(answer(cause)), unsure=True).manifest == "unknown"
    assert seen(offered(), answers(answer(cause))).manifest != "unknown"


def test_who_asks_does_not_matter_to_an_open_registry() -> None:
    """A registry that asks nobody to sign in says the same to all."""
    missing = answers(OPEN, answer("image-not-found"))
    assert seen(offered(unread=("x",)), missing).manifest == "absent"
    assert seen(offered(), missing, unsure=True).manifest == "absent"


def test_what_is_given_to_nobody_is_given() -> None:
    assert seen(offered(unread=("x",)), answers(answer())).manifest == "present"
    assert seen(offered(), answers(answer()), unsure=True).manifest == "present"


# The registry as a whole


@pytest.mark.parametrize(
    "cause", ["dns", "connection", "timeout", "tls-untrusted", "tls-other", "http-https-mismatch", "proxy"]
)
def test_a_registry_that_cannot_be_asked(cause: str) -> None:
    found = seen(offered(A), answers(reach(cause=cause), answer("bad-credentials", FIRST)))
    assert (found.manifest, found.cause, found.attempts) == ("unknown", cause, ())
    assert found.detail == f"{REGISTRY}: {cause} seen here"
    assert (found.answer, found.asker) == (None, None)


# What else is known


def test_content_and_tags_are_those_of_the_image() -> None:
    content, other = Content(IMAGE, ("linux/amd64",), True), Content("docker.io/library/nginx:1", ("linux/s390x",), True)
    assert seen(offered(), answers(answer(), other, content)).content == content
    assert seen(offered(), answers(answer(), other)).content is None
    tags, another = Tags(REFERENCE.name, "1.0", True, ("1.0.1",), 3), Tags(REFERENCE.name, "2.0", True, ("2.1",), 3)
    assert seen(offered(), answers(answer("image-not-found"), another, tags)).tags == tags
    assert seen(offered(), answers(answer("image-not-found"), another)).tags is None


@pytest.mark.parametrize(
    ("exists", "cause"), [(True, "image-not-found"), (False, "repository-not-found"), (None, "image-not-found")]
)
def test_the_list_of_tags_tells_a_missing_tag_from_a_missing_repository(exists: Optional[bool], cause: str) -> None:
    found = seen(offered(), answers(OPEN, answer("image-not-found"), Tags(REFERENCE.name, "1.0", exists)))
    assert (found.manifest, found.cause) == ("absent", cause)
    # what the registry said of it, and to whom, stays known
    assert found.answer is not None
    assert found.detail == f"{REGISTRY}: 404 says MANIFEST_UNKNOWN"


def test_no_list_of_tags_makes_a_refusal_a_missing_repository() -> None:
    found = seen(offered(), answers(answer("denied-or-missing"), Tags(REFERENCE.name, "1.0", False)))
    assert (found.manifest, found.cause) == ("denied", "denied-or-missing")


def test_an_image_by_digest() -> None:
    name = f"{REGISTRY}/team/app@{DIGEST}"
    tags = Tags(f"{REGISTRY}/team/app", None, True, (), 5)
    found = view(parse(name), LookUp(), "Always", answers(OPEN, answer("image-not-found", image=name), tags), unsure=False)
    assert found is not None
    assert (found.manifest, found.cause, found.tags) == ("absent", "image-not-found", tags)


def test_docker_hubs_short_names_are_found() -> None:
    found = view(parse("nginx"), LookUp(), "Always", answers(answer(image="docker.io/library/nginx:latest")), unsure=False)
    assert found is not None
    assert found.manifest == "present"
    assert isinstance(found.given, Answer)
