"""The few calls to the Kubernetes API that the harness makes itself."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any, Optional

from .processes import HarnessError

Object = dict[str, Any]


class ApiError(HarnessError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    def __init__(self, url: str, token: str, ca_file: str) -> None:
        self.url = url
        self.token = token
        handler = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)

    def call(self, method: str, path: str, body: Optional[Object] = None, kind: str = "application/json") -> Object:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self.opener.open(request, timeout=10) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace")[:500]) from error
        try:
            result: Object = json.loads(text)
        except ValueError:
            return {"text": text}
        return result

    def get(self, path: str) -> Object:
        return self.call("GET", path)

    def post(self, path: str, body: Object) -> Object:
        return self.call("POST", path, body)

    def delete(self, path: str) -> Object:
        return self.call("DELETE", path, {"propagationPolicy": "Background"})

    def merge(self, path: str, body: Object) -> Object:
        return self.call("PATCH", path, body, "application/merge-patch+json")
