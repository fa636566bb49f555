"""The way up: what a complete listing proves, and what it does not.

A listing is evidence, not proof: clouds list late. What it shows is there; what it lacks is
looked up by id before it is believed gone, and not before the cloud's settling time is over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from externalgrpc.fleet import state, view
from providers import contract

FATE_AFTER_S = 20.0
"""An accepted machine that is not running after this long has its order's fate looked up."""

ABSENCES = 2
"""How many listings must agree, after the settling time, that a retired machine is gone."""

REPEAT_DELETE_S = 30.0
"""A deletion that listings contradict is repeated after this long, doubling to ten minutes."""

MAX_REPEAT_DELETE_S = 600.0

GONE_REMEMBERED = 4_000
"""How many names and ids of machines that are gone are remembered."""


def observe(
    fleet: state.Fleet, snapshot: state.Snapshot, *, now: float, unix_now: float
) -> state.Fleet:
    """Take one complete listing of one account; ``unix_now`` is Unix time in seconds.

    Surplus machines of one name are retired (the registered one stays, else the older), launches
    that are shown become machines, members that are not shown are put up for a look-up, and
    retired names come nearer to being forgotten.
    """
    account = fleet.accounts[snapshot.account]
    first = account.snapshot is None
    before = _members_before(fleet, snapshot.account)
    fleet = _returned(fleet, snapshot, now)
    fleet = _surplus(fleet, snapshot, now)
    arrivals = _arrivals(fleet, snapshot, before) if not first else {}
    account = dataclasses.replace(
        account,
        snapshot=snapshot,
        settled_at=snapshot.begun_at + account.settle_s if first else account.settled_at,
        listing=False,
        failures=0,
        trouble="",
    )
    accounts = {**fleet.accounts, account.name: account}
    fleet = dataclasses.replace(fleet, accounts=accounts, index=_index(accounts.values()))
    fleet = _missing(fleet, snapshot, before, now)
    fleet = _launches(fleet, snapshot, now)
    if now < account.settled_at or snapshot.begun_at < account.settled_at:
        fleet = _stand_in(fleet, arrivals)
    fleet = _retired(fleet, snapshot, now)
    if first:
        fleet = _first_covers(fleet, account.name, unix_now)
    return _tidy(fleet)


def not_listed(fleet: state.Fleet, account: str, trouble: str) -> state.Fleet:
    """Note that a listing failed; what was known stays."""
    held = fleet.accounts[account]
    held = dataclasses.replace(held, listing=False, failures=held.failures + 1, trouble=trouble)
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})


def _members_before(fleet: state.Fleet, account: str) -> dict[str, contract.Instance]:
    held = fleet.accounts[account].snapshot
    known = {instance.provider_id: instance for instance in (held.instances if held else ())}
    for provider_id, missing in fleet.missing.items():
        if missing.account == account:
            known.setdefault(provider_id, missing.instance)
    return known


def _returned(fleet: state.Fleet, snapshot: state.Snapshot, now: float) -> state.Fleet:
    """Retire again what was let go, was gone, and is shown again."""
    retired = dict(fleet.retired)
    for instance in snapshot.instances:
        gone = fleet.gone.get(instance.provider_id)
        if gone is None or not gone.let_go or view.is_retired(fleet, instance):
            continue
        key = state.key_of(instance)
        retired[key] = _owed(instance, snapshot.account, now, key=key)
    if len(retired) == len(fleet.retired):
        return fleet
    return dataclasses.replace(fleet, retired=retired)


def _owed(
    instance: contract.Instance, account: str, now: float, *, key: str, surplus: bool = False
) -> state.Retirement:
    return state.Retirement(
        key=key,
        name=instance.node_name,
        group=instance.group,
        account=account,
        since=now,
        deletion=state.Deletion.OWED,
        instance_id=instance.id,
        provider_id=instance.provider_id,
        surplus=surplus,
    )


def _surplus(fleet: state.Fleet, snapshot: state.Snapshot, now: float) -> state.Fleet:
    """Retire all but one of the machines that share a name (some clouds allow it)."""
    by_name: dict[str, list[contract.Instance]] = {}
    for instance in snapshot.instances:
        if instance.node_name and instance.provider_id not in fleet.retired:
            by_name.setdefault(instance.node_name, []).append(instance)
    retired = dict(fleet.retired)
    for same in by_name.values():
        if len(same) < 2:
            continue
        keep = min(
            same,
            key=lambda i: (
                i.state is contract.InstanceState.DELETING,
                i.provider_id not in fleet.registered,
                i.created_at or float("inf"),
                len(i.id),
                i.id,
            ),
        )
        for instance in same:
            if instance is not keep:
                key = instance.provider_id
                retired[key] = _owed(instance, snapshot.account, now, key=key, surplus=True)
    if len(retired) == len(fleet.retired):
        return fleet
    return dataclasses.replace(fleet, retired=retired)


