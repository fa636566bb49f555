# ruff: noqa: D102 - Limiter says what each method does
"""Keep a vendor's rate limits: a bucket that refills, or a window that starts anew."""

from __future__ import annotations

import math
from typing import Protocol


class Limiter(Protocol):
    """One limit; instants are seconds of the fake's own clock."""

    limit: int

    def room(self, now: float) -> bool:
        """Return whether one more request would pass."""
        ...

    def take(self, now: float) -> None:
        """Count one request."""
        ...

    def remaining(self, now: float) -> int:
        """Return how many requests would pass now."""
        ...

    def reset_at(self, now: float) -> float:
        """Return when the limit is whole again."""
        ...


class Bucket:
    """A bucket of ``limit`` that refills continuously by ``per_s`` a second (Hetzner)."""

    def __init__(self, limit: int, per_s: float) -> None:
        self.limit = limit
        self._per_s = per_s
        self._level = float(limit)
        self._at: float | None = None

    def _refill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._level = min(float(self.limit), self._level + (now - self._at) * self._per_s)
        self._at = now

    def room(self, now: float) -> bool:
        self._refill(now)
        return self._level >= 1

    def take(self, now: float) -> None:
        self._refill(now)
        self._level -= 1

    def remaining(self, now: float) -> int:
        self._refill(now)
        return max(0, math.floor(self._level))

    def reset_at(self, now: float) -> float:
        self._refill(now)
        return now + (self.limit - self._level) / self._per_s

    def drain(self, now: float, *, leave: int = 0) -> None:
        """Spend all but ``leave``, as other users of the account would."""
        self._refill(now)
        self._level = float(leave)


class Window:
    """``limit`` requests in each window of ``per_s`` seconds that the first one opens (Linode)."""

    def __init__(self, limit: int, per_s: float) -> None:
        self.limit = limit
        self._per_s = per_s
        self._opened = -math.inf
        self._spent = 0

    def _turn(self, now: float) -> None:
        if now >= self._opened + self._per_s:
            self._opened, self._spent = now, 0

    def room(self, now: float) -> bool:
        self._turn(now)
        return self._spent < self.limit

    def take(self, now: float) -> None:
        self._turn(now)
        self._spent += 1

    def remaining(self, now: float) -> int:
        self._turn(now)
        return max(0, self.limit - self._spent)

    def reset_at(self, now: float) -> float:
        self._turn(now)
        return self._opened + self._per_s

    def drain(self, now: float, *, leave: int = 0) -> None:
        """Spend all but ``leave``, as other users of the account would."""
        self._turn(now)
        self._spent = self.limit - leave


class Spent:
    """A limit with nothing left until ``reset_at``, for a 429 out of the blue."""

    def __init__(self, limit: int, reset_at: float) -> None:
        self.limit = limit
        self._reset_at = reset_at

    def room(self, now: float) -> bool:
        return False

    def take(self, now: float) -> None:
        """Take nothing: there is nothing."""

    def remaining(self, now: float) -> int:
        return 0

    def reset_at(self, now: float) -> float:
        return self._reset_at
