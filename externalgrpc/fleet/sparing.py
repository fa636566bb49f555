"""Withdraw deletions: of what was retired because it was of no use, and is of use after all."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import claims, index, state


def spare(fleet: state.Fleet) -> state.Fleet:
    """Withdraw the deletions, not under way, of machines that are nodes after all, or ready again.

    They were retired because they were not; they count again. A deletion that the cloud took and
    whose machine is shown all the same is withdrawn as well.
    """
    spared = frozenset(
        key
        for key, held in fleet.retired.items()
        if _may_be_withdrawn(fleet, held) and is_spared(fleet, key)
    )
    if not spared:
        return fleet
    left = {key: held for key, held in fleet.retired.items() if key not in spared}
    return dataclasses.replace(
        fleet,
        retired=left,
        unjoined={key: held for key, held in fleet.unjoined.items() if key not in spared},
        index=index.build(fleet.accounts.values(), left),
    )


def is_spared(fleet: state.Fleet, key: str) -> bool:
    """Return whether a retired machine that CA did not drain lives: it is not to be deleted."""
    held = fleet.retired.get(key)
    if held is None or held.drained or not held.provider_id:
        return False
    return _is_of_use(fleet, held)


def _is_of_use(fleet: state.Fleet, held: state.Retirement) -> bool:
    """Return whether what a machine was retired for no longer holds of it."""
    if not held.repair:
        return claims.lives(fleet, held.provider_id, held.name)
    group = fleet.groups.get(held.group)
    if group is None or group.repair_after_s is None or held.provider_id in fleet.left_alone:
        return True
    return claims.is_well(fleet, held.provider_id, held.name)


def was_spared(after: state.Fleet, held: state.Retirement) -> bool:
    """Return of a retirement that is no more whether it was withdrawn; else it is proved gone."""
    if held.drained or not _is_of_use(after, held):
        return False
    return held.deletion is state.Deletion.OWED or held.provider_id in after.index.by_provider_id


def may_come_back(fleet: state.Fleet, key: str) -> bool:
    """Return whether a machine is gone that CA did not drain: that it was a node is remembered.

    Whether it was retired or is just no longer shown: a cloud may show it again, and its Node is
    news. ``key`` is its provider id, or the name of an order that was let go with no machine to be
    seen.
    """
    gone = fleet.gone.get(key)
    return gone is not None and not gone.drained


def _may_be_withdrawn(fleet: state.Fleet, held: state.Retirement) -> bool:
    if held.deletion is state.Deletion.DONE:
        return held.provider_id in fleet.index.by_provider_id
    return held.deletion is state.Deletion.OWED
