"""Prove that a machine never was a node: without that, nothing but CA's drained node is deleted.

Two proofs count. This process minted the machine's name and saw the machine come of it, and no
Node has claimed it since. Or the machine carries this cluster's identity and still the mark
``unjoined``, which every order carries and which is taken off when its Node is first seen. That
mark's presence is the proof; that a machine is old, or that no Node is seen, proves nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from externalgrpc.fleet import claims, state, view
from providers import contract


def never_joined(fleet: state.Fleet, instance: contract.Instance, account: str) -> bool:
    """Return whether it is proved that a machine never was a node of any cluster."""
    if fleet.nodes_stale or not looks_fresh(fleet, instance, account):
        # Its Node may have come since: who hears of no Node takes no mark off.
        return False
    if is_our_order(fleet, instance):
        return True
    held = fleet.accounts[account]
    # Where marks cannot be taken off (a token without the right), those that are there say nothing.
    marking = held.marking and not held.mark_failures
    return bool(fleet.identity) and marking and instance.identity == fleet.identity


def looks_fresh(fleet: state.Fleet, instance: contract.Instance, account: str) -> bool:
    """Return whether a machine has all that an order of ours has before its Node is seen.

    No Node shows that it lives, it carries the identity of our cluster, and, where the cloud can
    change marks, still ``unjoined``: whoever sees its Node takes that off.
    """
    if claims.shows_life(fleet, instance):
        return False
    if not fleet.accounts[account].marking:
        return instance.identity == (fleet.identity or "")
    return carries_unjoined(fleet, instance) and instance.identity == (fleet.identity or "")


def carries_unjoined(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a machine carries ``unjoined`` since its order, as far as listings showed."""
    return instance.unjoined and instance.provider_id not in fleet.remarked


def remarked(fleet: state.Fleet, instances: Iterable[contract.Instance]) -> frozenset[str]:
    """Return the machines that carry ``unjoined`` again though a listing showed them without it.

    We take it off and never put it on: whoever did, it is no proof any more. ``fleet`` still has
    the index of the listing before.
    """
    return fleet.remarked | {
        instance.provider_id
        for instance in instances
        if instance.unjoined
        and (last := view.known(fleet, instance.provider_id)) is not None
        and not last.unjoined
    }


def is_double(fleet: state.Fleet, instance: contract.Instance, account: str) -> bool:
    """Return whether a machine is a second one of an order of this process, and no node.

    That a machine bears the name of an order proves little, for anybody can edit a label: it must
    look fresh, have been made since this process started, and have come of no other order.
    """
    bound = fleet.minted.get(instance.node_name)
    return (
        not fleet.nodes_stale
        and bound not in (None, "", instance.provider_id)
        and not _came_of_an_order(fleet, instance.provider_id)
        and _is_configured(fleet, instance.group)
        and looks_fresh(fleet, instance, account)
        and instance.created_at > fleet.started_at
    )


def _is_configured(fleet: state.Fleet, group: str) -> bool:
    """Return whether a group is in the configuration: one that departed only waits to be empty."""
    known = fleet.groups.get(group)
    return known is not None and not known.departed


def double_settled(
    fleet: state.Fleet, instance: contract.Instance, snapshot: state.Snapshot
) -> bool:
    """Return whether two listings a settling time apart show that a machine is a double."""
    since = fleet.doubled.get(instance.provider_id)
    settle_s = fleet.accounts[snapshot.account].settle_s
    return since is not None and snapshot.begun_at >= since + settle_s


