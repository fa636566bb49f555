"""Processes die in the middle, and in the end there are as many machines as were wanted."""

from __future__ import annotations

import pytest

from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_server_killed_twice_in_mid_growth(scene: World) -> None:
    scene.build()
    scene.cloud.turn("latency", seconds=6, method="POST", path="/servers$")
    # Three hands, so that each life of the server leaves three of the six creates in the air.
    scene.serve(pool("web"), hands=3, settleS=8.0)
    scene.want("web", 6)
    scene.autoscale()
    for _ in range(2):
        # What is under way goes on at the cloud when the server dies: it lands unseen.
        scene.until(lambda: scene.server.phases().count("asked") == 3, "three creates in the air")
        scene.server.program.kill()
        scene.server.start()
    scene.note("third life")
    scene.scheduled()
    scene.rests(created=6, web=6)
    scene.note("at rest")


@pytest.mark.parametrize(("dies", "more"), [("ca", "before"), ("ca", "after"), ("both", "before")])
def test_autoscaler_killed_while_machines_boot(scene: World, dies: str, more: str) -> None:
    """One more pod arrives before the restart, or after the first growth that follows it."""
    scene.build(boot_s=20.0)
    scene.serve(pool("web"))
    scene.want("web", 3)
    scene.autoscale()
    scene.until(lambda: scene.alive() == {"web": 3}, "three machines are made")
    scene.autoscaler.program.kill()
    if dies == "both":
        scene.server.program.kill()
        scene.server.start()
    if more == "before":
        scene.want("web", 1)
    scene.autoscaler.start()
    scene.note("started again")
    scene.later()
    assert not scene.cluster.nodes(), "the machines were up too soon for this to show anything"
    if more == "after":
        assert scene.cloud.created() == 3
        scene.want("web", 1)
    scene.scheduled()
    scene.rests(created=4, web=4)
    scene.note("at rest")
