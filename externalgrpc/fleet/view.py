"""Read the fleet: who is a member, what is shown, whose a node is.

All of it is derived; nothing here is stored but for memos that die with their Fleet value.
Target size is not among the state: it is the number of members that these functions count.
"""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from externalgrpc import groups
from externalgrpc.fleet import identity, index, state
from providers import contract

Member: TypeAlias = state.Member
Showing: TypeAlias = state.Showing


def members(fleet: state.Fleet, group: str) -> tuple[Member, ...]:
    """List the members of a group, machines first, each once by name."""
    memo = fleet.memo
    found: tuple[Member, ...] | None = memo.get(("members", group))
    if found is None:
        found = (
            *_machines(fleet, group).values(),
            *(_in_the_air(fleet, launch) for launch in _airborne(fleet, group)),
        )
        memo[("members", group)] = found
    return found


def target(fleet: state.Fleet, group: str) -> int:
    """Count the members of a group: this is its target size."""
    return len(_machines(fleet, group)) + len(_airborne(fleet, group))


def live(fleet: state.Fleet, group: str) -> int:
    """Count the members that did not fail."""
    failed = sum(1 for launch in _airborne(fleet, group) if launch.failure is not None)
    if fleet.unjoined:
        failed += len(fleet.unjoined.keys() & _machines(fleet, group).keys())
    return target(fleet, group) - failed


def leaving(fleet: state.Fleet, group: str) -> tuple[contract.Instance, ...]:
    """List the machines of a group that the cloud still shows and that are let go."""
    shown = fleet.index
    found = {
        instance.provider_id: instance
        for instance in shown.deleting.get(group, ())
        if _launch_of(fleet, instance) is None
    }
    for retirement in fleet.retired.values():
        named = None if retirement.surplus else shown.by_name.get(retirement.name)
        for instance in (shown.by_provider_id.get(retirement.provider_id), named):
            if instance is not None and instance.group == group:
                found.setdefault(instance.provider_id, instance)
    return tuple(found.values())


