"""What is told of a Pull when its registry was asked: the kubelet's word, the objects and the registry's answers together.

The tables are read as: this stands in the cluster, the registry says that; then this is the verdict, and these are the
findings in their order. A cause alone is an error, one with `?` a warning, one with `.` an information.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Union

import jsonschema
import pytest
from pullcheck import document
from pullcore.answers import Answer, Content, Limit, Reach, Tags
from pullcore.diagnosis import Diagnosis, Report, diagnose
from pullcore.evidence import Evidence, NotChecked, from_document, to_json
from pullcore.keyring import Credentials, SecretFacts

from .builders import (
    DIGEST,
    DNS,
    IMAGE,
    MALFORMED,
    NOT_FOUND,
    NOW,
    REFUSED,
    REGISTRY,
    RUNNING,
    UNAUTHORIZED,
    UNTRUSTED,
    account,
    answer,
    answers,
    asked_about,
    causes,
    container,
    domain,
    evidence,
    failed_condition,
    node,
    pod,
    reach,
    secret,
    server_labels,
    waiting,
    workload,
)
from .test_report import SCHEMA

Object = dict[str, Any]
Part = Union[Reach, Answer, Tags, Content]
MARKS = {"error": "", "warning": "?", "info": "."}


@dataclass(frozen=True)
class Row:
    """words: in the summary of the first finding; fix: in its commands, none of them at all for ""; never: in no command."""

    name: str
    there: Sequence[Object]
    said: Sequence[Part]
    verdict: str
    told: str
    words: Sequence[str] = ()
    fix: Sequence[str] | None = None
    never: Sequence[str] = ()
    details: Object = field(default_factory=dict)

    @property
    def evidence(self) -> Evidence:
        return evidence(*self.there, registries=answers(*self.said), **self.details)


def told(one: Diagnosis) -> str:
    return " ".join(f"{finding.cause}{MARKS[finding.severity]}" for finding in one.findings)


def first(found: Report) -> Diagnosis:
    """The Pull that the rows are about."""
    return next(one for one in found.pulls if one.pull.image.endswith(("team/app:1.0", "/app:1")) or len(found.pulls) == 1)


def commands(one: Diagnosis) -> str:
    return "\n".join(line for finding in one.findings for line in finding.fix)


def summaries(one: Diagnosis) -> str:
    return "\n".join(finding.summary for finding in one.findings)


def notes(one: Diagnosis) -> str:
    return "\n".join(line for finding in one.findings for line in finding.notes)


def explained(*there: Object, said: Iterable[Part], **details: Any) -> Diagnosis:
    return first(diagnose(evidence(*there, registries=answers(*said), **details)))


# What is there


def web(*secrets: str, image: str = IMAGE, policy: str = "", **details: Any) -> Object:
    return workload("Deployment", "web", container(image=image, policy=policy), secrets=secrets, **details)


def refused(message: str, *secrets: str, image: str = IMAGE) -> Object:
    """A pod whose pull the kubelet was refused."""
    return pod("web-1", container(image=image), secrets=secrets, state=waiting(message.replace(IMAGE, image)))


def token(seconds: int) -> str:
    """A JWT that ends so many seconds from now."""
    parts = ({"alg": "RS256"}, {"exp": int(NOW.timestamp()) + seconds})
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts), "c2ln"])


VAULT = Credentials()
A, B = secret("a", vault=VAULT, password="one"), secret("b", vault=VAULT, password="two", username="eve")
GOOD, V2 = secret("good"), secret("v2", f"https://{REGISTRY}/v2")
OVER, VALID = secret("old", password=token(-3600)), secret("old", password=token(3600))
ELSEWHERE = secret("other", "elsewhere.example.com")
EMPTY = secret("empty", config=f'{{"auths": {{"{REGISTRY}": {{"username": "bob"}}}}}}')
CREDENTIAL, SECOND = "credential 1", "credential 2"
NO_SECRETS = NotChecked("secrets in default", "forbidden")
NO_ACCOUNTS = NotChecked("service accounts in default", "forbidden")
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1"
OLD_NODE, NEW_NODE = "v1.30.4", "v1.35.1"

# What registries say
OPEN, TOKENS = reach(signs_in="none"), reach(signs_in="bearer", token_service="auth.example.com")
GIVEN, NO_ONE, HIDDEN = answer(), answer("no-credentials"), answer("denied-or-missing")
NO_TAG, NO_REPOSITORY = answer("image-not-found"), answer("repository-not-found")
PLAIN: Object = {"url": f"http://{REGISTRY}", "vouched": False, "verified": False}

# What kubelets say
BACK_OFF = f'Back-off pulling image "{IMAGE}"'
DENIED = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": pull access denied, repository does '
    "not exist or may require authorization: server message: insufficient_scope: authorization failed"
)
TOO_MANY = (
    f'failed to pull and unpack image "{IMAGE}": failed to copy: httpReadSeeker: failed open: unexpected status code '
    f"https://{REGISTRY}/v2/team/app/manifests/1.0: 429 Too Many Requests - Server message: toomanyrequests: You have "
    "reached your pull rate limit"
)
EXPIRED = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": unexpected status from HEAD request '
    f"to https://{REGISTRY}/v2/team/app/manifests/1.0: 403 Forbidden: Your authorization token has expired. Reauthenticate"
)
PLAIN_HTTP = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": failed to do request: Head '
    f'"https://{REGISTRY}/v2/team/app/manifests/1.0": http: server gave HTTP response to HTTPS client'
)
REFUSED_CONNECTION = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": failed to do request: Head '
    f'"https://{REGISTRY}/v2/team/app/manifests/1.0": dial tcp 10.1.2.3:443: connect: connection refused'
)
BETWEEN_TRIES = domain(
    domainUID="u", conditions=[failed_condition(f"Failure on pod 'u-introspector-x' in namespace 'default': {BACK_OFF}")]
)
NO_PLATFORM = f'failed to pull and unpack image "{IMAGE}": no match for platform in manifest: not found'


def tags(*nearest: str, exists: bool | None = True, total: int = 12, complete: bool = True) -> Tags:
    return Tags(f"{REGISTRY}/team/app", "1.0", exists, nearest, total, complete)


def by(credential: str, cause: str = "", **details: Any) -> Answer:
    return answer(cause, credential, **details)


def with_secrets(*facts: Any, **more: Any) -> Object:
    return {"secrets": facts, **more}


# Nobody has tried yet

UNTRIED = [
    # given
    Row("to anybody", [web()], [OPEN, GIVEN], "pullable", ""),
    Row("to anybody, though others sign in", [web()], [GIVEN], "pullable", ""),
    Row("with the credential", [web("good")], [by(CREDENTIAL)], "pullable", "", details=with_secrets(GOOD)),
    Row("with the second one", [web("a", "b")], [by(CREDENTIAL, "bad-credentials"), by(SECOND)], "pullable", "",
        details=with_secrets(A, B)),
    Row("with a token that is over by its own words", [web("old")], [by(CREDENTIAL)], "pullable", "",
        details=with_secrets(OVER)),
    Row("in plain HTTP that was named", [web()], [reach(**{**PLAIN, "vouched": True}), GIVEN], "pullable", ""),
    Row("with a certificate that was not verified", [web()], [reach(verified=False), GIVEN], "pullable", ""),
    Row("to a pod that is being made", [pod(state={"waiting": {"reason": "ContainerCreating"}})], [GIVEN], "pullable", ""),
    # refused to nobody
    Row("Basic 401 to nobody", [web()], [NO_ONE], "blocked", "no-credentials",
        ["asks for credentials and none is offered", "no pull secret"], [f"--docker-server={REGISTRY}", "web", "regcred"]),
    Row("a token service that hides", [web()], [TOKENS, HIDDEN], "blocked", "denied-or-missing", [REGISTRY, "team/app"],
        [f"--docker-server={REGISTRY}"]),
    Row("to a pod that is being made: refused", [pod(state={"waiting": {"reason": "ContainerCreating"}})], [NO_ONE],
        "blocked", "no-credentials"),
    Row("another secret would do", [web()], [NO_ONE], "blocked", "no-credentials", fix=["good", "web"],
        never=["--docker-server"], details=with_secrets(GOOD)),
    Row("another secret would do, but was refused for another image", [web()],
        [NO_ONE, by(CREDENTIAL, "bad-credentials", image=f"{REGISTRY}/x:1")], "blocked", "no-credentials",
        fix=["regcred", "--docker-server"], never=["attach good", '"name":"good"'], details=with_secrets(GOOD)),
    # refused to a credential
    Row("wrong password", [web("good")], [by(CREDENTIAL, "bad-credentials")], "blocked", "bad-credentials",
        [f"{REGISTRY} refuses the credentials of good (bob)"], ["good", f"--docker-server={REGISTRY}"],
        details=with_secrets(GOOD)),
    Row("no permission", [web("good")], [by(CREDENTIAL, "forbidden")], "blocked", "forbidden",
        ["does not let good (bob) pull team/app"], "", details=with_secrets(GOOD)),
    Row("hidden from the credential", [web("good")], [TOKENS, by(CREDENTIAL, "denied-or-missing", proven=True)], "blocked",
        "denied-or-missing", ["good (bob)", "team/app"], "", details=with_secrets(GOOD)),
    Row("both refused", [web("a", "b")], [by(CREDENTIAL, "bad-credentials"), by(SECOND, "bad-credentials")], "blocked",
        "bad-credentials", ["a (bob)"], [" a ", "--docker-server"], details=with_secrets(A, B)),
    Row("the first is shown nothing, the second refused", [web("a", "b")],
        [by(CREDENTIAL, "denied-or-missing"), by(SECOND, "bad-credentials")], "blocked", "bad-credentials", ["b (eve)"],
        [" b ", "--docker-server"], never=[" a "], details=with_secrets(A, B)),
    Row("the first could not be asked, the second refused", [web("a", "b")],
        [by(CREDENTIAL, "registry-error"), by(SECOND, "bad-credentials")], "unknown", "bad-credentials?",
        details=with_secrets(A, B)),
    Row("a token that is over", [web("old")], [by(CREDENTIAL, "bad-credentials")], "blocked", "expired-credentials",
        ["old (bob)", "expired at 2026-03-01T11:00:00Z"], ["old", "--docker-server"], details=with_secrets(OVER)),
    Row("a token that is over, hidden", [web("old")], [TOKENS, by(CREDENTIAL, "denied-or-missing")], "blocked",
        "expired-credentials", ["expired at 2026-03-01T11:00:00Z"], details=with_secrets(OVER)),
    Row("a token that is not over", [web("old")], [by(CREDENTIAL, "bad-credentials")], "blocked", "bad-credentials",
        details=with_secrets(VALID)),
    Row("over by the registry's words", [web("good")], [by(CREDENTIAL, "expired-credentials")], "blocked",
        "expired-credentials", ["good (bob)", "expired"], ["good", "--docker-server"], details=with_secrets(GOOD)),
    Row("a token that is over, and a tag that is missing", [web("old")], [by(CREDENTIAL, "image-not-found")], "blocked",
        "image-not-found expired-credentials?", details=with_secrets(OVER)),
    # not there
    Row("tag missing, one like it", [web()], [OPEN, NO_TAG, tags("1.0.1")], "blocked", "image-not-found",
        ["has team/app, but not with tag 1.0", "did you mean 1.0.1?"], [f'"value":"{REGISTRY}/team/app:1.0.1"']),
    Row("tag missing, several like it", [web()], [OPEN, NO_TAG, tags("1.0.1", "v1.0")], "blocked", "image-not-found",
        ["did you mean 1.0.1 or v1.0?"], [f"{REGISTRY}/team/app:TAG"], ["team/app:1.0.1"]),
    Row("tag missing, none like it", [web()], [OPEN, NO_TAG, tags()], "blocked", "image-not-found",
        ["has team/app, but not with tag 1.0"], [f"{REGISTRY}/team/app:TAG"]),
    Row("tag missing, tags not told", [web()], [OPEN, NO_TAG, tags(exists=None, total=0, complete=False)], "blocked",
        "image-not-found", ["one of the two is wrong"], [f"{REGISTRY}/team/app:TAG"]),
    Row("tag missing for a credential", [web("good")], [by(CREDENTIAL, "image-not-found"), tags("1.0.1")], "blocked",
        "image-not-found", ["did you mean 1.0.1?"], ["team/app:1.0.1"], ["--docker-server"], details=with_secrets(GOOD)),
    Row("digest missing", [web(image=f"{REGISTRY}/team/app@{DIGEST}")],
        [OPEN, answer("image-not-found", image=f"{REGISTRY}/team/app@{DIGEST}")], "blocked", "image-not-found",
        [f"digest {DIGEST}"], ["team/app:TAG"]),
    Row("repository missing", [web()], [OPEN, NO_REPOSITORY], "blocked", "repository-not-found",
        [f"{REGISTRY} has no repository team/app"], [f"{REGISTRY}/REPOSITORY:TAG"], ["--docker-server"]),
    Row("repository missing by its list of tags", [web()], [OPEN, NO_TAG, tags(exists=False)], "blocked",
        "repository-not-found", ["has no repository team/app"], [f"{REGISTRY}/REPOSITORY:TAG"]),
    Row("repository missing, another of the namespace is like it",
        [web(), workload("Deployment", "o", container(image=f"{REGISTRY}/team/apps:2"))],
        [OPEN, NO_REPOSITORY, answer(image=f"{REGISTRY}/team/apps:2")], "blocked", "repository-not-found",
        ["did you mean team/apps?"], [f'"value":"{REGISTRY}/team/apps:1.0"']),
    Row("repository missing, the one like it is missing, too",
        [web(), workload("Deployment", "o", container(image=f"{REGISTRY}/team/apps:2"))],
        [OPEN, NO_REPOSITORY, answer("repository-not-found", image=f"{REGISTRY}/team/apps:2")], "blocked",
        "repository-not-found", fix=["REPOSITORY:TAG"]),
    Row("repository missing, the one like it is in another namespace",
        [web(), workload("Deployment", "o", container(image=f"{REGISTRY}/team/apps:2"), namespace="theirs")],
        [OPEN, NO_REPOSITORY, answer(image=f"{REGISTRY}/team/apps:2")], "blocked", "repository-not-found",
        fix=["REPOSITORY:TAG"]),
    Row("an official image misspelt", [web(image="docker.io/library/app:1")],
        [reach("docker.io", signs_in="bearer"), answer("denied-or-missing", image="docker.io/library/app:1")], "blocked",
        "repository-not-found", ["has no repository library/app"], ["docker.io/REPOSITORY:TAG"], ["--docker-server"]),
    # nothing was learnt
    *(Row(f"unreachable: {cause}", [web()], [reach(cause=cause)], "unknown", f"{cause}?",
          [f"could not be asked from this machine: {REGISTRY}: {cause} seen here"], "")
      for cause in "dns connection timeout tls-untrusted tls-other http-https-mismatch proxy registry-error "
                   "rate-limited".split()),
    *(Row(f"unreachable with a credential: {cause}", [web("good")], [reach(cause=cause)], "unknown", f"{cause}?",
          fix="", details=with_secrets(GOOD)) for cause in ("dns", "tls-untrusted")),
    Row("unreachable with a token that is over", [web("old")], [reach(cause="dns")], "unknown", "expired-credentials? dns?",
        details=with_secrets(OVER)),
    *(Row(f"no answer to this: {cause}", [web()], [answer(cause)], "unknown", f"{cause}?", fix="")
      for cause in ("rate-limited", "registry-error", "timeout")),
    Row("time was over", [web()], [reach()], "unknown", ""),
    *(Row(f"plain HTTP on this machine: {name}", [web()], [reach(**PLAIN, signs_in="none"), said], "unknown", more)
      for name, said, more in (("given", GIVEN, "http-https-mismatch?"),
                               ("missing", NO_TAG, "image-not-found? http-https-mismatch?"),
                               ("refused", NO_ONE, "no-credentials? http-https-mismatch?"))),
    # nodes may have credentials of their own
    Row("a cloud registry says 401 to nobody", [web(image=ECR)], [answer("no-credentials", image=ECR)], "unknown",
        "no-credentials?", fix=""),
    Row("a cloud registry hides", [web(image=ECR)], [answer("denied-or-missing", image=ECR)], "unknown",
        "denied-or-missing?", fix=""),
    Row("a cloud registry, and a secret that is missing", [web("gone", image=ECR)], [answer("no-credentials", image=ECR)],
        "unknown", "secret-missing? no-credentials?", details={"missing": ["gone"]}),
    Row("a registry that gives an image to a pod without secrets", [web()], [NO_ONE], "unknown", "no-credentials?",
        details={"anonymous_registries": (REGISTRY,)}),
    Row("a cloud registry gives it to nobody's surprise", [web(image=ECR)], [answer(image=ECR)], "pullable", ""),
    Row("a cloud registry refuses what the secret has", [web("ecr", image=ECR)],
        [answer("bad-credentials", CREDENTIAL, ECR)], "blocked", "bad-credentials", ["ecr (bob)"],
        details=with_secrets(secret("ecr", ECR.partition("/")[0]))),
    Row("a cloud registry lacks it", [web("ecr", image=ECR)], [answer("image-not-found", CREDENTIAL, ECR)], "blocked",
        "image-not-found", details=with_secrets(secret("ecr", ECR.partition("/")[0]))),
    # what could not be read
    *(Row(f"secrets not read: {said.cause or 'given'}", [web("x")], [said], verdict, more, fix=None,
          details={"not_checked": (NO_SECRETS,)})
      for said, verdict, more in ((GIVEN, "pullable", ""), (NO_ONE, "unknown", "no-credentials?"),
                                  (HIDDEN, "unknown", "denied-or-missing?"), (NO_TAG, "unknown", "image-not-found?"))),
    Row("secrets not read, and an open registry lacks it", [web("x")], [OPEN, NO_TAG], "blocked", "image-not-found",
        details={"not_checked": (NO_SECRETS,)}),
    Row("one secret read and refused, one not read", [web("good", "x")], [by(CREDENTIAL, "bad-credentials")], "unknown",
        "bad-credentials?", details=with_secrets(GOOD, not_checked=(NO_SECRETS,))),
    *(Row(f"service account not read: {said.cause or 'given'}", [web()], [said], verdict, more,
          details={"not_checked": (NO_ACCOUNTS,), "no_accounts": True})
      for said, verdict, more in ((GIVEN, "pullable", ""), (NO_ONE, "unknown", "no-credentials?"),
                                  (reach(cause="dns"), "unknown", "dns?"))),
    Row("service account not read, and an open registry lacks it", [web()], [OPEN, NO_TAG], "blocked", "image-not-found",
        details={"not_checked": (NO_ACCOUNTS,), "no_accounts": True}),
    Row("service account not read, but the pod has its own list", [web("good")], [by(CREDENTIAL, "bad-credentials")],
        "blocked", "bad-credentials", details=with_secrets(GOOD, not_checked=(NO_ACCOUNTS,), no_accounts=True)),
    # not asked
    Row("policy Never", [web(policy="Never"), node()], [NO_ONE], "unknown", ""),
    Row("a malformed secret", [web("m")], [GIVEN], "blocked", "secret-malformed", ["m is malformed"],
        details=with_secrets(secret("m", **MALFORMED))),
    # faults of the objects beside what the registry says to nobody
    Row("key mismatch, given to anybody", [web("v2")], [GIVEN], "pullable", "key-mismatch?", details=with_secrets(V2)),
    Row("key mismatch, 401", [web("v2")], [NO_ONE], "blocked", "key-mismatch no-credentials",
        ["v2 is for a server that never matches"], [" v2 ", f"--docker-server={REGISTRY}"], details=with_secrets(V2)),
    Row("key mismatch, hidden", [web("v2")], [TOKENS, HIDDEN], "blocked", "key-mismatch denied-or-missing",
        fix=[" v2 ", f"--docker-server={REGISTRY}"], details=with_secrets(V2)),
    Row("key mismatch, an open registry lacks it", [web("v2")], [OPEN, NO_TAG, tags("1.0.1")], "blocked",
        "image-not-found key-mismatch?", ["did you mean 1.0.1?"], ["team/app:1.0.1"], details=with_secrets(V2)),
    Row("key mismatch beside a good secret", [web("good", "v2")], [by(CREDENTIAL)], "pullable", "key-mismatch?",
        details=with_secrets(GOOD, V2)),
    Row("key mismatch beside a wrong secret", [web("good", "v2")], [by(CREDENTIAL, "bad-credentials")], "blocked",
        "bad-credentials key-mismatch?", fix=[" good "], details=with_secrets(GOOD, V2)),
    Row("secret missing, given to anybody", [web("gone")], [GIVEN], "pullable", "secret-missing?",
        details={"missing": ["gone"]}),
    Row("secret missing, 401", [web("gone")], [NO_ONE], "blocked", "secret-missing no-credentials", ["gone"],
        [" gone ", "--docker-server"], details={"missing": ["gone"]}),
    Row("secret missing, 401 of a registry that is mostly public", [web("gone", image="docker.io/team/app:1.0")],
        [reach("docker.io", signs_in="bearer"), answer("denied-or-missing", image="docker.io/team/app:1.0")], "blocked",
        "secret-missing denied-or-missing", details={"missing": ["gone"]}),
    Row("entry without a password, given to anybody", [web("empty")], [GIVEN], "pullable", "secret-ignored?",
        details=with_secrets(EMPTY)),
    Row("entry without a password, 401", [web("empty")], [NO_ONE], "blocked", "secret-ignored no-credentials",
        fix=["empty", "--docker-server"], details=with_secrets(EMPTY)),
    Row("service account shadowed, 401", [web("other"), account(secrets=["good"])], [NO_ONE], "blocked",
        "service-account-shadowed no-credentials", ["good of service account default"], ["good"],
        details=with_secrets(GOOD, ELSEWHERE)),
    Row("service account shadowed, given to anybody", [web("other"), account(secrets=["good"])], [GIVEN], "pullable",
        "service-account-shadowed?", details=with_secrets(GOOD, ELSEWHERE)),
]  # fmt: skip

# The kubelet was refused: that always blocks

FAILING = [
    # the registry tells it more closely
    Row("denied: wrong password", [refused(DENIED, "good")], [by(CREDENTIAL, "bad-credentials")], "blocked",
        "bad-credentials denied-or-missing", ["refuses the credentials of good (bob)"], ["good", "--docker-server"],
        details=with_secrets(GOOD)),
    Row("denied: expired by its words", [refused(DENIED, "good")], [by(CREDENTIAL, "expired-credentials")], "blocked",
        "expired-credentials denied-or-missing", ["good (bob)"], ["good"], details=with_secrets(GOOD)),
    Row("denied: no permission", [refused(DENIED, "good")], [by(CREDENTIAL, "forbidden")], "blocked",
        "forbidden denied-or-missing", ["does not let good (bob) pull"], never=["--docker-server"],
        details=with_secrets(GOOD)),
    Row("denied: tag missing", [refused(DENIED, "good")], [by(CREDENTIAL, "image-not-found"), tags("1.0.1")], "blocked",
        "image-not-found denied-or-missing", ["did you mean 1.0.1?"], ["team/app:1.0.1"], ["--docker-server"],
        details=with_secrets(GOOD)),
    Row("denied: repository missing", [refused(DENIED, "good")], [by(CREDENTIAL, "repository-not-found")], "blocked",
        "repository-not-found denied-or-missing", fix=["REPOSITORY:TAG"], never=["--docker-server"],
        details=with_secrets(GOOD)),
    Row("denied: nobody asks", [refused(DENIED)], [NO_ONE], "blocked", "no-credentials denied-or-missing",
        fix=["--docker-server"]),
    Row("not found: repository missing", [refused(NOT_FOUND)], [OPEN, NO_REPOSITORY], "blocked",
        "repository-not-found image-not-found", ["has no repository team/app"], ["REPOSITORY:TAG"]),
    Row("not found: repository missing by its tags", [refused(NOT_FOUND)], [OPEN, NO_TAG, tags(exists=False)], "blocked",
        "repository-not-found image-not-found", fix=["REPOSITORY:TAG"]),
    *(Row(f"back-off: {cause}", [refused(BACK_OFF)], [answer(cause)], "blocked", f"{cause} backoff-only", fix=fix)
      for cause, fix in (("no-credentials", ["--docker-server"]), ("denied-or-missing", ["--docker-server"]),
                         ("image-not-found", ["team/app:TAG"]), ("repository-not-found", ["REPOSITORY:TAG"]))),
    *(Row(f"back-off: {cause} of a credential", [refused(BACK_OFF, "good")], [by(CREDENTIAL, cause)], "blocked",
          f"{cause} backoff-only", ["good (bob)"], details=with_secrets(GOOD))
      for cause in ("bad-credentials", "forbidden", "denied-or-missing")),
    Row("back-off: a token that is over", [refused(BACK_OFF, "old")], [by(CREDENTIAL, "bad-credentials")], "blocked",
        "expired-credentials backoff-only", ["expired at 2026-03-01T11:00:00Z"], ["old", "--docker-server"],
        details=with_secrets(OVER)),
    Row("back-off: key mismatch", [refused(BACK_OFF, "v2")], [NO_ONE], "blocked",
        "key-mismatch no-credentials backoff-only", fix=[" v2 "], details=with_secrets(V2)),
    Row("asked as nobody, and what is offered by now is wrong", [refused(REFUSED, "good")],
        [by(CREDENTIAL, "bad-credentials")], "blocked", "bad-credentials no-credentials", ["good (bob)"], ["good"],
        details=with_secrets(GOOD)),
    Row("asked as nobody, and what is offered by now gets 404", [refused(REFUSED, "good")],
        [by(CREDENTIAL, "image-not-found")], "blocked", "no-credentials image-not-found?",
        ["good will be offered at the next try"], details=with_secrets(GOOD)),
    # both say the same: one finding
    Row("the same 401", [refused(REFUSED)], [NO_ONE], "blocked", "no-credentials", ["none is offered"],
        ["--docker-server"]),
    Row("the same wrong password", [refused(UNAUTHORIZED, "good")], [by(CREDENTIAL, "bad-credentials")], "blocked",
        "bad-credentials", ["good (bob)"], ["good", "--docker-server"], details=with_secrets(GOOD)),
    Row("the same denial", [refused(DENIED, "good")], [TOKENS, by(CREDENTIAL, "denied-or-missing")], "blocked",
        "denied-or-missing", details=with_secrets(GOOD)),
    Row("the same tag, and what there is instead", [refused(NOT_FOUND)], [OPEN, NO_TAG, tags("1.0.1")], "blocked",
        "image-not-found", ["did you mean 1.0.1?"], [f'"value":"{REGISTRY}/team/app:1.0.1"'], ["TAG"]),
    Row("neither can look up the name", [refused(DNS)], [reach(cause="dns")], "blocked", "dns", fix=["ssh n1"]),
    Row("neither trusts the certificate", [refused(UNTRUSTED)], [reach(cause="tls-untrusted")], "blocked", "tls-untrusted",
        fix=["ssh n1"]),
    # the registry knows less: nothing wrong is added
    *(Row(f"not found, and to us {said.cause}", [refused(NOT_FOUND)], [said], "blocked", "image-not-found",
          fix=["team/app:TAG"], never=["--docker-server"])
      for said in (NO_ONE, HIDDEN, answer("rate-limited"), answer("registry-error"), reach(cause="dns"))),
    Row("not found, and to us the password is wrong", [refused(NOT_FOUND, "good")], [by(CREDENTIAL, "bad-credentials")],
        "blocked", "image-not-found", never=["--docker-server"], details=with_secrets(GOOD)),
    *(Row(f"back-off, and no answer to us: {cause}", [refused(BACK_OFF)], [reach(cause=cause)], "blocked", "backoff-only",
          fix=["kubectl describe pod"]) for cause in ("dns", "tls-untrusted", "timeout", "rate-limited")),
    *(Row(f"denied, and no answer to us: {cause}", [refused(DENIED)], [answer(cause)], "blocked", "denied-or-missing")
      for cause in ("rate-limited", "registry-error", "timeout")),
    Row("wrong password, and we are shown nothing", [refused(UNAUTHORIZED, "x")], [NO_ONE], "blocked", "denied-or-missing",
        never=["regcred"], details={"not_checked": (NO_SECRETS,)}),
    Row("expired, says the kubelet; wrong, says the registry", [refused(EXPIRED, "good")],
        [by(CREDENTIAL, "bad-credentials")], "blocked", "expired-credentials bad-credentials", details=with_secrets(GOOD)),
    Row("no platform, and to us 401", [refused(NO_PLATFORM), node()], [NO_ONE], "blocked", "platform-mismatch"),
    # the node does not get as far as we do
    *(Row(f"{cause}, and to us 401", [refused(message)], [NO_ONE], "blocked", f"{cause} no-credentials?", fix=["ssh n1"])
      for cause, message in (("dns", DNS), ("tls-untrusted", UNTRUSTED), ("connection", REFUSED_CONNECTION))),
    Row("dns, and to us 404", [refused(DNS)], [OPEN, NO_TAG], "blocked", "dns image-not-found?", fix=["ssh n1"]),
    *(Row(f"{cause}, and given to us", [refused(message)], [GIVEN], "blocked", cause, fix=["ssh n1"])
      for cause, message in (("dns", DNS), ("tls-untrusted", UNTRUSTED), ("connection", REFUSED_CONNECTION),
                             ("http-https-mismatch", PLAIN_HTTP))),
    Row("too many pulls, and to us 401", [refused(TOO_MANY)], [NO_ONE], "blocked", "rate-limited no-credentials?"),
    Row("too many pulls, and to us hidden", [refused(TOO_MANY)], [TOKENS, HIDDEN], "blocked",
        "rate-limited denied-or-missing?"),
    Row("too many pulls, and given to us", [refused(TOO_MANY)], [GIVEN], "blocked", "rate-limited"),
    # given to us by now
    Row("asked as nobody, given with what is offered by now", [refused(REFUSED, "good")], [by(CREDENTIAL)], "blocked",
        "no-credentials", ["good will be offered at the next try"], never=["--docker-server"], details=with_secrets(GOOD)),
    Row("asked as nobody, given to anybody by now", [refused(REFUSED)], [GIVEN], "blocked", "no-credentials",
        never=["--docker-server"]),
    Row("not found, there by now", [refused(NOT_FOUND)], [GIVEN], "blocked", "image-not-found", never=["team/app:TAG"]),
    Row("back-off, given by now", [refused(BACK_OFF)], [GIVEN], "blocked", "backoff-only"),
    # nodes have credentials of their own, or may have
    Row("a cloud's node is refused as nobody", [refused(REFUSED, image=ECR)], [answer("no-credentials", image=ECR)],
        "blocked", "no-credentials", fix=["--docker-server"]),
    Row("a cloud's node is refused", [refused(UNAUTHORIZED, image=ECR)], [answer("no-credentials", image=ECR)], "blocked",
        "denied-or-missing no-credentials?"),
    Row("a cloud's node does not say why", [refused(BACK_OFF, image=ECR)], [answer("no-credentials", image=ECR)], "blocked",
        "backoff-only no-credentials?"),
    # a Domain whose pod is gone between two tries
    Row("a Domain's status: back-off", [BETWEEN_TRIES], [OPEN, NO_TAG, tags("1.0.1")], "blocked",
        "image-not-found backoff-only", ["did you mean 1.0.1?"], ["kubectl patch domain domain1", "team/app:1.0.1"]),
]  # fmt: skip

# It runs

RUNS = pod(state=RUNNING)
OTHER_DIGESTS = [f"sha256:{letter * 64}" for letter in "bc"]


def runs(digest: str, name: str = "web-1", image: str = IMAGE) -> Object:
    return pod(name, container(image=image), state=RUNNING, digest=digest)


RUNNING_ONES = [
    Row("still there", [RUNS, node("n1", IMAGE)], [GIVEN], "pullable", ""),
    Row("tag lost", [RUNS, node("n1", IMAGE)], [OPEN, NO_TAG, tags("1.0.1")], "pullable", "image-not-found?", ["1.0.1"]),
    Row("repository lost", [RUNS, node("n1", IMAGE)], [OPEN, NO_REPOSITORY], "pullable", "repository-not-found?"),
    Row("nobody gets it any more", [RUNS], [NO_ONE], "pullable", ""),
    Row("password changed since", [pod(secrets=["good"], state=RUNNING)], [by(CREDENTIAL, "bad-credentials")], "pullable",
        "bad-credentials?", ["good (bob)"], details=with_secrets(GOOD)),
    Row("token over since", [pod(secrets=["old"], state=RUNNING)], [by(CREDENTIAL, "bad-credentials")], "pullable",
        "expired-credentials?", ["expired at 2026-03-01T11:00:00Z"], details=with_secrets(OVER)),
    *(Row(f"no answer: {cause}", [RUNS], [reach(cause=cause)], "pullable", "") for cause in ("dns", "timeout", "proxy")),
    Row("no answer to this", [RUNS], [answer("registry-error")], "pullable", ""),
    Row("a container that crashes was pulled", [pod(state=waiting("", "CrashLoopBackOff"))], [OPEN, NO_TAG], "pullable",
        "image-not-found?"),
    # the tag means another image by now
    Row("drift", [runs(OTHER_DIGESTS[0]), node()], [GIVEN], "pullable", "tag-drift.",
        ["sha256:aaaaaaaaaaaa has tag 1.0", "running pods have sha256:bbbbbbbbbbbb"], ""),
    Row("no drift", [runs(DIGEST), node()], [GIVEN], "pullable", ""),
    Row("drift of some", [runs(DIGEST), runs(OTHER_DIGESTS[0], "web-2"), node()], [GIVEN], "pullable", "tag-drift."),
    Row("two drifts", [*(runs(one, f"web-{one[7]}") for one in OTHER_DIGESTS), node()], [GIVEN], "pullable", "tag-drift.",
        ["sha256:bbbbbbbbbbbb and 1 more"]),
    Row("drift, Docker", [runs(OTHER_DIGESTS[0]), node(runtime="docker://20.10.7")], [GIVEN], "pullable", "tag-drift."),
    Row("a runtime that tells another digest", [runs(OTHER_DIGESTS[0]), node(runtime="cri-o://1.35.0")], [GIVEN], "pullable",
        ""),
    Row("a runtime that is not known", [runs(OTHER_DIGESTS[0])], [GIVEN], "pullable", ""),
    Row("the registry tells no digest", [runs(OTHER_DIGESTS[0]), node()], [answer(digest=None)], "pullable", ""),
    Row("an image by digest does not drift",
        [runs(OTHER_DIGESTS[0], image=f"{REGISTRY}/team/app@{OTHER_DIGESTS[0]}"), node()],
        [answer(image=f"{REGISTRY}/team/app@{OTHER_DIGESTS[0]}", digest=DIGEST)], "pullable", ""),
    Row("drift beside a pod that cannot pull", [runs(OTHER_DIGESTS[0]), pod("web-2", state=waiting(DNS)), node()], [GIVEN],
        "blocked", "dns tag-drift.", fix=["ssh n1"]),
    # few pulls left
    *(Row(f"{left} of {total} pulls left", [RUNS], [reach(limit=Limit(left, total, 21600)), GIVEN], "pullable", more, words)
      for left, total, more, words in ((100, 100, "", ()), (11, 100, "", ()), (10, 100, "rate-limited?", ("10 of 100",)),
                                       (0, 100, "rate-limited?", ("0 of 100", "this machine")), (2, None, "", ()),
                                       (1, None, "rate-limited?", ("1",)), (9, 1000, "rate-limited?", ("9 of 1000",)))),
    Row("few pulls of an account", [RUNS], [reach(limit=Limit(3, 200, 21600, "bob")), GIVEN], "pullable", "rate-limited?",
        ["account bob"]),
    Row("few pulls before the first one", [web()], [reach(limit=Limit(0, 100, 21600)), GIVEN], "pullable", "rate-limited?"),
    Row("the kubelet says so already", [refused(TOO_MANY)], [reach(limit=Limit(0, 100, 21600)), GIVEN], "blocked",
        "rate-limited"),
]  # fmt: skip

# All nodes that may run it have it

AMD = {"nodeSelector": {"kubernetes.io/arch": "amd64"}}


def has(kubelet: str, name: str = "n1") -> Object:
    return node(name, IMAGE, kubelet=kubelet)


NOT_GIVEN: list[tuple[str, Object, list[Part], str, Object]] = [
    ("401", web(), [NO_ONE], "no-credentials?", {}),
    ("wrong password", web("good"), [by(CREDENTIAL, "bad-credentials")], "bad-credentials?", with_secrets(GOOD)),
    ("tag lost", web(), [OPEN, NO_TAG], "image-not-found?", {}),
    ("unreachable", web(), [reach(cause="dns")], "dns?", {}),
    ("key mismatch", web("v2"), [NO_ONE], "key-mismatch? no-credentials?", with_secrets(V2)),
]
AT_HAND = [
    *(Row(f"{name}, kubelet {kubelet}", [there, has(kubelet)], said, verdict, more, details=details)
      for kubelet, verdict in ((OLD_NODE, "pullable"), (NEW_NODE, "unknown"))
      for name, there, said, more, details in NOT_GIVEN),
    *(Row(f"given, kubelet {kubelet}", [web(), has(kubelet)], [GIVEN], "pullable", "") for kubelet in (OLD_NODE, NEW_NODE)),
    Row("one node lacks it", [web(), has(OLD_NODE), node("n2", kubelet=OLD_NODE)], [NO_ONE], "blocked", "no-credentials"),
    Row("the node that lacks it may not run it", [web(placement=AMD), has(OLD_NODE), node("n2", platform="arm64")], [NO_ONE],
        "pullable", "no-credentials?"),
    Row("a pod that is bound to the node that has it",
        [pod(state={"waiting": {"reason": "ContainerCreating"}}), has(OLD_NODE), node("n2", kubelet=OLD_NODE)], [NO_ONE],
        "pullable", "no-credentials?"),
    Row("a pod that is bound to the node that lacks it",
        [pod(node="n2", state={"waiting": {"reason": "ContainerCreating"}}), has(OLD_NODE), node("n2", kubelet=OLD_NODE)],
        [NO_ONE], "blocked", "no-credentials"),
    Row("Always asks", [web(policy="Always"), has(OLD_NODE)], [NO_ONE], "blocked", "no-credentials"),
    Row("another tag of it", [web(), node("n1", f"{REGISTRY}/team/app:2.0", kubelet=OLD_NODE)], [NO_ONE], "blocked",
        "no-credentials"),
]  # fmt: skip

# For which platforms it is built

N1, N2 = node("n1"), node("n2", platform="arm64")
ON_ARM = {"nodeSelector": {"kubernetes.io/arch": "arm64"}}
AFFINITY = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}]}}}}  # fmt: skip
INDEX_ARM, SINGLE_ARM = Content(IMAGE, ("linux/arm64",), index=True), Content(IMAGE, ("linux/arm64",), index=False)
INDEX_BOTH = Content(IMAGE, ("linux/arm64", "linux/amd64"), index=True)
STARTS = {"waiting": {"reason": "ContainerCreating"}}

PLATFORMS = [
    Row("for none of the nodes", [web(), N1], [GIVEN, INDEX_ARM], "blocked", "platform-mismatch",
        ["built for linux/arm64", "n1 (linux/amd64)"], ["kubectl get nodes", "team/app:TAG"]),
    Row("for some of the nodes", [web(), N1, N2], [GIVEN, INDEX_ARM], "pullable", "platform-mismatch?",
        ["n1 (linux/amd64)"], ""),
    Row("for all of the nodes", [web(), N1, N2], [GIVEN, INDEX_BOTH], "pullable", ""),
    Row("a single manifest", [web(), N1], [GIVEN, SINGLE_ARM], "pullable", "platform-mismatch?", ["fail to start"], ""),
    Row("a single manifest that fits", [web(), N2], [GIVEN, SINGLE_ARM], "pullable", ""),
    *(Row(f"only fitting nodes may run it: {name}", [there, N1, N2], [GIVEN, INDEX_ARM], "pullable", "")
      for name, there in (("nodeSelector", web(placement=ON_ARM)), ("affinity", web(placement=AFFINITY)),
                          ("nodeName", web(placement={"nodeName": "n2"})), ("bound", pod(node="n2", state=STARTS)),
                          ("a Domain's serverPod", domain(serverPod=ON_ARM)),
                          ("a pod of a file", pod(live=False, node=None, placement=ON_ARM)))),
    Row("only a node that does not fit may run it", [web(placement={"nodeName": "n1"}), N1, N2], [GIVEN, INDEX_ARM],
        "blocked", "platform-mismatch"),
    Row("a pod of a file that only a node may run that does not fit",
        [pod(live=False, node=None, placement={"nodeSelector": {"kubernetes.io/arch": "amd64"}}), N1, N2],
        [GIVEN, INDEX_ARM], "blocked", "platform-mismatch"),
    Row("a pod that is bound to a node that does not fit", [pod(node="n1", state=STARTS), N1, N2], [GIVEN, INDEX_ARM],
        "blocked", "platform-mismatch"),
    Row("what runs was built for it once", [pod(node="n1", state=RUNNING), N1, N2], [GIVEN, INDEX_ARM], "pullable",
        "platform-mismatch?"),
    Row("the kubelet says so", [refused(NO_PLATFORM), N1], [GIVEN, INDEX_ARM], "blocked", "platform-mismatch",
        ["built for linux/arm64", "n1 (linux/amd64)"], ["kubectl get nodes"]),
    Row("the kubelet fails for another reason", [refused(DNS), N1], [GIVEN, INDEX_ARM], "blocked", "dns platform-mismatch?",
        fix=["ssh n1"]),
    Row("platforms that nobody told", [web(), N1], [GIVEN, Content(IMAGE, (), index=True)], "pullable", ""),
    Row("nodes that do not tell", [web(), node(platform="")], [GIVEN, INDEX_ARM], "pullable", ""),
    Row("no nodes were read", [web()], [GIVEN, INDEX_ARM], "pullable", ""),
    Row("many nodes", [web(), *(node(f"m{number}") for number in range(7))], [GIVEN, INDEX_ARM], "blocked",
        "platform-mismatch", ["m4 (linux/amd64) and 2 more"]),
]  # fmt: skip

# What would be: --image and --with-secret

ASKED = asked_about()
BOTH = Credentials()
OURS, NEW = secret("old", vault=BOTH, password="one"), secret("new", vault=BOTH, password="two")
WHAT_IF: Object = {"what_if": ("new",)}
NO_OBJECT = ("patch image", "image/", "Image", "edit image")

IMAGINED = [
    Row("--image: given", [ASKED], [GIVEN], "pullable", ""),
    Row("--image: 401", [ASKED], [NO_ONE], "blocked", "no-credentials", ["no pull secret"],
        ["--docker-server", "serviceaccount", "regcred"], NO_OBJECT),
    Row("--image: another secret would do", [ASKED], [NO_ONE], "blocked", "no-credentials", fix=["serviceaccount", "good"],
        never=[*NO_OBJECT, "--docker-server"], details=with_secrets(GOOD)),
    Row("--image: what the account lists", [ASKED, account(secrets=["good"])], [by(CREDENTIAL)], "pullable", "",
        details=with_secrets(GOOD)),
    Row("--image: what the account lists is wrong", [ASKED, account(secrets=["good"])], [by(CREDENTIAL, "bad-credentials")],
        "blocked", "bad-credentials", ["good (bob)"], ["good"], NO_OBJECT, with_secrets(GOOD)),
    Row("--secret: given", [asked_about(IMAGE, "good"), account(secrets=["x"])], [by(CREDENTIAL)], "pullable", "",
        details=with_secrets(GOOD)),
    Row("--secret: wrong", [asked_about(IMAGE, "good")], [by(CREDENTIAL, "bad-credentials")], "blocked", "bad-credentials",
        fix=["good", "--docker-server"], never=NO_OBJECT, details=with_secrets(GOOD)),
    Row("--secret: missing", [asked_about(IMAGE, "gone")], [NO_ONE], "blocked", "secret-missing no-credentials",
        fix=[" gone ", "--docker-server"], never=NO_OBJECT, details={"missing": ["gone"]}),
    Row("--secret: of no use, and the account's would be",
        [asked_about(IMAGE, "other"), account(secrets=["good"])], [NO_ONE], "blocked",
        "service-account-shadowed no-credentials", never=NO_OBJECT, details=with_secrets(GOOD, ELSEWHERE)),
    Row("--secret: key mismatch", [asked_about(IMAGE, "v2")], [NO_ONE], "blocked", "key-mismatch no-credentials",
        fix=[" v2 ", "--docker-server"], never=NO_OBJECT, details=with_secrets(V2)),
    Row("--serviceaccount", [asked_about(account="robot"), account("robot", ["good"])], [by(CREDENTIAL)], "pullable", "",
        details=with_secrets(GOOD)),
    Row("--image: tag missing", [ASKED], [OPEN, NO_TAG, tags("1.0.1")], "blocked", "image-not-found",
        ["did you mean 1.0.1?"], ""),
    Row("--image: repository missing", [ASKED], [OPEN, NO_REPOSITORY], "blocked", "repository-not-found", fix=""),
    Row("--image: unreachable", [ASKED], [reach(cause="dns")], "unknown", "dns?", fix=""),
    Row("--image: account not read", [ASKED], [NO_ONE], "unknown", "no-credentials?",
        details={"no_accounts": True, "not_checked": (NO_ACCOUNTS,)}),
    Row("--image: for none of the nodes", [ASKED, N1], [GIVEN, INDEX_ARM], "blocked", "platform-mismatch",
        never=NO_OBJECT),
    Row("--image: no name", [asked_about("Bad/Name:1")], [], "blocked", "invalid-name", fix=""),
    # what if
    Row("--with-secret: it helps", [refused(UNAUTHORIZED, "old")], [by(CREDENTIAL, "bad-credentials"), by(SECOND)],
        "pullable", "", details=with_secrets(OURS, NEW, **WHAT_IF)),
    Row("--with-secret: it is as wrong", [refused(UNAUTHORIZED, "old")],
        [by(CREDENTIAL, "bad-credentials"), by(SECOND, "bad-credentials")], "blocked", "bad-credentials",
        details=with_secrets(OURS, NEW, **WHAT_IF)),
    Row("--with-secret: it shows that the tag is missing", [refused(UNAUTHORIZED, "old")],
        [by(CREDENTIAL, "bad-credentials"), by(SECOND, "image-not-found")], "blocked", "image-not-found",
        details=with_secrets(OURS, NEW, **WHAT_IF)),
    Row("--with-secret: it is missing", [refused(UNAUTHORIZED, "old")], [by(CREDENTIAL, "bad-credentials")], "blocked",
        "bad-credentials secret-missing?", details=with_secrets(OURS, missing=["new"], **WHAT_IF)),
    Row("--with-secret: its key never matches", [refused(REFUSED)], [NO_ONE], "blocked", "key-mismatch no-credentials",
        fix=[" new "], details=with_secrets(secret("new", f"https://{REGISTRY}/v2"), **WHAT_IF)),
    Row("--with-secret: of a Domain", [
        domain(domainUID="u", secrets=["old"]),
        pod("u-admin", labels=server_labels("u"), secrets=["old"], state=waiting(UNAUTHORIZED)),
    ], [by(CREDENTIAL, "bad-credentials"), by(SECOND)], "pullable", "", details=with_secrets(OURS, NEW, **WHAT_IF)),
    Row("--with-secret and --image", [ASKED], [by(SECOND)], "pullable", "", details=with_secrets(NEW, **WHAT_IF)),
    Row("--with-secret of saved answers that do not speak of it", [refused(UNAUTHORIZED, "old")],
        [by(CREDENTIAL, "bad-credentials")], "unknown", "", details=with_secrets(OURS, NEW, **WHAT_IF)),
]  # fmt: skip

ROWS = [*UNTRIED, *FAILING, *RUNNING_ONES, *AT_HAND, *PLATFORMS, *IMAGINED]
EACH = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@EACH
def test_what_is_told(row: Row) -> None:
    one = first(diagnose(row.evidence))
    assert (one.verdict, told(one)) == (row.verdict, row.told)


@EACH
def test_words_and_commands(row: Row) -> None:
    one = first(diagnose(row.evidence))
    primary = one.findings[0] if one.findings else None
    for word in row.words:
        assert primary is not None
        assert word in primary.summary
    offered = "\n".join(primary.fix) if primary else ""
    assert row.fix != "" or not offered
    for word in row.fix or ():
        assert word in offered
    for word in row.never:
        assert word not in commands(one)


@EACH
def test_what_holds_for_all(row: Row) -> None:
    """An error blocks and nothing else does; no cause is told twice; of several errors one brings its remedy; nothing that
    was asked is said not to have been."""
    one = first(diagnose(row.evidence))
    errors = [finding for finding in one.findings if finding.severity == "error"]
    assert (one.verdict == "blocked") == bool(errors)
    assert [*errors, *(finding for finding in one.findings if finding not in errors)] == list(one.findings)
    assert len(set(causes(one))) == len(one.findings)
    assert sum(bool(finding.fix) for finding in errors) <= 1
    assert "None" not in summaries(one) + notes(one)
    asked = one.view is not None and one.view.reach.answers and bool(one.view.attempts)
    assert not asked or "could not be asked" not in summaries(one) or (one.view and one.view.manifest == "unknown")


@EACH
def test_saved_and_read_back(row: Row) -> None:
    """The same report, to the last word; and one that its schema describes."""
    seen = row.evidence
    again = from_document(json.loads(to_json(seen)))
    assert again == seen
    whole = document.document(diagnose(again))
    assert whole == document.document(diagnose(seen))
    jsonschema.validate(json.loads(json.dumps(whole)), SCHEMA)


@EACH
def test_the_kubelets_refusal_blocks_whatever_a_registry_says(row: Row) -> None:
    one = first(diagnose(row.evidence))
    assert not one.said or one.verdict == "blocked"


@pytest.mark.parametrize("row", [row for row in UNTRIED if row.verdict == "unknown"], ids=lambda row: row.name)
def test_what_is_not_known_of_a_live_pod_is_not_blocked_either(row: Row) -> None:
    """The same while its containers are made."""
    template = row.there[0]["spec"]["template"]["spec"]
    names = [one["name"] for one in template.get("imagePullSecrets", ())]
    if not names and row.details.get("no_accounts"):
        return  # a live pod's list is known
    live = pod("web-1", *template["containers"], secrets=names, state=STARTS)
    one = first(diagnose(replace(row, there=[live, *row.there[1:]]).evidence))
    assert (one.verdict, told(one)) == (row.verdict, row.told)


# Evidence and words beside the causes


def test_one_finding_of_two_has_both_evidences() -> None:
    one = explained(refused(REFUSED), said=[NO_ONE])
    assert one.findings[0].evidence == (REFUSED, f"seen from this machine: {NO_ONE.detail}")
    one = explained(refused(DNS), said=[reach(cause="dns")])
    assert one.findings[0].evidence == (DNS, f"seen from this machine: {REGISTRY}: dns seen here")
    assert one.findings[0].containers == ("web-1/main",)


@pytest.mark.parametrize("row", [row for row in UNTRIED if row.verdict == "blocked" and row.said], ids=lambda row: row.name)
def test_from_where_it_was_seen(row: Row) -> None:
    """Each finding of a registry says that it was seen from here."""
    one = first(diagnose(row.evidence))
    for finding in one.findings:
        if finding.severity == "error" and not finding.cause.startswith(("secret-", "key-", "service-account-")):
            assert any(line.startswith("seen from this machine: ") for line in finding.evidence), finding.cause


@pytest.mark.parametrize(
    ("there", "said", "details", "words"),
    [
        (refused(DNS), GIVEN, {}, "gives the image to anybody"),
        (refused(REFUSED, "good"), by(CREDENTIAL), with_secrets(GOOD), "gives the image with the credential of good"),
        (refused(REFUSED, "empty"), GIVEN, with_secrets(EMPTY), "gives the image to anybody"),
        # the registry asked for no credential, or would not have had this one: whoever asks gets it
        (refused(REFUSED, "good"), by(CREDENTIAL, proven=False), with_secrets(GOOD), "gives the image to anybody"),
        (refused(UNTRUSTED), GIVEN, {}, "the node's next try may get it, or the node goes another way (mirror, proxy, DNS)"),
    ],
)
def test_the_registry_gives_us_what_it_does_not_give_the_node(
    there: Object, said: Answer, details: Object, words: str
) -> None:
    one = explained(there, said=[said], **details)
    assert one.verdict == "blocked"
    assert f"seen from this machine, {REGISTRY}" in notes(one)
    assert words in notes(one)


def test_no_such_word_where_it_is_not_given() -> None:
    for said in (NO_ONE, NO_TAG, answer("registry-error"), reach(cause="dns")):
        assert "gives the image" not in notes(explained(refused(DNS), said=[said]))
    assert "gives the image" not in notes(explained(RUNS, said=[GIVEN]))
    assert "gives the image" not in notes(explained(refused(NO_PLATFORM), N1, said=[GIVEN, INDEX_ARM]))


def test_a_node_that_asks_in_tls_what_speaks_plain_http() -> None:
    one = explained(refused(PLAIN_HTTP), said=[reach(**{**PLAIN, "vouched": True}), GIVEN])
    assert f"seen from this machine, {REGISTRY} speaks plain HTTP" in notes(one)
    assert "next try may get it" not in notes(one)


@pytest.mark.parametrize(
    ("cause", "option"),
    [("tls-untrusted", "--registry-ca FILE"), ("http-https-mismatch", f"--plain-http {REGISTRY}"), ("dns", "")],
)
def test_what_would_let_this_machine_ask(cause: str, option: str) -> None:
    one = explained(web(), said=[reach(cause=cause)])
    assert "nodes may reach it all the same" in notes(one)
    assert option in notes(one)
    assert ("--" in notes(one)) == bool(option)


def test_plain_http_is_not_proposed_where_it_was_the_fault() -> None:
    """It speaks TLS, and --plain-http was given."""
    told_so = f"{REGISTRY} speaks TLS, and was asked without"
    one = explained(web(), said=[reach(cause="http-https-mismatch", url=f"http://{REGISTRY}", detail=told_so)])
    assert (one.verdict, told(one)) == ("unknown", "http-https-mismatch?")
    assert "to ask it in plain HTTP" not in notes(one)


def test_what_would_settle_denied_or_missing() -> None:
    one = explained(web("good"), said=[TOKENS, by(CREDENTIAL, "denied-or-missing")], **with_secrets(GOOD))
    assert "an account that may pull it, or the owner of the repository, would tell" in notes(one)


def test_denied_or_missing_reads_as_a_sentence() -> None:
    """Not "credentials of team/app"."""
    one = explained(web(), said=[TOKENS, HIDDEN])
    assert "credentials of team/app" not in one.findings[0].summary


@pytest.mark.parametrize(
    ("secrets", "image", "words"),
    [
        ((), IMAGE, "nothing of team/app to those without credentials, and none is offered (the pod lists no pull secret)"),
        ((ELSEWHERE,), IMAGE, "none is offered (the pod lists other)"),
        ((EMPTY,), IMAGE, "to those without credentials"),
        ((GOOD,), IMAGE, "shows nothing of team/app to good (bob): pull access denied"),
        ((A, B), IMAGE, "to a (bob), b (eve): "),
        ((), ECR, "not allowed, or not there"),  # its nodes may have credentials of their own
    ],
)
def test_whom_the_node_was_refused_for(secrets: Sequence[SecretFacts], image: str, words: str) -> None:
    one = explained(refused(DENIED, *(facts.name for facts in secrets), image=image), said=[], secrets=secrets)
    assert words in {finding.cause: finding.summary for finding in one.findings}["denied-or-missing"]


def test_whom_the_node_was_refused_for_is_not_guessed() -> None:
    one = explained(refused(DENIED, "x"), said=[], not_checked=(NO_SECRETS,))
    assert "without credentials" not in summaries(one)


@pytest.mark.parametrize("said", [[], [NO_ONE]])
@pytest.mark.parametrize("message", [UNAUTHORIZED, DENIED])
def test_what_the_pod_s_secrets_are_for_instead(message: str, said: Sequence[Answer]) -> None:
    """The port, say, is another one: nobody sees that by the secret's name."""
    facts = [secret("other", f"{REGISTRY}:5001", vault=Credentials())]
    one = explained(refused(message, "other"), said=said, secrets=facts)
    assert f'other: the key "{REGISTRY}:5001" ' in notes(one)
    many = [secret("other", config=json.dumps({"auths": {f"{n}.example.com": {"auth": "YTpi"} for n in range(9)}}))]
    one = explained(refused(message, "other"), said=said, secrets=many)
    assert notes(one).count("the key") == 3
    assert "and 6 more" in notes(one)


