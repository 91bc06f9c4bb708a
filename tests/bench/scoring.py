"""Whether what a tool prints of a broken pod names what is wrong with it. The same rule for all tools, ours included.

The rule is for the benefit of the doubt: words that only hint at the cause count as naming it, wherever they stand in all
that the tool prints of the pod. Of ours nothing counts but the first finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NAMED, SYMPTOM, WRONG, NOTHING = "named", "symptom", "wrong", "-"
LEGEND = (
    (NAMED, "the output has words of the table that name what is wrong, in whatever place"),
    (SYMPTOM, "it says that the pull fails, as `401 Unauthorized` or `ImagePullBackOff` do, and not why"),
    (WRONG, "it names what is wrong with another pod, or finds the image good and says nothing against it"),
    (NOTHING, "it says nothing of this pod"),
)


@dataclass(frozen=True)
class Right:
    """What is wrong with a pod, and what has to be told.

    words: a regular expression, case ignored; what counts as naming it. only: nothing but this is called so, so that the
    words are wrong where another thing is. Where they are not, another fault may show in the same words.
    """

    truth: str
    words: str
    only: bool = False


@dataclass(frozen=True)
class Told:
    """What a tool prints of one pod. good: it says that the image can be pulled, or is there."""

    text: str = ""
    good: bool = False


NO_SECRET = r"no (?:pull )?secret|no (?:basic auth )?credential|none is offered|authentication required|anonymous"

RIGHT: Mapping[str, Right] = MappingProxyType(
    {
        "wrong-tag": Right("the repository has no such tag", r"not found|manifest.unknown|not with tag|\"exists\": false"),
        "unknown-repository": Right(
            "the registry has no such repository", r"name.unknown|no repository|repository .*not (?:found|known)"
        ),
        "no-secret": Right("the pod lists no pull secret (registry with a password file)", NO_SECRET),
        "no-secret-token": Right("the pod lists no pull secret (registry with tokens)", NO_SECRET),
        "wrong-password": Right(
            "the password in the secret is wrong",
            r"(?:refuse|reject|incorrect|invalid|wrong|bad)\w*\b.{0,30}\b(?:credential|password)"
            r"|(?:credential|password)\w*\b.{0,30}\b(?:refused|rejected|incorrect|invalid|wrong)",
        ),
        "no-rights": Right(
            "the account of the secret may not pull this repository",
            r"denied|insufficient.scope|forbidden|not allowed|may not|no permission",
        ),
        "key-mismatch": Right(
            "the secret is for `https://HOST/v2`, which is not this registry to the kubelet",
            r"(?:never|not|no) match|another server|for a server|no (?:entry|auth) for",
        ),
        "malformed": Right(
            "the secret's `auth` is not base64", r"base64|malformed|auth string|cannot be (?:read|parsed|decoded)", only=True
        ),
        "opaque": Right("the secret's type is Opaque", r"\bopaque\b|secret type", only=True),
        "missing": Right(
            "the secret does not exist",
            r"secrets? .{0,60}(?:not found|does not exist)|unable to retrieve some image pull secrets",
            only=True,
        ),
        "account-ignored": Right(
            "the pod's own list of secrets switches off the one of its service account",
            r"account\b.{0,40}(?:ignored|not used|switched off|overrid)",
            only=True,
        ),
        "older-than-account": Right(
            "the pod was made before its service account listed the secret",
            r"older than|made today|(?:after|before) the pod was (?:made|created)",
            only=True,
        ),
        "unresolvable": Right("the registry's host name does not resolve", r"no such host|not resolve", only=True),
        "plain-http": Right(
            "the registry speaks plain HTTP, the node HTTPS", r"http response to https client|speaks plain http", only=True
        ),
        "private-ca": Right(
            "the certificate is of an authority that the node does not know", r"unknown authority|not trusted", only=True
        ),
        "upper-case": Right(
            "the name has an upper-case letter",
            r"lower.?case|upper.?case|can only contain|invalid reference|parse reference",
            only=True,
        ),
        "never": Right("the policy is Never, and the node has no copy", r"policy(?: of)? never|errimageneverpull"),
        "copy-of-others": Right(
            "the node's copy was pulled with a secret that this pod has not (policy Never)",
            r"pulled .{0,30}credential|may not use|not usable|verif\w+ .{0,20}credential",
            only=True,
        ),
        "platform": Right("the image is for arm64, the node is amd64", r"platform|architecture|arm64"),
        "other-port": Right(
            "the secret is for another port of the registry's host",
            r"for (?:a |another )?(?:server|port)\b|other port|(?:never|not|no) match|no (?:entry|auth) for",
        ),
    }
)

FAILS = re.compile(
    r"40[134]\b|unauthorized|authentication required|denied|not found|unknown|back-?off|err\w*image|image\w*err|fail|error"
    r"|not present|refuse|\"exists\": false",
    re.I,
)


def score(what: str, told: Told) -> str:
    """NAMED, SYMPTOM, WRONG or NOTHING for what is told of the pod RIGHT[what]."""
    if re.search(RIGHT[what].words, told.text, re.I):
        return NAMED
    others = (right for name, right in RIGHT.items() if right.only and name != what)
    if any(re.search(right.words, told.text, re.I) for right in others):
        return WRONG
    if FAILS.search(told.text):
        return SYMPTOM
    return WRONG if told.good else NOTHING
