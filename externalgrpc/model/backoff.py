"""How long to wait before something that failed is tried again."""

from __future__ import annotations

from typing import Final

_DOUBLINGS: Final = 10
"""No ceiling of ours is further from its base; a longer row of failures is no larger number."""


def wait_s(failures: int, *, base_s: float, longest_s: float) -> float:
    """Return how many seconds to wait after so many failures in a row: twice as long each time.

    After the first, or none, it is ``base_s``; never more than ``longest_s``, which is at most
    1,024 times as much. Spread is added by whoever wants it.
    """
    return min(base_s * 2.0 ** min(max(failures - 1, 0), _DOUBLINGS), longest_s)
