"""Certificates for TLS on both sides, signed by an authority of the test's own."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path


def make(root: Path, *, address: str = "127.0.0.1", ahead: dt.timedelta = dt.timedelta(0)) -> Path:
    """Make an authority, and of it `server/` and `client/` as Docker's certs directory has them.

    Both are for an address, and good as `certificate` says.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate("authority", authority_key, authority_key, None)
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        signed = certificate(name, key, authority_key, authority, address=address, ahead=ahead)
        (root / name).mkdir()
        (root / name / "ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
        (root / name / "cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
        (root / name / "key.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    return root


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    *,
    address: str = "127.0.0.1",
    ahead: dt.timedelta = dt.timedelta(0),
) -> x509.Certificate:
    """Sign a certificate that is good for this hour, or for one that is so far ahead.

    Without an issuer it is an authority.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC) + ahead
    public = issuer_key.public_key()
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    if issuer is not None:
        names = [x509.IPAddress(ipaddress.ip_address(address))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
