"""The groups that the state machine configures, and what their names mean."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import state
from externalgrpc.model import groups, names
from tests.laws import fates


def group(name: str, account: str, low: int, high: int) -> groups.NodeGroup:
    return groups.NodeGroup(
        name=name,
        account=account,
        candidates=fates.CANDIDATES,
        min_size=low,
        max_size=high,
        overrides=groups.AutoscalingOverrides(max_node_provision_time_s=300.0),
    )


CONFIGURATIONS: dict[str, tuple[groups.NodeGroup, ...]] = {
    "as it was": (group("g", "a", 1, 6), group("h", "a", 0, 4), group("k", "b", 0, 5)),
    "h is gone": (group("g", "a", 1, 6), group("k", "b", 0, 5)),
    "h moved": (group("g", "a", 1, 6), group("h", "b", 0, 4), group("k", "b", 0, 5)),
    "b is gone": (group("g", "a", 1, 6), group("h", "a", 0, 4)),
    "g is smaller": (group("g", "a", 2, 3), group("h", "a", 0, 4), group("k", "b", 0, 5)),
    # As vpsnodes/composing makes them of a VPSNode that is being deleted, and of a new one.
    "g is being deleted": (
        dataclasses.replace(group("g", "a", 0, 6), deletion="WaitForEmpty", vps_node=True),
        group("h", "a", 0, 4),
        group("k", "b", 0, 5),
    ),
    "g is held": (
        dataclasses.replace(group("g", "a", 1, 6), hold="no finalizer yet", vps_node=True),
        group("h", "a", 0, 4),
        group("k", "b", 0, 5),
    ),
}


REPAIR_AFTER_S = {"g": 60.0, "k": 20.0}
"""The groups that ask for repair, where any does; h never."""


def base(group: str) -> str:
    """Return the group that is tried, of a trial's; any other is its own."""
    return group.removeprefix(names.TRIAL_PREFIX)


def counts_in(fleet: state.Fleet, mark: str) -> str:
    """Return the group under whose bounds a machine with a group's mark is: of a trial the tried.

    What a trial of an earlier process left is no group's (docs/try.md).
    """
    return base(mark) if mark in fleet.groups else mark
