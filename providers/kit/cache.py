"""Remember for a while what a name stands for at a cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")

KEPT_S = 300.0
"""How long an answer is kept, in seconds: a hundred machines of a group ask once, and a newer
snapshot of the same name is found soon."""


class Flights:
    """Let those who want the same thing at once ask for it once; safe from several threads.

    Nobody else waits: no lock is held while somebody asks.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._under_way: dict[Hashable, _Flight] = {}

    def join(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Ask, or wait for the answer of whoever asks for ``key`` now; raises what that raised."""
        with self._guard:
            flight = self._under_way.get(key)
            first = flight is None
            if flight is None:
                flight = self._under_way[key] = _Flight()
        if not first:
            flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            return cast("T", flight.answer)
        try:
            answer = ask()
            flight.answer = answer
        except BaseException as error:
            flight.error = error
            raise
        finally:
            with self._guard:
                self._under_way.pop(key, None)
            flight.landed.set()
        return answer


class _Flight:
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.answer: object = None
        self.error: BaseException | None = None


class Kept:
    """Answers by key, each asked for once in :data:`KEPT_S`; safe to use from several threads.

    ``clock`` gives seconds. What raises is not kept, but raised for all who waited for it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._flights = Flights()
        self._forgotten = 0
        self._kept: dict[Hashable, tuple[float, object]] = {}

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return the answer that is kept, or ask for it."""

        def ask() -> T:
            with self._guard:
                kept = self._kept.get(key)
            if kept is not None and self._clock() < kept[0]:
                return cast("T", kept[1])  # somebody asked between our look and now
            found = find()
            with self._guard:
                # What was asked for before everything was forgotten may be what is wrong.
                if self._forgotten == era:
                    self._kept[key] = (self._clock() + KEPT_S, found)
            return found

        with self._guard:
            era = self._forgotten
        return self._flights.join((era, key), ask)

    def forget(self) -> None:
        """Drop everything: the cloud no longer knows something that we sent."""
        with self._guard:
            self._kept.clear()
            self._forgotten += 1
