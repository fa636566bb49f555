"""Take a new configuration, and forget what departed once nothing hangs on it any more."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from externalgrpc.fleet import index, retired, state, verdicts, view
from externalgrpc.model import groups

ORPHAN = "Orphan"
"""The deletionPolicy of a VPSNode whose machines are given up as soon as it is deleted."""


def configure(
    fleet: state.Fleet,
    node_groups: Iterable[groups.NodeGroup],
    accounts: Iterable[state.AccountState],
    *,
    blocked: Mapping[str, str],
) -> state.Fleet:
    """Take a new configuration; what the fleet has stays.

    A group that is gone from the configuration and still has machines stays visible with min 0
    and refuses growth, until it is empty; its launches that were not sent are withdrawn. An
    account that is gone is listed for as long as something of ours hangs on it. A group whose
    machines are made otherwise from now on starts with a clean slate: the joins that failed were
    of other machines. A group that was given up on purpose (:data:`ORPHAN`) is forgotten at once,
    unless something of it is in the air. ``blocked`` says of groups that cannot work as configured
    why.
    """
    wanted = {group.name: group for group in node_groups}
    wanted |= _trials(fleet, wanted)
    fleet = retired.withdraw(
        fleet,
        [
            launch.name
            for launch in fleet.launches.values()
            if launch.group not in wanted and launch.phase is state.Phase.HELD
        ],
    )
    fleet = _with_accounts(fleet, {account.name: account for account in accounts})
    flying = {launch.group for launch in fleet.launches.values()}
    for name, group in fleet.groups.items():
        if group.deletion == ORPHAN and name not in flying:
            continue
        if name not in wanted and (view.target(fleet, name) or view.leaving(fleet, name)):
            # What paused it, or asked for repair, is gone with it: nobody could take that back.
            wanted[name] = dataclasses.replace(
                group, min_size=0, departed=True, paused=False, repair_after_s=None
            )
    # What nothing can be made of can no trial be made of.
    blocked = {
        **blocked,
        **{
            name: blocked[group.trial_of]
            for name, group in wanted.items()
            if group.trial_of in blocked
        },
    }
    strikes = {
        name: held
        for name, held in fleet.strikes.items()
        if name in wanted and name in fleet.groups and _alike(wanted[name], fleet.groups[name])
    }
    fleet = dataclasses.replace(fleet, groups=wanted, blocked=dict(blocked), strikes=strikes)
    return prune(verdicts.suspend(fleet))


def prune(fleet: state.Fleet) -> state.Fleet:
    """Forget departed groups that are empty, and departed accounts that nothing hangs on."""
    node_groups = {
        name: group
        for name, group in fleet.groups.items()
        if not group.departed
        or view.target(fleet, name)
        or view.leaving(fleet, name)
        # A trial's order may land yet: until then its caps are those of the group that is tried.
        or (group.trial_of and any(held.group == name for held in fleet.retired.values()))
    }
    pending_at_start = {
        name: held for name, held in fleet.pending_at_start.items() if name in node_groups
    }
    if len(node_groups) < len(fleet.groups) or len(pending_at_start) < len(fleet.pending_at_start):
        quarantine = {
            # A machine of no group of ours is nobody's to judge.
            provider_id: held
            for provider_id, held in fleet.quarantine.items()
            if (shown := view.known(fleet, provider_id)) is None or shown.group in node_groups
        }
        fleet = dataclasses.replace(
            fleet,
            groups=node_groups,
            pending_at_start=pending_at_start,
            quarantine=quarantine if len(quarantine) < len(fleet.quarantine) else fleet.quarantine,
        )
    if not any(account.departed for account in fleet.accounts.values()):
        return fleet
    needed = _accounts_needed(fleet)
    accounts = {
        name: account
        for name, account in fleet.accounts.items()
        if name in needed or not account.departed
    }
    if len(accounts) == len(fleet.accounts):
        return fleet
    built = index.build(accounts.values(), fleet.retired)
    return dataclasses.replace(fleet, accounts=accounts, index=built)


def _trials(
    fleet: state.Fleet, wanted: Mapping[str, groups.NodeGroup]
) -> dict[str, groups.NodeGroup]:
    """Return the trials that go on: their groups are still configured, at the same account."""
    found: dict[str, groups.NodeGroup] = {}
    for name, trial in fleet.groups.items():
        base = wanted.get(trial.trial_of)
        if base is not None and base.account == trial.account and name not in wanted:
            found[name] = dataclasses.replace(
                trial,
                paused=base.paused,
                cap=base.cap,
                hold=base.hold,
                departed=trial.departed or base.closing,
            )
    return found


def _alike(one: groups.NodeGroup, other: groups.NodeGroup) -> bool:
    """Return whether two groups differ in how much of them there may be at most."""
    sized = dataclasses.replace(
        one,
        min_size=other.min_size,
        max_size=other.max_size,
        departed=other.departed,
        hold=other.hold,
        paused=other.paused,
        deletion=other.deletion,
        cap=other.cap,
        surge=other.surge,
        repair_after_s=other.repair_after_s,
        target_cpu=other.target_cpu,
        headroom=other.headroom,
    )
    return sized == other


def _with_accounts(fleet: state.Fleet, configured: Mapping[str, state.AccountState]) -> state.Fleet:
    """Take the accounts of a configuration; what is known of those that stay is kept.

    An account that became another cloud's is a new one: nothing that was its own can be asked
    for or deleted through it any more.
    """
    held = fleet.accounts
    replaced = {
        name
        for name, account in configured.items()
        if name in held and held[name].provider != account.provider
    }
    kept: dict[str, state.AccountState] = {
        name: dataclasses.replace(account, departed=name not in configured, paused=False)
        for name, account in held.items()
    }
    for name, account in configured.items():
        if name not in held or name in replaced:
            kept[name] = account
            continue
        kept[name] = dataclasses.replace(
            kept[name],
            settle_s=account.settle_s,
            rate_per_s=account.rate_per_s,
            hands=account.hands,
            costs=account.costs,
            pace=account.pace,
            marking=account.marking,
            neighbourly=account.neighbourly,
            tidying=account.tidying,
            finishing=account.finishing,
            leaving=account.leaving,
            foreign=account.foreign,
            believe_vanished=account.believe_vanished,
            max_orders_per_hour=account.max_orders_per_hour,
            paused=account.paused,
            cap=account.cap,
        )
    if not replaced:
        return dataclasses.replace(fleet, accounts=kept)
    return dataclasses.replace(
        fleet,
        accounts=kept,
        index=index.build(kept.values(), fleet.retired),
        launches={
            name: launch
            for name, launch in fleet.launches.items()
            if launch.account not in replaced or launch.phase is state.Phase.HELD
        },
        retired={key: r for key, r in fleet.retired.items() if r.account not in replaced},
        missing={key: m for key, m in fleet.missing.items() if m.account not in replaced},
        finishes={key: f for key, f in fleet.finishes.items() if f.account not in replaced},
    )


def _accounts_needed(fleet: state.Fleet) -> set[str]:
    shown = fleet.index
    return (
        {group.account for group in fleet.groups.values()}
        | {launch.account for launch in fleet.launches.values()}
        | {retirement.account for retirement in fleet.retired.values()}
        | {missing.account for missing in fleet.missing.values()}
        | {
            shown.account_of[member.provider_id]
            for name in fleet.groups
            for member in shown.members.get(name, {}).values()
        }
        | {
            shown.account_of[instance.provider_id]
            for name in fleet.groups
            for instance in shown.deleting.get(name, ())
        }
    )
