"""What is known of one account."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.fleet.state.instants import NEVER
from externalgrpc.model import groups
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One complete listing of one account and the instant it began."""

    account: str
    begun_at: float
    instances: tuple[contract.Instance, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What an account can order.

    ``machine_types`` keeps types that are no longer sold, so that a group of them keeps its
    shape; ``offers`` holds what is sold now, in stock or not: only that can be ordered. ``priced``
    holds, besides, the last offers of what is sold no more: machines of it may stand.
    """

    machine_types: Mapping[str, contract.MachineType] = dataclasses.field(default_factory=dict)
    offers: Mapping[groups.Candidate, contract.Offer] = dataclasses.field(default_factory=dict)
    priced: Mapping[groups.Candidate, contract.Offer] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often to list, in seconds: with something in the air, and with nothing."""

    busy_s: float = 3.0
    steady_s: float = 40.0


_NO_CAP = groups.SpendCap()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What we know of one account.

    ``settle_s``, ``scheme`` and ``hands`` are the cloud's constants, ``rate_per_s`` our share of
    its request budget, ``costs`` what each operation takes of that.
    ``listed_at`` is when the last listing was begun, successful or not.
    ``snapshot`` is None until the account was listed once; ``settles_at`` is the end of the first
    settling time, and orders are held until a listing that began after it was seen (``settled``):
    only that one shows all that the process before us ordered. A ``departed`` account is no longer
    configured and is kept for what it still has.

    ``marking`` says whether the cloud can change the marks of a machine that stands, ``finishing``
    whether it can finish one that a create left half made. ``foreign``
    is the operator's word on machines of our name by their identity (``none`` for those without):
    adopt, ignore or gone; ``believe_vanished`` his word that machines that vanished at large are
    gone. ``max_orders_per_hour`` is the brake, ``orders`` when orders were sent in the last hour.
    ``paused`` and ``cap`` are the operator's words on all groups of the account.
    ``neighbours`` are the clusters in the project, None before they were asked for. ``untidy`` are
    machines, by group and name, that are gone and may have left something beside them; the name is
    empty for what a group left. The cloud is asked for such at ``leftovers_at``. ``spares`` are the
    things that cost money, are used by nothing, and belong to a machine that stands.
    """

    name: str
    provider: str
    scheme: str
    settle_s: float
    rate_per_s: float
    hands: int
    pace: Pace
    costs: contract.Costs = dataclasses.field(default_factory=contract.Costs)
    snapshot: Snapshot | None = None
    settles_at: float = float("inf")
    settled: bool = False
    departed: bool = False
    listing: bool = False
    listed_at: float = NEVER
    failures: int = 0
    trouble: str = ""
    catalogue: Catalogue | None = None
    cataloguing: bool = False
    catalogue_at: float = NEVER
    catalogue_failures: int = 0
    catalogue_trouble: str = ""
    marking: bool = False
    mark_at: float = NEVER
    mark_failures: int = 0
    foreign: Mapping[str, str] = dataclasses.field(default_factory=dict)
    believe_vanished: bool = False
    max_orders_per_hour: int | None = None
    paused: bool = False
    cap: groups.SpendCap = _NO_CAP
    orders: tuple[float, ...] = ()
    neighbourly: bool = False
    neighbours: tuple[contract.Neighbour, ...] | None = None
    asking_neighbours: bool = False
    neighbours_at: float = NEVER
    neighbours_failures: int = 0
    tidying: bool = False
    finishing: bool = False
    untidy: frozenset[tuple[str, str]] = frozenset()
    tidy_at: float = NEVER
    leaving: bool = False
    spares: tuple[contract.Leftover, ...] = ()
    leftovers_at: float = NEVER