def may_be_anothers(fleet: state.Fleet, double: contract.Instance) -> bool:
    """Return whether a double of one order may be the machine of another that nobody knows yet.

    The name alone makes it a double, and an API may give one name to all, or somebody edit it:
    while an order that was sent when it was first seen may still land and has no machine, it is
    not deleted. An order that was retired is still one. Where the order ends without a machine, see
    :func:`never_shown`.
    """
    seen_at = fleet.doubled[double.provider_id]
    orders: list[state.Launch | state.Retirement] = [
        *(launch for launch in fleet.launches.values() if launch.may_land),
        *(held for held in fleet.retired.values() if held.deletion is state.Deletion.AWAITED),
    ]
    return any(
        not fleet.minted.get(order.name) and _was_sent_before(fleet, order, seen_at)
        for order in orders
    )


def never_shown(fleet: state.Fleet, order: state.Launch | state.Retirement) -> state.Fleet:
    """Acquit the doubles that may be the machine of an order whose create made nothing, it seems.

    Its answer was lost and nothing bears its name: the create failed, or its machine stands there
    under the name of the order of which it is taken for a double. From now on it counts by itself.
    """
    left = {
        provider_id: seen_at
        for provider_id, seen_at in fleet.doubled.items()
        if not _was_sent_before(fleet, order, seen_at)
    }
    return dataclasses.replace(fleet, doubled=left)


def _was_sent_before(
    fleet: state.Fleet, order: state.Launch | state.Retirement, seen_at: float
) -> bool:
    account = fleet.accounts.get(order.account)
    return account is None or order.asked_at < seen_at + account.settle_s


def bind(fleet: state.Fleet, account: str) -> dict[str, str]:
    """Find the machines that came of orders of this process whose id we do not know yet.

    Of several the older. What was known by another name before is none of them. Nor is, of an order
    that was retired, what is a node (a Node has claimed it since) or what a listing showed before:
    that counted as a machine of its own, and a label, or an API that lies, takes nothing away.
    """
    minted = dict(fleet.minted)
    taken = set(minted.values())
    held = fleet.accounts[account].snapshot
    fresh = sorted(
        (
            instance
            for instance in (held.instances if held is not None else ())
            if minted.get(instance.node_name) == "" and instance.provider_id not in taken
        ),
        key=lambda each: (each.created_at or float("inf"), len(each.id), each.id),
    )
    for instance in fresh:
        known = fleet.index.by_provider_id.get(instance.provider_id)
        renamed = known is not None and known.node_name != instance.node_name
        if was_let_go(fleet, instance.node_name):
            ours = not _was_shown(fleet, instance) and looks_fresh(fleet, instance, account)
        else:
            ours = looks_fresh(fleet, instance, account) or claims.claimed(fleet, instance)
        if not minted[instance.node_name] and not renamed and ours:
            minted[instance.node_name] = instance.provider_id
    return minted


def was_let_go(fleet: state.Fleet, name: str) -> bool:
    """Return whether the order of a name was retired, or its end was proved after that."""
    gone = fleet.gone.get(name)
    return name in fleet.retired or (gone is not None and gone.terminated)


