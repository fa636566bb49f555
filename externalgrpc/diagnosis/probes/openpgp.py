"""Tell when an OpenPGP public key ends (RFC 4880 and 9580), for keys as package sources have them.

Only version 4 keys are read, armoured or not: what the package managers of the day know. Nothing is
verified here: apt does that with the key itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

_PUBLIC_KEY: Final = 6
_SIGNATURE: Final = 2
_CERTIFIES: Final = frozenset({0x10, 0x11, 0x12, 0x13, 0x1F})
_MADE: Final = 2
_KEY_LASTS: Final = 9
_VERSION: Final = 4


class NoKey(ValueError):
    """Say that bytes hold no OpenPGP key that can be read."""


def ends_at(text: bytes) -> float | None:
    """Give the instant, in Unix seconds, at which a primary key ends; None for one that does not.

    The newest self-signature of each key counts; of several keys the one that ends last. Raises
    NoKey.
    """
    made: int | None = None
    newest = (-1, 0)
    found: list[float | None] = []
    for tag, body in _packets(_binary(text)):
        if tag == _PUBLIC_KEY:
            if made is not None:
                found.append(_end(made, newest[1]))
            if len(body) < 5 or body[0] != _VERSION:
                raise NoKey("it is no key of version 4")
            made, newest = int.from_bytes(body[1:5], "big"), (-1, 0)
        elif tag == _SIGNATURE and made is not None:
            result = _lasting(body)
            if result is not None and result[0] >= newest[0]:
                newest = result
    if made is None:
        raise NoKey("it holds no public key")
    found.append(_end(made, newest[1]))
    return None if None in found else max(each for each in found if each is not None)


def _end(made: int, lasts_s: int) -> float | None:
    return float(made + lasts_s) if lasts_s else None


def _lasting(body: bytes) -> tuple[int, int] | None:
    """Give when a self-signature was made and how long it lets the key last (0: for ever)."""
    if len(body) < 6 or body[0] != _VERSION or body[1] not in _CERTIFIES:
        return None
    hashed = body[6 : 6 + int.from_bytes(body[4:6], "big")]
    fields = {kind: content for kind, content in _subpackets(hashed) if len(content) == 4}
    if _MADE not in fields:
        return None
    return (
        int.from_bytes(fields[_MADE], "big"),
        int.from_bytes(fields.get(_KEY_LASTS, b""), "big"),
    )


def _subpackets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        size, at = _length(data, at)
        if not size or at + size > len(data):
            raise NoKey("a signature of it is cut short")
        yield data[at] & 0x7F, data[at + 1 : at + size]
        at += size


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise NoKey("it is no OpenPGP data")
        at += 1
        if head & 0x40:
            tag = head & 0x3F
            size, at = _length(data, at)
        else:
            tag, width = (head >> 2) & 0x0F, 1 << (head & 3)
            if width == 8:
                raise NoKey("a packet of it has no length")
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        if at + size > len(data):
            raise NoKey("it is cut short")
        yield tag, data[at : at + size]
        at += size


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Read a length of the new form; give it and where what it measures begins."""
    if at >= len(data):
        raise NoKey("it is cut short")
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return ((first - 192) << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192, at + 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    raise NoKey("a packet of it comes in parts")


def _binary(text: bytes) -> bytes:
    if not text.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"):
        return text
    lines = [line.strip() for line in text.strip().splitlines()]
    try:
        begin = lines.index(b"") + 1
        end = next(n for n, line in enumerate(lines) if n >= begin and line[:1] in (b"=", b"-"))
        return base64.b64decode(b"".join(lines[begin:end]), validate=True)
    except (ValueError, StopIteration, binascii.Error) as error:
        raise NoKey("its armour cannot be read") from error
