"""Decide of which machines with our mark we cannot be sure.

A machine in quarantine is no member: it is in nobody's Nodes and TargetSize, its Node has an empty
group, and nothing deletes it; it counts against maxSize, and is reported. It leaves when a Node of
this cluster claims it by name and providerID, and, where it carries another cluster's identity,
the operator says that it is ours. Absence of evidence is not evidence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from externalgrpc.fleet import claims, keys, proof, state
from externalgrpc.model.foreign_words import ADOPT, GONE, IGNORE, NO_IDENTITY
from providers import contract


def review(
    fleet: state.Fleet, *, now: float, unix_now: float, only: frozenset[str] | None = None
) -> state.Fleet:
    """Judge every machine of a configured group anew; the same value comes back if none changed.

    ``unix_now`` is Unix time in seconds. ``only`` are the provider ids of those whose standing may
    have changed, where that is known, and with it nobody else's.
    """
    found: dict[str, state.Quarantine] = {}
    if only is not None:
        found = {key: held for key, held in fleet.quarantine.items() if key not in only}
    for account in fleet.accounts.values():
        whole = _whose_unknown(fleet, account, unix_now)
        for instance in _machines(fleet, account, only):
            doubt = _doubt(fleet, instance, account, whole=whole, unix_now=unix_now)
            if doubt is None:
                continue
            held = fleet.quarantine.get(instance.provider_id)
            since = held.since if held is not None and held.doubt is doubt[0] else now
            found[instance.provider_id] = state.Quarantine(
                doubt[0], doubt[1], since, ignored=is_excused(fleet, instance, account)
            )
    if found == fleet.quarantine:
        return fleet
    return dataclasses.replace(fleet, quarantine=found)


def accuse(
    fleet: state.Fleet, provider_ids: frozenset[str], *, now: float, unix_now: float
) -> state.Fleet:
    """Put machines into quarantine that CA calls unregistered and nothing proves to be."""
    if not provider_ids:
        return fleet
    accused = dataclasses.replace(fleet, accused=fleet.accused | provider_ids)
    return review(accused, now=now, unix_now=unix_now)


def word_on(account: state.AccountState, instance: contract.Instance) -> str:
    """Return the operator's word on machines of one's identity; empty where he said none."""
    return account.foreign.get(instance.identity or NO_IDENTITY, "")


def is_excused(
    fleet: state.Fleet, instance: contract.Instance, account: state.AccountState
) -> bool:
    """Return whether the operator said that a machine is not ours, or is done with."""
    ours = bool(fleet.identity) and instance.identity == fleet.identity
    return not ours and word_on(account, instance) in (IGNORE, GONE)


def is_foreign(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a machine carries another cluster's identity."""
    return bool(instance.identity and fleet.identity) and instance.identity != fleet.identity


def blocks(fleet: state.Fleet, account: state.AccountState) -> str:
    """Return why an account may not grow for what is in quarantine there; empty when it may.

    A server that has a living machine of its own identity there goes on, and says so.
    """
    if not fleet.identity:
        return ""
    found = fleet.memo.blocks.get(account.name)
    if found is None:
        found = fleet.memo.blocks[account.name] = _blocks(fleet, account)
    return found


def _blocks(fleet: state.Fleet, account: state.AccountState) -> str:
    strangers: dict[str, int] = {}
    for instance in _machines(fleet, account):
        held = fleet.quarantine.get(instance.provider_id)
        if held is None:
            if instance.identity == fleet.identity:
                return ""
            continue
        whole = held.doubt is state.Doubt.UNCLAIMED and _covers_all(fleet, account)
        if held.ignored or not (held.doubt is state.Doubt.FOREIGN or whole):
            continue
        identity = instance.identity or NO_IDENTITY
        strangers[identity] = strangers.get(identity, 0) + 1
    if not strangers:
        return ""
    text = ", ".join(f"{count} of {identity}" for identity, count in sorted(strangers.items()))
    return (
        f"account {account.name} holds machines of another cluster of our name ({text}) and none "
        f"of ours ({fleet.identity}); say under accounts[].foreign whose they are"
    )


