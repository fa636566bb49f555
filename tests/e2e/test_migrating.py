"""A pool of the autoscaler's own provider changes hands: machines stay, and so do their pods."""

from __future__ import annotations

import base64
import json

import click.testing
import pytest
import yaml

from externalgrpc import cli
from tests.e2e import cloud, machines
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LABEL = "hcloud/node-group"
TIER = {"tier": "web"}


def stood(scene: World) -> list[cloud.Server]:
    """Have machines of the other autoscaler there, three with Nodes and one of another cluster."""
    scene.machines.joins = lambda server: bool(server.user_data)
    for name in ("web-3c1f90a2b4d5e6f7", "web-5a0b77", "web-66ffe0"):
        scene.cloud.turn("server", add=name, labels={LABEL: "web", "owner": "infra"})
    found = scene.cloud.servers()
    scene.cloud.turn("server", add="web-0f0f0f", labels={LABEL: "web"})
    for server in found:
        scene.machines.stands(server, labels={**TIER, LABEL: "web"})
    return found


def converted(scene: World, server: cloud.Server) -> dict[str, object]:
    """Convert the other autoscaler's Deployment; give the pool that comes of it."""
    config = {
        "imagesForArch": {"amd64": "debian-13", "arm64": "debian-13"},
        "nodeConfigs": {"web": {"cloudInit": machines.USER_DATA, "labels": TIER}},
    }
    flag = f"--nodes=0:6:{server.machine_type.upper()}:{server.location.upper()}:web"
    whole = base64.b64encode(json.dumps(config).encode()).decode()
    container = {
        "command": ["./cluster-autoscaler", "--cloud-provider=hetzner", flag],
        "env": [{"name": "HCLOUD_CLUSTER_CONFIG", "value": whole}],
    }
    manifest = scene.folder / "theirs.yaml"
    manifest.write_text(
        yaml.safe_dump(
            {
                "kind": "Deployment",
                "metadata": {"name": "cluster-autoscaler"},
                "spec": {"template": {"spec": {"containers": [container]}}},
            }
        )
    )
    line = ["convert", f"--cluster={cloud.CLUSTER}", f"--user-data-dir={scene.folder}"]
    done = click.testing.CliRunner().invoke(cli.cli, [*line, str(manifest)])
    assert done.exit_code == 0, done.output
    (entry,) = yaml.safe_load(done.stdout)["nodes"]
    return {**entry, "account": "project"}


def bound(scene: World) -> dict[str, tuple[str, str]]:
    """Tell of each pod which it is and on which node: neither changes unless it is disturbed."""
    return {
        name: (pod["metadata"]["uid"], pod["spec"].get("nodeName", ""))
        for name, pod in scene.cluster.pods().items()
    }


def labels(scene: World) -> dict[int | str, dict[str, str]]:
    return {each.id: dict(each.labels) for each in scene.cloud.servers()}


def test_a_pool_changes_hands_and_back_with_its_pods(scene: World) -> None:
    scene.build()
    old = stood(scene)
    stranger = next(each for each in scene.cloud.servers() if each not in old)
    scene.want("web", 2, selector=TIER)
    scene.until(lambda: not scene.cluster.pending(), "the pods run on the old machines")
    before, written = bound(scene), labels(scene)
    busy = {node for _, node in before.values()}
    idle = next(each for each in old if each.name not in busy)

    # No autoscaler runs; our server does, and knows of nothing.
    scene.serve(converted(scene, old[0]), known=True)
    assert scene.server.targets() == {}
    line = ("adopt", f"--config={scene.server.config}", "web")
    shown = scene.server.command(*line, "--dry-run", code=1)
    assert "3 machines would be adopted" in shown
    assert f"{stranger.provider_id} {stranger.name}" in shown
    assert "no Node of this cluster has the providerID" in shown
    assert labels(scene) == written, "a dry run writes nothing"
    assert scene.server.targets() == {}
    scene.server.command(*line, "--yes", code=1)
    scene.until(lambda: scene.server.targets() == {"web": 3}, "the running server counts them")
    assert labels(scene)[stranger.id] == written[stranger.id]
    assert all(labels(scene)[each.id].items() >= written[each.id].items() for each in old)
    assert scene.server.doubts() == {}
    again = scene.server.command(*line, "--yes", code=1)
    assert again.count("already: it was adopted before") == 3
    assert bound(scene) == before

    scene.autoscale()
    scene.until(lambda: scene.alive() == {"web": 2}, "the idle machine goes")
    scene.note("scaled down")
    assert scene.cloud.deletions() == {idle.id}
    scene.later()
    assert bound(scene) == before, "a pod was disturbed"
    scene.until(lambda: idle.name not in scene.cluster.nodes(), "its Node goes too")

    scene.want("more", 2, selector=TIER)
    scene.scheduled("grown beside the adopted ones")
    assert scene.cloud.created() == 2
    assert bound(scene).items() >= before.items()
    assert scene.server.targets() == {"web": 4}
    assert not scene.autoscaler.given_up()

    # The way back: first nobody runs, then our marks go, and the old label is still there.
    scene.autoscaler.program.kill()
    scene.server.program.stop()
    assert "[2/2]" in scene.server.command(*line, "--undo", "--yes")
    left = labels(scene)
    kept = [each for each in old if each.id != idle.id]
    assert all(left[each.id] == written[each.id] for each in kept)
    ours = [each for each in scene.cloud.servers() if each.group]
    assert len(ours) == 2, "what was made for the group stays its own"
    assert bound(scene).items() >= before.items()


def test_every_adopted_machine_can_go_and_none_comes_back(scene: World) -> None:
    scene.build()
    old = stood(scene)
    scene.serve(converted(scene, old[0]), known=True)
    for each in old:
        line = ("adopt", f"--config={scene.server.config}", "web", "--yes")
        scene.server.command(*line, f"--server={each.id}")
    scene.until(lambda: scene.server.targets() == {"web": 3}, "the running server counts them")
    scene.server.program.kill()
    scene.server.start()
    scene.until(lambda: scene.server.targets() == {"web": 3}, "the next process knows them")
    scene.autoscale()
    scene.until(lambda: not scene.alive(), "all of them go")
    scene.note("at zero")
    scene.rests(created=0)
    assert scene.cloud.deletions() == {each.id for each in old}