def is_retired(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Tell whether a machine was let go, by its name or as the surplus one of two."""
    retired = fleet.retired
    return bool(retired) and (instance.node_name in retired or instance.provider_id in retired)


def find(fleet: state.Fleet, group: str, name: str) -> Member | None:
    """Find a member of a group by its key."""
    machine = _machines(fleet, group).get(name)
    if machine is not None:
        return machine
    launch = fleet.launches.get(name)
    if launch is None or launch.group != group:
        return None
    return _in_the_air(fleet, launch)


def group_of(fleet: state.Fleet, name: str) -> str:
    """Name the group that a member's key belongs to; empty for none."""
    return next((group for group in fleet.groups if find(fleet, group, name) is not None), "")


def whose(fleet: state.Fleet, provider_id: str) -> tuple[str, str] | None:
    """Tell group and key of a node by its provider id; None for one that is not a member.

    Nodes of machines that are being deleted or are gone belong to no group: CA would otherwise
    take its deletion taint off them when it starts.
    """
    instance = fleet.index.by_provider_id.get(provider_id)
    if instance is None:
        return _whose_unlisted(fleet, provider_id)
    if instance.group not in fleet.groups or is_retired(fleet, instance):
        return None
    if instance.state is contract.InstanceState.DELETING:
        launch = _launch_of(fleet, instance)
        return (launch.group, launch.name) if launch is not None else None
    return instance.group, identity.key_of(instance)


def trouble(fleet: state.Fleet, group: str) -> str:
    """Say why a group cannot get a machine at all; empty when it can, or when nobody knows yet."""
    node_group = fleet.groups[group]
    if node_group.departed:
        return "no longer in the configuration; kept until it is empty"
    blocked = fleet.blocked.get(group, "")
    account = fleet.accounts[node_group.account]
    if blocked or account.catalogue is None:
        return blocked
    if any(candidate in account.catalogue.offers for candidate in node_group.candidates):
        return ""
    wanted = ", ".join(f"{c.machine_type} in {c.location}" for c in node_group.candidates)
    return f"account {account.name} does not sell {wanted}"


def served(fleet: state.Fleet) -> tuple[groups.NodeGroup, ...]:
    """List the groups that CA is shown, in the order of the configuration.

    A group appears once its account has been listed and its catalogue read. One that cannot work
    at all is left out while it is empty; one with machines is never withdrawn.
    """
    memo = fleet.memo
    found: tuple[groups.NodeGroup, ...] | None = memo.get(("served",))
    if found is None:
        found = memo[("served",)] = tuple(
            group for name, group in fleet.groups.items() if _is_served(fleet, name)
        )
    return found


def orphans(fleet: state.Fleet) -> tuple[contract.Instance, ...]:
    """List machines that carry our cluster's mark and no group that we know."""
    memo = fleet.memo
    found: tuple[contract.Instance, ...] | None = memo.get(("orphans",))
    if found is None:
        found = memo[("orphans",)] = tuple(
            member.instance
            for group, shown in fleet.index.members.items()
            if group not in fleet.groups
            for member in shown.values()
            if member.instance is not None and not is_retired(fleet, member.instance)
        )
    return found


def in_the_air(fleet: state.Fleet, group: str, unix_now: float) -> frozenset[str]:
    """Name the members that may still register: launches, and young machines never seen as Nodes.

    ``unix_now`` is Unix time in seconds, compared with the machines' creation; where a cloud does
    not tell that, a machine is young while it boots.
    """
    young = unix_now - fleet.groups[group].provision_timeout_s
    return frozenset(
        member.name
        for member in members(fleet, group)
        if member.failure is None
        and member.provider_id not in fleet.registered
        and (
            member.instance is None
            or member.instance.created_at > young
            or (not member.instance.created_at and member.showing is Showing.CREATING)
        )
    )


def _is_served(fleet: state.Fleet, name: str) -> bool:
    account = fleet.accounts[fleet.groups[name].account]
    seen = account.snapshot is not None and account.catalogue is not None
    if seen and not trouble(fleet, name):
        return True
    # A group that moved to an account nobody has seen yet keeps what it has at the old one.
    has_any = bool(target(fleet, name) or leaving(fleet, name))
    return has_any and (seen or account.snapshot is None)


def _whose_unlisted(fleet: state.Fleet, provider_id: str) -> tuple[str, str] | None:
    name = identity.placeholder_name(provider_id)
    if name:
        launch = fleet.launches.get(name)
        if launch is not None:
            return (launch.group, name) if launch.group in fleet.groups else None
        shown = fleet.index.by_name.get(name)
        return whose(fleet, shown.provider_id) if shown is not None else None
    missing = fleet.missing.get(provider_id)
    if missing is not None and not is_retired(fleet, missing.instance):
        group = missing.instance.group
        return (group, identity.key_of(missing.instance)) if group in fleet.groups else None
    return _accepted(fleet).get(provider_id)


def _accepted(fleet: state.Fleet) -> dict[str, tuple[str, str]]:
    memo = fleet.memo
    accepted: dict[str, tuple[str, str]] | None = memo.get(("accepted",))
    if accepted is None:
        accepted = memo[("accepted",)] = {
            launch.instance.provider_id: (launch.group, launch.name)
            for launch in fleet.launches.values()
            if launch.instance is not None and launch.group in fleet.groups
        }
    return accepted


def _machines(fleet: state.Fleet, group: str) -> dict[str, Member]:
    """Give the machines of a group by key: what listings show and what they lack for now."""
    memo = fleet.memo
    found: dict[str, Member] | None = memo.get(("machines", group))
    if found is None:
        found = dict(fleet.index.members.get(group, {}))
        for key in fleet.retired:
            found.pop(key, None)
        for missing in fleet.missing.values():
            instance = missing.instance
            if instance.group == group and not is_retired(fleet, instance):
                found.setdefault(identity.key_of(instance), index.machine(instance))
        for key in fleet.unjoined.keys() & found.keys():
            found[key] = dataclasses.replace(
                found[key], showing=Showing.CREATING, failure=fleet.unjoined[key].failure
            )
        memo[("machines", group)] = found
    return found


def _airborne(fleet: state.Fleet, group: str) -> list[state.Launch]:
    """Give the launches of a group whose machines no listing shows."""
    memo = fleet.memo
    by_group: dict[str, list[state.Launch]] | None = memo.get(("launches",))
    if by_group is None:
        by_group = {}
        shown = {name: _machines(fleet, name) for name in fleet.groups}
        for launch in fleet.launches.values():
            if launch.name not in shown.get(launch.group, ()):
                by_group.setdefault(launch.group, []).append(launch)
        memo[("launches",)] = by_group
    return by_group.get(group, [])


def _launch_of(fleet: state.Fleet, instance: contract.Instance) -> state.Launch | None:
    """Find the launch that a machine being deleted by somebody else was made for."""
    launch = fleet.launches.get(instance.node_name)
    if launch is None or launch.instance is None:
        return None
    return launch if launch.instance.provider_id == instance.provider_id else None


def _in_the_air(fleet: state.Fleet, launch: state.Launch) -> Member:
    if launch.instance is not None:
        provider_id = launch.instance.provider_id
    else:
        provider_id = identity.placeholder_id(fleet.accounts[launch.account].scheme, launch.name)
    return Member(
        name=launch.name,
        provider_id=provider_id,
        showing=Showing.CREATING,
        launch=launch,
        failure=launch.failure,
    )
