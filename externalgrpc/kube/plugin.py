"""Run what may run somebody else's program, and wait for it within bounds.

A kubeconfig's ``exec`` plugin, or its elder ``auth-provider``, may wait for ever: for a person, for
a network. The client that runs it sets no bound, so it is run beside: whoever needs credentials
gets an error in time, and a signal stops the process whatever the plugin does.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

WAIT_S: Final = 20.0
"""Less than the grace of a stop, of which the start of a server may need some, too."""
AGAIN_S: Final = 300.0
"""After so long a plugin that hangs is run beside itself: a lost connection hangs only once."""


class TimedOut(Exception):
    """Say that a plugin gave nothing in time; it may still be running."""


class Plugin:
    """Run one thing at a time; who comes while it runs gets what it gives. Safe between threads.

    The wait counts from the run's begin: who comes to one that hangs is refused at once.
    """

    def __init__(self, wait_s: float = WAIT_S, again_s: float = AGAIN_S) -> None:
        self._wait_s = wait_s
        self._again_s = again_s
        self._lock = threading.Lock()
        self._running: concurrent.futures.Future[Any] | None = None
        self._began_at = 0.0

    def run(self, work: Callable[[], T]) -> T:
        """Return what the work gives, or raise what it raises; TimedOut when it takes too long."""
        with self._lock:
            running, now = self._running, time.monotonic()
            if running is None or running.done() or now - self._began_at >= self._again_s:
                running = self._running = concurrent.futures.Future()
                self._began_at = now
                threading.Thread(
                    target=_do, args=(work, running), name="kubeconfig-plugin", daemon=True
                ).start()
            left_s = self._began_at + self._wait_s - now
        finished, _ = concurrent.futures.wait([running], max(0.0, left_s))
        if not finished:
            raise TimedOut(
                f"its exec plugin or auth-provider gave no credentials within {self._wait_s:g} s: "
                "run it once by hand, it may wait for a login"
            )
        result: T = running.result()
        return result


def _do(work: Callable[[], Any], running: concurrent.futures.Future[Any]) -> None:
    try:
        running.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        running.set_exception(error)
