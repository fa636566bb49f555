"""Shorten what callers and clouds say before it goes into a log or a status."""

from __future__ import annotations

DETAILS = 1000
"""Bytes of a status's sentence: three times as many on the wire at most, and beyond a few KB
clients report another error in its place."""

LOGGED = 4000
"""Bytes of one value in a log line."""


def brief(text: str, most: int = DETAILS) -> str:
    """Return a text of so many bytes in UTF-8 at most: its start and its end, where the cure is."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= most:
        return text
    gap = f" ... ({len(data):,} bytes) ... "
    room = max(most - len(gap), 0)
    tail = room // 4
    start, end = data[: room - tail], data[len(data) - tail :]
    return start.decode(errors="ignore") + gap + end.decode(errors="ignore")
