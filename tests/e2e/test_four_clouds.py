"""Four clouds behind one server: a pool on each, and pods that move where there is stock."""

from __future__ import annotations

import pytest

from tests.e2e import vendors
from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_a_pool_on_each_of_four_clouds_grows_and_goes(scene: World) -> None:
    scene.build(*vendors.ALL)
    scene.serve(*(pool(each.name, vendor=each, labels={"on": each.name}) for each in vendors.ALL))
    for each in vendors.ALL:
        scene.want(each.name, 2, selector={"on": each.name})
    scene.autoscale()
    scene.scheduled()
    sizes = {each.name: 2 for each in vendors.ALL}
    for each in vendors.ALL:
        assert scene.placed(each.name) == {each.name}
        assert scene.clouds[each.name].created() == 2
    scene.rests(created=8, **sizes)
    scene.note("at rest")
    made = {name: {each.id for each in place.servers()} for name, place in scene.clouds.items()}
    for each in vendors.ALL:
        scene.cluster.delete_pods(each.name)
    scene.until(lambda: not scene.alive(), "every machine of every cloud is deleted")
    scene.note("deleted")
    scene.rests(created=8)
    assert scene.servers() == []
    for name, place in scene.clouds.items():
        assert place.deletions() == made[name]
    scene.note("at rest")


def test_a_cloud_that_is_sold_out_gives_way_to_the_next_within_two_loops(scene: World) -> None:
    scene.build(vendors.HETZNER, vendors.VULTR)
    both = {"tier": "web"}
    scene.cloud.turn("stock", machine_type="cx23", location="*", available=False, listed=False)
    scene.serve(
        pool("cheap", labels=both),
        pool("dear", vendor=vendors.VULTR, labels=both),
        rates={"USD": 0.92},
    )
    scene.want("web", 2, selector=both)
    scene.autoscale(expander="price")
    scene.scheduled()
    assert scene.placed("web") == {"dear"}
    assert scene.clouds["hetzner"].created() == 0
    known_at = max(scene.clouds["hetzner"].refused())
    loops = scene.autoscaler.loops_until_growth("dear", since=known_at)
    assert loops <= 2
    scene.timings.append(f"loops {loops}")
    scene.rests(created=2, dear=2)
    scene.note("at rest")


def test_the_cheaper_cloud_is_taken_in_one_currency(scene: World) -> None:
    scene.build(vendors.LINODE, vendors.DIGITALOCEAN)
    both = {"tier": "web"}
    scene.serve(
        # 0.0360 and 0.0357 dollars an hour.
        pool("dear", vendor=vendors.LINODE, labels=both),
        pool("cheap", vendor=vendors.DIGITALOCEAN, labels=both),
        rates={"USD": 0.92},
    )
    scene.want("web", 2, selector=both)
    scene.autoscale(expander="price")
    scene.scheduled()
    assert scene.placed("web") == {"cheap"}
    scene.rests(created=2, cheap=2)
    scene.note("at rest")
