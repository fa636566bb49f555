"""Say what an account at work is: its configuration, its provider and its lane."""

from __future__ import annotations

import dataclasses

from externalgrpc.control import lane
from externalgrpc.fleet import state
from externalgrpc.model import groups
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountRuntime:
    """An account at work: its configuration, its provider and its lane."""

    account: groups.Account
    provider: contract.Provider
    lane: lane.Lane
    pace: state.Pace = dataclasses.field(default_factory=state.Pace)


def state_of(runtime: AccountRuntime) -> state.AccountState:
    """Return what the fleet knows of an account that was just opened: nothing of its machines."""
    provider = runtime.provider
    return state.AccountState(
        name=runtime.account.name,
        provider=runtime.account.provider,
        scheme=provider.scheme,
        settle_s=provider.settle_s,
        rate_per_s=provider.rate.requests / provider.rate.per_s * runtime.account.budget_share,
        hands=provider.hands,
        costs=contract.costs_of(provider),
        pace=runtime.pace,
        marking=isinstance(provider, contract.Marking),
        neighbourly=isinstance(provider, contract.Neighbourly),
        tidying=isinstance(provider, contract.Tidying),
        finishing=isinstance(provider, contract.Finishing),
        leaving=isinstance(provider, contract.Leaving),
        foreign=runtime.account.foreign,
        believe_vanished=runtime.account.believe_vanished,
        max_orders_per_hour=runtime.account.max_orders_per_hour,
        paused=runtime.account.paused,
        cap=runtime.account.cap,
    )
