"""Take what a cloud sells: machine types and offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from externalgrpc.fleet import plan, state
from externalgrpc.model import backoff, groups
from providers import contract


def read(
    fleet: state.Fleet,
    account: str,
    machine_types: Iterable[contract.MachineType],
    offers: Iterable[contract.Offer],
    *,
    now: float,
) -> state.Fleet:
    """Take a catalogue; types that are no longer sold stay known for the shapes of old groups."""
    held = fleet.accounts.get(account)
    if held is None:
        return fleet
    known = dict(held.catalogue.machine_types) if held.catalogue is not None else {}
    known.update({machine_type.name: machine_type for machine_type in machine_types})
    sold = {
        groups.Candidate(offer.machine_type, offer.location): offer
        for offer in offers
        if offer.machine_type in known
    }
    priced = {**held.catalogue.priced, **sold} if held.catalogue is not None else sold
    held = dataclasses.replace(
        held,
        catalogue=state.Catalogue(machine_types=known, offers=sold, priced=priced),
        cataloguing=False,
        catalogue_at=now + plan.CATALOGUE_S,
        catalogue_failures=0,
        catalogue_trouble="",
    )
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})


def not_read(fleet: state.Fleet, account: str, trouble: str, *, now: float) -> state.Fleet:
    """Note that the catalogue could not be read; what was known stays."""
    held = fleet.accounts.get(account)
    if held is None:
        return fleet
    failures = held.catalogue_failures + 1
    wait = backoff.wait_s(failures, base_s=plan.CATALOGUE_RETRY_S, longest_s=plan.CATALOGUE_S)
    held = dataclasses.replace(
        held,
        cataloguing=False,
        catalogue_at=now + wait,
        catalogue_failures=failures,
        catalogue_trouble=trouble,
    )
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})
