"""Say when a status may be written: seldom for one object, and not too often in all."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a status is written at most.

    ``object_s`` is between two writes of one object. In all it is ``a_minute``, of which ``burst``
    may come at once after a rest; the first answer to a change of somebody's does not count.
    """

    object_s: float = 5.0
    a_minute: float = 60.0
    burst: int = 20


class Budget:
    """Count writes against a pace; instants are monotonic. Belongs to one thread."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._left = float(pace.burst)
        self._at = float("-inf")
        self._last: dict[str, float] = {}

    def may(self, uid: str, now: float) -> bool:
        """Return whether an object's status may be written now."""
        rest = now - self._last.get(uid, float("-inf")) >= self._pace.object_s
        return rest and self._filled(now) >= 1.0

    def wrote(self, uid: str, now: float, *, counts: bool) -> None:
        """Note a write, or a try; one that does not ``counts`` takes nothing of the minute's."""
        self._left = self._filled(now) - float(counts)
        self._at = now
        self._last[uid] = now

    def last(self, uid: str) -> float:
        """Return when an object was written last."""
        return self._last.get(uid, float("-inf"))

    def forget(self, there: set[str]) -> None:
        """Keep what concerns the objects that are there."""
        self._last = {uid: at for uid, at in self._last.items() if uid in there}

    def _filled(self, now: float) -> float:
        if self._at == float("-inf"):
            return self._left
        grown = (now - self._at) * self._pace.a_minute / 60.0
        return min(float(self._pace.burst), self._left + grown)
