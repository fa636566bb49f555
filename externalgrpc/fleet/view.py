"""Read the fleet: who is a member, what is shown, whose a node is.

All of it is derived; nothing here is stored but for memos that die with their Fleet value.
Target size is not among the state: it is the number of members that these functions count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

from externalgrpc.fleet import identity, index, keys, state
from externalgrpc.model import groups, names
from providers import contract

Member: TypeAlias = state.Member
Showing: TypeAlias = state.Showing


def version(fleet: state.Fleet) -> object:
    """Identify what this module reads of a fleet: two values of one version show the same.

    A Fleet that differs only in who is registered keeps the version of the one before it.
    """
    return fleet.memo.version


def members(fleet: state.Fleet, group: str) -> tuple[Member, ...]:
    """List the members of a group, machines first, each once by name."""
    found = fleet.memo.members.get(group)
    if found is None:
        found = (
            *_machines(fleet, group).values(),
            *(_in_the_air(fleet, launch) for launch in _airborne(fleet, group)),
        )
        fleet.memo.members[group] = found
    return found


def target(fleet: state.Fleet, group: str) -> int:
    """Count the members of a group: this is its target size."""
    return len(_machines(fleet, group)) + len(_airborne(fleet, group))


def live(fleet: state.Fleet, group: str) -> int:
    """Count the members that did not fail."""
    failed = sum(1 for launch in _airborne(fleet, group) if launch.failure is not None)
    if fleet.unjoined:
        machines = _machines(fleet, group)
        failed += sum(1 for key in fleet.unjoined if key in machines and machines[key].failure)
    return target(fleet, group) - failed


def leaving(fleet: state.Fleet, group: str) -> tuple[contract.Instance, ...]:
    """List the machines of a group that the cloud still shows and that are retired."""
    shown = fleet.index
    found = {
        instance.provider_id: instance
        for instance in shown.deleting.get(group, ())
        if _launch_of(fleet, instance) is None
    }
    for retirement in fleet.retired.values():
        instance = shown.by_provider_id.get(keys.machine_of(fleet, retirement))
        if instance is not None and instance.group == group:
            found.setdefault(instance.provider_id, instance)
    return tuple(found.values())


def quarantined(fleet: state.Fleet, group: str) -> tuple[contract.Instance, ...]:
    """List the machines that carry a group's mark and of which we cannot be sure."""
    if not fleet.quarantine:
        return ()
    found = fleet.memo.quarantined
    if found is None:
        found = {}
        for provider_id in fleet.quarantine:
            if (instance := known(fleet, provider_id)) is not None:
                found.setdefault(instance.group, []).append(instance)
        fleet.memo.quarantined = found
    return tuple(found.get(group, ()))


def marked(fleet: state.Fleet, group: str) -> int:
    """Count the machines that carry a group's mark or may come to: in quarantine and going too."""
    shown = {
        instance.provider_id
        for instance in fleet.index.by_provider_id.values()
        if instance.group == group
    }
    shown |= {key for key, held in fleet.missing.items() if held.instance.group == group}
    sent = sum(
        1
        for launch in _airborne(fleet, group)
        if launch.phase in (state.Phase.ASKED, state.Phase.UNSURE, state.Phase.ACCEPTED)
        and fleet.minted.get(launch.name) not in shown
    )
    return len(shown) + sent


def known(fleet: state.Fleet, provider_id: str) -> contract.Instance | None:
    """Return a machine as a listing shows it, or as the last one that did; None for no such."""
    shown = fleet.index.by_provider_id.get(provider_id)
    if shown is None and provider_id in fleet.missing:
        return fleet.missing[provider_id].instance
    return shown


def room(fleet: state.Fleet, group: str) -> int:
    """Return how many members a group may have: maxSize less a trial of it, and the quarantine."""
    most = fleet.groups[group].max_size
    trial = names.trial_group(group, groups.MAX_GROUP_NAME)
    if trial in fleet.groups and fleet.groups[trial].trial_of == group:
        most = max(0, most - target(fleet, trial) - len(leaving(fleet, trial)))
    if not fleet.quarantine:
        return most
    counted = sum(
        1
        for instance in quarantined(fleet, group)
        if not fleet.quarantine[instance.provider_id].ignored
    )
    return max(0, most - counted)


def find(fleet: state.Fleet, group: str, name: str) -> Member | None:
    """Find a member of a group by its key; see :func:`keys.key_of` for that of a machine."""
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
    """Return group and key of a node by its provider id; None for one that is not a member.

    Nodes of machines that are being deleted or are gone belong to no group: CA would otherwise
    take its deletion taint off them when it starts. Nor do those of machines in quarantine.
    """
    instance = fleet.index.by_provider_id.get(provider_id)
    if instance is None:
        return _whose_unlisted(fleet, provider_id)
    if instance.group not in fleet.groups or keys.is_retired(fleet, instance):
        return None
    if provider_id in fleet.quarantine:
        return None
    if instance.state is contract.InstanceState.DELETING:
        launch = _launch_of(fleet, instance)
        return (launch.group, launch.name) if launch is not None else None
    return instance.group, keys.key_of(fleet, instance)


