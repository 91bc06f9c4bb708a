"""The options by which a user says how registries are reached, the same for every plugin."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from pullcore.command import LOG_REQUESTS, Connection
from pullcore.errors import UsageError, one_line

if TYPE_CHECKING:  # a network library: not for a usage error
    from pullcore.wire import Wire

HOST = re.compile(r"[\w.-]+(?::\d{1,5})?|\[[\da-fA-F:]+\](?::\d{1,5})?", re.ASCII)


class RegistryOptions(NamedTuple):
    """--registry-ca, --plain-http and --insecure-skip-registry-verify."""

    authority: Optional[str] = None
    plain_http: tuple[str, ...] = ()
    skip_verify: tuple[str, ...] = ()

    @classmethod
    def from_arguments(cls, given: Mapping[str, Any]) -> RegistryOptions:
        """Out of what `command.parse` returned. Raises UsageError for hosts that are none."""
        found = cls(given["--registry-ca"], tuple(given["--plain-http"]), tuple(given["--insecure-skip-registry-verify"]))
        for host in (*found.plain_http, *found.skip_verify):
            if not HOST.fullmatch(host):
                raise UsageError(f'"{one_line(host, 60)}" is no host: write it as images do, such as some.registry.com:5000')
        return found

    def wire(
        self,
        connection: Connection,
        user_agent: str,
        environ: Mapping[str, str],
        tell: Callable[[str], None],
        *,
        endless: bool = False,
    ) -> Wire:
        """The way to registries; `tell` gets warnings, and the log of requests; endless: only each request has a bound, not
        all together. Raises CommandError for a file of certificates that is none."""
        from pullcore.wire import REQUEST_TIMEOUT, TOTAL_TIMEOUT, Access, Wire, read_authority

        access = Access(
            authority=read_authority(self.authority) if self.authority is not None else None,
            plain_http=frozenset(self.plain_http),
            skip_verify=frozenset(self.skip_verify),
            request_timeout=connection.request_timeout or REQUEST_TIMEOUT,
            total_timeout=math.inf if endless else TOTAL_TIMEOUT,
        )
        for host in self.skip_verify:
            tell(
                f"Warning: the certificate of {host} is not verified: whoever is on the way can read credentials sent to it"
            )
        return Wire(
            access, user_agent=user_agent, environ=environ, log=tell if connection.verbosity >= LOG_REQUESTS else None
        )
