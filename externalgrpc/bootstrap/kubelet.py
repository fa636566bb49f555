"""Tell a kubelet what to keep from pods: the numbers that the template subtracts.

Our nodes run with the group's figures, whatever the cluster's own ``kubelet-config`` says: what
it should keep has to be in the group's figures before anything is rendered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from externalgrpc import groups, quantity

_OTHER_EVICTION = {
    # A kubelet that is given some thresholds takes the rest for zero: these are its defaults.
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reservations:
    """What a kubelet is told, in its own words (quantities and percentages)."""

    max_pods: int
    system_reserved: Mapping[str, str]
    eviction_hard: Mapping[str, str]


def reservations(reserve: groups.KubeletReserve) -> Reservations:
    """Spell a group's figures for a kubelet."""
    return Reservations(
        max_pods=reserve.max_pods,
        system_reserved={
            "cpu": quantity.of_millis(reserve.cpu_millis),
            "memory": quantity.of_bytes(reserve.memory_bytes),
            "ephemeral-storage": quantity.of_bytes(reserve.disk_bytes),
        },
        eviction_hard={
            # A threshold of no bytes is refused; no percent means none.
            "memory.available": quantity.of_bytes(reserve.eviction_memory_bytes)
            if reserve.eviction_memory_bytes
            else "0%",
            "nodefs.available": _percent(reserve.eviction_disk_fraction),
            **_OTHER_EVICTION,
        },
    )


def configuration(told: Reservations) -> dict[str, object]:
    """Give a JSON merge patch for a KubeletConfiguration.

    All that is reserved counts as the system's, so the cluster's kubeReserved goes.
    """
    return {
        "maxPods": told.max_pods,
        "kubeReserved": None,
        "systemReserved": dict(told.system_reserved),
        "evictionHard": dict(told.eviction_hard),
    }


def arguments(told: Reservations) -> dict[str, str]:
    """Give the same as a kubelet's flags, for where there is no configuration to patch."""
    return {
        "max-pods": str(told.max_pods),
        "system-reserved": ",".join(f"{key}={each}" for key, each in told.system_reserved.items()),
        "eviction-hard": ",".join(f"{key}<{each}" for key, each in told.eviction_hard.items()),
    }


def _percent(fraction: float) -> str:
    return f"{(Decimal(str(fraction)) * 100).normalize():f}%"
