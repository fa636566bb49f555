"""Simulated lanes to a cloud that fails: each request begins, has its effect, and is answered.

Every one of the three happens at an instant of its own, drawn at random, so that everything may
happen in between; a request may fail on either way, or have its effect after its answer was lost.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable
from typing import Any

from providers import contract, datacenter, errors, memory
from tests.laws import laws, simulation


class WatchedCloud(memory.MemoryCloud):
    """The memory cloud, with creates that may land after their answer was lost."""

    def __init__(
        self, sim: simulation.Simulation, login: contract.Login, cloud: datacenter.Datacenter
    ) -> None:
        super().__init__(login, cloud=cloud)
        # Data centres number their machines alike; an id is unique within a scheme only.
        self.scheme = sim.scheme_of(cloud)
        self._sim = sim
        self.lands_late = False
        self.landing: collections.Counter[str] = collections.Counter()

    def create(self, order: contract.Order) -> contract.Instance:
        name = order.node_name
        there = any(server.node_name == name for server in self.cloud.servers())
        laws.require(
            not there and not self.landing[name],
            "a create is not sent while the first of its name may still land",
            name,
        )
        if not self.lands_late:
            return super().create(order)
        self.lands_late = False
        self.landing[name] += 1

        def land() -> None:
            self.landing[name] -= 1
            made = self._sim.begun(self._sim.now, lambda: memory.MemoryCloud.create(self, order))
            self._sim.tell(f"{name} landed late: {type(made).__name__}")

        self._sim.at(self._sim.chance.uniform(0.0, 0.9 * self.settle_s), "", land)
        raise errors.Unreachable("connection reset")


@dataclasses.dataclass
class Job:
    operation: str
    run: Callable[[], Any]
    done: Callable[[Any], None]
    writes: bool


class SimLane:
    """A lane without threads: one eye, several hands, all in simulated time."""

    def __init__(self, sim: simulation.Simulation, account: str, cloud: WatchedCloud) -> None:
        self._sim = sim
        self._account = account
        self._cloud = cloud
        self._waiting: dict[bool, collections.deque[Job]] = {
            False: collections.deque(),
            True: collections.deque(),
        }
        self._free = {False: 1, True: cloud.hands}
        self._dead = False

    def read(
        self,
        operation: str,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        cost: int = 1,
    ) -> None:
        self._add(Job(operation, job, done, writes=False))

    def write(self, operation: str, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._add(Job(operation, job, done, writes=True))

    def close(self, timeout_s: float) -> bool:
        self.kill()
        return True

    def kill(self) -> None:
        """Die: what is under way may still have its effect, nobody hears of it."""
        self._dead = True
        for waiting in self._waiting.values():
            waiting.clear()

    def _add(self, job: Job) -> None:
        if not self._dead:
            self._waiting[job.writes].append(job)
            self._next(writes=job.writes)

    def _next(self, *, writes: bool) -> None:
        while self._free[writes] and self._waiting[writes]:
            self._free[writes] -= 1
            self._begin(self._waiting[writes].popleft())

    def _begin(self, job: Job) -> None:
        began = self._sim.now
        self._sim.at(self._sim.half_s(), "", lambda: self._effect(job, began))

    def _effect(self, job: Job, began: float) -> None:
        if self._dead and self._sim.roll(0.5):
            return
        answer = self._fate(job, began)
        if isinstance(answer, laws.LawBroken):
            raise answer
        self._sim.at(self._sim.half_s(), "", lambda: self._answer(job, answer))

    def _fate(self, job: Job, began: float) -> Any:
        weather = self._sim.weather
        if self._sim.roll(weather.lost_before):
            return errors.Unreachable("connection refused")
        if self._sim.roll(weather.throttled):
            return errors.Throttled(
                "too many requests",
                retry_after_s=self._sim.chance.choice((None, 0.0, 7.0, math.nan)),
            )
        self._cloud.lands_late = job.operation == "create" and self._sim.roll(weather.lands_late)
        answer = self._sim.begun(began, job.run)
        self._cloud.lands_late = False
        if self._sim.roll(weather.lost_after):
            return errors.Unreachable("connection reset")
        return answer

    def _answer(self, job: Job, answer: Any) -> None:
        if self._dead:
            return
        if job.writes or isinstance(answer, errors.CloudError):
            self._sim.tell(f"{self._account} {job.operation}: {_short(answer)}")
        job.done(answer)
        self._free[job.writes] += 1
        self._next(writes=job.writes)


def _short(answer: Any) -> str:
    if isinstance(answer, contract.Instance):
        return f"{answer.node_name} is {answer.id}"
    return repr(answer)
