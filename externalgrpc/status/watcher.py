"""Watch the fleet for the status page: keep its history, and say when something changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from externalgrpc.fleet import history, state
from externalgrpc.support import clock, logs

LOOK_S: Final = 0.5
"""The fleet is looked at so often, a large one less: at most a twentieth of a core is taken."""

_LOG: Final = logs.Log("status")


class Watcher:
    """Look at a fleet as long as the page is on; a thread of its own, which nobody waits for.

    ``wanted`` says whether it is on: when it goes off, what was kept is forgotten. ``changed`` is
    called after each look that found another fleet.
    """

    def __init__(
        self,
        fleet: Callable[[], state.Fleet],
        wanted: Callable[[], bool],
        changed: Callable[[], None],
        time_source: clock.Clock,
    ) -> None:
        self._fleet = fleet
        self._wanted = wanted
        self._changed = changed
        self._clock = time_source
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._seen: state.Fleet | None = None
        self.past = history.History()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """Look once."""
        if not self._wanted():
            self._seen, self.past = None, history.History()
            return
        fleet = self._fleet()
        if fleet is self._seen or not fleet.groups:
            return
        self.past = history.record(
            self.past,
            self._seen,
            fleet,
            now=self._clock.monotonic(),
            unix_now=self._clock.unix(),
        )
        self._seen = fleet
        self._changed()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            began = self._clock.monotonic()
            try:
                self.look()
            except Exception:  # noqa: BLE001 - a page must not end for one state that it cannot show
                _LOG.exception("the status page missed a change")
            wait_s = max(LOOK_S, 20 * (self._clock.monotonic() - began))
