"""What the status page is made of: what is known at an instant, and what follows of it alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from externalgrpc.fleet import history, state
from externalgrpc.nodes import pricing
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known at an instant; ``now`` is the monotonic clock, ``unix_now`` Unix time.

    ``budgets`` are those of the accounts whose cloud has shown one; ``watches_nodes`` says whether
    the cluster's Nodes are followed.
    """

    fleet: state.Fleet
    past: history.History
    prices: pricing.PriceList
    budgets: Mapping[str, contract.Budget]
    now: float
    unix_now: float
    started_at: float
    version: str
    dry_run: bool
    watches_nodes: bool

    def unix(self, at: float) -> float:
        """Return the Unix time of an instant of the monotonic clock."""
        return self.unix_now - (self.now - at)

    def price(self, account: str, machine_type: str, location: str, group: str) -> Decimal | None:
        """Return what an hour of a machine costs; None when nobody knows."""
        price = self.prices.prices.get(pricing.PriceKey(account, machine_type, location))
        if price is None:
            return None
        node_group = self.fleet.groups.get(group)
        # Of what is of no group nobody knows whether it has an address; most have.
        return price.total(public_ipv4=node_group.public_ipv4 if node_group is not None else True)
