"""Arrange what all accounts show for look-ups: done once a listing, so that reading is cheap."""

from __future__ import annotations

from collections.abc import Container, Iterable

from externalgrpc.fleet import identity, state
from providers import contract

_CREATING = contract.InstanceState.CREATING
_DELETING = contract.InstanceState.DELETING
_BOOTING = state.Showing.CREATING
_RUNNING = state.Showing.RUNNING


def build(accounts: Iterable[state.AccountState], retired: Container[str]) -> state.Index:
    """Index the snapshots of all accounts; ``retired`` holds the keys of what was let go.

    Two logins into one project show one machine twice: the first counts. Of two machines with one
    name, the one that is not let go as surplus has the name.
    """
    by_provider_id: dict[str, contract.Instance] = {}
    by_name: dict[str, contract.Instance] = {}
    members: dict[str, dict[str, state.Member]] = {}
    deleting: dict[str, list[contract.Instance]] = {}
    account_of: dict[str, str] = {}
    booting: set[str] = set()
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
            if instance.node_name:
                by_name.setdefault(instance.node_name, instance)
            if instance.state is _DELETING:
                deleting.setdefault(instance.group, []).append(instance)
            else:
                found = machine(instance)
                members.setdefault(instance.group, {}).setdefault(found.name, found)
    return state.Index(
        by_provider_id=by_provider_id,
        by_name=by_name,
        members=members,
        deleting={group: tuple(found) for group, found in deleting.items()},
        account_of=account_of,
        booting=frozenset(booting),
    )


def machine(instance: contract.Instance) -> state.Member:
    """Make the member that a machine is; a stopped one is still ours to run or to delete."""
    return state.Member(
        name=identity.key_of(instance),
        provider_id=instance.provider_id,
        showing=_BOOTING if instance.state is _CREATING else _RUNNING,
        instance=instance,
    )