def _arrivals(
    fleet: state.Fleet, snapshot: state.Snapshot, before: Mapping[str, contract.Instance]
) -> dict[str, int]:
    """Count, by group, machines with our mark that this process neither knew nor ordered."""
    arrived: dict[str, int] = {}
    for instance in snapshot.instances:
        known = (
            instance.provider_id in before
            or instance.node_name in fleet.launches
            or view.is_retired(fleet, instance)
        )
        if not known and instance.state is not contract.InstanceState.DELETING:
            arrived[instance.group] = arrived.get(instance.group, 0) + 1
    return arrived


def _stand_in(fleet: state.Fleet, arrivals: Mapping[str, int]) -> state.Fleet:
    """Let late arrivals of the process before us answer launches that are still held."""
    left = dict(arrivals)
    launches = dict(fleet.launches)
    for launch in fleet.launches.values():
        unsent = launch.phase is state.Phase.HELD and not launch.may_land
        if unsent and left.get(launch.group, 0) > 0:
            left[launch.group] -= 1
            del launches[launch.name]
    if len(launches) == len(fleet.launches):
        return fleet
    return dataclasses.replace(fleet, launches=launches)


def _index(accounts: Iterable[state.AccountState]) -> state.Index:
    by_provider_id: dict[str, contract.Instance] = {}
    by_name: dict[str, contract.Instance] = {}
    by_group: dict[str, list[contract.Instance]] = {}
    account_of: dict[str, str] = {}
    for account in accounts:
        for instance in account.snapshot.instances if account.snapshot else ():
            if instance.provider_id in by_provider_id:
                continue  # two logins into one project show one machine twice
            by_provider_id[instance.provider_id] = instance
            account_of[instance.provider_id] = account.name
            if instance.node_name:
                by_name[instance.node_name] = instance
            by_group.setdefault(instance.group, []).append(instance)
    return state.Index(
        by_provider_id=by_provider_id,
        by_name=by_name,
        by_group={name: tuple(found) for name, found in by_group.items()},
        account_of=account_of,
    )


def _missing(
    fleet: state.Fleet,
    snapshot: state.Snapshot,
    before: Mapping[str, contract.Instance],
    now: float,
) -> state.Fleet:
    shown = {instance.provider_id for instance in snapshot.instances}
    missing = {
        pid: dataclasses.replace(held, look_at=now) if held.account == snapshot.account else held
        for pid, held in fleet.missing.items()
        if pid not in shown
    }
    gone = dict(fleet.gone)
    for provider_id, instance in before.items():
        known = provider_id in shown or provider_id in missing
        if known or view.is_retired(fleet, instance) or instance.node_name in fleet.launches:
            continue
        if instance.state is contract.InstanceState.DELETING:
            gone[provider_id] = state.Gone(instance.group, let_go=False)
            continue
        missing[provider_id] = state.Missing(
            instance=instance, account=snapshot.account, look_at=now
        )
    return dataclasses.replace(fleet, missing=missing, gone=gone)


def _launches(fleet: state.Fleet, snapshot: state.Snapshot, now: float) -> state.Fleet:
    shown = {i.node_name: i for i in snapshot.instances if i.provider_id not in fleet.retired}
    settle_s = fleet.accounts[snapshot.account].settle_s
    launches: dict[str, state.Launch] = {}
    for name, launch in fleet.launches.items():
        if launch.account != snapshot.account:
            launches[name] = launch
        elif name in shown:
            landed = _landed(launch, shown[name], now)
            if landed is not None:
                launches[name] = landed
        else:
            launches[name] = _unseen(launch, snapshot.begun_at, settle_s, now)
    return dataclasses.replace(fleet, launches=launches)


def _landed(launch: state.Launch, instance: contract.Instance, now: float) -> state.Launch | None:
    """Follow a launch whose machine is shown until it runs; from then on it is a machine only."""
    receipt = launch.instance.receipt if launch.instance is not None else instance.receipt
    if instance.state is contract.InstanceState.RUNNING:
        return None
    look_at = launch.look_at
    was_stopped = launch.instance is not None and launch.instance.state is instance.state
    if instance.state is contract.InstanceState.STOPPED and not was_stopped:
        look_at = min(look_at, now)
    elif launch.phase is not state.Phase.ACCEPTED:
        look_at = now + FATE_AFTER_S
    return dataclasses.replace(
        launch,
        phase=state.Phase.ACCEPTED,
        instance=dataclasses.replace(instance, receipt=receipt),
        failure=None,
        doubtful_since=max(launch.doubtful_since, launch.asked_at),
        look_at=look_at,
    )


