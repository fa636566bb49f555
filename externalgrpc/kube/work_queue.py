"""Do small requests in the background, again and again until they are done or too old.

For whoever must not wait: revoking a token, naming a Node's machine, removing a Node, writing an
Event. Each has a key; a later one of the same key takes the place of one that still waits, and
waits as long: who asks every few seconds is not answered any sooner.
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable
from typing import Final

from externalgrpc.kube import errors
from externalgrpc.model import backoff
from externalgrpc.support import clock, logs

_LOG = logs.Log("kube")

MOST: Final = 4096
"""So many may wait; the API server has been away for long, and what comes then is dropped."""

_TRANSIENT: Final = (errors.Unreachable, errors.Conflict, errors.Denied, errors.NotLeading)
_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


@dataclasses.dataclass(slots=True)
class _Item:
    key: str
    job: Callable[[], object]
    until: float
    due_at: float
    failures: int = 0


class WorkQueue:
    """One thread that runs jobs; :meth:`run` is callable from any thread and never waits.

    A job must be idempotent. It is tried again while it raises Unreachable, Conflict, NotLeading or
    Denied (a right may be given, a credential renewed); any other failure ends it. Both are logged.
    """

    def __init__(self, *, time_source: clock.Clock, chance: random.Random) -> None:
        self._clock = time_source
        self._chance = chance
        self._changed = threading.Condition()
        self._waiting: dict[str, _Item] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="kube-work-queue", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def run(self, key: str, job: Callable[[], object], *, within_s: float) -> None:
        """Have a job done soon, or given up ``within_s`` seconds from now."""
        now = self._clock.monotonic()
        with self._changed:
            if len(self._waiting) >= MOST and key not in self._waiting:
                _LOG.error("job dropped: too many wait", job=key)
                return
            item = _Item(key, job, until=now + within_s, due_at=now)
            if (held := self._waiting.get(key)) is not None:
                item.due_at, item.failures = held.due_at, held.failures
            self._waiting[key] = item
            self._changed.notify_all()

    def stop(self, within_s: float = 10.0) -> None:
        """Do what is due, once more each, and end; wait up to ``within_s`` seconds for that."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        with self._changed:
            for each in self._waiting.values():
                _LOG.warning("job not done", job=each.key)

    def _work(self) -> None:
        while (item := self._next()) is not None:
            self._do(item)

    def _next(self) -> _Item | None:
        with self._changed:
            while True:
                now = self._clock.monotonic()
                first = min(self._waiting.values(), key=lambda each: each.due_at, default=None)
                if first is not None and first.due_at <= now:
                    del self._waiting[first.key]
                    return first
                if self._stopping:
                    return None
                self._changed.wait(None if first is None else first.due_at - now)

    def _do(self, item: _Item) -> None:
        try:
            item.job()
        except _TRANSIENT as error:
            self._later(item, error)
        except errors.KubeError as error:
            _LOG.warning("job failed", job=item.key, error=str(error))
        except Exception:  # noqa: BLE001 - one job's mistake must not end the others
            _LOG.exception("job failed", job=item.key)

    def _later(self, item: _Item, error: errors.KubeError) -> None:
        item.failures += 1
        if item.failures == 1:
            _LOG.info("job waits", job=item.key, error=str(error))
        pause_s = backoff.wait_s(item.failures, base_s=_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        item.due_at = self._clock.monotonic() + pause_s * self._chance.uniform(0.5, 1.0)
        if item.due_at >= item.until:
            _LOG.warning("job given up", job=item.key, error=str(error))
            return
        with self._changed:
            # One of the same key that came meanwhile knows better, but not that it is no use.
            next_one = self._waiting.setdefault(item.key, item)
            next_one.due_at, next_one.failures = item.due_at, item.failures
