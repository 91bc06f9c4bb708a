"""The parts of Go's standard library whose behaviour decides what a kubelet makes of a credential.

Python's own parsers accept and refuse other things: `urlsplit` lower-cases hosts and drops newlines, `json` takes NaN,
`base64` skips what is not of its alphabet. Each function here says which Go function it stands for; the versions meant
are Go 1.26's. Where Go works on bytes, so does this module. Errors carry Go's wording, because that wording is what
pod statuses and node logs show.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import NamedTuple


class GoError(ValueError):
    """What Go's library would return as an error; the text is Go's."""


# --- strconv.Quote -------------------------------------------------------------------------------------------------

_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}


def quote(text: str) -> str:
    """`strconv.Quote`: text in double quotes, everything unprintable escaped. Lone surrogates stand for raw bytes."""
    return f'"{"".join(map(_quoted_character, text))}"'


def _quoted_character(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def text_of(raw: bytes) -> str:
    """Bytes as text, lone surrogates for what is not UTF-8: nothing is lost."""
    return raw.decode("utf-8", "surrogateescape")


_SURROGATE = re.compile("[\ud800-\udfff]")


def coerced(text: str) -> str:
    """Text as Go shows or decodes it: U+FFFD for every byte that is not UTF-8 and every lone surrogate."""
    return _SURROGATE.sub("\ufffd", text)


# --- net/url -------------------------------------------------------------------------------------------------------

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NOT_IN_HOST = re.compile(rb"[^!\"$&'()*+,\-.0-9:;<=>A-Z\[\]_a-z~%\x80-\xff]")  # url/encoding_table.go: encodeHost
_HOST_BYTE = re.compile(rb"[!\"$&'()*+,\-.0-9:;<=>A-Z\[\]_a-z~]")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_STEP = re.compile(rb"%([0-9A-Fa-f]{2})?")
_USERINFO = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_OPTIONAL_PORT = re.compile(rb"(?::[0-9]*)?")


class Url(NamedTuple):
    """What is kept of a parsed URL: `host` with its port, and the unescaped path, both as bytes."""

    host: bytes
    path: bytes


def parse_url(url: str) -> Url:
    """`url.Parse` of a text that begins with `https://` or `http://`.

    GoError (`invalid port ":*" after host`), without the `parse "<url>": ` that Go puts in front.
    Several colons in a host are refused, as from Go 1.26 on (GODEBUG urlstrictcolons): such a key matched nothing
    before either.
    """
    before, _, fragment = url.encode("utf-8", "surrogateescape").partition(b"#")
    if _CONTROL.search(before):
        raise GoError("net/url: invalid control character in URL")
    rest = before.partition(b"?")[0].partition(b"://")[2]
    authority, slash, tail = rest.partition(b"/")
    userinfo, at, hostport = authority.rpartition(b"@")
    host = _parse_host(hostport)
    if at:
        if not _USERINFO.fullmatch(userinfo):
            raise GoError("net/url: invalid userinfo")
        name, _, password = userinfo.partition(b":")
        _unescape(name)
        _unescape(password)
    path = _unescape(slash + tail)
    _unescape(fragment)
    return Url(host, path)


def _parse_host(host: bytes) -> bytes:
    opening = host.rfind(b"[")
    if opening > 0:
        raise GoError("invalid IP-literal")
    if opening < 0:
        colon = host.find(b":")
        if colon >= 0:
            _check_port(host[colon:])
        return _unescape(host, in_host=True)
    closing = host.rfind(b"]")
    if closing < 0:
        raise GoError("missing ']' in host")
    port = host[closing + 1 :]
    _check_port(port)
    inside = host[1:closing]
    zone_at = inside.find(b"%25")
    if zone_at < 0:
        address = _unescape(inside, in_host=True)
    else:
        address = _unescape(inside[:zone_at], in_host=True) + _unescape(inside[zone_at:], in_zone=True)
    _check_ipv6(text_of(address))
    return b"[" + address + b"]" + port


def _check_port(port: bytes) -> None:
    if not _OPTIONAL_PORT.fullmatch(port):
        raise GoError(f"invalid port {quote(text_of(port))} after host")


def _check_ipv6(text: str) -> None:
    """`netip.ParseAddr`; its error texts are not copied."""
    from ipaddress import IPv4Address, IPv6Address

    address, percent, zone = text.partition("%")
    try:
        IPv6Address(address)
    except ValueError:
        pass
    else:
        if not percent or zone:
            return
    try:
        IPv4Address(text)
    except ValueError:
        raise GoError(f"invalid host: ParseAddr({quote(text)}): not an IPv6 address") from None
    raise GoError("invalid IP-literal")


def _unescape(raw: bytes, *, in_host: bool = False, in_zone: bool = False) -> bytes:
    if b"%" not in raw and not (in_host or in_zone):
        return raw
    wrong = _NOT_IN_HOST.search(raw) if in_host or in_zone else None
    for step in _STEP.finditer(raw):
        start = step.start()
        if wrong and wrong.start() < start:
            break
        value = int(step[1], 16) if step[1] else -1
        bad = value < 0
        if in_host and value < 0x80 and step[0] != b"%25":
            bad = True
        if in_zone and step[0] != b"%25" and value != 0x20 and not _HOST_BYTE.fullmatch(bytes((value & 0xFF,))):
            bad = True
        if bad:
            raise GoError(f"invalid URL escape {quote(text_of(raw[start : start + 3]))}")
    if wrong:
        raise GoError(f"invalid character {quote(text_of(wrong[0]))} in host name")
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), raw)


def split_host_port(hostport: str) -> tuple[str, str]:
    """`net.SplitHostPort`, and (hostport, "") where that returns an error, as the kubelet's SplitURL has it."""
    whole = hostport, ""
    colon = hostport.rfind(":")
    if colon < 0:
        return whole
    if hostport.startswith("["):
        closing = hostport.find("]")
        if closing + 1 != colon:
            return whole
        host, rest, tail = hostport[1:closing], hostport[1:], hostport[closing + 1 :]
    else:
        host, rest, tail = hostport[:colon], hostport, hostport
        if ":" in host:
            return whole
    if "[" in rest or "]" in tail:
        return whole
    return host, hostport[colon + 1 :]


