r"""Make text that others wrote fit to be shown: on a terminal, in a log, an Event, a status.

Names, labels and sentences come from clouds, clusters and files. Shown as they are they could
steer a terminal, forge a line, hide or reorder what stands beside them, or not be encodable at
all. Here is the one place that decides what is shown as it is; all else is shown as an escape
that JSON would use: ``\u202e``, ``\n``. Escaping what was escaped already changes nothing, so
whoever is unsure escapes. Values that programs read (ids sent to an API) are never escaped.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final, TypeVar

MOST_MARKS: Final = 4
"""Accents one over the other on one letter; no script needs more, and heaps of them bury lines."""

T = TypeVar("T")

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN: Final = re.compile(
    # What Unicode says may be ignored when it is shown (Default_Ignorable_Code_Point), as far as
    # str.isprintable() lets it pass: joiners, fillers, selectors; and the Braille blank.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def line(text: str) -> str:
    r"""Write a text in one line of visible characters and single spaces between them.

    Shown as ``\uXXXX``: control characters (C0, DEL, C1), line and paragraph separators, bidi
    controls, zero-width and ignorable characters, spaces other than the space, surrogates, private
    and unassigned code points, and accents that are stacked or stand on nothing.
    """
    return _escaped(text, "")


def block(text: str) -> str:
    """Write a text of several lines likewise; its line feeds and tabs stay."""
    return _escaped(text, "\n\t")


def every(value: T) -> T:
    """Return a plain value with :func:`line` of every text in it: dataclasses, mappings, lists."""
    same: T = _walk(value, line)
    return same


def _walk(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, str):
        # A word of an enumeration is ours.
        return change(value) if type(value) is str else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        fresh = {field.name: _walk(each, change) for field, each in held if field.init}
        return dataclasses.replace(value, **fresh)
    if isinstance(value, dict):
        return {_walk(key, change): _walk(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return type(value)(_walk(each, change) for each in value)
    return value


def _escaped(text: str, kept: str) -> str:
    if text.isascii() and (text.isprintable() or (kept and _fine(text, kept))):
        return text
    parts: list[str] = []
    marks = MOST_MARKS
    for letter in text:
        if letter in kept and kept:
            marks = MOST_MARKS
            parts.append(letter)
            continue
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        visible = letter.isprintable() and not _HIDDEN.match(letter) and marks <= MOST_MARKS
        parts.append(letter if visible else _escape(letter))
    return "".join(parts)


def _fine(text: str, kept: str) -> bool:
    return all(part.isprintable() for part in re.split(f"[{kept}]", text))


def _escape(letter: str) -> str:
    if letter in _SHORT:
        return _SHORT[letter]
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
