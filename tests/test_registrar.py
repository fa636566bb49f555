"""Machines become nodes, or do not: tokens, providerIDs, Node objects and the join watch."""

from __future__ import annotations

import dataclasses
import threading

import grpc
import pytest

from externalgrpc import assembly, clock, registrar
from externalgrpc.bootstrap import credentials
from externalgrpc.fleet import joins
from externalgrpc.kube import errors as kube_errors
from externalgrpc.kube import nodes, reflector
from externalgrpc.pb import externalgrpc_pb2 as pb
from providers import errors
from tests import serving

POOL = """
cluster: test
kubernetes: {}
nodes:
- {name: alpha, provider: memory, instanceType: small, region: north, minSize: 0, maxSize: 9,
   join: kubeadm, autoscalingOptions: {maxNodeProvisionTime: 600s}}
"""


class Cluster:
    """A cluster whose Nodes the test makes; it remembers what was asked of it."""

    def __init__(self) -> None:
        self.nodes: dict[str, nodes.Node] = {}
        self.minted: list[str] = []
        self.revoked: list[str] = []
        self.down = False
        self.complete = True
        self._lock = threading.Lock()

    @property
    def node_list(self):
        now = clock.SystemClock().monotonic()
        return reflector.Listing(items=dict(self.nodes), complete=self.complete, heard_at=now)

    def credentials(self, node_name, group, *, provision_timeout_s):
        if self.down:
            raise kube_errors.Unreachable("no answer")
        with self._lock:
            self.minted.append(node_name)
        return credentials.example()

    def revoke(self, node_name):
        self.revoked.append(node_name)

    def adopt(self, node, provider_id):
        self.nodes[node.name] = dataclasses.replace(node, provider_id=provider_id)

    def remove(self, node, *, still):
        if still(self.nodes[node.name]):
            del self.nodes[node.name]

    def start(self):
        pass

    def stop(self, within_s=10.0):
        pass

    def join(self, machine, *, provider_id=None, ready=True):
        told = machine.provider_id if provider_id is None else provider_id
        node = nodes.Node(
            name=machine.node_name, uid=f"uid-{machine.node_name}", provider_id=told, ready=ready
        )
        self.nodes[node.name] = node


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def house(tmp_path, cluster, monkeypatch):
    # Sweeps are the test's own, so that each is at a known instant.
    monkeypatch.setattr(registrar, "SWEEP_S", 3600.0)
    with serving.running(tmp_path, POOL, connect=lambda _config, _parts: cluster) as up:
        yield up


def machines(up):
    return dict(up.plant.reconciler.fleet.index.by_name)


def grown(up, count):
    up.plant.reconciler.grow("alpha", count, cover=False)
    serving.until(
        lambda: (
            len(machines(up)) == count
            and all(each.state.value == "running" for each in machines(up).values())
        )
    )
    return list(machines(up).values())


def shown(up):
    reply = up.stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id="alpha"))
    return {each.id: each.status for each in reply.instances}


def test_each_machine_gets_a_token_of_its_own_that_goes_when_it_is_a_node(house, cluster):
    first, second = grown(house, 2)
    assert sorted(cluster.minted) == sorted([first.node_name, second.node_name])
    house.plant.registrar.sweep()
    assert cluster.revoked == []
    cluster.join(first)
    house.plant.registrar.sweep()
    assert first.node_name in cluster.revoked
    assert second.node_name not in cluster.revoked
    assert first.provider_id in house.plant.reconciler.fleet.registered


def test_a_machine_that_is_given_up_loses_its_token(house, cluster):
    (machine,) = grown(house, 1)
    node = pb.ExternalGrpcNode(providerID=machine.provider_id, name=machine.node_name)
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=[node]))
    house.plant.registrar.sweep()
    assert machine.node_name in cluster.revoked


def test_no_order_is_sent_while_no_token_can_be_minted(house, cluster):
    cluster.down = True
    with pytest.raises(errors.Throttled):
        house.plant.registrar.way_in("alpha-x", "alpha", provision_timeout_s=600)
    house.plant.reconciler.grow("alpha", 1, cover=False)
    serving.until(
        lambda: any(each.attempts for each in house.plant.reconciler.fleet.launches.values())
    )
    assert house.cloud.servers() == ()


