"""The law of repair: who is deleted for a Node that stays away, by what is true of the Nodes.

Truth is the simulated cluster's: when a machine's own Node was ready last, who claims what now, and
what a person said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from externalgrpc.fleet import repair, state, vanishing, view
from tests.laws import caps, laws, life

GAP_S = 120.0
"""An absent Node may have been back while the API server was not heard of for so long."""

SURE_S = 60.0

Stands = Callable[[str, str], bool]
"""Tell whether a group, or an account, is paused, as far as a server can know."""


class Repairs:
    """Hold what one process repairs to the law; it began at ``started_at``."""

    def __init__(
        self, truth: life.Life, limits: caps.Caps, stands_still: Stands, *, started_at: float
    ) -> None:
        self._life = truth
        self._caps = limits
        self._stands_still = stands_still
        self._started_at = started_at
        self.count = 0

    def check(
        self,
        before: state.Fleet,
        after: state.Fleet,
        nodes: Mapping[str, state.Seen],
        now: float,
        *,
        sure: bool = True,
    ) -> None:
        """Check what one look at the Nodes let go; ``nodes`` are the true ones, by name."""
        for held in repair.begun(before, after):
            self.count += 1
            self._caps.repaired(after, held, now)
            group = before.groups[held.group]
            after_s = group.repair_after_s
            laws.require(after_s is not None, "who did not ask for it is not repaired", held)
            if after_s is None:
                continue
            laws.require(sure, "who has not seen the Nodes without a gap repairs nothing", held)
            still = self._stands_still(held.group, held.account)
            laws.require(not still, "paused: nothing is repaired", held)
            laws.require(
                now - self._started_at >= after_s, "after a restart a repair waits anew", held
            )
            self._node(held, before, nodes, now, after_s)
            self._large(before, nodes)

    def _node(
        self,
        held: state.Retirement,
        fleet: state.Fleet,
        nodes: Mapping[str, state.Seen],
        now: float,
        after_s: float,
    ) -> None:
        provider_id = held.provider_id
        claiming = [name for name, seen in nodes.items() if seen.provider_id == provider_id]
        named = nodes.get(held.name)
        laws.require(provider_id not in fleet.quarantine, "who is in doubt is not repaired", held)
        laws.require(
            set(claiming) <= {held.name} and (named is None or named.provider_id == provider_id),
            "who is repaired is its Node by name and providerID, and no other claims it",
            held,
            claiming,
            named,
        )
        laws.require(
            not any(nodes[name].left_alone for name in claiming),
            "who is to be left alone is not repaired",
            held,
        )
        last = self._life.last_ready(provider_id)
        slack_s = life.SIGHT_S + (0.0 if claiming else GAP_S)
        laws.require(
            last is None or now - last >= after_s - slack_s,
            "who was ready lately is not repaired",
            held,
            f"ready last at {last}, now {now}",
        )
        if claiming:
            return
        siblings = {
            each.provider_id: _is_ready(each.provider_id, nodes)
            for each in view.members(fleet, held.group)
            if each.provider_id != provider_id
        }
        # One that joined this instant is a witness (seed 1373); that one which was ready for less
        # than a look and is no more was ever a node, no look need have seen.
        seen = [well or not self._life.was_ready_long(each) for each, well in siblings.items()]
        laws.require(
            any(siblings.values()) and all(seen),
            "who is absent is repaired only while its siblings are ready",
            held,
            siblings,
        )

    def _large(self, fleet: state.Fleet, nodes: Mapping[str, state.Seen]) -> None:
        """Check that the cluster had not lost its nodes: that is an outage, and nothing goes."""
        were = [
            _is_ready(each.provider_id, nodes)
            for group in fleet.groups
            for each in view.members(fleet, group)
            if each.instance is not None and self._life.was_ready_long(each.provider_id)
        ]
        laws.require(
            not vanishing.is_outage(were.count(False), len(were)),
            "in an outage nothing is repaired",
            were,
        )


def _is_ready(provider_id: str, nodes: Mapping[str, state.Seen]) -> bool:
    return any(seen.ready and seen.provider_id == provider_id for seen in nodes.values())
