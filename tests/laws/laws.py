"""The laws, as functions: of one Fleet, and of what one event may change.

They know nothing of how the fleet does its work; the state machine and the simulator both ask
them after every event.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Set

from externalgrpc.fleet import claims, keys, notnow, state, view
from externalgrpc.model import names


class LawBroken(AssertionError):
    """A law does not hold; the message says which and by what."""


def require(holds: object, law: str, *about: object) -> None:
    """Raise LawBroken unless something holds."""
    if not holds:
        raise LawBroken(f"{law}: {', '.join(str(each) for each in about)}" if about else law)


def of_a_fleet(fleet: state.Fleet) -> None:
    """Check everything that must hold of any Fleet at any time."""
    seen_ids: set[str] = set()
    for name in fleet.groups:
        _of_a_group(fleet, name, seen_ids)
    require(
        not (fleet.launches.keys() & fleet.retired.keys()),
        "a name is launched or retired, never both",
        fleet.launches.keys() & fleet.retired.keys(),
    )
    for launch in fleet.launches.values():
        failed = launch.phase is state.Phase.FAILED
        require(failed == (launch.failure is not None), "a failed launch says why", launch)
        require(launch.account in fleet.accounts, "a launch has an account", launch)
        _machine_of_a_launch(fleet, launch)
    for retirement in fleet.retired.values():
        require(retirement.account in fleet.accounts, "a retirement has an account", retirement)
        awaited = retirement.deletion is state.Deletion.AWAITED
        require(awaited == (not retirement.instance_id), "what is deleted has an id", retirement)
    served = {group.name for group in view.served(fleet)}
    require(served <= fleet.groups.keys(), "served groups are known", served)
    require(fleet.pending_at_start.keys() <= fleet.groups.keys(), "covers are of known groups")
    for group in fleet.groups.values():
        require(group.account in fleet.accounts, "a group has an account", group.name)
        _bounds(fleet, group.name)
    _quarantine(fleet, seen_ids)


def _machine_of_a_launch(fleet: state.Fleet, launch: state.Launch) -> None:
    """Check that accepted means a machine, which is that of no other order and bears its id.

    One that is asked for may have one that was seen before its answer; nothing else has any.
    """
    instance = launch.instance
    if launch.phase is state.Phase.ACCEPTED:
        require(instance is not None, "accepted means a machine", launch)
    if instance is None:
        return
    may_have = launch.phase in (state.Phase.ACCEPTED, state.Phase.ASKED)
    require(may_have, "accepted means a machine", launch)
    bound = fleet.minted.get(launch.name)
    require(bound == instance.provider_id, "an order has one machine", launch, bound)


def memos_are_true(fleet: state.Fleet) -> None:
    """Check that what was derived earlier is what would be derived now."""
    fresh = dataclasses.replace(fleet)
    for name in fleet.groups:
        require(view.members(fleet, name) == view.members(fresh, name), "memos are true")
        require(view.target(fleet, name) == view.target(fresh, name), "memos are true")
        require(notnow.bounds(fleet, name) == notnow.bounds(fresh, name), "memos are true")
    require(view.served(fleet) == view.served(fresh), "memos are true")
    for name in fleet.accounts:
        said = notnow.why_account(fleet, name)
        require(said == notnow.why_account(fresh, name), "memos are true")


def _of_a_group(fleet: state.Fleet, name: str, seen_ids: set[str]) -> None:
    members = view.members(fleet, name)
    counts = collections.Counter(member.name for member in members)
    require(max(counts.values(), default=1) == 1, "a name counts once", counts)
    require(view.target(fleet, name) == len(members), "target is the number of members", name)
    for member in members:
        require(member.provider_id not in seen_ids, "ids are unique in Nodes", member)
        seen_ids.add(member.provider_id)
        require(
            view.whose(fleet, member.provider_id) == (name, member.name),
            "a member's node belongs to its group",
            member,
            view.whose(fleet, member.provider_id),
        )
        require(view.find(fleet, name, member.name) == member, "a member is found", member)
        require(member.name not in fleet.retired, "the retired do not count", member)
        if member.failure is not None:
            require(
                member.showing is view.Showing.CREATING
                and (member.instance is None or member.name in fleet.unjoined),
                "a failure is shown on what is creating only",
                member,
            )
            require(
                member.provider_id not in fleet.registered,
                "a failure is never shown on a node",
                member,
            )
    for machine in view.leaving(fleet, name):
        require(machine.provider_id not in seen_ids, "what leaves is no member", machine)
        seen_ids.add(machine.provider_id)
        require(
            view.whose(fleet, machine.provider_id) is None,
            "what leaves belongs to no group",
            machine,
        )
    live = sum(member.failure is None for member in members)
    require(view.live(fleet, name) == live, "live members are those that did not fail", name)


def _quarantine(fleet: state.Fleet, shown: Set[str]) -> None:
    """Check that what is in quarantine is nobody's, and that nothing certain is in it."""
    for provider_id in fleet.quarantine:
        require(provider_id not in shown, "what is in quarantine is in no Nodes", provider_id)
        owner = view.whose(fleet, provider_id)
        require(owner is None, "a Node in quarantine has no group", provider_id, owner)
        instance = view.known(fleet, provider_id)
        require(instance is not None, "what is in quarantine was listed", provider_id)
        if instance is None:
            continue
        require(instance.group in fleet.groups, "others' groups are not judged", instance)
        require(not keys.is_retired(fleet, instance), "quarantine deletes nothing", instance)
        node = (fleet.nodes or {}).get(instance.node_name)
        sure = (
            node is not None
            and node.provider_id == provider_id
            and instance.identity in ("", fleet.identity)
        )
        require(not sure, "who is claimed by name and providerID is in no quarantine", instance)


