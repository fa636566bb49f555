"""Name what can be asked of a cloud; :mod:`externalgrpc.fleet.plan` decides when."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from externalgrpc.model import groups
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True)
class ListInstances:
    """List an account."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class ReadCatalogue:
    """Read an account's machine types and offers."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class Create:
    """Send the order of a launch."""

    account: str
    name: str
    group: groups.NodeGroup
    candidate: groups.Candidate
    machine_type: contract.MachineType


@dataclasses.dataclass(frozen=True, slots=True)
class LookUp:
    """Look a launch or a retired name up."""

    account: str
    name: str
    instance_id: str
    receipt: str


@dataclasses.dataclass(frozen=True, slots=True)
class LookUpMissing:
    """Look a member up that the last listing lacked."""

    account: str
    instance: contract.Instance


@dataclasses.dataclass(frozen=True, slots=True)
class Delete:
    """Delete a machine."""

    account: str
    key: str
    instance_id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """Put marks on a machine and take others off."""

    account: str
    provider_id: str
    instance_id: str
    put: Mapping[contract.Mark, str]
    remove: frozenset[contract.Mark]


@dataclasses.dataclass(frozen=True, slots=True)
class ReadNeighbours:
    """Ask whose machines are in an account's project."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class Tidy:
    """Clear what machines that are gone left beside them."""

    account: str
    groups: frozenset[str]
    nodes: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Finish:
    """Do what is left of the order of a machine that stands; ``order`` is what to render anew."""

    order: Create
    instance: contract.Instance

    @property
    def account(self) -> str:
        """Name the account that the machine is at."""
        return self.order.account


@dataclasses.dataclass(frozen=True, slots=True)
class ReadLeftovers:
    """Ask what lies beside machines with our cluster's mark."""

    account: str


Request = (
    ListInstances
    | ReadCatalogue
    | Create
    | LookUp
    | LookUpMissing
    | Delete
    | Mark
    | ReadNeighbours
    | Tidy
    | Finish
    | ReadLeftovers
)


class Agenda:
    """Collect what is due at ``now``, and keep the earliest instant of what is not due yet."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.wake_at = math.inf
        self.wanted: list[Request] = []

    def due(self, at: float) -> bool:
        """Return whether an instant has come; if not, remember it."""
        if at <= self.now:
            return True
        self.wake_at = min(self.wake_at, at)
        return False

    def ask(self, request: Request) -> None:
        """Want a request to be sent."""
        self.wanted.append(request)
