from __future__ import annotations

from fractions import Fraction
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from externalgrpc.model import groups
from externalgrpc.nodes import kubeletconfig

GIB = 1 << 30
MIB = 1 << 20


def _reserve(settings: dict[str, Any], **size: Any) -> groups.KubeletReserve:
    machine = {
        "cpu_millis": 4000,
        "memory_bytes": 8 * GIB,
        "disk_bytes": 80 * GIB,
        "memory_overhead": 0.0,
        **size,
    }
    return kubeletconfig.read(settings).reserve(**machine)


def test_a_cluster_that_sets_nothing_keeps_what_we_assume() -> None:
    assert _reserve({}, memory_overhead=0.075) == groups.KubeletReserve()
    assert _reserve({"evictionHard": {}, "maxPods": 0}, memory_overhead=0.075) == (
        groups.KubeletReserve()
    )


def test_reservations_add_up() -> None:
    fields = {
        "systemReserved": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "1Gi"},
        "kubeReserved": {"cpu": "0.25", "memory": "1e9", "pid": "1000"},
        "maxPods": 250,
    }
    found = _reserve(fields)
    assert found.cpu_millis == 350
    assert found.memory_bytes == 200 * MIB + 10**9
    assert found.disk_bytes == GIB
    assert found.max_pods == 250


def test_named_thresholds_replace_the_default_ones() -> None:
    # kubelet: "if any signal is specified, those that are not are set to 0".
    found = _reserve({"evictionHard": {"memory.available": "500Mi"}})
    assert found.eviction_memory_bytes == 500 * MIB
    assert found.eviction_disk_fraction == 0.0
    found = _reserve({"evictionHard": {"nodefs.available": "5%"}})
    assert found.eviction_memory_bytes == 0
    assert found.eviction_disk_fraction == 0.05


def test_unless_they_are_merged() -> None:
    fields = {"evictionHard": {"memory.available": "500Mi"}, "mergeDefaultEvictionSettings": True}
    found = _reserve(fields)
    assert found.eviction_memory_bytes == 500 * MIB
    assert found.eviction_disk_fraction == 0.10


def test_shares_of_memory_and_amounts_of_disk() -> None:
    fields = {"evictionHard": {"memory.available": "5%", "nodefs.available": "8Gi"}}
    found = _reserve(fields, memory_overhead=0.5)
    assert found.eviction_memory_bytes == int(4 * GIB * 0.05)
    assert found.eviction_disk_fraction == 0.1
    assert found.memory_overhead == 0.5


def test_pods_per_core_limits_pods() -> None:
    fields = {"maxPods": 110, "podsPerCore": 10}
    assert _reserve(fields, cpu_millis=4000).max_pods == 40
    assert _reserve(fields, cpu_millis=64000).max_pods == 110


@pytest.mark.parametrize(
    ("cpus", "millis"),
    [
        ("0", 1000),
        ("0-1", 2000),
        ("0,2-3", 3000),
        ("0-3,2,2-4", 5000),
        ("what", 350),
        ("3-1", 350),
        ("0,3-1", 350),
        (f"0-{'9' * 5000}", 350),
    ],
)
def test_reserved_cpus_take_the_place_of_reservations(cpus: str, millis: int) -> None:
    fields = {
        "systemReserved": {"cpu": "100m"},
        "kubeReserved": {"cpu": "250m"},
        "reservedSystemCPUs": cpus,
    }
    assert _reserve(fields).cpu_millis == millis


def test_a_threshold_is_the_larger_of_its_two_ways() -> None:
    threshold = kubeletconfig.Threshold(amount_bytes=10, share=Fraction(1, 2))
    assert threshold.of(100) == 50
    assert threshold.of(10) == 10


KEYS = strategies.sampled_from(
    [
        "systemReserved",
        "kubeReserved",
        "evictionHard",
        "maxPods",
        "podsPerCore",
        "cpu",
        "memory",
        "memory.available",
        "nodefs.available",
        "reservedSystemCPUs",
        "ephemeral-storage",
    ]
)
VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text()
    | strategies.sampled_from(["5%", "-5%", "200%", "nan%", "1Gi", "-1", "3-1", "100m"]),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(KEYS, inner),
)


@pytest.mark.parametrize("key", ["maxPods", "podsPerCore"])
def test_a_count_that_no_kubelet_reads_is_not_said(key: str) -> None:
    for odd in (2**31, 10**30, 0, -5, True, "7", 7.0):
        assert _reserve({key: odd}).max_pods == 110
    assert _reserve({"maxPods": 2**31 - 1}).max_pods == 2**31 - 1


@hypothesis.given(strategies.dictionaries(KEYS, VALUES))
@hypothesis.example({"reservedSystemCPUs": "3-1"})
def test_whatever_is_reported_makes_a_reserve(fields: dict[str, Any]) -> None:
    found = _reserve(fields)
    assert found.max_pods >= 0
    assert min(found.cpu_millis, found.memory_bytes, found.disk_bytes) >= 0
    assert found.eviction_memory_bytes >= 0
    assert 0.0 <= found.eviction_disk_fraction <= 1.0
