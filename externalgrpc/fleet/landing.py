"""Decide by a listing what became of orders: shown, lacking, or not to be known yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.fleet import claims, keys, state
from providers import contract

FATE_AFTER_S = 20.0
"""An accepted machine that is not running after this long has its order's fate looked up."""


def survey(
    fleet: state.Fleet,
    snapshot: state.Snapshot,
    before: Mapping[str, contract.Instance],
    now: float,
) -> state.Fleet:
    """Take what a listing says of orders; ``before`` is what the account's last one showed.

    Those whose machine runs are orders no more; those that it lacks are put up for a look-up, once
    the settling time is over.
    """
    settle_s = fleet.accounts[snapshot.account].settle_s
    blind = _lacks_what_was_there(fleet, before)
    launches: dict[str, state.Launch] = {}
    missing = dict(fleet.missing)
    shown = fleet.index.by_provider_id
    for name, launch in fleet.launches.items():
        landed = shown.get(fleet.minted.get(name, ""))
        if _stands_for_itself(fleet, launch, landed):
            continue
        if landed is not None:
            is_node = claims.shows_life(fleet, landed)
            flying = None if is_node else _flying(launch, landed, now)
            if flying is not None:
                launches[name] = flying
        elif launch.account != snapshot.account:
            launches[name] = launch
        elif (node := _lost_node(fleet, launch, snapshot.begun_at - settle_s)) is not None:
            held = state.Missing(instance=node, account=launch.account, look_at=now)
            missing.setdefault(node.provider_id, held)
        elif blind and launch.outcome_unknown:
            launches[name] = dataclasses.replace(launch, doubtful_since=snapshot.begun_at)
        else:
            launches[name] = _unseen(launch, snapshot.begun_at, settle_s, now)
    return dataclasses.replace(fleet, launches=launches, missing=missing)


def _lacks_what_was_there(fleet: state.Fleet, before: Mapping[str, contract.Instance]) -> bool:
    """Return whether a listing lacks a machine that was there and that nobody deletes.

    It may be gone; or the login sees another project, or a part of it. Until that is over for a
    settling time, that an order is not shown is no reason to send it again.
    """
    shown = fleet.index.by_provider_id
    return any(
        provider_id not in shown
        and instance.state is not contract.InstanceState.DELETING
        and not keys.is_retired(fleet, instance)
        for provider_id, instance in before.items()
    )


def _lost_node(fleet: state.Fleet, launch: state.Launch, before: float) -> contract.Instance | None:
    """Return the machine of a launch that became a node and is not listed: it is no order any more.

    What was a node is not given up and ordered anew on the word of a cloud that does not show it.
    """
    instance = launch.instance
    if launch.phase is not state.Phase.ACCEPTED or launch.doubtful_since >= before:
        return None
    assert instance is not None  # noqa: S101 - what is accepted has a machine
    if not claims.shows_life(fleet, instance):
        return None
    return dataclasses.replace(instance, node_name=launch.name, group=launch.group)


def _stands_for_itself(
    fleet: state.Fleet, launch: state.Launch, landed: contract.Instance | None
) -> bool:
    """Return whether a launch's machine is shown, but with other marks than it was ordered with.

    People change labels: it counts under what it carries now, and its launch is over.
    """
    if landed is None and launch.instance is not None:
        landed = fleet.index.by_provider_id.get(launch.instance.provider_id)
    return landed is not None and (landed.node_name != launch.name or landed.group != launch.group)


def _flying(launch: state.Launch, instance: contract.Instance, now: float) -> state.Launch | None:
    """Follow a launch whose machine is shown until it runs; from then on it is a machine only.

    So is what is a node already.
    """
    if instance.state is contract.InstanceState.RUNNING:
        return None
    unfinished = instance.state is contract.InstanceState.UNFINISHED
    if unfinished and launch.phase is state.Phase.ASKED:
        # Its create is between two of its requests; its answer decides. Its id is known.
        return dataclasses.replace(launch, instance=instance)
    held = launch.instance
    same = held is not None and held.provider_id == instance.provider_id
    receipt = held.receipt if held is not None and same else instance.receipt
    look_at = launch.look_at
    was_stopped = held is not None and held.state is instance.state
    if instance.state is contract.InstanceState.STOPPED and not was_stopped:
        look_at = min(look_at, now)
    elif launch.phase is not state.Phase.ACCEPTED:
        look_at = now + FATE_AFTER_S
    return dataclasses.replace(
        launch,
        phase=state.Phase.ACCEPTED,
        instance=dataclasses.replace(instance, receipt=receipt),
        failure=None,
        doubtful_since=max(launch.doubtful_since, launch.asked_at),
        may_land=True,
        look_at=look_at,
    )


def _unseen(launch: state.Launch, begun_at: float, settle_s: float, now: float) -> state.Launch:
    """Put a launch that the listing lacks up for a look-up once the settling time is over."""
    doubtful = launch.phase is state.Phase.ACCEPTED or launch.outcome_unknown
    if doubtful and begun_at > launch.doubtful_since + settle_s:
        return dataclasses.replace(launch, look_at=min(launch.look_at, now))
    return launch
