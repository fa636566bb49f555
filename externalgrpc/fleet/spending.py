"""Bound what machines cost: no order is sent with which a group, an account or all exceed a cap.

What counts is all that is paid for, or may be: machines that stand (those that are being deleted,
or in quarantine, or of no group, too), orders in the air, and deletions whose machines no listing
shows; at the prices known now. What the operator said is not ours does not count. Where a price is
not known the sum is not, and nothing is ordered under a cap: the failure says whose it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from externalgrpc.fleet import keys, state
from externalgrpc.model import groups, names
from externalgrpc.nodes import pricing
from providers import contract

CODE = "SpendCap"
"""The code of an order that would cost too much."""

Kind: TypeAlias = Literal["group", "account", "all"]

_IN_THE_AIR = (state.Phase.ASKED, state.Phase.UNSURE, state.Phase.ACCEPTED)
_NO_CAP = groups.SpendCap()


class Scope(NamedTuple):
    """What a cap is of: a group, an account (by name), or everything."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return "everything" if self.kind == "all" else f"{self.kind} {self.name}"


_ALL = Scope("all")


@dataclasses.dataclass(slots=True)
class Spent:
    """What is paid for within a scope, an hour; ``unpriced`` are things whose price nobody knows.

    ``coming`` are orders in the air, ``going`` deletions whose machines no listing shows.
    """

    per_hour: Decimal = Decimal(0)
    machines: int = 0
    coming: int = 0
    going: int = 0
    unpriced: list[str] = dataclasses.field(default_factory=list)


class _Thing(NamedTuple):
    """Something that is paid for: what it is, whose, and how it counts."""

    name: str
    group: str
    account: str
    candidate: groups.Candidate | None
    kind: Literal["machines", "coming", "going"]


class Ledger:
    """Reckon what is spent, once for each plan, and what is added by its orders."""

    def __init__(self, fleet: state.Fleet) -> None:
        self._fleet = fleet
        self._spent: dict[Scope, Spent] | None = None
        self._prices: dict[tuple[str, groups.Candidate, bool], Decimal | None] = {}

    def waits(self, group: groups.NodeGroup) -> str:
        """Return what is not known yet that counts against the cap of all; empty when all is."""
        if cap(self._fleet, _ALL).hourly is None:
            return ""
        unseen = [
            account.name
            for account in self._fleet.accounts.values()
            if account.snapshot is None or account.catalogue is None or not account.settled
        ]
        if not unseen:
            return ""
        return (
            f"what account {unseen[0]} has is not known yet, and it counts against the cap of all "
            f"as what account {group.account} has"
        )

    def refusal(self, group: groups.NodeGroup, candidate: groups.Candidate) -> str:
        """Say why one more machine may not be ordered, with the figures; empty when it may be."""
        for scope in (_group_scope(group), Scope("account", group.account), _ALL):
            bound = cap(self._fleet, scope)
            if bound.hourly is None:
                continue
            price = self._price(group.account, candidate, public_ipv4=group.public_ipv4)
            if price is None:
                return f"{scope} has a cap, and {self._unknown(group.account, candidate)}"
            spent = self.spent(scope)
            if spent.unpriced:
                return f"{scope} has a cap, and {spent.unpriced[0]}"
            if spent.per_hour + price > bound.hourly:
                return self._exceeded(scope, bound, spent, candidate, price)
        return ""

    def sent(self, group: groups.NodeGroup, candidate: groups.Candidate) -> None:
        """Note that a machine was ordered."""
        if self._spent is not None:
            thing = _Thing("", group.name, group.account, candidate, "coming")
            self._add(self._spent, thing)

    def spent(self, scope: Scope) -> Spent:
        """Return what is spent within a scope."""
        if self._spent is None:
            found: dict[Scope, Spent] = {}
            for thing in _things(self._fleet):
                self._add(found, thing)
            self._spent = found
        return self._spent.get(scope, Spent())

    def _add(self, spent: dict[Scope, Spent], thing: _Thing) -> None:
        group = self._fleet.groups.get(thing.group)
        price = None
        if thing.candidate is not None:
            public = group is None or group.public_ipv4
            price = self._price(thing.account, thing.candidate, public_ipv4=public)
        its = _group_scope(group) if group is not None else Scope("group", thing.group)
        for scope in (its, Scope("account", thing.account), _ALL):
            held = spent.setdefault(scope, Spent())
            setattr(held, thing.kind, getattr(held, thing.kind) + 1)
            if price is not None:
                held.per_hour += price
            else:
                held.unpriced.append(
                    f"{thing.name} counts against it: "
                    + self._unknown(thing.account, thing.candidate)
                )

    def _price(
        self, account: str, candidate: groups.Candidate, *, public_ipv4: bool
    ) -> Decimal | None:
        key = (account, candidate, public_ipv4)
        if key not in self._prices:
            self._prices[key] = _price(self._fleet, *key)
        return self._prices[key]

    def _unknown(self, account: str, candidate: groups.Candidate | None) -> str:
        if candidate is None:
            return "nobody knows what was ordered"
        what = f"the price of {candidate.machine_type} in {candidate.location} is not known"
        offer = _offer(self._fleet, account, candidate)
        currency = self._fleet.spending.currency
        if offer is None or offer.currency == currency:
            return f"{what}: account {account} does not say it"
        return (
            f"{what} in {currency}: account {account} says it in {offer.currency}; add "
            f"exchangeRates: {{{offer.currency}: ...}}"
        )

    def _exceeded(
        self,
        scope: Scope,
        bound: groups.SpendCap,
        spent: Spent,
        candidate: groups.Candidate,
        price: Decimal,
    ) -> str:
        hourly = bound.per_hour is not None and spent.per_hour + price > bound.per_hour
        most = bound.per_hour if hourly else bound.per_month
        assert most is not None  # noqa: S101 - one of the two is exceeded
        times = 1 if hourly else groups.HOURS_A_MONTH
        unit = f"{self._fleet.spending.currency} {'an hour' if hourly else 'a month'}"
        key = "maxPricePerHour" if hourly else "maxPricePerMonth"
        sum_then = _short((spent.per_hour + price) * times)
        return (
            f"with one more {candidate.machine_type} in {candidate.location} "
            f"({_short(price * times)}) {scope} would cost {sum_then} {unit}, and its {key} is "
            f"{pricing.exact(most)}; {described(spent)} cost "
            f"{_short(spent.per_hour * times)}"
        )


