"""Read whole lists of Vultr's, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from providers import paging, rest

PER_PAGE = 500

Row = dict[str, Any]
T = TypeVar("T")


class ShortListError(rest.NoAnswerError):
    """Fewer rows came than the list's total announces."""


def pages(connection: rest.Connection, path: str, key: str, **params: str) -> list[Row]:
    """Read a whole list of rows as they came; see :func:`translated`."""
    return translated(connection, path, key, lambda row: row, **params)


def translated(
    connection: rest.Connection,
    path: str,
    key: str,
    read: Callable[[Row], T | None],
    **params: str,
) -> list[T]:
    """Read a whole list in the API's order, or raise NoAnswerError: never a part.

    Each page goes through ``read`` as it comes, and its rows are let go: one holds ten times what
    is made of it. Where ``read`` gives None the row is counted and left out.

    Pages are linked by cursors; "" ends the list. A list that was seen to change while it was
    read is an error too: its total, as each page tells it, must stay, no row may come twice, and
    as many must come; ShortListError where fewer do.
    """
    rows: dict[object, T | None] = {}
    came = 0
    totals: set[int] = set()
    cursors: set[str] = set()
    cursor = ""
    pages_read = paging.Pages(path)
    while True:
        told = connection.get(
            path, per_page=PER_PAGE, **params, **({"cursor": cursor} if cursor else {})
        )
        came += len(told[key])
        rows.update((row["id"], read(row)) for row in told[key])
        totals.add(int(told["meta"]["total"]))
        cursor = _cursor(told["meta"]["links"]["next"])
        del told
        if not cursor:
            break
        if cursor in cursors:
            raise rest.NoAnswerError(f"the pages of {path} lead in a circle")
        cursors.add(cursor)
        pages_read.another(len(rows))
    if len(totals) != 1 or came != len(rows) or came > max(totals):
        announced = " then ".join(str(each) for each in sorted(totals))
        raise rest.NoAnswerError(
            f"{path} changed while it was read: {came} rows came, {len(rows)} different ones, "
            f"{announced} were announced"
        )
    if came < max(totals):
        raise ShortListError(f"{path} ended after {came} of {max(totals)} rows")
    return [row for row in rows.values() if row is not None]


def _cursor(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError(f"a cursor is a {type(told).__name__}, not a text")
    return told
