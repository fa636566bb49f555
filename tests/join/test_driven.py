"""The unmodified upstream autoscaler brings the machine, and takes it away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests import absent
from tests.e2e import binaries
from tests.join import world

pytestmark = [pytest.mark.join, pytest.mark.timeout(2400)]

LABELS = {"paas-tier": "tenant"}
LEAVES_S = 180.0


def test_a_pending_pod_brings_a_machine(scene: world.World) -> None:
    binary = _autoscaler()
    server = scene.serve(labels=LABELS)
    scene.autoscale(binary, server)
    scene.plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(_wish()))

    machine = scene.booted()
    name = machine.name
    scene.alive(machine, lambda: scene.node(name), "the machine is a Node")
    scene.alive(
        machine,
        lambda: [p["spec"].get("nodeName") for p in scene.cluster.pods().values()] == [name],
        "the pod has the node",
    )
    node = scene.node(name)
    assert node is not None
    scene.note_join(machine, node)
    assert len(scene.rack.machines) == 1, "one pod, one machine"

    scene.plane.kubectl("delete", "deployment", "wish", "--cascade=foreground", "--timeout=90s")
    scene.until(lambda: machine.is_off, "the autoscaler lets it go", within_s=LEAVES_S)
    scene.until(lambda: scene.node(name) is None, "its Node is gone", within_s=60.0)
    assert server.target() == 0
    assert not scene.tokens()


def _autoscaler() -> Path:
    try:
        return binaries.find(os.environ)[0]
    except binaries.MissingError:
        absent.skip(absent.Need.AUTOSCALER)


def _wish() -> dict[str, object]:
    labels = {"app": "wish"}
    container = {
        "name": "wish",
        "image": "none",
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}},
    }
    pod = {"nodeSelector": LABELS, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "wish"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
