"""Keep the machines of a fake: rows that take time to boot, to be listed, and to go.

A vendor's fake subclasses :class:`Cloud` and shows the rows in the vendor's words; what happens to
them meanwhile (a listing that is late, a lock, a machine that somebody deletes) is done here.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from providers.fakes import engine

T = TypeVar("T")


@dataclasses.dataclass(slots=True, kw_only=True)
class Machine:
    """One machine; instants are seconds of the fake's own clock.

    ``asked`` is what its order said, as the vendor keeps it: size, image, tags, user-data. ``word``
    is a state to show instead of the true one.
    """

    id: str
    name: str
    asked: dict[str, Any]
    created: float
    ready_at: float
    seen_at: float
    gone_at: float | None = None
    locked_until: float = 0.0
    word: str = ""

    @property
    def going(self) -> bool:
        """Return whether it was deleted and is only shown for a while."""
        return self.gone_at is not None


class Cloud(engine.Fake):
    """A fake with machines.

    ``boot_s`` is what a boot takes, ``delete_s`` how long a deleted machine is still shown,
    ``lag_s`` how late lists show a new one (a look at one machine shows it at once). ``limit`` is
    the quota, None for none; ``sold_out`` holds (machine type, location). ``most_a_page`` is how
    many rows :meth:`page` gives at most, None for as many as asked; ``pages`` says that it is used.
    ``beside`` is for what costs money beside machines, by id (volumes, addresses): the suite wants
    it as it was before, once a machine is gone.
    """

    boot_s: float = 30.0
    delete_s: float = 10.0
    lag_s: float = 0.0

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.machines: dict[str, Machine] = {}
        self.sold_out: set[tuple[str, str]] = set()
        self.limit: int | None = None
        self.most_a_page: int | None = None
        self.pages = False
        self.beside: dict[str, Any] = {}
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """Return the id of the next machine; override it where the vendor's look different."""
        return f"m-{next(self._numbers)}"

    def add(self, name: str, asked: dict[str, Any], *, running: bool = False) -> Machine:
        """Put a machine there, past stock, quota and API; ``running`` ones are listed at once."""
        now = self.now()
        machine = Machine(
            id=self.new_id(),
            name=name,
            asked=asked,
            created=now,
            ready_at=now if running else now + self.boot_s,
            seen_at=now if running else now + self.lag_s,
        )
        with self.changed:
            self.machines[machine.id] = machine
            self.changed.notify_all()
        return machine

    def listed(self) -> list[Machine]:
        """Return what a list shows now, the oldest first."""
        now = self.now()
        return [machine for machine in self.machines.values() if machine.seen_at <= now]

    def page(self, rows: Sequence[T], number: int, size: int) -> tuple[Sequence[T], int]:
        """Return one page of a list, numbered from 1, and how many there are."""
        self.pages = True
        return engine.page(rows, number, min(size, self.most_a_page or size))

    def full(self) -> bool:
        """Return whether the quota leaves no room for one machine more."""
        return self.limit is not None and len(self.machines) >= self.limit

    def runs(self, machine: Machine) -> bool:
        """Return whether a machine has booted and nobody has deleted it."""
        return not machine.going and machine.ready_at <= self.now()

    def locked(self, machine: Machine) -> bool:
        """Return whether a machine is busy, so that a delete has to be refused for now."""
        return self.now() < machine.locked_until

    def remove(self, machine: Machine) -> None:
        """Begin to delete a machine; harmless twice."""
        if machine.gone_at is None:
            machine.gone_at = self.now() + self.delete_s

    def settle(self) -> None:
        """Drop the machines whose deletion is over."""
        now = self.now()
        for machine in tuple(self.machines.values()):
            if machine.gone_at is not None and machine.gone_at <= now:
                del self.machines[machine.id]

    def refuse_with(self, status: int, code: str, message: str) -> NoReturn:
        """Answer the request at hand with an error of the vendor's, and do nothing."""
        raise engine.RefusalError(self.error(status, code, message))

    def state(self) -> object:
        """Show the machines in JSON for ``GET /_control/state``."""
        return [dataclasses.asdict(machine) for machine in self.machines.values()]
