"""Carry one request of the fleet to a cloud, and fold the answer into the fleet.

The job blocks and runs on a lane; the fold is pure and runs under the reconciler's lock.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeAlias

from externalgrpc import fleet as fleets
from externalgrpc.fleet import (
    catalogue,
    marking,
    neighbours,
    requests,
    state,
    stock,
    tidying,
)
from externalgrpc.model import names
from externalgrpc.support import clock, logs
from providers import contract, errors, masking

_LOG = logs.Log("errands")

Answer: TypeAlias = Any
"""What the job of a request returned, or the CloudError that it raised."""

Prepare: TypeAlias = Callable[[requests.Create], contract.Order]
"""Turn a launch into the order to send; it runs on a lane's thread and may block."""

Beside: TypeAlias = Callable[[Callable[[], Any], Callable[[], Any]], tuple[Any, Any]]
"""Ask two questions, side by side where there are threads, and give both answers."""


def one_by_one(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Be :data:`Beside` where there are none."""
    return first(), second()


def operation(request: requests.Request) -> str:  # noqa: PLR0911 - one for each request
    """Name what a request does, as metrics, logs and the lane's budget call it."""
    match request:
        case requests.ListInstances():
            return "instances"
        case requests.ReadCatalogue():
            return "catalogue"
        case requests.Create():
            return "create"
        case requests.LookUp() | requests.LookUpMissing():
            return "look_up"
        case requests.Delete():
            return "delete"
        case requests.Mark():
            return "mark"
        case requests.ReadNeighbours():
            return "neighbours"
        case requests.Tidy():
            return "tidy"
        case requests.Finish():
            return "finish"
        case requests.ReadLeftovers():
            return "leftovers"


def writes(request: requests.Request) -> bool:
    """Tell whether a request makes or deletes something."""
    return isinstance(
        request,
        requests.Create | requests.Delete | requests.Mark | requests.Tidy | requests.Finish,
    )


def cost(request: requests.Request, fleet: state.Fleet, costs: contract.Costs) -> int:
    """Say how many requests of the cloud's budget a request of ours is expected to take."""
    if isinstance(request, requests.ListInstances | requests.ReadNeighbours):
        held = fleet.accounts.get(request.account)
        shown = held.snapshot.instances if held is not None and held.snapshot else ()
        return 1 + len(shown) // costs.page
    if isinstance(request, requests.Finish):
        # The rest of a create: at most as much.
        return costs.create
    result: int = getattr(costs, operation(request), 1)
    return result


def _marking(provider: contract.Provider) -> contract.Marking:
    assert isinstance(provider, contract.Marking)  # noqa: S101 - the fleet asks no other
    return provider


def _neighbourly(provider: contract.Provider) -> contract.Neighbourly:
    assert isinstance(provider, contract.Neighbourly)  # noqa: S101 - the fleet asks no other
    return provider


def _tidying(provider: contract.Provider) -> contract.Tidying:
    assert isinstance(provider, contract.Tidying)  # noqa: S101 - the fleet asks no other
    return provider


def _finishing(provider: contract.Provider) -> contract.Finishing:
    assert isinstance(provider, contract.Finishing)  # noqa: S101 - the fleet asks no other
    return provider


def _leaving(provider: contract.Provider) -> contract.Leaving:
    assert isinstance(provider, contract.Leaving)  # noqa: S101 - the fleet asks no other
    return provider


def job(  # noqa: PLR0911 - one for each request
    request: requests.Request,
    provider: contract.Provider,
    prepare: Prepare,
    time_source: clock.Clock,
    beside: Beside = one_by_one,
) -> Callable[[], Answer]:
    """Make the job of a request: it blocks, and raises CloudError."""
    match request:
        case requests.ListInstances(account=account):

            def list_instances() -> state.Snapshot:
                begun_at = time_source.monotonic()
                return state.Snapshot(
                    account=account, begun_at=begun_at, instances=provider.instances()
                )

            return list_instances
        case requests.ReadCatalogue():
            return lambda: _catalogue(provider, beside)
        case requests.Create():
            return lambda: _create(provider, prepare(request))
        case requests.LookUp(name=name, instance_id=instance_id, receipt=receipt):
            return lambda: provider.look_up(
                node_name=name, instance_id=instance_id, receipt=receipt
            )
        case requests.LookUpMissing(instance=instance):
            return lambda: provider.look_up(
                node_name=instance.node_name, instance_id=instance.id, receipt=""
            )
        case requests.Delete(instance_id=instance_id):
            return lambda: provider.delete(instance_id)
        case requests.Mark(instance_id=instance_id, put=put, remove=remove):
            return lambda: _marking(provider).mark(instance_id, put=put, remove=remove)
        case requests.ReadNeighbours():
            return lambda: _neighbourly(provider).neighbours()
        case requests.Tidy(groups=groups, nodes=nodes):
            return lambda: _tidying(provider).tidy(groups=groups, nodes=nodes)
        case requests.Finish(order=order, instance=instance):
            return lambda: _finish(_finishing(provider), prepare(order), instance)
        case requests.ReadLeftovers():
            return lambda: _leaving(provider).leftovers()


def _catalogue(
    provider: contract.Provider, beside: Beside
) -> tuple[tuple[contract.MachineType, ...], tuple[contract.Offer, ...]]:
    """Read what a cloud sells, without what no cloud can mean: a template must hold its numbers."""
    types, offers = beside(provider.machine_types, provider.offers)
    odd = [f"type {each.name}" for each in types if not _is_machine(each)]
    odd += [f"{each.machine_type} in {each.location}" for each in offers if not _is_price(each)]
    if odd:
        _LOG.warning("numbers beyond reason left out", count=len(odd), first=odd[0][:100])
    return tuple(filter(_is_machine, types)), tuple(filter(_is_price, offers))


def _is_machine(machine_type: contract.MachineType) -> bool:
    return (
        0 < machine_type.cpu_millis < 10**8
        and 0 < machine_type.memory_bytes < 2**50
        and 0 <= machine_type.disk_bytes < 2**55
        and 0 <= machine_type.gpus < 10**4
    )


def _is_price(offer: contract.Offer) -> bool:
    prices = (offer.price_per_hour, offer.ipv4_per_hour)
    return all(each.is_finite() and 0 <= each < 10**6 for each in prices)


def _create(provider: contract.Provider, order: contract.Order) -> contract.Instance:
    """Send an order; what it carries is told to nobody, should the cloud repeat it."""
    _hide(order)
    return provider.create(order)


def _finish(
    provider: contract.Finishing, order: contract.Order, instance: contract.Instance
) -> contract.Instance:
    """Send what is left of an order; what it carries is hidden as that of an order is."""
    _hide(order)
    return provider.finish(order, instance)


def _hide(order: contract.Order) -> None:
    public = (order.node_name, order.group, order.image, order.machine_type.name)
    masking.hide(order.user_data, *public)


def fold(  # noqa: PLR0911, PLR0912 - one for each request
    fleet: state.Fleet,
    request: requests.Request,
    answer: Answer,
    *,
    chance: random.Random,
    now: float,
    unix_now: float,
) -> state.Fleet:
    """Take the answer to a request, whatever has happened since it was sent."""
    failed = isinstance(answer, errors.CloudError)
    match request:
        case requests.ListInstances(account=account):
            if failed:
                return fleets.not_listed(fleet, account, answer.message)
            return fleets.observe(fleet, answer, now=now, unix_now=unix_now)
        case requests.ReadCatalogue(account=account):
            if failed:
                return catalogue.not_read(fleet, account, answer.message, now=now)
            return catalogue.read(fleet, account, *answer, now=now)
        case requests.Create(name=name):
            return fleets.ordered(fleet, name, answer, now=now)
        case requests.LookUp(name=name):
            launch = fleet.launches.get(name)
            mint = names.mint(launch.group if launch is not None else "", chance)
            return fleets.looked_up(fleet, name, answer, mint=mint, now=now)
        case requests.LookUpMissing(instance=instance):
            return fleets.missing_looked_up(fleet, instance.provider_id, answer, now=now)
        case requests.Delete(key=key):
            return fleets.deleted(fleet, key, answer, now=now)
        case requests.Mark():
            wait_s = stock.retry_wait_s(answer, 3) if failed else 0.0
            error = answer if failed else None
            return marking.marked(fleet, request, error, now=now, wait_s=wait_s)
        case requests.ReadNeighbours(account=account):
            value = None if failed else answer
            return neighbours.read(fleet, account, value, now=now)
        case requests.Tidy():
            return tidying.tidied(fleet, request, answer if failed else None, now=now)
        case requests.Finish():
            mint = names.mint(request.order.group.name, chance)
            return fleets.finished(fleet, request, answer, mint=mint, now=now)
        case requests.ReadLeftovers(account=account):
            return tidying.found(fleet, account, () if failed else answer, now=now)
