"""What a machine is given to join with."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from externalgrpc.model import credentials
from providers import packing
from tests.bootstrap import orders

DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def certificate(key: Key, *, name: str = "kubernetes", issuer: str = "kubernetes") -> bytes:
    """Make a certificate; the issuer's key does not matter here."""

    def called(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

    return (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(DAY)
        .not_valid_after(DAY + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def kubeadms_hash(pem: bytes) -> str:
    key = x509.load_pem_x509_certificate(pem).public_key()
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


@pytest.fixture(scope="module")
def rsa_ca() -> bytes:
    return certificate(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture(scope="module")
def ec_ca() -> bytes:
    return certificate(ec.generate_private_key(ec.SECP256R1()), name="other", issuer="root")


def with_ca(*pems: bytes) -> credentials.JoinCredentials:
    return dataclasses.replace(orders.K3S_WAY_IN, ca_pem=b"".join(pems).decode())


def test_the_hashes_are_kubeadms(rsa_ca: bytes, ec_ca: bytes) -> None:
    both = with_ca(rsa_ca, ec_ca)
    assert both.ca_key_hashes == (kubeadms_hash(rsa_ca), kubeadms_hash(ec_ca))


def test_k3s_pins_the_file_of_a_single_certificate(rsa_ca: bytes) -> None:
    digest = hashlib.sha256(rsa_ca).hexdigest()
    assert with_ca(rsa_ca).k3s_token == f"K10{digest}::{orders.TOKEN}"
    assert with_ca(b"\n", rsa_ca, b"\n\n").k3s_token == f"K10{digest}::{orders.TOKEN}"


def test_k3s_pins_the_root_of_several(rsa_ca: bytes, ec_ca: bytes) -> None:
    root = x509.load_pem_x509_certificate(rsa_ca).public_bytes(serialization.Encoding.DER)
    digest = hashlib.sha256(root).hexdigest()
    assert with_ca(ec_ca, rsa_ca).k3s_token == f"K10{digest}::{orders.TOKEN}"


def test_without_a_single_root_nothing_is_pinned(rsa_ca: bytes, ec_ca: bytes) -> None:
    for several in (with_ca(ec_ca, ec_ca), with_ca(rsa_ca, rsa_ca)):
        with pytest.raises(ValueError, match="no single root"):
            _ = several.k3s_token


@pytest.mark.parametrize(
    ("version", "minor"),
    [("v1.36.2", 36), ("v1.37.0-alpha.1.12+abc", 37), ("1.31.0", 31), ("v1.36.2+k3s1", 36)],
)
def test_the_minor(version: str, minor: int) -> None:
    text = dataclasses.replace(orders.WAY_IN, server_version=version)
    assert text.minor_number == minor
    assert text.minor == f"1.{minor}"


@pytest.mark.parametrize(
    "endpoint", ["https://10.0.0.2:6443", "https://api.example.org:443", "https://[fd00::1]:6443"]
)
def test_addresses_of_api_servers(endpoint: str) -> None:
    assert credentials.endpoint_problem(endpoint) == ""


@pytest.mark.parametrize(
    "endpoint",
    [
        *("", "http://10.0.0.2:6443", "https://10.0.0.2", "10.0.0.2:6443", "https://a b:6443"),
        *("https://a:6443/", "https://a:0", "https://a:65536", "https://u:p@a:6443", "https://:1"),
        "https://a:6443\n",
    ],
)
def test_what_is_no_address(endpoint: str) -> None:
    assert "https://host:6443" in credentials.endpoint_problem(endpoint)
    with pytest.raises(ValueError, match="API server's address"):
        dataclasses.replace(orders.WAY_IN, endpoint=endpoint)


@pytest.mark.parametrize(
    "token", ["", "abcdef", "abcdef.0123456789abcde", "ABCDEF.0123456789abcdef"]
)
def test_what_is_no_token_is_not_reported(token: str) -> None:
    with pytest.raises(ValueError, match="join token") as caught:
        dataclasses.replace(orders.WAY_IN, token=token)
    assert not token or token not in str(caught.value)


def test_what_is_no_ca(rsa_ca: bytes) -> None:
    key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    cut = base64.b64encode(base64.b64decode(b"".join(rsa_ca.split(b"\n")[1:-2]))[:200])
    broken = b"-----BEGIN CERTIFICATE-----\n" + cut + b"\n-----END CERTIFICATE-----\n"
    for wrong in (b"", b"nothing", key, rsa_ca + key, broken):
        with pytest.raises(ValueError, match="the cluster's CA"):
            with_ca(wrong)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(data).decode()}"
    with pytest.raises(ValueError, match="the cluster's CA"):
        credentials.certificates(f"{pem}-----END CERTIFICATE-----\n")


@given(st.integers(0, 900), st.integers(0, 255))
@example(12, 1)  # a version that X.509 does not have: an error of the library's own
def test_a_certificate_with_another_byte_is_read_or_refused(at: int, byte: int) -> None:
    (whole,) = credentials.certificates(credentials.example().ca_pem)
    data = bytearray(whole.public_bytes(serialization.Encoding.DER))
    data[at] = byte
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(data).decode()}"
    try:
        of = with_ca(f"{pem}-----END CERTIFICATE-----\n".encode())
    except ValueError as error:
        assert "the cluster's CA" in str(error)
        return
    assert len(of.ca_key_hashes) == 1
    # A pair makes k3s's token read the names, and they are read by then.
    pair = dataclasses.replace(of, ca_pem=of.ca_pem + credentials.example().ca_pem)
    with contextlib.suppress(ValueError):
        assert pair.k3s_token.startswith("K10")


def _with_point(whole: bytes, long: bytes, short: bytes) -> bytes:
    """Put a shorter point into a certificate of a P-256 key, with every length around it."""
    less = len(long) - len(short)
    data = bytearray(whole.replace(b"\x03\x42\x00" + long, b"\x03\x22\x00" + short))
    at = data.index(b"\x30\x59\x30\x13")
    data[at + 1] -= less
    at = 0
    for _ in range(2):  # the certificate, and what is signed of it
        wide = data[at + 1] & 0x7F
        size = int.from_bytes(data[at + 2 : at + 2 + wide], "big") - less
        data[at + 2 : at + 2 + wide] = size.to_bytes(wide, "big")
        at += 2 + wide
    return bytes(data)


def test_a_key_that_kubeadm_would_hash_otherwise_is_refused() -> None:
    """Its point is compressed: what is written anew is not what stands there."""
    key = ec.generate_private_key(ec.SECP256R1())
    whole = x509.load_pem_x509_certificate(certificate(key, name="k" * 60)).public_bytes(
        serialization.Encoding.DER
    )
    long, short = (
        key.public_key().public_bytes(serialization.Encoding.X962, form)
        for form in (
            serialization.PublicFormat.UncompressedPoint,
            serialization.PublicFormat.CompressedPoint,
        )
    )
    odd = _with_point(whole, long, short)
    assert x509.load_der_x509_certificate(odd).public_key() == key.public_key()
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(odd).decode()}"
    with pytest.raises(ValueError, match="the cluster's CA"):
        credentials.certificates(f"{pem}-----END CERTIFICATE-----\n")


def test_the_example_packs_no_better_than_real_ones() -> None:
    """Else what is measured without a cluster would be less than what is sent."""
    whole = credentials.example().ca_pem.encode()
    assert len(packing.gzipped(whole.decode())) > 0.7 * len(whole)
