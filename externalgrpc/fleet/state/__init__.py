"""The values that the fleet is made of.

Everything is keyed by **node name**, which we mint before a cloud answers, so that a launch, its
server, its Node and its deletion meet under one name from first to last. Instants (``*_at``,
``born``) are seconds of one monotonic clock; only :attr:`Instance.created_at` is Unix time.
"""

from __future__ import annotations

from externalgrpc.fleet.state.accounts import AccountState, Catalogue, Pace, Snapshot
from externalgrpc.fleet.state.doubts import Doubt, Quarantine, Seen, Verdict
from externalgrpc.fleet.state.fleet import Fleet, Limits, Spending
from externalgrpc.fleet.state.instants import NEVER
from externalgrpc.fleet.state.launches import ErrorClass, Failure, Launch, Phase
from externalgrpc.fleet.state.machines import (
    Index,
    Journey,
    MachineProfile,
    Member,
    Showing,
    Step,
    Strikes,
    Unjoined,
)
from externalgrpc.fleet.state.refusals import (
    BadLogin,
    BadOrder,
    OverQuota,
    Refusal,
    RefusedThing,
    SoldOut,
)
from externalgrpc.fleet.state.retirements import Deletion, Finish, Gone, Missing, Retirement, Tries

__all__ = [
    "NEVER",
    "AccountState",
    "BadLogin",
    "BadOrder",
    "Catalogue",
    "Deletion",
    "Doubt",
    "ErrorClass",
    "Failure",
    "Finish",
    "Fleet",
    "Gone",
    "Index",
    "Journey",
    "Launch",
    "Limits",
    "MachineProfile",
    "Member",
    "Missing",
    "OverQuota",
    "Pace",
    "Phase",
    "Quarantine",
    "Refusal",
    "RefusedThing",
    "Retirement",
    "Seen",
    "Showing",
    "Snapshot",
    "SoldOut",
    "Spending",
    "Step",
    "Strikes",
    "Tries",
    "Unjoined",
    "Verdict",
]
