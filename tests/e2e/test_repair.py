"""A node stays away: its machine goes, and the real autoscaler brings another for a cause."""

from __future__ import annotations

import pytest

from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

REPAIR = {"notReadyFor": "5m"}
"""The least that may be said."""

WITHIN_S = 480.0


def test_a_machine_whose_node_stays_away_is_replaced(scene: World) -> None:
    scene.build()
    web = pool("web", labels={"tier": "web"}, repair=REPAIR)
    base = pool("base", labels={"tier": "base"}, min_size=3, repair=REPAIR)
    scene.serve(web, base, known=True)
    # One of each group at once: a tenth of so few machines is one in all.
    scene.server.change(limits={"givenUpPercent": 100})
    scene.want("web", 2, selector={"tier": "web"})
    scene.want("base", 3, selector={"tier": "base"})
    scene.autoscale()
    scene.scheduled()
    scene.cluster.delete_pods("base")
    by_group = {
        name: [each for each in scene.servers() if each.group == name] for name in ("web", "base")
    }
    lost = [by_group["web"][0], by_group["base"][0]]
    spared = by_group["base"][1]
    scene.cluster.cordon(spared.name)
    for each in (*lost, spared):
        scene.cluster.unready(each.name)

    def codes() -> dict[str, str]:
        shown = scene.server.show().machines
        return {each.name: each.error_code for each in shown if each.error_code}

    said = {each.name: "NodeUnready" for each in lost}
    scene.until(lambda: codes() == said, "who is not ready is shown, and nobody else")
    assert scene.cloud.deletions() == set()
    scene.note("seen")

    gone = {each.id for each in lost}
    scene.until(
        lambda: scene.cloud.deletions() == gone, "both machines are deleted", within_s=WITHIN_S
    )
    scene.note("deleted")
    left = {"web": 1, "base": 2}
    scene.until(
        lambda: scene.server.targets() == left and len(scene.cluster.nodes()) == 3,
        "target, cloud and Nodes agree",
    )
    scene.later()
    assert scene.server.targets() == left, "below minSize alone the autoscaler orders nothing"

    scene.want("again", 1, selector={"tier": "web"})
    scene.scheduled("replaced for a pod that waits")
    assert scene.alive() == {"web": 2, "base": 2}, "and no back-off was in the way"
    assert not scene.autoscaler.given_up()

    scene.autoscaler.program.kill()
    scene.autoscale("--enforce-node-group-min-size")
    scene.until(lambda: scene.alive() == {"web": 2, "base": 3}, "minSize is reached again")
    scene.note("replaced for minSize")
    scene.later()
    assert scene.cloud.deletions() == gone, "what is cordoned stays"
    assert spared.name in scene.cluster.nodes()
    assert not scene.autoscaler.given_up()
