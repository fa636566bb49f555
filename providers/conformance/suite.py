"""Put the suite together: one class to inherit, and one more for clouds behind HTTP."""

from __future__ import annotations

from providers.conformance import (
    adopting,
    describing,
    garbling,
    living,
    marking,
    ordering,
    refusing,
    stepping,
)


class ProviderContract(
    describing.Describing,
    living.Living,
    ordering.Ordering,
    stepping.Stepping,
    refusing.Refusing,
    marking.Marking,
    adopting.Adopting,
):
    """What is true of every cloud. Names of the catalogue are the subclass's to say."""


class HTTPContract(ProviderContract, garbling.Garbling):
    """What is true of every cloud that is spoken to over HTTP.

    ``Bench.controls`` must be :class:`providers.conformance.controls.HTTPControls`, and
    :meth:`make` must open the login with a ``read_timeout_s`` of at most a second.
    """
