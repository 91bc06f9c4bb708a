"""The examples that each target begins with: the project's own."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

from tests.unit import archives, builders

from .targets import NEXT, PASSWORD

ROOT = Path(__file__).parents[2]
WORDS = 60  # of the samples of what kubelets say


def files() -> list[bytes]:
    evidence = (ROOT / "examples" / "domain1-evidence.json").read_bytes()
    manifest = (ROOT / "examples" / "domain1.yaml").read_bytes()
    waiting = builders.waiting(builders.NOT_FOUND)
    objects = [
        builders.pod(state=waiting, secrets=["regcred"]), builders.workload("CronJob"),
        builders.account(secrets=["regcred"]),
        builders.secret_object(), builders.secret_object("bad", config="{"), builders.node(),
        builders.domain(conditions=[builders.failed_condition(builders.DNS)]),
    ]  # fmt: skip
    whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).encode()
    contents = [evidence, manifest, whole, *(json.dumps(one).encode() for one in objects)]
    contents += [
        b"a: &a [1]\nb: *a\n",
        b"apiVersion: v1\nkind: Pod\nspec: {containers: [{image: x}]}\n",
        b"!!python/name:os.x",
    ]
    return [bytes([number % 5]) + content for number, content in enumerate(contents)]


def registries() -> list[bytes]:
    def http(status: str, body: object = b"", *headers: str) -> bytes:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def error(code: str, message: str = "") -> dict[str, object]:
        return {"errors": [{"code": code, "message": message, "detail": {"Tag": "1.0"}}]}

    realm = 'realm="https://registry.example.com/token",service="registry.example.com"'
    basic = http("401 Unauthorized", error("UNAUTHORIZED"), 'WWW-Authenticate: Basic realm="r"')
    bearer = http(
        "401 Unauthorized", error("UNAUTHORIZED"), f'WWW-Authenticate: Bearer {realm},scope="repository:team/app:pull"'
    )
    token = http("200 OK", {"token": "abc.def.ghi", "expires_in": 300})
    sent = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    index = {"manifests": [{"digest": builders.DIGEST, "platform": {"os": "linux", "architecture": "arm64"}}]}
    kind = f"Content-Type: {builders.INDEX}"
    there = http("200 OK", index, kind, f"Docker-Content-Digest: {builders.DIGEST}", "RateLimit-Remaining: 5;w=21600")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n" + kind.encode() + b"\r\n\r\n"
    gone = http("404 Not Found", error("MANIFEST_UNKNOWN", "\x1b[31mmanifest unknown"))
    tags = http(
        "200 OK",
        {"name": "team/app", "tags": ["1.0.1", "v1.0", "\x1b"]},
        'Link: </v2/team/app/tags/list?last=x>; rel="next"',
    )
    answers = [
        [basic, basic, head, there], [bearer, token, token, there, there], [bearer, token, gone, gone, tags, tags],
        [http("200 OK"), gone, gone, http("404 Not Found", error("NAME_UNKNOWN"))],
        [basic, http("401 Unauthorized", error("DENIED", f"{PASSWORD} {sent}")), http("403 Forbidden", sent.encode())],
        [bearer, http("400 Bad Request", {"error": "invalid_grant", "error_description": sent})],
        [http("429 Too Many Requests", error("TOOMANYREQUESTS"), "Retry-After: 60")] * 4,
        [http("307 Temporary Redirect", b"", "Location: https://cdn.test/v2/")] * 8,
        [http("500 Oops", b"<html>" * 100)] * 4, [basic, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"],
        [b"\x15\x03\x01\x00\x02\x02"], [],
    ]  # fmt: skip
    return [NEXT.join(parts) for parts in answers]


def tars() -> list[bytes]:
    several: archives.Files = {}
    entries = [archives.oci_image(several, word, f"linux/{word}") for word in ("amd64", "arm64")]
    index = archives.oci_index(several, entries)
    layouts = [
        archives.docker_files("content", "reg.test/app:1"),
        archives.docker_files("content", "reg.test/app:1", "a:2", packed=True),
        archives.layout(several, archives.named(index, "reg.test/app:1")),
    ]
    made = [b"r" + archives.tar(one) for one in layouts]
    made.append(b"r" + gzip.compress(archives.tar(layouts[0]), mtime=0))
    made += [b"m" + NEXT.join(name.encode() + b"\n" + content for name, content in one.items()) for one in layouts]
    made.append(b"m" + NEXT.join([b"manifest.json\n>x", b"x\n>../../etc/passwd", b"/etc/x\n", b"a\n"]))
    return [*made, b"r", b"r" + b"\x28\xb5\x2f\xfd", b"r" + bytes(10240)]


def words() -> list[bytes]:
    found = []
    for name in ("pull_errors.json", "pull_errors_more.json"):
        samples = json.loads((ROOT / "tests" / "data" / name).read_text(encoding="utf-8"))
        for one in samples[:: max(1, len(samples) // WORDS)]:
            parts = (one["message"], one["reason"] or "", f"Failure on pod 'p' in namespace 'n': {one['message']}")
            found.append(NEXT.join(part.encode() for part in parts))
    return found


SEEDS = {"files": files, "registries": registries, "archives": tars, "words": words}
