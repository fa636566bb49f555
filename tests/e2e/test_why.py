"""``why POD`` beside the real autoscaler: its status, its Events, and our words agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from externalgrpc import cli
from externalgrpc.diagnosis import findings
from tests.e2e.controlplane import ControlPlane
from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TAINTED = {"taints": [{"key": "tier", "value": "batch", "effect": "NoSchedule"}]}


def test_why_a_pod_has_no_node(scene: World, plane: ControlPlane) -> None:
    scene.build()
    scene.serve(pool("web", max_size=1), pool("batch", **TAINTED))
    scene.want("fits", 1, cpu="1500m")
    scene.want("big", 1, cpu="64")

    def why(pod: str) -> dict[str, Any]:
        words = ["why", f"default/{pod}", "--kubeconfig", str(plane.kubeconfig), "-o", "json"]
        done = CliRunner().invoke(cli.cli, [*words, "--address", scene.server.address])
        assert done.exit_code in (0, findings.UNSEEN), done.output
        return dict(json.loads(done.stdout))

    def groups(pod: str) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in why(pod)["groups"]}

    def said(pod: str) -> dict[str, str]:
        return {each["reason"]: each["message"] for each in why(pod)["events"]}

    assert groups("fits-0")["web"]["fits"]
    assert [each["code"] for each in groups("fits-0")["batch"]["misfits"]] == ["Taint"]
    # Nothing was changed by asking: the group has no machine until the autoscaler asks for one.
    assert not scene.server.targets()
    scene.autoscale()
    scene.until(lambda: "fits-0" not in scene.cluster.pending(), "the one that fits has a node")
    found = why("fits-0")
    node = scene.cluster.pods()["fits-0"]["spec"]["nodeName"]
    assert found["pod"]["nodeName"] == node
    where = f"It has a node: {node}, a machine of group web."
    assert found["findings"][0]["what"].startswith(where)

    scene.until(lambda: "NotTriggerScaleUp" in said("big-0"), "the autoscaler spoke of the big one")
    found = why("big-0")
    assert "no group would take it" in found["findings"][0]["what"]
    assert {each["misfits"][-1]["code"] for each in found["groups"]} == {"TooSmall"}
    assert "untolerated taint" in said("big-0")["NotTriggerScaleUp"]
    assert found["autoscaler"]["state"] == "Running"
    assert found["autoscaler"]["namespace"] == "kube-system"
    assert found["autoscaler"]["ageSeconds"] < 60
    assert found["notLookedAt"] == []

    scene.want("second", 1, cpu="1500m")
    scene.until(lambda: "NotTriggerScaleUp" in said("second-0"), "it spoke of the second one")
    web = groups("second-0")["web"]
    assert (web["fits"], web["code"]) == (True, "AtMaxSize")
    assert "max" in said("second-0")["NotTriggerScaleUp"]
    # The autoscaler lists both groups, and has nothing against them.
    assert {each["autoscaler"] for each in groups("second-0").values()} == {""}
    scene.note("all is said")
