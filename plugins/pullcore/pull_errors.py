"""What kubelets, container runtimes and registries say about a failed pull, turned into a cause of the catalogue.

The wordings are in `pull_rules`. Here, before anything is matched, whatever somebody could have named (images, URLs,
hosts, digests, paths) is blotted out with as many marks, so that an image called `timeout:x509` says nothing, and a
match still has its place in the text; and of the errors of several attempts the one that decides is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pullcore.pull_rules import LAST, REFUSED, RULES, Rule


class Classification(NamedTuple):
    """A cause of the catalogue, and the part of the text that shows it, short enough for a line."""

    cause: str
    detail: str


# What waiting reasons and event reasons say whatever the text, and what they say when the text says nothing.
_DECIDES = {
    "InvalidImageName": "invalid-name",
    "ErrImageNeverPull": "never-pull",
    "SignatureValidationFailed": "policy",
}
_DEFAULT = {
    "RegistryUnavailable": "connection",
    "ImageInspectError": "runtime",
    "InspectFailed": "runtime",
    "FailedToRetrieveImagePullSecret": "secret-missing",
    "ImagePullBackOff": "backoff-only",
    "ErrImagePull": "backoff-only",
    "BackOff": "backoff-only",
}
# Inspecting an image is local: a time-out or "not found" there is not the registry's.
_INSPECT_REASONS = ("ImageInspectError", "InspectFailed")
_OF_INSPECTION = ("short-name", "invalid-name", "disk-full", "policy", "runtime", "never-pull")

# Of several attempts the one that came furthest decides: it shows that the steps before are in order.
_STAGES = {
    cause: stage
    for stage, cause in enumerate(
        """
        backoff-only unknown secret-missing throttled canceled timeout dns connection proxy http-https-mismatch
        tls-untrusted tls-other registry-error no-credentials denied-or-missing expired-credentials bad-credentials
        forbidden rate-limited repository-not-found image-not-found platform-mismatch bad-content disk-full runtime
        policy
        """.split()
    )
}

_NAMES = r"(?:image|reference|ref|repository|repo|name|tag|manifest|for|of|secret|container|pod|project|artifact|with)"
_KEEP = (
    r"(?:i/o\b|input/output\b|net/http\b|user ?(?:name)?/password\b|application/|text/|crypto/|archive/|compress/"
    r"|fork/exec|(?:linux|windows|darwin)/(?:amd64|arm64|arm|386|ppc64le|s390x|riscv64)\b)"
)
# What somebody could have named. The last group of a match is blotted out, or all of it.
_NAMED = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://(?:<[^\s>]*>|[^\s\"'<>])*?(?=[:,;.)\]\\]*(?:[\s\"'<>]|\Z))", re.I),
        (r"\"(?=[^\"\s]*[/:@])([\w.:/@%+<>\\-]+)\"", 0),
        (rf"\b{_NAMES}\b\W{{0,3}}[\"']([^\"'\s]+)(?:[\"']|\Z)", re.I),  # a text may be cut off in a name
        (r"sha256:[0-9a-f]{6,}", 0),
        (
            rf"(?<![\w/.%¤-])(?<!\w>)(?!{_KEEP})(?:(?:[\w.-]|<[\w-]+>)+(?::\d+)?/)+(?:[\w.-]|<[\w-]+>)*[\w>](?::[\w.-]*\w)?(?:@[\w:]+\w)?",
            re.I,
        ),
        (r"(?<!\S)(?!\S*/certs\.d/)/[\w./:@+-]*\w", 0),
        (r"\b(?:access denied|manifest|image pull failed) for (\S+?)(?=[,:]?(?:\s|\Z))", re.I),
        (r"\b(?:reading (?:manifest|signatures?)|manifest|tag) (\S+) (?:in|not found|does not exist|was|of)\b", re.I),
        (r"\[manifests ([^\]]+)\]", 0),
        (r"\b(?:error|unable|failed|failing|trying) (?:to )?pull(?:ing)?(?: image)? ([^\s\"¤]+?)(?=[,:]\s)", re.I),
        (r"\bimage (\S+?)(?= (?:not found|because|does not exist|is ))", re.I),
        (r"\brepository:? ([^\s,:]+)(?=[,:]? (?:not found|does not exist|action))", re.I),
        (r"\blookup (\S+?)(?=:? |:?\Z)", 0),
    )
)

# Wrappers of the kubelet, then of runtimes: what is behind them is the error.
_KUBELET = (
    r"\(combined from similar events\): |spec\.\w+\{[^}]*\}: |Error syncing pod, skipping: |Error: (?=\S+(?:\Z|: ))"
    r"|failed to \"StartContainer\" for \S+ with (?:ErrImagePull|ImagePullBackOff): "
    r"|Failed to pull image \"[^\"]*\": |Back-off pulling image \"[^\"]*\"(?:: |(?=\"|\Z))"
    r"|(?:ErrImagePull|ImagePullBackOff)(?:: |\Z)"
)
_RUNTIME = (
    r"rpc error: code = \w+ desc = |failed to pull and unpack image \S+: |failed to resolve (?:reference|image) \S+: "
    r"|Error response from daemon: |failed to do request: |initializing source \S+: |failed to copy: |ctr: |\["
)
_KUBELET_WRAPPERS = re.compile(rf"(?:\s|\"|{_KUBELET})*")
_ALL_WRAPPERS = re.compile(rf"(?:\s|\"|{_KUBELET}|{_RUNTIME})*")
_SAYS_NOTHING = re.compile(r"trying and failing to pull image|image can't be pulled|\A[^\w¤]*\Z", re.I)
# Said whatever the error is: a guess of old kubelets, the daemon's status by clients of docker's API, docker run's start.
_GUESS = re.compile(
    r"this may be because there are no credentials(?: on this request\.?|[a-z ]{0,16}\Z)"
    r"|\(HTTP code \d+\) (?=[a-z ]{1,40} - )"
    r"|unable to find image '[^']*' locally",
    re.I,
)

_ATTEMPT = (
    r"(?:rpc error: code =|failed to (?:pull|resolve|copy|authorize)|initializing source|reading manifest|pinging |"
    r"unable to |copying |[Ee]rror |Source image|image pull failed|Get |Head )"
)
_SEVERAL = re.compile(rf"(?:\A|: |\s)\[(?={_ATTEMPT})")
_NEXT_ATTEMPT = re.compile(rf",\s+(?={_ATTEMPT})")
# containers/image: every mirror that was asked, then the registry itself.
_MIRRORS = re.compile(r"\(?Mirrors also failed: \[|\] \[|\]\): ")
# Podman and buildah: every registry that they tried for a name without one. That it is not in one says nothing.
_SEARCHED = re.compile(r"\b\d+ errors occurred while pulling:")
_NEXT_REGISTRY = re.compile(r"\s\* ")
_MISSING = ("repository-not-found", "image-not-found")
# What registries are known to mean: where host and wording fit, the first cause is really the second.
_KNOWN_HOSTS = tuple(
    (re.compile(host), cause, re.compile(wording), meant)
    for host, cause, wording, meant in (
        # Google says 403 both for "unauthenticated request" and for an account without the permission.
        (r"\.pkg\.dev\b|\bgcr\.io\b", "denied-or-missing", r"fetch anonymous token", "no-credentials"),
        (r"\.pkg\.dev\b|\bgcr\.io\b", "bad-credentials", r"fetch oauth token.*\b403\b", "forbidden"),
        # One of several attempts may be the empty credential that nodes on Azure add.
        (r"\.azurecr\.\w", "bad-credentials", r"unauthorized: authentication required", "denied-or-missing"),
        # Their token servers say 401 to nobody, too, which containers/image takes for a wrong password.
        (r"\bghcr\.io\b|\.azurecr\.\w", "bad-credentials", r"invalid username/password: ", "denied-or-missing"),
    )
)

# Colours, and characters that nobody sees: in the words they would keep a rule from its match, and leave it to a later one.
_INVISIBLE = re.compile(
    r"\x1b\[[0-9;]*[A-Za-z]"
    r"|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

_SENTENCE = re.compile(r".*?(?=\s*(?:\n|;\s|\.\s|, rpc error|, error:| - Server message|\Z))")
_LOOSE = " \t*:,.\\"
_LONGEST = 160
_READ = 6_000  # characters; messages are somebody else's


@lru_cache(maxsize=1024)  # the same few refusals stand in many pods and events
def classify(text: str, reason: str | None = None) -> Classification:
    """The cause that a waiting message or event message tells.

    In: the message as it is, and the reason of the waiting state or event, if known. From Kubernetes 1.33 on a
    malformed secret's error is itself the reason, so a reason with blanks is read as text.
    Out: a cause of the catalogue, `unknown` where the text proves none, and what to show: one line, not escaped.
    """
    if not text.strip():
        text = reason or ""
    found = _decide(text)
    if reason and " " in reason.strip() and found.cause in ("unknown", "backoff-only"):
        return _decide(reason)
    if reason in _INSPECT_REASONS and found.cause not in _OF_INSPECTION:
        return Classification("runtime", found.detail)
    if reason in _DECIDES:
        return Classification(_DECIDES[reason], found.detail)
    if reason in _DEFAULT and (found.cause == "backoff-only" or (found.cause == "unknown" and text == reason)):
        return Classification(_DEFAULT[reason], found.detail)
    return found


def _decide(text: str) -> Classification:
    """One verdict for a text that may hold the errors of several attempts."""
    text = _INVISIBLE.sub("", text[:_READ]).replace('\\"', '"')
    text = " ".join(text.split())  # as copied from a log, or wrapped by a terminal
    blotted = blot(text)
    attempts = [_recognise(text, blotted, *span) for span in _attempts(blotted)]
    if _SEARCHED.search(blotted):
        attempts = [attempt for attempt in attempts[1:] if attempt[0].cause not in _MISSING] or attempts
    found, rule = max(attempts, key=lambda attempt: _STAGES.get(attempt[0].cause, len(_STAGES)))
    cause = found.cause
    if rule is REFUSED and _SEVERAL.search(blotted):
        # The kubelet joins errors only when it tried several credentials; without any it asks once, anonymously.
        cause = "bad-credentials"
    for host, apparent, wording, meant in _KNOWN_HOSTS:
        if cause == apparent and wording.search(blotted) and host.search(text):
            return Classification(meant, found.detail)
    return Classification(cause, found.detail)


def furthest(causes: Iterable[str]) -> str:
    """Of the causes of several attempts the one that decides; empty where there is none."""
    return max(causes, key=lambda cause: _STAGES.get(cause, len(_STAGES)) if cause else -1, default="")


def _attempts(blotted: str) -> Iterator[tuple[int, int]]:
    """Where the errors of the single attempts stand: with several credentials, at several mirrors; else one whole."""
    start = _KUBELET_WRAPPERS.match(blotted).end()  # type: ignore[union-attr]  # matches the empty text as well
    between = None
    if _SEVERAL.search(blotted):
        between = _NEXT_ATTEMPT
    elif "Mirrors also failed" in blotted:
        between = _MIRRORS
    elif _SEARCHED.search(blotted):
        between = _NEXT_REGISTRY
    for cut in between.finditer(blotted, start) if between else ():
        yield start, cut.start()
        start = cut.end()
    yield start, len(blotted)


def _recognise(text: str, blotted: str, start: int, end: int) -> tuple[Classification, Rule | None]:
    part = blotted[start:end]
    if _SAYS_NOTHING.search(part):
        return Classification("backoff-only", _sentence(text.strip())), None
    for rule in (*RULES, REFUSED, *LAST):
        match = rule.pattern.search(part)
        if match:
            said = next((name for name, value in match.groupdict().items() if value), 0)
            return Classification(rule.cause, _sentence(text[start + match.start(said) : end])), rule
    essence = _ALL_WRAPPERS.match(blotted, start, end)
    return Classification("unknown", _sentence(text[essence.end() if essence else start : end])), None


def blot(text: str) -> str:
    """`text` with everything that somebody could have named replaced by as many `¤`."""
    text = _GUESS.sub(_marks, text)
    for named in _NAMED:
        text = named.sub(_marks, text)
    return text


def _marks(match: re.Match[str]) -> str:
    first, last = match.span(match.lastindex or 0)
    whole = match.group()
    offset = match.start()
    return whole[: first - offset] + "¤" * (last - first) + whole[last - offset :]


def _sentence(text: str) -> str:
    """The first sentence of `text`, on one line, without what closes things opened before it, cut to what fits."""
    sentence = _SENTENCE.match(text.strip())
    line = re.sub(r"(?:: unknown|: ImagePullBackOff)\W*\Z", "", sentence.group() if sentence else "").strip(_LOOSE)
    for opening, closing in ("()", "[]"):
        while line.count(closing) > line.count(opening):
            line = line[: line.rindex(closing)]
    for quote in "\"'`":
        line = line.rstrip(quote) if line.count(quote) % 2 else line
    line = line.strip(_LOOSE)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"
