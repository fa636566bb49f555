"""Follow machines on their way: created, running, certificate asked for, Node, ready."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.fleet import claims, state, view
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeObservation:
    """What the cluster shows of a machine; instants are Unix seconds, 0 for what is not there.

    ``was_ready_at`` is a guess for a Node that is not ready now and seems to have been once: it
    counts for machines that we did not see join. ``name`` and ``provider_id`` are the Node's, empty
    where there is none or it does not say.
    """

    name: str = ""
    provider_id: str = ""
    csr_at: float = 0.0
    node_at: float = 0.0
    ready_at: float = 0.0
    was_ready_at: float = 0.0


NOTHING = NodeObservation()
_FRESH_S = 30.0
"""A machine that runs and is not older has been under our eyes: some clouds boot in seconds."""


def follow(
    fleet: state.Fleet, sights: Mapping[str, NodeObservation], *, unix_now: float
) -> state.Fleet:
    """Note how far each machine of a group has come; gives the same value when none moved."""
    found: dict[str, state.Journey] = {}
    for group in fleet.groups:
        for member in view.members(fleet, group):
            if member.instance is not None:
                before = fleet.journeys.get(member.name)
                if before is not None and before.provider_id not in ("", member.provider_id):
                    before = None
                sight = seen(fleet, sights, member.instance)
                found[member.name] = _further(before, member.instance, sight, unix_now)
    if found == fleet.journeys:
        return fleet
    return dataclasses.replace(fleet, journeys=found)


def seen(
    fleet: state.Fleet, sights: Mapping[str, NodeObservation], instance: contract.Instance
) -> NodeObservation:
    """Find what the cluster shows of a machine: of the Node that is it by name and providerID."""
    named = sights.get(instance.node_name)
    if named is not None and named.provider_id in ("", instance.provider_id):
        return named
    claiming = sights.get(instance.provider_id)
    if claiming is None or (claiming.name and not claims.agrees(fleet, instance, claiming.name)):
        return NOTHING
    return claiming


def _further(
    before: state.Journey | None,
    instance: contract.Instance,
    sight: NodeObservation,
    unix_now: float,
) -> state.Journey:
    if before is not None and before.ready_at:
        seen_ready = before.guessed and sight.ready_at
        return dataclasses.replace(before, guessed=False) if seen_ready else before
    ready_at, guessed = sight.ready_at, False
    if before is None:
        guessed = not ready_at and bool(sight.was_ready_at)
        ready_at = ready_at or sight.was_ready_at
        created_at = instance.created_at or unix_now
        boots = instance.state in (
            contract.InstanceState.CREATING,
            contract.InstanceState.UNFINISHED,
        )
        fresh = boots or unix_now - created_at < _FRESH_S
        before = state.Journey(
            created_at=created_at,
            provider_id=instance.provider_id,
            watched=fresh and not sight.node_at,
        )
    runs = instance.state is contract.InstanceState.RUNNING
    # What happens under our eyes is timed by one clock, ours; the API server's may differ.
    node_at, ready_at = (
        unix_now if before.watched and at else at for at in (sight.node_at, ready_at)
    )
    return dataclasses.replace(
        before,
        running_at=before.running_at or (unix_now if runs else 0.0),
        csr_at=before.csr_at or sight.csr_at,
        node_at=before.node_at or node_at,
        ready_at=ready_at,
        guessed=guessed,
    )
