"""Signing in at registries: each credential is proven once for each place that checks it, and each token is asked for once.

A place is a registry that takes user and password, or a token service. While a credential is proven there, all others that
want to use it wait; once it is refused it is not sent there again in this run, so that no account is locked out.

Sources: the distribution's docs/spec/auth/token.md and oauth.md; what `docker login` does; containerd's
core/remotes/docker/authorizer.go.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional
from urllib.parse import urlencode, urlsplit

from pullcore.challenge import Challenge
from pullcore.dockerconfig import Credentials
from pullcore.errors import one_line
from pullcore.expiry import jwt_claims
from pullcore.pull_errors import classify
from pullcore.wire import Reply, Wire, WireError

LONGEST_TOKEN = 32 * 1024
DEPTH = 40  # of JSON
# What a registry's own words prove whatever was asked; of others it depends on who asked.
SPEAKS_FOR_ITSELF = frozenset("expired-credentials rate-limited forbidden policy".split())
CLIENT_ID = "kubectl-pullkit"  # by which token services count


class Refused(Exception):
    """A registry or a token service says no, or nothing that helps.

    cause: of the catalogue; status, code: of the answer; str(): one line, without credentials. final: the credential is
    wrong, whatever is asked for.
    """

    def __init__(
        self, cause: str, detail: str, status: Optional[int] = None, code: Optional[str] = None, *, final: bool = False
    ) -> None:
        super().__init__(detail)
        self.cause = cause
        self.status = status
        self.code = code
        self.final = final


class Said(NamedTuple):
    """The first error in a registry's answer (distribution spec, "Error Codes"): its code and words; `shown` is the code
    without credentials."""

    code: Optional[str]
    shown: Optional[str]
    message: str

    @property
    def text(self) -> str:
        code = (self.shown or "").lower().replace("_", " ")
        return self.message if self.message.lower().startswith(code) else ": ".join(filter(None, (code, self.message)))


@dataclass
class _Account:
    """One credential at one place. good: None until it is known; then refusal says why it is not."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    good: Optional[bool] = None
    used: bool = False  # it got something: a token for nothing proves nothing where anybody is given one
    tried: bool = False  # signing in without anything else was tried
    refusal: Optional[Refused] = None


@dataclass
class _Slot:
    """One token: fetched under its lock, by whoever comes first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Optional[Token] = None
    refusal: Optional[Exception] = None


@dataclass(frozen=True)
class Token:
    """A token for a registry. granted: whether it says that it lets one pull; None where it can't be read."""

    value: str = field(repr=False)
    granted: Optional[bool] = None


