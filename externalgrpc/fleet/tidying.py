"""Leave nothing behind: what an order made beside its machine goes with the group's last one.

Placement groups, tags that are things of their own: whatever the cloud can clear. Asked for when
machines are proved gone, never while something of the group is in the air, so that nothing is
cleared that an order is about to use.
"""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import requests, state, view
from providers import errors

RETRY_S = 300.0


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
        if not account.untidy or not agenda.due(account.tidy_at):
            continue
        busy = _in_the_air(fleet)
        left = [each for each in account.untidy if each[0] not in busy]
        if not left:
            continue
        groups = frozenset(group for group, _ in left if _is_empty(fleet, group))
        nodes = frozenset(node for _, node in left)
        agenda.ask(requests.Tidy(name, groups, nodes))
        changed[name] = dataclasses.replace(account, tidy_at=float("inf"))
    if not changed:
        return fleet
    return dataclasses.replace(fleet, accounts={**fleet.accounts, **changed})


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
        left = frozenset(each for each in account.untidy if each[1] not in request.nodes)
        account = dataclasses.replace(account, untidy=left, tidy_at=state.NEVER)
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account.name: account})


def _in_the_air(fleet: state.Fleet) -> set[str]:
    """Name the groups of which an order or a deletion is still open."""
    launches, retired = fleet.launches.values(), fleet.retired.values()
    return {each.group for each in launches} | {each.group for each in retired}


def _is_empty(fleet: state.Fleet, group: str) -> bool:
    """Tell whether nothing stands that carries a group's mark, whatever we think of it."""
    if group in fleet.groups and view.target(fleet, group):
        return False
    return not any(each.group == group for each in fleet.index.by_provider_id.values())