def _bounds(fleet: state.Fleet, name: str) -> None:
    """Check the sizes that CA is shown: the target while it is "not now", else maxSize."""
    least, most = notnow.bounds(fleet, name)
    size = view.target(fleet, name)
    require(least <= most, "a minimum is no maximum", name, least, most)
    group = fleet.groups[name]
    if group.closing:
        return
    if notnow.why(fleet, name) is not None:
        require(most == size, "not now: the shown maxSize is the target", name, most, size)
        return
    doubtful = unsure(fleet, name)
    require(
        most == (min(group.max_size, max(size, group.max_size - doubtful)) if doubtful else most),
        "what is in quarantine, or on trial, counts against maxSize",
        name,
        most,
        doubtful,
    )
    require(most <= group.max_size, "the shown maxSize is no more than the configured one", name)


def lives(fleet: state.Fleet, member: view.Member) -> bool:
    """Return whether a server has seen a Node of a member's, so that it need not believe CA."""
    instance = member.instance
    if instance is None and member.launch is not None:
        instance = member.launch.instance
    return instance is not None and claims.shows_life(fleet, instance)


def unsure(fleet: state.Fleet, group: str) -> int:
    """Count what a group's maxSize makes room for: machines in quarantine, and its trial's."""
    trial = f"{names.TRIAL_PREFIX}{group}"
    on_trial = (
        view.target(fleet, trial) + len(view.leaving(fleet, trial)) if trial in fleet.groups else 0
    )
    return on_trial + sum(
        not held.ignored
        and (instance := view.known(fleet, provider_id)) is not None
        and instance.group == group
        for provider_id, held in fleet.quarantine.items()
    )


def ids(fleet: state.Fleet, group: str) -> set[str]:
    """Return the provider ids of a group's members."""
    return {member.provider_id for member in view.members(fleet, group)}


def entered(before: state.Fleet, after: state.Fleet, group: str) -> set[str]:
    """Return the members of a group that were put into quarantine."""
    return {
        each
        for each in ids(before, group)
        if each in after.quarantine and each not in before.quarantine
    }


def left(before: state.Fleet, after: state.Fleet, group: str) -> set[str]:
    """Return the machines of a group that came out of quarantine."""
    return {
        each
        for each in ids(after, group)
        if each in before.quarantine and each not in after.quarantine
    }


def targets(fleet: state.Fleet) -> dict[str, int]:
    """Count the members of every group."""
    return {name: view.target(fleet, name) for name in fleet.groups}