def test_what_another_secret_is_for_is_not_told_where_one_is_offered() -> None:
    one = explained(refused(UNAUTHORIZED, "good", "other"), said=[], secrets=[GOOD, ELSEWHERE])
    assert "elsewhere.example.com" not in notes(one)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (tags(total=12), "12 other tags"),
        (tags(total=5000, complete=False), "5000 or more other tags"),
        (tags("1.0.1"), ""),
    ],
)
def test_how_many_tags_there_are_where_none_is_alike(found: Tags, words: str) -> None:
    one = explained(web(), said=[OPEN, NO_TAG, found])
    assert words in notes(one)
    assert ("other tags" in notes(one)) == bool(words)


def test_a_repository_without_any_tag() -> None:
    assert "0 other tags" not in notes(explained(web(), said=[OPEN, NO_TAG, tags(total=0)]))


def test_a_token_that_is_not_over_is_not_said_to_be() -> None:
    """The registry says that it has expired; the token itself ends an hour from now."""
    one = explained(web("old"), said=[by(CREDENTIAL, "expired-credentials")], **with_secrets(VALID))
    assert (one.verdict, causes(one)) == ("blocked", ["expired-credentials"])
    assert "which expired at 2026-03-01T13:00:00Z" not in one.findings[0].summary


@pytest.mark.parametrize("said", [NO_ONE, HIDDEN])
def test_what_was_not_read_is_not_called_absent(said: Answer) -> None:
    """Whether a secret that could not be read would be offered is not known."""
    one = explained(web("x"), said=[said], not_checked=(NO_SECRETS,))
    assert "none is offered" not in summaries(one)
    one = explained(web(), said=[said], not_checked=(NO_ACCOUNTS,), no_accounts=True)
    assert "none is offered" not in summaries(one)
    assert "no pull secret" not in summaries(one)


