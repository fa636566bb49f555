"""A whole server repairs: what it takes of the cluster, and where it is reported."""

from __future__ import annotations

import dataclasses
import time

import pytest

from externalgrpc.config import fields
from externalgrpc.kube import reflector
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.support import clock
from tests import serving
from tests.joining.test_registrar import BY_HAND, POOL, Cluster, grown, metric, shown

AFTER_S = 0.5
REPAIRED = POOL.replace("join: kubeadm", f"join: kubeadm, repair: {{notReadyFor: {AFTER_S}s}}")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Let tests say less than a person may."""
    monkeypatch.setattr(fields, "SHORTEST_REPAIR_S", 0.0)


@pytest.fixture
def cluster():
    return Cluster()


def ill(house, cluster, **more):
    """Grow two machines that become nodes, of which one stays away; its time passes."""
    first, second = grown(house, 2)
    for machine in (first, second):
        cluster.join(machine)
    house.plant.registrar.sweep()
    now = clock.SystemClock().unix()
    cluster.join(first, **{"ready": False, "ready_since": now, **more})
    house.plant.registrar.sweep()
    began = clock.SystemClock().monotonic()
    serving.until(lambda: clock.SystemClock().monotonic() - began > AFTER_S + 0.1)
    return first, second


def members(house):
    """Give what counts, as the autoscaler is shown it."""
    deleting = pb.InstanceStatus.InstanceState.instanceDeleting
    return {key for key, each in shown(house).items() if each.instanceState != deleting}


def test_a_machine_whose_node_stays_away_is_let_go_and_that_is_reported(tmp_path, cluster):
    with serving.running(tmp_path, REPAIRED, connect=cluster.connect, joining=BY_HAND) as house:
        first, second = ill(house, cluster)
        assert members(house) == {first.provider_id, second.provider_id}
        assert metric(house, "unready_machines", group="alpha", due="false") == 1.0
        told = {each.name: each for each in house.show().machines}[first.node_name]
        assert told.error_code == "NodeUnready"
        assert told.error_message.startswith(
            "its Node is not ready, seen so for 0 min; its machine"
        )
        assert not shown(house)[first.provider_id].HasField("errorInfo"), "CA would back off"
        house.plant.registrar.sweep()
        assert members(house) == {second.provider_id}
        size = house.stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="alpha"))
        assert size.targetSize == 1
        node = pb.ExternalGrpcNode(providerID=first.provider_id, name=first.node_name)
        reply = house.stub.NodeGroupForNode(pb.NodeGroupForNodeRequest(node=node))
        assert reply.nodeGroup.id == ""
        said = [each for each in cluster.reported if each.reason == "Repair"]
        assert [(each.regarding.kind, each.kind) for each in said] == [
            ("ConfigMap", "Warning"),
            ("Node", "Warning"),
        ]
        assert said[0].note.startswith(f"group alpha: {first.node_name} is not ready for longer")
        assert metric(house, "repairs_total", group="alpha") == 1.0
        assert metric(house, "unready_machines", group="alpha", due="false") == 0.0
        serving.until(
            lambda: [each.node_name for each in house.cloud.servers()] == [second.node_name]
        )


def test_what_was_seen_too_short_a_while_is_no_ground(tmp_path, cluster):
    slow = dataclasses.replace(BY_HAND, settle_s=3600.0)
    with serving.running(tmp_path, REPAIRED, connect=cluster.connect, joining=slow) as house:
        both = ill(house, cluster)
        house.plant.registrar.sweep()
        assert members(house) == {each.provider_id for each in both}
        assert not house.plant.reconciler.fleet.unready


class Silent(Cluster):
    """A cluster of which nothing is heard once it is silent, and that says so."""

    heard_at: float | None = None

    @property
    def node_list(self):
        listing = super().node_list
        if self.heard_at is None:
            return listing
        return dataclasses.replace(listing, heard_at=self.heard_at)


def test_a_node_is_deleted_on_no_older_word_than_that_of_the_last_sweep(tmp_path):
    cluster = Silent()
    with serving.running(tmp_path, REPAIRED, connect=cluster.connect, joining=BY_HAND) as house:
        both = ill(house, cluster)
        ids = {each.provider_id for each in both}
        now = clock.SystemClock().monotonic()
        house.plant.registrar._heard_at = cluster.heard_at = now
        house.plant.registrar.sweep()
        assert members(house) == ids, "it may be ready since"
        cluster.heard_at = None
        house.plant.registrar.sweep()
        assert members(house) == ids - {both[0].provider_id}
        assert isinstance(cluster.node_list, reflector.Listing)


@pytest.mark.parametrize(
    "said", [{"ready_since": 0.0}, {"left_alone": True}], ids=["says nothing", "left alone"]
)
def test_what_a_node_does_not_say_and_what_a_person_says(tmp_path, cluster, said):
    with serving.running(tmp_path, REPAIRED, connect=cluster.connect, joining=BY_HAND) as house:
        both = ill(house, cluster, **said)
        house.plant.registrar.sweep()
        assert members(house) == {each.provider_id for each in both}


def test_an_absent_node_is_named_so(tmp_path, cluster):
    with serving.running(tmp_path, REPAIRED, connect=cluster.connect, joining=BY_HAND) as house:
        first, second = ill(house, cluster, ready=True)
        del cluster.nodes[first.node_name]
        house.plant.registrar.sweep()
        _pass(AFTER_S + 0.1)
        house.plant.registrar.sweep()
        assert members(house) == {second.provider_id}
        (said, _) = [each for each in cluster.reported if each.reason == "Repair"]
        assert f"{first.node_name} is absent for longer" in said.note


@pytest.fixture
def pair(tmp_path, cluster):
    """Run a server whose two machines are nodes that one look has seen."""
    with serving.running(tmp_path, REPAIRED, connect=cluster.connect, joining=BY_HAND) as house:
        both = grown(house, 2)
        for each in both:
            cluster.join(each)
        house.plant.registrar.sweep()
        yield house, *both


def test_what_was_cordoned_while_another_acted_is_left_alone(cluster, pair):
    house, first, second = pair
    sweep, plant = house.plant.registrar.sweep, house.plant.reconciler
    plant.stand_by("pod-2 acts")
    cluster.join(first, left_alone=True)
    sweep()
    del cluster.nodes[first.node_name]
    sweep()
    plant.take_over()
    plant.stand_by("")
    sweep()
    _pass(AFTER_S + 0.2)
    sweep()
    assert members(house) == {first.provider_id, second.provider_id}


def test_a_gap_in_which_another_might_act_begins_the_time_anew(cluster, pair):
    house, first, second = pair
    sweep, plant = house.plant.registrar.sweep, house.plant.reconciler
    del cluster.nodes[first.node_name]
    sweep()
    plant.stand_by("the Lease was not seen to be renewed")
    cluster.join(first)
    sweep()
    _pass(AFTER_S + 0.2)
    sweep()
    del cluster.nodes[first.node_name]
    sweep()
    plant.stand_by("")
    sweep()
    assert members(house) == {first.provider_id, second.provider_id}


def _pass(seconds: float) -> None:
    began = time.monotonic()
    serving.until(lambda: time.monotonic() - began > seconds)