# --- path/filepath -------------------------------------------------------------------------------------------------


def match_label(pattern: str, label: str) -> bool:
    """`filepath.Match` for one label of a host name; a malformed pattern does not match.

    Neither side holds `/`, `?` or a backslash: those cannot come out of a URL's host.
    """
    if "*" not in pattern and "[" not in pattern:
        return pattern == label
    first, *others = _chunks(pattern)
    end = _match_chunk(first, label, 0)
    if end is None:
        return False
    if not others:
        return end == len(label)
    for chunk in others[:-1]:
        end = _find_chunk(chunk, label, end)
        if end is None:
            return False
    last = others[-1]
    return not last or any(_match_chunk(last, label, at) == len(label) for at in range(end, len(label)))


def _chunks(pattern: str) -> list[str]:
    """The pattern without its stars; a star between brackets is none."""
    chunks, start, inside = [], 0, False
    for at, char in enumerate(pattern):
        if char in "[]":
            inside = char == "["
        elif char == "*" and not inside:
            chunks.append(pattern[start:at])
            start = at + 1
    chunks.append(pattern[start:])
    return chunks


def _find_chunk(chunk: str, label: str, start: int) -> int | None:
    if "[" not in chunk:
        found = label.find(chunk, start)
        return None if found < 0 else found + len(chunk)
    for at in range(start, len(label)):
        end = _match_chunk(chunk, label, at)
        if end is not None:
            return end
    return None


def _match_chunk(chunk: str, label: str, at: int) -> int | None:
    """Where in the label a chunk that begins at `at` ends, or None."""
    if "[" not in chunk:
        return at + len(chunk) if label.startswith(chunk, at) else None
    position = 0
    while position < len(chunk):
        if at >= len(label):
            return None
        if chunk[position] != "[":
            if chunk[position] != label[at]:
                return None
            position += 1
        else:
            after = _match_class(chunk, position + 1, label[at])
            if after is None:
                return None
            position = after
        at += 1
    return at


