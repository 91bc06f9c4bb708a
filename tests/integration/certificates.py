"""Certificates with faults: what `tests.e2e.cluster.pki` makes, signed anew for another time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.e2e.cluster.pki import Pair, make


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of its own, and what it signs."""

    folder: Path
    ca: Pair

    @classmethod
    def create(cls, folder: Path) -> Authority:
        return cls(folder, make(folder, "authority", common_name="Test Authority"))

    @property
    def pem(self) -> str:
        return self.ca.certificate_file.read_text()

    def signs(self, *hosts: str, name: str = "", common_name: str = "") -> Pair:
        """For these hosts; for 127.0.0.1 without any."""
        named = name or "-".join(hosts) or "leaf"
        return make(self.folder, named, self.ca, hosts or ("127.0.0.1",), common_name=common_name or "leaf")

    def signs_for(self, start: timedelta, end: timedelta, name: str) -> Pair:
        """Valid from now + start until now + end."""
        pair = self.signs(name=name)
        old, now = pair.certificate, datetime.now(timezone.utc)
        builder = x509.CertificateBuilder(
            old.issuer, old.subject, pair.key.public_key(), old.serial_number, now + start, now + end, list(old.extensions)
        )
        certificate = builder.sign(self.ca.key, hashes.SHA256())
        pair.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return replace(pair, certificate=certificate)
