"""Read whole lists of Vultr's, or nothing."""

from __future__ import annotations

from typing import Any

from providers import paging, rest

PER_PAGE = 500

Row = dict[str, Any]


class ShortListError(rest.NoAnswerError):
    """Fewer rows came than the list's total announces."""


def pages(connection: rest.Connection, path: str, key: str, **params: str) -> list[Row]:
    """Read a whole list in the API's order, or raise NoAnswerError: never a part.

    Pages are linked by cursors; "" ends the list. A list that was seen to change while it was
    read is an error too: its total, as each page tells it, must stay, no row may come twice, and
    as many must come; ShortListError where fewer do.
    """
    rows: dict[object, Row] = {}
    came = 0
    totals: set[int] = set()
    cursors: set[str] = set()
    cursor = ""
    pages_read = paging.Pages(path)
    while True:
        told = connection.get(
            path, per_page=PER_PAGE, **params, **({"cursor": cursor} if cursor else {})
        )
        page = told[key]
        came += len(page)
        rows.update((row["id"], row) for row in page)
        meta = told["meta"]
        totals.add(int(meta["total"]))
        cursor = _cursor(meta["links"]["next"])
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
    return list(rows.values())


def _cursor(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError(f"a cursor is a {type(told).__name__}, not a text")
    return told
