"""Arrange what all accounts show for look-ups: done once a listing, so that reading is cheap."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Container, Iterable

from externalgrpc.fleet import identity, state
from providers import contract

_CREATING = contract.InstanceState.CREATING
_UNFINISHED = contract.InstanceState.UNFINISHED
_DELETING = contract.InstanceState.DELETING
_BOOTING = state.Showing.CREATING
_RUNNING = state.Showing.RUNNING


def build(accounts: Iterable[state.AccountState], retired: Container[str]) -> state.Index:
    """Index the snapshots of all accounts; ``retired`` holds the keys of what was retired.

    Two logins into one project show one machine twice: the first counts. Of several machines with
    one name, whatever their groups, the oldest has it as its key, and the others have their
    provider ids: each counts.
    """
    by_provider_id: dict[str, contract.Instance] = {}
    by_name: dict[str, contract.Instance] = {}
    members: dict[str, dict[str, state.Member]] = {}
    deleting: dict[str, list[contract.Instance]] = {}
    account_of: dict[str, str] = {}
    booting: set[str] = set()
    counted: list[contract.Instance] = []
    for account in accounts:
        for instance in account.snapshot.instances if account.snapshot is not None else ():
            provider_id = instance.provider_id
            if provider_id in by_provider_id:
                continue
            by_provider_id[provider_id] = instance
            account_of[provider_id] = account.name
            if instance.state is _CREATING:
                booting.add(account.name)
            if provider_id in retired:
                continue
            name = instance.node_name
            if name:
                rival = by_name.get(name)
                if rival is None or _elder(instance, rival) is instance:
                    by_name[name] = instance
            if instance.state is _DELETING:
                deleting.setdefault(instance.group, []).append(instance)
            else:
                counted.append(instance)
    for instance in counted:
        member, elder = machine(instance), by_name.get(instance.node_name)
        # Whatever their groups: a name is the key of one machine.
        if elder is not None and elder.provider_id != member.provider_id:
            member = dataclasses.replace(member, name=member.provider_id)
        members.setdefault(instance.group, {})[member.name] = member
    return state.Index(
        by_provider_id=by_provider_id,
        by_name=by_name,
        members=members,
        deleting={group: tuple(found) for group, found in deleting.items()},
        account_of=account_of,
        booting=frozenset(booting),
    )


def _elder(one: contract.Instance, other: contract.Instance) -> contract.Instance:
    """Give the older of two machines of one name, whatever the order; one that goes comes last."""
    return min(
        one,
        other,
        key=lambda each: (
            each.state is _DELETING,
            each.created_at or math.inf,
            len(each.id),
            each.id,
        ),
    )


def machine(instance: contract.Instance) -> state.Member:
    """Make the member that a machine is; a stopped one is still ours to run or to delete."""
    return state.Member(
        name=identity.key_of(instance),
        provider_id=instance.provider_id,
        showing=_BOOTING if instance.state in (_CREATING, _UNFINISHED) else _RUNNING,
        instance=instance,
    )
