"""A pause stops growth and costs the group nothing; a spend cap leaves the pods to other groups."""

from __future__ import annotations

import time

import pytest

from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_a_pause_in_the_file(scene: World) -> None:
    scene.build()
    scene.serve(pool("web"))
    scene.server.change(paused=True)
    scene.until(lambda: scene.server.not_now() == "Paused", "the pause is taken")
    assert scene.server.most() == {"web": 0}
    scene.want("web", 2)
    scene.autoscale()
    scene.later(5)
    assert scene.cloud.created() == 0
    assert len(scene.cluster.pending()) == 2
    assert not scene.autoscaler.given_up()
    scene.note("nothing came to pass")
    ended = time.time()
    scene.server.change(paused=False)
    scene.scheduled("scheduled after the pause")
    loops = scene.autoscaler.loops_until_growth("web", since=ended)
    assert loops <= 2, "the group was never backed off"
    scene.timings.append(f"loops {loops}")
    scene.server.change(paused=True)
    scene.until(lambda: scene.server.most() == {"web": 2}, "paused again")
    scene.cluster.delete_pods("web")
    scene.until(lambda: not scene.alive(), "what the autoscaler drains goes, paused or not")
    scene.rests(created=2)
    scene.note("at rest")


def test_a_pause_by_annotation_is_taken_within_seconds(scene: World) -> None:
    scene.build()
    scene.cluster.annotate_us(paused="no order before the audit")
    scene.serve(pool("web"), known=True)
    scene.until(lambda: scene.server.not_now() == "Paused", "it is read before any order")
    assert "no order before the audit" in scene.server.show().paused
    scene.want("web", 1)
    scene.autoscale()
    scene.later(3)
    assert scene.cloud.created() == 0
    scene.note("paused")
    scene.cluster.annotate_us(paused=None)
    scene.until(lambda: not scene.server.not_now(), "it is heard that the pause is over")
    scene.note("heard")
    scene.scheduled()
    scene.cluster.annotate_us(paused="true")
    scene.until(lambda: scene.server.not_now() == "Paused", "and that it begins")
    scene.note("heard again")
    scene.rests(created=1, web=1)


def test_a_group_at_its_cap_gives_way_to_another(scene: World) -> None:
    scene.build()
    both = {"tier": "web"}
    scene.serve(
        # Two of them, with their addresses, cost less than that, three more.
        pool("cheap", labels=both, maxPricePerHour=0.02),
        pool("dear", labels=both, machine_type="cpx22", regions=("nbg1",)),
        rates={},
    )
    scene.want("web", 4, selector=both)
    scene.autoscale(expander="price")
    scene.scheduled()
    # What is on its way in a group that failed it counts no longer, and orders for it once more.
    scene.until(lambda: scene.alive() == {"cheap": 2, "dear": 2}, "what was too much goes")
    made = scene.cloud.created()
    assert made <= 6, "two for the cheap group, and no more than were asked for of the other"
    scene.note("what was too much is gone")
    failed = scene.server.program.log.read_text()
    assert "code=SpendCap" in failed
    assert "its maxPricePerHour is 0.02" in failed
    (spent,) = scene.server.show().spending
    assert (spent.scope, spent.name, spent.cap_per_hour) == ("group", "cheap", "0.02")
    assert 0 < float(spent.per_hour) <= 0.02
    scene.rests(created=made, cheap=2, dear=2)
    scene.note("at rest")
