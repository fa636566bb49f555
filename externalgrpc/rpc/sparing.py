"""Log what strangers can cause as often as they like: a few lines a minute, the rest counted."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from externalgrpc.support import clock

MINUTE_S = 60.0
_KINDS = 256


@dataclasses.dataclass(slots=True)
class _Kind:
    since: float
    lines: int = 0
    held: int = 0


class Sparing:
    """Let ``lines`` lines a minute through for each kind of event.

    What was held back is logged with the next line of its kind, as ``more``; :meth:`flush` logs it
    when no other line comes.
    """

    def __init__(self, lines: int, time_source: clock.Clock) -> None:
        self._lines = lines
        self._clock = time_source
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._lock = threading.Lock()

    def log(self, kind: tuple[str, ...], write: Callable[[int], None]) -> None:
        """Call ``write`` with the number of events held back before, or hold this one back too."""
        now = self._clock.monotonic()
        with self._lock:
            known = self._kinds.get(kind)
            if known is None:
                if len(self._kinds) >= _KINDS:
                    return
                known = self._kinds[kind] = _Kind(since=now)
            if now - known.since >= MINUTE_S:
                known.since, known.lines = now, 0
            if known.lines >= self._lines:
                known.held += 1
                return
            known.lines += 1
            held, known.held = known.held, 0
        write(held)

    def flush(self, write: Callable[[tuple[str, ...], int], None]) -> None:
        """Call ``write`` for each kind that holds events back since more than a minute."""
        now = self._clock.monotonic()
        due: list[tuple[tuple[str, ...], int]] = []
        with self._lock:
            for kind, known in list(self._kinds.items()):
                if now - known.since < MINUTE_S:
                    continue
                if known.held:
                    due.append((kind, known.held))
                    known.since, known.lines, known.held = now, 1, 0
                else:
                    del self._kinds[kind]
        for kind, held in due:
            write(kind, held)
