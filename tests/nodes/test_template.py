from __future__ import annotations

import dataclasses

import pytest
from google.protobuf import unknown_fields
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.bootstrap import labels as ordered
from externalgrpc.model import groups, quantity, rules
from externalgrpc.nodes import template
from externalgrpc.pb import k8s_core_v1_pb2 as core
from providers import contract

GIB = 1024**3
KEY = "vps-autoscaler/gpu"
SMALL = contract.MachineType(
    name="cx23", cpu_millis=2000, memory_bytes=4 * GIB, disk_bytes=40 * GIB
)
GROUP = groups.NodeGroup(
    name="pool",
    account="hetzner",
    candidates=(groups.Candidate("cx23", "fsn1"),),
    min_size=0,
    max_size=3,
    labels={"pool": "tenant"},
    taints=(groups.Taint(key="tier", value="paid", effect="NoSchedule"),),
)
SPREAD = dataclasses.replace(
    GROUP, candidates=(groups.Candidate("cx23", "fsn1"), groups.Candidate("cx23", "nbg1"))
)


def cloud_labels(location: str) -> dict[str, str]:
    return {
        template.REGION: location,
        template.ZONE: f"{location}-dc1",
        "csi.cloud/location": location,
        "cloud/provided-by": "cloud",
    }


def prospect(
    kind: contract.MachineType = SMALL,
    location: str = "fsn1",
    learned: template.Learned | None = None,
) -> template.Prospect:
    return template.Prospect(
        machine_type=kind,
        location=location,
        cloud_labels=cloud_labels(location),
        learned=learned or template.Learned(),
    )


def described(
    *prospects: template.Prospect, group: groups.NodeGroup = GROUP, gpu_label: str = KEY
) -> core.Node:
    return core.Node.FromString(template.template_node(group, prospects, gpu_label=gpu_label))


def amounts(named: object) -> dict[str, str]:
    return {name: value.string for name, value in named.items()}


def test_arithmetic_of_a_kubeadm_node() -> None:
    node = described(prospect())
    # 4 GiB less 7.5 %, in whole KiB; 100 MiB less for eviction; 40 GiB of disk less 5 %, and a
    # tenth of that for eviction.
    assert amounts(node.status.capacity) == {
        "cpu": "2",
        "memory": "3879731Ki",
        "ephemeral-storage": "39845888Ki",
        "pods": "110",
    }
    assert amounts(node.status.allocatable) == {
        "cpu": "2",
        "memory": "3777331Ki",
        "ephemeral-storage": "35861299Ki",
        "pods": "110",
    }


def test_the_promise_fits_two_machines_that_were_measured() -> None:
    # Capacity that real nodes of 4 GiB (6.8 % less) and 2 GiB (3.6 % less) reported, in KiB.
    for nominal_kib, seen_kib in ((4_194_304, 3_907_112), (2_097_152, 2_021_828)):
        kind = dataclasses.replace(SMALL, memory_bytes=nominal_kib * 1024)
        node = described(prospect(kind))
        assert quantity.units(node.status.capacity["memory"].string) <= seen_kib * 1024


def test_reservations_of_the_kubelet_are_taken_off() -> None:
    reserve = groups.KubeletReserve(
        max_pods=58,
        cpu_millis=250,
        memory_bytes=512 * 1024**2,
        disk_bytes=GIB,
        eviction_memory_bytes=200 * 1024**2,
        eviction_disk_fraction=0.15,
        memory_overhead=0.0,
        disk_overhead=0.0,
    )
    node = described(prospect(), group=dataclasses.replace(GROUP, reserve=reserve))
    assert amounts(node.status.capacity) == {
        "cpu": "2",
        "memory": "4194304Ki",
        "ephemeral-storage": "41943040Ki",
        "pods": "58",
    }
    assert amounts(node.status.allocatable) == {
        "cpu": "1750m",
        "memory": f"{4_194_304 - 712 * 1024}Ki",
        "ephemeral-storage": f"{40 * GIB * 85 // 100 // 1024 - 1024**2}Ki",
        "pods": "58",
    }


def test_every_rounding_is_downwards() -> None:
    # Half of 2,047 bytes is a little less than 1 KiB, and must not become one.
    tiny = dataclasses.replace(SMALL, memory_bytes=2047, disk_bytes=2047)
    reserve = groups.KubeletReserve(memory_overhead=0.5)
    node = described(prospect(tiny), group=dataclasses.replace(GROUP, reserve=reserve))
    assert node.status.capacity["memory"].string == "0"
    assert node.status.capacity["ephemeral-storage"].string == "1Ki"


