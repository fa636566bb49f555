"""Read what a KubeletConfiguration keeps from pods, with kubelet's own defaults and rules.

The rules are those of kubelet.config.k8s.io/v1beta1: allocatable is capacity less systemReserved,
kubeReserved and the hard eviction thresholds; thresholds that are named at all replace the default
ones, unless ``mergeDefaultEvictionSettings`` is set.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

from externalgrpc.model import groups, quantity
from providers import contract

_MEMORY: Final = "memory.available"
_DISK: Final = "nodefs.available"
_DEFAULTS: Final = {_MEMORY: "100Mi", _DISK: "10%"}
_MAX_PODS: Final = 110
_FIGURES: Final = frozenset(
    {
        "max_pods",
        "cpu_millis",
        "memory_bytes",
        "disk_bytes",
        "eviction_memory_bytes",
        "eviction_disk_fraction",
    }
)
_CPU_LIST: Final = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*", re.ASCII)
_LARGEST_COUNT: Final = 2**31 - 1
"""Counts are int32 in this API: a kubelet that reads a larger one does not start."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """An amount, or a share (0 to 1) of what there is."""

    amount_bytes: int = 0
    share: Fraction = Fraction(0)

    def of(self, capacity_bytes: int) -> int:
        """Return the amount in bytes on a machine with this capacity."""
        return max(self.amount_bytes, int(self.share * capacity_bytes))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KubeletConfig:
    """What every kubelet of the cluster keeps from pods.

    ``pods_per_core`` 0 is no such limit. ``names_thresholds`` says that it names thresholds of
    its own, so that those which it leaves out are none.
    """

    max_pods: int = _MAX_PODS
    pods_per_core: int = 0
    cpu_millis: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    eviction_memory: Threshold = Threshold(amount_bytes=100 * 1024 * 1024)
    eviction_disk: Threshold = Threshold(share=Fraction(1, 10))
    names_thresholds: bool = False

    def reserve(
        self, *, cpu_millis: int, memory_bytes: int, disk_bytes: int, memory_overhead: float
    ) -> groups.KubeletReserve:
        """Return what is kept on a machine of this size; shares become amounts and amounts shares.

        ``memory_bytes`` is the price list's and ``memory_overhead`` the share of it that kernel and
        firmware take; ``disk_bytes`` is what the root file system holds.
        """
        pods = self.max_pods
        if self.pods_per_core > 0:
            pods = min(pods, self.pods_per_core * (cpu_millis // 1000))
        capacity_bytes = int(memory_bytes * (1 - memory_overhead))
        share = float(self.eviction_disk.share)
        if self.eviction_disk.amount_bytes and disk_bytes:
            share = max(share, self.eviction_disk.amount_bytes / disk_bytes)
        return groups.KubeletReserve(
            max_pods=pods,
            cpu_millis=self.cpu_millis,
            memory_bytes=self.memory_bytes,
            disk_bytes=self.disk_bytes,
            eviction_memory_bytes=self.eviction_memory.of(capacity_bytes),
            eviction_disk_fraction=min(1.0, share),
            memory_overhead=memory_overhead,
        )


def read(settings: Mapping[str, Any]) -> KubeletConfig:
    """Read a KubeletConfiguration; what makes no sense in it counts as not said."""
    reserved = (_mapping(settings, "systemReserved"), _mapping(settings, "kubeReserved"))
    thresholds = _thresholds(settings)
    return KubeletConfig(
        max_pods=_count(settings, "maxPods") or _MAX_PODS,
        pods_per_core=_count(settings, "podsPerCore"),
        cpu_millis=_reserved_cpus(settings)
        or sum(_amount(each.get("cpu"), quantity.millis) for each in reserved),
        memory_bytes=sum(_amount(each.get("memory"), quantity.units) for each in reserved),
        disk_bytes=sum(_amount(each.get("ephemeral-storage"), quantity.units) for each in reserved),
        eviction_memory=_threshold(thresholds.get(_MEMORY)),
        eviction_disk=_threshold(thresholds.get(_DISK)),
        names_thresholds=bool(_mapping(settings, "evictionHard")),
    )


def kept(
    own: groups.KubeletReserve, kind: contract.MachineType, cluster: KubeletConfig | None
) -> groups.KubeletReserve:
    """Return what kubelets keep on machines of a group: its own figures, else the cluster's.

    Without the cluster's, what ``own`` has is all there is.
    """
    if cluster is None:
        return own
    theirs = cluster.reserve(
        cpu_millis=kind.cpu_millis,
        memory_bytes=kind.memory_bytes,
        disk_bytes=int(kind.disk_bytes * (1 - own.disk_overhead)),
        memory_overhead=own.memory_overhead,
    )
    unsaid = {name: getattr(theirs, name) for name in _FIGURES - own.given}
    return dataclasses.replace(own, **unsaid)


def _thresholds(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    named = _mapping(settings, "evictionHard")
    if not named:
        return _DEFAULTS
    return {**_DEFAULTS, **named} if settings.get("mergeDefaultEvictionSettings") is True else named


def _threshold(text: object) -> Threshold:
    if isinstance(text, str) and text.endswith("%"):
        try:
            share = quantity.parse(text[:-1]) / 100
        except quantity.BadQuantity:
            share = Fraction(0)
        return Threshold(share=min(max(share, Fraction(0)), Fraction(1)))
    return Threshold(amount_bytes=_amount(text, quantity.units))


def _amount(text: object, reader: Callable[[str], int]) -> int:
    if isinstance(text, bool) or not isinstance(text, str | int):
        return 0
    try:
        return max(0, reader(str(text)))
    except quantity.BadQuantity:
        return 0


def _count(settings: Mapping[str, Any], key: str) -> int:
    value = settings.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= _LARGEST_COUNT else 0


def _mapping(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = settings.get(key)
    return value if isinstance(value, dict) else {}


def _reserved_cpus(settings: Mapping[str, Any]) -> int:
    # A list such as "0-1,4": it takes the place of both reservations' cpu.
    value = settings.get("reservedSystemCPUs")
    if not isinstance(value, str) or not _CPU_LIST.fullmatch(value):
        return 0
    ranges = [each.partition("-") for each in value.split(",")]
    named = [range(int(first), int(last or first) + 1) for first, _, last in ranges]
    # No kubelet starts with a range that runs backwards.
    return 1000 * len(set().union(*named)) if all(named) else 0
