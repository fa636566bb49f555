"""The cloud misbehaves: replies get lost, listings fail, machines never join."""

from __future__ import annotations

import time

import pytest

from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_lost_replies_to_creates_make_no_extra_machine(scene: World) -> None:
    scene.build()
    lost = {"kind": "lost", "method": "POST", "path": "/servers$", "times": 2, "after": True}
    scene.cloud.turn("fault", **lost)
    scene.serve(pool("web"))
    scene.want("web", 3)
    scene.autoscale(expander="price")
    scene.scheduled()
    assert sum(each["fault"] == "lost" for each in scene.cloud.log()) == 2
    scene.rests(created=3, web=3)
    scene.note("at rest")


def test_listings_that_fail_for_20_s_change_nothing(scene: World) -> None:
    scene.build(boot_s=6.0)
    scene.serve(pool("web"))
    scene.want("web", 2)
    scene.autoscale()
    scene.until(lambda: scene.alive() == {"web": 2}, "two machines are made")
    broken = {"kind": "error", "status": 500, "method": "GET", "path": "/servers$", "times": None}
    scene.cloud.turn("fault", **broken)
    healed_at = time.monotonic() + 20.0
    scene.until(lambda: time.monotonic() >= healed_at, "20 s pass", within_s=25.0)
    failed = sum(each["status"] == 500 for each in scene.cloud.log())
    assert failed >= 2, "no listing was tried meanwhile"
    scene.cloud.turn("heal")
    scene.note("healed")
    scene.scheduled()
    assert scene.cloud.deletions() == set()
    scene.rests(created=2, web=2)
    scene.note("at rest")


def test_machines_that_never_join_are_given_up_and_replaced(scene: World) -> None:
    scene.build()
    dead: set[int] = set()

    def joins(server: object) -> bool:
        if len(dead) < 2:
            dead.add(server.id)  # type: ignore[attr-defined]
            return False
        return True

    scene.machines.joins = joins
    scene.serve(pool("web"))
    scene.want("web", 2)
    scene.autoscale("--max-node-provision-time=15s")
    scene.until(lambda: dead <= scene.cloud.deletions() and dead, "the dead ones are given up")
    scene.note("given up")
    scene.scheduled()
    assert scene.cloud.deletions() == dead
    scene.rests(created=4, web=2)
    scene.note("at rest")
