"""Read a JSON object of a stranger's, bounded in depth, in number of values and in its numbers.

Python's own reader goes as deep as the text does, makes an integer of any number of digits, and
takes NaN; a Decimal with an exponent of a billion takes hours to become an integer. Nothing of
that comes from a cloud that is well.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from providers import masking

DEEPEST = 64
MOST_VALUES = 400_000
"""A value takes up to about a hundred bytes when read, whatever little it takes on the wire."""

_LONGEST_INTEGER = 20
_LONGEST_NUMBER = 40
_LARGEST_EXPONENT = 30

_ESCAPES = re.compile(rb"\\.", re.DOTALL)
_STRINGS = re.compile(rb'"[^"]*"')
_MARKS = b'"[]{},'
_NOT_MARKS = bytes(set(range(256)) - set(_MARKS))


class NotReadable(ValueError):
    """Return why not, in words that go on from "answered with"."""


def read_object(content: bytes, *, hide: str = "") -> dict[str, Any]:
    """Read a JSON object in UTF-8; numbers with a point come as Decimal. Raises NotReadable.

    ``hide`` is a secret that is replaced wherever it stands. Halves of characters become U+FFFD:
    they can be written nowhere.
    """
    _check_shape(content)
    try:
        text = content.decode("utf-8")
        hidden = len(hide) >= 8
        if hidden and hide in text:
            text = text.replace(hide, masking.TOKEN)
        parsed = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_constant,
        )
    except NotReadable:
        raise
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise NotReadable("something that is no JSON object") from error
    if not isinstance(parsed, dict):
        raise NotReadable("something that is no JSON object")
    # Only an escape can hide either from the text.
    clean: dict[str, Any] = _clean(parsed, hide if hidden else "") if "\\" in text else parsed
    return clean


def _check_shape(content: bytes) -> None:
    """Refuse what would go too deep or have too many values, before it is read."""
    marks = _ESCAPES.sub(b"", content) if b"\\" in content else content
    marks = _STRINGS.sub(b"", marks.translate(None, _NOT_MARKS))
    if len(marks) > MOST_VALUES:
        raise NotReadable(f"JSON of more than {MOST_VALUES} values")
    if marks.count(b"[") + marks.count(b"{") <= DEEPEST:
        return
    depth = 0
    for mark in marks:
        if mark in b"[{":
            depth += 1
            if depth > DEEPEST:
                raise NotReadable(f"JSON that is more than {DEEPEST} deep")
        elif mark in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what can be read in two ways: a list of machines and, by the same name, none."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise NotReadable("JSON that gives a key twice")
    return fields


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise NotReadable("a number beyond reason")
    return int(text)


def _number(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    if number is None or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise NotReadable("a number beyond reason")
    return number


def _no_constant(word: str) -> NoReturn:
    raise NotReadable(f"{word}, which is no JSON")


def _clean(value: Any, hide: str) -> Any:  # noqa: ANN401  (any JSON value)
    if isinstance(value, str):
        text = value.replace(hide, masking.TOKEN) if hide and hide in value else value
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(each, hide) for each in value]
    if isinstance(value, dict):
        return {_clean(key, hide): _clean(each, hide) for key, each in value.items()}
    return value
