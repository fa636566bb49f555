"""Read whole lists of DigitalOcean's, or nothing."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from typing import Any, TypeVar

from providers import rest
from providers.kit import paging

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
    keep: Callable[[Row], T | None],
    **params: str,
) -> list[T]:
    """Read a whole list in the API's order, or raise NoAnswerError; see :func:`paging.whole`."""
    field = "slug" if key in {"sizes", "regions"} else "id"

    def read(page: int) -> paging.Page:
        response = connection.get(path, page=page, per_page=PER_PAGE, **params)
        total = int(response["meta"]["total"])
        return paging.Page(rows=response[key], total=total, following=_following(response, page))

    return paging.whole(path, read, first=1, key=lambda row: row[field], keep=keep)


def total(connection: rest.Connection, path: str, **params: str) -> int:
    """Return how long a list is, by its first page; one request."""
    return int(connection.get(path, page=1, per_page=1, **params)["meta"]["total"])


def _following(row: Row, page: int) -> int | None:
    """Return the next page's number; of the link only that is taken, never its host."""
    link = ((row.get("links") or {}).get("pages") or {}).get("next")
    if not link:
        return None
    numbers = urllib.parse.parse_qs(urllib.parse.urlsplit(str(link)).query).get("page", [])
    return paging.after(page, ", ".join(numbers) or "?")