def test_a_machine_smaller_than_its_reserve_offers_nothing_and_no_less() -> None:
    reserve = groups.KubeletReserve(cpu_millis=4000, memory_bytes=8 * GIB, disk_bytes=99 * GIB)
    node = described(prospect(), group=dataclasses.replace(GROUP, reserve=reserve))
    assert amounts(node.status.allocatable) == {
        "cpu": "0",
        "memory": "0",
        "ephemeral-storage": "0",
        "pods": "110",
    }


def test_labels_taints_conditions_and_what_stays_empty() -> None:
    node = described(prospect())
    assert dict(node.metadata.labels) == {
        "kubernetes.io/hostname": "pool",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "cx23",
        "topology.kubernetes.io/region": "fsn1",
        "topology.kubernetes.io/zone": "fsn1-dc1",
        "csi.cloud/location": "fsn1",
        "cloud/provided-by": "cloud",
        "pool": "tenant",
    }
    assert [(t.key, t.value, t.effect) for t in node.spec.taints] == [
        ("tier", "paid", "NoSchedule")
    ]
    assert {c.type: c.status for c in node.status.conditions} == {
        "Ready": "True",
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "NetworkUnavailable": "False",
    }
    assert node.metadata.name == ""
    assert node.spec.providerID == ""
    assert not node.spec.unschedulable
    assert len(unknown_fields.UnknownFieldSet(node)) == 0


def test_the_operators_label_wins_where_nobody_knows_better() -> None:
    group = dataclasses.replace(GROUP, labels={template.ZONE: "rack-7", "provided-by": "me"})
    zoneless = dataclasses.replace(prospect(), cloud_labels={template.REGION: "fsn1"})
    assert described(zoneless, group=group).metadata.labels[template.ZONE] == "rack-7"
    labels = described(prospect(), group=group).metadata.labels
    assert labels[template.ZONE] == "fsn1-dc1"
    assert labels["provided-by"] == "me"


def test_no_label_of_a_group_says_what_a_machine_is_not() -> None:
    for key, stands_for in template.IDENTITY.items():
        group = dataclasses.replace(GROUP, labels={key: "lie"})
        labels = dict(described(prospect(), group=group).metadata.labels)
        assert "lie" not in labels.values()
        honest = dataclasses.replace(GROUP, labels={key: labels[stands_for]})
        assert described(prospect(), group=honest).metadata.labels[key] == labels[stands_for]
        spread = dataclasses.replace(SPREAD, labels={key: labels[stands_for]})
        for several in ([prospect(), prospect(location="nbg1")], [prospect()]):
            fields = dict(described(*several, group=spread).metadata.labels)
            assert (key in fields) == (stands_for not in (template.REGION, template.ZONE))


def test_every_label_that_a_kubelet_sets_by_itself_is_promised() -> None:
    """As recorded of a real kubelet of 1.36: hostname, os and arch, the latter under old names."""
    own = {"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"}
    own |= {"beta.kubernetes.io/os", "beta.kubernetes.io/arch"}
    assert own == ordered.KUBELETS_OWN
    labels = described(prospect()).metadata.labels
    assert own <= set(labels)
    assert not rules.value(labels["kubernetes.io/hostname"])
    # and both ways: of Kubernetes' own names it promises no others than are ordered or the cloud's
    ours = {template.INSTANCE_TYPE, template.REGION, template.ZONE}
    assert {key for key in labels if "kubernetes.io/" in key} == own | ours


def test_a_region_free_group_promises_no_place() -> None:
    node = described(prospect(), prospect(location="nbg1"), group=SPREAD)
    labels = dict(node.metadata.labels)
    assert {template.REGION, template.ZONE, "csi.cloud/location"}.isdisjoint(labels)
    assert labels["cloud/provided-by"] == "cloud"
    assert labels[template.INSTANCE_TYPE] == "cx23"


def test_a_region_free_group_with_one_place_left_still_promises_none() -> None:
    labels = dict(described(prospect(), group=SPREAD).metadata.labels)
    assert {template.REGION, template.ZONE, "csi.cloud/location"}.isdisjoint(labels)
    assert labels["pool"] == "tenant"


