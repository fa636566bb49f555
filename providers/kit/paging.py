"""Read a list that comes in pages whole, or not at all; bound it in pages, and in time.

A list that changes while it is read hides rows: with a machine deleted between two pages, the
next one moves into the page that was read already. So every page is compared with those before
it, not the last alone: the length that it states for the whole list, and the ids of its rows.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from providers.kit import network

MOST_PAGES = 200
"""Ten thousand servers at fifty a page."""

LONGEST_S = 120.0

T = TypeVar("T")
Row = Mapping[str, Any]


class ChangedError(network.NoAnswerError):
    """The list was seen to change between two of its pages."""


class ShortListError(network.NoAnswerError):
    """Fewer rows came than every page announced."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page as it came.

    ``total`` is the length of the whole list as this page states it, None where the API does not.
    ``following`` is what asks for the next page (a number, a cursor), None or "" on the last.
    """

    rows: Sequence[Any]
    total: int | None
    following: Hashable


def whole(
    path: str,
    read: Callable[[Any], Page],
    *,
    first: Hashable,
    key: Callable[[Any], Hashable] = lambda row: row["id"],
    keep: Callable[[Any], T | None] = lambda row: row,
) -> list[T]:
    """Read every page of a list, in the API's order; return its rows, or raise: never a part.

    ``read`` asks for one page, given ``first`` or what the page before said is following. ``key``
    is what identifies a row, ``keep`` makes of each row, as it comes, what the caller keeps of it:
    a row holds ten times that, so none is held longer than its page. Where it gives None the row
    is counted and left out.

    Raises NoAnswerError: :class:`ChangedError` when two pages state different lengths or one row
    comes twice or more rows come than were announced, :class:`ShortListError` when fewer do, and
    when pages lead in a circle or do not end, or one's rows are no list. A deletion and a creation
    between the same two pages keep the length and show no row twice: who misses a machine looks it
    up by id.
    """
    ids: set[Hashable] = set()
    kept: list[T] = []
    asked: set[Hashable] = set()
    bound = Pages(path)
    total: int | None = None
    at = first
    for number in range(1, MOST_PAGES + 1):
        asked.add(at)
        page = read(at)
        if not isinstance(page.rows, list | tuple):
            # An empty text or object would pass for "no rows", and every machine be gone.
            kind = type(page.rows).__name__
            raise network.NoAnswerError(f"page {number} of {path} holds no list but a {kind}")
        new = [key(row) for row in page.rows]
        last = page.following is None or page.following == ""
        if number > 1 and page.total != total:
            raise ChangedError(
                f"{path} changed while it was read: {total} rows, then {page.total} were announced"
            )
        total = page.total
        if not last and ids.issuperset(new):
            bound.another(len(ids))  # it raises: this page brought nothing
        if len(set(new)) < len(new) or not ids.isdisjoint(new):
            raise ChangedError(
                f"{path} changed while it was read: a row of page {number} came twice"
            )
        ids.update(new)
        kept += [made for row in page.rows if (made := keep(row)) is not None]
        if last:
            break
        if page.following in asked:
            raise network.NoAnswerError(f"the pages of {path} lead in a circle")
        bound.another(len(ids))
        at = page.following
        del page  # its rows need not be there while the next ones come
    if total is not None and len(ids) > total:
        raise ChangedError(
            f"{path} changed while it was read: {len(ids)} rows came, {total} were announced"
        )
    if total is not None and len(ids) < total:
        raise ShortListError(f"{path} ended after {len(ids)} of {total} rows")
    return kept


def after(page: int, following: object) -> int | None:
    """Return the number of the next page; only the one after this, or none, is an answer.

    Raises NoAnswerError: a page left out is a part of the list left out.
    """
    if following is None:
        return None
    if following != page + 1 and str(following) != str(page + 1):
        raise network.NoAnswerError(f"page {page} is followed by page {following}")
    return page + 1


class Pages:
    """Count the pages of one list as they come; who asks again for ever is stopped."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._ends = time.monotonic() + LONGEST_S
        self._pages = 0
        self._rows = 0

    def another(self, rows: int) -> None:
        """Note that a page came and another follows, with ``rows`` different rows until now.

        Raises NoAnswerError when that cannot be the list that was asked for.
        """
        self._pages += 1
        if rows <= self._rows:
            raise network.NoAnswerError(
                f"page {self._pages} of {self._path} holds nothing new and is followed by another"
            )
        self._rows = rows
        if self._pages >= MOST_PAGES:
            raise network.NoAnswerError(f"{self._path} has more than {MOST_PAGES} pages")
        if time.monotonic() > self._ends:
            raise network.NoAnswerError(
                f"{self._path} was not whole within {LONGEST_S:g} s ({self._pages} pages came)"
            )
