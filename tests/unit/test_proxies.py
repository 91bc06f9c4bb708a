"""The proxy between here and a URL, as Go's programs find it (golang.org/x/net/http/httpproxy)."""

from __future__ import annotations

from typing import Optional

import pytest
from pullcore.proxies import proxy_for

PROXY = "http://proxy.example.com:3128"
HOST = "https://registry.example.com/v2/"


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        (HOST, {}, None),
        (HOST, {"HTTPS_PROXY": ""}, None),
        (HOST, {"HTTPS_PROXY": PROXY}, PROXY),
        (HOST, {"https_proxy": PROXY}, PROXY),
        (HOST, {"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, PROXY),
        (HOST, {"HTTP_PROXY": PROXY}, None),
        (HOST, {"ALL_PROXY": PROXY}, None),
        (HOST, {"HTTPS_PROXY": "proxy.example.com:3128"}, PROXY),
        (HOST, {"HTTPS_PROXY": "http://bob:word@proxy.example.com:3128"}, "http://bob:word@proxy.example.com:3128"),
        ("http://registry.example.com/v2/", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://registry.example.com/v2/", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_proxy_of_the_environment(url: str, environ: dict[str, str], expected: Optional[str]) -> None:
    assert proxy_for(url, environ) == expected


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:5000", "[::1]:5000", "LOCALHOST"])
def test_this_machine_is_reached_directly(host: str) -> None:
    assert proxy_for(f"https://{host}/v2/", {"HTTPS_PROXY": PROXY}) is None


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("registry.example.com", "registry.example.com", True),
        ("Registry.Example.com", "REGISTRY.example.COM", True),
        ("registry.example.com", " registry.example.com ", True),
        ("registry.example.com", "a.test,registry.example.com", True),
        ("registry.example.com", "*", True),
        ("registry.example.com", "a.test, *", True),
        ("registry.example.com", "", False),
        ("registry.example.com", ",,", False),
        # a name stands for itself and what is below it; with a point or a star before it, only for what is below
        ("registry.example.com", "example.com", True),
        ("registry.example.com", ".example.com", True),
        ("registry.example.com", "*.example.com", True),
        ("example.com", "example.com", True),
        ("example.com", ".example.com", False),
        ("example.com", "*.example.com", False),
        ("badexample.com", "example.com", False),
        ("registry.example.com", "registry.example", False),
        ("registry.example.com.", "registry.example.com", True),
        # ports
        ("registry.example.com:5000", "registry.example.com:5000", True),
        ("registry.example.com:5000", "registry.example.com:5001", False),
        ("registry.example.com:5000", "registry.example.com", True),
        ("registry.example.com", "registry.example.com:443", True),
        ("registry.example.com", "registry.example.com:80", False),
        ("registry.example.com:5000", ".example.com:5000", True),
        # addresses and networks
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:5000", "10.1.2.3", True),
        ("10.1.2.3:5000", "10.1.2.3:5000", True),
        ("10.1.2.3:5000", "10.1.2.3:5001", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.0.0/24", False),
        ("10.1.2.3", "10.1.2.3/8", True),
        ("10.1.2.3", "no/net", False),
        ("registry.example.com", "10.0.0.0/8", False),
        ("[fd00::1]:5000", "fd00::1", True),
        ("[fd00::1]:5000", "[fd00::1]:5000", True),
        ("[fd00::1]:5000", "[fd00::1]:5001", False),
        ("[fd00::1]:5000", "fd00::/8", True),
        ("[fd00::2]:5000", "fd00::1", False),
    ],
)
def test_no_proxy(host: str, no_proxy: str, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        found = proxy_for(f"https://{host}/v2/", {"HTTPS_PROXY": PROXY, name: no_proxy})
        assert (found is None) == direct


def test_upper_case_wins_for_exceptions_too() -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.test", "no_proxy": "registry.example.com"}
    assert proxy_for(HOST, environ) == PROXY


def test_a_port_that_is_none_makes_nothing_fail() -> None:
    assert proxy_for("https://registry.example.com:99999/", {"HTTPS_PROXY": PROXY}) is None