def _unseen(launch: state.Launch, begun_at: float, settle_s: float, now: float) -> state.Launch:
    """Put a launch that the listing lacks up for a look-up once the settling time is over."""
    doubtful = launch.phase in (state.Phase.UNSURE, state.Phase.ACCEPTED) or (
        launch.phase is state.Phase.FAILED and launch.may_land
    )
    if doubtful and begun_at > launch.doubtful_since + settle_s:
        return dataclasses.replace(launch, look_at=min(launch.look_at, now))
    return launch


def _retired(fleet: state.Fleet, snapshot: state.Snapshot, now: float) -> state.Fleet:
    by_id = {instance.provider_id: instance for instance in snapshot.instances}
    by_name = {i.node_name: i for i in snapshot.instances if i.provider_id not in fleet.retired}
    settle_s = fleet.accounts[snapshot.account].settle_s
    retired: dict[str, state.Retirement] = {}
    gone = dict(fleet.gone)
    for key, retirement in fleet.retired.items():
        if retirement.account != snapshot.account:
            retired[key] = retirement
            continue
        instance = by_id.get(retirement.provider_id) or (
            None if retirement.surplus else by_name.get(retirement.name)
        )
        after = snapshot.begun_at > retirement.doubtful_since + settle_s
        settled = (
            _shown(retirement, instance, now, after=after)
            if instance
            else _absent(retirement, now, after=after)
        )
        if settled is None:
            if retirement.provider_id:
                gone[retirement.provider_id] = state.Gone(retirement.group, let_go=True)
            gone[key] = state.Gone(retirement.group, let_go=True)
        else:
            retired[key] = settled
    return dataclasses.replace(fleet, retired=retired, gone=gone)


def _shown(
    retirement: state.Retirement, instance: contract.Instance, now: float, *, after: bool
) -> state.Retirement:
    same = retirement.instance_id == instance.id
    retirement = dataclasses.replace(
        retirement, instance_id=instance.id, provider_id=instance.provider_id, absences=0
    )
    if retirement.deletion is state.Deletion.AWAITED or not same:
        return dataclasses.replace(
            retirement, deletion=state.Deletion.OWED, not_before=now, looking=False
        )
    if retirement.deletion is state.Deletion.DONE and after:
        wait = min(REPEAT_DELETE_S * 2 ** max(retirement.attempts - 1, 0), MAX_REPEAT_DELETE_S)
        due = retirement.doubtful_since + wait
        return dataclasses.replace(
            retirement, deletion=state.Deletion.OWED, not_before=max(now, due)
        )
    return retirement


def _absent(retirement: state.Retirement, now: float, *, after: bool) -> state.Retirement | None:
    if not after or retirement.deletion not in (state.Deletion.DONE, state.Deletion.AWAITED):
        return retirement
    if retirement.deletion is state.Deletion.AWAITED and retirement.doubtful_since == state.NEVER:
        return retirement
    absences = retirement.absences + 1
    if absences >= ABSENCES and retirement.deletion is state.Deletion.DONE:
        return None
    return dataclasses.replace(retirement, absences=absences, not_before=now)


def _first_covers(fleet: state.Fleet, account: str, unix_now: float) -> state.Fleet:
    """Treat our own start as a start of CA: what it asked of the process before us is forgotten."""
    covers = dict(fleet.covers)
    for name, group in fleet.groups.items():
        if group.account == account:
            covers[name] = view.in_the_air(fleet, name, unix_now)
    return dataclasses.replace(fleet, covers=covers)


def _tidy(fleet: state.Fleet) -> state.Fleet:
    """Forget departed groups that are empty, ids that no longer mean anything, old memories."""
    node_groups = {
        name: group
        for name, group in fleet.groups.items()
        if not group.departed or view.members(fleet, name) or view.leaving(fleet, name)
    }
    known = fleet.index.by_provider_id.keys() | fleet.missing.keys()
    gone = fleet.gone
    excess = len(gone) - GONE_REMEMBERED
    if excess > 0:
        gone = dict(list(gone.items())[excess:])
    return dataclasses.replace(
        fleet,
        groups=node_groups,
        gone=gone,
        registered=fleet.registered & known,
    )
