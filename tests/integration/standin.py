"""Stand-in API servers: one that answers as a test says, and one that keeps objects as a real API server does."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional, Union
from urllib.parse import parse_qs, unquote, urlsplit

from pullcore.kinds import KINDS, Kind
from pullcore.selector import matches

Object = dict[str, Any]
COMPRESSED = 128 * 1024  # longer answers are, where it is asked for (apiserver, responsewriters)


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    peer: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Answer:
    """What is sent. wait: seconds before it; drip: seconds after each byte of the body; cut: so many bytes of the body are
    sent before the connection is closed, with -1 not even the head; rest: lets the second half of the body go."""

    status: int = 200
    body: Union[bytes, Object] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0
    drip: float = 0
    cut: Optional[int] = None
    rest: Optional[threading.Event] = None

    @property
    def content(self) -> bytes:
        """Compact, as API servers write it: part of what reads lists relies on that."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()


def status(code: int, reason: str, message: str, **more: Any) -> Answer:
    return Answer(code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, **more})


class StandIn:
    """A stand-in API server: `answer` says what to send; `asked` holds what came. context: for HTTPS; may be changed, and
    counts for new connections. refused: numbers of connections (from 1) whose TLS handshake is refused."""

    def __init__(self, context: Optional[ssl.SSLContext] = None) -> None:
        self.asked: list[Asked] = []
        self.closes_silently = False
        self.context = context
        self.refused: set[int] = set()
        self.connections = 0
        self._open: set[socket.socket] = set()
        self.answer: Callable[[Asked], Answer] = lambda asked: Answer(body={"kind": "Pod"})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else head and body of an answer come 40 ms apart

            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
                asked = Asked(
                    self.command, parts.path, query, list(self.headers.items()), self.rfile.read(length),
                    self.client_address[1], self.peer(),
                )  # fmt: skip
                outer.asked.append(asked)
                answer = outer.answer(asked)
                time.sleep(answer.wait)
                body = answer.content
                packed = len(body) > COMPRESSED and "gzip" in self.headers.get("Accept-Encoding", "")
                body = gzip.compress(body, 1) if packed else body
                if answer.cut is not None:
                    self.close_connection = True
                    if answer.cut < 0:
                        return
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                if packed:
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if answer.rest:
                    half = len(body) // 2
                    self.wfile.write(body[:half])
                    answer.rest.wait(10)
                    self.wfile.write(body[half:])
                elif answer.drip:
                    for at in range(len(body)):
                        self.wfile.write(body[at : at + 1])
                        time.sleep(answer.drip)
                else:
                    self.wfile.write(body if answer.cut is None else body[: answer.cut])
                self.close_connection = self.close_connection or outer.closes_silently

            def peer(self) -> str:
                """The name in the client's certificate."""
                found: dict[str, Any] = getattr(self.connection, "getpeercert", dict)() or {}
                return "".join(value for names in found.get("subject", ()) for _, value in names)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                outer.connections += 1
                if outer.connections in outer.refused:
                    connection.sendall(DECODE_ERROR)
                    connection.close()
                    raise OSError("refused")
                if outer.context:
                    connection = outer.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                outer._open.add(connection)
                return connection, address

            def shutdown_request(self, request: Any) -> None:
                outer._open.discard(request)
                super().shutdown_request(request)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that leave are no news."""

        def listen(port: int = 0) -> None:
            self.server = Server(("127.0.0.1", port), Handler)
            threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

        self._listen = listen
        self._closed = False
        self.is_up = threading.Event()
        self.is_up.set()
        self._going = threading.Lock()
        listen()
        self.port: int = self.server.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._closed = True
        with self._going:
            self._hang_up()

    def restart(self, seconds: float) -> None:
        """Is killed, and there again after so many seconds; what it keeps stays."""
        self.is_up.clear()
        with self._going:
            self._hang_up()

        def again() -> None:
            with self._going:
                if not self._closed:
                    self._listen(self.port)
            self.is_up.set()

        threading.Timer(seconds, again).start()

    def _hang_up(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


# --- An API server that keeps objects ------------------------------------------------------------------------------

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v\w+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[a-z]+))?)?"
)
GROUP = re.compile(r"/apis/[^/]+")
UNKNOWN = status(404, "NotFound", "the server could not find the requested resource", details={})
DECODE_ERROR = b"\x15\x03\x03\x00\x02\x02\x32"  # the fatal alert of TLS (RFC 8446, section 6)
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
MADE = "2026-03-01T12:00:00Z"
WATCHED = 5.0  # seconds after which a watch ends, if nothing happens
BY_PATH = {(kind.group, kind.plural): kind for kind in KINDS.values()}
Name = tuple[str, str, str]  # kind, namespace, name


class Refusal(Exception):
    """An answer that is none of success."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class Place:
    """What a path leads to; namespace and name are empty where the path has none."""

    kind: Kind
    version: str
    namespace: str
    name: str
    sub: str = ""

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}.{self.kind.group}" if self.kind.group else self.kind.plural

    @property
    def plural(self) -> str:
        return f"{self.kind.plural}/{self.sub}" if self.sub else self.kind.plural

    @property
    def key(self) -> Name:
        return (self.kind.name, self.namespace, self.name)


