"""Say "not now" to CA in the one way that costs nothing: the shown maxSize is the target.

No growth is refused, so no group is backed off, and the next Refresh undoes it. Launches that were
not sent fail as OutOfResources with the reason; deletions that are owed go on.
"""

from __future__ import annotations

from typing import NamedTuple

from externalgrpc.fleet import pausing, quarantine, state, vanishing, view
from externalgrpc.model import groups

ORDER_RATE = "OrderRate"
"""The code of the brake on orders."""

PAUSED = "Paused"
"""The code of what the operator paused."""


class NotNow(NamedTuple):
    """Why a group gets no machine for now: a code from a small fixed set, and a sentence."""

    code: str
    reason: str


def why(fleet: state.Fleet, group: str) -> NotNow | None:
    """Return why a group gets no machine for now; None when it may."""
    configured = fleet.groups[group]
    if configured.paused:
        return NotNow(PAUSED, pausing.of_group(fleet, group))
    return why_account(fleet, configured.account)


def why_account(fleet: state.Fleet, name: str) -> NotNow | None:
    """Return why an account gets no machine for now; None when it may."""
    account = fleet.accounts.get(name)
    if account is None:
        return None
    known = fleet.memo.not_now
    if name not in known:
        said = pausing.of_account(fleet, name)
        known[name] = NotNow(PAUSED, said) if said else _why(fleet, account)
    return known[name]


def bounds(fleet: state.Fleet, group: str) -> tuple[int, int]:
    """Return the sizes that CA is shown, least and most."""
    wanted = fleet.groups[group]
    size = view.target(fleet, group)
    if wanted.departed:
        return wanted.min_size, max(wanted.max_size, size)
    if wanted.deletion:
        return 0, size
    most = wanted.max_size
    if why(fleet, group) is not None:
        most = size
    elif (room := view.room(fleet, group)) < most:
        most = min(most, max(room, size))
    return min(wanted.min_size, most), most


def failure(said: NotNow) -> state.Failure:
    """Say it of a launch that was not sent."""
    return state.Failure(state.ErrorClass.OUT_OF_RESOURCES, said.code, said.reason)


def _why(fleet: state.Fleet, account: state.AccountState) -> NotNow | None:
    if fleet.outage:
        return NotNow("Outage", f"{fleet.outage}: nothing is ordered in their place")
    lost = vanishing.vanished(fleet, account.name)
    if lost and not account.believe_vanished:
        return NotNow(
            "Outage",
            f"{lost}: nothing is ordered in their place until look-ups and Nodes agree, or "
            "accounts[].believeVanished says so",
        )
    if foreign := quarantine.blocks(fleet, account):
        return NotNow("ForeignMachines", foreign)
    if result := renamed(fleet, account):
        return NotNow("ClusterRenamed", result)
    if account.orders and len(account.orders) >= (most := most_orders(fleet, account)):
        return NotNow(
            ORDER_RATE,
            f"account {account.name} has ordered {len(account.orders)} machines within an hour, "
            f"maxOrdersPerHour is {most}",
        )
    return None


def most_orders(fleet: state.Fleet, account: state.AccountState) -> int:
    """Return how many machines may be ordered at an account within an hour."""
    if account.max_orders_per_hour is not None:
        return account.max_orders_per_hour
    sizes = sum(
        each.max_size
        for each in fleet.groups.values()
        if each.account == account.name and not each.trial_of
    )
    return max(groups.DEFAULT_ORDERS_PER_HOUR, 2 * sizes)


def renamed(fleet: state.Fleet, account: state.AccountState) -> str:
    """Say that machines of this very cluster stand under another name of it."""
    if not fleet.identity:
        return ""
    others = [
        each
        for each in account.neighbours or ()
        if each.identity == fleet.identity and each.cluster != fleet.cluster
    ]
    if not others:
        return ""
    text = ", ".join(f"{each.count} of {each.cluster!r}" for each in others)
    return (
        f"account {account.name} holds machines of this cluster under another name ({text}), "
        f"the configuration says {fleet.cluster!r}: was it renamed? Name it as it was, or delete "
        "them with purge --cluster"
    )