def _group_scope(group: groups.NodeGroup) -> Scope:
    """Return the scope of a group: what a trial costs counts as the group's that is tried."""
    return Scope("group", group.trial_of or group.name)


def cap(fleet: state.Fleet, scope: Scope) -> groups.SpendCap:
    """Return the cap of a scope; one without bounds where there is none."""
    match scope.kind:
        case "group":
            found = (scope.name, names.trial_group(scope.name, groups.MAX_GROUP_NAME))
            known = (fleet.groups[each] for each in found if each in fleet.groups)
            return next((each.cap for each in known), _NO_CAP)
        case "account":
            account = fleet.accounts.get(scope.name)
            return account.cap if account is not None else _NO_CAP
        case _:
            return fleet.spending.cap


def capped(fleet: state.Fleet) -> Iterator[Scope]:
    """List the scopes that have a cap."""
    scopes = (
        *(Scope("group", name) for name, each in fleet.groups.items() if not each.trial_of),
        *(Scope("account", name) for name in fleet.accounts),
        _ALL,
    )
    yield from (scope for scope in scopes if cap(fleet, scope).hourly is not None)


def exceeded(fleet: state.Fleet, group: groups.NodeGroup, account: str) -> str:
    """Return which cap is exceeded as things are, an order that waits to be sent included.

    Empty for none: caps may have been lowered since it was planned.
    """
    ledger = Ledger(fleet)
    for scope in (_group_scope(group), Scope("account", account), _ALL):
        most = cap(fleet, scope).hourly
        if most is None:
            continue
        spent = ledger.spent(scope)
        if spent.unpriced or spent.per_hour > most:
            return f"the cap of {scope} is exceeded"
    return ""


def failure(message: str) -> state.Failure:
    """Say of a launch that it would cost too much."""
    return state.Failure(state.ErrorClass.OUT_OF_RESOURCES, CODE, message)


def described(spent: Spent) -> str:
    """Count what is paid for."""
    parts = ((spent.machines, "machine"), (spent.coming, "order"), (spent.going, "deletion"))
    return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts)


def _things(fleet: state.Fleet) -> Iterator[_Thing]:
    """Go through all that is paid for, each once."""
    standing: set[str] = set()
    machines = [
        *((each, fleet.index.account_of[key]) for key, each in fleet.index.by_provider_id.items()),
        *((held.instance, held.account) for held in fleet.missing.values()),
    ]
    for instance, account in machines:
        doubt = fleet.quarantine.get(instance.provider_id)
        if instance.provider_id in standing or (doubt is not None and doubt.ignored):
            continue
        standing.add(instance.provider_id)
        candidate = groups.Candidate(instance.machine_type, instance.location)
        name = instance.node_name or instance.provider_id
        yield _Thing(name, instance.group, account, candidate, "machines")
    for launch in fleet.launches.values():
        flies = launch.phase in _IN_THE_AIR or launch.may_land
        if flies and fleet.minted.get(launch.name) not in standing:
            yield _Thing(launch.name, launch.group, launch.account, launch.candidate, "coming")
    for held in fleet.retired.values():
        if held.deletion is state.Deletion.DONE or keys.machine_of(fleet, held) in standing:
            continue
        yield _Thing(held.name or held.key, held.group, held.account, held.candidate, "going")


def _offer(fleet: state.Fleet, account: str, candidate: groups.Candidate) -> contract.Offer | None:
    held = fleet.accounts.get(account)
    catalogue = held.catalogue if held is not None else None
    return catalogue.priced.get(candidate) if catalogue is not None else None


def _price(
    fleet: state.Fleet,
    account: str,
    candidate: groups.Candidate,
    public_ipv4: bool,  # noqa: FBT001
) -> Decimal | None:
    offer = _offer(fleet, account, candidate)
    if offer is None:
        return None
    spending = fleet.spending
    found = pricing.convert(offer, currency=spending.currency, rates=spending.rates)
    return found.total(public_ipv4=public_ipv4) if found is not None else None


def _short(amount: Decimal) -> str:
    return pricing.exact(Decimal(f"{amount:.4f}"))
