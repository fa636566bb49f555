"""A pod against the node that a group would get next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.diagnosis.pods import matching, terms, wanted
from externalgrpc.pb import k8s_core_v1_pb2 as core

NODE = matching.Node(
    labels={"tier": "web", "topology.kubernetes.io/region": "fsn1"},
    gives={"cpu": 2000, "memory": 4 << 30, "pods": 110, "ephemeral-storage": 40 << 30},
)
BATCH = matching.Taint(key="tier", value="batch")


def needs(cpu: str = "", memory: str = "", **spec: Any) -> wanted.Needs:
    asked = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return wanted.needs({"containers": [{"resources": {"requests": asked}}], **spec})


def codes(asked: wanted.Needs, node: matching.Node = NODE) -> list[str]:
    return [each.code for each in matching.misfits(asked, node, {})]


def sentence(asked: wanted.Needs, node: matching.Node = NODE) -> str:
    (found,) = matching.misfits(asked, node, {})
    return found.sentence


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (needs(), []),
        (needs("2", "4Gi"), []),
        (needs("2001m"), ["TooSmall"]),
        (needs("3", "5Gi"), ["TooSmall", "TooSmall"]),
        (needs(nodeSelector={"tier": "web"}), []),
        (needs(nodeSelector={"tier": "db"}), ["NodeSelector"]),
        (needs(nodeSelector={"disk": "ssd"}), ["NodeSelector"]),
        (needs(overhead={"cpu": "3"}), ["TooSmall"]),
        (needs("1", initContainers=[{"resources": {"requests": {"cpu": "3"}}}]), ["TooSmall"]),
        (
            needs(
                "1500m",
                initContainers=[
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "600m"}}}
                ],
            ),
            ["TooSmall"],
        ),
        # An init container that is over leaves its room to the others.
        (needs("1500m", initContainers=[{"resources": {"requests": {"cpu": "600m"}}}]), []),
        (needs("1", resources={"requests": {"cpu": "3"}}), ["TooSmall"]),
    ],
)
def test_what_keeps_a_pod_off(asked: wanted.Needs, expected: list[str]) -> None:
    assert codes(asked) == expected


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"key": "tier", "operator": "Equal", "value": "batch", "effect": "NoSchedule"}, True),
        ({"key": "tier", "value": "batch"}, True),
        ({"key": "tier", "value": "web"}, False),
        ({"key": "tier"}, False),
        ({"key": "tier", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, True),
        ({"operator": "Equal", "value": "batch"}, False),
        ({"key": "tier", "operator": "Gt", "value": "batch"}, False),
    ],
)
def test_a_toleration(toleration: dict[str, str], *, covers: bool) -> None:
    asked = needs(tolerations=[toleration])
    assert matching.tolerated(BATCH, asked.tolerations) is covers


@pytest.mark.parametrize(
    ("effect", "expected"),
    [("NoSchedule", ["Taint"]), ("NoExecute", ["Taint"]), ("PreferNoSchedule", [])],
)
def test_taints_that_keep_away(effect: str, expected: list[str]) -> None:
    taint = matching.Taint(key="tier", value="batch", effect=effect)
    assert codes(needs(), matching.Node(labels={}, taints=(taint,), gives=NODE.gives)) == expected


def test_a_misfit_names_both_sides() -> None:
    region = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {
                                "key": "topology.kubernetes.io/region",
                                "operator": "In",
                                "values": ["nbg1"],
                            }
                        ]
                    }
                ]
            }
        }
    }
    assert sentence(needs(affinity=region)) == (
        "its node affinity: it asks for topology.kubernetes.io/region=nbg1, and its nodes have "
        "topology.kubernetes.io/region=fsn1"
    )
    assert sentence(needs("2500m")) == "the pod requests cpu 2500m, and a node of it gives 2"
    gpu = {"containers": [{"resources": {"requests": {"nvidia.com/gpu": "1"}}}]}
    assert sentence(wanted.needs(gpu)) == (
        "the pod requests nvidia.com/gpu 1, and a node of it gives none"
    )


def test_required_affinity_without_terms_fits_nothing() -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    odd = {"nodeAffinity": {required: {"nodeSelectorTerms": []}}}
    assert codes(needs(affinity=odd)) == ["NodeAffinity"]
    assert codes(needs(affinity={"nodeAffinity": {}})) == []


def test_a_volume_that_is_bound_to_a_place() -> None:
    there = terms.read([{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}])
    (found,) = matching.misfits(needs(), NODE, {"data": there})
    assert found.code == "Volume"
    assert "claim data: it asks for zone Exists" in found.sentence


def test_daemon_sets_take_cpu_and_places_of_pods() -> None:
    small = matching.Node(labels={}, gives={"cpu": 1000, "pods": 2})
    crowded = matching.with_daemons(small, [needs("200m"), needs("100m")])
    assert crowded.taken == {"cpu": 300, "pods": 2}
    assert codes(needs("700m"), crowded) == ["TooSmall"]
    elsewhere = matching.with_daemons(small, [needs("200m", nodeSelector={"tier": "db"})])
    assert elsewhere.taken == {}


AMOUNTS = st.integers(min_value=0, max_value=4000)


@given(gives=AMOUNTS, taken=AMOUNTS, asked=AMOUNTS)
def test_a_node_is_never_given_twice(gives: int, taken: int, asked: int) -> None:
    node = matching.Node(labels={}, gives={"cpu": gives}, taken={"cpu": taken})
    fits = not codes(wanted.Needs(requests={"cpu": asked}), node)
    assert fits is (asked == 0 or asked + taken <= gives)


@given(
    selector=st.dictionaries(st.sampled_from("ab"), st.sampled_from("12")),
    labels=st.dictionaries(st.sampled_from("abc"), st.sampled_from("12")),
)
def test_a_selector_fits_what_holds_all_of_it(
    selector: dict[str, str], labels: dict[str, str]
) -> None:
    node = matching.Node(labels=labels, gives=NODE.gives)
    assert (not codes(needs(nodeSelector=selector), node)) is (selector.items() <= labels.items())


def test_a_template_is_read() -> None:
    template = core.Node(
        metadata=core.ObjectMeta(labels={"a": "b"}),
        spec=core.NodeSpec(taints=[core.Taint(key="tier", value="batch", effect="NoSchedule")]),
    )
    for name, text in (("cpu", "1900m"), ("memory", "2Gi"), ("pods", "110"), ("odd", "nonsense")):
        template.status.allocatable[name].string = text
    read = matching.node_of(template)
    assert read.labels == {"a": "b"}
    assert read.taints == (BATCH,)
    assert read.gives == {"cpu": 1900, "memory": 2 << 30, "pods": 110, "odd": 0}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cpu", 1500, "1500m"),
        ("cpu", 2000, "2"),
        ("memory", 3 << 30, "3Gi"),
        ("memory", int(3.5 * (1 << 30)), "3.5Gi"),
        ("memory", 512 << 20, "512Mi"),
        ("memory", 100, "100"),
        ("hugepages-2Mi", 4 << 20, "4Mi"),
        ("pods", 110, "110"),
        ("nvidia.com/gpu", 2, "2"),
    ],
)
def test_amounts_are_written_as_people_do(name: str, value: int, text: str) -> None:
    assert matching.written(name, value) == text
