"""Wait for conditions, never for time to pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 120.0
"""How long a condition may take: far more than ever seen, for machines that are busy."""

POLL_S = 0.1

_pause = threading.Event()


class NotInTimeError(AssertionError):
    """A condition did not come to hold."""


def until(
    condition: Callable[[], T | None],
    what: str,
    *,
    within_s: float = PATIENCE_S,
    meanwhile: Callable[[], object] = lambda: None,
) -> T:
    """Ask again and again until the answer is true, and give it.

    ``meanwhile`` is called each time and raises when waiting has become pointless.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        meanwhile()
        if time.monotonic() > deadline:
            raise NotInTimeError(f"not within {within_s:.0f} s: {what}; last answer: {answer!r}")
        _pause.wait(POLL_S)
