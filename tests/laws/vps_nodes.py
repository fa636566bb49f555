"""The laws of groups that are objects: held, being deleted, or not all listed yet."""

from __future__ import annotations

from externalgrpc.fleet import notnow, requests, state, view
from tests.laws import laws


def check(fleet: state.Fleet) -> None:
    """Look at what CA and people are shown."""
    if fleet.awaited:
        laws.require(not view.served(fleet), "no group is shown before all are known")
        laws.require(not view.orphans(fleet), "nothing is an orphan before all groups are known")
    for name, group in fleet.groups.items():
        if group.deletion and not group.departed:
            shown, size = notnow.bounds(fleet, name), view.target(fleet, name)
            law = "what is being deleted is shown as none at least, and at most as it is"
            laws.require(shown == (0, size), law, name, shown, size)


def may_order(fleet: state.Fleet, request: requests.Create) -> None:
    """Hold an order to what is known of its object when it is planned, and when it is sent."""
    group = fleet.groups.get(request.group.name, request.group)
    laws.require(not fleet.awaited, "no order is sent before all groups are known", request)
    laws.require(not group.hold, "no order is sent before the finalizer is there", request)
    laws.require(not group.deletion, "nothing is ordered for what is being deleted", request)


def may_grow(fleet: state.Fleet, name: str) -> None:
    """Hold a growth that was accepted to what is known of its object."""
    laws.require(not fleet.awaited, "nothing grows before all groups are known", name)
    laws.require(not fleet.groups[name].deletion, "what is being deleted does not grow", name)
