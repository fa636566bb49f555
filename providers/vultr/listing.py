"""Read whole lists of Vultr's, or nothing."""

from __future__ import annotations

from typing import Any

from providers import paging, rest

PER_PAGE = 500

Row = dict[str, Any]


def pages(connection: rest.Connection, path: str, key: str, **params: str) -> list[Row]:
    """Read a whole list in the API's order, or raise NoAnswerError; see :func:`paging.whole`.

    Pages are linked by cursors; "" ends the list.
    """

    def read(cursor: str) -> paging.Page:
        at = {"cursor": cursor} if cursor else {}
        told = connection.get(path, per_page=PER_PAGE, **params, **at)
        meta = told["meta"]
        return paging.Page(
            rows=told[key], total=int(meta["total"]), following=_cursor(meta["links"]["next"])
        )

    return paging.whole(path, read, first="")


def _cursor(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError(f"a cursor is a {type(told).__name__}, not a text")
    return told
