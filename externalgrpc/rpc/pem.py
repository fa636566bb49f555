"""Read keys and certificates, and say which of them is wrong before gRPC says only "no".

gRPC takes any bytes: what does not fit shows as a port that cannot be bound at a server, and as a
server that does not answer at a caller. Nothing of a key is ever in a message.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

from externalgrpc.support import regular_files

_TRIES: Final = 3


class Unusable(Exception):
    """Say which file cannot be used, why, and what to do."""


def pair(certificate: Path, key: Path, what: str = "TLS") -> tuple[bytes, bytes]:
    """Read a certificate (chain) and its unencrypted private key, which must fit; PEM.

    A pair that is being swapped is read again. Raises Unusable.
    """
    for _ in range(_TRIES):
        before = stamps(certificate, key)
        held = _marked(key, f"{what} key", b"PRIVATE KEY-----")
        shown = _marked(certificate, f"{what} certificate", b"BEGIN CERTIFICATE-----")
        wrong = _misfit(certificate, key, what)
        if before == stamps(certificate, key):
            break
    if wrong:
        raise Unusable(wrong)
    return shown, held


def authority(path: Path, what: str = "CA") -> bytes:
    """Read the certificates of a CA; PEM. Raises Unusable."""
    content = _marked(path, f"TLS {what}", b"BEGIN CERTIFICATE-----")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            cadata=content.decode("ascii", "replace")
        )
    except (ssl.SSLError, ValueError):
        raise Unusable(f"TLS {what} file {path} holds no certificate that can be read") from None
    return content


def ends_at(certificates: bytes) -> tuple[float, ...]:
    """Return when each certificate of a PEM ends, in Unix seconds; none where unreadable."""
    from cryptography import x509  # noqa: PLC0415 - slow, and only TLS needs it

    try:
        found = x509.load_pem_x509_certificates(certificates)
        return tuple(each.not_valid_after_utc.timestamp() for each in found)
    except Exception:  # noqa: BLE001 - OpenSSL took it; what the parser raises is nobody's concern
        return ()


def _marked(path: Path, what: str, marker: bytes) -> bytes:
    try:
        content = regular_files.read(path)
    except regular_files.Unreadable as error:
        raise Unusable(f"{what} file {path} {error}") from error
    if marker not in content:
        raise Unusable(f"{what} file {path} holds no PEM {what.removeprefix('TLS ')}")
    return content


def _misfit(certificate: Path, key: Path, what: str) -> str:
    """Return why a certificate and a key are not taken together; OpenSSL is asked, as gRPC does."""
    asked: list[bool] = []

    def no_password() -> str:
        asked.append(True)
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, key, password=no_password
        )
    except ssl.SSLError as error:
        if asked:
            return (
                f"{what} key file {key} is encrypted, and nobody is here to type a password: "
                f"openssl pkey -in {key} -out plain.key writes it in the clear"
            )
        if error.reason == "KEY_VALUES_MISMATCH":
            return (
                f"{what} key file {key} is not the key of {certificate}: the two do not belong"
                " together"
            )
        if not _loads(certificate):
            return f"{what} certificate file {certificate} holds no certificate that can be read"
        return f"{what} key file {key} holds no private key that can be read"
    except OSError as error:
        return f"{what} files {certificate} and {key} cannot be read: {error.strerror or error}"
    return ""


def _loads(certificate: Path) -> bool:
    try:
        text = regular_files.read(certificate).decode("ascii", "replace")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (regular_files.Unreadable, ssl.SSLError, ValueError):
        return False
    return True


def stamps(*paths: Path) -> tuple[tuple[int, int, int], ...]:
    """Return the files apart from what may stand there a moment later."""
    found = []
    for path in paths:
        try:
            seen = os.stat(path)  # noqa: PTH116 - follows the symlinks that a Secret swaps
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((seen.st_ino, seen.st_mtime_ns, seen.st_size))
    return tuple(found)
