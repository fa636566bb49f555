"""What one look at the Lease has shown."""

from __future__ import annotations

import dataclasses

from externalgrpc.leading import term


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Our term, if we have one; who holds the Lease, as far as was read; why we have none."""

    term: term.Term | None = None
    holder: str = ""
    why: str = ""

    def why_not(self, now: float) -> str:
        """Return why we may not act at a monotonic instant; empty when we may."""
        return self.term.why_not(now) if self.term is not None else self.why
