"""Configure what a kubelet keeps from pods: the numbers that the template subtracts.

Where the cluster's own ``kubelet-config`` is known, the kubelet has most of it from there, and is
given only what the group wants otherwise; where it is not, it is given everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from externalgrpc.model import groups, quantity
from externalgrpc.nodes import kubeletconfig

_RESERVED = frozenset({"cpu_millis", "memory_bytes", "disk_bytes"})
_THRESHOLDS = {
    "eviction_memory_bytes": "memory.available",
    "eviction_disk_fraction": "nodefs.available",
}
_OTHER_EVICTION = {
    # A kubelet that is given some thresholds takes the rest for zero: these are its defaults.
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reservations:
    """What a kubelet is given, in its own words (quantities and percentages)."""

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


def patch(
    kept: groups.KubeletReserve, cluster: kubeletconfig.KubeletConfig | None
) -> dict[str, object]:
    """Give a JSON merge patch for the cluster's KubeletConfiguration, such that ``kept`` comes out.

    All that is reserved counts as the system's, so the cluster's kubeReserved goes. Thresholds
    are named all or none where the cluster names none: a kubelet takes the others for zero.
    """
    promised = reservations(kept)
    whole = cluster is None
    patch: dict[str, object] = {}
    if whole or "max_pods" in kept.given:
        patch |= {"maxPods": promised.max_pods, "podsPerCore": None}
    if whole or kept.given & _RESERVED:
        patch |= {"kubeReserved": None, "systemReserved": dict(promised.system_reserved)}
    thresholds = {key for figure, key in _THRESHOLDS.items() if figure in kept.given}
    if cluster is None or (thresholds and not cluster.names_thresholds):
        patch["evictionHard"] = dict(promised.eviction_hard)
    elif thresholds:
        patch["evictionHard"] = {key: promised.eviction_hard[key] for key in thresholds}
    return patch


def arguments(promised: Reservations) -> dict[str, str]:
    """Return the same as a kubelet's flags, for where there is no configuration to patch."""
    return {
        "max-pods": str(promised.max_pods),
        "system-reserved": ",".join(
            f"{key}={each}" for key, each in promised.system_reserved.items()
        ),
        "eviction-hard": ",".join(f"{key}<{each}" for key, each in promised.eviction_hard.items()),
    }


def _percent(fraction: float) -> str:
    return f"{(Decimal(str(fraction)) * 100).normalize():f}%"
