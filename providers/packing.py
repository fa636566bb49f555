"""Pack user-data where a cloud hands bytes on to its machines as they are.

cloud-init unpacks gzip by itself, whatever it came by (``UserDataProcessor``), so at such a cloud a
text may be larger than the cloud's limit. Only a ``#cloud-config`` is packed, and only where it
must be: other formats are read by who knows what.
"""

from __future__ import annotations

import base64
import gzip

_HEADER = "#cloud-config"


def gzipped(text: str) -> bytes:
    """Pack a text; the same text gives the same bytes."""
    return gzip.compress(text.encode("utf-8", "replace"), 9, mtime=0)


def within(text: str, limit_bytes: int) -> bytes:
    """Return what is sent: the text's bytes or, where a cloud-config has more than the limit, gzip.

    Gives the smaller one even where neither is within the limit.
    """
    plain = text.encode()
    if len(plain) <= limit_bytes or not text.startswith(_HEADER):
        return plain
    return min(gzipped(text), plain, key=len)


def base64_of(sent: bytes) -> str:
    """Write bytes as JSON can hold them."""
    return base64.b64encode(sent).decode("ascii")
