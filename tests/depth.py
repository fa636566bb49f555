"""How many examples a property is tried with: few where somebody waits, DEPTH=5 in CI."""

from __future__ import annotations

import os

DEPTH = float(os.environ.get("DEPTH", "1"))


def examples(number: int) -> int:
    """Return the number of examples at the depth that was asked for, one at least."""
    return max(1, round(number * DEPTH))