def _was_shown(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a listing before this one showed a machine, by whatever name."""
    return view.known(fleet, instance.provider_id) is not None or instance.provider_id in fleet.gone


def _came_of_an_order(fleet: state.Fleet, provider_id: str) -> bool:
    found = fleet.memo.came_of_orders
    if found is None:
        found = fleet.memo.came_of_orders = frozenset(fleet.minted.values())
    return provider_id in found


def is_our_order(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a machine came of an order of this process: by name and by the cloud's id."""
    return fleet.minted.get(instance.node_name) == instance.provider_id


def settled(fleet: state.Fleet, instance: contract.Instance, account: str) -> bool:
    """Return whether two complete listings a settling time apart agree on :func:`never_joined`."""
    since = fleet.proved.get(instance.provider_id)
    held = fleet.accounts[account]
    if since is None or held.snapshot is None:
        return False
    return held.snapshot.begun_at >= since + held.settle_s and never_joined(
        fleet, instance, account
    )


def unregistered(fleet: state.Fleet, instance: contract.Instance, account: str) -> bool:
    """Return whether CA's word that a machine never registered may be believed.

    Where the cluster has no identity, CA is the witness for machines that this process, or the
    one right before it, may have ordered: those that were younger at our start than a machine may
    take to register, and that no second server has made since. What is older, or says no age,
    was there before us, and the Node that CA misses may be another cluster's.
    """
    if fleet.nodes_stale or (fleet.identity and fleet.nodes is None):
        # There is a cluster to ask, and nobody sees its Nodes.
        return False
    if never_joined(fleet, instance, account):
        return True
    held = fleet.accounts[account]
    if fleet.identity != "" or claims.shows_life(fleet, instance) or instance.identity:
        return False
    if (held.marking and not carries_unjoined(fleet, instance)) or not instance.created_at:
        return False
    group = fleet.groups.get(instance.group)
    patience_s = group.provision_timeout_s if group is not None else 0.0
    young = instance.created_at > fleet.started_at - patience_s
    return young and not is_strange(fleet, instance, held)


def is_strange(
    fleet: state.Fleet, instance: contract.Instance, account: state.AccountState
) -> bool:
    """Return whether a machine was made since we started, and not by us: by a second server.

    None is to a server that stands by: the one that acts made them. What was adopted was made by
    whomever, and a person has said so.
    """
    dated = fleet.started_at and instance.created_at
    if fleet.standby or instance.adopted or not dated or not instance.node_name:
        return False
    since = fleet.started_at + 2 * account.settle_s
    return instance.created_at > since and instance.node_name not in fleet.minted


def may_be_of(fleet: state.Fleet, name: str, instance: contract.Instance) -> bool:
    """Return whether a machine that was looked up by an order's name came of that order."""
    bound = fleet.minted.get(name, "")
    if bound:
        return bound == instance.provider_id
    known = fleet.index.by_provider_id.get(instance.provider_id)
    if known is not None and known.node_name != name:
        return False
    launch, retirement = fleet.launches.get(name), fleet.retired.get(name)
    if launch is None and _was_shown(fleet, instance):
        return False
    account = launch.account if launch else retirement.account if retirement else ""
    if account not in fleet.accounts:
        return False
    if looks_fresh(fleet, instance, account):
        return True
    return launch is not None and claims.claimed(fleet, instance)


def bound(fleet: state.Fleet, name: str, instance: contract.Instance) -> state.Fleet:
    """Note which machine came of an order; the first to be known stays.

    Where a listing showed it under another name and the next one lacked it, it counted as a machine
    of its own: from now on its order stands for it.
    """
    if fleet.minted.get(name):
        return fleet
    provider_id = instance.provider_id
    minted = {**fleet.minted, name: provider_id}
    if provider_id not in fleet.missing or provider_id in fleet.quarantine:
        return dataclasses.replace(fleet, minted=minted)
    missing = {key: held for key, held in fleet.missing.items() if key != provider_id}
    return dataclasses.replace(fleet, minted=minted, missing=missing)


def review(fleet: state.Fleet, account: str, begun_at: float) -> dict[str, float]:
    """Carry the rows of listings that prove one account's machines unjoined on by one listing."""
    held = fleet.accounts[account].snapshot
    return {
        instance.provider_id: fleet.proved.get(instance.provider_id, begun_at)
        for instance in (held.instances if held is not None else ())
        if never_joined(fleet, instance, account)
    }


def doubles(fleet: state.Fleet, account: str, begun_at: float) -> dict[str, float]:
    """Carry the rows of listings that show doubles on by one listing.

    ``fleet`` still has the index of the listing before: what that showed and was no double is none,
    whatever name it bears now.
    """
    held = fleet.accounts[account].snapshot
    return {
        instance.provider_id: fleet.doubled.get(instance.provider_id, begun_at)
        for instance in (held.instances if held is not None else ())
        if (instance.provider_id in fleet.doubled or not _was_shown(fleet, instance))
        and instance.provider_id not in fleet.quarantine
        and is_double(fleet, instance, account)
    }
