"""Bound what exists of a group at once, what is being deleted included.

Growth is never refused for machines that are on their way out: the order waits until they are
gone. A deletion that does not get on (a protected machine, a cloud that fails) holds it for ten
minutes, no longer. What the operator said is not ours does not count.
"""

from __future__ import annotations

from externalgrpc.fleet import keys, requests, state
from externalgrpc.model import groups, names

STUCK_S = 600.0
"""A deletion that is older holds no order any more."""

_IN_THE_AIR = (state.Phase.ASKED, state.Phase.UNSURE, state.Phase.ACCEPTED)


class Surge:
    """Count, group by group, what exists or may exist; one for each plan."""

    def __init__(self, fleet: state.Fleet, agenda: requests.Agenda) -> None:
        self._fleet = fleet
        self._agenda = agenda
        self._counts: dict[str, int] = {}

    def holds(self, group: groups.NodeGroup) -> bool:
        """Return whether one more machine of a group would be too many for now."""
        name = group.trial_of or group.name
        if name not in self._counts:
            trial = names.trial_group(name, groups.MAX_GROUP_NAME)
            self._counts[name] = self._count(name) + self._count(trial)
        return self._counts[name] >= group.most_machines

    def sent(self, group: groups.NodeGroup) -> None:
        """Note that a machine of a group was ordered."""
        self._counts[group.trial_of or group.name] += 1

    def _count(self, group: str) -> int:
        fleet, shown = self._fleet, self._fleet.index
        standing = {member.provider_id for member in shown.members.get(group, {}).values()}
        standing |= {
            each.provider_id
            for each in shown.deleting.get(group, ())
            if not self._agenda.due(fleet.going.get(each.provider_id, self._agenda.now) + STUCK_S)
        }
        standing -= {key for key, held in fleet.quarantine.items() if held.ignored}
        flying = sum(
            1
            for launch in fleet.launches.values()
            if launch.group == group
            and launch.phase in _IN_THE_AIR
            and fleet.minted.get(launch.name) not in standing
        )
        leaving = 0
        for retirement in fleet.retired.values():
            if retirement.group != group:
                continue
            provider_id = keys.machine_of(fleet, retirement)
            if self._agenda.due(retirement.since + STUCK_S):
                standing.discard(provider_id)
            elif provider_id not in standing and retirement.deletion is not state.Deletion.DONE:
                leaving += 1
        return len(standing) + flying + leaving