def test_several_types_promise_the_smallest_of_each_and_no_type() -> None:
    wide = dataclasses.replace(SMALL, name="cpx22", cpu_millis=3000, memory_bytes=3 * GIB)
    node = described(prospect(), prospect(wide))
    assert node.status.capacity["cpu"].string == "2"
    assert node.status.capacity["memory"].string == f"{int(3 * GIB * 0.925) // 1024}Ki"
    labels = dict(node.metadata.labels)
    assert template.INSTANCE_TYPE not in labels
    assert labels[template.ARCH] == "amd64"
    assert labels[template.REGION] == "fsn1"


def test_types_of_two_architectures_promise_neither() -> None:
    arm = dataclasses.replace(SMALL, name="cax11", arch="arm64")
    labels = dict(described(prospect(), prospect(arm)).metadata.labels)
    assert template.ARCH not in labels
    assert "beta.kubernetes.io/arch" not in labels
    assert labels[template.OS] == "linux"


@pytest.mark.parametrize(
    ("model", "resource", "value"),
    [
        ("nvidia_h100", "nvidia.com/gpu", "nvidia_h100"),
        ("RTX 4000 Ada", "nvidia.com/gpu", "rtx-4000-ada"),
        ("amd_mi300x", "amd.com/gpu", "amd_mi300x"),
        ("", "nvidia.com/gpu", "gpu"),
        ("(" * 80, "nvidia.com/gpu", "gpu"),
    ],
)
def test_whole_cards(model: str, resource: str, value: str) -> None:
    card = dataclasses.replace(SMALL, gpus=2, gpu_model=model)
    node = described(prospect(card))
    assert node.status.capacity[resource].string == "2"
    assert node.status.allocatable[resource].string == "2"
    assert node.metadata.labels[KEY] == value


def test_a_slice_of_a_card_is_no_gpu_node() -> None:
    node = described(prospect(dataclasses.replace(SMALL, gpu_model="a16")))
    assert KEY not in node.metadata.labels
    assert not [name for name in node.status.capacity if "gpu" in name]


def test_a_group_where_one_type_has_no_card_promises_none() -> None:
    card = dataclasses.replace(SMALL, name="gpu", gpus=1, gpu_model="nvidia")
    node = described(prospect(card), prospect())
    assert KEY not in node.metadata.labels
    assert "nvidia.com/gpu" not in node.status.capacity
    assert "nvidia.com/gpu" not in node.status.allocatable


def test_what_was_learned_replaces_the_arithmetic() -> None:
    learned = template.Learned(
        capacity=template.Observed(memory_bytes=3_907_112 * 1024, disk_bytes=38 * GIB),
        allocatable=template.Observed(memory_bytes=3_292_712 * 1024),
    )
    node = described(prospect(learned=learned))
    assert node.status.capacity["memory"].string == "3907112Ki"
    assert node.status.allocatable["memory"].string == "3292712Ki"
    assert node.status.capacity["ephemeral-storage"].string == f"{38 * 1024**2}Ki"
    # Not learned: reckoned from the capacity that was.
    assert node.status.allocatable["ephemeral-storage"].string == f"{38 * GIB * 9 // 10 // 1024}Ki"
    assert node.status.allocatable["cpu"].string == "2"


def test_what_was_learned_of_a_larger_machine_is_cut() -> None:
    much = template.Observed(
        cpu_millis=64_000, memory_bytes=64 * GIB, disk_bytes=999 * GIB, pods=999
    )
    node = described(prospect(learned=template.Learned(capacity=much, allocatable=much)))
    assert amounts(node.status.capacity) == {
        "cpu": "2",
        "memory": "4194304Ki",
        "ephemeral-storage": "41943040Ki",
        "pods": "110",
    }
    # It reserved less than machines of this group do: what theirs leaves is promised.
    assert amounts(node.status.allocatable) == {
        "cpu": "2",
        "memory": f"{4194304 - 102400}Ki",
        "ephemeral-storage": f"{41943040 * 9 // 10}Ki",
        "pods": "110",
    }