def test_a_copy_on_the_nodes_is_spoken_of() -> None:
    one = explained(web(), has(NEW_NODE), said=[NO_ONE])
    assert "all nodes that may run it list the image" in notes(one)
    assert "list the image" not in notes(explained(web(), node(), said=[NO_ONE]))


@pytest.mark.parametrize("cause", ["", "denied-or-missing", "forbidden", "image-not-found"])
def test_a_credential_that_the_registry_knows_is_not_called_wrong(cause: str) -> None:
    """A bare 401 says only that the registry wants to know who asks. Where it knows this credential by now, nobody is told
    to replace it."""
    said = by(CREDENTIAL, cause, proven=True)
    one = explained(refused(UNAUTHORIZED, "good"), said=[TOKENS, said], **with_secrets(GOOD))
    assert one.verdict == "blocked"
    assert "refuses the credentials of good" not in summaries(one)
    assert "--docker-server" not in commands(one)


def test_words_that_nobody_knows_stay_verbatim() -> None:
    one = explained(refused("the moon is in the wrong house"), said=[NO_ONE])
    assert one.verdict == "blocked"
    assert sorted(causes(one)) == ["no-credentials", "unknown"]
    assert ("the moon is in the wrong house",) in [finding.evidence for finding in one.findings]


def test_two_pulls_of_one_image_have_each_their_own_answer() -> None:
    seen = evidence(web("good"), workload("Deployment", "other"), secrets=[GOOD], registries=answers(by(CREDENTIAL), NO_ONE))
    found = {one.pull.asker.name: (one.verdict, told(one)) for one in diagnose(seen).pulls}
    assert found == {"web": ("pullable", ""), "other": ("blocked", "no-credentials")}


