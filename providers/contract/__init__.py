"""Define what a cloud is to us: the Provider protocol and the values that cross it.

A cloud's file translates these values into its vendor's API and back; no SDK object, HTTP
status or vendor's word crosses. Everything here is a plain frozen value; the standard library
is all it takes. Money is :class:`decimal.Decimal`, sizes are bytes, instants are Unix seconds.

A cloud is a class that fits :class:`Provider`, in a package of ours or of anybody's; it inherits
nothing. docs/adding-a-cloud.md walks through one, :mod:`providers.conformance` holds it to this.
"""

from __future__ import annotations

from providers.contract.budget import Budget, Costs, Quota, Rate, billing_of, costs_of
from providers.contract.machines import (
    Instance,
    InstanceState,
    Leftover,
    MachineType,
    Neighbour,
    Offer,
    Order,
)
from providers.contract.marks import NOBODYS, UNJOINED_VALUE, Mark
from providers.contract.migrating import (
    Adopting,
    Candidate,
    Converted,
    Converting,
    Pool,
    Setup,
)
from providers.contract.optional import Finishing, Leaving, Marking, Neighbourly, Packing, Tidying
from providers.contract.posing import FAKE_NODE, POSED, NodeShape, Posing, Taint
from providers.contract.provider import ENTRY_POINT_GROUP, Login, NoOptions, Provider, as_ordered

__all__ = [
    "ENTRY_POINT_GROUP",
    "FAKE_NODE",
    "NOBODYS",
    "POSED",
    "UNJOINED_VALUE",
    "Adopting",
    "Budget",
    "Candidate",
    "Converted",
    "Converting",
    "Costs",
    "Finishing",
    "Instance",
    "InstanceState",
    "Leaving",
    "Leftover",
    "Login",
    "MachineType",
    "Mark",
    "Marking",
    "Neighbour",
    "Neighbourly",
    "NoOptions",
    "NodeShape",
    "Offer",
    "Order",
    "Packing",
    "Pool",
    "Posing",
    "Provider",
    "Quota",
    "Rate",
    "Setup",
    "Taint",
    "Tidying",
    "as_ordered",
    "billing_of",
    "costs_of",
]
