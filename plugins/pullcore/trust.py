"""Which certificates are trusted, by the API server's client and by the registries' alike."""

from __future__ import annotations

import ssl
from typing import Optional


def verifying_context(authority: Optional[str] = None, *, besides: bool = False) -> ssl.SSLContext:
    """A TLS context that verifies as Go does. authority: PEM text to trust instead of the system's certificates, or
    `besides` them. Raises ssl.SSLError or ValueError for text that is no certificate."""
    context = ssl.create_default_context(cadata=authority)
    if authority is not None and besides:
        context.load_default_certs()
    if (authority is None or besides) and not _has_system_certificates(context, authority):
        import certifi  # a Python without the system's certificates

        context.load_verify_locations(certifi.where())
    # As Go verifies: any certificate given is trusted by itself, and older CAs without every extension will do.
    context.verify_flags |= getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0x80000)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _has_system_certificates(context: ssl.SSLContext, authority: Optional[str]) -> bool:
    given = authority.count("-----BEGIN CERTIFICATE-----") if authority else 0
    return context.cert_store_stats()["x509"] > given
