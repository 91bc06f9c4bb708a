"""When a password that is a token ends, as far as the token tells."""

from __future__ import annotations

import base64
import json
from typing import Any, Optional

import pytest
from pullcore.expiry import expires_at, jwt_claims

NOON = 1772366400  # 2026-03-01T12:00:00Z


def encoded(value: object, *, padded: bool = False, standard: bool = False) -> str:
    raw = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    text = (base64.b64encode if standard else base64.urlsafe_b64encode)(raw).decode()
    return text if padded else text.rstrip("=")


def jwt(header: object = None, **claims: Any) -> str:
    return f"{encoded({'alg': 'RS256', 'typ': 'JWT'} if header is None else header)}.{encoded(claims)}.c2lnbmF0dXJl"


def ecr(**fields: Any) -> str:
    """As `aws ecr get-login-password` prints it."""
    whole = {"payload": "x" * 900, "datakey": "y" * 200, "version": "2", "type": "DATA_KEY", **fields}
    return encoded(whole, padded=True, standard=True)


@pytest.mark.parametrize(
    ("password", "end"),
    [
        (jwt(exp=NOON), "2026-03-01T12:00:00Z"),
        (jwt(exp=NOON + 0.9), "2026-03-01T12:00:00Z"),
        (f"{encoded({'alg': 'none'}, padded=True)}.{encoded({'exp': NOON}, padded=True)}.", "2026-03-01T12:00:00Z"),
        (ecr(expiration=NOON), "2026-03-01T12:00:00Z"),
        (ecr(expiration=NOON) + "\n", "2026-03-01T12:00:00Z"),
        # tokens that tell no end, or none that is a time
        (jwt(), None),
        (jwt(sub="bob", iat=NOON), None),
        (jwt(exp=str(NOON)), None),
        (jwt(exp=True), None),
        (jwt(exp=None), None),
        (jwt(exp=[NOON]), None),
        (jwt(exp=NOON * 1000), None),  # milliseconds: a year that no calendar has
        (jwt(exp=10**30), None),
        (jwt(exp=-(10**30)), None),
        (jwt(exp=float("inf")), None),
        (jwt(exp=float("nan")), None),
        (ecr(expiration=None), None),
        (ecr(), None),
        (jwt(expiration=NOON), None),  # ECR's word, which a JWT does not use
        (ecr(exp=NOON), None),
        # what is no token
        ("", None),
        ("tiger-9", None),
        ("correct horse battery staple", None),
        ("dckr_pat_abcdefghijklmnopqrstuvwxyz", None),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", None),
        ("a.b.c" * 20, None),
        (encoded([NOON] * 10), None),
        (encoded("[" * 5000), None),
        (f"{encoded({'alg': 'x'})}.{encoded('[' * 5000)}.c2ln", None),
        (f"{encoded({'typ': 'JWT'})}.{encoded({'exp': NOON})}.c2lnbmF0dXJl", None),  # no `alg`
        (f"{jwt(exp=NOON)}.more", None),
        (jwt(exp=NOON, more="x" * 70_000), None),
        ("\u20ac" * 40, None),
        ("\udc80" * 40, None),
        ("\x00" * 40, None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_end(password: str, end: Optional[str]) -> None:
    assert expires_at(password) == end


def test_claims() -> None:
    access = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]
    assert jwt_claims(jwt(access=access))["access"] == access
    assert jwt_claims("not.a.token") == {}
    assert jwt_claims(f"{encoded({'alg': 'x'})}.{encoded(['no', 'object'])}.c2ln") == {}
