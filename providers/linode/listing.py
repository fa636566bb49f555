"""Read whole lists of Linode's, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from providers.kit import paging
from providers.linode import wire

PER_PAGE = 500

Row = wire.Row
T = TypeVar("T")


def pages(
    connection: wire.Connection,
    path: str,
    *,
    filters: Mapping[str, object] | None = None,
    key: Callable[[Row], Hashable] = lambda row: row["id"],
) -> list[Row]:
    """Read a whole list of rows as they came; see :func:`translated`."""
    return translated(connection, path, lambda row: row, filters=filters, key=key)


def translated(
    connection: wire.Connection,
    path: str,
    keep: Callable[[Row], T | None],
    *,
    filters: Mapping[str, object] | None = None,
    key: Callable[[Row], Hashable] = lambda row: row["id"],
) -> list[T]:
    """Read a whole list, or raise NoAnswerError; see :func:`paging.whole`.

    ``key`` identifies a row.
    """

    def read(page: int) -> paging.Page:
        try:
            response = connection.get(path, filters=filters, page=page, page_size=PER_PAGE)
        except wire.SaidNoError as error:
            if page > 1 and error.means_gone:
                text = f"{path} changed while it was read: page {page} is gone"
                raise paging.ChangedError(text) from error
            raise
        if response["page"] != page:
            shown = response["page"]
            raise wire.NoAnswerError(f"{path} answered page {shown} when asked for {page}")
        more = page < int(response["pages"])
        return paging.Page(
            rows=response["data"],
            total=int(response["results"]),
            following=page + 1 if more else None,
        )

    return paging.whole(path, read, first=1, key=key, keep=keep)
