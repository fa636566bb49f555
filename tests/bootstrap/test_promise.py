"""The template and the join come from one source: what is promised is what is ordered."""

from __future__ import annotations

import dataclasses
import json
from decimal import ROUND_CEILING, Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from externalgrpc.bootstrap import joining, labels, machine
from externalgrpc.model import groups, quantity, rules
from externalgrpc.nodes import kubeletconfig, template
from externalgrpc.pb import k8s_core_v1_pb2 as core
from providers import contract
from tests import depth
from tests.bootstrap import guest, orders

WORDS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
DOMAINS = st.sampled_from(
    ["example.org/", "", "csi.hetzner.cloud/", "node.kubernetes.io/", "x.kubelet.kubernetes.io/"]
)
KEYS = st.builds(lambda domain, word: domain + word, DOMAINS, WORDS)
VALUES = st.one_of(st.just(""), WORDS)
TAINTS = st.builds(
    groups.Taint, key=KEYS, value=VALUES, effect=st.sampled_from(sorted(rules.EFFECTS))
)
RESERVES = st.builds(
    groups.KubeletReserve,
    max_pods=st.integers(1, 500),
    cpu_millis=st.integers(0, 900),
    memory_bytes=st.integers(0, 2 * orders.GIB),
    disk_bytes=st.integers(0, 20 * orders.GIB),
    eviction_memory_bytes=st.integers(0, orders.GIB),
    eviction_disk_fraction=st.integers(0, 990).map(lambda tenths: tenths / 1000),
    memory_overhead=st.integers(0, 500).map(lambda tenths: tenths / 1000),
)
HOST = "the-machines-own"
KINDS = st.builds(
    contract.MachineType,
    name=WORDS,
    cpu_millis=st.integers(1000, 64_000),
    memory_bytes=st.integers(orders.GIB, 256 * orders.GIB),
    disk_bytes=st.integers(10 * orders.GIB, 1000 * orders.GIB),
    arch=st.sampled_from(["amd64", "arm64"]),
    gpus=st.integers(0, 2),
    gpu_model=st.sampled_from(["", "RTX 4000 Ada", "AMD MI300X"]),
)
CLOUD_LABELS = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.just(orders.CLOUD_LABELS),
    st.just({"node-role.kubernetes.io/x": "", "node.k8s.linode.com/host-uuid": "a1"}),
)
PROSPECTS = st.lists(
    st.builds(
        template.Prospect,
        machine_type=KINDS,
        location=st.sampled_from(["fsn1", "nbg1"]),
        cloud_labels=CLOUD_LABELS,
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def pools(draw: st.DrawFn) -> tuple[groups.NodeGroup, list[template.Prospect]]:
    prospects = draw(PROSPECTS)
    group = dataclasses.replace(
        orders.GROUP,
        candidates=tuple(
            groups.Candidate(each.machine_type.name, each.location) for each in prospects
        ),
        labels=draw(st.dictionaries(KEYS.filter(lambda key: not rules.node_label(key)), VALUES)),
        taints=tuple(draw(st.lists(TAINTS, max_size=3))),
        reserve=draw(RESERVES),
    )
    return group, prospects


def machine_of(group: groups.NodeGroup, prospect: template.Prospect, join: str) -> machine.Machine:
    return machine.Machine(
        node_name="workers-x7k2pq",
        group=dataclasses.replace(group, join=join),
        machine_type=prospect.machine_type,
        scheme="hcloud",
        service=orders.SERVICES["hcloud"],
        gpu_label=orders.GPU_LABEL,
        cloud_labels=prospect.cloud_labels,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reported:
    """The machine's kubelet configuration, read back from the user-data."""

    labels: dict[str, str]
    taints: list[tuple[str, str, str]]
    max_pods: int
    reserved: dict[str, str]
    eviction: dict[str, str]


def pairs(text: str, sign: str = "=") -> dict[str, str]:
    return dict(each.split(sign, 1) for each in text.split(",") if each)


def told_by_kubeadm(of: machine.Machine) -> Reported:
    files = guest.written(joining.user_data(of, orders.WAY_IN))
    registration = json.loads(files["/etc/vps-autoscaler/secret/join.yaml"])["nodeRegistration"]
    patch = json.loads(files["/etc/vps-autoscaler/patches/kubeletconfiguration+merge.json"])
    arguments = {each["name"]: each["value"] for each in registration["kubeletExtraArgs"]}
    assert patch["kubeReserved"] is None, "else the cluster's own would be taken off as well"
    return Reported(
        labels=pairs(arguments["node-labels"]),
        taints=[(each["key"], each["value"], each["effect"]) for each in registration["taints"]],
        max_pods=patch["maxPods"],
        reserved=patch["systemReserved"],
        eviction=patch["evictionHard"],
    )


def told_by_k3s(of: machine.Machine) -> Reported:
    files = guest.written(joining.user_data(of, orders.K3S_WAY_IN))
    config = json.loads(files["/etc/vps-autoscaler/secret/k3s.yaml"])
    arguments = dict(each.split("=", 1) for each in config["kubelet-arg"])
    split = [each.rpartition(":") for each in config["node-taint"]]
    return Reported(
        labels=dict(each.split("=", 1) for each in config["node-label"]),
        taints=[(*front.split("=", 1), effect) for front, _, effect in split],  # type: ignore[misc]
        max_pods=int(arguments["max-pods"]),
        reserved=pairs(arguments["system-reserved"]),
        eviction=pairs(arguments["eviction-hard"], "<"),
    )


def kubelets_own(kind: contract.MachineType) -> dict[str, str]:
    """What a kubelet puts on its node by itself, as a real one's Node shows it."""
    return {
        "kubernetes.io/hostname": HOST,
        "kubernetes.io/os": "linux",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": kind.arch,
        "beta.kubernetes.io/arch": kind.arch,
    }


def node_labels(of: machine.Machine, seen: Reported) -> dict[str, str]:
    """What the node will carry: kubelet's own, the cloud's controllers', and what is ordered."""
    by_controllers = {key: value for key, value in of.cloud_labels.items() if rules.node_label(key)}
    return {**by_controllers, **kubelets_own(of.machine_type), **seen.labels}


@settings(deadline=None, max_examples=depth.examples(30))
@given(pools())
def test_what_is_promised_is_what_is_ordered(
    pool: tuple[groups.NodeGroup, list[template.Prospect]],
) -> None:
    group, prospects = pool
    promised = template.node(group, prospects, gpu_label=orders.GPU_LABEL)
    for prospect in prospects:
        alone = dataclasses.replace(
            group, candidates=(groups.Candidate(prospect.machine_type.name, prospect.location),)
        )
        exactly = template.node(alone, [prospect], gpu_label=orders.GPU_LABEL)
        for method, read in (("kubeadm", told_by_kubeadm), ("k3s", told_by_k3s)):
            of = machine_of(group, prospect, method)
            result = read(of)
            carried = node_labels(of, result)
            assert carried == {**exactly.metadata.labels, "kubernetes.io/hostname": HOST}
            few = {**promised.metadata.labels, "kubernetes.io/hostname": HOST}
            assert carried.items() >= few.items()
            assert "kubernetes.io/hostname" in promised.metadata.labels
            assert "kubernetes.io/hostname" not in result.labels
            assert not [key for key in result.labels if rules.node_label(key)]
            expected = [(each.key, each.value, each.effect) for each in promised.spec.taints]
            assert result.taints == expected
            check_resources(result, prospect, group, exactly)


def check_resources(
    seen: Reported, prospect: template.Prospect, group: groups.NodeGroup, promised: core.Node
) -> None:
    """Do the kubelet's subtraction with its configuration, and compare with the template's."""
    capacity, _ = template.resources(prospect, group.reserve)
    assert seen.max_pods == quantity.units(promised.status.allocatable["pods"].string)
    cpu = capacity.cpu_millis - quantity.millis(seen.reserved["cpu"])
    assert max(0, cpu) == quantity.millis(promised.status.allocatable["cpu"].string)
    memory = (
        capacity.memory_bytes
        - quantity.units(seen.reserved["memory"])
        - threshold(seen.eviction["memory.available"], capacity.memory_bytes)
    )
    assert kibibytes(memory) == quantity.units(promised.status.allocatable["memory"].string)
    disk = (
        capacity.disk_bytes
        - quantity.units(seen.reserved["ephemeral-storage"])
        - threshold(seen.eviction["nodefs.available"], capacity.disk_bytes)
    )
    assert kibibytes(disk) == quantity.units(
        promised.status.allocatable["ephemeral-storage"].string
    )


def kibibytes(amount: int) -> int:
    return max(0, amount) // 1024 * 1024


def threshold(text: str, whole: int) -> int:
    """Read an eviction threshold as a kubelet does: a quantity above zero, or percent."""
    if not text.endswith("%"):
        amount = quantity.units(text)
        assert amount > 0, "a kubelet refuses zero"
        return amount
    share = Decimal(text.removesuffix("%")) / 100 * whole
    return int(share.to_integral_value(ROUND_CEILING))


SHARES = st.integers(0, 900).map(lambda tenths: f"{tenths / 10:g}%")
AMOUNTS = st.integers(1, 2048).map(lambda mebibytes: f"{mebibytes}Mi")
RESERVED = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.integers(0, 900).map(lambda millis: f"{millis}m"),
        "memory": AMOUNTS,
        "ephemeral-storage": AMOUNTS,
        "pid": st.just("1000"),
    },
)
CLUSTERS = st.fixed_dictionaries(
    {"clusterDNS": st.just(["10.96.0.10"])},
    optional={
        "maxPods": st.integers(1, 500),
        "podsPerCore": st.integers(1, 20),
        "systemReserved": RESERVED,
        "kubeReserved": RESERVED,
        "evictionHard": st.fixed_dictionaries(
            {},
            optional={
                "memory.available": st.one_of(AMOUNTS, SHARES),
                "nodefs.available": SHARES,
                "imagefs.available": SHARES,
            },
        ),
        "mergeDefaultEvictionSettings": st.booleans(),
    },
)
GIVEN = st.sets(
    st.sampled_from(
        [
            *("max_pods", "cpu_millis", "memory_bytes", "disk_bytes"),
            *("eviction_memory_bytes", "eviction_disk_fraction"),
        ]
    )
).map(frozenset)


def merged(target: Any, patch: dict[str, Any]) -> Any:
    """Apply a JSON merge patch as RFC 7386 says."""
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value) if isinstance(value, dict) else value
    return result


