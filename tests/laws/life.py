"""The law of life: no machine that is a Ready node is deleted, but by a CA that drained it.

A Ready node of any cluster.

Truth is kept by the simulated clusters and asked at the cloud's delete, so that it counts what a
server did and not what it meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from externalgrpc.fleet import keys, state
from tests.laws import laws

SIGHT_S = 10.0
"""A decision may be so much younger than the readiness that it did not see: a look at the Nodes."""


class Life:
    """Know which machines are Ready nodes of any cluster, since when, and which a CA drained."""

    def __init__(self) -> None:
        self.drained: set[str] = set()
        self._ready_since: dict[object, dict[str, float]] = {}
        self._last_ready: dict[str, float] = {}
        self._longest: dict[str, float] = {}

    def ready(self, cluster: object, provider_ids: Collection[str], now: float) -> None:
        """Take all machines that are Ready nodes of one cluster now."""
        before = self._ready_since.get(cluster, {})
        self._ready_since[cluster] = {each: before.get(each, now) for each in provider_ids}
        for each, since in before.items():
            self._longest[each] = max(now - since, self._longest.get(each, 0.0))
        # Who is no longer ready was so until now: somebody looks whenever that changes.
        self._last_ready |= dict.fromkeys((*before, *provider_ids), now)

    def forget(self, standing: Collection[str]) -> None:
        """Forget the machines that do not stand any more."""
        for held in (self._last_ready, self._longest):
            for provider_id in held.keys() - set(standing):
                del held[provider_id]

    def since(self, provider_id: str) -> float | None:
        """Tell since when a machine is a Ready node of some cluster; None when it is none."""
        found = [held[provider_id] for held in self._ready_since.values() if provider_id in held]
        return min(found, default=None)

    def last_ready(self, provider_id: str) -> float | None:
        """Return when a machine was a Ready node of some cluster last; None for never."""
        return self._last_ready.get(provider_id)

    def was_ready(self, provider_id: str) -> bool:
        """Return whether a machine ever was a Ready node of any cluster."""
        return provider_id in self._last_ready

    def was_ready_long(self, provider_id: str) -> bool:
        """Return whether a machine was a Ready node for so long that a look at the Nodes saw it."""
        return self._longest.get(provider_id, 0.0) >= SIGHT_S

    def is_ready(self, provider_id: str) -> bool:
        """Return whether a machine is a Ready node of any cluster."""
        return self.since(provider_id) is not None


class Judge:
    """Note when one process decided to delete which machine, and hold its deletions to the law.

    ``excused`` names machines of which nothing shows this process that they are nodes, as it
    decided, if there are any such.
    """

    def __init__(self, life: Life, excused: Callable[[str], bool] = lambda _id: False) -> None:
        self._life = life
        self._excused = excused
        self._decided: dict[str, float] = {}
        self._pardoned: set[str] = set()
        self._seen: object = None

    def follow(self, fleet: state.Fleet) -> None:
        """Note the machines that were retired since."""
        if fleet.retired is self._seen:
            return
        self._seen = fleet.retired
        for retirement in fleet.retired.values():
            provider_id = keys.machine_of(fleet, retirement)
            if provider_id and provider_id not in self._decided:
                self._decided[provider_id] = retirement.since
                if self._excused(provider_id):
                    self._pardoned.add(provider_id)

    def decided(self, provider_id: str) -> float | None:
        """Return when a machine was retired."""
        return self._decided.get(provider_id)

    def deletes(self, provider_id: str) -> None:
        """Hold a deletion that reaches the cloud to the law."""
        since = self._life.since(provider_id)
        if since is None or provider_id in self._life.drained or provider_id in self._pardoned:
            return
        decided = self._decided.get(provider_id)
        laws.require(
            decided is not None and decided < since + SIGHT_S,
            "no machine that is a Ready node anywhere is deleted but by a CA that drained it",
            provider_id,
            f"ready since {since}, retired at {decided}",
        )
