"""Watch machines become nodes: who did not in time, and which group's machines never do.

Judged only where the cluster is known and its Nodes were listed. A machine that failed to join is
shown to CA as being created, with the error: CA deletes such at once. What CA leaves is let go by
:func:`overdue`. A group whose joins fail in a row is held back, so that it does not burn an hourly
minimum in a loop.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from externalgrpc import groups
from externalgrpc.fleet import identity, state, view
from providers import contract

PATIENCE_S = 120.0
"""How long CA has to let a machine go that failed to join, before we do."""

STRIKES = 3
"""So many failed joins in a row hold a group back."""

HELD_BACK_S = 300.0
"""For how long at first; doubling with each further one up to MAX_HELD_BACK_S."""

MAX_HELD_BACK_S = 3600.0


def judge(
    fleet: state.Fleet, joined: Collection[str], *, now: float, unix_now: float
) -> state.Fleet:
    """Mark machines that are no nodes and will not be; ``joined`` holds ids and names of Nodes.

    A machine has failed when it powered itself off before it was a node (our join script does
    so), or when its group's time for joining is over. One that is a node after all is forgiven.
    """
    unjoined: dict[str, state.Unjoined] = {}
    strikes = dict(fleet.strikes)
    for name, group in fleet.groups.items():
        for member in view.members(fleet, name):
            instance = member.instance
            if instance is None:
                continue
            if instance.provider_id in joined or instance.node_name in joined:
                if member.name in fleet.unjoined or _is_young(instance, group, unix_now):
                    strikes.pop(name, None)
                continue
            known = fleet.unjoined.get(member.name)
            failure = known.failure if known else _failure(fleet, instance, group, unix_now)
            if failure is None:
                continue
            if known is None:
                known = state.Unjoined(now, failure)
                before = strikes.get(name)
                strikes[name] = state.Strikes(before.count + 1 if before else 1, now)
            unjoined[member.name] = known
    if unjoined == fleet.unjoined and strikes == fleet.strikes:
        return fleet
    return dataclasses.replace(fleet, unjoined=unjoined, strikes=strikes)


def overdue(fleet: state.Fleet, now: float) -> Sequence[state.Member]:
    """List machines that failed to join and that CA has left for too long."""
    late = {key for key, held in fleet.unjoined.items() if now - held.since > PATIENCE_S}
    if not late:
        return ()
    return [
        member
        for name in fleet.groups
        for member in view.members(fleet, name)
        if member.name in late and member.failure is not None
    ]


def held_back(fleet: state.Fleet, group: str, now: float) -> str:
    """Say why a group may not grow for now; empty when it may."""
    strikes = fleet.strikes.get(group)
    if strikes is None or strikes.count < STRIKES:
        return ""
    wait_s = min(HELD_BACK_S * 2.0 ** (strikes.count - STRIKES), MAX_HELD_BACK_S)
    left_s = strikes.last_at + wait_s - now
    if left_s <= 0:
        return ""
    return (
        f"{strikes.count} machines in a row did not become nodes; the group is held back for "
        f"another {left_s:.0f} s"
    )


def _failure(
    fleet: state.Fleet, instance: contract.Instance, group: groups.NodeGroup, unix_now: float
) -> state.Failure | None:
    if instance.provider_id in fleet.registered or not instance.created_at:
        return None
    age_s = unix_now - instance.created_at
    if instance.state is contract.InstanceState.STOPPED:
        return state.Failure(
            state.ErrorClass.OTHER,
            "JoinFailed",
            f"{identity.key_of(instance)} went off before it became a node, {age_s:.0f} s after "
            "its creation: its serial console says why",
        )
    if instance.state is contract.InstanceState.RUNNING and age_s > group.provision_timeout_s:
        return state.Failure(
            state.ErrorClass.OTHER,
            "JoinTimeout",
            f"{identity.key_of(instance)} runs and did not become a node within "
            f"{group.provision_timeout_s:.0f} s",
        )
    return None


def _is_young(instance: contract.Instance, group: groups.NodeGroup, unix_now: float) -> bool:
    return unix_now - instance.created_at < group.provision_timeout_s
