"""Read the time; handed in everywhere, so that a whole server can be replayed."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that never jumps, for intervals, and one that the clouds share."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        ...

    def unix(self) -> float:
        """Return Unix time in seconds."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()

    def unix(self) -> float:
        """Return Unix time in seconds."""
        return time.time()


class SuspendedTooClock(SystemClock):
    """The same, with an interval clock that goes on while the machine is suspended, where there
    is one (Linux): who holds something for a time must not sleep past its end unawares.
    """

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.clock_gettime(boot) if boot is not None else time.monotonic()
