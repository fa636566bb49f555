"""Look into the parts of user-data that travel in base64, packed or not, and change them there.

They are found by their look, wherever they stand: ``encoding: b64`` of write_files, a part of a
MIME message, a whole file, a word in a script.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import re
from collections.abc import Callable, Iterator
from typing import Final

from externalgrpc.bootstrap import packed

_RUN: Final = re.compile(
    r"[A-Za-z0-9+/]{8,}"
    r"(?:[ \t]*\n[ \t]*[A-Za-z0-9+/]+(?=={0,2}[ \t]*[\"']?[ \t]*(?:\n|\Z)))*={0,2}"
)
_LINE: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_USUAL: Final = frozenset({64, 76})
"""The lengths of lines that openssl, and base64 and MIME, wrap at."""

_DEEPEST: Final = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a text holds in base64: from ``start`` to ``end`` of it, and what that says."""

    start: int
    end: int
    inner: str
    zipped: bool


def parts(text: str) -> Iterator[Part]:
    """Give every part of a text that is base64 of a text; not parts of parts."""
    for found in _RUN.finditer(text):
        lines = list(_LINE.finditer(text, found.start(), found.end()))
        at = 0
        while at < len(lines):
            # A word that stands alone on the line below, such as the end of a here document, is
            # no part of it: so the last lines are tried with and without.
            for end in dict.fromkeys((len(lines), len(lines) - 1, at + 1)):
                if at < end and _wrapped([each[0] for each in lines[at:end]]):
                    part = _part(text, lines[at].start(), lines[end - 1].end())
                    if part is not None:
                        yield part
                        at = end - 1
                        break
            at += 1


def _wrapped(lines: list[str]) -> bool:
    """Return whether lines are one text in base64: all of one length, but for the last."""
    first, last = lines[0], lines[-1]
    if len(lines) == 1:
        return True
    even = all(len(each) == len(first) for each in lines[:-1]) and len(last) <= len(first)
    return even and (len(lines) > 2 or len(first) in _USUAL or last.endswith("="))


def change(text: str, by: Callable[[str], str], depth: int = 0) -> str:
    """Change what is inside the base64 parts of a text, and inside theirs; the rest stays."""
    pieces: list[str] = []
    at = 0
    for part in parts(text):
        inner = by(part.inner)
        if depth < _DEEPEST:
            inner = change(inner, by, depth + 1)
        if inner != part.inner:
            pieces += [text[at : part.start], _again(text[part.start : part.end], part, inner)]
            at = part.end
    return "".join(pieces) + text[at:]


def opened(text: str, depth: int = 0) -> str:
    """Return a text followed by all that it holds in base64."""
    if depth > _DEEPEST:
        return text
    return "\n".join([text, *(opened(part.inner, depth + 1) for part in parts(text))])


def _part(text: str, start: int, end: int) -> Part | None:
    raw = packed.decoded(text[start:end])
    if raw is None:
        return None
    zipped = packed.zipped(raw)
    if zipped:
        raw = packed.unzipped(raw)
    try:
        inner = None if raw is None else raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if inner is None:
        return None
    return Part(start=start, end=end, inner=inner, zipped=zipped)


def _again(before: str, part: Part, inner: str) -> str:
    """Encode what was changed as it was encoded before: packed, and in lines of one length."""
    raw = inner.encode()
    if part.zipped:
        raw = gzip.compress(raw, mtime=0)
    text = base64.b64encode(raw).decode()
    first, _, rest = before.partition("\n")
    if not rest:
        return text
    indent = rest[: len(rest) - len(rest.lstrip(" \t"))]
    width = max(4, len(first.strip()) // 4 * 4)
    lines = (text[at : at + width] for at in range(0, len(text), width))
    return f"\n{indent}".join(lines)
