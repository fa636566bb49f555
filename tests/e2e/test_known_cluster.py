"""A server that knows its cluster waits no longer than one that does not, and is harder to fool."""

from __future__ import annotations

import pytest

from tests.e2e.server import pool
from tests.e2e.test_false_claims import KNOWN
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@KNOWN
def test_a_rolling_update_after_a_crash(scene: World, *, known: bool) -> None:
    scene.build()
    scene.cloud.turn("latency", seconds=2, method="POST", path="/servers$")
    scene.serve(pool("web"), known=known, settleS=4.0)
    scene.want("one", 1)
    scene.want("two", 1)
    scene.autoscale()
    scene.until(lambda: "asked" in scene.server.phases(), "creates are in the air")
    scene.server.program.kill()
    scene.server.start()
    scene.scheduled("scheduled over a crash")
    for number, owner in enumerate(("one", "two"), start=1):
        node = scene.cluster.pods()[f"{owner}-0"]["spec"]["nodeName"]
        scene.cluster.cordon(node)
        scene.cluster.delete_pods(owner)
        scene.want(f"new-{owner}", 1)
        scene.scheduled(f"replaced {number}")
        scene.until(lambda node=node: node not in scene.cluster.nodes(), "the old one goes")
        scene.note(f"gone {number}")
    scene.rests(created=4, web=2)
    assert not scene.server.doubts()
    scene.note("at rest")


def test_the_token_of_an_empty_project_replaces_nothing(scene: World) -> None:
    scene.build()
    scene.serve(pool("web"), known=True)
    scene.want("web", 4)
    scene.autoscale()
    scene.scheduled()
    scene.cloud.turn("hide", hidden=True)
    scene.until(lambda: scene.server.not_now() == "Outage", "all have vanished, as it seems")
    assert scene.server.most() == {"web": 4}
    scene.note("vanished")
    scene.want("more", 1)
    scene.later(5)
    assert (scene.cloud.created(), scene.cloud.deletions()) == (4, set())
    assert scene.server.targets() == {"web": 4}
    assert len(scene.cluster.nodes()) == 4
    assert not scene.autoscaler.given_up()
    scene.cloud.turn("hide", hidden=False)
    scene.note("nothing came to pass")
    scene.scheduled()
    scene.rests(created=5, web=5)
    scene.note("at rest")


def test_a_machine_that_the_cloud_denies_while_it_boots_lives_as_a_node(scene: World) -> None:
    scene.build(boot_s=6.0)
    scene.serve(pool("web"), known=True)
    scene.want("web", 1)
    scene.autoscale()
    scene.until(lambda: scene.alive() == {"web": 1}, "one machine is made")
    denied = scene.servers()[0]
    scene.cloud.turn("hide", hidden=True)
    scene.until(lambda: scene.cloud.created() == 2, "another takes its place")
    scene.note("given up")
    scene.scheduled()
    bound = scene.cluster.pods()["web-0"]["spec"]["nodeName"]
    assert bound == denied.name, "the first one was to be a node first"
    scene.later()
    scene.cloud.turn("hide", hidden=False)
    # Its deletion is withdrawn; or forgotten by then, where two listings had lacked it.
    scene.server.program.says(rf"deletion withdrawn|machine is a node .*{bound}")
    scene.note("shown again")
    scene.rests(created=2, web=1)
    assert scene.cluster.pods()["web-0"]["spec"]["nodeName"] == bound
    scene.note("the empty one is gone")
