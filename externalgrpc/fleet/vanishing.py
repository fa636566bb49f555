"""Believe that machines are gone: one soon, many only when much says so.

The token of an empty project shows what a catastrophe would: every listing is empty, every look-up
says that there is no such machine. So when more of an account's machines vanish than may be
chance, they stay members, nothing is ordered in their place, and they are gone only when look-ups
have said so twice, minutes apart, while their Nodes are not ready or not there; or when the
operator says so.
"""

from __future__ import annotations

import dataclasses
import math

from externalgrpc.fleet import claims, keys, state, tidying
from providers import contract

LOST = 3
"""So many machines that were nodes may be lost before it counts as an outage..."""

LOST_SHARE = 0.45
"""... and this part of them; the two are CA's own measures of a sick cluster."""

APART_S = 180.0
"""How far apart the two look-ups are that must agree when many have vanished."""

STILL_READY_S = 30.0
"""How long to wait for another look at a machine that is called gone while its Node is ready."""

LOOK_UPS = 2


def is_outage(lost: int, of: int) -> bool:
    """Return whether so many lost machines, of so many that were nodes, are more than chance."""
    return lost > max(LOST, LOST_SHARE * of)


def vanished(fleet: state.Fleet, account: str) -> str:
    """Say that an account's machines have vanished at large; empty when they have not."""
    found = fleet.memo.vanished.get(account)
    if found is None:
        found = fleet.memo.vanished[account] = _vanished(fleet, account)
    return found


def said_gone(fleet: state.Fleet, held: state.Missing, *, now: float) -> state.Fleet:
    """Take a look-up's word that a missing machine is not there."""
    since = held.gone_since if held.absences else now
    held = dataclasses.replace(
        held, looking=False, absences=held.absences + 1, gone_since=since, look_at=math.inf
    )
    missing = {**fleet.missing, held.instance.provider_id: held}
    fleet = dataclasses.replace(fleet, missing=missing)
    wait_until = _wait_until(fleet, held, now)
    if wait_until > now:
        missing = {
            **missing,
            held.instance.provider_id: dataclasses.replace(held, look_at=wait_until),
        }
        return dataclasses.replace(fleet, missing=missing)
    return _gone(fleet, held, now)


def nodes_changed(fleet: state.Fleet, *, now: float) -> state.Fleet:
    """Look again at once at what was called gone while its Node was ready, and is not any more."""
    missing = {
        provider_id: (
            dataclasses.replace(held, look_at=now)
            if held.absences and not held.looking and not node_is_ready(fleet, held.instance)
            else held
        )
        for provider_id, held in fleet.missing.items()
    }
    return dataclasses.replace(fleet, missing=missing) if missing != fleet.missing else fleet


def _wait_until(fleet: state.Fleet, held: state.Missing, now: float) -> float:
    """Return when to look again before a machine is believed gone; now when it is believed."""
    account = fleet.accounts[held.account]
    large = bool(vanished(fleet, held.account)) and not account.believe_vanished
    if node_is_ready(fleet, held.instance):
        # Whatever the cloud says: a Node that reports is a machine that lives.
        return now + (APART_S if large else STILL_READY_S)
    if not large:
        return now
    if fleet.nodes is None or held.absences < LOOK_UPS or now - held.gone_since < APART_S:
        return now + APART_S
    return now


def node_is_ready(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a Node of the cluster that is a machine reports itself ready."""
    if fleet.nodes is None:
        return False
    return any(
        fleet.nodes[name].ready and claims.agrees(fleet, instance, name)
        for name in claims.by_provider_id(fleet).get(instance.provider_id, ())
    )


def _gone(fleet: state.Fleet, held: state.Missing, now: float) -> state.Fleet:
    provider_id = held.instance.provider_id
    key = keys.key_of(fleet, held.instance)
    lost = state.Gone(held.instance.group, terminated=False, at=now)
    gone = {**fleet.gone, provider_id: lost}
    gone.setdefault(key, lost)
    missing = {each: kept for each, kept in fleet.missing.items() if each != provider_id}
    doubts = {each: kept for each, kept in fleet.quarantine.items() if each != provider_id}
    fleet = dataclasses.replace(fleet, missing=missing, gone=gone, quarantine=doubts)
    left = frozenset({(held.instance.group, held.instance.node_name)})
    return tidying.gone(fleet, held.account, left)


def _vanished(fleet: state.Fleet, account: str) -> str:
    """Count what an account's listings lack, or show as going though nobody let it go."""
    lost = {
        provider_id
        for provider_id, held in fleet.missing.items()
        if held.account == account
        # An order may have become a node before any listing showed it.
        and (provider_id in fleet.registered or claims.claimed(fleet, held.instance))
    }
    for name in fleet.groups:
        lost |= {
            each.provider_id
            for each in fleet.index.deleting.get(name, ())
            if each.provider_id in fleet.registered
            and fleet.index.account_of.get(each.provider_id) == account
            and not keys.is_retired(fleet, each)
        }
    if len(lost) <= LOST:
        return ""
    were = lost | {
        provider_id
        for provider_id in fleet.registered
        if fleet.index.account_of.get(provider_id) == account
    }
    if not is_outage(len(lost), len(were)):
        return ""
    return f"{len(lost)} of {len(were)} machines of account {account} that were nodes have vanished"
