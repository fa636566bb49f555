"""A cloud of a few lines for the state machine: it lists late, loses replies and forgets orders.

It keeps one promise, which the settling time stands for: within ``SETTLE_S`` of what happened,
listings show it, and a create whose reply was lost has landed or never will.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping

from providers import contract, errors

SETTLE_S = 30.0


OURS = "ours"
THEIRS = "theirs"
BOOT_S = 20.0
JOIN_S = 5.0


@dataclasses.dataclass
class Machine:
    """A machine; ``shown_from`` and ``shown_until`` are what listings know of it.

    ``name``, ``group``, ``identity`` and ``unjoined`` are its marks, ``hostname`` and ``made_for``
    what it was ordered as. It becomes a Node of ``cluster`` at ``joins_at``, infinite for never,
    unless that is ``lost``; the Node is ``ready`` or not, since ``turned_at``, and a person may
    have said to leave it ``alone``. One that is ``half`` made runs only once
    it is finished.
    """

    id: str
    name: str
    group: str
    hostname: str
    made_for: str
    created_at: float
    runs_at: float
    shown_from: float
    deleted_at: float | None = None
    shown_until: float | None = None
    fails_at: float | None = None
    location: str = "north"
    identity: str = ""
    unjoined: bool = True
    cluster: str = OURS
    joins_at: float = math.inf
    lost: bool = False
    ready: bool = True
    turned_at: float = 0.0
    alone: bool = False
    edited: bool = False
    half: bool = False

    @property
    def provider_id(self) -> str:
        return f"sky://{self.id}"


@dataclasses.dataclass
class Pending:
    """A create that was sent and has not landed yet."""

    name: str
    group: str
    lands_at: float
    identity: str = ""
    half: bool = False
    location: str = "north"


class Sky:
    """One project at a cloud."""

    def __init__(self, project: str, *, unique_names: bool) -> None:
        self.project = project
        self.unique_names = unique_names
        self.now = 1000.0
        self.machines: dict[str, Machine] = {}
        self.pending: list[Pending] = []
        self.failed: dict[str, float] = {}
        self.prices = {"north": 1, "south": 1}
        """What a machine costs an hour, by location."""
        self._last_id = 0

    def advance(self, to: float) -> None:
        """Let time pass: what is pending lands, what failed vanishes."""
        for pending in sorted(self.pending, key=lambda each: each.lands_at):
            if pending.lands_at <= to:
                self.pending.remove(pending)
                self.now = max(self.now, pending.lands_at)
                self.make(
                    pending.name,
                    pending.group,
                    lag_s=SETTLE_S / 2,
                    identity=pending.identity,
                    half=pending.half,
                    location=pending.location,
                )
        self.now = to
        for machine in self.machines.values():
            if machine.fails_at is not None and machine.fails_at <= to:
                self._gone(machine, machine.fails_at, lag_s=1.0)

    def make(
        self,
        name: str,
        group: str,
        *,
        lag_s: float,
        fails: bool = False,
        identity: str = "",
        joins: bool = True,
        half: bool = False,
        location: str = "north",
    ) -> Machine:
        """Make a machine, or find the one that has the name where names are unique."""
        if self.unique_names:
            for machine in self.machines.values():
                if machine.hostname == name and machine.deleted_at is None:
                    if not half:
                        self.finish(machine.id, joins=joins)
                    return machine
        self._last_id += 1
        machine = Machine(
            id=f"{self.project}{self._last_id}",
            name=name,
            group=group,
            hostname=name,
            made_for=group,
            location=location,
            identity=identity,
            joins_at=self.now + BOOT_S + JOIN_S if joins and not half else math.inf,
            created_at=self.now,
            runs_at=math.inf if half else self.now + BOOT_S,
            half=half,
            shown_from=self.now + lag_s,
            fails_at=self.now + 10.0 if fails else None,
        )
        if fails:
            self.failed[machine.id] = self.now + 5.0
        self.machines[machine.id] = machine
        return machine

    def finish(self, machine_id: str, *, joins: bool = True) -> contract.Instance:
        """Start a machine that is half made; one that was started stays as it is."""
        machine = self.machines.get(machine_id)
        if machine is None or machine.deleted_at is not None:
            raise errors.BadOrder("not found")
        if machine.half:
            machine.half = False
            machine.runs_at = self.now + BOOT_S
            machine.joins_at = machine.runs_at + JOIN_S if joins else math.inf
        return self.instance(machine)

    def delete(self, machine_id: str, *, lag_s: float) -> None:
        """Delete a machine; listings may show it for ``lag_s`` seconds more."""
        machine = self.machines.get(machine_id)
        if machine is not None and machine.deleted_at is None:
            self._gone(machine, self.now, lag_s=lag_s)

    def listing(self) -> tuple[contract.Instance, ...]:
        """List what listings show now."""
        return tuple(
            self.instance(machine)
            for machine in self.machines.values()
            if machine.shown_from <= self.now
            and (machine.shown_until is None or self.now < machine.shown_until)
        )

    def look_up(
        self, *, node_name: str, instance_id: str, receipt: str
    ) -> contract.Instance | None:
        """Return the truth about one machine."""
        failed_at = self.failed.get(receipt)
        if failed_at is not None and failed_at <= self.now:
            raise errors.OutOfStock("sold out after all")
        for machine in self.machines.values():
            named = machine.id == instance_id if instance_id else machine.name == node_name
            if named and machine.deleted_at is None:
                return self.instance(machine)
        return None

    def mark(
        self,
        machine_id: str,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark],
    ) -> contract.Instance:
        """Change the marks of a machine; one that is gone is refused."""
        machine = self.machines.get(machine_id)
        if machine is None or machine.deleted_at is not None:
            raise errors.BadOrder("not found")
        machine.identity = put.get(contract.Mark.IDENTITY, machine.identity)
        machine.unjoined = machine.unjoined and contract.Mark.UNJOINED not in remove
        return self.instance(machine)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count the machines by identity; all carry one cluster's name."""
        found = collections.Counter(machine.identity for machine in self.standing())
        return tuple(
            contract.Neighbour(cluster=OURS, identity=each, count=found[each])
            for each in sorted(found)
        )

    def instance(self, machine: Machine) -> contract.Instance:
        """Show a machine as the contract does."""
        state = contract.InstanceState.RUNNING
        if machine.half:
            state = contract.InstanceState.UNFINISHED
        elif self.now < machine.runs_at:
            state = contract.InstanceState.CREATING
        return contract.Instance(
            id=machine.id,
            provider_id=machine.provider_id,
            node_name=machine.name,
            group=machine.group,
            identity=machine.identity,
            unjoined=machine.unjoined,
            machine_type="small",
            location=machine.location,
            state=state,
            created_at=machine.created_at,
            receipt=machine.id,
        )

    def standing(self) -> list[Machine]:
        """Return the machines that are really there."""
        return [machine for machine in self.machines.values() if machine.deleted_at is None]

    def may_land(self, name: str) -> bool:
        """Return whether a create of this name is still on its way."""
        return any(pending.name == name for pending in self.pending)

    def _gone(self, machine: Machine, at: float, *, lag_s: float) -> None:
        if machine.deleted_at is None:
            machine.deleted_at = at
            machine.shown_until = at + lag_s
