"""Read whole lists of Vultr's, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from providers import paging, rest

PER_PAGE = 500

Row = dict[str, Any]
T = TypeVar("T")


def pages(connection: rest.Connection, path: str, key: str, **params: str) -> list[Row]:
    """Read a whole list of rows as they came; see :func:`translated`."""
    return translated(connection, path, key, lambda row: row, **params)


def translated(
    connection: rest.Connection,
    path: str,
    key: str,
    keep: Callable[[Row], T | None],
    **params: str,
) -> list[T]:
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

    return paging.whole(path, read, first="", keep=keep)


def _cursor(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError(f"a cursor is a {type(told).__name__}, not a text")
    return told
