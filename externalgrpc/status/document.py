"""Put together what the status page shows: a pure function of what is known at an instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from externalgrpc.fleet import explanation, history, joins, notnow, proof, state, view, ways
from externalgrpc.model import groups
from externalgrpc.nodes import pricing
from externalgrpc.status import known as of
from externalgrpc.status import machines as shown
from externalgrpc.status import shape
from providers import contract

HOURS_A_MONTH: Final = 730


def build(known: of.Known) -> shape.Status:
    """Put everything together."""
    fleet = known.fleet
    machines = tuple(shown.machines(known))
    return shape.Status(
        version=shape.VERSION,
        now=known.unix_now,
        cluster=fleet.cluster,
        identity=fleet.identity or "",
        currency=known.prices.currency,
        server=shape.Server(
            version=known.version,
            started_at=known.started_at,
            dry_run=known.dry_run,
            watches_nodes=known.watches_nodes,
        ),
        troubles=tuple(_troubles(known)),
        cost=_cost(machines),
        groups=tuple(_group(known, group, machines) for group in fleet.groups.values()),
        machines=machines,
        ended=tuple(_ended(way) for way in known.past.ended),
        refused=tuple(_refused(known)),
        accounts=tuple(_account(known, account) for account in fleet.accounts.values()),
        happenings=tuple(
            shape.Happening(
                number=each.number,
                at=each.at,
                weight=each.weight.value,
                text=each.text,
                group=each.group,
                machine=each.machine,
                account=each.account,
            )
            for each in known.past.happenings
        ),
    )


def _troubles(known: of.Known) -> Iterator[str]:
    if known.dry_run:
        yield "Dry run: nothing is created or deleted."
    if known.fleet.outage:
        yield f"Outage: {known.fleet.outage}; nobody is judged, and nothing is ordered."
    strange = [
        each for each in known.fleet.index.by_provider_id.values() if _is_strange(known.fleet, each)
    ]
    if strange:
        yield (
            f"{len(strange)} machines of this cluster were made since the start, and not by this "
            "server: does a second one run?"
        )


def _is_strange(fleet: state.Fleet, instance: contract.Instance) -> bool:
    account = fleet.accounts.get(fleet.index.account_of.get(instance.provider_id, ""))
    return account is not None and proof.is_strange(fleet, instance, account)


def _cost(machines: tuple[shape.Machine, ...]) -> shape.Cost:
    exist = [each for each in machines if each.provider_id]
    prices = [each.price_per_hour for each in exist if each.price_per_hour is not None]
    per_hour = sum(prices, Decimal(0))
    return shape.Cost(
        per_hour=per_hour,
        per_month=per_hour * HOURS_A_MONTH,
        machines=len(exist),
        unpriced=len(exist) - len(prices),
    )


def _group(
    known: of.Known, group: groups.NodeGroup, machines: tuple[shape.Machine, ...]
) -> shape.Group:
    fleet = known.fleet
    own = [each for each in machines if each.group == group.name]
    answer = explanation.why_no_node(fleet, group.name, now=known.now)
    members = view.members(fleet, group.name)
    try:
        price: Decimal | None = pricing.group_price_per_hour(known.prices, group)
    except pricing.NoPrice:
        price = None
    return shape.Group(
        name=group.name,
        account=group.account,
        min_size=group.min_size,
        max_size=group.max_size,
        target_size=len(members),
        nodes=sum(1 for each in members if explanation.is_node(fleet, each)),
        shown_max_size=notnow.bounds(fleet, group.name)[1],
        phases=dict(Counter(each.phase for each in own)),
        price_per_hour=price,
        cost_per_hour=sum(
            (each.price_per_hour or Decimal(0) for each in own if each.provider_id), Decimal(0)
        ),
        departed=group.departed,
        vps_node=group.vps_node,
        trouble=view.trouble(fleet, group.name) or joins.held_back(fleet, group.name, known.now),
        not_now=_not_now(notnow.why(fleet, group.name)),
        candidates=tuple(_candidate(known, group, each) for each in group.candidates),
        why=shape.Why(code=answer.code, sentence=answer.sentence, cure=answer.cure),
    )


def _not_now(said: notnow.NotNow | None) -> shape.NotNow | None:
    return shape.NotNow(code=said.code, reason=said.reason) if said is not None else None


def _candidate(
    known: of.Known, group: groups.NodeGroup, candidate: groups.Candidate
) -> shape.Candidate:
    catalogue = known.fleet.accounts[group.account].catalogue
    offer = catalogue.offers.get(candidate) if catalogue is not None else None
    said = explanation.candidate_refusal(known.fleet, group, candidate, known.now)
    return shape.Candidate(
        instance_type=candidate.machine_type,
        region=candidate.location,
        price_per_hour=known.price(
            group.account, candidate.machine_type, candidate.location, group.name
        ),
        sold=offer is not None,
        in_stock=offer is not None and offer.in_stock,
        refused_until=known.unix(explanation.refused_until(said)) if said is not None else None,
        refused_because=said.failure.message if said is not None else "",
    )


def _ended(way: ways.Way) -> shape.Ended:
    return shape.Ended(
        name=way.name,
        group=way.group,
        account=way.account,
        instance_type=way.machine_type,
        region=way.location,
        way=shown.steps(way),
        end=(way.end or ways.End.VANISHED).value,
        ended_at=way.ended_at,
        code=way.code,
        message=way.message,
    )


def _refused(known: of.Known) -> Iterator[shape.Refused]:
    lately = [
        (thing, said)
        for thing, said in known.fleet.refusals.items()
        if explanation.refused_until(said) > known.now
    ]
    for thing, said in sorted(lately, key=lambda each: -each[1].at):
        yield shape.Refused(
            what=history.words_of(thing),
            code=said.failure.code,
            message=said.failure.message,
            at=known.unix(said.at),
            until=known.unix(explanation.refused_until(said)),
        )


def _account(known: of.Known, account: state.AccountState) -> shape.Account:
    budget = known.budgets.get(account.name)
    snapshot = account.snapshot
    return shape.Account(
        name=account.name,
        provider=account.provider,
        machines=len(snapshot.instances) if snapshot is not None else 0,
        listed_at=known.unix(snapshot.begun_at) if snapshot is not None else None,
        listing_failures=account.failures,
        trouble=account.trouble or account.catalogue_trouble,
        budget=None
        if budget is None
        else shape.Budget(
            remaining=budget.remaining,
            limit=budget.limit,
            reset_at=budget.reset_at,
            seen_at=budget.seen_at,
        ),
        orders_last_hour=len(account.orders),
        max_orders_per_hour=notnow.most_orders(known.fleet, account),
        not_now=_not_now(notnow.why_account(known.fleet, account.name)),
    )
