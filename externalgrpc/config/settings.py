"""Turn the nested settings of a group into frozen values."""

from __future__ import annotations

import dataclasses
from typing import Any

from externalgrpc.config import model
from externalgrpc.model import groups


def reserve(entry: model.KubeletEntry) -> groups.KubeletReserve:
    """Take what kubelet keeps, and which of it the file says; the rest stays kubeadm's default."""
    fields = {
        "max_pods": entry.max_pods,
        "cpu_millis": entry.cpu,
        "memory_bytes": entry.memory,
        "disk_bytes": entry.ephemeral_storage,
        "eviction_memory_bytes": entry.eviction_memory,
        "eviction_disk_fraction": _share(entry.eviction_disk_percent),
        "memory_overhead": _share(entry.memory_overhead_percent),
        "disk_overhead": _share(entry.disk_overhead_percent),
    }
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return dataclasses.replace(groups.KubeletReserve(), **given, given=frozenset(given))


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


def join_deadlines(entry: model.JoinDeadlinesEntry) -> groups.JoinDeadlines:
    """Take how long the steps of a join may take."""
    return groups.JoinDeadlines(
        running_s=entry.running, csr_s=entry.csr, node_s=entry.node, ready_s=entry.ready
    )


def headroom(entry: model.HeadroomEntry) -> groups.Headroom:
    """Take what room a group keeps free; what the file does not say is none."""
    fields = {
        "machines": entry.nodes,
        "cpu_millis": entry.cpu,
        "lower_after_s": entry.lower_after,
    }
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return dataclasses.replace(groups.Headroom(), **given)


def limits(entry: model.LimitsEntry) -> groups.Limits:
    """Take how many failed joins are given up at most; what the file does not say is usual."""
    fields = {
        "given_up_a_group": entry.given_up_per_group,
        "given_up_share": _share(entry.given_up_percent),
        "within_s": entry.within,
    }
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return dataclasses.replace(groups.Limits(), **given)


def cap(entry: model.NodeEntry | model.AccountEntry | model.File) -> groups.SpendCap:
    """Take what machines may cost at most."""
    return groups.SpendCap(per_hour=entry.max_price_per_hour, per_month=entry.max_price_per_month)


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
