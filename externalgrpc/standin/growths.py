"""Remember what this autoscaler has asked for and not yet got, and what it leaves alone."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(slots=True)
class Growth:
    """A scale-up request: ``left`` machines, the last of them asked for at ``asked_at``."""

    left: int
    asked_at: float


class Growths:
    """The scale-up requests of one CA process, and its back-offs; all by group.

    Instants are seconds of a clock that only grows.
    """

    def __init__(self, backoff_s: float) -> None:
        self._backoff_s = backoff_s
        self._open: dict[str, Growth] = {}
        self._backed_off_until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, group: str) -> bool:
        return group in self._open

    def all(self) -> tuple[tuple[str, Growth], ...]:
        """Return every open request."""
        return tuple(self._open.items())

    def ask(self, group: str, delta: int, now: float) -> None:
        """Note that a growth was asked for and accepted."""
        left = self._open[group].left if group in self._open else 0
        self._open[group] = Growth(left=left + delta, asked_at=now)

    def close(self, group: str) -> None:
        """Forget a group's request: it is fulfilled, or given up."""
        self._open.pop(group, None)

    def lose_one(self, group: str) -> bool:
        """Expect one machine less; return whether any was expected."""
        growth = self._open.get(group)
        if growth is None:
            return False
        growth.left -= 1
        return True

    def back_off(self, group: str, now: float) -> None:
        """Leave a group alone for a while."""
        self._backed_off_until[group] = now + self._backoff_s

    def backed_off(self, group: str, now: float) -> bool:
        """Return whether a group is left alone now."""
        return now < self._backed_off_until.get(group, now)
