"""Decide what is to be done next: which requests are due, and when to look again.

Pure like the rest: :func:`plan` returns the Fleet in which the requests are marked as under way,
the requests, and the instant at which something else falls due.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TypeAlias

from externalgrpc.fleet import (
    dispatch,
    finishing,
    marking,
    notnow,
    pausing,
    requests,
    retired,
    sparing,
    state,
    tidying,
)
from externalgrpc.model import backoff

Create: TypeAlias = requests.Create

AN_HOUR_S = 3600.0
CATALOGUE_S = 3600.0
CATALOGUE_RETRY_S = 15.0
LISTING_RETRY_S = 5.0
MAX_LISTING_RETRY_S = 60.0

BUSY_SHARE = 0.35
"""The part of an account's request budget that listings may take while something is in the air."""

IDLE_SHARE = 0.036
"""The part that they may take while nothing is: 130 an hour of 3,600."""

HURRIED_DELETIONS = 5
"""A deletion that was sent more often than this no longer quickens the listings."""

DELETIONS_A_HAND = 4
"""How many deletions are queued for each hand of an account: creates find a place between them."""

MAX_STEADY_S = 300.0
LOOK_UPS = 10
"""How many members that a listing lacks are looked up at once: the next listing comes between."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The next Fleet, the requests that are due, and when to plan again."""

    fleet: state.Fleet
    requests: tuple[requests.Request, ...]
    wake_at: float


def plan(fleet: state.Fleet, now: float) -> Plan:
    """Find all that is due at ``now``.

    Where nothing is, the same Fleet comes back, with what was derived of it.
    """
    agenda = requests.Agenda(now)
    fleet = _accounts(fleet, agenda)
    if fleet.standby:
        # Whoever acts looks after the rest; launches are looked up, or have waited too long.
        return _planned(_missing(_launches(fleet, agenda), agenda), agenda)
    fleet = _deletions(sparing.spare(fleet), agenda)
    fleet = _launches(fleet, agenda)
    fleet = finishing.plan(fleet, agenda)
    fleet = _missing(fleet, agenda)
    fleet = marking.plan(fleet, agenda)
    fleet = tidying.plan(fleet, agenda)
    return _planned(fleet, agenda)


def _planned(fleet: state.Fleet, agenda: requests.Agenda) -> Plan:
    return Plan(fleet, tuple(agenda.wanted), agenda.wake_at)


def busy(fleet: state.Fleet, account: str) -> bool:
    """Return whether something of an account is in the air."""
    found = fleet.memo.busy
    if found is None:
        names: set[str] = set()
        for name in _busy(fleet):
            names.add(name)
            if len(names) == len(fleet.accounts):
                break
        found = fleet.memo.busy = frozenset(names)
    return account in found


def _busy(fleet: state.Fleet) -> Iterator[str]:
    yield from fleet.index.booting
    for launch in fleet.launches.values():
        if launch.failure is None or launch.may_land:
            yield launch.account
    for retirement in fleet.retired.values():
        # What cannot be deleted (protected, no right to), or waits, is no reason to hurry for ever.
        if retirement.attempts <= HURRIED_DELETIONS and not pausing.holds(fleet, retirement):
            yield retirement.account
    for missing in fleet.missing.values():
        yield missing.account
    for provider_id, finish in fleet.finishes.items():
        # What is in doubt may stay so for ever.
        if finish.failure is None and provider_id not in fleet.quarantine:
            yield finish.account


def listing_interval_s(fleet: state.Fleet, account: state.AccountState) -> float:
    """Return how far apart the beginnings of two listings are, by what they cost in requests."""
    if account.failures:
        return backoff.wait_s(
            account.failures, base_s=LISTING_RETRY_S, longest_s=MAX_LISTING_RETRY_S
        )
    shown = len(account.snapshot.instances) if account.snapshot is not None else 0
    pages = max(1, math.ceil(shown / account.costs.page))
    if busy(fleet, account.name):
        return max(account.pace.busy_s, pages / (BUSY_SHARE * account.rate_per_s))
    afforded = pages / (IDLE_SHARE * account.rate_per_s)
    return max(account.pace.steady_s, min(afforded, MAX_STEADY_S))


