"""The RPCs over a real channel, a real server and the memory cloud."""

from __future__ import annotations

import logging

import grpc
import pytest

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.rpc import service
from tests import serving

RUNNING = pb.InstanceStatus.InstanceState.instanceRunning
CREATING = pb.InstanceStatus.InstanceState.instanceCreating


@pytest.fixture
def house(tmp_path):
    with serving.running(tmp_path) as up:
        yield up


def size(up, group):
    return up.stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id=group)).targetSize


def instances(up, group):
    return list(up.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id=group)).instances)


def grow(up, group, delta):
    up.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id=group, delta=delta))


def all_running(up, group, count):
    shown = instances(up, group)
    return len(shown) == count and all(i.status.instanceState == RUNNING for i in shown)


def refused(call, code):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is code, caught.value.details()
    return caught.value.details()


def fake(instance_id, reason="unregistered"):
    return pb.ExternalGrpcNode(
        providerID=instance_id, name=instance_id, annotations={service.FAKE_NODE: reason}
    )


def test_every_rpc_of_the_contract_is_served(house):
    rpcs = pb.DESCRIPTOR.services_by_name["CloudProvider"].methods
    assert len(rpcs) == 15
    for rpc in rpcs:
        call = house.channel.unary_unary(f"/{service.SERVICE}/{rpc.name}", None, None)
        try:
            call(b"", timeout=5)
        except grpc.RpcError as error:
            # An empty request names no group: refused, but known.
            assert error.code() is not grpc.StatusCode.UNIMPLEMENTED, rpc.name


def test_groups_are_listed_as_configured(house):
    listed = house.stub.NodeGroups(pb.NodeGroupsRequest()).nodeGroups
    assert [(g.id, g.minSize, g.maxSize) for g in listed] == [("alpha", 0, 5), ("beta", 1, 9)]


def test_a_growth_is_listed_at_once_and_becomes_machines(house):
    house.cloud.change(create_latency_s=0.5)
    grow(house, "alpha", 2)
    shown = instances(house, "alpha")
    assert size(house, "alpha") == 2
    assert [i.status.instanceState for i in shown] == [CREATING, CREATING]
    assert all(i.id.startswith("memory://launching/alpha-") for i in shown)
    serving.until(lambda: all_running(house, "alpha", 2))
    assert size(house, "alpha") == 2
    assert len(house.cloud.servers()) == 2


def test_a_node_is_reported_its_group_by_provider_id(house):
    grow(house, "alpha", 1)
    serving.until(lambda: all_running(house, "alpha", 1))
    ours = instances(house, "alpha")[0].id
    ask = house.stub.NodeGroupForNode
    (machine,) = house.plant.reconciler.fleet.index.by_name.values()
    for name, group in ((machine.node_name, "alpha"), ("", "alpha"), ("whatever", "")):
        node = pb.ExternalGrpcNode(providerID=ours, name=name)
        assert ask(pb.NodeGroupForNodeRequest(node=node)).nodeGroup.id == group
    for stranger in ("memory://999999", "hcloud://1", "", "memory://launching/none"):
        node = pb.ExternalGrpcNode(providerID=stranger, name="alpha-zzzzzz")
        reply = ask(pb.NodeGroupForNodeRequest(node=node))
        assert reply.HasField("nodeGroup")
        assert reply.nodeGroup.id == ""


def test_sold_out_is_shown_as_a_creating_instance_with_class_one(house):
    house.cloud.sell_out("small", "north")
    grow(house, "alpha", 2)
    serving.until(lambda: all(i.status.HasField("errorInfo") for i in instances(house, "alpha")))
    for shown in instances(house, "alpha"):
        assert shown.status.instanceState == CREATING
        assert shown.status.errorInfo.errorCode == "OutOfStock"
        assert shown.status.errorInfo.instanceErrorClass == 1
        assert "small in north" in shown.status.errorInfo.errorMessage
    assert size(house, "alpha") == 2
    failed = [fake(i.id, "create-error") for i in instances(house, "alpha")]
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=failed))
    assert size(house, "alpha") == 0
    assert instances(house, "alpha") == []


def test_the_second_region_is_taken_when_the_first_is_sold_out(house):
    house.cloud.sell_out("medium", "south")
    grow(house, "beta", 3)
    serving.until(lambda: all_running(house, "beta", 3))
    assert {server.location for server in house.cloud.servers()} == {"east"}


def test_refusals_have_their_codes_and_change_nothing(house):
    grow(house, "beta", 1)
    serving.until(lambda: all_running(house, "beta", 1))
    ours = instances(house, "beta")[0].id
    out = grpc.StatusCode.OUT_OF_RANGE
    assert "maxSize 5" in refused(lambda: grow(house, "alpha", 6), out)
    refused(lambda: grow(house, "alpha", 2**31 - 1), out)
    refused(lambda: grow(house, "alpha", 0), out)
    refused(lambda: grow(house, "alpha", -1), out)
    refused(lambda: grow(house, "nobody", 1), grpc.StatusCode.NOT_FOUND)
    refused(lambda: size(house, "nobody"), grpc.StatusCode.NOT_FOUND)
    delete = house.stub.NodeGroupDeleteNodes
    (machine,) = house.plant.reconciler.fleet.index.by_name.values()
    real = pb.ExternalGrpcNode(providerID=ours, name=machine.node_name)
    mistakes = refused(lambda: delete(pb.NodeGroupDeleteNodesRequest(id="beta", nodes=[real])), out)
    assert "minSize is 1" in mistakes
    stranger = pb.ExternalGrpcNode(providerID="hcloud://7", name="a-stranger")
    mistakes = refused(
        lambda: delete(pb.NodeGroupDeleteNodesRequest(id="beta", nodes=[real, stranger])),
        grpc.StatusCode.INVALID_ARGUMENT,
    )
    assert "a-stranger" in mistakes
    assert size(house, "beta") == 1
    assert len(house.cloud.servers()) == 1


