"""Read whole lists of Vultr's, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from providers import rest
from providers.kit import paging

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

    Pages are linked by cursors. "", null or no cursor at all ends the list: the document requires
    none, and that a list ended too early shows in the total that each page states.
    """

    def read(cursor: str) -> paging.Page:
        at = {"cursor": cursor} if cursor else {}
        response = connection.get(path, per_page=PER_PAGE, **params, **at)
        meta = response["meta"]
        return paging.Page(
            rows=response[key], total=int(meta["total"]), following=_cursor(meta.get("links"))
        )

    return paging.whole(path, read, first="", keep=keep)


def _cursor(links: Mapping[str, object] | None) -> str:
    value = None if links is None else links.get("next")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"a cursor is a {type(value).__name__}, not a text")
    return value
