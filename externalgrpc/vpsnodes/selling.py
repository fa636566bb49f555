"""Say whether a group's account sells what it orders, and what could stand in for what is gone."""

from __future__ import annotations

from decimal import Decimal

from externalgrpc.fleet import state
from externalgrpc.model import groups
from externalgrpc.nodes import pricing, successors
from externalgrpc.vpsnodes import composing, spec
from providers import contract


def judge(fleet: state.Fleet, config: groups.Config, group: groups.NodeGroup) -> composing.Verdict:
    """Judge a group by its account's catalogue; nobody knows until that was read once."""
    account = fleet.accounts.get(group.account)
    catalogue = account.catalogue if account is not None else None
    if account is None or catalogue is None:
        trouble = account.catalogue_trouble if account is not None else ""
        message = f"the catalogue of account {group.account} could not be read yet"
        return composing.Verdict(
            ok=None,
            reason=composing.NOT_JUDGED,
            message=f"{message}: {trouble}" if trouble else message,
        )
    wanted = group.candidates
    if any(each in catalogue.offers for each in wanted):
        left = [each for each in wanted if each not in catalogue.offers]
        note = ", ".join(f"{each.machine_type} in {each.location}" for each in left)
        message = f"not sold, and passed over: {note}" if note else ""
        return composing.Verdict(ok=True, reason=composing.ACCEPTED, message=message)
    offered = {offer.machine_type for offer in catalogue.offers.values()}
    gone = list(dict.fromkeys(c.machine_type for c in wanted if c.machine_type not in offered))
    places = list(dict.fromkeys(each.location for each in wanted))
    if not gone:
        return composing.refused(spec.INVALID, _elsewhere(catalogue, account, wanted))
    near = successors.nearest(
        gone[0],
        shape=catalogue.machine_types.get(gone[0]),
        types=catalogue.machine_types.values(),
        offers=catalogue.offers.values(),
        locations=places,
        money=_money(config, group),
    )
    message = f"{account.provider} has no machine type {' nor '.join(gone)}, or sells it no more"
    if near:
        message += (
            f". Nearest: {successors.line(near, _money(config, group))}. Write it as "
            f"spec.instanceTypes: [{near[0][0].name}], which counts before instanceType"
        )
    return composing.refused(composing.TYPE_GONE, message)


def per_hour(
    config: groups.Config, group: groups.NodeGroup, offer: contract.Offer
) -> Decimal | None:
    """Return what a machine costs an hour, in the configuration's currency; None where unknown."""
    found = pricing.convert(offer, currency=config.currency, rates=config.rates)
    return None if found is None else found.total(public_ipv4=group.public_ipv4)


def _money(config: groups.Config, group: groups.NodeGroup) -> successors.Money:
    return successors.Money(
        currency=config.currency, price=lambda offer: per_hour(config, group, offer)
    )


def _elsewhere(
    catalogue: state.Catalogue,
    account: state.AccountState,
    wanted: tuple[groups.Candidate, ...],
) -> str:
    first = wanted[0]
    there = sorted(
        each.location for each in catalogue.offers if each.machine_type == first.machine_type
    )
    places = ", ".join(dict.fromkeys(each.location for each in wanted))
    return (
        f"spec.region: {account.provider} does not sell {first.machine_type} in {places}. "
        f"It is sold in {', '.join(there)}"
    )
