"""Machines come: from zero, from the right pool, from the next place when one is sold out."""

from __future__ import annotations

import pytest

from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.mark.parametrize("expander", ["price", "least-waste"])
def test_from_zero_two_pools_are_reported_apart_by_label_and_taint(
    scene: World, expander: str
) -> None:
    scene.build()
    scene.serve(
        pool("web", labels={"tier": "web"}),
        pool("batch", labels={"tier": "batch"}, taint="batch"),
    )
    scene.want("web", 3, selector={"tier": "web"})
    scene.want("anywhere", 1)
    scene.want("batch", 2, selector={"tier": "batch"}, tolerates="batch")
    scene.autoscale(expander=expander)
    scene.scheduled()
    assert scene.placed("web") == {"web"}
    assert scene.placed("anywhere") == {"web"}, "the taint of batch keeps others away"
    assert scene.placed("batch") == {"batch"}
    scene.rests(created=6, web=4, batch=2)
    scene.note("at rest")


def test_a_place_that_is_sold_out_is_passed_over_within_the_group(scene: World) -> None:
    scene.build()
    scene.cloud.turn("stock", machine_type="cx23", location="fsn1", available=False, listed=True)
    scene.serve(pool("web", regions=("fsn1", "nbg1")))
    scene.want("web", 3)
    scene.autoscale()
    scene.scheduled()
    assert {each.location for each in scene.cloud.servers()} == {"nbg1"}
    assert scene.cloud.refused(), "the sold-out place was never tried"
    scene.rests(created=3, web=3)
    scene.note("at rest")


def test_a_group_that_is_sold_out_gives_way_to_another_within_two_loops(scene: World) -> None:
    scene.build()
    scene.cloud.turn("stock", machine_type="cx23", location="*", available=False, listed=True)
    both = {"tier": "web"}
    scene.serve(
        pool("cheap", labels=both),
        pool("dear", labels=both, machine_type="cpx22", regions=("nbg1",)),
    )
    scene.want("web", 2, selector=both)
    scene.autoscale(expander="price")
    scene.scheduled()
    assert scene.placed("web") == {"dear"}
    known_at = max(scene.cloud.refused())
    loops = scene.autoscaler.loops_until_growth("dear", since=known_at)
    assert loops <= 2
    scene.timings.append(f"loops {loops}")
    scene.rests(created=2, dear=2)
    scene.note("at rest")
