"""Take what the cluster says: which Nodes there are, what they claim, and which cluster it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from externalgrpc.fleet import (
    claims,
    identity,
    joins,
    keys,
    marking,
    quarantine,
    sparing,
    state,
    vanishing,
    view,
)


def register(
    fleet: state.Fleet, seen: Mapping[str, str], *, now: float, unix_now: float
) -> state.Fleet:
    """Remember the Nodes of machines, by provider id; that they did not join is forgiven.

    A Node whose name is not the one in the machine's mark is none of ours: the claim is noted, and
    no more. A fresh CA shows all Nodes, one a call: what was derived of the fleet still holds where
    nobody's standing changes, so it is handed on.
    """
    agreed: dict[str, str] = {}
    misnamed: dict[str, str] = {}
    for provider_id, name in seen.items():
        fits = claims.fits(fleet, provider_id, name)
        (agreed if fits else misnamed)[provider_id] = name
    fresh = dataclasses.replace(
        fleet,
        registered={**fleet.registered, **agreed},
        misnamed={
            **{each: name for each, name in fleet.misnamed.items() if each not in agreed},
            **misnamed,
        },
        accused=fleet.accused - agreed.keys(),
    )
    joined = {owner[1] for each in agreed if (owner := view.whose(fleet, each)) is not None}
    late = {
        key: held
        for key, held in fleet.unjoined.items()
        if key not in joined or held.failure.code == joins.NEVER_READY
    }
    if fleet.nodes is None:
        standing = frozenset(fleet.quarantine.keys() & agreed.keys()) | misnamed.keys()
    else:
        # Whose a machine is the Nodes themselves say; only CA's own word is taken back by CA.
        standing = fleet.accused & agreed.keys()
    if len(late) < len(fleet.unjoined):
        fresh = dataclasses.replace(fresh, unjoined=late)
    elif not standing:
        fresh.memo.keep(fleet.memo)
    if not standing:
        return fresh
    return quarantine.review(fresh, now=now, unix_now=unix_now, only=standing)


class Claim(NamedTuple):
    """What a real Node that carries a providerID is to us.

    ``fits`` says that it may be the machine whose providerID it carries. ``news`` says that its
    claim to a machine that we know was not noted yet; or says again of one that CA called
    unregistered meanwhile that it is a node; or no longer disagrees with the machine's mark, or
    disagrees since that was edited.
    """

    fits: bool
    news: bool


def claim(fleet: state.Fleet, provider_id: str, name: str) -> Claim:
    """Judge a real Node by its providerID and its name."""
    fits = claims.fits(fleet, provider_id, name)
    return Claim(fits, _is_news(fleet, provider_id, name, fits=fits))


def _is_news(fleet: state.Fleet, provider_id: str, name: str, *, fits: bool) -> bool:
    if not provider_id or identity.placeholder_name(provider_id):
        return False
    if fleet.misnamed.get(provider_id) == name:
        return fits
    if fleet.registered.get(provider_id) == name:
        return provider_id in fleet.accused or not fits
    return (
        provider_id in fleet.index.by_provider_id
        or provider_id in fleet.missing
        or sparing.may_come_back(fleet, provider_id)
        # The machine of an order whose id we do not know yet.
        or name in fleet.launches
        or name in fleet.retired
        # Or of one that was let go since, and was never shown.
        or sparing.may_come_back(fleet, name)
        or provider_id in keys.retired_names(fleet)
        or view.whose(fleet, provider_id) is not None
    )


def contradicts(fleet: state.Fleet, provider_id: str, name: str) -> bool:
    """Return whether a real Node of a name is not the machine whose providerID it carries."""
    return not claims.fits(fleet, provider_id, name)


def see_nodes(
    fleet: state.Fleet, nodes: Mapping[str, state.Seen], *, now: float, unix_now: float
) -> state.Fleet:
    """Take a complete list of the cluster's Nodes, by name."""
    if nodes == fleet.nodes and not fleet.nodes_stale:
        return fleet
    fresh = dataclasses.replace(fleet, nodes=dict(nodes), nodes_stale=False)
    agreed = {
        seen.provider_id: name
        for name, seen in nodes.items()
        if (seen.provider_id not in fleet.registered or seen.provider_id in fleet.accused)
        and (instance := view.known(fleet, seen.provider_id)) is not None
        and claims.agrees(fleet, instance, name)
    }
    if agreed:
        fresh = register(fresh, agreed, now=now, unix_now=unix_now)
    fresh = vanishing.nodes_changed(fresh, now=now)
    return quarantine.review(fresh, now=now, unix_now=unix_now)


def lose_sight_of_nodes(fleet: state.Fleet) -> state.Fleet:
    """Note that the Nodes were not heard of for long: what came since, nobody knows. Idempotent."""
    if fleet.nodes is None or fleet.nodes_stale:
        return fleet
    return dataclasses.replace(fleet, nodes_stale=True)


def identify(
    fleet: state.Fleet, identity: str | None, *, now: float, unix_now: float
) -> state.Fleet:
    """Take what distinguishes our cluster from others of its name; None while nobody knows."""
    if identity == fleet.identity:
        return fleet
    fresh = dataclasses.replace(fleet, identity=identity, proved={})
    return quarantine.review(marking.survey(fresh), now=now, unix_now=unix_now)