class ClusterStandIn(StandIn):
    """A small API server: resource versions, watches, JSON patches with `test`, evictions, 409, 422, dryRun, access reviews.

    denied: (verb, plural, namespace) that the user may not do, "*" for any, in reviews and in fact alike. unserved: kinds
    that it does not know. before: is called with each request first, may change the objects, and may answer in its place.
    """

    def __init__(self, *objects: Object, context: Optional[ssl.SSLContext] = None) -> None:
        self.objects: dict[Name, Object] = {}
        self.denied: set[tuple[str, str, str]] = set()
        self.unserved: set[str] = set()
        self.before: Callable[[Asked], Optional[Answer]] = lambda asked: None
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._history: list[tuple[int, str, Object]] = []  # resource version, type of event, object
        self._version = 1000
        self._pages: dict[str, tuple[list[Object], str]] = {}  # what is left of lists, and their versions
        super().__init__(context)
        self.answer = self._answer
        for value in objects:
            self.put(value)

    # What tests ask and do

    @property
    def writes(self) -> list[Asked]:
        """Every request that could have changed something; a dry run among them."""
        return [one for one in self.asked if one.method != "GET" and one.path != REVIEWS]

    def get(self, kind: str, name: str, namespace: str = "ns") -> Object:
        return self.objects[kind, namespace, name]

    def has(self, kind: str, name: str, namespace: str = "ns") -> bool:
        return (kind, namespace, name) in self.objects

    def put(self, value: Object) -> Object:
        """Stores an object behind everybody's back, as another writer would: a new resource version."""
        with self.lock:
            kept = copy.deepcopy(value)
            metadata = kept.setdefault("metadata", {})
            kind = KINDS[kept["kind"]]
            if kind.namespaced:
                metadata.setdefault("namespace", "ns")
                self._make_namespace(metadata["namespace"])
            key = (kind.name, metadata.get("namespace", ""), metadata["name"])
            known = self.objects.get(key)
            metadata.setdefault("uid", known["metadata"]["uid"] if known else f"uid-{self._next()}")
            metadata.setdefault("creationTimestamp", MADE)
            metadata["resourceVersion"] = self._next()
            self.objects[key] = kept
            self._happened("MODIFIED" if known else "ADDED", kept)
            return kept

    def remove(self, kind: str, name: str, namespace: str = "ns") -> None:
        with self.lock:
            gone = self.objects.pop((kind, namespace, name))
            gone["metadata"]["resourceVersion"] = self._next()
            self._happened("DELETED", gone)

    def snapshot(self) -> dict[Name, Object]:
        return copy.deepcopy(self.objects)

    def entries(self, name: str, namespace: str = "ns") -> Object:
        """The entries of a pull secret, by key."""
        content: Object = json.loads(base64.b64decode(self.get("Secret", name, namespace)["data"][".dockerconfigjson"]))
        auths: Object = content["auths"]
        return auths

    # Answering

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def _happened(self, what: str, value: Object) -> None:
        self._history.append((int(value["metadata"]["resourceVersion"]), what, copy.deepcopy(value)))
        self._changed.notify_all()

    def _make_namespace(self, name: str) -> None:
        if ("Namespace", "", name) not in self.objects:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def _answer(self, asked: Asked) -> Answer:
        try:
            with self.lock:
                return self.before(asked) or self._done(asked)
        except Refusal as error:
            return error.answer

    def _done(self, asked: Asked) -> Answer:
        if asked.path == REVIEWS:
            return self._review(json.loads(asked.body))
        if asked.path == "/apis" or GROUP.fullmatch(asked.path):
            return self._discovery(asked.path)
        place = self._place(asked.path)
        verb = VERBS.get(asked.method) or ("get" if place.name else "watch" if "watch" in asked.query else "list")
        if self._is_denied(verb, place.plural, place.namespace):
            where = f' in the namespace "{place.namespace}"' if place.namespace else " at the cluster scope"
            said = f'User "bob" cannot {verb} resource "{place.plural}" in API group "{place.kind.group}"{where}'
            shown = f'{place.resource} "{place.name}"' if place.name else place.resource
            raise Refusal(status(403, "Forbidden", f"{shown} is forbidden: {said}"))
        if place.kind.name in self.unserved or place.version not in place.kind.versions:
            raise Refusal(UNKNOWN)  # only now: who may not ask does not get to know
        if verb in ("list", "watch"):
            return self._list(place, asked) if verb == "list" else self._watch(place, asked)
        if place.sub:
            return self._evict(place, asked)
        if asked.query.get("dryRun", "All") != "All":
            raise Refusal(status(400, "BadRequest", "dryRun: Unsupported value"))
        return {"get": self._get, "create": self._create, "update": self._update, "patch": self._patch,
                "delete": self._delete}[verb](place, asked)  # fmt: skip

    def _discovery(self, path: str) -> Answer:
        """The groups that there are, or one of them: everybody may ask for these."""
        served = sorted({kind.group for kind in KINDS.values() if kind.group and kind.name not in self.unserved})
        groups = [{"kind": "APIGroup", "apiVersion": "v1", "name": group} for group in served]
        if path == "/apis":
            return Answer(body={"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        found = next((group for group in groups if path == f"/apis/{group['name']}"), None)
        return Answer(body=dict(found)) if found else UNKNOWN

    def _place(self, path: str) -> Place:
        match = PATH.fullmatch(path)
        kind = BY_PATH.get((match["group"] or "", match["plural"])) if match else None
        if not match or not kind:
            raise Refusal(UNKNOWN)
        if match["sub"] and (match["sub"], kind.name) != ("eviction", "Pod"):
            raise Refusal(UNKNOWN)
        where, name = unquote(match["namespace"] or ""), unquote(match["name"] or "")
        return Place(kind, match["version"], where, name, match["sub"] or "")

    def _is_denied(self, verb: str, plural: str, namespace: str) -> bool:
        return any(
            one in (verb, "*") and other in (plural, "*") and where in (namespace, "*") for one, other, where in self.denied
        )

    def _review(self, review: Object) -> Answer:
        wanted = review["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, (wanted["resource"], wanted.get("subresource"))))
        denied = self._is_denied(wanted["verb"], plural, wanted.get("namespace", ""))
        return Answer(201, {**review, "status": {"allowed": not denied, **({"reason": "RBAC: no"} if denied else {})}})

    def _found(self, place: Place) -> Object:
        found = self.objects.get(place.key)
        if found is None:
            details = {"name": place.name, "kind": place.kind.plural}
            raise Refusal(status(404, "NotFound", f'{place.resource} "{place.name}" not found', details=details))
        return copy.deepcopy(found)

    def _get(self, place: Place, asked: Asked) -> Answer:
        return Answer(body=self._found(place))

    def _list(self, place: Place, asked: Asked) -> Answer:
        items = [
            # As a real server: the items of a list do not tell their type.
            {key: part for key, part in value.items() if key not in ("apiVersion", "kind")}
            for (kind, namespace, _), value in self.objects.items()
            if kind == place.kind.name and place.namespace in ("", namespace) and _selected(value, asked.query)
        ]
        if "as=PartialObjectMetadataList" in "".join(asked.all("Accept")):
            items = [{"metadata": item["metadata"]} for item in items]
        metadata = {"resourceVersion": str(self._version)}
        limit = int(asked.query.get("limit") or 0)
        if token := asked.query.get("continue"):  # all pages are of the moment of the first
            items, metadata["resourceVersion"] = self._pages[token]
        if limit and limit < len(items):
            metadata["continue"] = f"page-{len(self._pages)}"
            self._pages[metadata["continue"]] = copy.deepcopy(items[limit:]), metadata["resourceVersion"]
            items = items[:limit]
        found = {"kind": f"{place.kind.name}List", "apiVersion": place.kind.group_version(place.version)}
        return Answer(body={**found, "metadata": metadata, "items": items})

    def _watch(self, place: Place, asked: Asked) -> Answer:
        """What happened since a resource version, as soon as anything did; then the watch ends, which servers may do."""

        def events() -> list[Object]:
            since = int(asked.query.get("resourceVersion") or 0)
            return [
                {"type": what, "object": value}
                for version, what, value in self._history
                if version > since
                and value["kind"] == place.kind.name
                and place.namespace in ("", value["metadata"].get("namespace", ""))
                and _selected(value, asked.query)
            ]

        self._changed.wait_for(events, WATCHED)
        return Answer(body=b"".join(json.dumps(event).encode() + b"\n" for event in events()))

    def _create(self, place: Place, asked: Asked) -> Answer:
        value = json.loads(asked.body)
        name = value["metadata"]["name"]
        if place.namespace and ("Namespace", "", place.namespace) not in self.objects:
            details = {"name": place.namespace, "kind": "namespaces"}
            raise Refusal(status(404, "NotFound", f'namespaces "{place.namespace}" not found', details=details))
        if (place.kind.name, place.namespace, name) in self.objects:
            raise Refusal(status(409, "AlreadyExists", f'{place.resource} "{name}" already exists'))
        return self._stored(value, asked, 201)

    def _update(self, place: Place, asked: Asked) -> Answer:
        there, value = self._found(place), json.loads(asked.body)
        self._check_version(place, value, there)
        return self._stored(value, asked, 200, there)

    def _patch(self, place: Place, asked: Asked) -> Answer:
        if asked.all("Content-Type") != ["application/json-patch+json"]:
            raise Refusal(status(415, "UnsupportedMediaType", "a stand-in takes JSON patches only"))
        there = self._found(place)
        try:
            value = patched(there, json.loads(asked.body))
        except ValueError as error:
            raise Refusal(status(422, "Invalid", f"the server rejected our request: {error}")) from None
        self._check_version(place, value, there)
        return self._stored(value, asked, 200, there)

    def _delete(self, place: Place, asked: Asked) -> Answer:
        # Who sends options is not asked what else stands in the query.
        options = json.loads(asked.body) if asked.body else asked.query
        self._remove_seen(place, options)
        return Answer(body={"kind": "Status", "apiVersion": "v1", "status": "Success", "details": {"name": place.name}})

    def _evict(self, place: Place, asked: Asked) -> Answer:
        self._remove_seen(place, json.loads(asked.body).get("deleteOptions") or asked.query)
        return Answer(201, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _remove_seen(self, place: Place, options: Mapping[str, Any]) -> None:
        there = self._found(place)["metadata"]
        wanted = options.get("preconditions") or {}
        for name in ("uid", "resourceVersion"):
            if wanted.get(name, there[name]) != there[name]:
                raise Refusal(status(409, "Conflict", f"Precondition failed: {name} in precondition: {wanted[name]}"))
        if not options.get("dryRun"):
            self.remove(place.kind.name, place.name, place.namespace)

    @staticmethod
    def _check_version(place: Place, value: Object, there: Object) -> None:
        seen = value["metadata"].get("resourceVersion")
        if seen and seen != there["metadata"]["resourceVersion"]:
            text = (
                f'Operation cannot be fulfilled on {place.resource} "{place.name}": the object has been modified; please '
                "apply your changes to the latest version and try again"
            )
            raise Refusal(status(409, "Conflict", text))

    def _stored(self, value: Object, asked: Asked, code: int, there: Optional[Object] = None) -> Answer:
        if value["kind"] == "Secret":
            _check_secret(value, there)
        metadata = value["metadata"]
        manager = {"manager": asked.query.get("fieldManager", ""), "operation": "Update", "time": MADE}
        metadata["managedFields"] = [*(metadata.get("managedFields") or []), manager]
        if "dryRun" not in asked.query:
            return Answer(code, copy.deepcopy(self.put(value)))
        metadata.setdefault("uid", "uid-of-nothing")
        metadata.setdefault("creationTimestamp", MADE)
        return Answer(code, value)


def _selected(value: Object, query: dict[str, str]) -> bool:
    labels = value["metadata"].get("labels") or {}
    if query.get("labelSelector") and not matches(labels, query["labelSelector"]):
        return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _, wanted = term.partition("=")
        found: Any = value
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if (found or "") != wanted:
            return False
    return True


def _check_secret(value: Object, there: Optional[Object]) -> None:
    """What a real server validates (pkg/apis/core/validation: ValidateSecret, ValidateSecretUpdate)."""
    name, data = value["metadata"]["name"], value.get("data") or {}
    if there and value.get("type") != there.get("type"):
        raise Refusal(status(422, "Invalid", f'Secret "{name}" is invalid: type: Invalid value: field is immutable'))
    if there and there.get("immutable") and data != there.get("data"):
        text = "data: Forbidden: field is immutable when `immutable` is set"
        raise Refusal(status(422, "Invalid", f'Secret "{name}" is invalid: {text}'))
    if value.get("type") == "kubernetes.io/dockerconfigjson":
        try:
            json.loads(base64.b64decode(data[".dockerconfigjson"], validate=True))
        except (KeyError, ValueError):
            text = "data[.dockerconfigjson]: Invalid value: it is no JSON"
            raise Refusal(status(422, "Invalid", f'Secret "{name}" is invalid: {text}')) from None


def patched(value: Object, operations: Iterable[Object]) -> Object:
    """A JSON patch (RFC 6902) with `test`, `add`, `remove` and `replace` applied to a copy; ValueError where it can't be."""
    found = copy.deepcopy(value)
    for one in operations:
        *way, last = [step.replace("~1", "/").replace("~0", "~") for step in one["path"].split("/")[1:]]
        place: Any = found
        for step in way:
            place = _below(place, step, one["path"])
        _apply(one, place, last)
    return found


def _apply(one: Object, place: Any, last: str) -> None:
    action, path = one["op"], one["path"]
    if action == "test":
        if _below(place, last, path) != one["value"]:
            raise ValueError(f"testing value {path} failed")
    elif action == "add" and isinstance(place, list):
        place.insert(len(place) if last == "-" else _index(last, len(place) + 1, path), one["value"])
    elif action == "add":
        place[last] = one["value"]
    elif action in ("remove", "replace"):
        _below(place, last, path)
        key: Any = int(last) if isinstance(place, list) else last
        if action == "remove":
            del place[key]
        else:
            place[key] = one["value"]
    else:
        raise ValueError(f"unknown operation {action}")


def _below(place: Any, step: str, path: str) -> Any:
    if isinstance(place, list):
        return place[_index(step, len(place), path)]
    if not isinstance(place, dict) or step not in place:
        raise ValueError(f"there is nothing at {path}")
    return place[step]


def _index(step: str, length: int, path: str) -> int:
    if not step.isdigit() or int(step) >= length:
        raise ValueError(f"there is no place {step} at {path}")
    return int(step)