def kept_by(config: dict[str, Any], signal: str, default: str, whole: int) -> int:
    """Return a hard threshold as a kubelet with this configuration has it."""
    named = config.get("evictionHard") or {}
    if not named or config.get("mergeDefaultEvictionSettings"):
        named = {signal: default, **named}
    value = named.get(signal, "0%")
    share = value.endswith("%")
    return threshold(value, whole) if share else quantity.units(value)


def reserved_by(config: dict[str, Any], resource: str) -> str:
    both = (config.get(each) or {} for each in ("systemReserved", "kubeReserved"))
    return "+".join(each.get(resource, "0") for each in both)


@settings(deadline=None, max_examples=depth.examples(70))
@given(KINDS, RESERVES, GIVEN, CLUSTERS)
def test_a_cluster_s_own_kubelet_config_is_reckoned_with(
    kind: contract.MachineType,
    reserve: groups.KubeletReserve,
    given_: frozenset[str],
    cluster: dict[str, Any],
) -> None:
    """Patch the cluster's configuration as kubeadm does, subtract as a kubelet, and compare."""
    own = dataclasses.replace(reserve, given=given_, disk_overhead=0.0)
    group = dataclasses.replace(
        orders.GROUP, candidates=(groups.Candidate(kind.name, "fsn1"),), reserve=own, join="kubeadm"
    )
    kubelets = kubeletconfig.read(cluster)
    of = machine.Machine(
        node_name="workers-x7k2pq",
        group=group,
        machine_type=kind,
        scheme="hcloud",
        service=orders.SERVICES["hcloud"],
        gpu_label=orders.GPU_LABEL,
        kubelets=kubelets,
    )
    files = guest.written(joining.user_data(of, orders.WAY_IN))
    patch = json.loads(files["/etc/vps-autoscaler/patches/kubeletconfiguration+merge.json"])
    config = merged(cluster, patch)
    assert config["clusterDNS"] == ["10.96.0.10"]
    prospect = template.Prospect(
        machine_type=kind,
        location="fsn1",
        cloud_labels={},
        kept=kubeletconfig.kept(own, kind, kubelets),
    )
    capacity, promised = template.resources(prospect, prospect.kept or own)
    pods = config.get("maxPods", 110)
    if config.get("podsPerCore"):
        pods = min(pods, config["podsPerCore"] * (kind.cpu_millis // 1000))
    assert promised.pods == pods
    free_cpu = kind.cpu_millis - sum(
        quantity.millis(each) for each in reserved_by(config, "cpu").split("+")
    )
    assert promised.cpu_millis == max(0, free_cpu)
    for resource, signal, default, whole, amount in (
        ("memory", "memory.available", "100Mi", capacity.memory_bytes, promised.memory_bytes),
        ("ephemeral-storage", "nodefs.available", "10%", capacity.disk_bytes, promised.disk_bytes),
    ):
        free = whole - sum(
            quantity.units(each) for each in reserved_by(config, resource).split("+")
        )
        free -= kept_by(config, signal, default, whole)
        assert abs(max(0, free) - amount) <= 2048, (resource, config)


@settings(max_examples=depth.examples(100))
@given(
    st.one_of(
        KEYS,
        st.builds(
            lambda sub, domain, word: f"{sub}{domain}/{word}",
            st.sampled_from(["", "a.", "x"]),
            st.sampled_from(
                [
                    *("kubernetes.io", "k8s.io", "node-role.kubernetes.io", "beta.kubernetes.io"),
                    *("node-restriction.kubernetes.io", "topology.kubernetes.io", "example.org"),
                ]
            ),
            st.sampled_from(["zone", "region", "hostname", "os", "arch", "instance-type", "w"]),
        ),
    )
)
def test_both_ends_read_node_restriction_alike(key: str) -> None:
    assert labels.kubelet_may_set(key) == (rules.node_label(key) == "")


def test_a_groups_own_label_wins_over_the_clouds_but_for_what_the_machine_is() -> None:
    own = {"csi.hetzner.cloud/location": "eu", "topology.kubernetes.io/region": "eu"}
    of = orders.machine_of(group={"labels": own})
    assert of.labels["csi.hetzner.cloud/location"] == "eu"
    assert of.labels["topology.kubernetes.io/region"] == "fsn1"
    of = orders.machine_of(group={"labels": {"kubernetes.io/hostname": "eu"}})
    assert "kubernetes.io/hostname" not in of.labels


def test_a_label_that_no_kubelet_may_set_is_refused() -> None:
    refused: list[dict[str, Any]] = [{"labels": {"node-role.kubernetes.io/worker": ""}}]
    for group in refused:
        try:
            orders.machine_of(group=group)
        except machine.Unjoinable as error:
            assert "node-role.kubernetes.io/worker may not be set" in str(error)
        else:
            raise AssertionError(group)
