from __future__ import annotations

import dataclasses

from externalgrpc.fleet import observed_capacity
from externalgrpc.model import groups
from externalgrpc.nodes import kubeletconfig, template
from tests.fleet.scene import Scene, group, machine

MIB = 1 << 20


def report(memory_mib: int, left_mib: int | None = None) -> template.Learned:
    return template.Learned(
        capacity=template.Observed(cpu_millis=2000, memory_bytes=memory_mib * MIB, pods=110),
        allocatable=template.Observed(
            memory_bytes=None if left_mib is None else left_mib * MIB, cpu_millis=0
        ),
    )


def scene() -> Scene:
    return Scene(group("g"), shown=(machine(1, "g-1"), machine(2, "g-2")))


def known(there: Scene) -> template.Learned | None:
    return there.fleet.learned.get(observed_capacity.make_of(there.fleet.groups["g"], "small"))


def test_the_smallest_of_a_make_counts_and_what_was_not_looked_at_does_not() -> None:
    there = scene()
    reports = {"sky://1": report(1900, 1800), "sky://2": report(1890)}
    there.fleet = observed_capacity.learn(there.fleet, reports)
    learned = known(there)
    assert learned is not None
    assert learned.capacity.memory_bytes == 1890 * MIB
    assert learned.allocatable.memory_bytes == 1800 * MIB
    assert learned.allocatable.cpu_millis is None, "none is not an amount"
    assert learned.capacity.disk_bytes is None


def test_no_news_gives_the_same_value_and_a_stranger_teaches_nothing() -> None:
    there = scene()
    assert observed_capacity.learn(there.fleet, {"sky://9": report(1)}) is there.fleet
    there.fleet = observed_capacity.learn(there.fleet, {"sky://1": report(1900)})
    assert observed_capacity.learn(there.fleet, {"sky://1": report(1900)}) is there.fleet


def test_what_was_learned_outlives_the_nodes_and_new_ones_replace_it() -> None:
    there = scene()
    there.fleet = observed_capacity.learn(there.fleet, {"sky://1": report(1900)})
    there.fleet = observed_capacity.learn(there.fleet, {})
    assert known(there) is not None
    there.fleet = observed_capacity.learn(there.fleet, {"sky://1": report(1950)})
    learned = known(there)
    assert learned is not None
    assert learned.capacity.memory_bytes == 1950 * MIB


def test_another_reserve_image_or_join_is_another_make() -> None:
    there = scene()
    there.fleet = observed_capacity.learn(there.fleet, {"sky://1": report(1900)})
    for change in (
        {"reserve": groups.KubeletReserve(memory_bytes=MIB)},
        {"image": "other"},
        {"join": "raw"},
        {"user_data": "#!/bin/sh"},
    ):
        there.configure(dataclasses.replace(group("g"), **change))
        assert known(there) is None


def test_what_no_group_can_order_any_more_is_forgotten() -> None:
    there = scene()
    there.fleet = observed_capacity.learn(there.fleet, {"sky://1": report(1900)})
    there.configure(dataclasses.replace(group("g"), image="other"))
    there.fleet = observed_capacity.learn(there.fleet, {})
    assert not there.fleet.learned


def test_the_cluster_s_own_settings_are_kept_until_they_change() -> None:
    there = scene()
    config = kubeletconfig.KubeletConfig(max_pods=64)
    there.fleet = observed_capacity.kubelets(there.fleet, config)
    assert (
        observed_capacity.kubelets(there.fleet, kubeletconfig.KubeletConfig(max_pods=64))
        is there.fleet
    )
    assert observed_capacity.kubelets(there.fleet, None).kubelets is None
