"""The token server of the token registry: tells who may do what, by a file, in signed tokens (distribution's way).

    python -m ...tokenserver CONFIG.json

CONFIG: {port, service, issuer, key_file, certificate_file, users: {name: {password, rights: {pattern: [action]}}},
anonymous: {pattern: [action]}}; a pattern is a shell pattern over the repository's name. Wrong credentials get 401, a
right that is not there is simply left out of the token.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import secrets
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Rights = dict[str, list[str]]
LIFETIME = 300


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Tokens:
    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        key = serialization.load_pem_private_key(Path(config["key_file"]).read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise SystemExit("the token server's key is no RSA key")
        self.key = key
        certificate = x509.load_pem_x509_certificate(Path(config["certificate_file"]).read_bytes())
        self.chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]

    def rights(self, user: str, password: str) -> Optional[Rights]:
        if not user:
            return dict(self.config["anonymous"])
        known = self.config["users"].get(user)
        if known is None or not secrets.compare_digest(known["password"].encode(), password.encode()):
            return None
        return {**self.config["anonymous"], **known["rights"]}

    def token(self, user: str, rights: Rights, scopes: list[str]) -> str:
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, wanted = rest.rpartition(":")
            allowed = {a for pattern, actions in rights.items() if fnmatch.fnmatchcase(name, pattern) for a in actions}
            actions = [action for action in wanted.split(",") if action in allowed]
            if kind == "repository" and actions:
                access.append({"type": kind, "name": name, "actions": actions})
        now = int(time.time())
        claims = {
            "iss": self.config["issuer"],
            "aud": self.config["service"],
            "sub": user,
            "iat": now,
            "nbf": now - 10,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        header = {"typ": "JWT", "alg": "RS256", "x5c": self.chain}
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Handler(BaseHTTPRequestHandler):
    tokens: Tokens

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="token"')
        self.end_headers()
        self.wfile.write(content)

    def _issue(self, user: str, password: str, scopes: list[str]) -> None:
        rights = self.tokens.rights(user, password)
        if rights is None:
            error = {"code": "UNAUTHORIZED", "message": "incorrect username or password"}
            self._reply(401, {"errors": [error], "details": error["message"]})
            return
        token = self.tokens.token(user, rights, " ".join(scopes).split())
        self._reply(200, {"token": token, "access_token": token, "expires_in": LIFETIME})

    def do_GET(self) -> None:
        values = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        user = password = ""
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "basic":
            user, _, password = base64.b64decode(given).decode().partition(":")
        self._issue(user, password, values.get("scope", []))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        values = urllib.parse.parse_qs(body)
        user, password = values.get("username", [""])[0], values.get("password", [""])[0]
        self._issue(user, password, values.get("scope", []))


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text())
    Handler.tokens = Tokens(config)
    ThreadingHTTPServer(("127.0.0.1", config["port"]), Handler).serve_forever()


if __name__ == "__main__":
    main()
