"""A stand-in for what goes wrong on the way to a real API server: a proxy in front of it that has faults."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

import yaml

from .cluster.model import Cluster
from .cluster.pki import make

BUSY, FAILED, LOST, BROKEN, TRUNCATED, REFUSED = "busy", "failed", "lost", "broken", "truncated", "refused"
SAID = {BUSY: (429, b"too many requests\n"), FAILED: (500, b"the proxy fails\n"), REFUSED: (403, b"the proxy says no\n")}
MIDDLE = 5000  # bytes of a client's after which a stream is broken off
HOP = ("connection", "transfer-encoding", "content-length", "host", "keep-alive")


class FaultProxy:
    """HTTPS on a port of its own, with a certificate of its own. rule: gets method and path of each request, and gives its
    fault: `busy` (429), `failed` (500), `lost` (done, but the connection is closed), `broken` (closed in the middle of the
    answer, or of a stream), `truncated` (half an answer, whole as HTTP goes), `refused` (403); empty for none. asked: what
    came."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.rule: Callable[[str, str], str] = lambda method, path: ""
        self.asked: list[tuple[str, str]] = []
        self.there = urlsplit(cluster.api_url)
        self.trusting = ssl.create_default_context(cafile=cluster.ca_file)
        self.folder = folder
        self.authority = make(folder, "proxy-ca", common_name="the proxy's CA")
        self.context = self._context("proxy")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                outer._answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[Any, Any]:
                connection, address = super().get_request()
                wrapped = outer.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return wrapped, address

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that leave are no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    def kubeconfig(self, cluster: Cluster) -> Path:
        """The cluster's kubeconfig, with this proxy in the server's place."""
        document = yaml.safe_load(Path(cluster.kubeconfig).read_text())
        for one in document["clusters"]:
            one["cluster"] = {"server": self.url, "certificate-authority": str(self.authority.certificate_file)}
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path

    def shows_another_certificate(self) -> None:
        """From now on, to new connections: one of a CA that nobody trusts."""
        self.context = self._context("other", make(self.folder, "other-ca", common_name="another CA"))

    def shows_its_own(self) -> None:
        self.context = self._context("proxy")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _context(self, name: str, authority: Any = None) -> ssl.SSLContext:
        pair = make(self.folder, name, authority or self.authority, ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate_file, pair.key_file)
        return context

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.asked.append((handler.command, handler.path))
        fault = self.rule(handler.command, handler.path)
        if fault in SAID:
            self._say(handler, *SAID[fault])
            return
        if handler.headers.get("Upgrade"):
            self._hand_through(handler, MIDDLE if fault == BROKEN else None)
            return
        there = http.client.HTTPSConnection(self.there.netloc, context=self.trusting, timeout=300)
        with contextlib.closing(there):
            headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP}
            there.request(handler.command, handler.path, body or None, headers)
            found = there.getresponse()
            if fault == LOST:
                found.read()
                handler.close_connection = True
            elif "watch=true" in handler.path and found.status == 200:
                self._pass_on(handler, found, cut=fault == BROKEN)
            else:
                content = found.read()
                self._say(handler, found.status, content, found.headers.get("Content-Type"), fault)

    def _say(
        self, handler: BaseHTTPRequestHandler, status: int, content: bytes, kind: Optional[str] = None, fault: str = ""
    ) -> None:
        if fault == TRUNCATED:
            content = content[: len(content) // 2]
        handler.send_response(status)
        handler.send_header("Content-Type", kind or "text/plain")
        handler.send_header("Content-Length", str(len(content)))
        if status == 429:
            handler.send_header("Retry-After", "1")
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if fault == BROKEN else content)
        handler.close_connection = handler.close_connection or fault == BROKEN

    def _pass_on(self, handler: BaseHTTPRequestHandler, found: http.client.HTTPResponse, *, cut: bool) -> None:
        """A watch, event by event; cut: its first event is broken off in the middle."""
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        while line := found.readline():
            handler.wfile.write(line[: len(line) // 2] if cut else line)
            handler.wfile.flush()
            if cut:
                return

    def _hand_through(self, handler: BaseHTTPRequestHandler, most: Optional[int]) -> None:
        """A connection that becomes a stream both ways; most: so many bytes of the client's are passed on."""
        handler.close_connection = True
        client: ssl.SSLSocket = handler.connection
        plain = socket.create_connection((self.there.hostname or "", self.there.port or 443))
        with self.trusting.wrap_socket(plain, server_hostname=self.there.hostname) as server:
            lines = [f"{handler.command} {handler.path} HTTP/1.1", f"Host: {self.there.netloc}"]
            lines += [f"{name}: {value}" for name, value in handler.headers.items() if name.lower() != "host"]
            server.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            while most is None or most > 0:
                # One thread for both: a TLS connection is not to be used by two at once.
                ready = [one for one in (client, server) if one.pending()] or select.select([client, server], [], [])[0]
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is server:
                        client.sendall(data)
                    else:
                        server.sendall(data[:most])
                        most = None if most is None else max(most - len(data), 0)
