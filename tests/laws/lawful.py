"""Hold what the fleet plans and sends against the laws, one function for a kind of request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from externalgrpc.fleet import notnow, requests, state, view
from externalgrpc.model import foreign_words
from providers import contract
from tests.laws import fake_cloud, laws, operator, pools, vps_nodes

if TYPE_CHECKING:
    from tests.laws import world

STUCK_S = 600.0


def create(here: world.World, before: state.Fleet, request: requests.Create) -> None:
    laws.require(
        before.identity == here.identity,
        "no order is sent before the cluster is known",
        request,
    )
    said = notnow.why_account(before, request.account)
    laws.require(
        said is None or said.code == "OrderRate", "nothing is ordered where it is not now", said
    )
    sent = here.orders.setdefault(request.account, [])
    sent.append((request.name, here.now))
    lately = sum(1 for _, at in sent if at > here.now - 3600.0)
    most = notnow.most_orders(before, before.accounts[request.account])
    laws.require(lately <= most, "the brake bounds the orders an hour", lately, most)
    _surge(here, before, request)
    _spending(here, before, request)
    laws.require(
        not here.may_exist(request.name),
        "a create is not sent while the first of its name may still land",
        request.name,
    )
    seen = here.listings.get(request.account, [])
    laws.require(
        seen and max(seen) >= min(seen) + fake_cloud.SETTLE_S,
        "orders are held until a listing after the settling time was seen",
        request.account,
        seen,
    )
    laws.require(not request.group.departed, "a departed group orders nothing", request)
    vps_nodes.may_order(before, request)
    laws.require(request.account == request.group.account, "orders go to the group's account")
    laws.require(request.name not in here.witness.terminated, "what was terminated is not ordered")


def _surge(here: world.World, before: state.Fleet, request: requests.Create) -> None:
    """Check what exists of a group at once, the order included; labels may have been edited."""
    group = pools.base(request.group.name)
    machines = [
        machine
        for cloud in here.every_sky()
        for machine in cloud.standing()
        if pools.counts_in(before, machine.made_for) == group and machine.cluster == fake_cloud.OURS
    ]
    if any(machine.edited for machine in machines):
        return
    there = 1 + sum(
        1
        for machine in machines
        if (decided := here.judge.decided(machine.provider_id)) is None
        or here.now - decided <= STUCK_S
    )
    there += sum(
        1
        for flight in here.flights
        if isinstance(flight.request, requests.Create)
        and flight.stage != "done"
        and pools.base(flight.request.group.name) == group
    )
    there += sum(
        1
        for flight in here.flights
        if flight.lands is not None and pools.base(flight.lands.group) == group
    )
    there += sum(
        1
        for cloud in here.every_sky()
        for pending in cloud.pending
        if pools.counts_in(before, pending.group) == group
    )
    most = max(
        each.most_machines for each in pools.CONFIGURATIONS["as it was"] if each.name == group
    )
    laws.require(
        there <= most + here.under_way[group],
        "what exists of a group never exceeds maxSize and surge, and what each kill left",
        group,
        there,
        most,
        here.under_way[group],
    )


def _spending(here: world.World, before: state.Fleet, request: requests.Create) -> None:
    """Check what exists within each cap, the order included, at the prices read last."""
    machines = [
        (where, machine)
        for where, cloud in here.skies.items()
        for machine in cloud.standing()
        if machine.cluster == fake_cloud.OURS
    ]
    if any(machine.edited for _, machine in machines):
        return
    owed = {
        held.provider_id
        for held in before.retired.values()
        if held.deletion in (state.Deletion.OWED, state.Deletion.SENT)
    }
    there = [
        operator.Paid(
            where, pools.counts_in(before, machine.made_for), machine.provider_id, machine.location
        )
        for where, machine in machines
        if here.judge.decided(machine.provider_id) is None or machine.provider_id in owed
        if not _costs_nothing(here, before, machine)
    ]
    there += [
        _paid(flight.request)
        for flight in here.flights
        if isinstance(flight.request, requests.Create) and flight.stage != "done"
    ]
    there += [_paid(flight.request) for flight in here.flights if flight.lands is not None]
    there += [
        operator.Paid(where, pools.counts_in(before, pending.group), pending.name, pending.location)
        for where, cloud in here.skies.items()
        for pending in cloud.pending
    ]
    here.operator.allows(request, set(there), here.under_way, here.skies, here.prices)


def _costs_nothing(here: world.World, fleet: state.Fleet, machine: fake_cloud.Machine) -> bool:
    """Return whether what is in doubt costs nothing of ours, by the operator's own word."""
    said = here.words.get(machine.identity or foreign_words.NO_IDENTITY)
    return machine.provider_id in fleet.quarantine and said in {"ignore", "gone"}


def sent(here: world.World, cloud: fake_cloud.Sky, request: requests.Request) -> None:
    """Hold what reaches a cloud to the operator's word as it is by then."""
    match request:
        case requests.Create():
            still = here.stands_still(pools.base(request.group.name), request.account)
            laws.require(not still, "paused: no order is sent", request)
            vps_nodes.may_order(here.fleet, request)
        case requests.Delete():
            machine = cloud.machines.get(request.instance_id)
            if machine is None or machine.deleted_at is not None or machine.edited:
                return
            ours = not {machine.hostname, machine.provider_id} & here.asked
            still = ours and here.stands_still(machine.group, request.account, own=True)
            law = "paused: nothing is deleted but what CA asked for"
            laws.require(not still, law, machine, request)
        case _:
            pass


def finish(here: world.World, before: state.Fleet, request: requests.Finish) -> None:
    """Check that a machine is finished that is ours, counts, and whose create is at its end."""
    name, provider_id = request.order.name, request.instance.provider_id
    laws.require(here.several, "what nobody left half made is not finished", request)
    laws.require(request.instance.identity == here.identity, "only our own is finished", request)
    laws.require(
        request.instance.unjoined or not here.marking,
        "what was a node is not finished",
        request,
    )
    laws.require(provider_id not in here.ever, "what was a node is not finished", request)
    owner = view.whose(before, provider_id)
    laws.require(owner == (request.order.group.name, name), "what is finished counts", owner)
    laws.require(not request.order.group.departed, "a departed group finishes nothing", request)
    still = here.stands_still(request.order.group.name, request.account)
    laws.require(not still, "paused: nothing is finished", request)
    said = notnow.why_account(before, request.account)
    laws.require(
        said is None or said.code == "OrderRate",
        "nothing is finished where it is not now",
        said,
    )
    flying = any(
        isinstance(flight.request, requests.Create) and flight.request.name == name
        for flight in here.flights
    )
    landing = any(cloud.may_land(name) for cloud in here.every_sky())
    laws.require(
        not flying and not landing, "nothing is finished while its create may land", request
    )
    tries = here.tries[provider_id] = here.tries.get(provider_id, 0) + 1
    laws.require(tries <= 60, "a machine is not tried to be finished for ever", request, tries)


def mark(here: world.World, request: requests.Mark) -> None:
    laws.require(request.provider_id in here.ever, "only nodes of ours are marked", request)
    allowed = request.put.keys() <= {contract.Mark.IDENTITY}
    allowed = allowed and request.remove <= {contract.Mark.UNJOINED}
    laws.require(allowed, "only two of the marks are changed", request)
    laws.require(
        set(request.put.values()) <= {here.identity}, "no identity but ours is put", request
    )


def _paid(request: requests.Create) -> operator.Paid:
    group = pools.base(request.group.name)
    return operator.Paid(request.account, group, request.name, request.candidate.location)
