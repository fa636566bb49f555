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

from externalgrpc import packed

_RUN: Final = re.compile(
    r"[A-Za-z0-9+/]{8,}"
    r"(?:[ \t]*\n[ \t]*[A-Za-z0-9+/]+(?=={0,2}[ \t]*[\"']?[ \t]*(?:\n|\Z)))*={0,2}"
)
_WORD: Final = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
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
        whole = _part(text, found.start(), found.end())
        if whole is not None:
            yield whole
        elif "\n" in found[0]:
            for word in _WORD.finditer(text, found.start(), found.end()):
                one = _part(text, word.start(), word.end())
                if one is not None:
                    yield one


def change(text: str, by: Callable[[str], str], depth: int = 0) -> str:
    """Change what is inside the base64 parts of a text, and inside theirs; the rest stays."""
    told: list[str] = []
    at = 0
    for part in parts(text):
        inner = by(part.inner)
        if depth < _DEEPEST:
            inner = change(inner, by, depth + 1)
        if inner != part.inner:
            told += [text[at : part.start], _again(text[part.start : part.end], part, inner)]
            at = part.end
    return "".join(told) + text[at:]


def opened(text: str, depth: int = 0) -> str:
    """Give a text followed by all that it holds in base64."""
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
