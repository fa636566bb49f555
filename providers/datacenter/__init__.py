"""Be a whole cloud in RAM: machines, stock, quota, a rate limit, and everything that goes wrong.

A :class:`Datacenter` is what stands behind an API: it belongs to nobody's cluster, holds
everybody's machines and has no threads of its own. What a machine is doing follows from the
clock, chance follows from a seed, and both clock and sleep are handed in, so that a server can be
replayed over it in one thread, in simulated time. :class:`providers.memory.MemoryCloud` is one
login into it.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from providers import contract, errors
from providers.datacenter import ledger, options, racks, troubles
from providers.datacenter.options import Options, Plan
from providers.datacenter.racks import Server
from providers.datacenter.troubles import Lost, Request

__all__ = ["Call", "Datacenter", "Lost", "Options", "Plan", "Request", "Server"]

T = TypeVar("T")

_CALLS_KEPT = 10_000
_FAILED_LATER = "resource_unavailable: the creation was accepted and then failed: sold out"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as the cloud logs it; ``outcome`` is "ok" or the error's class name."""

    at: float
    account: str
    operation: str
    subject: str
    outcome: str


class Datacenter:
    """Hold machines, sell them, lose replies; safe to use from any thread.

    Logins come in through :meth:`exchange`. The other public methods are for whoever owns the
    cloud (tests, demos, simulations): free of charge, without latency, never failing by chance.
    """

    def __init__(
        self,
        settings: Options | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = settings or Options()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.RLock()
        self._racks = racks.Racks()
        path = self._options.state_file
        self._ledger = ledger.Ledger(path) if path else None
        # Ids of orders that fail after they were accepted, and when they do.
        self._failed: dict[str, float] = {}
        self._limit = troubles.RateLimit(self._options.burst, clock())
        chance = random.Random(self._options.seed)  # noqa: S311 - chance, not secrecy
        self._troubles = troubles.Troubles(chance)
        self._calls: collections.deque[Call] = collections.deque(maxlen=_CALLS_KEPT)
        self._counts: collections.Counter[str] = collections.Counter()

    @property
    def options(self) -> Options:
        """Tell how the cloud behaves now."""
        return self._options

    def now(self) -> float:
        """Tell the cloud's time in Unix seconds."""
        return self._clock()

    def exchange(
        self,
        work: Callable[[Request, float], T],
        *,
        account: str,
        operation: str,
        subject: str = "",
        latency_s: float,
        writes: bool = False,
    ) -> T:
        """Carry one request to the cloud, do its work half-way through the latency, answer.

        ``work`` runs with the books open and gets the request and the time. Raises Throttled,
        the work's own refusal, or whatever fault is due.
        """
        with self._lock:
            self._counts[operation] += 1
            request = Request(
                id=f"req-{self._counts.total()}",
                account=account,
                operation=operation,
                subject=subject,
                writes=writes,
            )
        outcome = "ok"
        try:
            return self._carry(request, work, latency_s)
        except errors.CloudError as error:
            outcome = type(error).__name__
            raise
        finally:
            call = Call(
                at=self._clock(),
                account=account,
                operation=operation,
                subject=subject,
                outcome=outcome,
            )
            with self._lock:
                self._calls.append(call)

    def _carry(self, request: Request, work: Callable[[Request, float], T], latency_s: float) -> T:
        with self._lock:
            self._limit.spend(self._options, request, self._clock())
            lost = self._troubles.strike(self._options, request)
        self._sleep(latency_s / 2)
        with self._books(request) as now:
            answer = work(request, now)
        self._sleep(latency_s / 2)
        if lost is not None:
            raise lost
        return answer

    def budget(self) -> contract.Budget:
        """Tell what is left of the rate limit."""
        with self._lock:
            return self._limit.budget(self._options, self._clock())

    # The work of requests. The books are open: these are called from inside an exchange.

    def rent(self, request: Request, now: float, order: contract.Order) -> Server:
        """Make a machine, or refuse; where names are unique, an order finds its own machine."""
        self._refuse_nonsense(request, order)
        there = self._racks.named(order.node_name) if self._options.unique_names else None
        if there is not None:
            if (there.cluster, there.group, there.node_name) == _marks(order):
                return there
            words = f"uniqueness_error: a machine named {order.node_name!r} exists already"
            raise request.refusal(errors.BadOrder, words)
        if self._options.quota is not None and len(self._racks) >= self._options.quota:
            words = f"resource_limit_exceeded: this account may have {self._options.quota} machines"
            raise request.refusal(errors.QuotaExceeded, words)
        place = options.place(order.machine_type.name, order.location)
        if self._racks.taken(place) >= self._options.stock.get(place, len(self._racks) + 1):
            words = f"resource_unavailable: {place} is sold out"
            raise request.refusal(errors.OutOfStock, words)
        server_id = self._racks.next_id()
        runs_at = now + self._options.boot_time_s
        fails = self._troubles.roll(self._options.fail_after_accept_rate)
        if fails:
            self._failed[server_id] = now + self._options.boot_time_s / 2
        cluster, group, node_name = _marks(order)
        server = Server(
            id=server_id,
            name=order.node_name,
            cluster=cluster,
            group=group,
            node_name=node_name,
            machine_type=order.machine_type.name,
            location=order.location,
            image=order.image,
            addresses=_addresses(int(server_id), public_ipv4=order.public_ipv4),
            created_at=now,
            runs_at=runs_at,
            gone_at=runs_at if fails else None,
            lag_s=self._troubles.lag_s(self._options),
            user_data=order.user_data,
        )
        self._racks.put(server)
        return server

    def scrap(self, server_id: str, now: float) -> None:
        """Begin to delete a machine, whosever it is; one that is gone or going is left to go."""
        server = self._racks.get(server_id)
        if server is None or server.deleted_at is not None:
            return
        gone_at = now + self._options.delete_time_s
        self._racks.put(dataclasses.replace(server, deleted_at=now, gone_at=gone_at))

    def page(self, now: float, *, cluster: str, after: int) -> tuple[Server, ...]:
        """Give one page of a cluster's machines as listings show them; a short one is the last."""
        size = self._options.page_size
        return self._racks.page(now, cluster=cluster, after=after, size=size)

    def find(self, *, cluster: str, server_id: str, node_name: str) -> Server | None:
        """Find a machine of a cluster by id, or by node name: the truth, without a lag.

        Where two carry one name, find the older.
        """
        if not server_id:
            return self._racks.marked(cluster, node_name)
        server = self._racks.get(server_id)
        return server if server is not None and server.cluster == cluster else None

    def failure(self, server_id: str, now: float) -> str:
        """Tell why an accepted order failed, once it has; empty when it has not."""
        fails_at = self._failed.get(server_id)
        return _FAILED_LATER if fails_at is not None and now >= fails_at else ""

    def free(self, machine_type: str, location: str) -> bool:
        """Tell whether a machine type can be had in a location now."""
        place = options.place(machine_type, location)
        return self._racks.taken(place) < self._options.stock.get(place, len(self._racks) + 1)

    def used(self) -> int:
        """Count everybody's machines: what the quota bounds."""
        return len(self._racks)

    def nonsense(self, order: contract.Order) -> list[str]:
        """Tell what is wrong with an order, whatever the stock."""
        plan = self._options.plan(order.machine_type.name)
        wrong = []
        if plan is None:
            wrong.append(f"no machine type {order.machine_type.name!r}")
        elif order.location not in self._options.sold_in(plan):
            wrong.append(f"{plan.name} is not sold in {order.location!r}")
        if self._options.images and order.image not in self._options.images:
            wrong.append(f"image {order.image!r} not found")
        return wrong

    def _refuse_nonsense(self, request: Request, order: contract.Order) -> None:
        wrong = self.nonsense(order)
        if wrong:
            raise request.refusal(errors.BadOrder, f"invalid_input: {'; '.join(wrong)}")

    @contextlib.contextmanager
    def _books(self, request: Request | None = None) -> Iterator[float]:
        """Hold the lock with the machines as they are now; give the time; save what changed."""
        with self._lock, contextlib.ExitStack() as stack:
            if self._ledger is not None:
                with self._state_file_troubles(request):
                    stack.enter_context(self._ledger.held())
                    self._ledger.catch_up(self._load)
            now = self._clock()
            self._racks.sweep(now)
            try:
                yield now
            finally:
                if self._ledger is not None and self._racks.unsaved:
                    with self._state_file_troubles(request):
                        self._ledger.replace({"failed": self._failed, **self._racks.document()})
                    self._racks.unsaved = False

    def _load(self, document: dict[str, Any]) -> None:
        failed = {str(key): float(at) for key, at in document["failed"].items()}
        self._racks.load(document)
        self._failed = failed

    @contextlib.contextmanager
    def _state_file_troubles(self, request: Request | None) -> Iterator[None]:
        asked = request or Request(id="", account="", operation="")
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            words = f"state file {self._options.state_file}: {error!r}"
            raise asked.refusal(errors.Unreachable, words) from error

    # Knobs.

    def change(self, **settings: Any) -> None:  # noqa: ANN401 - the fields of Options
        """Change how the cloud behaves from now on: any field of :class:`Options`."""
        with self._lock:
            self._options = dataclasses.replace(self._options, **settings)

    def sell_out(self, machine_type: str, location: str, *, places: int = 0) -> None:
        """Leave so many places for a machine type in a location, the taken ones included."""
        with self._lock:
            place = options.place(machine_type, location)
            self.change(stock={**self._options.stock, place: places})

    def restock(self, machine_type: str, location: str) -> None:
        """Let a machine type be had in a location without end."""
        with self._lock:
            place = options.place(machine_type, location)
            stock = {key: left for key, left in self._options.stock.items() if key != place}
            self.change(stock=stock)

    def fail_next(
        self,
        kind: type[errors.CloudError],
        words: str,
        *,
        operation: str = "",
        lost: Lost = Lost.BEFORE,
        skip: int = 0,
    ) -> None:
        """Make one request fail: the next of ``operation`` (any, when empty) after ``skip``."""
        fault = troubles.Fault(operation=operation, kind=kind, words=words, lost=lost, skip=skip)
        with self._lock:
            self._troubles.order(fault)

    def lose_next_reply(self, lost: Lost = Lost.AFTER, *, operation: str = "create") -> None:
        """Cut the connection of the next exchange, before or after its work."""
        self.fail_next(errors.Unreachable, troubles.CUT, operation=operation, lost=lost)

    def fail_all(self, kind: type[errors.CloudError], words: str) -> None:
        """Make every request fail, before any work, until :meth:`mend`."""
        with self._lock:
            self._troubles.begin_outage(kind, words)

    def exhaust(self) -> None:
        """Use up what is left of the rate limit."""
        with self._lock:
            self._limit.drain()

    def mend(self) -> None:
        """End every fault that was asked for, and fill the rate limit up."""
        with self._lock:
            self._troubles.mend()
            self._limit.fill(self._options.burst)

    def add(
        self,
        *,
        name: str,
        cluster: str = "",
        group: str = "",
        node_name: str = "",
        machine_type: str = "",
        location: str = "",
    ) -> str:
        """Put a running machine into the racks, with whatever marks; give its id."""
        with self._books() as now:
            server_id = self._racks.next_id()
            server = Server(
                id=server_id,
                name=name,
                cluster=cluster,
                group=group,
                node_name=node_name,
                machine_type=machine_type or self._options.machine_types[0].name,
                location=location or self._options.locations[0],
                addresses=_addresses(int(server_id), public_ipv4=True),
                created_at=now,
                runs_at=now,
            )
            self._racks.put(server)
            return server_id

    def edit(self, server_id: str, **fields: Any) -> None:  # noqa: ANN401 - the fields of Server
        """Change a machine behind everyone's back: its name, its marks, its power."""
        with self._books():
            self._racks.put(dataclasses.replace(self._racks[server_id], **fields))

    def rename(self, server_id: str, name: str) -> None:
        """Give a machine another display name, as people do in consoles."""
        self.edit(server_id, name=name)

    def power_off(self, server_id: str) -> None:
        """Switch a machine off."""
        self.edit(server_id, powered_off=True)

    def vanish(self, server_id: str) -> None:
        """Take a machine away at once, as if someone had deleted it elsewhere."""
        self.edit(server_id, deleted_at=self._clock(), gone_at=self._clock())

    # Windows.

    def servers(self) -> tuple[Server, ...]:
        """Show every machine that truly is there, everybody's, by id."""
        with self._books():
            return self._racks.all()

    def calls(self) -> tuple[Call, ...]:
        """Show the last requests, oldest first."""
        with self._lock:
            return tuple(self._calls)

    def requests(self) -> Mapping[str, int]:
        """Count all requests ever made, by operation."""
        with self._lock:
            return dict(self._counts)


def _marks(order: contract.Order) -> tuple[str, str, str]:
    return order.cluster, order.group, order.node_name


def _addresses(number: int, *, public_ipv4: bool) -> tuple[str, ...]:
    private = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    # 198.18.0.0/15 is set aside for benchmarks of networks: it is nobody's.
    public = f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"
    return (public, private) if public_ipv4 else (private,)
