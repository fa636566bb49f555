"""Read the few fields of an X.509 certificate that pinning needs, and when it ends.

A certificate is ``SEQUENCE { tbs, algorithm, signature }``, and its tbs (RFC 5280, 4.1) is
``SEQUENCE { [0] version?, serial, algorithm, issuer, validity, subject, publicKeyInfo, ... }``.
Nothing is verified here: whoever is pinned does that.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_LONG: Final = 0x80
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


class Malformed(ValueError):
    """Say that bytes are no certificate."""


def public_key_info(certificate: bytes) -> bytes:
    """Give the SubjectPublicKeyInfo of a DER certificate, as it stands there."""
    return _fields(certificate)[5]


def self_issued(certificate: bytes) -> bool:
    """Tell whether a DER certificate names itself as its issuer: a root does."""
    fields = _fields(certificate)
    return fields[2] == fields[4]


def not_after(certificate: bytes) -> float:
    """Give the instant at which a DER certificate ends, in Unix seconds."""
    times = list(_elements(_inside(_fields(certificate)[3])))
    if len(times) != 2:
        raise Malformed("a validity is two times")
    start, end = _bounds(times[1], 0)
    text = times[1][start:end].decode("ascii", "replace")
    match times[1][0]:
        case tag if tag == _UTC_TIME:
            # RFC 5280, 4.1.2.5.1: years of two digits lie between 1950 and 2049.
            text = ("19" if text[:2] >= "50" else "20") + text
        case tag if tag != _GENERALIZED_TIME:
            raise Malformed("a validity is two times")
    if not text.endswith("Z"):
        raise Malformed("a time is not in DER's form")
    try:
        return datetime.datetime.strptime(f"{text}+0000", "%Y%m%d%H%M%SZ%z").timestamp()
    except ValueError as error:
        raise Malformed("a time is not in DER's form") from error


def encode(tag: int, content: bytes) -> bytes:
    """Write one element."""
    size = len(content)
    if size < _LONG:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length + content


def _fields(certificate: bytes) -> list[bytes]:
    """Give serial, algorithm, issuer, validity, subject and key of a certificate."""
    tbs = next(_elements(_inside(certificate)), b"")
    fields = list(_elements(_inside(tbs)))
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    if len(fields) < 6:
        raise Malformed("too few fields for a certificate")
    return fields[:6]


def _inside(element: bytes) -> bytes:
    if not element or element[0] != _SEQUENCE:
        raise Malformed("a sequence was expected")
    start, end = _bounds(element, 0)
    return element[start:end]


def _elements(data: bytes) -> Iterator[bytes]:
    """Cut elements that stand one after the other."""
    at = 0
    while at < len(data):
        _, end = _bounds(data, at)
        yield data[at:end]
        at = end


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Find where the content of the element at a place begins and ends."""
    head = data[at : at + 2]
    if len(head) < 2:
        raise Malformed("an element is cut short")
    start, size = at + 2, head[1]
    if size & _LONG:
        digits = size & ~_LONG
        if not 0 < digits <= 4 or start + digits > len(data):
            raise Malformed("a length is not in DER's form")
        size = int.from_bytes(data[start : start + digits], "big")
        start += digits
    if start + size > len(data):
        raise Malformed("an element is cut short")
    return start, start + size
