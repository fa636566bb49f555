"""Count requests against the limits of a cloud by buckets that refill and windows. Pure."""

from __future__ import annotations

import collections
import math

from providers import contract

RESERVE = 0.10
"""The part of the budget that reads leave to writes."""

TRICKLE = 0.5
"""The part of what refills that reads may take whatever the budget says."""

TRICKLE_S = 3.0
"""And no oftener than this: the busy pace of listings."""

LONGEST_PAUSE_S = 60.0
"""A cloud that asks for more patience than this is asked again all the same."""

WINDOW_SLACK = 1.02
"""Requests overtake each other on their way: windows are kept apart by a little more."""


class Bucket:
    """Count requests against a documented limit, corrected by what the cloud's answers say."""

    def __init__(self, rate: contract.Rate, share: float, now: float) -> None:
        self.capacity = max(1.0, rate.requests * share)
        self.refill_per_s = self.capacity / rate.per_s
        self._documented = self.capacity
        self._share = share
        self._tokens = self.capacity
        self._at = now
        self._told_at = -math.inf
        self._not_before = -math.inf
        self._reads_not_before = now
        self._spent_since: float | None = None

    def wait_s(self, now: float, cost: float, reserve: float) -> float:
        """Return how long until ``cost`` requests may be sent, leaving ``reserve`` of the budget.

        Who leaves a reserve may pass below it at a pace, whatever others take meanwhile: no
        earlier than the cloud can have refilled that much since it said that nothing is left.
        """
        self._fill(now)
        if reserve > 0:
            # The limit that a cloud reports may be any number; what we can fill is not.
            kept = reserve * min(self.capacity, self._documented)
            enough_s = min(self._lacking_s(cost + kept), self._trickles_at(cost) - now)
        else:
            enough_s = self._lacking_s(cost)
        return max(0.0, enough_s, self._not_before - now)

    def take(self, now: float, cost: float, reserve: float) -> None:
        """Spend; ``reserve`` is what was asked with."""
        if reserve > 0:
            self._reads_not_before = now + max(TRICKLE_S, self._refill_s(cost) / TRICKLE)
            self._spent_since = None
        self._tokens -= cost

    def correct(self, now: float, budget: contract.Budget | None) -> None:
        """Believe the cloud's own figures: never more is spent than it says is left."""
        if budget is None or budget.seen_at <= self._told_at or budget.limit <= 0:
            return
        self._fill(now)
        self._told_at = budget.seen_at
        # The limit in force may not be the documented one; what is left bounds our own count,
        # and others who use the account show in it.
        self.capacity = max(1.0, budget.limit * self._share)
        self._tokens = min(self._tokens, self.capacity, max(0.0, float(budget.remaining)))
        if budget.remaining > 0:
            self._spent_since = None
        elif self._spent_since is None:
            # Not each time anew: a read that waits must not be put off by what others send.
            self._spent_since = now
            self._reads_not_before = min(self._reads_not_before, now)

    def pause(self, now: float, wait_s: float) -> None:
        """Spend nothing until an instant: the cloud said so. It takes nothing of the budget."""
        self._not_before = max(self._not_before, now + patience_s(wait_s))
        self._reads_not_before = min(self._reads_not_before, self._not_before)

    def _trickles_at(self, cost: float) -> float:
        if self._spent_since is None:
            return self._reads_not_before
        return max(self._reads_not_before, self._spent_since + self._refill_s(cost))

    def _refill_s(self, cost: float) -> float:
        return min(cost, self.capacity) / self.refill_per_s

    def _lacking_s(self, wanted: float) -> float:
        return (min(wanted, self.capacity) - self._tokens) / self.refill_per_s

    def _fill(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        self._at = now
        self._tokens = min(self.capacity, self._tokens + passed * self.refill_per_s)


def patience_s(told_s: float) -> float:
    """Put what a cloud asks us to wait within bounds; what is no number is nothing."""
    return min(told_s, LONGEST_PAUSE_S) if told_s > 0 else 0.0


class Window:
    """Let no more than a limit pass within any stretch of its length, however the cloud counts.

    A bucket that refills would let nearly twice as many into a window that the cloud counts from
    its first request on, and the cloud refuses the rest (Linode's creates: 20 in 15 seconds).
    """

    def __init__(self, rate: contract.Rate, share: float) -> None:
        self._limit = max(1, math.floor(rate.requests * share))
        self._length_s = rate.per_s * WINDOW_SLACK
        self._passed: collections.deque[float] = collections.deque(maxlen=self._limit)
        self._not_before = -math.inf

    def wait_s(self, now: float) -> float:
        """Return how long until one more may pass."""
        full = len(self._passed) == self._limit
        free_at = self._passed[0] + self._length_s if full else -math.inf
        return max(0.0, free_at - now, self._not_before - now)

    def take(self, now: float) -> None:
        """Count one."""
        self._passed.append(now)

    def pause(self, now: float, wait_s: float) -> None:
        """Let nothing pass for a while: the cloud said so."""
        self._not_before = max(self._not_before, now + patience_s(wait_s))
