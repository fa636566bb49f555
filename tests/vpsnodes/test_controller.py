"""A VPSNode is a group: from the object to NodeGroups, and from the fleet to its status."""

from __future__ import annotations

from externalgrpc.fleet import view
from tests.vpsnodes.conftest import FILE, SPEC, World


def test_an_object_becomes_a_group(world: World) -> None:
    with world.serving() as plant:
        world.until(lambda: not world.fleet.awaited)
        world.put("web")
        world.until(lambda: world.served == ["web"])
        group = world.fleet.groups["web"]
        assert (group.min_size, group.max_size, group.labels) == (0, 5, {"tier": "web"})
        assert group.image == "debian-13"
        plant.reconciler.grow("web", 2, cover=False)
        world.until(lambda: world.status("web").get("nodes") == 2)
        world.put("web", {**SPEC, "autoScale": {"enabled": True, "maxNodes": 7}})
        world.until(lambda: world.fleet.groups["web"].max_size == 7)
        world.until(lambda: world.condition("web", "Accepted")[:2] == ("True", "Accepted"))


def test_nothing_is_served_before_the_objects_were_listed(world: World) -> None:
    world.put("web")
    text = FILE + "nodes: [{name: alpha, provider: memory, instanceType: small, region: north, "
    text += "maxSize: 2, join: image}]\n"
    world.server.fail("GET", 503, times=3, path="/apis/kubero.dev")
    with world.serving(text):
        world.until(lambda: world.fleet.accounts["memory"].snapshot)
        assert world.served == []
        assert world.fleet.awaited
        world.until(lambda: world.served == ["alpha", "web"])
        assert view.orphans(world.fleet) == ()