def _accounts(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    changed: dict[str, state.AccountState] = {}
    for account in fleet.accounts.values():
        moved = _account(fleet, account, agenda)
        if moved is not account:
            changed[account.name] = moved
    if not changed:
        return fleet
    return dataclasses.replace(fleet, accounts={**fleet.accounts, **changed})


def _account(
    fleet: state.Fleet, account: state.AccountState, agenda: requests.Agenda
) -> state.AccountState:
    if not account.listing and agenda.due(account.listed_at + listing_interval_s(fleet, account)):
        agenda.ask(requests.ListInstances(account.name))
        account = dataclasses.replace(account, listing=True, listed_at=agenda.now)
    if not account.cataloguing and agenda.due(account.catalogue_at):
        agenda.ask(requests.ReadCatalogue(account.name))
        account = dataclasses.replace(account, cataloguing=True)
    if _asks_for_neighbours(fleet, account) and agenda.due(account.neighbours_at):
        agenda.ask(requests.ReadNeighbours(account.name))
        account = dataclasses.replace(account, asking_neighbours=True)
    recent = account.orders
    while recent and agenda.due(recent[0] + AN_HOUR_S):
        recent = recent[1:]
    return account if recent is account.orders else dataclasses.replace(account, orders=recent)


def _asks_for_neighbours(fleet: state.Fleet, account: state.AccountState) -> bool:
    """Return whether it is still to be asked whose machines are in an account's project."""
    if not account.neighbourly or account.asking_neighbours or not fleet.identity:
        return False
    return account.neighbours is None or bool(notnow.renamed(fleet, account))


def _deletions(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    changed: dict[str, state.Retirement] = {}
    queued = {name: account.hands * DELETIONS_A_HAND for name, account in fleet.accounts.items()}
    for retirement in fleet.retired.values():
        if retirement.deletion is state.Deletion.SENT:
            queued[retirement.account] -= 1
    for key, retirement in fleet.retired.items():
        match retirement.deletion:
            case state.Deletion.OWED if pausing.holds(fleet, retirement):
                pass
            case state.Deletion.OWED:
                if agenda.due(retirement.not_before) and queued[retirement.account] > 0:
                    queued[retirement.account] -= 1
                    agenda.ask(requests.Delete(retirement.account, key, retirement.instance_id))
                    changed[key] = dataclasses.replace(retirement, deletion=state.Deletion.SENT)
            case state.Deletion.AWAITED:
                looks = retirement.absences >= retired.ABSENCES and not retirement.looking
                if looks and agenda.due(retirement.not_before):
                    agenda.ask(requests.LookUp(retirement.account, retirement.name, "", ""))
                    changed[key] = dataclasses.replace(retirement, looking=True)
            case state.Deletion.SENT | state.Deletion.DONE:
                pass
    if not changed:
        return fleet
    return dataclasses.replace(fleet, retired={**fleet.retired, **changed})


def _missing(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    changed: dict[str, state.Missing] = {}
    free: dict[str, int] = dict.fromkeys(fleet.accounts, LOOK_UPS)
    due: list[state.Missing] = []
    for held in fleet.missing.values():
        if held.looking:
            free[held.account] -= 1
        elif agenda.due(held.look_at):
            due.append(held)
    for held in sorted(due, key=lambda each: each.look_at):
        if free[held.account] > 0:
            free[held.account] -= 1
            agenda.ask(requests.LookUpMissing(held.account, held.instance))
            changed[held.instance.provider_id] = dataclasses.replace(held, looking=True)
    if not changed:
        return fleet
    return dataclasses.replace(fleet, missing={**fleet.missing, **changed})


def _launches(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    due = dispatch.Departures(fleet, agenda)
    changed, withdrawn = due.of(fleet.launches.values())
    if changed:
        moved = {launch.name: launch for launch in changed}
        fleet = dataclasses.replace(
            fleet,
            launches={**fleet.launches, **moved},
            accounts={**fleet.accounts, **due.accounts()},
        )
    return retired.withdraw(fleet, withdrawn)