def account_of(fleet: state.Fleet, instance: contract.Instance) -> str:
    """Name the account whose listing shows a machine, or showed it last."""
    listed_by = fleet.index.account_of.get(instance.provider_id)
    if listed_by is not None:
        return listed_by
    missing = fleet.missing.get(instance.provider_id)
    if missing is not None:
        return missing.account
    launch = fleet.launches.get(instance.node_name)
    return launch.account if launch is not None else fleet.groups[instance.group].account


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
    at all is left out while it is empty; one with machines is never withdrawn. None is shown while
    not all groups are known: what is missing would look like no group's.
    """
    found = fleet.memo.served
    if found is None:
        found = fleet.memo.served = tuple(
            group
            for name, group in fleet.groups.items()
            if not fleet.awaited and _is_served(fleet, name)
        )
    return found


def orphans(fleet: state.Fleet) -> tuple[contract.Instance, ...]:
    """List machines that carry our cluster's mark and no group that we know, nor a trial's."""
    found = fleet.memo.orphans
    if found is None:
        found = fleet.memo.orphans = tuple(
            member.instance
            for group, shown in fleet.index.members.items()
            if group not in fleet.groups and not fleet.awaited and not names.is_trial(group)
            for member in shown.values()
            if member.instance is not None and not keys.is_retired(fleet, member.instance)
        )
    return found


def in_the_air(fleet: state.Fleet, group: str, unix_now: float) -> frozenset[str]:
    """Name the members that may still register: launches, and young machines never seen as Nodes.

    ``unix_now`` is Unix time in seconds, compared with the machines' creation; where a cloud does
    not say that, a machine is young while it boots.
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
    if fleet.groups[name].trial_of:
        return False
    account = fleet.accounts[fleet.groups[name].account]
    seen = account.snapshot is not None and account.catalogue is not None
    if seen and not trouble(fleet, name):
        return True
    # A group that moved to an account nobody has seen yet keeps what it has at the old one. What is
    # in quarantine may be a member by CA's next word, which must not name a group that it lacks.
    has_any = bool(target(fleet, name) or leaving(fleet, name) or quarantined(fleet, name))
    return has_any and (seen or account.snapshot is None)


def _whose_unlisted(fleet: state.Fleet, provider_id: str) -> tuple[str, str] | None:
    name = identity.placeholder_name(provider_id)
    if name:
        launch = fleet.launches.get(name)
        if launch is not None:
            return (launch.group, name) if launch.group in fleet.groups else None
        shown = fleet.index.by_name.get(name)
        return whose(fleet, shown.provider_id) if shown is not None else None
    if provider_id in fleet.quarantine:
        return None
    missing = fleet.missing.get(provider_id)
    if missing is not None and not keys.is_retired(fleet, missing.instance):
        group = missing.instance.group
        return (group, keys.key_of(fleet, missing.instance)) if group in fleet.groups else None
    return _accepted(fleet).get(provider_id)


def _accepted(fleet: state.Fleet) -> dict[str, tuple[str, str]]:
    accepted = fleet.memo.accepted
    if accepted is None:
        accepted = fleet.memo.accepted = {
            launch.instance.provider_id: (launch.group, launch.name)
            for launch in fleet.launches.values()
            if launch.instance is not None and launch.group in fleet.groups
        }
    return accepted


def _machines(fleet: state.Fleet, group: str) -> dict[str, Member]:
    """Return the machines of a group by key: what listings show and what they lack for now."""
    found = fleet.memo.machines.get(group)
    if found is None:
        found = dict(fleet.index.members.get(group, {}))
        if fleet.retired:
            retired = keys.retired_names(fleet)
            found = {key: held for key, held in found.items() if held.provider_id not in retired}
        for instance in quarantined(fleet, group):
            _strike(found, instance)
        for name in found.keys() & (fleet.launches.keys() | fleet.retired.keys()):
            held = found[name]
            if held.instance is not None and (key := keys.key_of(fleet, held.instance)) != name:
                found[key] = dataclasses.replace(held, name=key)
                del found[name]
        for provider_id, missing in fleet.missing.items():
            instance = missing.instance
            if instance.group != group or provider_id in fleet.quarantine:
                continue
            if not keys.is_retired(fleet, instance):
                key = keys.key_of(fleet, instance)
                lost = dataclasses.replace(index.machine(instance), name=key)
                found.setdefault(key, lost)
        for key in fleet.unjoined.keys() & found.keys():
            failed = fleet.unjoined[key]
            if not failed.withheld and failed.provider_id in ("", found[key].provider_id):
                found[key] = dataclasses.replace(
                    found[key], showing=Showing.CREATING, failure=failed.failure
                )
        fleet.memo.machines[group] = found
    return found


def _strike(found: dict[str, Member], instance: contract.Instance) -> None:
    """Take one machine out, by whichever key it stands under; another of its name stays."""
    for key in (instance.node_name, instance.provider_id):
        held = found.get(key)
        if held is not None and held.provider_id == instance.provider_id:
            del found[key]
            return


def _airborne(fleet: state.Fleet, group: str) -> list[state.Launch]:
    """Return the launches of a group whose machines no listing shows."""
    by_group = fleet.memo.launches
    if by_group is None:
        by_group = {}
        shown, minted = fleet.index.by_provider_id, fleet.minted
        for launch in fleet.launches.values():
            # Thousands may be held at once: most of them have no machine yet.
            if not minted.get(launch.name) or not _is_shown(fleet, launch, shown):
                by_group.setdefault(launch.group, []).append(launch)
        fleet.memo.launches = by_group
    return by_group.get(group, [])


def _is_shown(
    fleet: state.Fleet, launch: state.Launch, shown: Mapping[str, contract.Instance]
) -> bool:
    """Return whether the machine of a launch counts by itself: what somebody deletes does not.

    One in quarantine does not count, and nor does its launch.
    """
    provider_id = fleet.minted.get(launch.name, "")
    if provider_id in fleet.quarantine:
        return True
    instance = shown.get(provider_id)
    return (
        instance is not None
        and instance.group == launch.group
        and instance.state is not contract.InstanceState.DELETING
    )


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
