"""The ways in which the fleet itself says no; :mod:`externalgrpc.rpc.error_codes` maps them to
gRPC."""

from __future__ import annotations


class FleetError(Exception):
    """A request that cannot be done; the message is for a person."""


class UnknownGroup(FleetError):
    """No node group of that id is configured."""


class NotOurs(FleetError):
    """A node that is not a machine of this group."""


class OutOfBounds(FleetError):
    """The request would leave the group's bounds."""


class NotReady(FleetError):
    """The account cannot be seen (yet); the same request may pass later."""


class StandsBy(NotReady):
    """Another server acts: the request belongs there."""
