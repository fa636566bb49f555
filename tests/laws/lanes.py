"""Simulated lanes to a cloud that fails: each request begins, has its effect, and is answered.

Every one of the three happens at an instant of its own, drawn at random, so that everything may
happen in between; a request may fail on either way, or have its effect after its answer was lost.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from providers import contract, errors, memory
from providers.memory import datacenter
from tests.laws import laws, lies, simulation
from tests.providers import threecalls


class Watch(Protocol):
    """Whoever holds what is done to a cloud against the laws."""

    alive: bool

    def creates(self, order: contract.Order, cloud: WatchedCloud) -> None:
        """Look at an order that reaches the cloud."""
        ...

    def finishes(self, order: contract.Order, instance: contract.Instance) -> None:
        """Look at a machine that is to be finished."""
        ...

    def is_edited(self, cloud: WatchedCloud, server: datacenter.Server) -> bool:
        """Return whether somebody has changed a machine's labels."""
        ...

    def deletes(self, provider_id: str) -> None:
        """Look at a deletion that reaches the cloud."""
        ...

    def marks(
        self,
        provider_id: str,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark],
    ) -> None:
        """Look at a change of marks that reaches the cloud."""
        ...


class WatchedCloud(memory.MemoryCloud):
    """The memory cloud, with creates that may land after their answer was lost, and with lies.

    ``key`` names the cluster that the machines are made for, in their user-data.
    """

    def __init__(
        self,
        sim: simulation.Simulation,
        login: contract.Login,
        cloud: datacenter.Datacenter,
        *,
        watch: Watch,
        liar: lies.Liar,
    ) -> None:
        super().__init__(login, cloud=cloud)
        # Data centres number their machines alike; an id is unique within a scheme only.
        self.scheme = sim.scheme_of(cloud)
        self._sim = sim
        self._watch = watch
        self._liar = liar
        self.lands_late = False
        self.landing: collections.Counter[str] = collections.Counter()

    def instances(self) -> tuple[contract.Instance, ...]:
        return self._liar.listed(super().instances(), self.scheme)

    def look_up(
        self, *, node_name: str, instance_id: str, receipt: str
    ) -> contract.Instance | None:
        found = super().look_up(node_name=node_name, instance_id=instance_id, receipt=receipt)
        if found is None or self._liar.kind == "empty":
            return None
        return self._liar.said(found)

    def create(self, order: contract.Order) -> contract.Instance:
        self._liar.refuses()
        name = order.node_name
        # Whose label was edited is not found by it.
        there = any(
            server.name == server.node_name == name and not self._watch.is_edited(self, server)
            for server in self.cloud.servers()
        )
        laws.require(
            not there and not self.landing[name],
            "a create is not sent while the first of its name may still land",
            name,
        )
        self._watch.creates(order, self)
        if not self.lands_late:
            return self._made(order)
        self.lands_late = False
        self.landing[name] += 1

        def land() -> None:
            self.landing[name] -= 1
            self.landing += collections.Counter()  # what has landed is nobody's to remember
            made = self._sim.begun(self._sim.now, lambda: self._made(order))
            self._sim.record(f"{name} landed late: {type(made).__name__}")

        self._sim.at(self._sim.chance.uniform(0.0, 0.9 * self.settle_s), "", land)
        raise errors.Unreachable("connection reset")

    def delete(self, instance_id: str) -> None:
        if self._liar.kind == "empty":
            return
        there = any(server.id == instance_id for server in self.cloud.servers())
        if there:
            self._watch.deletes(f"{self.scheme}://{instance_id}")
        super().delete(instance_id)

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark] = frozenset(),
    ) -> contract.Instance:
        if self._liar.kind == "empty":
            raise errors.BadOrder("no such machine in this project")
        self._watch.marks(f"{self.scheme}://{instance_id}", put, remove)
        return self._liar.said(super().mark(instance_id, put=put, remove=remove))

    def _made(self, order: contract.Order) -> contract.Instance:
        return memory.MemoryCloud.create(self, order)


class SteppedCloud(WatchedCloud, threecalls.ThreeCalls):
    """The same, where a machine takes three requests, and any may be the last."""

    cut_rate = 0.0

    def finish(self, order: contract.Order, instance: contract.Instance) -> contract.Instance:
        self._liar.refuses()
        self._watch.finishes(order, instance)
        self._may_be_cut("finish")
        return self._liar.said(threecalls.ThreeCalls.finish(self, order, instance))

    def _made(self, order: contract.Order) -> contract.Instance:
        made = self.make(order)
        if made.state is not threecalls.UNFINISHED:
            return made
        self._may_be_cut("create")
        self.step("create", made.id, lambda server, _now: server)
        if self._sim.roll(self.cut_rate / 4):
            return made
        return self.go_on(order, made.id, "create")

    def _may_be_cut(self, operation: str) -> None:
        """Stop between two requests: an answer is lost, or whoever would send the rest is dead."""
        dead = not self._watch.alive
        if self._sim.roll(0.7 if dead else self.cut_rate):
            raise errors.Unreachable(f"{operation} was cut between two requests")


class OldCloud(WatchedCloud):
    """The same, as a version without identities sees it: its machines have neither of the marks."""

    mark = None  # type: ignore[assignment]
    neighbours = None  # type: ignore[assignment]

    def _made(self, order: contract.Order) -> contract.Instance:
        made = super()._made(dataclasses.replace(order, identity=""))
        self.cloud.edit(made.id, unjoined=False)
        return dataclasses.replace(made, unjoined=False)


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

    def write(
        self,
        operation: str,
        job: Callable[[], Any],
        done: Callable[[Any], None],
        cost: int = 1,
    ) -> None:
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
            self._sim.record(f"{self._account} {job.operation}: {_short(answer)}")
        job.done(answer)
        self._free[job.writes] += 1
        self._next(writes=job.writes)


def _short(answer: Any) -> str:
    if isinstance(answer, contract.Instance):
        return f"{answer.node_name} is {answer.id}"
    return repr(answer)
