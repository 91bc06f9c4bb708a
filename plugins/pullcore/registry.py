"""Asks one registry about manifests, the way a container runtime does, and tells what came of each attempt.

HEAD of the manifest; as nobody only where no credential is offered. After a 403 or a 404 one GET, for HEAD has no body to
hold the registry's code; after a 404 the list of tags, which tells a missing tag from a missing repository.

Sources: the OCI distribution spec ("Pulling manifests", "Error Codes", "Content Discovery"); containerd's
core/remotes/docker/resolver.go. What differs: credentials are sent at once where the registry has asked for them before,
and as a password to token services (GET), never as a form.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional
from urllib.parse import urljoin, urlsplit

from pullcore.answers import (
    ABSENT,
    ACCEPTED,
    DENIED,
    ERROR,
    INDEXES,
    MANIFESTS,
    PRESENT,
    REFUSED,
    UNKNOWN,
    Answer,
    Content,
    Limit,
    Reach,
    Tags,
)
from pullcore.challenge import Challenge, choose, parse
from pullcore.errors import one_line
from pullcore.nearest import nearest
from pullcore.pull_errors import classify
from pullcore.reference import DOCKER_HUB, Reference
from pullcore.signin import Refused, SignIn, parsed
from pullcore.wire import Reply, Wire, WireError

HUB = "registry-1.docker.io"
ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
MANIFEST_SIZE = 4 * 1024 * 1024  # the spec's "Pushing Manifests": more than registries have to take
PAGES, PAGE = 10, 1000  # of tags
PAGE_SIZE = 1024 * 1024
TAGS_TIME = 5.0  # seconds for all of them
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
GIVES_UP_AFTER = 3  # failures in a row: then the registry is not asked any more in this run
ABSENT_CODES = {"NAME_UNKNOWN": "repository-not-found", "MANIFEST_UNKNOWN": "image-not-found"}
DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-f0-9]{32,128}")


@dataclass(frozen=True)
class _Head:
    """An answer to HEAD, what was sent to get it, and whether the token in that says that it lets one pull."""

    reply: Reply
    authorization: str = field(default="", repr=False)
    granted: Optional[bool] = None


def host_of(registry: str) -> str:
    """Where a registry's API is: Docker Hub's is not at the name that images carry."""
    return HUB if registry == DOCKER_HUB else registry


class Registry:
    """One registry in one run; safe to use from several threads once `reach` is done. actions: what tokens are asked for, of
    the repository in question (distribution, docs/spec/auth/scope.md); besides: scopes that they are asked for, too."""

    def __init__(self, name: str, wire: Wire, signs: SignIn, *, actions: str = "pull", besides: Sequence[str] = ()) -> None:
        self.name = name
        self._actions, self._besides = actions, tuple(besides)
        self.wire = wire
        self.signs = signs
        self.found = Reach(name, f"https://{host_of(name)}")
        self._challenge: Optional[Challenge] = None
        self._base_is_open = True  # /v2/ lets anybody in, so that it proves no password
        self._lock = threading.Lock()
        self._failures = 0
        self._stopped: Optional[Refused] = None

    @property
    def url(self) -> str:
        return self.found.url

    # Is it there

    def reach(self) -> Reach:
        """Whether and how the registry answers; to be called once, before anything else."""
        host = host_of(self.name)
        scheme = "http" if self.wire.access.plain(host) else "https"
        self.found = replace(self.found, url=f"{scheme}://{host}", proxy=self.wire.proxy(f"{scheme}://{host}"))
        try:
            try:
                reply = self.wire.send("GET", f"{self.url}/v2/")
            except WireError as error:
                if error.cause != "http-https-mismatch" or scheme == "http":
                    raise
                reply = self._plainly(error)
        except WireError as error:
            self.found = replace(self.found, cause=error.cause, detail=str(error), certificate=error.certificate)
            return self.found
        self.found = self._answered(reply)
        return self.found

    def _plainly(self, error: WireError) -> Reply:
        """Plain HTTP, where that stays on this machine (Docker's rule for 127.0.0.0/8); else the error."""
        try:
            reply = self.wire.send("GET", f"http://{host_of(self.name)}/v2/")
        except WireError:
            raise error from None
        self.found = replace(self.found, url=f"http://{host_of(self.name)}", vouched=False, verified=False)
        return reply

    def _answered(self, reply: Reply) -> Reach:
        netloc = urlsplit(self.url).netloc
        found = replace(
            self.found,
            milliseconds=reply.milliseconds,
            certificate=self.wire.certificate(netloc),
            verified=self.url.startswith("https:") and not self.wire.access.unverified(netloc),
        )
        if reply.status == 400 and b"HTTPS" in reply.body[:2000]:
            return replace(found, cause="http-https-mismatch", detail=f"{netloc} speaks TLS, and was asked without")
        if reply.status in (407, 429) or reply.status >= 500:
            refusal = self.signs.refusal(reply, "registry-error")
            return replace(found, cause=refusal.cause, detail=str(refusal))
        if reply.status != 401 or reply.redirected:
            return found
        challenges = parse(reply.challenges)
        self._challenge, self._base_is_open = choose(challenges), False
        if self._challenge is None:
            named = [one_line(self.wire.clean(one.scheme), 30) for one in challenges[:3]]
            schemes = ", ".join(named) or "nothing that it names"
            detail = f"{netloc} wants one to sign in by {schemes}, which no container runtime does"
            return replace(found, signs_in=schemes, cause="registry-error", detail=detail)
        return replace(found, signs_in=self._challenge.scheme, token_service=self._token_service(self._challenge))

    def _token_service(self, challenge: Challenge) -> Optional[str]:
        """The host that it sends for tokens, if that is another one. What is no address is found out when it is asked."""
        realm = re.match(r"https?://(?:[^/@]*@)?([^/?#]+)", challenge.get("realm")) if challenge.scheme == "bearer" else None
        host = realm[1] if realm else ""
        return one_line(self.wire.clean(host), 120) if host and host != urlsplit(self.url).netloc else None

    def sign_in(self, credential: str) -> bool:
        """Whether a credential is good; False where the registry asks for none, or only once something is asked for. To be
        called after `reach`. Raises Refused, WireError."""
        if self._challenge is None:
            return False
        self.signs.prove(self.url, self._challenge, credential)
        return self.signs.is_proven(self.url, self._challenge, credential)

    # What does it say of a manifest

    def ask(self, reference: Reference, credentials: Sequence[Optional[str]], known: dict[Optional[str], Answer]) -> None:
        """Asks with each credential (its label, None for nobody) in turn until one gets the manifest, as the kubelet does.
        What is in `known` is not asked again; what was answered is put there."""
        for credential in credentials:
            if credential not in known:
                known[credential] = self._attempt(reference, credential)
            if known[credential].state == PRESENT:
                return

    def _attempt(self, reference: Reference, credential: Optional[str]) -> Answer:
        if self._stopped:
            return self._refused(reference, credential, self._stopped)
        try:
            answer = self._tried(reference, credential)
        except Refused as error:
            answer = self._refused(reference, credential, error)
        except WireError as error:
            cause, detail = error.cause, self.signs.vault.without(str(error))
            answer = Answer(str(reference), credential, UNKNOWN, ERROR, None, None, cause, detail)
        self._count(answer)
        return answer

    def _count(self, answer: Answer) -> None:
        """Stops asking a registry that counts requests against us, or does nothing but fail."""
        with self._lock:
            self._failures = self._failures + 1 if answer.result == ERROR else 0
            if answer.cause == "rate-limited" or self._failures >= GIVES_UP_AFTER:
                self._stopped = self._stopped or Refused(answer.cause, answer.detail, answer.status, answer.code)

    def _refused(self, reference: Reference, credential: Optional[str], error: Refused) -> Answer:
        no_answer = error.cause in ("rate-limited", "registry-error", "proxy") or error.status is None
        state, result = (UNKNOWN, ERROR) if no_answer else (DENIED, REFUSED)
        return Answer(str(reference), credential, state, result, error.status, error.code, error.cause, str(error))

    def _tried(self, reference: Reference, credential: Optional[str]) -> Answer:
        needless = ""
        try:
            head = self._head(reference, credential)
        except Refused as error:
            # A runtime signs in only where it is asked to: where anybody may pull, a wrong credential does no harm.
            bare = self._send("HEAD", _manifest_path(reference), "") if error.status in (401, 403) else None
            if bare is None or bare.status in (401, 403):
                raise
            head = _Head(bare)
            needless = f"anybody may pull it, so that the credential does no harm, which is refused: {error}"
        reply = head.reply
        self._note_limit(reply, credential)
        proven = self._challenge is not None and self.signs.is_proven(self.url, self._challenge, credential)
        if reply.status == 200:
            return replace(self._present(reference, credential, reply), detail=needless, proven=proven)
        if reply.redirected and reply.status in (401, 403):
            there = urlsplit(reply.url).netloc
            raise Refused("registry-error", f"sends on to {there}, which wants credentials; none are sent there", None)
        return self._not_given(reference, credential, head, proven=proven)

    def _present(self, reference: Reference, credential: Optional[str], reply: Reply) -> Answer:
        media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in (*MANIFESTS, *INDEXES):
            media_type = one_line(self.wire.clean(media_type), 100)
        if media_type.startswith("text/") or media_type == "application/xhtml+xml":
            host = urlsplit(reply.url).netloc
            raise Refused("registry-error", f"{host} answers with a page ({media_type}), not like a registry", None)
        given = reply.headers.get("docker-content-digest", "")
        digest = given if DIGEST.fullmatch(given) else None
        return Answer(str(reference), credential, PRESENT, ACCEPTED, 200, digest=digest, media_type=media_type)

    def _not_given(self, reference: Reference, credential: Optional[str], head: _Head, *, proven: bool) -> Answer:
        reply = head.reply
        if reply.status in (403, 404):  # HEAD has no body
            with contextlib.suppress(WireError):  # what HEAD said stands all the same
                told = self._send("GET", _manifest_path(reference), head.authorization)
                reply = told if told.status == reply.status else reply
        told_by = self.signs.said(reply)
        code = told_by.shown or self._challenged_error(head.reply)
        if reply.status == 404:
            cause = ABSENT_CODES.get(told_by.code or "", "image-not-found")
            detail = f"{urlsplit(reply.url).netloc}: {self.signs.words(reply)}"
            return Answer(str(reference), credential, ABSENT, ACCEPTED, 404, code, cause, detail, proven=proven)
        error = self.signs.refusal(reply, self._usual(credential, reply, proven=proven))
        answer = self._refused(reference, credential, error)
        grants_none = f" (its token service grants no pull of {reference.repository})" if head.granted is False else ""
        return replace(answer, code=code, detail=answer.detail + grants_none, proven=proven)

    def _challenged_error(self, reply: Reply) -> Optional[str]:
        """`insufficient_scope`, `invalid_token`: RFC 6750 section 3.1."""
        challenge = choose(parse(reply.challenges))
        return one_line(self.wire.clean(challenge.get("error")), 60) or None if challenge else None

    def _usual(self, credential: Optional[str], reply: Reply, *, proven: bool) -> str:
        """The cause of a 401 or 403 whose words prove none. Who asks as nobody, and is asked for user and password, lacks
        just these; where tokens are used, a registry says the same of what is hidden and of what is not there."""
        words = classify(self.signs.said(reply).text).cause
        basic = self._challenge is None or self._challenge.scheme == "basic"
        if credential is None and ((basic and reply.status == 401) or words == "no-credentials"):
            return "no-credentials"
        return "forbidden" if proven and reply.status == 403 and words != "denied-or-missing" else "denied-or-missing"

    def _head(self, reference: Reference, credential: Optional[str]) -> _Head:
        """The answer to HEAD, with whatever the registry asks for on the way. Raises Refused, WireError."""
        path, first = _manifest_path(reference), self._challenge
        authorization, granted = self._authorization(reference, credential)
        if authorization.startswith("Basic") and credential and self._challenge:
            reply = self.signs.using(self.url, self._challenge, credential, lambda: self._send("HEAD", path, authorization))
        else:
            reply = self._send("HEAD", path, authorization)
        head = _Head(reply, authorization, granted)
        challenge = choose(parse(reply.challenges)) if reply.status == 401 and not reply.redirected else None
        if challenge is None or (challenge.scheme == "basic" and (authorization or credential is None)):
            return head
        if first is None:  # asked for only here
            with self._lock:
                self._challenge = self._challenge or challenge
                service = self._token_service(self._challenge)
                self.found = replace(self.found, signs_in=self._challenge.scheme, token_service=service)
            return self._head(reference, credential)
        if authorization and challenge.get("realm") == first.get("realm") and not self._asks_more(reference, challenge):
            return head
        # It asks for more than it did at first, perhaps elsewhere: once more, with that.
        service = self._token_service(challenge)
        if service and service not in (self.found.token_service or ""):
            with self._lock:
                services = ", ".join(filter(None, (self.found.token_service, service)))
                self.found = replace(self.found, token_service=services)
        token = self.signs.token(challenge, self._scopes(reference, challenge), reference.repository, credential)
        authorization = f"Bearer {token.value}"
        return _Head(self._send("HEAD", path, authorization), authorization, token.granted)

    def _authorization(self, reference: Reference, credential: Optional[str]) -> tuple[str, Optional[bool]]:
        """The header for a manifest, as far as it is known that the registry wants one. Raises Refused, WireError."""
        challenge = self._challenge
        if challenge is None:
            return "", None
        if credential and not (challenge.scheme == "basic" and self._base_is_open):
            self.signs.prove(self.url, challenge, credential)
        if challenge.scheme == "basic":
            return (f"Basic {self.signs.vault.basic(credential)}" if credential else ""), None
        token = self.signs.token(challenge, self._scopes(reference), reference.repository, credential)
        return f"Bearer {token.value}", token.granted

    def _asks_more(self, reference: Reference, challenge: Challenge) -> bool:
        return self._scopes(reference, challenge) != self._scopes(reference)

    def header(self, reference: Reference, credential: Optional[str], refused: Optional[Reply] = None) -> str:
        """The Authorization for other requests than those made here; refused: the 401 that the last one got, for another
        one. Empty where none is asked for. To be called after `reach`. Raises Refused, WireError."""
        if refused is None:
            return self._authorization(reference, credential)[0]
        challenge = choose(parse(refused.challenges))
        if challenge is None:
            return ""
        if challenge.scheme == "basic":
            return f"Basic {self.signs.vault.basic(credential)}" if credential else ""
        scopes = self._scopes(reference, challenge)
        return f"Bearer {self.signs.token(challenge, scopes, reference.repository, credential, fresh=True).value}"

    def _as_before(self, reference: Reference, credential: Optional[str]) -> str:
        """The header that goes with an answer; nobody's, where the credential was refused and did no harm."""
        try:
            return self._authorization(reference, credential)[0]
        except Refused:
            return ""

    def _scopes(self, reference: Reference, challenge: Optional[Challenge] = None) -> list[str]:
        """Ours, and what a registry asks for besides; of repositories only what we ask for ourselves."""
        asked = challenge.get("scope").split()[:5] if challenge else []
        more = [one for one in asked if not one.startswith("repository:") and re.fullmatch(r"[!-~]{1,200}", one)]
        return [f"repository:{reference.repository}:{self._actions}", *self._besides, *more]

    def _send(self, method: str, path: str, authorization: str, limit: int = 64 * 1024) -> Reply:
        return self.wire.send(method, f"{self.url}{path}", authorization=authorization, accept=ACCEPT, limit=limit)

    # How many more

    def _note_limit(self, reply: Reply, credential: Optional[str]) -> None:
        remaining, window = _count(reply.headers.get("ratelimit-remaining"))
        if remaining is None:
            return
        total, seconds = _count(reply.headers.get("ratelimit-limit"))
        account = self.signs.vault.pair(credential)[0] if credential else None
        limit = Limit(remaining, total, window or seconds, account and one_line(account, 100))
        with self._lock:
            if self.found.limit is None or remaining < self.found.limit.remaining:
                self.found = replace(self.found, limit=limit)

    # What else is there

    def tags(self, reference: Reference, credential: Optional[str]) -> Tags:
        """The tags nearest to the one that is missing; what can't be read leaves open whether the repository exists."""
        own = f"/v2/{reference.repository}/tags/list"
        path: Optional[str] = f"{own}?n={PAGE}"
        there: set[str] = set()
        found = Tags(reference.name, reference.tag, None, complete=False)
        until = time.monotonic() + TAGS_TIME
        for _ in range(PAGES):
            if path is None or time.monotonic() > until:
                break
            try:
                reply = self._send("GET", path, self._as_before(reference, credential), PAGE_SIZE)
            except WireError:
                break
            if reply.status == 404 and not found.exists and self.signs.said(reply).code == "NAME_UNKNOWN":
                return replace(found, exists=False, complete=True)
            document = parsed(reply) if reply.status == 200 and not reply.redirected else {}
            if "tags" not in document:
                break
            names = document["tags"] if isinstance(document["tags"], list) else []  # null: all were deleted
            there.update(name for name in names if isinstance(name, str) and self._is_tag(name))
            path = _next_page(reply, f"{self.url}{path}", own)
            found = replace(found, exists=True, total=len(there), complete=path is None)
        return replace(found, nearest=nearest(reference.tag, there) if reference.tag else ())

    def _is_tag(self, name: str) -> bool:
        return bool(TAG.fullmatch(name)) and self.wire.clean(name) == name

    def content(self, reference: Reference, credential: Optional[str]) -> Optional[Content]:
        """The platforms of a manifest that is there; None where that can't be found out."""
        try:
            authorization = self._as_before(reference, credential)
            manifest = parsed(self._send("GET", _manifest_path(reference), authorization, MANIFEST_SIZE))
            if isinstance(manifest.get("manifests"), list):
                listed = (one.get("platform") for one in manifest["manifests"] if isinstance(one, dict))
                return Content(str(reference), self._platforms(listed), index=True)
            config = manifest.get("config")
            digest = config.get("digest") if isinstance(config, dict) else None
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                return None
            blob = self._send("GET", f"/v2/{reference.repository}/blobs/{digest}", authorization, MANIFEST_SIZE)
            return Content(str(reference), self._platforms([parsed(blob)]), index=False) if blob.status == 200 else None
        except (Refused, WireError):
            return None

    def _platforms(self, found: Iterable[Any]) -> tuple[str, ...]:
        """`linux/amd64` of each; attestations and other entries that are for no platform are left out."""
        platforms = []
        for one in found:
            system, machine = (one.get("os"), one.get("architecture")) if isinstance(one, dict) else (None, None)
            if isinstance(system, str) and isinstance(machine, str) and "unknown" not in (system, machine):
                platforms.append(one_line(self.wire.clean(f"{system}/{machine}"), 60))
        return tuple(dict.fromkeys(platforms))[:30]


def _manifest_path(reference: Reference) -> str:
    return f"/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"


def _count(header: Optional[str]) -> tuple[Optional[int], Optional[int]]:
    """`98;w=21600`: a number, and the seconds that it is for (draft-ietf-httpapi-ratelimit-headers-03)."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*(?:;\s*w=(\d{1,9}))?.*", header or "", re.S)
    return (int(match[1]), int(match[2]) if match[2] else None) if match else (None, None)


def _next_page(reply: Reply, url: str, path: str) -> Optional[str]:
    """Where the next page of tags is (RFC 8288), if it is at the same place."""
    match = re.search(r'<([!-;=?-~]{1,2000})>\s*;\s*rel="?next"?', reply.headers.get("link", "")[:8000])
    if not match:
        return None
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, match[1]))
    except ValueError:
        return None
    if (here.scheme, here.netloc) != (there.scheme, there.netloc) or there.path != path:
        return None
    return f"{there.path}?{there.query}"
