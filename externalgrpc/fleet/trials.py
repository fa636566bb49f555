"""Order one machine of a group on the operator's word, to see whether it becomes a node.

A trial is a group of its own, which the autoscaler is never shown: the tried group as it is, with
a taint that keeps workloads away. So its machine takes the same way as any other, under the same
caps, and is in nobody's Nodes and TargetSize; it counts against the maxSize and the spend cap of
the group that is tried. Its group's mark says what it is to whoever lists it, this process or one
after it. There is one trial at a time.

A trial's machine is deleted though it is a Ready node, on the operator's word alone: by this
process only what came of its own orders; what a process that died left, only with the cluster's
identity and the mark of a trial, when a person says so (:func:`clear`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from externalgrpc.fleet import (
    configured,
    identity,
    joins,
    keys,
    notnow,
    proof,
    retired,
    state,
    view,
)
from externalgrpc.fleet import wishes as asked
from externalgrpc.model import by_hand, fleet_errors, groups, names
from providers import contract

TAINT = "vps-autoscaler/trial"
"""The key of the taint with which a trial's Node registers; its value is the tried group's name."""


def shadow(base: groups.NodeGroup) -> groups.NodeGroup:
    """Make the group of a trial: the tried one, kept from workloads and from whoever scales it."""
    if base.trial_of:
        return dataclasses.replace(base, departed=False)
    return dataclasses.replace(
        base,
        name=names.trial_group(base.name, groups.MAX_GROUP_NAME),
        trial_of=base.name,
        min_size=0,
        taints=(*base.taints, groups.Taint(key=TAINT, value=base.name, effect="NoSchedule")),
        target_cpu=None,
        headroom=groups.Headroom(),
        repair_after_s=None,
        vps_node=False,
    )


def start(
    fleet: state.Fleet, group: str, *, mint: Iterator[str], now: float
) -> tuple[state.Fleet, str]:
    """Order one machine for a trial of a group; gives the name of the trial's own group.

    Raises UnknownGroup, OutOfBounds where it may not be, NotReady where it may not be yet, StandsBy
    where another server acts.
    """
    _acts(fleet)
    base = fleet.groups.get(group) or _alone(fleet, group)
    if base is None:
        raise fleet_errors.UnknownGroup(f"no node group {group!r}")
    trial = shadow(base)
    if (busy := under_way(fleet)) is not None:
        raise fleet_errors.OutOfBounds(
            f"{group}: a trial of {busy.trial_of} is under way; there is one at a time"
        )
    left = [each for each in leftovers(fleet) if each.group == trial.name]
    if left:
        raise fleet_errors.OutOfBounds(
            f"{group}: {left[0].provider_id} has the mark of this group's trials and is of none "
            f"that this server knows; delete it first: {cure(fleet, left[0])}"
        )
    if why := _unfit(fleet, base):
        raise fleet_errors.OutOfBounds(f"{group}: {why}")
    if fleet.awaited:
        raise fleet_errors.NotReady(f"{group}: {fleet.awaited}")
    strikes = {name: held for name, held in fleet.strikes.items() if name != trial.name}
    launch_name = next(name for name in mint if not identity.name_is_taken(fleet, name))
    launch = state.Launch(name=launch_name, group=trial.name, account=trial.account, born=now)
    tried = dataclasses.replace(
        fleet,
        groups={**fleet.groups, trial.name: trial},
        strikes=strikes,
        launches={**fleet.launches, launch_name: launch},
        minted={**fleet.minted, launch_name: ""},
    )
    unseen = asked.blind(fleet.accounts[trial.account], now)
    if why := unseen or view.trouble(tried, trial.name) or joins.held_back(fleet, group, now):
        raise fleet_errors.NotReady(f"{group}: {why}")
    if (said := notnow.why(tried, trial.name)) is not None:
        raise fleet_errors.OutOfBounds(f"{group}: {said.code}: {said.reason}")
    return tried, trial.name


def end(fleet: state.Fleet, trial: str, *, now: float) -> state.Fleet:
    """Delete what this process ordered for a trial, Ready or not; the group goes with the last.

    Idempotent; to be said again until :func:`is_over`, for an order that is under way may make a
    machine yet.
    """
    group = fleet.groups.get(trial)
    if group is None or not group.trial_of:
        return fleet
    members = [each for each in view.members(fleet, trial) if _came_of_us(fleet, each)]
    members += [
        state.Member(
            name=keys.key_of(fleet, each),
            provider_id=each.provider_id,
            showing=state.Showing.RUNNING,
            instance=each,
        )
        for each in view.quarantined(fleet, trial)
        if _ordered_for_a_trial(fleet, each)
    ]
    drained = frozenset(member.name for member in members)
    fleet = retired.terminated(fleet, members, now=now, drained=drained)
    if not group.departed:
        departed = dataclasses.replace(group, departed=True)
        fleet = dataclasses.replace(fleet, groups={**fleet.groups, trial: departed})
    return configured.prune(fleet)


def clear(fleet: state.Fleet, provider_id: str, *, now: float) -> state.Fleet:
    """Delete a machine that a trial of another process left, when a person says so; idempotent.

    Raises NotOurs for what does not carry this cluster's identity, the mark of a trial, and a name
    that was minted for one (one label alone may have been edited), StandsBy where another server
    acts.
    """
    _acts(fleet)
    found = fleet.index.by_provider_id.get(provider_id)
    if found is None or keys.is_retired(fleet, found):
        return fleet
    if found.group in fleet.groups or not names.is_trial(found.group):
        raise fleet_errors.NotOurs(f"{provider_id} was not left by a trial: it is not touched")
    if why := unproved(fleet, found):
        raise fleet_errors.NotOurs(f"{provider_id}: {why}")
    account = view.account_of(fleet, found)
    key = keys.key_of(fleet, found)
    owed = retired.owed(found, account, now, key=key, drained=True)
    return dataclasses.replace(fleet, retired={**fleet.retired, key: owed})


def unproved(fleet: state.Fleet, found: contract.Instance) -> str:
    """Say why :func:`clear` refuses what :func:`leftovers` lists; "" where it does not.

    Whether a Node of it lacks the taint of trials is not asked here: that takes the cluster.
    """
    if found.node_name and not names.is_trial(found.node_name):
        return (
            f"its name {found.node_name} was minted for no trial, so its label may have been "
            "edited: nothing proves that a trial left it"
        )
    if not fleet.identity or found.identity != fleet.identity:
        whose = f"identity {found.identity}" if found.identity else "no identity"
        return (
            f"it carries {whose}, and this cluster's is {fleet.identity or 'not known'}: "
            "nothing proves that it is ours"
        )
    return ""


def under_way(fleet: state.Fleet) -> groups.NodeGroup | None:
    """Return the group of the trial that is not over; None where there is none."""
    return next((each for each in fleet.groups.values() if _has_any(fleet, each)), None)


def is_over(fleet: state.Fleet, trial: str) -> bool:
    """Return whether nothing that carries a trial's mark is there, in the air or to be deleted."""
    return (
        not any(each.group == trial for each in fleet.launches.values())
        and not any(each.group == trial for each in fleet.retired.values())
        and not any(each.instance.group == trial for each in fleet.missing.values())
        and not any(each.group == trial for each in fleet.index.by_provider_id.values())
    )


