"""The law of rest: when all is mended and said, what is wanted stands, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from externalgrpc.fleet import view
from externalgrpc.model import groups
from tests.laws import laws, side


def nothing_is_unnamed(sides: Sequence[side.Side], now: float) -> None:
    """Check that each server, before any word, knows every machine: as whose, or as unsure."""
    for one in sides:
        fleet = one.server.fleet
        named = {
            each.provider_id for shown in fleet.index.members.values() for each in shown.values()
        }
        named |= {each.provider_id for each in fleet.index.by_provider_id.values()}
        # What came or went in the last minute is still to be listed.
        late = {
            provider_id
            for provider_id, machine in one.by_id().items()
            if now - machine.created_at < 120.0
        }
        laws.require(
            one.by_id().keys() - late <= named,
            "every machine that stands is a member or named",
            one.name,
            sorted(one.by_id().keys() - named),
        )


def restless(sides: Sequence[side.Side], node_groups: Sequence[groups.NodeGroup]) -> list[str]:
    """Return what is not as it should be at rest; nothing at all is what should be."""
    return [wrong for one in sides for wrong in _restless_in(one, node_groups)]


def _restless_in(one: side.Side, node_groups: Sequence[groups.NodeGroup]) -> list[str]:
    fleet = one.server.fleet
    wrong: list[str] = []
    own = {
        provider_id: machine
        for provider_id, machine in one.by_id().items()
        if machine.user_data == one.kubernetes.key
    }
    there = Counter((machine.group, provider_id) for provider_id, machine in own.items())
    shown = Counter(
        (name, member.provider_id) for name in fleet.groups for member in view.members(fleet, name)
    )
    if there != shown:
        wrong.append(f"{one.name}: cloud {sorted(there - shown)}, members {sorted(shown - there)}")
    joined = Counter(node.provider_id for node in one.kubernetes.nodes.values() if node.ready)
    if joined != Counter(own.keys()):
        wrong.append(f"{one.name}: nodes {sorted(joined)}, machines {sorted(own)}")
    for group in node_groups:
        size = sum(machine.group == group.name for machine in own.values())
        wanted = max(group.min_size, one.autoscaler.want[group.name])
        if size != wanted:
            wrong.append(f"{one.name}: {group.name} has {size}, wanted are {wanted}")
    wrong += [f"{one.name}: retired: {key}" for key in fleet.retired]
    wrong += [f"{one.name}: missing: {key}" for key in fleet.missing]
    return wrong
