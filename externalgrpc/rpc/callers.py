"""Patience with callers: how long, how many and how much of our memory they may let wait.

An honest caller's message comes right behind its headers and its reply is taken at once. So who
waits for long is ended, and sooner while others are waiting behind. Messages are received on a
few places, because each may hold 4 MiB; who finds none is parked, and the youngest is let in first:
in a crowd of callers who never send anything, it is the youngest who may be honest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from externalgrpc.model import fleet_errors
from externalgrpc.rpc.limits import Limits, resident_bytes
from externalgrpc.support import clock

_FOR_THE_YOUNG = 8
"""One of so many places is kept for those who have just come."""


class Crowded(fleet_errors.NotReady):
    """So many callers are slow that this one was not listened to."""


class Call(Protocol):
    """What we need of grpc's ServicerContext."""

    def cancel(self) -> object:
        """End the call; nothing happens when it has ended."""
        ...

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Have a function called when the call has ended; False when it has already."""
        ...


@dataclasses.dataclass(slots=True, eq=False)
class Held:
    """A call that waits for its caller; monotonic instants in seconds."""

    call: Call
    since: float
    until: float
    size: int = 0
    dismissed: bool = False
    """It was cancelled; it keeps its place until its worker is back."""
    turn: threading.Event | None = None
    """Set when a parked call is let in, or refused."""


_Row = dict[Held, None]


class Callers:
    """Hold the calls that wait for their callers, the oldest first; callable from any thread."""

    def __init__(self, limits: Limits, time_source: clock.Clock) -> None:
        self._limits = limits
        self._clock = time_source
        self._lock = threading.Lock()
        self._receiving: _Row = {}
        self._parked: _Row = {}
        self._watching: _Row = {}
        self._unsent: _Row = {}
        self._unsent_bytes = 0
        self._calm_bytes = 0
        self._swollen = False
        self._closed = False
        self.crowded = threading.Event()
        """Set while more are received than may for long: :meth:`sweep` is wanted every few ms."""
        self.ended = 0
        """Calls ended so far because their callers were too slow or too many."""

    @contextlib.contextmanager
    def receiving(self, call: Call) -> Iterator[None]:
        """Have a place to receive a message, for as long as this lasts.

        Raises Crowded when there was none. A call that takes too long is cancelled: what waits in
        it raises or ends.
        """
        now = self._clock.monotonic()
        held = Held(call, now, now + self._limits.patience_s)
        with self._lock:
            if len(self._receiving) < self._places():
                self._receive(held)
            else:
                held.turn = threading.Event()
                self._park(held)
        if held.turn is not None:
            held.turn.wait()
        try:
            if held not in self._receiving:
                raise Crowded("too many calls wait for their callers to send a message")
            yield
        finally:
            self.heard(held)

    def listen(self, call: Call) -> Held | None:
        """Take a place to receive a message, without waiting; None where there is none.

        Give it back with :meth:`heard`, whatever becomes of the call.
        """
        now = self._clock.monotonic()
        held = Held(call, now, now + self._limits.patience_s)
        with self._lock:
            if self._parked or len(self._receiving) >= self._places():
                return None
            self._receive(held)
        return held

    def heard(self, held: Held) -> None:
        """Give a place back."""
        with self._lock:
            self._receiving.pop(held, None)
            if self._parked:
                self._let_in()

    def listening(self) -> int:
        """Count the calls whose message may be received now."""
        with self._lock:
            return len(self._receiving)

    @contextlib.contextmanager
    def watching(self, call: Call, patience_s: float | None = None) -> Iterator[None]:
        """Hold a call that waits, but not for a message, for as long as this lasts.

        It is cancelled after ``patience_s`` seconds, by default the limit, and when it is the
        oldest of too many.
        """
        now = self._clock.monotonic()
        held = Held(call, now, now + (patience_s or self._limits.patience_s))
        with self._lock:
            self._watching[held] = None
            surplus = len(self._watching) > self._limits.watching
        if surplus:
            self._end(self._watching, 1)
        try:
            yield
        finally:
            with self._lock:
                self._watching.pop(held, None)

    def replying(self, call: Call, size: int) -> None:
        """Hold a reply of so many bytes until it has been taken.

        A caller that does not read leaves its reply with us; the oldest are cancelled when they
        are too many, too large together or too old.
        """
        now = self._clock.monotonic()
        held = Held(call, now, now + self._limits.patience_s, size)
        ended: list[Held] = []
        with self._lock:
            self._unsent[held] = None
            self._unsent_bytes += size
            while len(self._unsent) > 1 and (
                len(self._unsent) > self._limits.unsent
                or self._unsent_bytes > self._limits.unsent_bytes
            ):
                ended.append(oldest := next(iter(self._unsent)))
                self._forget(oldest)
        self._cancel(ended)

        def gone() -> None:
            with self._lock:
                self._forget(held)

        if not call.add_callback(gone):
            gone()

    def sweep(self) -> None:
        """End what takes too long; call it every second, in a crowd every few ms."""
        now = self._clock.monotonic()
        with self._lock:
            late = [held for held in (*self._receiving, *self._watching) if held.until < now]
            late += self._surplus(now)
            stale = [held for held in self._unsent if held.until < now]
            for held in stale:
                self._forget(held)
            late = [held for held in late if not held.dismissed]
            self._let_in()
            for held in [each for each in self._parked if each.since < now - self._limits.parked_s]:
                if len(self._receiving) < self._places():
                    self._admit(held, now)
                else:
                    self._refuse(held)
        self._cancel(late + stale)

    def end_oldest(self) -> None:
        """Make one waiting call end, the oldest of those that are listened to least."""
        with self._lock:
            if self._parked:
                self._refuse(next(iter(self._parked)))
                return
        self._end(self._receiving or self._watching, 1)

    def close(self) -> None:
        """Refuse the parked calls, and whoever would be parked from now on."""
        with self._lock:
            self._closed = True
            for held in list(self._parked):
                self._refuse(held)

    def _places(self) -> int:
        return self._limits.receiving if self._swollen else self._limits.crowd

    def _receive(self, held: Held) -> None:
        self._receiving[held] = None
        if len(self._receiving) > self._limits.receiving:
            self._crowd()

    def _park(self, held: Held) -> None:
        self._parked[held] = None
        self._crowd()
        if self._closed or len(self._parked) > self._limits.parked:
            self._refuse(next(iter(self._parked)))

    def _crowd(self) -> None:
        if not self.crowded.is_set():
            self._calm_bytes = resident_bytes()
            self.crowded.set()

    def _surplus(self, now: float) -> list[Held]:
        """Give those of a crowd that must go: in a hurry, at once when memory swells."""
        if not self.crowded.is_set():
            return []
        surplus = len(self._receiving) - self._limits.receiving
        if surplus <= 0 and not self._parked:
            self._swollen = False
            self.crowded.clear()
            return []
        self._swollen = resident_bytes() > self._calm_bytes + self._limits.crowd_bytes
        at_once = surplus if self._swollen else 0
        return [
            held
            for number, held in enumerate(self._receiving)
            if number < at_once
            or (number < surplus + len(self._parked) and held.since < now - self._limits.hurried_s)
        ]

    def _refuse(self, held: Held) -> None:
        del self._parked[held]
        self.ended += 1
        if held.turn is not None:
            held.turn.set()

    def _let_in(self) -> None:
        """Give free places to the youngest; who has been parked for long leaves some to others."""
        now = self._clock.monotonic()
        while self._parked:
            youngest = next(reversed(self._parked))
            fresh = youngest.since >= now - self._limits.hurried_s
            places = self._places()
            if len(self._receiving) >= (places if fresh else places - places // _FOR_THE_YOUNG):
                return
            self._admit(youngest, now)

    def _admit(self, held: Held, now: float) -> None:
        """Let a parked call be listened to, from now on."""
        del self._parked[held]
        held.since = now
        self._receive(held)
        if held.turn is not None:
            held.turn.set()

    def _forget(self, held: Held) -> None:
        if held in self._unsent:
            del self._unsent[held]
            self._unsent_bytes -= held.size

    def _end(self, row: _Row, count: int) -> None:
        with self._lock:
            oldest = [held for held in row if not held.dismissed][:count]
        self._cancel(oldest)

    def _cancel(self, calls: Iterable[Held]) -> None:
        for held in calls:
            held.dismissed = True
            self.ended += 1
            held.call.cancel()
