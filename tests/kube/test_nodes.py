from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from externalgrpc.kube import api, errors, nodes
from externalgrpc.model import groups
from externalgrpc.nodes import template
from tests.kube import apiserver

WHOLE = {
    "metadata": {
        "name": "pool-aaaaaa",
        "uid": "u-1",
        "labels": {"a": "b", "odd": 7},
        "creationTimestamp": "2026-11-23T12:00:00Z",
        "resourceVersion": "17",
    },
    "spec": {
        "providerID": "hcloud://4711",
        "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "e"}, None],
        "unschedulable": True,
        "podCIDRs": ["10.244.1.0/24", "fd00:1::/64"],
    },
    "status": {
        "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T12:01:00Z"},
        ],
        "capacity": {
            "cpu": "2",
            "memory": "2021828Ki",
            "ephemeral-storage": "10Gi",
            "pods": "110",
        },
        "allocatable": {"cpu": "1900m", "memory": "nonsense", "pods": 110},
        "nodeInfo": {"kubeletVersion": "v1.36.2"},
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.5"},
            {"type": "ExternalIP", "address": "2001:db8::5"},
        ],
    },
}


def test_a_node_is_read() -> None:
    assert nodes.read(WHOLE) == nodes.Node(
        name="pool-aaaaaa",
        uid="u-1",
        provider_id="hcloud://4711",
        labels={"a": "b"},
        taints=(
            groups.Taint(key="k", value="v", effect="NoSchedule"),
            groups.Taint(key="e", effect=""),
        ),
        ready=True,
        ready_since=1795435260.0,
        created_at=1795435200.0,
        left_alone=True,
        kubelet_version="v1.36.2",
        capacity=template.Observed(
            cpu_millis=2000, memory_bytes=2021828 * 1024, disk_bytes=10 << 30, pods=110
        ),
        allocatable=template.Observed(cpu_millis=1900),
        pod_cidrs=("10.244.1.0/24", "fd00:1::/64"),
        addresses=("10.0.0.5",),
    )


FOUR, SIX = "10.244.1.0/24", "fd00:1::/64"


@pytest.mark.parametrize(
    ("there", "may"),
    [
        ([], True),  # nobody knows
        ([((), ("10.0.0.5",))], True),  # the network plugin gives pods their addresses
        ([((FOUR,), ("10.0.0.5",))], False),
        ([((FOUR,), ("10.0.0.5",)), ((), ("10.0.0.6",))], False),
        ([((FOUR, SIX), ("10.0.0.5",))], True),
        ([((SIX,), ("fd00::5",))], True),
        ([((FOUR,), ("10.0.0.5", "fd00::5"))], True),
        ([((FOUR,), ("10.0.0.5",)), ((FOUR, SIX), ("10.0.0.6",))], True),
    ],
)
def test_whether_a_cluster_may_have_ipv6(
    there: list[tuple[tuple[str, ...], tuple[str, ...]]], *, may: bool
) -> None:
    found = [
        nodes.Node(name=f"n{at}", uid=str(at), pod_cidrs=cidrs, addresses=addresses)
        for at, (cidrs, addresses) in enumerate(there)
    ]
    assert nodes.may_have_ipv6(found) is may


def test_a_condition_without_status_is_no_ready_node() -> None:
    odd = {**WHOLE, "status": {"conditions": [{"type": "Ready"}]}}
    found = nodes.read(odd)
    assert found is not None
    assert not found.ready
    assert found.capacity == template.Observed()


@pytest.mark.parametrize(
    ("status", "since"),
    [("False", 1795435260.0), ("Unknown", 1795435260.0), ("?", 0.0), (None, 0.0)],
)
def test_since_when_a_node_is_not_ready_it_has_to_say(status: object, since: float) -> None:
    condition = {"type": "Ready", "status": status, "lastTransitionTime": "2026-11-23T12:01:00Z"}
    found = nodes.read({**WHOLE, "status": {"conditions": [condition]}})
    assert found is not None
    assert (found.ready, found.ready_since) == (False, since)


@pytest.mark.parametrize(
    ("cordoned", "annotations", "alone"),
    [
        (False, {}, False),
        (True, {}, True),
        (False, {"vps-autoscaler/repair-disabled": "true"}, True),
        (False, {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}, True),
        (False, {"vps-autoscaler/repair-disabled": "false"}, False),
        (False, ["odd"], False),
    ],
)
def test_a_person_may_say_to_leave_a_node_alone(
    cordoned: bool,  # noqa: FBT001 - a parameter
    annotations: object,
    alone: bool,  # noqa: FBT001 - a parameter
) -> None:
    found = nodes.read(
        {
            "metadata": {"name": "pool-aaaaaa", "annotations": annotations},
            "spec": {"unschedulable": cordoned},
        }
    )
    assert found is not None
    assert found.left_alone is alone


def test_a_heartbeat_changes_nothing() -> None:
    later = {
        **WHOLE,
        "metadata": {**WHOLE["metadata"], "resourceVersion": "99"},
        "status": {
            **WHOLE["status"],
            "conditions": [
                {**each, "lastHeartbeatTime": "2026-11-23T13:00:00Z"}
                for each in WHOLE["status"]["conditions"]  # type: ignore[attr-defined]
            ],
        },
    }
    assert nodes.read(later) == nodes.read(WHOLE)


def test_a_node_that_waits_for_finalizers_is_deleting() -> None:
    going = {"metadata": {"name": "n", "deletionTimestamp": "2026-11-23T13:00:00Z"}}
    found = nodes.read(going)
    assert found is not None
    assert found.deleting


def test_another_node_of_the_name_is_left_alone(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    path = f"{nodes.PATH}/pool-aaaaaa"
    server.put(path, {"spec": {}})
    node = nodes.read(link.get(path))
    assert node is not None
    server.put(path, None)
    server.put(path, {"spec": {}})
    assert nodes.remove(link, node, still=lambda _node: True)
    with pytest.raises(nodes.NotOurs):
        nodes.adopt(link, node, "memory://1")
    assert server.items[path]["spec"] == {}
    assert server.count("DELETE") == server.count("PATCH") == 0


def test_a_node_that_never_stands_still_is_tried_a_few_times(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    path = f"{nodes.PATH}/pool-aaaaaa"
    server.put(path, {"spec": {}})
    node = nodes.read(link.get(path))
    assert node is not None

    def still(_node: nodes.Node) -> bool:
        server.put(path, {"spec": {}})
        return True

    with pytest.raises(errors.Conflict):
        nodes.remove(link, node, still=still)
    assert server.count("DELETE") == 4
    assert path in server.items


KEYS = strategies.sampled_from(
    [
        "metadata",
        "spec",
        "status",
        "name",
        "uid",
        "labels",
        "taints",
        "conditions",
        "type",
        "creationTimestamp",
        "lastTransitionTime",
        "capacity",
        "cpu",
        "memory",
        "nodeInfo",
        "key",
    ]
)
JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text()
    | strategies.sampled_from(["Ready", "True", "2026-11-23T12:00:00Z", "0001-01-01", "1e9", "-1"]),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(KEYS, inner),
    max_leaves=30,
)


@hypothesis.given(strategies.dictionaries(KEYS, JSON))
def test_reading_never_fails(fields: dict[str, object]) -> None:
    found = nodes.read(fields)
    if found is not None:
        assert found == nodes.read(fields)
        assert all(isinstance(each, str) for each in found.labels.values())
