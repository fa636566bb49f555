"""Turn the nested settings of a group into frozen values."""

from __future__ import annotations

from externalgrpc import groups
from externalgrpc.config import model


def reserve(entry: model.KubeletEntry) -> groups.KubeletReserve:
    """Take what kubelet keeps; what the file does not say stays kubeadm's default."""
    default = groups.KubeletReserve()

    def share(percent: float | None, otherwise: float) -> float:
        return otherwise if percent is None else percent / 100

    def number(given: int | None, otherwise: int) -> int:
        return otherwise if given is None else given

    return groups.KubeletReserve(
        max_pods=number(entry.max_pods, default.max_pods),
        cpu_millis=number(entry.cpu, default.cpu_millis),
        memory_bytes=number(entry.memory, default.memory_bytes),
        disk_bytes=number(entry.ephemeral_storage, default.disk_bytes),
        eviction_memory_bytes=number(entry.eviction_memory, default.eviction_memory_bytes),
        eviction_disk_fraction=share(entry.eviction_disk_percent, default.eviction_disk_fraction),
        memory_overhead=share(entry.memory_overhead_percent, default.memory_overhead),
    )


def overrides(entry: model.AutoscalingEntry) -> groups.AutoscalingOverrides:
    """Take the autoscaler's options; what the file does not say stays unset."""
    return groups.AutoscalingOverrides(
        scale_down_utilization_threshold=entry.scale_down_utilization_threshold,
        scale_down_gpu_utilization_threshold=entry.scale_down_gpu_utilization_threshold,
        scale_down_unneeded_time_s=entry.scale_down_unneeded_time,
        scale_down_unready_time_s=entry.scale_down_unready_time,
        max_node_provision_time_s=entry.max_node_provision_time,
        ignore_daemonsets_utilization=entry.ignore_daemon_sets_utilization,
    )
