"""Simulated time: one queue of what happens, one source of chance, a clock for the server."""

from __future__ import annotations

import collections
import dataclasses
import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from providers import errors
from providers.memory import datacenter


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weather:
    """How bad a history is; probabilities are of a single request."""

    lost_before: float = 0.0
    lost_after: float = 0.0
    lands_late: float = 0.0
    throttled: float = 0.0
    slow_s: float = 2.0
    """Each of the two halves of a request takes up to this long, now and then ten times that."""


CALM = Weather()

Cloud = TypeVar("Cloud")


def once(clouds: Iterable[Cloud]) -> tuple[Cloud, ...]:
    """Return each cloud once: two accounts may look into one project."""
    return tuple({id(each): each for each in clouds}.values())


class Simulation:
    """Time, chance and the queue of what happens; also the clock that a server reads."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 1_000_000.0
        self.weather = CALM
        self.log: collections.deque[str] = collections.deque(maxlen=4000)
        self.events = 0
        self.after_event: Callable[[], None] = lambda: None
        self._clouds: list[datacenter.Datacenter] = []
        self._pretended: float | None = None
        self._queue: list[tuple[float, int, str, Callable[[], None]]] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        """Read the server's clock; a job that runs reads the instant at which it began."""
        return self.now if self._pretended is None else self._pretended

    def unix(self) -> float:
        return self.now

    def provider_id(self, cloud: datacenter.Datacenter, machine: datacenter.Server) -> str:
        """Return the provider id of a machine in a data centre."""
        return f"{self.scheme_of(cloud)}://{machine.id}"

    def scheme_of(self, cloud: datacenter.Datacenter) -> str:
        """Return every data centre a scheme of its own."""
        if not any(cloud is each for each in self._clouds):
            self._clouds.append(cloud)
        return f"cloud{next(i for i, each in enumerate(self._clouds) if each is cloud)}"

    def at(self, delay_s: float, what: str, act: Callable[[], None]) -> None:
        """Make something happen later."""
        heapq.heappush(self._queue, (self.now + delay_s, next(self._order), what, act))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self.now, _, what, act = heapq.heappop(self._queue)
            self.events += 1
            if what:
                self.record(what)
            act()
            self.after_event()
        self.now = until

    def record(self, what: str) -> None:
        """Write an event down for whoever reads a failed history."""
        self.log.append(f"{self.now - 1_000_000.0:9.2f}  {what}")

    def begun(self, at: float, job: Callable[[], Any]) -> Any:
        """Run a job as if its clock still showed when it began; its error is its answer."""
        self._pretended = at
        try:
            return job()
        except errors.CloudError as error:
            return error
        finally:
            self._pretended = None

    def roll(self, probability: float) -> bool:
        return probability > 0 and self.chance.random() < probability

    def half_s(self) -> float:
        """Draw how long half a request takes."""
        slow = 10.0 if self.roll(0.05) else 1.0
        return self.chance.uniform(0.01, self.weather.slow_s) * slow
