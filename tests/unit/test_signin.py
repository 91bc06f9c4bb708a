"""Tokens: asked for once, refusals remembered, and a token service that could not be reached asked again for a fresh one."""

from __future__ import annotations

import json
from typing import Any, Union

import pytest
from pullcore.challenge import Challenge
from pullcore.dockerconfig import Credentials
from pullcore.signin import Refused, SignIn
from pullcore.wire import Reply, WireError

BEARER = Challenge("bearer", {"realm": "https://token.example.com/token", "service": "registry"})
AWAY = WireError("connection", "token.example.com: connection refused")


def reply(status: int, **document: str) -> Reply:
    body = json.dumps(document).encode()
    return Reply(status, "Because", {}, (), body, "https://token.example.com/token", redirected=False, milliseconds=1)


class Wire:
    """Answers one thing after the other."""

    clean: Any = None

    def __init__(self, *answers: Union[Reply, WireError]) -> None:
        self.answers = list(answers)

    def send(self, method: str, url: str, **how: Any) -> Reply:
        answer = self.answers.pop(0)
        if isinstance(answer, WireError):
            raise answer
        return answer


def signing_in(*answers: Union[Reply, WireError]) -> SignIn:
    wire: Any = Wire(*answers)
    return SignIn(wire, Credentials())


def token(sign_in: SignIn, *, fresh: bool = False) -> str:
    return sign_in.token(BEARER, ["repository:team/app:pull"], "team/app", None, fresh=fresh).value


def test_a_token_is_asked_for_once_and_again_if_it_has_to_be_fresh() -> None:
    sign_in = signing_in(reply(200, token="one"), reply(200, token="two"))
    assert [token(sign_in), token(sign_in), token(sign_in, fresh=True), token(sign_in)] == ["one", "one", "two", "two"]


def test_a_token_service_that_is_back() -> None:
    sign_in = signing_in(reply(200, token="one"), AWAY, reply(200, token="two"))
    assert token(sign_in) == "one"
    for fresh in (True, False):  # everybody else is told the same, without waiting for it
        with pytest.raises(WireError):
            token(sign_in, fresh=fresh)
    assert [token(sign_in, fresh=True), token(sign_in)] == ["two", "two"]


def test_a_refusal_is_final() -> None:
    sign_in = signing_in(reply(403, details="no"))
    for fresh in (False, True, False):
        with pytest.raises(Refused):
            token(sign_in, fresh=fresh)
