"""Read whole lists of DigitalOcean's, or nothing."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any, TypeVar

from providers import paging, rest

PER_PAGE = 200

Row = dict[str, Any]
T = TypeVar("T")


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

    A list that was seen to change while it was read is an error too: its length, as each page
    tells it, must stay, and as many different rows must come. (A deletion and a creation between
    two pages can hide from that count; who misses a row looks it up by id.)
    """
    rows: dict[object, T | None] = {}
    lengths: set[int] = set()
    pages_read = paging.Pages(path)
    page: int | None = 1
    while page is not None:
        told = connection.get(path, page=page, per_page=PER_PAGE, **params)
        identity = _identity(key)
        rows.update((identity(row), read(row)) for row in told[key])
        lengths.add(int(told["meta"]["total"]))
        page = _following(told, page)
        del told
        if page is not None:
            pages_read.another(len(rows))
    if lengths != {len(rows)}:
        raise rest.NoAnswerError(
            f"{path} changed while it was read: {len(rows)} rows came, "
            f"{' then '.join(str(each) for each in sorted(lengths))} were announced"
        )
    return [row for row in rows.values() if row is not None]


def total(connection: rest.Connection, path: str, **params: str) -> int:
    """Tell how long a list is, by its first page; one request."""
    return int(connection.get(path, page=1, per_page=1, **params)["meta"]["total"])


def _identity(key: str) -> Callable[[Row], object]:
    field = "slug" if key in {"sizes", "regions"} else "id"
    return lambda row: row[field]


def _following(told: Row, page: int) -> int | None:
    """Give the number of the next page; only its number is taken from the link, never its host."""
    link = ((told.get("links") or {}).get("pages") or {}).get("next")
    if not link:
        return None
    numbers = urllib.parse.parse_qs(urllib.parse.urlsplit(str(link)).query).get("page", [])
    if numbers != [str(page + 1)]:
        raise rest.NoAnswerError(f"page {page} is followed by page {', '.join(numbers) or '?'}")
    return page + 1