def test_deleting_is_idempotent_and_leaves_nothing(house):
    grow(house, "alpha", 2)
    serving.until(lambda: all_running(house, "alpha", 2))
    nodes = [pb.ExternalGrpcNode(providerID=i.id, name=i.id) for i in instances(house, "alpha")]
    request = pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=nodes)
    house.stub.NodeGroupDeleteNodes(request)
    assert size(house, "alpha") == 0
    house.stub.NodeGroupDeleteNodes(request)
    serving.until(lambda: not house.cloud.servers())
    house.stub.NodeGroupDeleteNodes(request)
    assert size(house, "alpha") == 0


def test_decrease_withdraws_nothing_that_exists(house):
    grow(house, "alpha", 2)
    serving.until(lambda: all_running(house, "alpha", 2))
    shrink = house.stub.NodeGroupDecreaseTargetSize
    shrink(pb.NodeGroupDecreaseTargetSizeRequest(id="alpha", delta=-2))
    assert size(house, "alpha") == 2
    refused(
        lambda: shrink(pb.NodeGroupDecreaseTargetSizeRequest(id="alpha", delta=1)),
        grpc.StatusCode.OUT_OF_RANGE,
    )


def test_the_template_is_in_both_generations_of_the_field(house):
    reply = house.stub.NodeGroupTemplateNodeInfo(pb.NodeGroupTemplateNodeInfoRequest(id="beta"))
    assert reply.nodeBytes == reply.legacyNodeInfo != b""
    node = core.Node.FromString(reply.nodeBytes)
    assert node.metadata.labels["tier"] == "batch"
    assert node.spec.taints[0].effect == "NoSchedule"


def test_options_are_unset_without_overrides(house):
    reply = house.stub.NodeGroupGetOptions(pb.NodeGroupAutoscalingOptionsRequest(id="alpha"))
    assert not reply.HasField("nodeGroupAutoscalingOptions")


def test_prices_are_above_zero_for_template_nodes_and_pods(house):
    node = pb.ExternalGrpcNode(
        name="template-node-for-alpha-123",
        labels={
            "node.kubernetes.io/instance-type": "small",
            "topology.kubernetes.io/region": "north",
        },
    )
    price = house.stub.PricingNodePrice(pb.PricingNodePriceRequest(node=node)).price
    assert price == pytest.approx(0.0096)
    assert house.stub.PricingPodPrice(pb.PricingPodPriceRequest()).price > 0


def test_a_restarted_autoscaler_does_not_pay_twice(house):
    house.cloud.change(boot_time_s=60.0)
    house.stub.GPULabel(pb.GPULabelRequest())
    grow(house, "alpha", 2)
    serving.until(lambda: len(house.cloud.servers()) == 2)
    house.stub.GPULabel(pb.GPULabelRequest())
    grow(house, "alpha", 2)
    assert size(house, "alpha") == 2
    grow(house, "alpha", 1)
    assert size(house, "alpha") == 3


def test_an_autoscaler_that_never_forgets_is_not_covered(house):
    house.cloud.change(boot_time_s=60.0)
    house.stub.GPULabel(pb.GPULabelRequest())
    old = pb.NodeGroupAutoscalingOptions(
        legacyScaleDownUnneededTime=pb.LegacyDuration(duration=1),
        legacyScaleDownUnreadyTime=pb.LegacyDuration(duration=1),
        legacyMaxNodeProvisionTime=pb.LegacyDuration(duration=1),
    )
    grow(house, "alpha", 2)
    house.stub.GPULabel(pb.GPULabelRequest())
    house.stub.NodeGroupGetOptions(pb.NodeGroupAutoscalingOptionsRequest(id="alpha", defaults=old))
    grow(house, "alpha", 1)
    assert size(house, "alpha") == 3


def test_a_cloud_that_is_down_fails_no_read(house):
    grow(house, "alpha", 1)
    serving.until(lambda: all_running(house, "alpha", 1))
    house.cloud.change(error_rate=1.0)
    serving.until(lambda: house.plant.reconciler.fleet.accounts["memory"].failures > 0)
    house.stub.Refresh(pb.RefreshRequest())
    assert len(house.stub.NodeGroups(pb.NodeGroupsRequest()).nodeGroups) == 2
    assert size(house, "alpha") == 1
    assert all_running(house, "alpha", 1)


def test_what_nobody_expects_is_internal_and_says_nothing(house, caplog, monkeypatch):
    def broken():
        raise ZeroDivisionError("a secret is in here")

    monkeypatch.setattr(house.plant.reconciler, "nudge", broken)
    with caplog.at_level(logging.ERROR):
        mistakes = refused(
            lambda: house.stub.Refresh(pb.RefreshRequest()), grpc.StatusCode.INTERNAL
        )
    assert "secret" not in mistakes
    assert "ZeroDivisionError" in caplog.text
