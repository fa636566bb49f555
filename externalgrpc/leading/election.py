"""Ask the Lease again and again, and say of everything that is about to be sent whether it may be.

A process leads once at most: when it has led and another holds the Lease, it ends, as Cluster
Autoscaler and the controllers of Kubernetes do, and whoever started it starts it again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Final, Protocol

from externalgrpc.kube import errors, lease
from externalgrpc.leading import following, holding
from externalgrpc.leading.standing import Standing
from externalgrpc.support import clock, logs

_LOG = logs.Log("leading")

ROUND_SHARE: Final = 2 / 15
"""How often the Lease is renewed or asked for, as a part of its duration: client-go's 2 s of 15."""

FOLLOW_S: Final = 1.0
"""A Lease that another program renews is read so often, in seconds; a short one oftener."""


class Way(Protocol):
    """How the Lease is looked at: one of the two below."""

    refuses: bool
    round_s: float

    def look(self, now: Callable[[], float]) -> Standing:
        """Look once; blocks, raises KubeError."""
        ...

    def release(self) -> None:
        """Release what we hold; blocks, raises KubeError."""
        ...


class Follow:
    """Read the Lease that Cluster Autoscaler of our pod holds."""

    refuses = False
    """What comes over the socket is this autoscaler's, which may lead before we have seen it."""

    def __init__(
        self, store: lease.Store, host: str, *, duration_s: float = lease.DEFAULT_S
    ) -> None:
        self._store = store
        self._following = following.Following(host)
        self.round_s = min(FOLLOW_S, duration_s * ROUND_SHARE)

    def look(self, now: Callable[[], float]) -> Standing:
        """Read it once."""
        began = now()
        seen = self._store.read()
        return self._following.read(seen, began=began, ended=now())

    def release(self) -> None:
        """Do nothing: it is not ours."""


class Hold:
    """Hold a Lease of our own."""

    refuses = True
    """An autoscaler that has reached one which does not lead must find the other."""

    def __init__(self, store: lease.Store, identity: str, duration_s: float) -> None:
        self._store = store
        self._holding = holding.Holding(identity, duration_s)
        self._ours: lease.Lease | None = None
        self.round_s = duration_s * ROUND_SHARE

    def look(self, now: Callable[[], float]) -> Standing:
        """Read it, and take or renew it where it is to be had."""
        seen = self._store.read()
        if not self._holding.wants(seen, now=now()):
            assert seen is not None  # noqa: S101 - one that is not there is wanted
            self._ours = None
            return self._holding.others(seen)
        who, duration_s = self._holding.identity, self._holding.duration_s
        began = now()
        if seen is None:
            self._ours = self._store.make(who, duration_s)
        else:
            self._ours = self._store.take(seen, who, duration_s)
        return self._holding.written(self._ours, began=began, ended=now())

    def release(self) -> None:
        """Let another take it at once; nothing may be sent any more by then."""
        if self._ours is not None:
            self._store.release(self._ours)
            self._ours = None


class Election:
    """One thread that looks, and :meth:`why_not`, which every request asks right before it goes."""

    def __init__(self, way: Way, *, time_source: clock.Clock, chance: random.Random) -> None:
        self._way = way
        self._clock = time_source
        self._chance = chance
        self._leads: Callable[[], None] = lambda: None
        self._waits: Callable[[str], None] = lambda _why: None
        self._lost: Callable[[str], None] = lambda _why: None
        self.standing = Standing(why="the Lease was not read yet")
        """What the last look has shown."""
        self._led = ""
        self._over = ""
        self._said: str | None = None
        self._failing = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def why_not(self) -> str:
        """Return why nothing may be sent now; empty when it may. Never blocks."""
        return self._over or self.standing.why_not(self._clock.monotonic())

    def refuses(self) -> str:
        """Return why wishes are refused now; empty when they are taken, to be held if need be."""
        if not self._way.refuses:
            return ""
        standing, now = self.standing, self._clock.monotonic()
        held = standing.term
        if held is not None and now < held.ends_at() and not self._over:
            return ""
        return self.why_not()

    def listen(
        self,
        *,
        leads: Callable[[], None],
        waits: Callable[[str], None],
        lost: Callable[[str], None],
    ) -> None:
        """Have these hear of it, on the election's thread; before the first look.

        ``leads`` once, when we may act for the first time; ``waits`` with the reason, whenever we
        may not (any more), and with "" when we may; ``lost`` when this process must end.
        """
        self._leads, self._waits, self._lost = leads, waits, lost

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="leading", daemon=True)
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Act no more from now on, and release the Lease; waits up to ``within_s`` seconds.

        Call it when nothing is under way any more: whoever takes the Lease may act soon.
        """
        self._over = self._over or "this server is being stopped"
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(within_s)
            if self._thread.is_alive():
                return
        try:
            self._way.release()
        except errors.KubeError as error:
            _LOG.warning("the Lease was not released: it runs out", error=str(error))

    def round(self) -> float:
        """Look once; return how many seconds until the next look."""
        try:
            fresh = self._way.look(self._clock.monotonic)
        except errors.Conflict:
            # Another was faster: the next look shows it.
            self._failing = False
        except errors.KubeError as error:
            if not self._failing:
                _LOG.warning("the Lease could not be read or written", error=str(error))
            self._failing = True
        else:
            self._failing = False
            self._take(fresh)
        self._tell()
        return self._pause_s()

    def _take(self, fresh: Standing) -> None:
        lost = bool(self._led) and (
            fresh.term.id != self._led if fresh.term is not None else bool(fresh.why)
        )
        if lost and not self._over:
            why = fresh.why or "the Lease was another's meanwhile"
            self._over = f"this server led, and {why}"
        self.standing = fresh
        if lost:
            _LOG.error("leads no more", reason=self._over)
            self._lost(self._over)

    def _tell(self) -> None:
        why = self.why_not()
        held = self.standing.term
        if not why and not self._led and held is not None:
            self._led = held.id
            _LOG.info("leads", term=held.id)
            self._leads()
        kind = why and (self.standing.why or ("waits" if held is not None else why))
        if kind != self._said:
            self._said = kind
            if why:
                _LOG.info("acts not", reason=why)
            self._waits(why)

    def _pause_s(self) -> float:
        """Look again after a round, or when we may begin to act."""
        pause_s = self._way.round_s * self._chance.uniform(0.9, 1.1)
        held = self.standing.term
        if held is not None and not self._led:
            until_s = held.begins_at() - self._clock.monotonic()
            pause_s = min(pause_s, max(until_s, 0.01))
        return pause_s

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause_s = self.round()
            except Exception:  # noqa: BLE001 - without this thread nobody would ever lead again
                _LOG.exception("the Lease was not looked at")
                pause_s = self._way.round_s
            self._stopping.wait(pause_s)