def _machines(
    fleet: state.Fleet, account: state.AccountState, only: frozenset[str] | None = None
) -> Iterator[contract.Instance]:
    """Give the machines of configured groups that an account lists and nobody deletes.

    And those that its last listing lacked, until a look-up says that they are gone.
    """
    account_of = fleet.index.account_of
    shown = account.snapshot.instances if account.snapshot is not None else ()
    missing: Iterable[state.Missing] = fleet.missing.values()
    if only is not None:
        by_id = fleet.index.by_provider_id
        shown = tuple(by_id[each] for each in only if each in by_id)
        missing = [fleet.missing[each] for each in only if each in fleet.missing]
    for held in missing:
        if (
            held.account == account.name
            and held.instance.group in fleet.groups
            and not keys.is_retired(fleet, held.instance)
        ):
            yield held.instance
    for instance in shown:
        if (
            instance.group in fleet.groups
            and account_of.get(instance.provider_id) == account.name
            and instance.state is not contract.InstanceState.DELETING
            and not keys.is_retired(fleet, instance)
        ):
            yield instance


def _doubt(  # noqa: PLR0911 - one for each doubt
    fleet: state.Fleet,
    instance: contract.Instance,
    account: state.AccountState,
    *,
    whole: bool,
    unix_now: float,
) -> tuple[state.Doubt, str] | None:
    accused = instance.provider_id in fleet.accused
    # Without Nodes all that claims a machine is what CA said; its last word counts.
    own = claims.claimed(fleet, instance) and not (accused and fleet.nodes is None)
    if is_foreign(fleet, instance):
        if own and word_on(account, instance) == ADOPT:
            return None
        return state.Doubt.FOREIGN, (
            f"it carries the identity {instance.identity}, ours is {fleet.identity}"
        )
    if own:
        return None
    if not fleet.identity and instance.identity and is_excused(fleet, instance, account):
        return state.Doubt.FOREIGN, (
            f"accounts[].foreign says of the identity {instance.identity} that it is not ours"
        )
    if usurper := claims.usurped(fleet, instance):
        return state.Doubt.MISNAMED, f"the Node {instance.node_name} claims to be {usurper}"
    ordered = proof.is_our_order(fleet, instance)
    old = _is_old(fleet, instance, unix_now)
    if (rival := claims.rival(fleet, instance)) and (old or not ordered):
        return state.Doubt.MISNAMED, (
            f"the Node {rival} claims to be it, and its mark says {instance.node_name or 'no name'}"
        )
    if accused and not proof.unregistered(fleet, instance, account.name):
        return state.Doubt.UNREGISTERED, (
            "the autoscaler calls it unregistered, and nothing proves that it never was a node"
        )
    if ordered or not fleet.identity or instance.identity or fleet.nodes is None:
        return None
    if old or whole:
        return state.Doubt.UNCLAIMED, (
            "it carries no identity, and no Node of this cluster claims it"
        )
    return None


def _whose_unknown(fleet: state.Fleet, account: state.AccountState, unix_now: float) -> bool:
    """Return whether all of an account's machines without identity look like another cluster's.

    There are such that are older than a machine may take to register, and no Node of this cluster
    claims any of them.
    """
    if not fleet.identity or fleet.nodes is None:
        return False
    unmarked = [
        instance
        for instance in _machines(fleet, account)
        if not instance.identity and not proof.is_our_order(fleet, instance)
    ]
    return any(_is_old(fleet, each, unix_now) for each in unmarked) and not any(
        claims.claimed(fleet, each) for each in unmarked
    )


def _covers_all(fleet: state.Fleet, account: state.AccountState) -> bool:
    """Return whether no machine without identity of an account is a member."""
    return not any(
        not instance.identity
        and instance.provider_id not in fleet.quarantine
        and not proof.is_our_order(fleet, instance)
        for instance in _machines(fleet, account)
    )


def _is_old(fleet: state.Fleet, instance: contract.Instance, unix_now: float) -> bool:
    """Return whether a machine has had its time to register; one that says no age, once it runs."""
    if not instance.created_at:
        never_ran = (contract.InstanceState.CREATING, contract.InstanceState.UNFINISHED)
        return instance.state not in never_ran
    patience_s = fleet.groups[instance.group].provision_timeout_s
    return unix_now - instance.created_at > patience_s
