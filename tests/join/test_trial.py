"""``vps-autoscaler try`` with a real machine: kubeadm joins it, and nothing of it is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.join import world

pytestmark = [pytest.mark.join, pytest.mark.timeout(2400)]

TAINT = {"key": "vps-autoscaler/trial", "value": "workers", "effect": "NoSchedule"}


def test_a_group_is_tried_with_a_real_machine(scene: world.World) -> None:
    server = scene.serve(labels={"paas-tier": "tenant"})
    argv = [sys.executable, "-m", "externalgrpc", "try", "workers", "--yes", "-o", "json"]
    command = subprocess.Popen(
        [*argv, "--address", server.address],
        env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109 - as the server's
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        machine = scene.booted()
        name = machine.name
        node = scene.alive(machine, lambda: scene.node(name), "the machine is a Node")
        assert TAINT in node["spec"]["taints"], "its own kubelet registered it so"
        assert server.target() == 0, "the autoscaler is not shown it"
        assert server.instances() == []
        out, err = command.communicate(timeout=world.JOIN_S)
    finally:
        if command.poll() is None:
            command.kill()
            command.communicate()
    assert command.returncode == 0, err
    report = json.loads(out)
    assert report["ready"]
    assert report["compared"]
    assert [each for each in report["differences"] if each["wrong"]] == []
    assert report["left"] == []
    assert [each["name"] for each in report["steps"]] == [
        "asked",
        "order sent",
        "order accepted",
        "machine running",
        "certificate requested",
        "node registered",
        "node ready",
        "deletion asked for",
        "deletion accepted",
        "machine gone",
        "nothing left",
    ]
    steps = (f"{step['name']} {step['afterSeconds']:.0f} s" for step in report["steps"])
    scene.note(f"try: {', '.join(steps)}")
    assert machine.is_off, "the cloud has no such server"
    assert scene.node(name) is None
    assert not scene.tokens()
