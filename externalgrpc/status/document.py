"""Put together what the status page shows: a pure function of what is known at an instant."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from externalgrpc.fleet import explanation, history, joins, notnow, proof, state, view, ways
from externalgrpc.model import groups
from externalgrpc.nodes import pricing
from externalgrpc.status import shape
from providers import contract

HOURS_A_MONTH: Final = 730

_AFTER: Final = {
    ways.Step.ASKED: ways.Step.ORDERED,
    ways.Step.ORDERED: ways.Step.CREATED,
    ways.Step.CREATED: ways.Step.RUNNING,
    ways.Step.RUNNING: ways.Step.NODE,
    ways.Step.NODE: ways.Step.READY,
}
"""The step that comes next; a request for a certificate is none that all make."""

_AT_REST: Final = frozenset({"failed", "deleting", "orphan", "quarantine", "stopped"})
"""In these phases no step is awaited."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known at an instant; ``now`` is the monotonic clock, ``unix_now`` Unix time.

    ``budgets`` are those of the accounts whose cloud has shown one; ``watches_nodes`` tells whether
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


def build(known: Known) -> shape.Status:
    """Put everything together."""
    fleet = known.fleet
    machines = tuple(_machines(known))
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


def _unix(known: Known, at: float) -> float:
    """Give the Unix time of an instant of the monotonic clock."""
    return known.unix_now - (known.now - at)


def _troubles(known: Known) -> Iterator[str]:
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


def _price(
    known: Known, account: str, machine_type: str, location: str, group: str
) -> Decimal | None:
    price = known.prices.prices.get(pricing.PriceKey(account, machine_type, location))
    if price is None:
        return None
    node_group = known.fleet.groups.get(group)
    # Of what is of no group nobody knows whether it has an address; most have.
    return price.total(public_ipv4=node_group.public_ipv4 if node_group is not None else True)


def _group(
    known: Known, group: groups.NodeGroup, machines: tuple[shape.Machine, ...]
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
        trouble=view.trouble(fleet, group.name) or joins.held_back(fleet, group.name, known.now),
        not_now=_not_now(notnow.why(fleet, group.name)),
        candidates=tuple(_candidate(known, group, each) for each in group.candidates),
        why=shape.Why(code=answer.code, sentence=answer.sentence, cure=answer.cure),
    )


def _not_now(said: notnow.NotNow | None) -> shape.NotNow | None:
    return shape.NotNow(code=said.code, reason=said.reason) if said is not None else None


def _candidate(
    known: Known, group: groups.NodeGroup, candidate: groups.Candidate
) -> shape.Candidate:
    catalogue = known.fleet.accounts[group.account].catalogue
    offer = catalogue.offers.get(candidate) if catalogue is not None else None
    said = explanation.candidate_refusal(known.fleet, group, candidate, known.now)
    return shape.Candidate(
        instance_type=candidate.machine_type,
        region=candidate.location,
        price_per_hour=_price(
            known, group.account, candidate.machine_type, candidate.location, group.name
        ),
        sold=offer is not None,
        in_stock=offer is not None and offer.in_stock,
        refused_until=_unix(known, explanation.refused_until(said)) if said is not None else None,
        refused_because=said.failure.message if said is not None else "",
    )


def _machines(known: Known) -> Iterator[shape.Machine]:
    fleet = known.fleet
    for name in fleet.groups:
        for member in view.members(fleet, name):
            yield _member(known, name, member)
        for instance in view.quarantined(fleet, name):
            held = fleet.quarantine[instance.provider_id]
            yield _standing(known, instance, "quarantine", held.doubt.value, held.message)
        for instance in view.leaving(fleet, name):
            yield _standing(known, instance, "deleting")
    for instance in view.orphans(fleet):
        text = "it carries the cluster's mark and no group that is configured"
        yield _standing(known, instance, "orphan", "Orphan", text)


def _member(known: Known, group: str, member: state.Member) -> shape.Machine:
    fleet = known.fleet
    way = known.past.standing.get(member.name) or ways.Way(name=member.name, group=group)
    phase = "unknown"
    if member.instance is not None:
        phase = "failed" if member.failure is not None else member.instance.state.value
    elif member.launch is not None:
        phase = member.launch.phase.value
    withheld = fleet.unjoined.get(member.name)
    code, message = way.code, way.message
    if withheld is not None and withheld.withheld:
        code = withheld.failure.code
        message = f"{withheld.failure.message}; it is not given up: {withheld.withheld}"
    return _machine(
        known,
        way,
        phase=phase,
        code=code,
        message=message,
        provider_id=member.instance.provider_id if member.instance is not None else "",
    )


def _standing(
    known: Known, instance: contract.Instance, phase: str, code: str = "", message: str = ""
) -> shape.Machine:
    """Show a machine that is no member, under the way that was seen of it, where one was."""
    fleet = known.fleet
    name = view.retired_names(fleet).get(instance.provider_id) or view.key_of(fleet, instance)
    way = known.past.standing.get(name)
    if way is None or way.provider_id != instance.provider_id:
        way = ways.Way(
            name=name,
            group=instance.group,
            account=view.account_of(fleet, instance) if instance.group in fleet.groups else "",
            machine_type=instance.machine_type,
            location=instance.location,
            taken={ways.Step.CREATED: instance.created_at or None},
        )
    way = dataclasses.replace(
        way, account=fleet.index.account_of.get(instance.provider_id, way.account), end=way.end
    )
    return _machine(
        known,
        way,
        phase=phase,
        code=code or way.code,
        message=message or way.message,
        provider_id=instance.provider_id,
    )


def _machine(
    known: Known, way: ways.Way, *, phase: str, code: str, message: str, provider_id: str
) -> shape.Machine:
    return shape.Machine(
        name=way.name,
        group=way.group,
        account=way.account,
        provider_id=provider_id,
        instance_type=way.machine_type,
        region=way.location,
        phase=phase,
        price_per_hour=_price(known, way.account, way.machine_type, way.location, way.group),
        way=_way(way),
        awaits="" if phase in _AT_REST else _next(known, way),
        code=code,
        message=message,
    )


def _way(way: ways.Way) -> tuple[shape.StepTaken, ...]:
    return tuple(
        shape.StepTaken(step=step.value, at=way.taken[step])
        for step in ways.Step
        if step in way.taken
    )


def _next(known: Known, way: ways.Way) -> str:
    """Name the step that is awaited; empty for none."""
    last = ways.Step.READY if known.watches_nodes else ways.Step.NODE
    if last in way.taken or ways.Step.READY in way.taken:
        return ""
    following = ways.Step.ORDERED
    for step in ways.Step:
        if step is ways.Step.JOINED:
            continue
        if step in way.taken:
            following = _AFTER[step]
    return following.value


def _ended(way: ways.Way) -> shape.Ended:
    return shape.Ended(
        name=way.name,
        group=way.group,
        account=way.account,
        instance_type=way.machine_type,
        region=way.location,
        way=_way(way),
        end=(way.end or ways.End.VANISHED).value,
        ended_at=way.ended_at,
        code=way.code,
        message=way.message,
    )


def _refused(known: Known) -> Iterator[shape.Refused]:
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
            at=_unix(known, said.at),
            until=_unix(known, explanation.refused_until(said)),
        )


def _account(known: Known, account: state.AccountState) -> shape.Account:
    budget = known.budgets.get(account.name)
    snapshot = account.snapshot
    return shape.Account(
        name=account.name,
        provider=account.provider,
        machines=len(snapshot.instances) if snapshot is not None else 0,
        listed_at=_unix(known, snapshot.begun_at) if snapshot is not None else None,
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
