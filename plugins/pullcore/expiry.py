"""When a password that is a token ends: cloud registries and CI systems give tokens for some hours. Pure; a token is read,
never verified, for only its registry can do that."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timezone
from typing import Any, Optional

_LONGEST = 64 * 1024  # characters; no token that HTTP headers carry is longer


def expires_at(password: str) -> Optional[str]:
    """The end of a token's life as RFC 3339 text in UTC; None for a password that tells of none.

    Read are JWTs (`exp`, RFC 7519 section 4.1.4), as ACR, Artifactory and GitLab give them, and ECR's tokens, which are JSON
    in base64 with an `expiration`.
    """
    if not 20 <= len(password) <= _LONGEST:
        return None
    claims = jwt_claims(password)
    end = claims.get("exp") if claims else _json_of(password).get("expiration")
    if isinstance(end, bool) or not isinstance(end, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(int(end), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return None


def jwt_claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified; empty for text that is none."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST or "alg" not in _json_of(parts[0]):
        return {}
    return _json_of(parts[1])


def _json_of(text: str) -> dict[str, Any]:
    """The JSON object in text of either base64 alphabet, padded or not; empty for anything else."""
    try:
        raw = base64.b64decode(text.strip().replace("-", "+").replace("_", "/").rstrip("=") + "==")
        found = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
