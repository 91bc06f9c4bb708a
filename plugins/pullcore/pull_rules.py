"""The wordings of failed pulls: one table, read from top to bottom; the first rule that matches decides.

It is ordered by families, from what ends a pull early to what ends it late, because an early failure may be told in the
words of a later one ("proxyconnect tcp: ... connection refused", "failed to fetch oauth token: ... i/o timeout") but
not the other way round. Within and between families a comment says why a rule stands before another.

The rules see one line, in which everything that somebody could have named is blotted out with `¤` (pull_errors.blot).

Wordings are those of containerd (core/remotes/docker, errdefs), moby and distribution/client, containers/image and
CRI-O, the kubelet (pkg/kubelet/images), Go (net, net/http, crypto/tls, crypto/x509) and the registries named below.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Rule(NamedTuple):
    """A cause and the wordings that prove it. A named group is what is worth showing of the match."""

    cause: str
    wordings: str

    @property
    def pattern(self) -> re.Pattern[str]:
        return _compiled(self.wordings)


def _rule(cause: str, *wordings: str) -> Rule:
    return Rule(cause, "|".join(wordings))


@cache
def _compiled(wordings: str) -> re.Pattern[str]:
    """Compiled when it is needed: all together they take longer than the rest of a diagnosis."""
    return re.compile(wordings, re.IGNORECASE)


def compile_all() -> None:
    """For a moment in which there is nothing to do but wait for a server."""
    for rule in (*RULES, REFUSED, *LAST):
        _compiled(rule.wordings)


# What may stand before the words that matter: the operation and the address of a Go net.OpError, and the URL error
# around it is left out. Lazy and on one line, so that it never swallows a second error.
_DIAL = r"(?:(?:dial|read|write) (?:tcp|udp|ip)[46]? [^\"]{0,160}?)?"
# A status of HTTP, as distribution, containerd and containers/image write it. `registry:500` is a host with its port, or
# with a part of it where a text was cut: behind a host a status has a blank before it.
_STATUS = r"\b(?:(?:status(?:[ _]?code)?|http|code)\W{0,3}|registry(?:[\w.-]*(?::\d+)?:)?,? )(?:[^\s\"]*\W{0,3}: )?"

RULES = (
    # The kubelet's own words. It asked no runtime: nothing below can be meant.
    _rule("never-pull", r"not present with pull policy of never", r"\bErrImageNeverPull\b"),
    _rule(
        "secret-missing",
        r"unable to retrieve (?:some )?(?:image )?pull secrets?\b.*",
        r"\bsecrets? \"[^\"]*\" not found\b",
    ),
    _rule(
        "secret-malformed",
        # Only where the error of the look-up is all there is: registries' answers are JSON, too.
        r"\A(?:illegal base64 data|invalid character .{1,9} (?:looking for|after|in)\b|unexpected end of JSON input"
        r"|json: cannot unmarshal).*",
        r"unable to parse auth field.*",
        r"cannot unmarshal .*credentialprovider\.\w*",
    ),
    _rule("throttled", r"\bpull QPS exceeded\b"),
    _rule(
        "invalid-name",
        r"(?:\bfailed to apply default image tag\b.*)?(?P<say>\binvalid reference format\b.*)",
        r"\bcouldn't parse image (?:reference|name)\b",
        r"\bfailed to apply default image tag\b",
        r"\bInvalidImageName\b",
        r"\bfailed to parse reference\b",
        r"\brepository name must (?:be lowercase|be canonical|not be more than|not be longer than|have at least)\b",
        r"\brepository name component must\b",
        r"\binvalid (?:image|repository|tag) name\b",
        r"\binvalid reference\b",
        r"\b(?:name|tag)[ _]invalid\b",
        r"\binvalid (?:checksum digest (?:length|format)|repository name)\b",
        r"\bunsupported digest algorithm\b",
    ),
    _rule(
        "short-name",
        r"\bshort[- ]name mode is enforcing.*",
        r"\bshort[- ]name\b.*\bdid not resolve to an alias\b.*",
        r"\bno registries (?:are )?configured\b.*",
        r"\bno unqualified-search registries\b.*",
        r"\bcannot resolve short[- ]name\b",
        r"\bshort name and no search registries\b.*",
        r"\breturns ambiguous list\b",
        r"\bshort[- ]name resolution enforced\b.*",
    ),
    # Policies of the node or registry; "invalid signature" of a certificate is TLS, so signatures of images only.
    _rule(
        "policy",
        r"\bsource image rejected\b.*",
        r"\bSignatureValidationFailed\b",
        r"\bsignature (?:validation|verification) failed\b",
        r"\ba signature was required\b.*",
        r"\bno (?:matching )?signatures? (?:exists?|were found|found)\b",
        r"\b(?:rejected|denied) by policy\b",
        r"\bblocked (?:by|due to) .{0,40}policy\b",
        r"\bdue to (?:the |a )?.{0,40}\bpolicy (?:configured )?in\b.*",
        r"\bis blocked in \S*registries\S*",
        r"\bregistry \S+ is blocked\b",
        r"\bimage verifier \S+ (?:blocked|rejected)\b",
        r"\b(?:image verification failed|image is not signed|failed to verify (?:image )?signature)\b.*",
        r"\b(?:remote trust data does not exist|no valid trust data|no trust data)\b",
        r"\bPROJECT_?POLICY_?VIOLATION\b",
        r"\bconfigured policy\b",
    ),
    # The proxy, before the network and TLS: it fails in their words. A status text bare after the URL is what Go's
    # transport makes of a proxy's answer to CONNECT (net/http, dialConn); registries' answers carry more.
    _rule(
        "proxy",
        r"\b(?:proxyconnect|socks connect)\b.*",
        r"\bproxy authentication required\b",
        r"\bproxy (?:error|server)\b",
        r"\berror connecting to proxy\b",
        r"\binvalid proxy (?:url|address)\b.*",
        r"\bproxy: unknown scheme\b",
        r"\b(?:get|head|post) \"?¤+\"?\s*: (?P<say>bad gateway|service unavailable|gateway time-?out|authenticationrequired"
        r"|moved (?:permanently|temporarily)|found|(?:temporary|permanent) redirect)\W*\Z",
        # containerd asks the registry itself: a bare status after the URL can only be a proxy's answer to CONNECT.
        r"\bfailed to do request: (?:get|head|post) \"?¤+\"?\s*: (?:forbidden|proxy authentication required)\W*\Z",
    ),
    # Plain against TLS, before TLS: Go tells it as a TLS error.
    _rule(
        "http-https-mismatch",
        r"\bserver gave HTTP response to HTTPS client\b",
        r"\bsent an HTTP request to an HTTPS server\b",
        r"\bplain HTTP request was sent to HTTPS port\b",
        r"\bmalformed HTTP (?:response|status code|version) \W{0,3}\\x1[456]",
        r"\bfirst record does not look like a TLS handshake\b",
        r"\boversized record received\b",
        r"\bwrong version number\b",
    ),
    # Names, before refusals and timeouts: those are the DNS server's then.
    _rule(
        "dns",
        r"\blookup \S+?(?: on [^\s,]+)?: (?!operation was canceled).*",
        r"\bdial tcp: lookup \S+(?: on [^\s,]+)?\W*\Z",
        r"\bno such host\b",
        r"\bserver misbehaving\b",
        r"\btemporary failure in name resolution\b",
        r"\bname or service not known\b",
        r"\bnodename nor servname provided\b",
        r"\bcould(?: not|n't) resolve host\b",
        r"\bgetaddrinfow?\b.*",
    ),
    _rule(
        "tls-untrusted",
        r"\bx509: (?:certificate signed by unknown authority|failed to load system roots).*",
        r"\bcertificate signed by unknown authority\b",
        r"\bcertificate is not trusted\b",
        r"\bself[- ]signed certificate\b",
        r"\bunable to get (?:local )?issuer certificate\b",
    ),
    _rule(
        "tls-other",
        r"\bx509: .*",
        r"\bremote error: tls: .*",
        r"(?<!/http: )\btls: (?!failed to verify certificate: (?:.* )?context).*",
        r"\bcertificate (?:has expired|is not valid|is valid for|verify failed|required)\b.*",
        r"\b(?:SSL|TLS) (?:handshake (?:failed|failure|error)|protocol error|routines)\b",
        r"\bhandshake failure\b",
        r"/certs\.d/\S+: .*",
        r"\bmissing (?:client certificate|key) \S+ for (?:client certificate|key)\b",
    ),
    # The node's own disk and runtime, before the network: their sockets, too, are dialled and refuse.
    _rule(
        "disk-full",
        r"\bno space left on device\b",
        r"\bdisk quota exceeded\b",
        r"\bnot enough (?:free |disk )?space\b",
        r"\binsufficient (?:free |disk )space\b",
        r"\bENOSPC\b",
        r"\bdisk (?:is )?full\b",
        r"\bthin pool has \d+ free (?:data|metadata) blocks\b.*",
        r"\binput/output error\b",
        r"\bread-only file system\b",
    ),
    _rule(
        "runtime",
        r"\bdial unix\b.*",
        r"\b(?:open|dial) //\./pipe/\S*.*",
        r"\bcannot connect to the docker daemon\b",
        r"\btransport is closing\b",
        r"\berror reading from server\b",
        r"\bgrpc: .*",
        r"\bunknown service\b.*",
        r"\bunknown method \w+ for service\b.*",
        r"\bcontainer runtime (?:is )?(?:down|not ready|not running)\b",
        # Creating a container unpacks what was pulled before: no pull fails here.
        r"\bfailed to create containerd (?:container|task)\b.*",
    ),
    # Time, before "canceled": Go cancels a request when its time is over.
    _rule(
        "timeout",
        _DIAL + r"\bi/o timeout\b",
        _DIAL + r"\b(?:connection|operation|request|read|write) timed out\b",
        r"\bTLS handshake timeout\b",
        r"\bClient\.Timeout\b.*",
        r"\btimeout awaiting (?:response )?headers\b",
        r"\btimeout awaiting\b",
        r"\bdeadline exceeded\b",
        r"\bDeadlineExceeded\b",
        r"\bconnected party did not properly respond\b",
        r"\b(?:net/http: timeout|408 request time-?out|timed out waiting)\b",
        r"\bno progress in\b",
    ),
    _rule(
        "canceled",
        r"\bcontext cancell?ed\b",
        r"\b(?:operation was|request|pull(?:ing)?(?: image)?(?: was)?) cancell?ed\b",
        r"\bcode = Cancell?ed\b",
    ),
    # Content that did not arrive whole, before the network: where a layer is read, EOF is about the layer.
    _rule(
        "bad-content",
        r"\b(?:storing blob|writing blob|happened during read|(?:extract|copy)(?:ing)? layer|register layer"
        r"|processing tar file|short read|size validation)\b.*?(?P<say>\b(?:unexpected )?EOF\b)",
    ),
    _rule(
        "connection",
        _DIAL + r"\bconnection (?:refused|reset(?: by peer)?|aborted)\b",
        _DIAL + r"\bno route to host\b",
        _DIAL + r"\b(?:network|host) is (?:unreachable|down)\b",
        _DIAL + r"\bbroken pipe\b",
        _DIAL + r"\bconnect: (?:permission denied|operation not permitted|invalid argument|cannot assign\b).*",
        r"\bactively refused\b",
        r"\bforcibly closed by the remote host\b",
        r"\bunreachable (?:network|host)\b",
        r"\buse of closed network connection\b",
        r"\bserver closed (?:idle )?connection\b",
        r"\btransport connection broken\b.*",
        r"\bhttp2: (?:server sent GOAWAY|client connection|response body closed)\b.*",
        r"\bstream error: stream ID\b.*",
        r"\bunexpected EOF\b",
        r"(?:\A|: )(?P<say>EOF)\b",
        r"\bregistry is unavailable\b",
        r"\bdial tcp\b.*",
        r"\b(?:read|write) tcp\b.*",
    ),
    # An image that is there, but not for this node, and broken images, before missing ones: all end in "not found".
    _rule(
        "platform-mismatch",
        r"\bno match for platform in manifest\b",
        r"\bno match(?:ing)? (?:manifest )?for (?:the )?(?:specified )?platform\b.*",
        r"\bno matching manifest for\b.*",
        r"\bno image found in (?:manifest list|image index)\b.*",
        r"\b(?:manifest list|image index)\b.{0,40}\bno (?:entry|image|manifest) for\b.*",
        r"\bdoes not match the (?:specified|detected host|expected) platform\b.*",
        r"\boperating system\b.{0,40}\b(?:cannot be used on this platform|does not match)\b.*",
        r"\bcannot be used on this platform\b",
        r"\b(?:unsupported|wrong|mismatched) (?:os|architecture|platform)\b.*",
        r"\bdescriptor matching platform\b.*",
        r"\bplatform (?:mismatch|not supported)\b",
        r"\ba Windows version\b.*\b(?:required|incompatible)\b.*",
        r"\bimage(?:'s)? (?:os|architecture|platform)\b.{0,60}\b(?:mismatch|incompatible|not supported)\b",
        r"\bexec format error\b",
    ),
    _rule(
        "bad-content",
        r"\bcontent digest \S+ not found\b",
        r"\bcould not fetch content descriptor\b.*",
        r"\b(?:unexpected commit digest|failed precondition)\b.*",
        r"\b(?:wrong diff ?id|does not match config's diffid|layers? from manifest don't match)\b.*",
        r"\bverification failed for digest\b.*",
        r"\b(?:digest|manifest|checksum) (?:mismatch|did not match|verification failed|does not match)\b.*",
        r"\bmismatched image rootfs and manifest layers\b",
        r"\bmanifest (?:invalid|unverified)\b|\bMANIFEST_(?:INVALID|UNVERIFIED)\b",
        r"\b(?:unsupported|unexpected|unknown|invalid) (?:manifest )?media ?type\b.*",
        r"\bmedia type\b.*\bno longer supported\b",
        r"\b(?:unsupported|unknown) (?:manifest|image) (?:type|format|schema|version)\b.*",
        r"\b(?:unsupported|unrecognized) (?:manifest schema|schema version)\b.*",
        r"\bschema ?v?1\b.*",
        r"\bmissing signature key\b",
        r"\bEncountered remote\b.*|\binvalid mixed OCI image\b.*|\bimage-specific operation on artifact\b.*",
        r"\bno processor for media-type\b",
        r"\b(?:unknown blob|blob unknown|BLOB_UNKNOWN|blob not found|no such blob|MANIFEST_BLOB_UNKNOWN)\b",
        r"\bblob \S+ not found\b",
        r"\btarget is unknown\b",
        r"\binvalid tar header\b",
        r"\b(?:gzip: invalid|zstd: |flate: corrupt|zlib: |unsupported compression|magic number mismatch).*",
        r"\bfailed size validation\b.*",
        r"\b(?:size|length) mismatch\b.*",
        r"\berror decoding (?:manifest|image config)\b.*",
        r"\binvalid rootfs in image configuration\b",
        r"\binvalid (?:image )?(?:config|manifest)\b.*",
        r"\bcannot unmarshal\b.*\b(?:manifest|descriptor|image|index)\w*\b",
        r"\bencountered unknown type\b.*",
        r"\bcorrupt(?:ed)?\b.*",
        r"\bunexpected (?:content|layer) (?:size|digest)\b.*",
    ),
    # Limits, before denials: Docker Hub and ECR tell them with the status of one.
    _rule(
        "rate-limited",
        r"\btoomanyrequests\b.*",
        r"\b(?:429 )?too many requests\b",
        _STATUS + r"429\b",
        r"\brate[- ]?limit(?:ed|s)?\b.*",
        r"\brate exceeded\b",
        r"\bquota exceeded\b.*",
        r"\bThrottlingException\b",
    ),
    # A registry's or gateway's own failure, before tokens: token servers fail, too.
    _rule(
        "registry-error",
        r"\b50[0-9] (?:internal server error|not implemented|bad gateway|service (?:temporarily )?unavailable"
        r"|gateway time-?out|http version not supported)\b",
        r"\b5[0-9][0-9] \(?(?:internal|bad|service|gateway|insufficient|origin|web server)\b[^)]*",
        _STATUS + r"(?P<say>5[0-9][0-9]\b.*)",
        r"\b(?:internal server error|bad gateway|gateway time-?out|service unavailable)\b",
        r"\bunsupported (?:docker )?v1 repository request\b",
        r"\bcan't talk to a v1 (?:docker|container) registry\b",
        # A page instead of JSON: whoever answered is no registry, whatever its status says of the page.
        r"\berror parsing HTTP 404 response body: invalid character\b.*",
    ),
    # Quay tells so of a tag, before expired credentials.
    _rule("image-not-found", r"\bwas deleted or has expired\b"),
    _rule(
        "expired-credentials",
        r"\b(?:tokens?|credentials?|passwords?|session|secret|jwt|signature|licen[cs]e)\b[^\n:.]{0,40}\bexpired\b",
        r"\bexpired (?:\w+ )?(?:token|credentials?|password|session|jwt)\b",
        r"\b(?:token failed verification|verification): expired\b",
        r"\bExpiredToken(?:Exception)?\b.*",
        r"\bsecurity token included in the request is (?:expired|invalid)\b",
        r"\breauthenticate and try again\b",
        r"\bAADSTS7000222\b.*",
    ),
    # What the registries say about nobody, a wrong somebody, and a known somebody who may not.
    _rule(
        "no-credentials",
        r"\bno (?:basic auth|auth|valid|registry)? ?credentials\b",
        r"\bunauthenticated requests?\b.*",
        r"\banonymous (?:users?|access|pulls?|callers?|caller)\b.*",
        r"\b(?:please|you must|you need to|must) (?:be )?log(?:ged)?[ -]?in\b(?! with a ).*",
        r"\b(?:not logged in|you may not login yet|login required|authorize header needed)\b.*",
        r"\berror getting credentials - err: .*",
        r"\bdocker-credential-[\w.-]+\W{0,3}: executable file not found\b",
        r"\bauthorization token required\b",
        r"\bcredentials not found\b",
        r"\bmissing (?:auth|credentials)\b.*",
    ),
    _rule(
        "forbidden",
        r"\bnot authorized to perform\b.*",
        r"\bAccessDenied(?:Exception)?\b.*",
        r"\b(?:is )?not allowed access\b.*",
        r"\bAuthorizationFailure\b.*",
        r"\bnot authorized to (?:access|pull|perform)\b.*",
        r"\b(?:client|user|account|caller|token|you|robot\S*) (?:does|do)(?: not|n't) have\b.*\bpermissions?\b.*",
        r"\binsufficient (?:permissions?|privileges|rights|access)\b.*",
        r"\bdo(?:es)?(?: not|n't) have (?:the )?(?:\w+\.)+\w+ (?:access|permission)\b.*",
        r"\b(?:must|need to|have to|not) (?:agreed?|accept(?:ed)?)\b.*\b(?:licen[cs]e|terms|agreement)\b.*",
        r"\bexplicit deny\b",
        r"\bblocked by (?:network|firewall|ip)\b.*",
        r"\baccount (?:is |has been )?(?:suspended|disabled|locked|inactive)\b",
        r"\bdenied: access forbidden\b",
        r"\bip (?:address )?\S* ?(?:is )?not (?:allowed|permitted|whitelisted)\b",
        # Who does not pay is known, and may not.
        r"\b402 \(?payment required\b\)?|\bbilling-related error\b.*",
    ),
    _rule(
        "bad-credentials",
        r"\b(?:incorrect|invalid|bad|wrong) user ?name(?:(?:/| or | and | ?& ?)password)?\b(?! for).*",
        r"\b(?:incorrect|invalid|bad|wrong) (?:credentials?|password|api ?key|(?:\w+ )?token|jwt|authorization)\b.*",
        r"\buser ?name or password\b.*\b(?:incorrect|invalid|wrong)\b",
        r"\b(?:credentials?|(?:authorization )?token|password)\b.{0,30}\b(?:(?:is|are) (?:in|not )valid|incorrect)\b",
        r"\bHTTP Basic: Access denied\b.*",
        r"\bauthentication (?:failed|failure|error)\b.*",
        r"\blog[ -]?in (?:attempt .{0,60})?failed\b.*",
        r"\bcannot be authenticated\b.*",
        r"\bunable to (?:authenticate|validate token)\b.*",
        r"\bmust log in with a (?:personal )?access token\b.*",
        r"\bcould not find robot\b.*",
        r"\binvalid_(?:grant|client|token)\b.*",
        r"\bAADSTS\d+\b.*",
        r"\btoken failed verification\b.*",
        r"\binformation to complete authentication was not provided or was incorrect\b",
        r"\bbasic authentication .{0,30}\b(?:failed|removed|disabled)\b",
    ),
    _rule(
        "repository-not-found",
        r"\bNAME_UNKNOWN\b|\bname unknown\b|\brepository name not known\b",
        r"\b(?:repository|project|repo) (?:with name )?['\"]?[\w.¤-]+['\"]?:? (?:was )?not found\b(?!: does not exist or )",
        r"\b(?:repository|project|repo) (?:with name )?['\"]?[\w.¤-]+['\"]? does not exist\b(?! or)",
        r"\brepository (?:was )?not found\b",
        r"(?<!, )\brepository does not exist\b(?! or)",
        r"\bno such repository\b",
        r"\bRepositoryNotFoundException\b",
    ),
    # Tokens: containerd says whether it had credentials; without a status it says nothing of what came of them. A 401 wants
    # some; a 403 to nobody tells nothing (GHCR gives it for packages that do not exist), except from Google, which means
    # "unauthenticated" by it.
    _rule(
        "no-credentials",
        r"\bfailed to fetch anonymous token\b.*?(?P<say>\b401(?: unauthorized)?)",
    ),
    _rule(
        "denied-or-missing",
        r"\bfailed to fetch anonymous token\b.*?(?P<say>\b40[34](?: forbidden| not found)?)",
    ),
    _rule("bad-credentials", r"\bfailed to fetch (?:oauth|bearer|access) token\b.*?(?P<say>\b4\d\d(?: [a-z]+){0,2})"),
    # Failures that leave open whether it is the login, the permission or the image.
    _rule(
        "denied-or-missing",
        r"\bpull access denied\b",
        r"\brequested access to the resource is denied\b",
        r"\binsufficient_scope\b.*",
        r"\baccess to the requested resource is not authorized\b",
        r"\bunauthorized to access repository\b",
        r"\bor it may not exist\b",
        r"\bdoes not exist or no pull access\b",
        r"\bplease verify that it exists and you have permission\b",
        r"\bdoes not match bearer token resource\b",
        r"\bmay have invalid credentials\b",
        r"\brequesting bearer token\b.*?(?P<say>\b40[13](?: \(?[a-z]+\)?)?)",
    ),
    _rule("forbidden", r"\bpermission\b.{0,80}\bdenied on resource\b", r"\b403 \(?forbidden\b\)?.*"),
    _rule("forbidden", _STATUS + r"(?P<say>403\b.*)", r"(?:\A|: )(?P<bare>forbidden)\b"),
    # Missing images; docker before 1.13 said "image x not found" of what it was not shown as well.
    _rule("denied-or-missing", r"\bError: image \S+ not found\b(?!:)"),
    _rule(
        "image-not-found",
        r"\bmanifest(?:[ _]unknown| for \S+ not found| \S+ not found| (?:is |was )?not found|s? not found)\b.*",
        r"\bnamed manifest is not known\b",
        r"\bmanifest tagged by \S+ is not found\b",
        r"\b(?:requested )?image (?:\S+ )?(?:was )?not found\b",
        r"\b(?:tag|artifact|digest|reference) (?:\S+ )?(?:was )?(?:not found|does not exist)\b",
        r"\bno such (?:image|manifest|tag)\b",
        r"\b(?:image|manifest|tag) (?:\S+ )?does not exist\b",
        r"\b404 \(?not found\b\)?",
        _STATUS + r"(?P<say>404\b.*)",
        r"(?:¤|[\"\]])\s*: (?P<end>not found)\b",
    ),
)

# A 401 or a "denied" that names no reason: the login is missing or wrong, or the registry hides what it has.
REFUSED = _rule(
    "denied-or-missing",
    r"\b401 \(?unauthorized\b\)?",
    _STATUS + r"(?P<say>401\b.*)",
    r"\bunauthorized\b.*",
    r"\bauthentication (?:is )?required\b",
    r"(?<!permission )\b(?:access )?denied\b(?! by policy).*",
)

# Asked last: words that name only the place where something failed.
LAST = (
    _rule(
        "runtime",
        r"\bfailed to decrypt\b.*|\bmissing private key\b.*",
        r"\bsnapshot(?:s|ter)?\b.*",
        r"\b(?:failed to (?:extract|register|unpack|apply|mount|prepare)|error unpacking)\b.*",
        r"\b(?:image)?inspect(?:error| image)\b.*",
        r"\b(?:readlink|mkdir|lchown|chmod|chown|rename|symlink|open|stat|lstat|unlink(?:at)?|mount) ¤+: .*",
        r"\b(?:layer|image) not known\b|\blayer does not exist\b|\blocating item named\b.*",
        r"\bdoes not resolve to an image ID\b",
        r"\b(?:OCI runtime|shim task)\b.*",
        r"\blease\b.*\b(?:not found|does not exist)\b",
        r"\blocked(?: for\b|: unavailable\b).*|\bunavailable: ref\b.*",
        r"\b(?:overlay2?|devmapper|devicemapper|graphdriver|storage[- ]driver|hcsshim|hcs|re-exec)\b.*",
        r"\bmax depth exceeded\b",
        r"\b(?:too many open files|cannot allocate memory|database not open|fork/exec)\b",
        r"\binsufficient UIDs or GIDs\b.*",
        r"\bcode = Unimplemented\b.*",
    ),
    _rule(
        "registry-error",
        r"\berror parsing HTTP \d+ response body\b.*",
        r"\bmalformed HTTP (?:response|version|status)\b.*",
        r"\binvalid character '<'.*",
        r"\b(?:400 bad request|405 method not allowed|406 not acceptable|410 gone|418 [^\n:]*|451 [^\n:]*)",
        r"\b(?:stopped after 10 redirects|unsupported protocol scheme)\b",
        _STATUS + r"(?P<say>[34]\d\d\b.*)",
    ),
    _rule("image-not-found", r"\bcode = NotFound\b", r"(?:\A|: )not found\W*\Z"),
    _rule("connection", r"\bRegistryUnavailable\b"),
    # After the other words of runtimes, which may stand behind these and say more.
    _rule("runtime", r"\berror processing tar file\b.*|\b(?:adding layer with blob|creating (?:read-write )?layer)\b.*"),
    # In the middle of a log line, with nothing after it that could be the reason.
    _rule("backoff-only", r"\bBack-off pulling image \"[^\"]*\"(?!: \w)"),
)