def _match_class(chunk: str, position: int, char: str) -> int | None:
    """Behind the class that begins at `position`, or None if it is malformed or does not hold the character."""
    hit, count = False, 0
    while True:
        if count and chunk[position : position + 1] == "]":
            return position + 1 if hit else None
        low = chunk[position : position + 1]
        if low in ("", "-", "]") or position + 1 >= len(chunk):
            return None
        high = low
        position += 1
        if chunk[position] == "-":
            high = chunk[position + 1 : position + 2]
            if high in ("", "-", "]") or position + 2 >= len(chunk):
                return None
            position += 2
        hit = hit or low <= char <= high
        count += 1


# --- encoding/base64 -----------------------------------------------------------------------------------------------

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NEWLINES = frozenset(b"\r\n")
_PADDED = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_UNPADDED = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?")


def decode_base64(raw: bytes, *, padded: bool = True) -> bytes:
    """`base64.StdEncoding.DecodeString`, or `RawStdEncoding`: newlines are skipped, nothing else is.

    GoError: `illegal base64 data at input byte 12`.
    """
    clean = raw.replace(b"\r", b"").replace(b"\n", b"")
    if not (_PADDED if padded else _UNPADDED).fullmatch(clean):
        raise GoError(f"illegal base64 data at input byte {_illegal_byte(raw, padded)}")
    return binascii.a2b_base64(clean if padded else clean + b"=" * (-len(clean) % 4))


def _illegal_byte(raw: bytes, padded: bool) -> int:
    """Where Go says that the data is wrong (Encoding.decodeQuantum); called for wrong data only."""
    at, filled, size = 0, 0, len(raw)
    while at < size:
        byte = raw[at]
        at += 1
        if byte in _ALPHABET:
            filled = (filled + 1) % 4
            continue
        if byte in _NEWLINES:
            continue
        if byte != 0x3D or not padded or filled < 2:
            return at - 1
        if filled == 2:
            at = _skip_newlines(raw, at)
            if at == size:
                return size
            if raw[at] != 0x3D:
                return at - 1
            at += 1
        return _skip_newlines(raw, at)
    return size - filled


def _skip_newlines(raw: bytes, at: int) -> int:
    while at < len(raw) and raw[at] in _NEWLINES:
        at += 1
    return at


# unicode.IsSpace, which strings.TrimSpace uses; str.strip() would also take \x1c to \x1f.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # noqa: E501


# --- encoding/json -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Json:
    """A JSON value as far as it is looked at: elements of lists and the digits of numbers are not kept."""

    kind: str  # "object", "array", "string", "number", "bool", "null": as Go's errors call them
    text: str = ""  # of a string
    members: tuple[tuple[str, Json], ...] = ()  # of an object, in order, with those that come twice

    def __repr__(self) -> str:
        return f"Json({self.kind})"  # strings may be passwords


_MAX_DEPTH = 10000
_BLANKS = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(r"[0-9]*")
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = frozenset("0123456789abcdefABCDEF")
_KINDS = {"t": ("true", "bool"), "f": ("false", "bool"), "n": ("null", "null")}


def parse_json(raw: bytes) -> Json:
    """What `json.Unmarshal` accepts, in the form that it would decode; GoError in the words of Go's scanner."""
    return _Scanner(raw).document()


