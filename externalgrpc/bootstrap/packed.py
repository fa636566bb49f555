"""Open what was packed for a journey: base64, gzip, or both; bounded, and without guessing."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Final

MOST_BYTES: Final = 4 << 20
"""More than this comes out of no user-data that anybody means."""

_GZIP: Final = b"\x1f\x8b"


def opened(text: str) -> str | None:
    """Return the text inside a text in base64, unpacked where it is gzip; None where there is none.

    Blanks and line breaks inside do not count. What decodes to something else than text is none.
    """
    raw = decoded(text)
    if raw is None:
        return None
    if raw.startswith(_GZIP):
        raw = unzipped(raw)
    if raw is None:
        return None
    try:
        found = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return found if re.search(r"[^\x00-\x08\x0e-\x1f\x7f]", found) and "\x00" not in found else None


def decoded(text: str) -> bytes | None:
    """Decode base64; None where a text is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def zipped(raw: bytes) -> bool:
    """Return whether bytes are gzip, by their first two."""
    return raw.startswith(_GZIP)


def unzipped(raw: bytes) -> bytes | None:
    """Unpack gzip, up to MOST_BYTES; None where it is broken or becomes more."""
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(raw, MOST_BYTES)
    except zlib.error:
        return None
    return None if unpack.unconsumed_tail else found
