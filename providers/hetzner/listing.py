"""Read whole lists of Hetzner's, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from providers.hetzner import wire
from providers.kit import paging

PER_PAGE = 50

Row = dict[str, Any]
T = TypeVar("T")


def pages(connection: wire.Connection, path: str, key: str, **params: object) -> list[Row]:
    """Read a whole list of rows as they came; see :func:`translated`."""
    return translated(connection, path, key, lambda row: row, **params)


def translated(
    connection: wire.Connection,
    path: str,
    key: str,
    keep: Callable[[Row], T | None],
    **params: object,
) -> list[T]:
    """Read a whole list in the API's order, or raise NoAnswerError; see :func:`paging.whole`."""

    def read(page: int) -> paging.Page:
        response = connection.get(path, page=page, per_page=PER_PAGE, **params)
        pagination = response["meta"]["pagination"]
        total = pagination.get("total_entries")
        return paging.Page(
            rows=response[key],
            total=None if total is None else int(total),
            following=paging.after(page, pagination["next_page"]),
        )

    return paging.whole(path, read, first=1, key=lambda row: int(row["id"]), keep=keep)
