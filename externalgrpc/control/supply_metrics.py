"""Gauge, at every scrape, what clouds would give and at what price: prices, budgets, refusals.

Cardinality is bounded by the configuration: groups, accounts, and what is remembered of refusals
for the few minutes for which it is remembered.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from prometheus_client import core, registry

from externalgrpc.control.gauge import gauge
from externalgrpc.fleet import joins, quarantine, state, stock, trials, view, wishes
from externalgrpc.nodes import pricing
from externalgrpc.support import clock, version
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the figures come from; each is called at a scrape, on its thread.

    ``prices`` gives the price list for a fleet, ``budgets`` the rate budget of each account as its
    cloud last showed it, None where it shows none. Neither contacts anybody.
    """

    fleet: Callable[[], state.Fleet]
    prices: Callable[[state.Fleet], pricing.PriceList]
    budgets: Callable[[], Mapping[str, contract.Budget | None]]


class SupplyCollector(registry.Collector):
    """Describe what is to be had."""

    def __init__(self, sources: Sources, time_source: clock.Clock) -> None:
        self._sources = sources
        self._clock = time_source

    def collect(self) -> Iterator[core.Metric]:
        """Describe it as it is now."""
        fleet, now = self._sources.fleet(), self._clock.monotonic()
        yield _build()
        yield from _costs(fleet, self._sources.prices(fleet))
        yield from _spares(fleet)
        yield from _budgets(self._sources.budgets())
        yield from _hindrances(fleet, now)


def _build() -> core.Metric:
    return gauge(
        "build_info",
        "Always 1; the version that runs.",
        ("version",),
        [((version.VERSION,), 1)],
    )


def _costs(fleet: state.Fleet, prices: pricing.PriceList) -> Iterator[core.Metric]:
    """Price what groups order next and what is paid for; what has no price is counted, not left."""
    offered = gauge(
        "group_price_per_hour",
        "Net price of the machine that a group orders first, per hour.",
        ("group", "currency"),
    )
    paid = gauge(
        "cost_per_hour",
        "Net price of the machines of a group that the cloud shows, those being deleted included, "
        'per hour; group "" is what no group claims.',
        ("group", "currency"),
    )
    unpriced = gauge(
        "unpriced_machines",
        "Machines whose price is not known, and which are not in the cost.",
        ("group",),
    )
    for name, group in fleet.groups.items():
        try:
            price = pricing.group_price_per_hour(prices, group)
        except pricing.NoPrice:
            continue
        offered.add_metric((name, prices.currency), float(price))
    sums: dict[str, Decimal] = dict.fromkeys(fleet.groups, Decimal(0))
    unknown: Counter[str] = Counter()
    for group_name, account, instance in _paid_for(fleet):
        key = pricing.PriceKey(account, instance.machine_type, instance.location)
        found = prices.prices.get(key)
        if found is None:
            unknown[group_name] += 1
            continue
        its = fleet.groups.get(group_name)
        total = found.total(public_ipv4=its is None or its.public_ipv4)
        sums[group_name] = sums.get(group_name, Decimal(0)) + total
    for name, total in sums.items():
        paid.add_metric((name, prices.currency), float(total))
    for name in {**fleet.groups, **unknown}:
        unpriced.add_metric((name,), unknown[name])
    yield from (offered, paid, unpriced)


def _paid_for(fleet: state.Fleet) -> Iterator[tuple[str, str, contract.Instance]]:
    """Give the machines that are ours, each once, with group and account; orphans' group is "".

    What is in quarantine, and orphans of another identity, may be another's: not among them.
    """
    account_of = fleet.index.account_of
    for name in fleet.groups:
        for member in view.members(fleet, name):
            if member.instance is not None:
                yield name, view.account_of(fleet, member.instance), member.instance
            elif member.launch is not None and member.launch.instance is not None:
                yield name, member.launch.account, member.launch.instance
        for instance in view.leaving(fleet, name):
            yield name, account_of.get(instance.provider_id, ""), instance
    for instance in (*view.orphans(fleet), *trials.leftovers(fleet)):
        if not quarantine.is_foreign(fleet, instance):
            yield "", account_of.get(instance.provider_id, ""), instance


def _budgets(budgets: Mapping[str, contract.Budget | None]) -> Iterator[core.Metric]:
    known = {name: budget for name, budget in budgets.items() if budget is not None}
    yield gauge(
        "request_budget_remaining",
        "Requests that the cloud still takes, as its last answer said.",
        ("account",),
        (((name,), budget.remaining) for name, budget in known.items()),
    )
    yield gauge(
        "request_budget_limit",
        "Requests that the cloud takes in its window, as its last answer said.",
        ("account",),
        (((name,), budget.limit) for name, budget in known.items()),
    )


def _spares(fleet: state.Fleet) -> Iterator[core.Metric]:
    """Count what is paid for beside an account's machines, and used by nothing."""
    yield gauge(
        "spare_leftovers",
        "Volumes and the like that cost money, are used by nothing, and bear the name of a machine "
        "that stands: nothing deletes them by itself.",
        ("account",),
        (((name,), len(held.spares)) for name, held in fleet.accounts.items()),
    )


def _hindrances(fleet: state.Fleet, now: float) -> Iterator[core.Metric]:
    """Gauge what keeps groups from growing: no sight, failed joins, refusals remembered."""
    yield gauge(
        "cluster_known",
        "0 while the cluster's identity or Nodes are not known, or were not heard of for minutes; "
        "1 without a cluster to ask.",
        samples=[((), _knows_cluster(fleet))],
    )
    yield gauge(
        "account_listed",
        "1 while the last complete listing is fresh enough for groups of the account to grow.",
        ("account",),
        (((name,), not wishes.blind(each, now)) for name, each in fleet.accounts.items()),
    )
    yield gauge(
        "group_held_back_seconds",
        "For how long a group is still held back after failed joins; 0 when it is not.",
        ("group",),
        (((name,), joins.held_back_s(fleet, name, now)) for name in fleet.groups),
    )
    yield gauge(
        "refusal_remaining_seconds",
        "For how long a cloud's refusal still puts what it was said of behind the rest, by what "
        "that was: account, and as far as it was said of them group, type and location.",
        ("account", "group", "type", "location", "code"),
        (
            ((*_labels(fleet, thing), said.code), said.left_s)
            for thing, said in stock.remembered(fleet, now)
        ),
    )


def _knows_cluster(fleet: state.Fleet) -> bool:
    if fleet.identity is None or fleet.nodes_stale:
        return False
    return not fleet.identity or fleet.nodes is not None


def _labels(fleet: state.Fleet, thing: state.RefusedThing) -> tuple[str, str, str, str]:
    match thing:
        case state.SoldOut(account, candidate) if candidate is not None:
            return account, "", candidate.machine_type, candidate.location
        case state.BadOrder(group, candidate):
            node_group = fleet.groups.get(group)
            account = node_group.account if node_group is not None else ""
            if candidate is None:
                return account, group, "", ""
            return account, group, candidate.machine_type, candidate.location
        case state.OverQuota(account, machine_type, location):
            return account, "", machine_type, location
    return thing.account, "", "", ""
