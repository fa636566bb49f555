"""Bound how long a list may be: in pages, and in time."""

from __future__ import annotations

import time

from providers import network

MOST_PAGES = 200
"""Ten thousand servers at fifty a page."""

LONGEST_S = 120.0


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
