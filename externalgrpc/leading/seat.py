"""One server's place among several: the election, and what it does to the server around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, Protocol

from externalgrpc.model import groups

if TYPE_CHECKING:
    from externalgrpc.leading import announcing, election

UNREAD: Final = "the Lease was not read yet"
STOP_S: Final = 3.0
ANNOUNCE_S: Final = 0.5


class Lost(Exception):
    """We led, and do not any more: this process must end."""


class CannotElect(Exception):
    """Say, for a person, why nobody can find out who leads."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """How one of several servers finds out whether it acts.

    ``follow`` the Lease that Cluster Autoscaler of the same pod holds, or hold one of our ``own``.
    ``name`` and ``namespace`` are the Lease's; empty for the usual name, and our own namespace.
    ``duration_s`` is that of a Lease of our own. Whoever holds that makes itself the ``endpoint``,
    address and port, of the ``service``, if one is named.
    """

    elect: Literal["follow", "own"]
    name: str = ""
    namespace: str = ""
    duration_s: float = 15.0
    service: str = ""
    endpoint: tuple[str, int] = ("", 0)


class Plant(Protocol):
    """What is asked of the server that the election is for."""

    def stand_by(self, why: str) -> None:
        """Plan nothing for now; empty: plan again."""
        ...

    def take_over(self) -> None:
        """Begin to act."""
        ...


class Seat:
    """The election of one process; with no ``replica`` it acts always, and asks nobody.

    Raises CannotElect when the cluster cannot be spoken with.
    """

    def __init__(self, replica: Replica | None, config: groups.Config) -> None:
        self._lost = ""
        self._election: election.Election | None = None
        self._announcer: announcing.Announcer | None = None
        if replica is not None:
            from externalgrpc.leading import connecting  # noqa: PLC0415 - one alone needs none

            try:
                self._election, self._announcer = connecting.elect(replica, config.kubernetes)
            except connecting.CannotConnect as error:
                raise CannotElect(f"--leader-elect: {error}") from error

    def why_not(self) -> str:
        """Return why nothing may be sent now; empty when it may. Never blocks."""
        return self._election.why_not() if self._election is not None else ""

    def refuses(self) -> str:
        """Return why wishes are refused now; empty when they are taken."""
        return self._election.refuses() if self._election is not None else ""

    def leads(self) -> bool:
        """Return whether this server acts now."""
        return not self.why_not()

    def stand_by(self, plant: Plant) -> None:
        """Have the server act on nothing until the Lease was read."""
        if self._election is not None:
            plant.stand_by(UNREAD)

    def start(self, plant: Plant, lost: Callable[[], None]) -> None:
        """Begin to look at the Lease; ``lost`` is called when the process must end."""
        if self._election is None:
            return

        def end(why: str) -> None:
            self._lost = why
            lost()

        self._election.listen(leads=plant.take_over, waits=plant.stand_by, lost=end)
        self._election.start()
        if self._announcer is not None:
            self._announcer.start(ANNOUNCE_S)

    def check(self) -> None:
        """Raise Lost when we led and another does now."""
        if self._lost:
            raise Lost(self._lost)

    def stop(self) -> None:
        """Act no more, and let another take the Lease."""
        if self._announcer is not None:
            self._announcer.stop()
        if self._election is not None:
            self._election.stop(STOP_S)
