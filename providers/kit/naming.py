"""Find the one thing of a cloud that a text of the configuration names; never guess.

Keys, networks, firewalls and placement groups are one thing each: of several that answer to one
name none is right by itself. Images are versions of one another, and the clouds take the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from providers import errors

Row = TypeVar("Row", bound=Mapping[str, Any])

_SHOWN = 10


def is_number(text: str) -> bool:
    """Return whether a text is an id of digits."""
    return text.isascii() and text.isdigit()


def only(rows: Iterable[Row], text: str, *keys: str, what: str, where: str = "") -> Row:
    """Return the one row that has ``text`` under a key; earlier keys (ids) go before later ones.

    Raises BadOrder where there is none, or several, with the ids of those; ``where`` says, with a
    blank before it, where was looked.
    """
    found = every(rows, text, *keys, what=what, where=where)
    if len(found) > 1:
        raise ambiguous(found, f"{what} {text!r}{where}")
    return found[0]


def every(rows: Iterable[Row], text: str, *keys: str, what: str, where: str = "") -> list[Row]:
    """Return all rows that have ``text`` under the first key that any has it under.

    Raises BadOrder where there is none.
    """
    listed = tuple(rows)
    for key in keys:
        if found := [row for row in listed if str(row.get(key)) == text]:
            return found
    raise errors.BadOrder(f"there is no {what} {text!r}{where}")


def ambiguous(found: Sequence[Mapping[str, Any]], what: str) -> errors.BadOrder:
    """Make the refusal of a name that stands for several things: ``what`` is kind and name."""
    ids = sorted(str(row["id"]) for row in found)
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    listed = ", ".join(ids[:_SHOWN])
    return errors.BadOrder(f"there is more than one {what}: give an id, one of {listed}{more}")
