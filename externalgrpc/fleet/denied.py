"""Doubt that what a cloud denied is gone: the Node of an order that was given up proves that it is.

An accepted order that listings lack and whose look-up says that there is no such machine is given
up, and another takes its place. Nobody drained it. Where it is a node after all (the token of an
empty project shows just that, in the middle of a growth) it is a member like any other again.
"""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import claims, identity, state, view
from providers import contract


def is_node(fleet: state.Fleet, launch: state.Launch) -> bool:
    """Tell whether a Node shows that a launch's machine lives, whatever the cloud says."""
    if launch.instance is None:
        return False
    named = dataclasses.replace(launch.instance, node_name=launch.name, group=launch.group)
    return claims.shows_life(fleet, named)


def holds(fleet: state.Fleet, provider_id: str) -> bool:
    """Tell whether a machine was given up on the cloud's word alone: its Node is news."""
    gone = fleet.gone.get(provider_id)
    return (gone is not None and gone.denied) or provider_id in _retired(fleet)


def lives(fleet: state.Fleet, retirement: state.Retirement) -> bool:
    """Tell whether a Node claims a machine that was given up: its deletion waits."""
    provider_id = view.machine_of(fleet, retirement)
    claimed = provider_id in fleet.registered or provider_id in fleet.misnamed
    return retirement.denied and (claimed or provider_id in claims.by_provider_id(fleet))


def disprove(fleet: state.Fleet, snapshot: state.Snapshot) -> state.Fleet:
    """Make machines that are shown again members again, where a Node shows that they live."""
    living = {
        instance.provider_id: instance
        for instance in snapshot.instances
        if holds(fleet, instance.provider_id)
        and instance.state is not contract.InstanceState.DELETING
        and claims.shows_life(fleet, instance)
    }
    if not living:
        return fleet
    names = {identity.key_of(each) for each in living.values()}
    return dataclasses.replace(
        fleet,
        retired={
            key: held
            for key, held in fleet.retired.items()
            if not (held.denied and view.machine_of(fleet, held) in living)
        },
        gone={
            key: held
            for key, held in fleet.gone.items()
            if not (held.denied and (key in living or key in names))
        },
    )


def _retired(fleet: state.Fleet) -> frozenset[str]:
    memo = fleet.memo
    found: frozenset[str] | None = memo.get(("denied",))
    if found is None:
        machines = (view.machine_of(fleet, each) for each in fleet.retired.values() if each.denied)
        found = memo[("denied",)] = frozenset(filter(None, machines))
    return found
