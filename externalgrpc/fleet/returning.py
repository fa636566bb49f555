"""Retire again what a listing shows once more, and the second machines of orders."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import claims, identity, keys, proof, retired, state
from providers import contract


def retire_again(fleet: state.Fleet, snapshot: state.Snapshot, *, now: float) -> state.Fleet:
    """Retire again what CA deleted, what was gone, and is shown again: that very machine.

    By the cloud's id, or by its name where it came of the order of that name: a tombstone's
    machine had no id when it was retired. Any other machine may bear the name; see :func:`doubles`.
    """
    again: dict[str, state.Retirement] = {}
    for instance in snapshot.instances if fleet.gone else ():
        if instance.state is contract.InstanceState.DELETING or keys.is_retired(fleet, instance):
            continue
        came = proof.is_our_order(fleet, instance) and _was_terminated(fleet, instance.node_name)
        by_name = came and not claims.shows_life(fleet, instance)
        gone = fleet.gone.get(instance.provider_id)
        drained = gone is not None and gone.drained
        by_id = gone is not None and gone.terminated
        lives = claims.is_well if gone is not None and gone.repair else claims.lives
        stays = not drained and lives(fleet, instance.provider_id, instance.node_name)
        if by_name or (by_id and not stays):
            key = identity.key_of(instance) if by_name else keys.key_of(fleet, instance)
            if key in again:
                # Several bear one name, by an API that lies or by edited labels: each goes again.
                key = instance.provider_id
            why = gone if by_id else fleet.gone.get(instance.node_name)
            own, repair = why is not None and why.own, why is not None and why.repair
            again[key] = retired.owed(
                instance,
                snapshot.account,
                now,
                key=key,
                drained=drained,
                own=own,
                repair=repair,
            )
    if not again:
        return fleet
    return dataclasses.replace(fleet, retired={**fleet.retired, **again})


def doubles(fleet: state.Fleet, snapshot: state.Snapshot, *, now: float) -> state.Fleet:
    """Retire second machines of our own orders (some clouds allow two of a name).

    Where the name was retired, at once; where it is in use, when two listings a settling time apart
    have proved it. Whatever else shares a name stays, and is shown.
    """
    surplus: dict[str, state.Retirement] = {}
    for instance in snapshot.instances if fleet.minted else ():
        if instance.state is contract.InstanceState.DELETING or keys.is_retired(fleet, instance):
            continue
        account, name = snapshot.account, instance.node_name
        if instance.provider_id not in fleet.doubled or proof.may_be_anothers(fleet, instance):
            continue
        over = proof.was_let_go(fleet, name)
        if over or proof.double_settled(fleet, instance, snapshot):
            key = instance.provider_id
            own = not over or _was_own(fleet, name)
            surplus[key] = retired.owed(instance, account, now, key=key, surplus=True, own=own)
    if not surplus:
        return fleet
    return dataclasses.replace(fleet, retired={**fleet.retired, **surplus})


def _was_terminated(fleet: state.Fleet, key: str) -> bool:
    gone = fleet.gone.get(key)
    return gone is not None and gone.terminated


def _was_own(fleet: state.Fleet, name: str) -> bool:
    """Return whether a name was retired on our own word."""
    held = fleet.retired.get(name) or fleet.gone.get(name)
    return held is not None and held.own
