"""The law of two servers: who may act, by a Lease and a clock of one's own that never jumps.

Let a *commit* be a write of the Lease at the API server, which orders all of them. A process knows
of the last commit in its favour that it happened no earlier than ``renewed_at``, and of the first
one of its term no later than ``since``. It may act from ``since + deadline_s`` until before
``renewed_at + deadline_s``. So nobody acts later than a deadline after the last commit in his
favour, and nobody earlier than a deadline after the first: two never act at once, whatever their
wall clocks say, and whether the Lease ran out, was released, was edited or was deleted. All that is
asked of the machines is that their seconds are equally long.
"""

from __future__ import annotations

import dataclasses
from typing import Final

DEADLINE_SHARE: Final = 2 / 3
"""The part of a Lease's duration for which its last renewal lets anybody act: client-go's 10 s of
15."""

WAIT_SHARE: Final = 0.7
"""The part that whoever begins to hold it waits: a little longer, for seconds that are not quite
equally long, and for what was sent in the last moment."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """An unbroken holding of the Lease by us; instants are monotonic seconds of this process.

    ``id`` is the same for as long as nobody else can have held the Lease. ``since`` is when we had
    read that it is ours, ``renewed_at`` an instant before which its last renewal that we know of
    did not happen: nothing is known of it while that is ``-inf``. ``waits_s`` is how long whoever
    held it before may act after that.
    """

    id: str
    since: float
    renewed_at: float
    deadline_s: float
    waits_s: float

    def begins_at(self) -> float:
        """Return from when on we may act."""
        return self.since + self.waits_s

    def ends_at(self) -> float:
        """Return until when we may act, if it is not renewed."""
        return self.renewed_at + self.deadline_s

    def may_act(self, now: float) -> bool:
        """Return whether we may act at an instant."""
        return self.begins_at() <= now < self.ends_at()

    def why_not(self, now: float) -> str:
        """Return why we may not act; empty when we may."""
        if now < self.begins_at():
            return f"the Lease is ours, acting in {self.begins_at() - now:.1f} s"
        if now >= self.ends_at():
            return "the Lease is ours and was not seen to be renewed in time"
        return ""


def deadline_s(duration_s: float) -> float:
    """Return how long a renewal of a Lease of this duration lets its holder act."""
    return duration_s * DEADLINE_SHARE


def waits_s(duration_s: float) -> float:
    """Return how long whoever begins to hold a Lease waits before acting."""
    return duration_s * WAIT_SHARE
