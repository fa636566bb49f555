"""Take a complete listing: what it proves, and what it does not.

A listing is evidence, not proof: clouds list late. What it shows is there; what it lacks is
looked up by id before it is believed gone, and not before the cloud's settling time is over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set

from externalgrpc.fleet import (
    configured,
    finishing,
    index,
    keys,
    landing,
    marking,
    proof,
    quarantine,
    retired,
    returning,
    sparing,
    state,
    view,
)
from providers import contract

GONE_REMEMBERED = 20_000
"""How many names and ids of machines that are gone are remembered."""


def observe(
    fleet: state.Fleet, snapshot: state.Snapshot, *, now: float, unix_now: float
) -> state.Fleet:
    """Take one complete listing of one account; ``unix_now`` is Unix time in seconds.

    Doubles of our own orders are retired once it is proved that they are, launches that are shown
    become machines, members that are not shown are put up for a look-up, retired names come nearer
    to being forgotten, and what we cannot be sure of goes into quarantine. A listing that began
    before the one we have, or of an account that is no more, changes nothing.
    """
    account = fleet.accounts.get(snapshot.account)
    if account is None:
        return fleet
    if account.snapshot is not None and snapshot.begun_at < account.snapshot.begun_at:
        return _with_account(fleet, dataclasses.replace(account, listing=False))
    snapshot = _in_order(fleet, snapshot)
    first = account.snapshot is None
    before = _members_before(fleet, snapshot.account)
    arrivals = _arrivals(fleet, snapshot) if not first and not account.settled else {}
    settles_at = snapshot.begun_at + account.settle_s if first else account.settles_at
    account = dataclasses.replace(
        account,
        snapshot=snapshot,
        settles_at=settles_at,
        settled=account.settled or snapshot.begun_at >= settles_at,
        listing=False,
        failures=0,
        trouble="",
    )
    fleet = _overrule(_with_account(fleet, account), snapshot, before)
    fleet = dataclasses.replace(fleet, remarked=proof.remarked(fleet, snapshot.instances))
    fleet = dataclasses.replace(fleet, minted=proof.bind(fleet, account.name))
    fleet = _proved(fleet, account.name, snapshot.begun_at)
    fleet = returning.retire_again(fleet, snapshot, now=now)
    fleet = returning.doubles(fleet, snapshot, now=now)
    built = index.build(fleet.accounts.values(), fleet.retired)
    fleet = dataclasses.replace(fleet, index=built)
    fleet = _missing(fleet, snapshot, before, now)
    fleet = landing.survey(fleet, snapshot, before, now)
    fleet = _stand_in(fleet, arrivals)
    fleet = sparing.spare(retired.listed(fleet, snapshot, now=now))
    fleet = marking.survey(_going(_tidy(fleet), now))
    fleet = finishing.survey(fleet, account.name, now=now)
    fleet = quarantine.review(fleet, now=now, unix_now=unix_now)
    fleet = finishing.judge(fleet, account.name, now=now)
    return _first_covers(fleet, account.name, unix_now) if first else fleet


def not_listed(fleet: state.Fleet, account: str, trouble: str) -> state.Fleet:
    """Note that a listing failed; what was known stays."""
    held = fleet.accounts.get(account)
    if held is None:
        return fleet
    failures = held.failures + 1
    return _with_account(
        fleet, dataclasses.replace(held, listing=False, failures=failures, trouble=trouble)
    )


def _in_order(fleet: state.Fleet, snapshot: state.Snapshot) -> state.Snapshot:
    """Drop what a listing shows twice (pages shift), and what was found gone after it began."""
    seen: dict[str, contract.Instance] = {}
    for instance in snapshot.instances:
        gone = fleet.gone.get(instance.provider_id)
        if gone is None or gone.terminated or gone.at <= snapshot.begun_at:
            seen.setdefault(instance.provider_id, instance)
    if len(seen) == len(snapshot.instances):
        return snapshot
    return dataclasses.replace(snapshot, instances=tuple(seen.values()))


def _with_account(fleet: state.Fleet, account: state.AccountState) -> state.Fleet:
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account.name: account})


def _members_before(fleet: state.Fleet, account: str) -> dict[str, contract.Instance]:
    """Give the machines that an account showed, each as it counts: as its first login showed it."""
    held = fleet.accounts[account].snapshot
    counted = fleet.index.by_provider_id
    known = {
        instance.provider_id: counted.get(instance.provider_id, instance)
        for instance in (held.instances if held else ())
    }
    for provider_id, missing in fleet.missing.items():
        if missing.account == account:
            known.setdefault(provider_id, missing.instance)
    return known


def _overrule(
    fleet: state.Fleet, snapshot: state.Snapshot, before: Mapping[str, contract.Instance]
) -> state.Fleet:
    """Strike what a login no longer shows out of older listings of others into the same project."""
    if len(fleet.accounts) < 2:
        return fleet
    lacking = before.keys() - {instance.provider_id for instance in snapshot.instances}
    accounts = dict(fleet.accounts)
    for name, account in fleet.accounts.items() if lacking else ():
        held = account.snapshot
        if name == snapshot.account or held is None or held.begun_at >= snapshot.begun_at:
            continue
        left = tuple(each for each in held.instances if each.provider_id not in lacking)
        if len(left) < len(held.instances):
            held = dataclasses.replace(held, instances=left)
            accounts[name] = dataclasses.replace(account, snapshot=held)
    return dataclasses.replace(fleet, accounts=accounts)


def _proved(fleet: state.Fleet, account: str, begun_at: float) -> state.Fleet:
    """Carry on the rows of listings that prove something; those of other accounts stay."""
    shown = fleet.accounts[account].snapshot
    own = {instance.provider_id for instance in (shown.instances if shown is not None else ())}
    return dataclasses.replace(
        fleet,
        proved={
            **_of_others(fleet, account, own, fleet.proved),
            **proof.review(fleet, account, begun_at),
        },
        doubled={
            **_of_others(fleet, account, own, fleet.doubled),
            **proof.doubles(fleet, account, begun_at),
        },
    )


def _of_others(
    fleet: state.Fleet, account: str, own: Set[str], rows: Mapping[str, float]
) -> dict[str, float]:
    return {
        provider_id: since
        for provider_id, since in rows.items()
        if provider_id not in own and fleet.index.account_of.get(provider_id) != account
    }


def _arrivals(fleet: state.Fleet, snapshot: state.Snapshot) -> dict[str, int]:
    """Count, by group, machines of ours that this process neither knew nor ordered."""
    arrived: dict[str, int] = {}
    for instance in snapshot.instances:
        known = (
            instance.provider_id in fleet.index.by_provider_id
            or instance.provider_id in fleet.missing
            or instance.node_name in fleet.launches
            or keys.is_retired(fleet, instance)
        )
        known = known or instance.adopted or quarantine.is_foreign(fleet, instance)
        if not known and instance.state is not contract.InstanceState.DELETING:
            arrived[instance.group] = arrived.get(instance.group, 0) + 1
    return arrived


def _going(fleet: state.Fleet, now: float) -> state.Fleet:
    """Note since when machines are shown as being deleted, by whomever."""
    going = {
        instance.provider_id: fleet.going.get(instance.provider_id, now)
        for shown in fleet.index.deleting.values()
        for instance in shown
    }
    return fleet if going == fleet.going else dataclasses.replace(fleet, going=going)


def _stand_in(fleet: state.Fleet, arrivals: Mapping[str, int]) -> state.Fleet:
    """Let late arrivals of the process before us answer launches that are still held."""
    left = dict(arrivals)
    answered: list[str] = []
    for launch in fleet.launches.values() if left else ():
        if launch.phase is state.Phase.HELD and left.get(launch.group, 0) > 0:
            left[launch.group] -= 1
            answered.append(launch.name)
    return retired.withdraw(fleet, answered)


def _missing(
    fleet: state.Fleet,
    snapshot: state.Snapshot,
    before: Mapping[str, contract.Instance],
    now: float,
) -> state.Fleet:
    """Put members that the listing lacks up for a look-up; ``before`` is what was there."""
    account = snapshot.account
    shown = fleet.index.by_provider_id
    missing = {
        provider_id: (
            dataclasses.replace(held, look_at=now)
            # One that was found is asked about again; one that was not, in its time.
            if held.account == account and held.look_at == float("inf") and not held.looking
            else held
        )
        for provider_id, held in fleet.missing.items()
        if provider_id not in shown
    }
    gone = dict(fleet.gone)
    # By the cloud's id: a listing may have shown it by another name before its order was answered.
    flying = {fleet.minted.get(name) for name in fleet.launches}
    for provider_id, instance in before.items():
        if provider_id in shown or provider_id in missing:
            continue
        if provider_id in flying:
            continue
        if keys.is_retired(fleet, instance):
            continue
        if instance.state is contract.InstanceState.DELETING:
            lost = state.Gone(instance.group, terminated=False, at=snapshot.begun_at)
            gone[provider_id] = lost
        elif instance.group in fleet.groups:
            missing[provider_id] = state.Missing(instance=instance, account=account, look_at=now)
    return dataclasses.replace(fleet, missing=missing, gone=gone)


def _first_covers(fleet: state.Fleet, account: str, unix_now: float) -> state.Fleet:
    """Treat our own start as a start of CA: what it asked of the process before us is forgotten."""
    pending_at_start = dict(fleet.pending_at_start)
    for name, group in fleet.groups.items():
        if group.account == account:
            pending_at_start[name] = view.in_the_air(fleet, name, unix_now)
    return dataclasses.replace(fleet, pending_at_start=pending_at_start)


def _tidy(fleet: state.Fleet) -> state.Fleet:
    """Forget what departed and is empty, ids that no longer mean anything, old memories."""
    fleet = configured.prune(fleet)
    known = fleet.index.by_provider_id.keys() | fleet.missing.keys()
    known |= {held.instance.provider_id for held in fleet.launches.values() if held.instance}
    known |= {
        each
        for each, name in fleet.registered.items()
        if sparing.may_come_back(fleet, each) or sparing.may_come_back(fleet, name)
    }
    known |= keys.retired_names(fleet).keys()
    gone = fleet.gone
    excess = len(gone) - GONE_REMEMBERED
    if excess > 0:
        gone = dict(list(gone.items())[excess:])
    return dataclasses.replace(
        fleet,
        gone=gone,
        registered=_kept(fleet.registered, known, fleet.launches.keys() | fleet.retired.keys()),
        misnamed=_kept(fleet.misnamed, known),
        accused=fleet.accused & known,
        remarked=fleet.remarked & known,
        minted=_minted(fleet),
        asked=_asked(fleet),
    )


def _kept(
    held: Mapping[str, str], known: Set[str], awaited: Set[str] = frozenset()
) -> Mapping[str, str]:
    """Keep the Nodes of machines that are known, and of orders whose machine is not known yet."""
    if held.keys() <= known:
        return held
    return {each: name for each, name in held.items() if each in known or name in awaited}


def _asked(fleet: state.Fleet) -> Mapping[str, float]:
    """Forget when machines were asked for that are neither in the air nor there."""
    known = fleet.launches.keys() | fleet.index.by_name.keys()
    if fleet.asked.keys() <= known:
        return fleet.asked
    return {name: at for name, at in fleet.asked.items() if name in known}


def _minted(fleet: state.Fleet) -> Mapping[str, str]:
    """Forget the oldest names of all that were ordered, once they are very many."""
    excess = len(fleet.minted) - GONE_REMEMBERED
    if excess <= 0:
        return fleet.minted
    shown = fleet.index.by_provider_id
    forgotten = {
        name
        for name, provider_id in list(fleet.minted.items())[:excess]
        if provider_id not in shown and name not in fleet.launches and name not in fleet.retired
    }
    return {name: held for name, held in fleet.minted.items() if name not in forgotten}
