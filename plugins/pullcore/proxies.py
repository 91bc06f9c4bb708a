"""Which proxy of the environment stands between here and a URL, as Go's programs see it (golang.org/x/net/http/httpproxy),
so that kubectl, the runtimes and we go the same way."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Optional, Union
from urllib.parse import urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> Optional[str]:
    """The proxy's URL, None for a direct way. HTTPS_PROXY or HTTP_PROXY by the URL's scheme, upper case first; NO_PROXY
    holds hosts, domains, addresses, networks, each perhaps with a port, or `*`."""
    parts = urlsplit(url)
    name = f"{parts.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name)
    if not proxy:
        return None
    host = (parts.hostname or "").rstrip(".")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if _is_this_machine(host) or _excepted(host, port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _excepted(host: str, port: int, no_proxy: str) -> bool:
    address = _address(host)
    for entry in (one.strip().lower() for one in no_proxy.split(",")):
        if entry == "*":
            return True
        if not entry:
            continue
        if address and "/" in entry:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                pass
            continue
        name, colon, digits = entry.rpartition(":")
        if not colon or not digits.isdigit() or _address(entry):
            name, digits = entry, ""
        if digits and int(digits) != port:
            continue
        if address:
            if _address(name.strip("[]")) == address:
                return True
            continue
        name = name.removeprefix("*")  # `*.example.com` is `.example.com`
        if host == name.removeprefix(".") and not name.startswith("."):
            return True
        if host.endswith(name if name.startswith(".") else f".{name}"):
            return True
    return False


def _address(host: str) -> Optional[Union[ipaddress.IPv4Address, ipaddress.IPv6Address]]:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
