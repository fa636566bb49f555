"""Carry requests to the cloud in RAM, keep its books, and turn its knobs."""

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
from providers.memory.datacenter import ledger, options, racks, sales, troubles
from providers.memory.datacenter.racks import Server
from providers.memory.datacenter.troubles import Lost, Request

T = TypeVar("T")

_CALLS_KEPT = 10_000


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

    Logins come in through :meth:`exchange`, with work that ``sales`` does. The other public
    methods are for whoever owns the cloud (tests, demos, simulations): free of charge, without
    latency, never failing by chance.
    """

    def __init__(
        self,
        settings: options.Options | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        settings = settings or options.Options()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.RLock()
        self._ledger = ledger.Ledger(settings.state_file) if settings.state_file else None
        self._limit = troubles.RateLimit(settings.burst, clock())
        chance = random.Random(settings.seed)  # noqa: S311 - chance, not secrecy
        self._troubles = troubles.Troubles(chance)
        self._racks = racks.Racks()
        self.sales = sales.Sales(settings, self._racks, self._troubles)
        self._calls: collections.deque[Call] = collections.deque(maxlen=_CALLS_KEPT)
        self._counts: collections.Counter[str] = collections.Counter()

    @property
    def options(self) -> options.Options:
        """Return how the cloud behaves now."""
        return self.sales.options

    def now(self) -> float:
        """Return the cloud's time in Unix seconds."""
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
            self._limit.spend(self.sales.options, request, self._clock())
            lost = self._troubles.strike(self.sales.options, request)
        self._sleep(latency_s / 2)
        with self._books(request) as now:
            answer = work(request, now)
        self._sleep(latency_s / 2)
        if lost is not None:
            raise lost
        return answer

    def budget(self) -> contract.Budget:
        """Return what is left of the rate limit."""
        with self._lock:
            return self._limit.budget(self.sales.options, self._clock())

    @contextlib.contextmanager
    def _books(self, request: Request | None = None) -> Iterator[float]:
        """Hold the lock with the machines as they are now; return the time; save what changed."""
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
                        self._ledger.replace(self._document())
                    self._racks.unsaved = False

    def _document(self) -> dict[str, Any]:
        shelves = sorted(self.sales.shelves)
        return {"failed": self.sales.failed, "shelves": shelves, **self._racks.document()}

    def _load(self, document: dict[str, Any]) -> None:
        failed = {str(key): float(at) for key, at in document["failed"].items()}
        # Files of older versions have none.
        shelves = {(str(cluster), str(group)) for cluster, group in document.get("shelves", [])}
        self._racks.load(document)
        self.sales.failed, self.sales.shelves = failed, shelves

    @contextlib.contextmanager
    def _state_file_troubles(self, request: Request | None) -> Iterator[None]:
        asked = request or Request(id="", account="", operation="")
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            words = f"state file {self.sales.options.state_file}: {error!r}"
            raise asked.refusal(errors.Unreachable, words) from error

    # Knobs.

    def change(self, **settings: Any) -> None:  # noqa: ANN401 - the fields of Options
        """Change how the cloud behaves from now on: any field of :class:`options.Options`."""
        with self._lock:
            self.sales.options = dataclasses.replace(self.sales.options, **settings)

    def sell_out(self, machine_type: str, location: str, *, places: int = 0) -> None:
        """Leave so many places for a machine type in a location, the taken ones included."""
        with self._lock:
            place = options.place(machine_type, location)
            self.change(stock={**self.sales.options.stock, place: places})

    def restock(self, machine_type: str, location: str) -> None:
        """Let a machine type be had in a location without end."""
        with self._lock:
            place = options.place(machine_type, location)
            stock = {key: left for key, left in self.sales.options.stock.items() if key != place}
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
            self._limit.drain(self._clock())

    def mend(self) -> None:
        """End every fault that was asked for, and fill the rate limit up."""
        with self._lock:
            self._troubles.mend()
            self._limit.fill(self.sales.options.burst)

    def add(
        self,
        *,
        name: str,
        cluster: str = "",
        group: str = "",
        node_name: str = "",
        identity: str = "",
        unjoined: bool = False,
        machine_type: str = "",
        location: str = "",
    ) -> str:
        """Put a running machine into the racks, with whatever marks; return its id."""
        with self._books() as now:
            server_id = self._racks.next_id()
            server = Server(
                id=server_id,
                name=name,
                cluster=cluster,
                group=group,
                node_name=node_name,
                identity=identity,
                unjoined=unjoined,
                machine_type=machine_type or self.sales.options.machine_types[0].name,
                location=location or self.sales.options.locations[0],
                addresses=sales.addresses(int(server_id), public_ipv4=True),
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

    def shelves(self) -> tuple[tuple[str, str], ...]:
        """Show what orders made beside machines and nobody tidied up: (cluster, group)."""
        with self._books():
            return tuple(sorted(self.sales.shelves))

    def calls(self) -> tuple[Call, ...]:
        """Show the last requests, oldest first."""
        with self._lock:
            return tuple(self._calls)

    def requests(self) -> Mapping[str, int]:
        """Count all requests ever made, by operation."""
        with self._lock:
            return dict(self._counts)
