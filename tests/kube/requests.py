"""Write certificate requests as kubelets do, and as somebody would who means no good."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NODES = "system:nodes"


def pem(
    node_name: str,
    *,
    common: str | None = None,
    organisations: Sequence[str] = (NODES,),
    more: Sequence[tuple[x509.ObjectIdentifier, str]] = (),
    names: Sequence[x509.GeneralName] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Write a request for a node, by default with a new key; everything may be wrong in it."""
    parts = [(NameOID.ORGANIZATION_NAME, each) for each in organisations]
    common = f"system:node:{node_name}" if common is None else common
    if common:
        parts.append((NameOID.COMMON_NAME, common))
    subject = x509.Name(
        # A stranger's name may be longer than the standard allows.
        [x509.NameAttribute(what, value, _validate=False) for what, value in (*parts, *more)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(key or new_key(), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key as kubelets do."""
    return ec.generate_private_key(ec.SECP256R1())


DNS = x509.DNSName("api.example.test")
IP = x509.IPAddress(ipaddress.ip_address("10.0.0.1"))
EMAIL = x509.RFC822Name("root@example.test")
URI = x509.UniformResourceIdentifier("spiffe://example.test/x")