def test_a_kubelet_may_round_its_thresholds_otherwise() -> None:
    learned = template.Learned(
        capacity=template.Observed(disk_bytes=38 * GIB),
        allocatable=template.Observed(disk_bytes=38 * GIB * 9 // 10 + 17),
    )
    node = described(prospect(learned=learned))
    assert node.status.allocatable["ephemeral-storage"].string == str(38 * GIB * 9 // 10 + 17)


def test_what_is_kept_on_a_machine_goes_before_the_groups_reserve() -> None:
    kept = groups.KubeletReserve(cpu_millis=500, max_pods=30)
    node = described(dataclasses.replace(prospect(), kept=kept))
    assert node.status.allocatable["cpu"].string == "1500m"
    assert node.status.allocatable["pods"].string == "30"


def test_a_group_without_a_candidate_is_refused_by_name() -> None:
    with pytest.raises(template.NoCandidate, match="group pool"):
        template.template_node(GROUP, (), gpu_label=KEY)


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_labels() -> None:
    turned = dataclasses.replace(
        prospect(), cloud_labels=dict(reversed(cloud_labels("fsn1").items()))
    )
    assert template.template_node(GROUP, (prospect(),), gpu_label=KEY) == template.template_node(
        GROUP, (turned,), gpu_label=KEY
    )


sizes = st.integers(0, 2**45)
fractions = st.floats(0, 1, allow_nan=False)
observed = st.builds(
    template.Observed,
    cpu_millis=st.none() | st.integers(-1, 10**6),
    memory_bytes=st.none() | st.integers(-1, 2**46),
    disk_bytes=st.none() | st.integers(-1, 2**46),
    pods=st.none() | st.integers(-1, 1000),
)
kinds = st.builds(
    contract.MachineType,
    name=st.sampled_from(["small", "large"]),
    cpu_millis=st.integers(0, 10**6),
    memory_bytes=sizes,
    disk_bytes=sizes,
    arch=st.sampled_from(["amd64", "arm64"]),
    gpus=st.integers(0, 8),
    gpu_model=st.sampled_from(["", "nvidia_h100", "amd_mi300x"]),
)
reserves = st.builds(
    groups.KubeletReserve,
    max_pods=st.integers(0, 500),
    cpu_millis=st.integers(0, 10**5),
    memory_bytes=sizes,
    disk_bytes=sizes,
    eviction_memory_bytes=sizes,
    eviction_disk_fraction=fractions,
    memory_overhead=fractions,
)
prospects = st.builds(
    prospect,
    kinds,
    st.sampled_from(["fsn1", "nbg1"]),
    st.builds(template.Learned, capacity=observed, allocatable=observed),
)


@given(st.lists(prospects, min_size=1, max_size=4), reserves)
def test_no_promise_is_larger_than_any_machine_that_may_come(
    several: list[template.Prospect], reserve: groups.KubeletReserve
) -> None:
    node = described(*several, group=dataclasses.replace(SPREAD, reserve=reserve))
    capacity = {name: quantity.parse(text) for name, text in amounts(node.status.capacity).items()}
    allocatable = {
        name: quantity.parse(text) for name, text in amounts(node.status.allocatable).items()
    }
    for kind in (each.machine_type for each in several):
        assert capacity["cpu"] * 1000 <= kind.cpu_millis
        assert capacity["memory"] <= kind.memory_bytes
        assert capacity["ephemeral-storage"] <= kind.disk_bytes
        assert sum(amount for name, amount in capacity.items() if "gpu" in name) <= kind.gpus
    assert capacity["pods"] <= reserve.max_pods
    assert allocatable.keys() == capacity.keys()
    assert all(0 <= allocatable[name] <= capacity[name] for name in capacity)


@given(st.lists(prospects, min_size=1, max_size=4))
def test_labels_hold_the_groups_and_only_what_every_machine_will_carry(
    several: list[template.Prospect],
) -> None:
    labels = described(*several, group=SPREAD).metadata.labels
    assert SPREAD.labels.items() <= dict(labels).items()
    for each in several:
        real = {
            **each.cloud_labels,
            **template.machine_labels(each.machine_type, gpu_label=KEY),
            **SPREAD.labels,
            template.HOSTNAME: SPREAD.name,
        }
        assert dict(labels).items() <= real.items()
    assert template.REGION not in labels


@given(st.text(max_size=100))
def test_label_values_are_valid(text: str) -> None:
    value = template.label_value(text)
    assert len(value) <= 63
    assert value.isascii()
    assert value == "" or (value[0].isalnum() and value[-1].isalnum())
