"""Follow a Lease that another program of our host holds: Cluster Autoscaler's, in the same pod."""

from __future__ import annotations

import math

from externalgrpc.kube import lease
from externalgrpc.leading import term
from externalgrpc.leading.standing import Standing


class Following:
    """Conclude from each reading of a Lease whether our host holds it; pure but for its memory.

    ``host`` is the host's name as the holder takes it (os.Hostname in Go); what client-go's own
    programs add to it after an underscore does not matter.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._last: tuple[str, str] | None = None
        self._last_began = -math.inf
        self._term: term.Term | None = None
        self._longest_s = 0.0

    def read(self, seen: lease.Lease | None, *, began: float, ended: float) -> Standing:
        """Take a reading that was begun and ended at these monotonic instants, in their order."""
        if seen is None:
            # Whoever held it may make it anew; what was proved of it ends by itself.
            return Standing(term=self._term, why="the Lease is not there yet")
        changed = seen.mark != self._last
        before, self._last, self._last_began = self._last_began, seen.mark, began
        self._longest_s = max(self._longest_s, seen.duration_s)
        if seen.holder.partition("_")[0] != self._host or not self._host:
            self._term = None
            return Standing(holder=seen.holder, why=_held_by(seen.holder))
        held = self._term
        same = held is not None and held.id == seen.term
        # It was renewed after the last reading that showed it as it was had begun.
        renewed_at = before if changed else held.renewed_at if same and held else -math.inf
        self._term = term.Term(
            id=seen.term,
            since=held.since if same and held else ended,
            renewed_at=renewed_at,
            deadline_s=term.deadline_s(seen.duration_s),
            waits_s=term.waits_s(self._longest_s),
        )
        return Standing(term=self._term, holder=seen.holder)


def _held_by(holder: str) -> str:
    return f"the Lease is held by {holder}" if holder else "nobody holds the Lease"