class SignIn:
    """All that was signed in to in one run; safe to use from several threads."""

    def __init__(self, wire: Wire, vault: Credentials) -> None:
        self.wire = wire
        self.vault = vault
        wire.clean = vault.without
        self._lock = threading.Lock()
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._slots: dict[tuple[str, str, str, Optional[str]], _Slot] = {}

    def prove(self, url: str, challenge: Challenge, credential: str) -> None:
        """Sees that a credential is good where `url` (a registry's address) has it checked. Raises Refused or WireError;
        does nothing where it can't be told before something is asked for."""
        account = self._account(url, challenge, credential)
        with account.lock:
            if account.refusal:
                raise account.refusal
            if account.good or account.tried:
                return
            account.tried = True
            self._learn(account, lambda: self._sign_in(url, challenge, credential))
            account.used = bool(account.good) and challenge.scheme == "basic"

    def is_proven(self, url: str, challenge: Challenge, credential: Optional[str]) -> bool:
        return credential is not None and bool(self._account(url, challenge, credential).good)

    def using(self, url: str, challenge: Challenge, credential: str, send: Callable[[], Reply]) -> Reply:
        """What `send` gets with a credential. One that is not proven is used by one at a time, until an answer tells."""
        account = self._account(url, challenge, credential)
        with account.lock:
            if account.refusal:
                raise account.refusal
            if not account.used:
                reply = send()
                if reply.status == 401 and not reply.redirected:
                    detail = f"{urlsplit(reply.url).netloc}: {self.words(reply)}"
                    account.refusal = Refused("bad-credentials", detail, 401, self.said(reply).shown, final=True)
                    account.good = False
                    raise account.refusal
                if reply.status < 500 and reply.status != 429:
                    account.good = account.used = True
                return reply
        return send()

    def token(
        self, challenge: Challenge, scopes: Iterable[str], repository: str, credential: Optional[str], *, fresh: bool = False
    ) -> Token:
        """The token for these scopes; fresh: not one that was given before, which may have expired. Raises Refused or
        WireError, the same for everybody who asks for the same; who asks for a fresh one gets it once the token service can
        be reached again."""
        scope = " ".join(sorted(scopes))
        key = (challenge.get("realm"), challenge.get("service"), scope, credential)
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
        with slot.lock:
            if slot.refusal and not (fresh and isinstance(slot.refusal, WireError)):
                raise slot.refusal
            if slot.token is None or fresh:
                slot.refusal = None
                try:
                    slot.token = self._fetched(challenge, scope, repository, credential)
                except (Refused, WireError) as error:
                    slot.refusal = error
                    raise
            return slot.token

    # At the registry, or at its token service

    def _account(self, url: str, challenge: Challenge, credential: str) -> _Account:
        place = challenge.get("realm").partition("?")[0] if challenge.scheme == "bearer" else origin(url)
        with self._lock:
            return self._accounts.setdefault((place, credential), _Account())

    def _learn(self, account: _Account, prove: Callable[[], Optional[bool]]) -> None:
        try:
            account.good = prove()
        except Refused as error:
            if error.final:
                account.good, account.refusal = False, error
            raise

    def _sign_in(self, url: str, challenge: Challenge, credential: str) -> Optional[bool]:
        """As `docker login`: the base of the API, or a token for nothing. True: good; None: it can't be told so."""
        if challenge.scheme == "bearer":
            reply = self._ask_for_token(challenge, "", credential)
        else:
            reply = self._with_password(f"{url}/v2/", credential)
        if reply.redirected:
            return None
        who = "token service " if challenge.scheme == "bearer" else ""
        if reply.status in (401, 403):
            raise self.refusal(reply, "bad-credentials", who, final=True)
        if reply.status in (407, 429) or reply.status >= 500:
            raise self.refusal(reply, "registry-error", who)
        return True if reply.status == 200 else None

    def _with_password(self, url: str, credential: str) -> Reply:
        return self.wire.send("GET", url, authorization=f"Basic {self.vault.basic(credential)}", again=False)

    def _ask_for_token(self, challenge: Challenge, scope: str, credential: Optional[str]) -> Reply:
        realm = _checked_realm(challenge.get("realm"))
        query = [("service", challenge.get("service"))] if challenge.get("service") else []
        query += [("scope", one) for one in scope.split()]
        try:
            if credential is None:
                return self.wire.send("GET", _with_query(realm, query))
            user = self.vault.pair(credential)[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            query += [("account", user), ("client_id", CLIENT_ID)]
            return self._with_password(_with_query(realm, query), credential)
        except WireError as error:
            raise WireError(error.cause, f"token service {error}", error.certificate) from None

    def _fetched(self, challenge: Challenge, scope: str, repository: str, credential: Optional[str]) -> Token:
        def ask() -> Reply:
            return self._ask_for_token(challenge, scope, credential)

        reply = ask() if credential is None else self.using("", challenge, credential, ask)
        if reply.status != 200:
            nobody = credential is None and reply.status == 401
            raise self.refusal(reply, "no-credentials" if nobody else "denied-or-missing", "token service ")
        document = parsed(reply)
        value = document.get("token") or document.get("access_token")
        if not isinstance(value, str) or not re.fullmatch(rf"[!-~]{{1,{LONGEST_TOKEN}}}", value):
            host = urlsplit(reply.url).netloc
            raise Refused("registry-error", f"token service {host} answers without a token that can be used", 200)
        self.vault.hide(value)
        return Token(value, _grants_pull(value, repository))

    # Words

    def said(self, reply: Reply) -> Said:
        """The registry's own error, without credentials."""
        return _said(reply, self.vault.without)

    def words(self, reply: Reply) -> str:
        """`401 Unauthorized: authentication required`, one line without credentials."""
        told = self.said(reply).text
        status = f"{reply.status} {reply.reason}".strip()
        return one_line(f"{status}: {told}" if told else status, 300)

    def refusal(self, reply: Reply, usual: str, who: str = "", *, final: bool = False) -> Refused:
        """Why an answer is no good: what its words prove, else what is usual for it. who: stands before the host's name."""
        code = self.said(reply).shown
        detail = f"{who}{urlsplit(reply.url).netloc}: {self.words(reply)}"
        if reply.status == 429:
            after = one_line(self.vault.without(reply.headers.get("retry-after", "")), 40)
            more = f", try again after {after}{'s' if after.isdigit() else ''}" if after else ""
            return Refused("rate-limited", detail + more, 429, code)
        if reply.status == 407:
            return Refused("proxy", f"the proxy on the way to {detail}", 407)
        if reply.status not in (401, 403, 404):
            return Refused("registry-error", detail, reply.status, code)
        cause = classify(self.said(reply).text).cause
        return Refused(cause if cause in SPEAKS_FOR_ITSELF else usual, detail, reply.status, code, final=final)


def _said(reply: Reply, clean: Callable[[str], str]) -> Said:
    """The error in an answer; token services and gateways word theirs in several ways."""
    document = parsed(reply)
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else document
    code, message = first.get("code"), first.get("message") or document.get("details") or document.get("error_description")
    if not isinstance(message, str):
        error = document.get("error")
        message = error if isinstance(error, str) else ""
    if not isinstance(code, str) or not code:
        return Said(None, None, one_line(clean(message), 200))
    return Said(code, one_line(clean(code), 60), one_line(clean(message), 200))


def parsed(reply: Reply) -> dict[str, Any]:
    """The JSON object in an answer; empty for anything else, for one that is cut off, or nested beyond reason."""
    if not reply.whole:
        return {}
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) and not _is_deeper(document, DEPTH) else {}


def _is_deeper(value: Any, depth: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    if depth == 0:
        return True
    return any(_is_deeper(one, depth - 1) for one in (value.values() if isinstance(value, dict) else value))


def _checked_realm(realm: str) -> str:
    try:
        parts = urlsplit(realm)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no address, or no port
        fits = False
    if not fits or not re.fullmatch(r"[!-~]{1,2000}", realm):
        raise Refused(
            "registry-error", f"the registry names no token service that can be asked, but {one_line(realm, 80)!r}"
        )
    if "@" in parts.netloc or parts.fragment:
        raise Refused(
            "registry-error", f"the address of the token service {one_line(parts.hostname, 80)} is not a plain one"
        )
    return realm


def _with_query(url: str, query: list[tuple[str, str]]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url


def origin(url: str) -> str:
    """Scheme, host and port of a URL that urlsplit can take."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _grants_pull(token: str, repository: str) -> Optional[bool]:
    """What the `access` claim of a token says, unverified (distribution, docs/spec/auth/jwt.md); None where it has none."""
    access = jwt_claims(token).get("access")
    if not isinstance(access, list):
        return None
    for one in access:
        if isinstance(one, dict) and one.get("type") == "repository" and one.get("name") == repository:
            actions = one.get("actions")
            return isinstance(actions, list) and ("pull" in actions or "*" in actions)
    return False
