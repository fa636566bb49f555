"""Decide when GPU droplets are listed, which costs a request of its own.

Lists by tag leave them out, and ``type=gpus``, which shows them, knows no tag.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

FRESH_S = 300.0
"""How long after our start, or after an order, one may still land, in seconds."""

EVERY = 10
"""Where none is expected every tenth listing looks all the same."""


class Watch:
    """Know whether GPU droplets of ours may be there; safe to use from several threads.

    ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._listings = 0
        self._expected_until = clock() + FRESH_S
        self._there = False

    def expect(self) -> None:
        """Note that one may come soon, or is there."""
        with self._guard:
            self._there = True
            self._expected_until = self._clock() + FRESH_S

    def due(self) -> bool:
        """Return whether this listing should have them."""
        with self._guard:
            self._listings += 1
            expected = self._there or self._clock() < self._expected_until
            return expected or self._listings % EVERY == 0

    def looked(self, *, found: bool) -> None:
        """Note what a whole list of them showed of ours."""
        with self._guard:
            self._there = found or (self._there and self._clock() < self._expected_until)
