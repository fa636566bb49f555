"""Knock at the API server as a joining machine would: its name, TCP, TLS with the cluster's CA."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import urllib.parse
from typing import Any, Final

TIMEOUT_S: Final = 5.0

_WRONG_NAME: Final = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a knock; ``ends_at`` is the certificate's end, 0 where it was not seen.

    See :class:`externalgrpc.diagnosis.facts.EndpointProbe` for the rest.
    """

    addresses: tuple[str, ...] = ()
    trouble: str = ""
    untrusted: bool = False
    names: tuple[str, ...] = ()
    ends_at: float = 0.0


def probe_endpoint(endpoint: str, ca_pem: str, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Connect to ``https://host:port`` and shake hands; sends no request, raises nothing."""
    try:
        parts = urllib.parse.urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        return Answer(trouble="it is no address")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return Answer(trouble="its name is not known")
    addresses = tuple(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))
    return _shake_hands(host, port, ca_pem, addresses, timeout_s)


def _shake_hands(
    host: str, port: int, ca_pem: str, addresses: tuple[str, ...], timeout_s: float
) -> Answer:
    try:
        return _answer(addresses, _certificate(host, port, ca_pem, timeout_s, named=True))
    except ssl.SSLCertVerificationError as error:
        refused = Answer(addresses=addresses, trouble=error.verify_message, untrusted=True)
        if error.verify_code not in _WRONG_NAME:
            return refused
    except (OSError, ValueError) as error:
        return Answer(addresses=addresses, trouble=_reason(error))
    # The name alone is wrong: look again, to see which names would be right.
    try:
        seen = _answer(addresses, _certificate(host, port, ca_pem, timeout_s, named=False))
    except (OSError, ValueError):
        return refused
    return dataclasses.replace(seen, trouble=refused.trouble, untrusted=True)


def _certificate(
    host: str, port: int, ca_pem: str, timeout_s: float, *, named: bool
) -> dict[str, Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = named
    context.load_verify_locations(cadata=ca_pem)
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.getpeercert() or {}


def _answer(addresses: tuple[str, ...], certificate: dict[str, Any]) -> Answer:
    ends = certificate.get("notAfter")
    return Answer(
        addresses=addresses,
        names=tuple(str(value) for _, value in certificate.get("subjectAltName", ())),
        ends_at=float(ssl.cert_time_to_seconds(ends)) if isinstance(ends, str) else 0.0,
    )


def _reason(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or type(error).__name__})"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
