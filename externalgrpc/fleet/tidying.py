"""Leave nothing behind: what an order made beside its machine goes with the group's last one.

Placement groups, tags that are things of their own: whatever the cloud can clear. Asked for when
machines are proved gone, never while something of the group is in the air, so that nothing is
cleared that an order is about to use, and not while it is paused. What a process that died before
us did not clear is found in the cloud's own listing of what carries our mark, once that of machines
can be trusted.
"""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import pausing, requests, state, view
from providers import contract, errors

RETRY_S = 300.0

LOOK_S = 3600.0
"""How often the cloud is asked what lies beside machines."""


def gone(fleet: state.Fleet, account: str, machines: frozenset[tuple[str, str]]) -> state.Fleet:
    """Note machines that are proved gone, as (group, node name)."""
    held = fleet.accounts.get(account)
    if held is None or not held.tidying or machines <= held.untidy:
        return fleet
    held = dataclasses.replace(held, untidy=held.untidy | machines)
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})


def plan(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    """Ask for what is left of machines that are gone, where nothing is in the air."""
    changed: dict[str, state.AccountState] = {}
    for name, account in fleet.accounts.items():
        if account.leaving and account.settled and agenda.due(account.leftovers_at):
            agenda.ask(requests.ReadLeftovers(name))
            changed[name] = dataclasses.replace(account, leftovers_at=float("inf"))
            continue
        if not account.untidy or not agenda.due(account.tidy_at):
            continue
        busy = _in_the_air(fleet)
        left = [
            (group, node)
            for group, node in account.untidy
            if group not in busy
            and (node or _is_empty(fleet, group))
            and not pausing.own_word(fleet, group, name)
        ]
        if not left:
            continue
        groups = frozenset(group for group, _ in left if _is_empty(fleet, group))
        nodes = frozenset(node for _, node in left if node)
        agenda.ask(requests.Tidy(name, groups, nodes))
        changed[name] = dataclasses.replace(account, tidy_at=float("inf"))
    if not changed:
        return fleet
    return dataclasses.replace(fleet, accounts={**fleet.accounts, **changed})


def found(
    fleet: state.Fleet, account: str, values: tuple[contract.Leftover, ...] | None, *, now: float
) -> state.Fleet:
    """Take what lies beside machines: what belongs to none that stands is noted to be cleared.

    None where the cloud could not be asked: nothing is learned by that.

    Only now, after the listing that showed it: whoever ordered it has a launch by this time, or a
    machine. What nobody here can own is cleared by :func:`plan`, which asks the cloud once more.
    """
    held = fleet.accounts.get(account)
    if held is None:
        return fleet
    if values is None:
        held = dataclasses.replace(held, leftovers_at=now + LOOK_S)
        return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})
    spares = _spares(fleet, values)
    standing = {each.node_name for each in fleet.index.by_provider_id.values()}
    standing |= {*fleet.launches, *(each.name for each in fleet.retired.values())}
    owners = {(each.group, each.node_name) for each in values}
    orphans = {
        (group, node)
        for group, node in owners
        if (node not in standing if node else group and _is_empty(fleet, group))
    }
    held = dataclasses.replace(
        held, untidy=held.untidy | orphans, spares=spares, leftovers_at=now + LOOK_S
    )
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})


def tidied(
    fleet: state.Fleet, request: requests.Tidy, error: errors.CloudError | None, *, now: float
) -> state.Fleet:
    """Take the answer: what was asked for is done, or asked for again later."""
    account = fleet.accounts.get(request.account)
    if account is None:
        return fleet
    if error is not None:
        account = dataclasses.replace(account, tidy_at=now + RETRY_S)
    else:
        left = frozenset(
            (group, node)
            for group, node in account.untidy
            if (node not in request.nodes if node else group not in request.groups)
        )
        account = dataclasses.replace(account, untidy=left, tidy_at=state.NEVER)
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account.name: account})


def _spares(
    fleet: state.Fleet, values: tuple[contract.Leftover, ...]
) -> tuple[contract.Leftover, ...]:
    """Return what costs money, is used by nothing, and belongs to a machine that stands.

    Not where an order or a deletion of that name is open: it may be used in a moment, or goes.
    """
    settled = {each.node_name for each in fleet.index.by_provider_id.values()}
    settled -= {*fleet.launches, *(each.name for each in fleet.retired.values())}
    found = (each for each in values if each.unused and each.node_name in settled)
    return tuple(sorted(found, key=lambda each: (each.node_name, each.kind, each.id)))


def _in_the_air(fleet: state.Fleet) -> set[str]:
    """Name the groups of which an order or a deletion is still open."""
    launches, retired = fleet.launches.values(), fleet.retired.values()
    return {each.group for each in launches} | {each.group for each in retired}


def _is_empty(fleet: state.Fleet, group: str) -> bool:
    """Return whether nothing stands that carries a group's mark, whatever we think of it."""
    if group in fleet.groups and view.target(fleet, group):
        return False
    return not any(each.group == group for each in fleet.index.by_provider_id.values())
