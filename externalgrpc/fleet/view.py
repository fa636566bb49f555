"""Read the fleet: who is a member, what is shown, whose a node is.

All of it is derived; nothing here is stored but for memos that die with their Fleet value.
Target size is not among the state: it is the number of members that these functions count.
"""

from __future__ import annotations

import dataclasses
import enum

from externalgrpc import groups
from externalgrpc.fleet import state
from providers import contract


class Showing(enum.IntEnum):
    """The state shown to CA; the numbers are those of its InstanceState."""

    RUNNING = 1
    CREATING = 2
    DELETING = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A machine that counts: one that the cloud shows, or a launch of one.

    ``name`` is the key under which it is let go. ``failure`` is never set on a running machine:
    that is the worst combination CA can get.
    """

    name: str
    provider_id: str
    showing: Showing
    instance: contract.Instance | None = None
    launch: state.Launch | None = None
    failure: state.Failure | None = None


def members(fleet: state.Fleet, group: str) -> tuple[Member, ...]:
    """List the members of a group, machines first, each once by name."""
    memo = fleet.memo
    found: tuple[Member, ...] | None = memo.get(group)
    if found is None:
        found = memo[group] = _members(fleet, group)
    return found


def target(fleet: state.Fleet, group: str) -> int:
    """Count the members of a group: this is its target size."""
    return len(members(fleet, group))


def live(fleet: state.Fleet, group: str) -> int:
    """Count the members that did not fail."""
    return sum(1 for member in members(fleet, group) if member.failure is None)


def leaving(fleet: state.Fleet, group: str) -> tuple[contract.Instance, ...]:
    """List the machines of a group that the cloud still shows and that are let go."""
    return tuple(
        instance
        for instance in fleet.index.by_group.get(group, ())
        if instance.state is contract.InstanceState.DELETING or is_retired(fleet, instance)
    )


def is_retired(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Tell whether a machine was let go, by its name or as the surplus one of two."""
    retired = fleet.retired
    return bool(retired) and (instance.node_name in retired or instance.provider_id in retired)


def find(fleet: state.Fleet, group: str, name: str) -> Member | None:
    """Find a member of a group by its key."""
    memo = fleet.memo
    by_name: dict[str, Member] | None = memo.get(("names", group))
    if by_name is None:
        by_name = memo[("names", group)] = {member.name: member for member in members(fleet, group)}
    return by_name.get(name)


def whose(fleet: state.Fleet, provider_id: str) -> tuple[str, str] | None:
    """Tell group and key of a node by its provider id; None for one that is not a member.

    Nodes of machines that are being deleted or are gone belong to no group: CA would otherwise
    take its deletion taint off them when it starts.
    """
    instance = fleet.index.by_provider_id.get(provider_id)
    if instance is None:
        return _whose_unlisted(fleet, provider_id)
    if (
        instance.group not in fleet.groups
        or instance.state is contract.InstanceState.DELETING
        or is_retired(fleet, instance)
    ):
        return None
    return instance.group, state.key_of(instance)


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


def _is_served(fleet: state.Fleet, name: str) -> bool:
    account = fleet.accounts[fleet.groups[name].account]
    if account.snapshot is None or account.catalogue is None:
        return False
    if not fleet.groups[name].departed and not trouble(fleet, name):
        return True
    return bool(members(fleet, name) or leaving(fleet, name))


def orphans(fleet: state.Fleet) -> tuple[contract.Instance, ...]:
    """List machines that carry our cluster's mark and no group that we know."""
    return tuple(
        instance
        for instance in fleet.index.by_provider_id.values()
        if instance.group not in fleet.groups and not is_retired(fleet, instance)
    )


def in_the_air(fleet: state.Fleet, group: str, unix_now: float) -> frozenset[str]:
    """Name the members that may still register: launches, and young machines never seen as Nodes.

    ``unix_now`` is Unix time in seconds, compared with the machines' creation.
    """
    young = unix_now - fleet.groups[group].provision_timeout_s
    return frozenset(
        member.name
        for member in members(fleet, group)
        if member.failure is None
        and member.provider_id not in fleet.registered
        and (member.instance is None or member.instance.created_at > young)
    )


def _whose_unlisted(fleet: state.Fleet, provider_id: str) -> tuple[str, str] | None:
    name = state.placeholder_name(provider_id)
    if name:
        launch = fleet.launches.get(name)
        if launch is not None and launch.group in fleet.groups:
            return launch.group, name
        shown = fleet.index.by_name.get(name)
        return whose(fleet, shown.provider_id) if shown is not None else None
    missing = fleet.missing.get(provider_id)
    if missing is not None and not is_retired(fleet, missing.instance):
        group = missing.instance.group
        return (group, state.key_of(missing.instance)) if group in fleet.groups else None
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


def _members(fleet: state.Fleet, group: str) -> tuple[Member, ...]:
    shown: dict[str, Member] = {}
    for instance in fleet.index.by_group.get(group, ()):
        if instance.state is contract.InstanceState.DELETING or is_retired(fleet, instance):
            continue
        shown[state.key_of(instance)] = _machine(fleet, instance)
    for missing in fleet.missing.values():
        instance = missing.instance
        key = state.key_of(instance)
        if instance.group == group and key not in shown and not is_retired(fleet, instance):
            shown[key] = _machine(fleet, instance)
    for launch in _launches_of(fleet, group):
        if launch.name not in shown:
            shown[launch.name] = _in_the_air(fleet, launch)
    return tuple(shown.values())


def _machine(fleet: state.Fleet, instance: contract.Instance) -> Member:
    creating = instance.state is contract.InstanceState.CREATING
    return Member(
        name=state.key_of(instance),
        provider_id=instance.provider_id,
        showing=Showing.CREATING if creating else Showing.RUNNING,
        instance=instance,
        launch=fleet.launches.get(instance.node_name),
    )


def _launches_of(fleet: state.Fleet, group: str) -> list[state.Launch]:
    memo = fleet.memo
    by_group: dict[str, list[state.Launch]] | None = memo.get(("launches",))
    if by_group is None:
        by_group = memo[("launches",)] = {}
        for launch in fleet.launches.values():
            by_group.setdefault(launch.group, []).append(launch)
    return by_group.get(group, [])


def _in_the_air(fleet: state.Fleet, launch: state.Launch) -> Member:
    if launch.instance is not None:
        provider_id = launch.instance.provider_id
    else:
        provider_id = state.placeholder_id(fleet.accounts[launch.account].scheme, launch.name)
    return Member(
        name=launch.name,
        provider_id=provider_id,
        showing=Showing.CREATING,
        instance=None,
        launch=launch,
        failure=launch.failure,
    )