def test_a_node_without_a_provider_id_gets_its_machines(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine, provider_id="")
    house.plant.registrar.sweep()
    assert cluster.nodes[machine.node_name].provider_id == machine.provider_id


def test_a_machine_that_went_off_before_it_joined_is_shown_as_failed(house, cluster):
    (machine,) = grown(house, 1)
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    house.plant.registrar.sweep()
    status = shown(house)[machine.provider_id]
    assert status.instanceState == pb.InstanceStatus.InstanceState.instanceCreating
    assert status.errorInfo.errorCode == "JoinFailed"
    assert status.errorInfo.instanceErrorClass == 99
    assert machine.node_name in status.errorInfo.errorMessage


def test_a_registered_machine_is_never_shown_as_failed(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    house.plant.registrar.sweep()
    cluster.nodes.clear()
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    house.plant.registrar.sweep()
    assert not shown(house)[machine.provider_id].HasField("errorInfo")


def test_what_never_joins_is_let_go_at_last_and_its_group_held_back(house, cluster, monkeypatch):
    monkeypatch.setattr(joins, "PATIENCE_S", 0.0)
    for machine in grown(house, joins.STRIKES):
        house.cloud.power_off(machine.id)
    serving.until(lambda: all(m.state.value == "stopped" for m in machines(house).values()))
    house.plant.registrar.sweep()
    with pytest.raises(grpc.RpcError, match="held back"):
        house.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=1))
    house.plant.registrar.sweep()
    serving.until(lambda: not house.cloud.servers())


def test_nothing_is_judged_on_a_list_of_nodes_that_is_not_whole(house, cluster):
    (machine,) = grown(house, 1)
    house.cloud.power_off(machine.id)
    serving.until(lambda: machines(house)[machine.node_name].state.value == "stopped")
    cluster.complete = False
    house.plant.registrar.sweep()
    assert not shown(house)[machine.provider_id].HasField("errorInfo")


def listed_again(up):
    before = up.plant.reconciler.fleet.accounts["memory"].snapshot
    serving.until(
        lambda: up.plant.reconciler.fleet.accounts["memory"].snapshot.begun_at > before.begun_at
    )


def test_the_node_of_a_deleted_machine_is_removed_after_two_listings(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    house.plant.registrar.sweep()
    node = pb.ExternalGrpcNode(providerID=machine.provider_id, name=machine.node_name)
    house.stub.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=[node]))
    serving.until(lambda: machine.provider_id in house.plant.reconciler.fleet.gone)
    house.plant.registrar.sweep()
    assert machine.node_name in cluster.nodes
    listed_again(house)
    house.plant.registrar.sweep()
    assert machine.node_name not in cluster.nodes


def test_a_ready_node_and_a_stranger_stay(house, cluster):
    (machine,) = grown(house, 1)
    cluster.join(machine)
    stranger = dataclasses.replace(machine, node_name="someone", provider_id="memory://99999")
    cluster.join(stranger, ready=False)
    other = dataclasses.replace(machine, node_name="alpha-zzzzzz", provider_id="hcloud://7")
    cluster.join(other, ready=False)
    house.plant.registrar.sweep()
    house.cloud.vanish(machine.id)
    serving.until(lambda: machine.provider_id in house.plant.reconciler.fleet.gone)
    for _ in range(3):
        house.plant.registrar.sweep()
        listed_again(house)
    assert machine.node_name in cluster.nodes
    cluster.join(machine, ready=False)
    house.plant.registrar.sweep()
    assert machine.node_name not in cluster.nodes
    assert {"someone", "alpha-zzzzzz"} <= cluster.nodes.keys()


def test_a_cluster_that_cannot_be_reached_is_told_at_the_start(tmp_path):
    with (
        pytest.raises(assembly.NoCluster, match="kubernetes: this is no pod"),
        serving.running(tmp_path, POOL, connect=assembly.connect),
    ):
        pass
