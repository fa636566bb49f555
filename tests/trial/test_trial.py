"""A trial by the RPCs of a whole server: the memory cloud, and a cluster of the test's."""

from __future__ import annotations

import contextlib

import grpc
import pytest

from externalgrpc.joining import registrar
from externalgrpc.kube import nodes
from externalgrpc.model import fleet_errors, groups
from externalgrpc.pb import externalgrpc_pb2, fleet_pb2, fleet_pb2_grpc
from externalgrpc.trial import controller
from tests import serving
from tests.joining.test_registrar import IDENTITY
from tests.joining.test_registrar import Cluster as Standin

PACE = registrar.Pace(sweep_s=0.1, gather_s=0.0, settle_s=0.0)
POOL = """
cluster: test
kubernetes: {}
nodes:
- {name: alpha, provider: memory, instanceType: small, region: north, minSize: 0, maxSize: 2,
   join: kubeadm, labels: {tier: web}}
"""
TAINT = groups.Taint(key="vps-autoscaler/trial", value="alpha", effect="NoSchedule")


class Cluster(Standin):
    """Remembers which tokens were looked for in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []

    def end_token(self, node_name):
        self.ended.append(node_name)


@contextlib.contextmanager
def server(tmp_path, text=POOL, **options):
    cluster = Cluster()
    with serving.running(tmp_path, text, connect=cluster.connect, joining=PACE, **options) as up:
        serving.until(lambda: up.plant.reconciler.fleet.identity)
        yield up, cluster, fleet_pb2_grpc.FleetStub(up.channel)


def machine(up):
    return next(iter(up.plant.reconciler.fleet.index.by_provider_id.values()), None)


def joined(up, cluster, **more):
    """Let the machine that was ordered become a node."""
    serving.until(lambda: machine(up) is not None)
    made = machine(up)
    cluster.join(made, **{"taints": (TAINT,), **more})
    return made


def trial(stub):
    return stub.GetTrial(fleet_pb2.GetTrialRequest())


def until_phase(stub, phase):
    serving.until(lambda: trial(stub).phase == phase, 30.0)
    return trial(stub)


def start(stub, group="alpha"):
    return stub.StartTrial(fleet_pb2.StartTrialRequest(group=group))


def end(stub):
    return stub.EndTrial(fleet_pb2.EndTrialRequest())


def test_a_trial_goes_from_the_order_to_nothing_left(tmp_path):
    with server(tmp_path) as (up, cluster, stub):
        first = start(stub)
        assert (first.phase, first.group, first.trial) == ("ordering", "alpha", "vps-trial-alpha")
        made = joined(up, cluster)
        ready = until_phase(stub, "ready")
        assert (ready.node_name, ready.provider_id) == (made.node_name, made.provider_id)
        assert ready.compared
        end(stub)
        over = until_phase(stub, "over")
        assert [each.name for each in over.steps] == [
            "asked",
            "order sent",
            "order accepted",
            "machine running",
            "node registered",
            "node ready",
            "deletion asked for",
            "deletion accepted",
            "machine gone",
            "nothing left",
        ]
        times = [each.at for each in over.steps]
        assert times == sorted(times)
        assert list(over.left) == []
        assert len(over.proofs) == 4
        assert cluster.nodes == {}
        assert cluster.ended == [made.node_name]
        assert machine(up) is None
        assert not up.cloud.servers()


def test_the_autoscaler_sees_nothing_of_it(tmp_path):
    with server(tmp_path) as (up, cluster, stub):
        start(stub)
        made = joined(up, cluster)
        until_phase(stub, "ready")
        (shown,) = up.stub.NodeGroups(externalgrpc_pb2.NodeGroupsRequest()).nodeGroups
        assert (shown.id, shown.maxSize) == ("alpha", 1)
        node = externalgrpc_pb2.ExternalGrpcNode(name=made.node_name, providerID=made.provider_id)
        for _ in range(2):
            answer = up.stub.NodeGroupForNode(externalgrpc_pb2.NodeGroupForNodeRequest(node=node))
            assert answer.nodeGroup.id == ""
        size = up.stub.NodeGroupTargetSize(externalgrpc_pb2.NodeGroupTargetSizeRequest(id="alpha"))
        assert size.targetSize == 0
        with pytest.raises(grpc.RpcError) as refused:
            up.stub.NodeGroupNodes(externalgrpc_pb2.NodeGroupNodesRequest(id="vps-trial-alpha"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_template_and_node_are_compared(tmp_path):
    with server(tmp_path) as (up, cluster, stub):
        start(stub)
        joined(up, cluster, labels={"tier": "batch", "more": "x"}, taints=())
        ready = until_phase(stub, "ready")
        found = {each.what: (each.promised, each.found, each.wrong) for each in ready.differences}
        assert found["label tier"] == ("web", "batch", True)
        assert found["label more"] == ("", "x", False)
        assert found["taint vps-autoscaler/trial:NoSchedule"] == ("alpha", "", True)


def test_one_that_fails_is_ended_by_the_server_with_its_reason(tmp_path):
    with server(tmp_path) as (up, _cluster, stub):
        start(stub)
        serving.until(lambda: machine(up) is not None)
        serving.until(lambda: "machine running" in [each.name for each in trial(stub).steps])
        up.cloud.power_off(machine(up).id)
        over = until_phase(stub, "over")
        assert over.code == "JoinFailed"
        assert "serial console" in over.reason
        assert list(over.left) == []
        assert not up.cloud.servers()


def test_one_whose_cloud_refuses_says_what_the_cloud_said(tmp_path):
    with server(tmp_path) as (up, _cluster, stub):
        up.cloud.sell_out("small", "north")
        start(stub)
        over = until_phase(stub, "over")
        assert over.code
        assert over.reason
        assert "order accepted" not in [each.name for each in over.steps]
        assert list(over.left) == []


def test_whoever_asks_no_more_has_it_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(controller, "LEASE_S", 0.3)
    with server(tmp_path) as (up, _cluster, stub):
        start(stub)
        serving.until(lambda: up.plant.trials._held.report.phase.value == "over", 30.0)
        assert not up.cloud.servers()
        assert up.plant.reconciler.fleet.groups.keys() == {"alpha"}


def test_a_second_one_is_refused_while_it_lasts(tmp_path):
    with server(tmp_path) as (_up, _cluster, stub):
        start(stub)
        with pytest.raises(grpc.RpcError) as refused:
            start(stub)
        assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
        end(stub)
        until_phase(stub, "over")
        start(stub)
        end(stub)
        until_phase(stub, "over")


def test_a_server_that_is_stopped_takes_the_machine_with_it(tmp_path):
    with server(tmp_path) as (up, _cluster, stub):
        start(stub)
        serving.until(lambda: machine(up) is not None)
        cloud = up.cloud
    serving.until(lambda: not cloud.servers())


def test_people_see_a_trial_while_it_lasts_and_nothing_of_it_after(tmp_path):
    with server(tmp_path) as (up, _cluster, stub):
        start(stub)
        serving.until(lambda: machine(up) is not None)
        shown = up.show()
        (group,) = [each for each in shown.groups if each.trial_of]
        assert (group.id, group.trouble) == ("vps-trial-alpha", "a trial of alpha")
        assert [each.group for each in shown.machines] == ["vps-trial-alpha"]
        end(stub)
        until_phase(stub, "over")
        assert [each.id for each in up.show().groups] == ["alpha"]
        assert not up.show().machines


@pytest.mark.parametrize("unknown", ["silent", "named only"])
def test_a_leftover_that_may_be_a_node_is_not_cleared(tmp_path, unknown):
    with server(tmp_path) as (up, cluster, _):
        plant = up.plant.reconciler
        serving.until(lambda: plant.fleet.identity)
        name = "vps-trial-alpha-bcdfgh"
        number = up.cloud.add(
            name=name, cluster="test", group="vps-trial-alpha", node_name=name, identity=IDENTITY
        )
        provider_id = f"memory://{number}"
        serving.until(lambda: provider_id in plant.fleet.index.by_provider_id, 30)
        if unknown == "silent":
            cluster.silent_s = 3600.0
            serving.until(lambda: plant.fleet.nodes_stale)
        else:
            # Its kubelet says no providerID, and a person removed the taint.
            cluster.adopt = lambda *_: None
            cluster.nodes[name] = nodes.Node(name=name, uid="u", provider_id="", ready=True)
        with pytest.raises(fleet_errors.FleetError):
            up.plant.trials.clear(provider_id)
