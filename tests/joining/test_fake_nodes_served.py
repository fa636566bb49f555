"""A whole server with a memory account that asks for Nodes, against a small API server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from externalgrpc import assembly
from externalgrpc.assembly import posing
from externalgrpc.fleet import state
from externalgrpc.nodes import template
from externalgrpc.pb import k8s_core_v1_pb2 as core
from providers import contract
from tests import serving
from tests.e2e import waiting
from tests.kube import apiserver

POOLS = """\
cluster: play
kubernetes: {{kubeconfig: kubeconfig}}
accounts:
- name: ram
  provider: memory
  options: {{nodes: {nodes}, bootTimeS: 0, createLatencyS: 0, deleteTimeS: 0, listLatencyS: 0}}
nodes:
- name: web
  account: ram
  instanceTypes: [gpu, medium-arm]
  regions: [north, south]
  maxSize: 3
  labels: {{tier: web, vps-autoscaler/fake-node: elsewhere}}
  taints: [{{key: tier, value: web, effect: NoSchedule}}]
"""


@pytest.fixture
def server() -> Iterator[apiserver.FakeServer]:
    running = apiserver.FakeServer()
    running.start()
    try:
        yield running
    finally:
        running.stop()


def plant(
    server: apiserver.FakeServer, folder: Path, *, nodes: str = "kwok", dry_run: bool = False
) -> assembly.Assembly:
    server.link(folder)
    made, installed = serving.loaded(folder, POOLS.format(nodes=nodes))
    pace = state.Pace(busy_s=0.05, steady_s=0.2)
    return assembly.Assembly(made, installed, assembly.Parts(pace=pace, dry_run=dry_run))


def nodes_of(server: apiserver.FakeServer) -> dict[str, Mapping[str, Any]]:
    there = dict(server.items)
    return {path.rpartition("/")[2]: each for path, each in there.items() if "/nodes/" in path}


def test_a_machine_that_is_wanted_becomes_a_node_and_stops_being_one(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    running = plant(server, tmp_path)
    running.start()
    try:
        assert running.reconciler.await_first_listings(10.0)
        running.reconciler.grow("web", 1, cover=False)
        waiting.until(lambda: nodes_of(server), "a Node is there", within_s=30)
        ((name, node),) = nodes_of(server).items()
        # A listing may come later than the Node: the cloud says what truly is.
        waiting.until(lambda: running.reconciler.fleet.index.by_provider_id, "it is listed")
        (machine,) = running.reconciler.fleet.index.by_provider_id.values()
        assert (name, node["spec"]["providerID"]) == (machine.node_name, machine.provider_id)
        labels = node["metadata"]["labels"]
        assert labels["tier"] == "web"
        assert labels["vps-autoscaler/fake-node"] == "play", "ours, whatever the group says"
        assert labels[template.HOSTNAME] == name
        # The group spans two regions and two types; this machine is of one of each.
        assert labels[template.REGION] == machine.location == "north"
        assert labels[template.INSTANCE_TYPE] == machine.machine_type == "gpu"
        assert labels["vps-autoscaler/gpu"] == "m1"
        promised = core.Node.FromString(
            running.describer.template_node(
                running.reconciler.fleet, running.reconciler.fleet.groups["web"]
            )
        )
        assert [each.key for each in promised.spec.taints] == ["tier"]
        assert node["spec"]["taints"] == [{"key": "tier", "value": "web", "effect": "NoSchedule"}]
        gives = node["status"]["allocatable"]
        assert gives["cpu"] == node["status"]["capacity"]["cpu"] == "8"
        assert gives["nvidia.com/gpu"] == "1"
        assert gives.keys() >= promised.status.allocatable.keys()
        running.reconciler.runtimes()["ram"].provider.delete(machine.id)
        waiting.until(lambda: not nodes_of(server), "the Node is gone", within_s=30)
    finally:
        running.stop(5.0)


def test_a_group_that_is_not_configured_or_a_type_that_is_not_known_is_not_described(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    running = plant(server, tmp_path)
    machine = contract.Instance(
        id="1",
        provider_id="memory://1",
        node_name="web-a",
        group="web",
        machine_type="gpu",
        location="north",
        state=contract.InstanceState.RUNNING,
    )

    def shape(of: contract.Instance) -> contract.NodeShape | None:
        return posing.shape_of(running.reconciler.fleet, running.describer, of)

    assert shape(machine) is None, "no catalogue yet"
    running.start()
    try:
        assert running.reconciler.await_first_listings(10.0)
        assert shape(machine) is not None
        for other in ({"group": "gone"}, {"machine_type": "small"}, {"location": "east"}):
            assert shape(dataclasses.replace(machine, **other)) is None
    finally:
        running.stop(5.0)


@pytest.mark.parametrize("how", [{"nodes": "none"}, {"dry_run": True}])
def test_nobody_makes_nodes_where_none_are_asked_for_or_nothing_may_be_written(
    server: apiserver.FakeServer, tmp_path: Path, how: Mapping[str, Any]
) -> None:
    running = plant(server, tmp_path, **how)
    running.start()
    try:
        assert running.fake_nodes is None
    finally:
        running.stop(5.0)


def test_an_account_may_begin_to_ask_and_cease_while_the_server_runs(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    running = plant(server, tmp_path, nodes="none")
    running.start()
    try:
        assert running.reconciler.await_first_listings(10.0)
        made, _ = serving.loaded(tmp_path, POOLS.format(nodes="kwok"))
        running.apply(made)
        assert running.fake_nodes is not None
        running.reconciler.grow("web", 1, cover=False)
        waiting.until(lambda: nodes_of(server), "a Node is there", within_s=30)
        made, _ = serving.loaded(tmp_path, POOLS.format(nodes="none"))
        running.apply(made)
        waiting.until(lambda: not nodes_of(server), "its Nodes are gone", within_s=30)
    finally:
        running.stop(5.0)