class _Scanner:
    """encoding/json/scanner.go, on Latin-1 text so that one character is one byte. No recursion: depth is free."""

    def __init__(self, raw: bytes) -> None:
        self.text = raw.decode("latin-1")
        self.size = len(self.text)
        self.at = 0

    def peek(self) -> str:
        # At the end Go's scanner feeds itself one blank, to see whether the value is complete.
        return self.text[self.at] if self.at < self.size else " "

    def wrong(self, context: str) -> GoError:
        char = self.peek()
        shown = {"'": r"'\''", '"': "'\"'"}.get(char) or f"'{quote(char)[1:-1]}'"
        return GoError(f"invalid character {shown} {context}")

    def blanks(self) -> str:
        """The next character that is no blank."""
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        if self.at >= self.size:
            raise GoError("unexpected end of JSON input")
        return self.text[self.at]

    def document(self) -> Json:
        value = self.value()
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        if self.at < self.size:
            raise self.wrong("after top-level value")
        return value

    def value(self) -> Json:
        stack: list[tuple[list[tuple[str, Json]] | None, str]] = []  # members of an object or None, and the current key
        while True:
            char = self.blanks()
            done: Json
            if char in "{[":
                if len(stack) == _MAX_DEPTH:
                    raise self.wrong("exceeded max depth")
                self.at += 1
                following = self.blanks()
                if char == "{" and following != "}":
                    stack.append(([], self.key()))
                    continue
                if char == "[" and following != "]":
                    stack.append((None, ""))
                    continue
                self.at += 1
                done = Json("object" if char == "{" else "array")
            else:
                done = self.literal(char)
            while stack:
                members, key = stack.pop()
                char = self.blanks()
                if members is None:
                    if char == ",":
                        self.at += 1
                        stack.append((None, ""))
                        break
                    if char != "]":
                        raise self.wrong("after array element")
                    done = Json("array")
                else:
                    members.append((key, done))
                    if char == ",":
                        self.at += 1
                        self.blanks()
                        stack.append((members, self.key()))
                        break
                    if char != "}":
                        raise self.wrong("after object key:value pair")
                    done = Json("object", members=tuple(members))
                self.at += 1
            else:
                return done

    def key(self) -> str:
        if self.peek() != '"':
            raise self.wrong("looking for beginning of object key string")
        key = self.string()
        if self.blanks() != ":":
            raise self.wrong("after object key")
        self.at += 1
        return key

    def literal(self, char: str) -> Json:
        if char == '"':
            return Json("string", text=self.string())
        if char == "-" or "0" <= char <= "9":
            self.number()
            return Json("number")
        if char not in _KINDS:
            raise self.wrong("looking for beginning of value")
        word, kind = _KINDS[char]
        for letter in word:
            if self.peek() != letter:
                raise self.wrong(f"in literal {word} (expecting '{letter}')")
            self.at += 1
        return Json(kind)

    def number(self) -> None:
        if self.peek() == "-":
            self.at += 1
        if self.peek() == "0":
            self.at += 1
        else:
            self.digits("in numeric literal")
        if self.peek() == ".":
            self.at += 1
            self.digits("after decimal point in numeric literal")
        if self.peek() in "eE":
            self.at += 1
            if self.peek() in "+-":
                self.at += 1
            self.digits("in exponent of numeric literal")

    def digits(self, context: str) -> None:
        found = _DIGITS.match(self.text, self.at)
        if not found or not found[0]:
            raise self.wrong(context)
        self.at = found.end()

    def string(self) -> str:
        self.at += 1
        start, escaped = self.at, False
        while True:
            found = _PLAIN.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at >= self.size:
                raise GoError("unexpected end of JSON input")
            char = self.text[self.at]
            if char == '"':
                break
            if char != "\\":
                raise self.wrong("in string literal")
            escaped = True
            self.at += 1
            if self.peek() == "u":
                for _ in range(4):
                    self.at += 1
                    if self.peek() not in _HEX:
                        raise self.wrong("in \\u hexadecimal character escape")
            elif self.peek() not in 'bfnrt\\/"':
                raise self.wrong("in string escape code")
            self.at += 1
        text = coerced(text_of(self.text[start : self.at].encode("latin-1")))
        self.at += 1
        return coerced(_ESCAPE.sub(_unescaped, text)) if escaped else text


def _unescaped(found: re.Match[str]) -> str:
    escape = found[0]
    if len(escape) == 12:
        high, low = int(escape[2:6], 16), int(escape[8:], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    if len(escape) == 6:
        return chr(int(escape[2:], 16))
    return _SHORT.get(escape[1], escape[1])


def same_name(written: str, name: str) -> bool:
    """Whether Go takes a member of an object for a field: case does not count (encoding/json/fold.go)."""
    return written == name or written.replace("\u017f", "s").lower() == name.lower()
