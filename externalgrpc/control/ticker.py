"""Run the reconciler's pump whenever something has changed or falls due."""

from __future__ import annotations

import threading
from collections.abc import Callable

from externalgrpc.support import clock, logs

_LOG = logs.Log("ticker")

LONGEST_SLEEP_S = 30.0


class Ticker:
    """One thread that pumps; :meth:`beat` wakes it, many beats at once are one.

    ``beat_at`` is the monotonic instant of the last pump: an old one means a hang.
    """

    def __init__(self, time_source: clock.Clock) -> None:
        self._clock = time_source
        self._due = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self.beat_at = time_source.monotonic()

    def beat(self) -> None:
        """Pump soon; callable from any thread, cheap."""
        self._due.set()

    def start(self, pump: Callable[[], float]) -> None:
        """Start to beat with a pump that returns when it wants to be run next."""

        def run() -> None:
            wake_at = 0.0
            while not self._stopped:
                wait_s = wake_at - self._clock.monotonic()
                self._due.wait(min(max(wait_s, 0.0), LONGEST_SLEEP_S))
                self._due.clear()
                if self._stopped:
                    return
                self.beat_at = self._clock.monotonic()
                try:
                    wake_at = pump()
                except Exception:  # noqa: BLE001 - the ticker must not stop; the log has it
                    _LOG.exception("pump failed")
                    wake_at = self._clock.monotonic() + 1.0

        self._thread = threading.Thread(target=run, name="ticker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop beating and wait for the last pump to end."""
        self._stopped = True
        self._due.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)