def test_what_if_says_so_and_leaves_todays_refusal_out() -> None:
    row = next(row for row in IMAGINED if row.name == "--with-secret: it helps")
    found = diagnose(row.evidence)
    assert found.notes == (
        "this is what would be if secret new were used, too; what kubelets say of today's pods is left out",
    )
    assert first(found).said == ()
    assert first(found).pull.secrets == ("old", "new")


def test_an_image_that_is_only_asked_about_stands_nowhere() -> None:
    found = diagnose(evidence(ASKED, registries=answers(GIVEN)))
    assert [(one.ref, one.namespace) for one in found.targets] == [(f"image/{IMAGE}", "default")]
    assert first(found).pull.containers == ()
    assert found.notes == ()


def test_a_scan_shows_only_what_waits() -> None:
    """A registry that refuses what nobody waits for is no matter of a scan."""
    waits = pod("p", state=waiting(NOT_FOUND))
    fine = pod("q", container(image=f"{REGISTRY}/fine:1"), state=RUNNING)
    said = answers(OPEN, NO_TAG, answer("image-not-found", image=f"{REGISTRY}/fine:1"))
    found = diagnose(evidence(waits, fine, waiting_only=True, targets=[], registries=said))
    assert [one.pull.image for one in found.pulls] == [IMAGE]
