"""What the operator lets Kubero's apps order as pools of their own (docs/kubero.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

LARGEST: Final = 1000
"""More nodes than the CRD of VPSNodes lets one have."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """What apps may order at one cloud, in the cloud's words."""

    regions: tuple[str, ...] = dataclasses.field(
        metadata={"description": "Where apps may have nodes, as [fsn1]."}
    )
    instance_types: tuple[str, ...] = dataclasses.field(
        metadata={"description": "Which machine types apps may have, as [cx23]."}
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AppPools:
    """Whose apps may have pools of their own, of what, and how large; nodes are counts."""

    namespaces: tuple[str, ...] = dataclasses.field(
        metadata={"description": "The namespaces whose apps may have pools of their own."}
    )
    providers: Mapping[str, Sold] = dataclasses.field(
        metadata={"description": "By cloud: the regions and machine types that apps may order."}
    )
    max_nodes_per_app: int = dataclasses.field(
        metadata={"description": "Most nodes that one app may ask for."}
    )
    max_nodes: int = dataclasses.field(
        metadata={"description": "Most nodes of all these pools together."}
    )

    def __post_init__(self) -> None:
        """Refuse numbers and lists that allow nothing, or more than a pool can have."""
        if not self.namespaces:
            raise ValueError("namespaces is empty: name one, or remove appPools")
        if not self.providers:
            raise ValueError("providers is empty: name a cloud, or remove appPools")
        if not 1 <= self.max_nodes_per_app <= LARGEST:
            raise ValueError(
                f"maxNodesPerApp is {self.max_nodes_per_app}: it must be between 1 and {LARGEST}"
            )
        if self.max_nodes < self.max_nodes_per_app:
            raise ValueError(
                f"maxNodes is {self.max_nodes}, less than maxNodesPerApp "
                f"({self.max_nodes_per_app}): raise it, or lower the other"
            )
