"""Remember for a while: what a name stands for at a cloud, and what was said already."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")

KEPT_S = 300.0
"""How long an answer is kept, in seconds: a hundred machines of a group ask once, and a newer
snapshot of the same name is found soon."""


class Kept:
    """Answers by key, each asked for once in :data:`KEPT_S`; safe to use from several threads.

    ``clock`` gives seconds. What raises is not kept.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.RLock()  # one answer may need another
        self._kept: dict[Hashable, tuple[float, object]] = {}

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        """Give the answer that is kept, or ask for it."""
        # The lock is held while we ask: whoever else wants the same waits for the one answer.
        with self._guard:
            kept = self._kept.get(key)
            if kept is not None and self._clock() < kept[0]:
                return cast("T", kept[1])
            found = find()
            self._kept[key] = (self._clock() + KEPT_S, found)
            return found

    def forget(self) -> None:
        """Drop everything: the cloud no longer knows something that we sent."""
        with self._guard:
            self._kept.clear()


class Once:
    """Remember what was said, so that it is said once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._said: set[str] = set()

    def first(self, what: str) -> bool:
        """Tell whether this is the first time."""
        with self._guard:
            new = what not in self._said
            self._said.add(what)
            return new
