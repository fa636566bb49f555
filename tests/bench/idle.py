"""Count the API requests of a simulated idle hour: the real provider against the HTTP fake."""

from __future__ import annotations

from collections.abc import Callable


def run(say: Callable[[str], None]) -> None:
    say("\n(idle: not wired yet)")
