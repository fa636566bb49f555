"""Say what a machine needs to join a cluster once.

The token is the secret: it never shows in ``repr``, in a message or in a log. Everything else is
shown to whoever asks the cluster anyway.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING, Final

from externalgrpc.model import example_ca

if TYPE_CHECKING:
    from cryptography import x509

_ENDPOINT: Final = re.compile(
    r"https://(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):[0-9]{1,5}",
    re.ASCII,
)
_TOKEN: Final = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}", re.ASCII)
_VERSION: Final = re.compile(r"v?1\.([0-9]{1,3})(?:\.[0-9A-Za-z.+-]{0,60})?", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JoinCredentials:
    """A way into one cluster for one machine.

    ``endpoint`` is where the machine reaches the API server (k3s: the server), as
    ``https://host:port``. ``ca_pem`` holds the certificates that its certificate may be signed
    with. ``token`` is a bootstrap token, ``id.secret``. ``server_version`` is ``gitVersion`` of
    ``GET /version`` ("v1.36.2", "v1.36.2+k3s1"). ``ipv6`` is False only where it is known that the
    cluster has no IPv6 addresses.

    Raises ValueError, without the value, when one of them cannot be what it should be.
    """

    endpoint: str
    ca_pem: str = dataclasses.field(repr=False)
    token: str = dataclasses.field(repr=False)
    server_version: str
    ipv6: bool = True

    def __post_init__(self) -> None:
        if wrong := endpoint_problem(self.endpoint):
            raise ValueError(f"the API server's address {wrong}")
        if not _TOKEN.fullmatch(self.token):
            raise ValueError("the join token is not of the form id.secret")
        if not _VERSION.fullmatch(self.server_version):
            raise ValueError("the API server tells a version that is not one of Kubernetes 1")
        certificates(self.ca_pem)

    @property
    def minor(self) -> str:
        """Return the minor release, such as "1.36"."""
        return f"1.{self.minor_number}"

    @property
    def minor_number(self) -> int:
        """Return the number of the minor release, such as 36."""
        match = _VERSION.fullmatch(self.server_version)
        assert match is not None  # noqa: S101 - held by the constructor
        return int(match[1])

    @property
    def ca_key_hashes(self) -> tuple[str, ...]:
        """Give kubeadm's hash of every certificate's public key: ``sha256:<hex>``."""
        return tuple(
            f"sha256:{hashlib.sha256(_public_key_info(each)).hexdigest()}"
            for each in certificates(self.ca_pem)
        )

    @property
    def k3s_token(self) -> str:
        """Return the token in k3s's full form, which pins the cluster's certificate.

        k3s hashes the file of a single certificate and, of several, the root among them. Raises
        ValueError where several certificates hold no single root.
        """
        found = certificates(self.ca_pem)
        pinned = (self.ca_pem.strip() + "\n").encode()
        if len(found) > 1:
            roots = [each for each in found if each.issuer == each.subject]
            if len(roots) != 1:
                raise ValueError("the cluster's certificates hold no single root to pin")
            pinned = _der(roots[0])
        return f"K10{hashlib.sha256(pinned).hexdigest()}::{self.token}"


def endpoint_problem(text: str) -> str:
    """Return why a text is no address of an API server, as the rest of a sentence, or ""."""
    if not _ENDPOINT.fullmatch(text) or not 0 < int(text.rpartition(":")[2]) <= 65535:
        return "must look like https://host:6443"
    return ""


def certificates(pem: str) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a PEM text; ValueError when it holds none or anything else."""
    from cryptography import x509  # noqa: PLC0415 - slow, and only joins need it

    blocks = pem.count("-----BEGIN CERTIFICATE-----")
    if not blocks or pem.count("-----BEGIN ") != blocks:
        raise ValueError("the cluster's CA must be certificates in PEM form, and nothing else")
    try:
        found = tuple(x509.load_pem_x509_certificates(pem.encode()))
        for each in found:
            _public_key_info(each)
            # Names are read when they are asked for: now, so that none fails later.
            each.issuer, each.subject  # noqa: B018
    except Exception as error:
        raise ValueError("the cluster's CA holds something that is no certificate") from error
    if len(found) != blocks:
        raise ValueError("the cluster's CA holds something that is no certificate")
    return found


def _public_key_info(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate as it stands there; else ValueError."""
    from cryptography import exceptions  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        info = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except exceptions.UnsupportedAlgorithm as error:
        raise ValueError("its key is of a kind that is not known") from error
    if info not in certificate.tbs_certificate_bytes:
        raise ValueError("its key is written in a form that would be hashed otherwise")
    return info


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    return certificate.public_bytes(serialization.Encoding.DER)


def example(server_version: str = "v1.36.2") -> JoinCredentials:
    """Give credentials that open nothing, for user-data where no cluster is at hand."""
    return JoinCredentials(
        endpoint="https://api.example.invalid:6443",
        ca_pem=example_ca.PEM,
        token="abcdef.0123456789abcdef",  # noqa: S106 - opens nothing
        server_version=server_version,
    )
