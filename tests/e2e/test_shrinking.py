"""Machines go, all of them, and nobody else's."""

from __future__ import annotations

import grpc
import pytest

from tests.e2e import cloud, machines
from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_down_to_zero(scene: World) -> None:
    scene.build()
    scene.serve(pool("web"))
    scene.want("web", 3)
    scene.autoscale()
    scene.scheduled()
    made = {each.id for each in scene.cloud.servers()}
    scene.cluster.delete_pods("web")
    scene.until(lambda: not scene.alive(), "every machine is deleted")
    scene.note("deleted")
    scene.rests(created=3)
    assert scene.cloud.servers() == []
    assert scene.cloud.deletions() == made
    scene.note("at rest")


def test_a_minimum_is_made_and_kept(scene: World) -> None:
    scene.build()
    scene.serve(pool("web", min_size=1))
    scene.want("web", 2)
    scene.autoscale("--enforce-node-group-min-size")
    scene.scheduled()
    scene.cluster.delete_pods("web")
    scene.until(lambda: scene.alive() == {"web": 1}, "one machine is deleted")
    scene.note("deleted")
    scene.rests(created=2, web=1)
    last = next(each for each in scene.cloud.servers() if each.group)
    code = scene.server.delete_nodes("web", (last.name, last.provider_id))
    assert code is grpc.StatusCode.OUT_OF_RANGE
    assert last.id not in scene.cloud.deletions()
    scene.note("at rest")


def test_servers_and_nodes_of_others_stay_as_they_are(scene: World) -> None:
    scene.build()
    scene.cloud.turn("server", add="by-hand")
    twin = cloud.marks(cluster="another", group="web", node="theirs-bcdfgh")
    scene.cloud.turn("server", add="theirs-bcdfgh", labels=twin)
    theirs = {each.id: each for each in scene.cloud.servers()}
    shape = scene.cloud.shapes()["cx23"]
    for server in theirs.values():
        # Small enough that no pod of this scenario fits.
        small = {**shape, "cores": 1}
        scene.cluster.register(machines.node(server, small, labels={}, taints=[]))

    scene.serve(pool("web"))
    scene.want("web", 2)
    # Batched: both machines go in one call.
    scene.autoscale("--node-deletion-batcher-interval=1s")
    scene.scheduled()
    assert scene.placed("web") == {"web"}
    scene.cluster.delete_pods("web")
    scene.until(lambda: not scene.alive(), "our machines are deleted")
    scene.note("deleted")
    for server in theirs.values():
        code = scene.server.delete_nodes("web", (server.name, server.provider_id))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    scene.later()
    assert {each.id: each for each in scene.cloud.servers()} == theirs
    assert not scene.cloud.deletions() & theirs.keys()
    nodes = scene.cluster.nodes()
    assert set(nodes) == {each.name for each in theirs.values()}
    assert not any(node["spec"].get("taints") for node in nodes.values())
    assert not any(node["spec"].get("unschedulable") for node in nodes.values())
    assert scene.server.targets() == {}
    scene.note("at rest")
