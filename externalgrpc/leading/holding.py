"""Hold a Lease of our own, or wait for it: what client-go does, with clocks that never jump."""

from __future__ import annotations

import math

from externalgrpc.kube import lease
from externalgrpc.leading import term
from externalgrpc.leading.standing import Standing


class Holding:
    """Decide after each reading whether the Lease is to be taken; pure but for its memory.

    ``identity`` is this process's alone: one that is started anew waits like any other.
    """

    def __init__(self, identity: str, duration_s: float) -> None:
        self.identity = identity
        self.duration_s = duration_s
        self._mark: tuple[str, str] | None = None
        self._unchanged_since = math.inf
        self._longest_s = duration_s
        self._term: term.Term | None = None

    def wants(self, seen: lease.Lease | None, *, now: float) -> bool:
        """Take a reading whose answer came at ``now``; return whether to write that it is ours."""
        if seen is None:
            return True
        self._longest_s = max(self._longest_s, seen.duration_s)
        if seen.mark != self._mark:
            self._mark, self._unchanged_since = seen.mark, now
        if seen.holder in ("", self.identity):
            return True
        return now - self._unchanged_since >= seen.duration_s

    def others(self, seen: lease.Lease) -> Standing:
        """Note that it is another's."""
        self._term = None
        return Standing(holder=seen.holder, why=f"the Lease is held by {seen.holder}")

    def written(self, ours: lease.Lease, *, began: float, ended: float) -> Standing:
        """Note that it was written as ours, between these two instants."""
        self._mark, self._unchanged_since = ours.mark, ended
        held = self._term
        same = held is not None and held.id == ours.term
        self._term = term.Term(
            id=ours.term,
            since=held.since if same and held else ended,
            renewed_at=began,
            deadline_s=term.deadline_s(self.duration_s),
            waits_s=term.waits_s(self._longest_s),
        )
        return Standing(term=self._term, holder=self.identity)