def leftovers(fleet: state.Fleet) -> tuple[contract.Instance, ...]:
    """List the machines with the mark of a trial that is not this process's."""
    return tuple(
        each
        for each in fleet.index.by_provider_id.values()
        if names.is_trial(each.group)
        and each.group not in fleet.groups
        and each.state is not contract.InstanceState.DELETING
        and not keys.is_retired(fleet, each)
    )


def cure(fleet: state.Fleet, found: contract.Instance) -> str:
    """Name the line that deletes what :func:`leftovers` lists."""
    if unproved(fleet, found):
        return by_hand.purge(found.provider_id)
    return "vps-autoscaler try --clean"


def clearing(fleet: state.Fleet) -> tuple[state.Retirement, ...]:
    """List the deletions, not proved to be done, of machines that other processes' trials left."""
    return tuple(
        each
        for each in fleet.retired.values()
        if names.is_trial(each.group) and each.group not in fleet.groups
    )


def _acts(fleet: state.Fleet) -> None:
    if fleet.standby:
        raise fleet_errors.StandsBy(f"this server stands by: {fleet.standby}; call the other")


def _alone(fleet: state.Fleet, group: str) -> groups.NodeGroup | None:
    """Find the group of a trial where it is configured for itself, without the one it tries."""
    return next((each for each in fleet.groups.values() if each.trial_of == group), None)


def _has_any(fleet: state.Fleet, group: groups.NodeGroup) -> bool:
    return bool(group.trial_of) and not is_over(fleet, group.name)


def _unfit(fleet: state.Fleet, base: groups.NodeGroup) -> str:
    """Return why one more machine of a group may not be; empty when it may."""
    if base.closing:
        return "it is no longer configured, and kept only until it is empty"
    if base.hold:
        return base.hold
    if base.name in fleet.blocked:
        return fleet.blocked[base.name]
    tried = base.trial_of or base.name
    size = view.marked(fleet, tried) if base.trial_of else view.target(fleet, tried)
    most = base.max_size if base.trial_of else view.room(fleet, tried)
    if size + 1 > most:
        return (
            f"it has {size} machines and may have {most}; a trial's counts against maxSize: raise "
            "that by one, or wait until one is gone"
        )
    return ""


def _came_of_us(fleet: state.Fleet, member: state.Member) -> bool:
    return member.instance is None or _ordered_for_a_trial(fleet, member.instance)


def _ordered_for_a_trial(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a machine came of an order of this process for a trial, by the name minted.

    The group's mark alone does not say it: somebody may have edited it on another machine of ours.
    """
    return names.is_trial(instance.node_name) and proof.is_our_order(fleet, instance)
